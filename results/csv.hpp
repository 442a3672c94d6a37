#pragma once

#include "faultgen/fault_set.hpp"
#include "results/trials.hpp"
#include "suite/base/result.hpp"

#include <ostream>

namespace bitquake::results {

/// Nothing when every trial's group, fault range, site and bits are in `faults` and the sites have
/// the same names; otherwise Errc::results: the fault set is not the one the trials were run with.
Result<std::monostate> check_faults(const Trials& trials, const faultgen::FaultSet& faults);

/// One CSV record per trial, header first (RFC 4180, lines end in "\n"): the trial columns, the
/// golden columns of its sample (golden_ before their names), then fault_site, fault_element,
/// fault_bits, fault_original and fault_corrupted, where the trial's faults are joined by ';' and
/// bits of one fault by '+'. Codes are written as words: outcome, first_nonfinite (a point, empty:
/// none), message. Bit patterns are hexadecimal, empty for a fault that was not reached. Other
/// numbers are those of trials.h5, in shortest round-trip form.
/// @pre check_faults(trials, faults)
void write_trials_csv(const Trials& trials, const faultgen::FaultSet& faults, std::ostream& out);

/// One CSV record per sample without trials: sample, sample_index, reason.
void write_skipped_csv(const Trials& trials, std::ostream& out);

}  // namespace bitquake::results
