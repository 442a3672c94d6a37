#pragma once

#include "faultgen/fault_set.hpp"
#include "faultgen/schedule.hpp"
#include "results/trials.hpp"
#include "suite/engine/plan.hpp"

#include <cstdint>
#include <string>

/// What the rows of a campaign must satisfy whatever the model says: checked on each of them,
/// without an inference. Rows as read_rows of run_files.hpp gives them: sorted, of a finished
/// campaign or not.
namespace bitquake::engine {

struct RowFindings {
  std::uint64_t checked = 0;  ///< rows
  std::uint64_t wrong = 0;
  std::string first;  ///< what is wrong with the first wrong row
};

/// Every trial of the samples in /golden is there once, with the perturbation, epoch, sample, group
/// and fault of its number; a sample that is skipped under a perturbation has none there. /golden
/// has a row under each perturbation for each of the `samples` that the run has come to.
RowFindings check_against_plan(const results::Trials& rows, const Plan& plan,
                               const faultgen::FaultSet& faults, std::uint64_t samples);

/// Every trial's injections are the faults that its groups hold, in order, and each left behind
/// what its fault model makes of the bits it found; a location hit twice was found as it was left.
/// @pre check_against_plan found nothing wrong
RowFindings check_injections(const results::Trials& rows, const Plan& plan,
                             const faultgen::FaultSet& faults, faultgen::RunType run_type);

/// The columns of a trial agree with each other and with its golden row: outcome with hashes, top-1
/// classes, non-finite points and messages; flags with probabilities (metrics/outcome.hpp).
/// @pre check_against_plan found nothing wrong
RowFindings check_verdicts(const results::Trials& rows);

}  // namespace bitquake::engine
