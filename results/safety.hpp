#pragma once

#include "faultgen/fault_set.hpp"
#include "metrics/kpi.hpp"
#include "metrics/safety.hpp"
#include "results/trials.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace bitquake::results {

/// Bits that hold one kind of values of a site, and of which faults were drawn.
struct Exposure {
  std::uint32_t site = 0;
  faultgen::Target target = faultgen::Target::neuron;
  std::uint64_t bits = 0;
};

/// What carries rates on to FIT. Empty exposures: no such figures.
struct FitInputs {
  double raw_fit_per_mbit = 0;  ///< of the technology, per 1e6 bits
  double derating = 1;          ///< metrics::Structure::derating
  std::vector<Exposure> exposures{};
};

/// Figures of one condition. Evidence for a safety analysis, of the faults that were injected. As
/// latent counts every fault that changes no decision and raises no alarm: which of them really
/// wait for a second fault, campaigns of single faults cannot tell, so that lfm is cautious.
struct SafetyTable {
  std::string variant, perturbation;
  std::vector<Exposure> structures{};  ///< those with trials; report.structures are theirs
  metrics::SafetyReport report{};
  std::uint64_t bits_without_trials = 0;  ///< exposed, but left out: no fault was drawn there
  std::string missing{};  ///< why there are no figures: the structures and report are empty
};

/// Tables of all conditions, of modified networks compared with the original. Where a structure has
/// too few faults for an interval of a rate, its interval is [0, 1]: cautious.
/// @pre check_faults(trials, faults), and single faults of one bit
std::vector<SafetyTable> safety_tables(const Trials& trials, const faultgen::FaultSet& faults,
                                       const FitInputs& fit, const metrics::RateOptions& options);

/// "weights of conv1"
std::string structure_name(const Campaign& campaign, const Exposure& exposure);

}  // namespace bitquake::results
