#pragma once

#include "results/row_difference.hpp"
#include "results/trials.hpp"
#include "suite/base/result.hpp"
#include "suite/engine/run_files.hpp"
#include "suite/engine/unit.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bitquake::engine {

/// All rows of one trial.
struct TrialRows {
  results::TrialRow trial;
  std::vector<results::InjectionRow> injections;
  std::vector<results::MonitorRow> monitors;
  std::vector<results::DeviationRow> deviations;
  results::GoldenRow golden;
  std::string message;  ///< that trial.message stands for
};

/// The rows that a run directory has of a trial; `golden` of its sample and perturbation.
TrialRows stored_rows(const results::Trials& rows, const results::TrialRow& trial,
                      const results::GoldenRow& golden);
/// The rows that were computed of it; none when its sample was skipped.
std::optional<TrialRows> computed_rows(const UnitRows& rows, std::uint64_t trial);

/// Every column in which they differ: numbers, bits, hashes, messages, faults.
std::vector<results::Difference> differences(const TrialRows& stored, const TrialRows& computed);

/// One trial of a run directory, run once more, beside the rows that are stored of it.
struct Replay {
  std::uint64_t trial = 0;
  UnitInput input;  ///< its sample
  TracedTrial again;
  std::vector<results::Difference> differences;  ///< empty: reproduced to the bit
  std::uint64_t columns = 0;                     ///< compared, over all rows of the trial
  /// Numeric fingerprints of the rows and of this machine. Where they differ, a difference in the
  /// rows is no defect.
  std::string stored_numerics, numerics;
};

/// Runs one trial again, watched at every site.
/// @param run     the directory that holds the trial
/// @param inputs  as reopen gives them
/// @param rows    as read_rows gives them
/// @param trial   its number
/// @return Errc::usage when there is no such trial: outside the plan, of a skipped sample, or not
///         computed yet; Errc::results when a finished campaign lacks its rows
/// Throws as decode_unit and run_golden.
Result<Replay> replay_trial(const RunFiles& run, const Inputs& inputs, const results::Trials& rows,
                            std::uint64_t trial);

/// Everything about it for people.
std::string replay_text(const Replay& replay, const Inputs& inputs);

}  // namespace bitquake::engine
