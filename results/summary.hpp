#pragma once

#include "faultgen/fault_set.hpp"
#include "metrics/kpi.hpp"
#include "results/corruption_error.hpp"
#include "results/estimates.hpp"
#include "results/interaction.hpp"
#include "results/monitors.hpp"
#include "results/safety.hpp"
#include "results/score_card.hpp"
#include "results/trials.hpp"
#include "suite/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace bitquake::results {

/// Version of summary.json and of the kpi/*.csv files.
inline constexpr std::uint64_t kSummaryVersion = 5;

/// The outcome rates of the trials that touch one site, bit or bit field.
struct Breakdown {
  std::string name;
  std::vector<metrics::Rate> rates;
};

/// The KPI tables of one condition. A trial counts once in each site, bit and field that its
/// fault group touches: with single faults the rows of a breakdown add up to the total. Sites and
/// bits without trials are listed with n = 0.
struct Tables {
  std::string variant{};       ///< name; "original": the model as it is
  std::string perturbation{};  ///< label; "clean": the images as they are
  std::uint64_t trials = 0;
  std::vector<metrics::Rate> overall{};  ///< accuracies and outcomes
  std::vector<Breakdown> sites{};        ///< in execution order
  std::vector<Breakdown> bits{};         ///< LSB first, named by number
  std::vector<Breakdown> bit_fields{};   ///< sign, exponent, mantissa
  std::vector<Breakdown> epochs{};       ///< accumulated only: how outcomes change as faults gather
  std::uint64_t inactive = 0;            ///< trials in which no fault acted; `masked` ones
  std::vector<metrics::Rate>
      active{};                       ///< outcomes of the others; empty when there are no inactive
  std::vector<Estimate> estimates{};  ///< of the whole fault space, where draws were not uniform
  /// metrics::PyTorchAlfiCounts; empty when module outputs were not monitored.
  std::vector<metrics::Rate> pytorchalfi{};
  /// Compared with "clean" of the same variant, where that is one of the perturbations; none for
  /// itself.
  std::optional<Interaction> interaction{};
  std::optional<ScoreCard> score{};  ///< of modified networks
};

/// The KPI tables of a campaign.
struct Summary {
  metrics::RateOptions options;
  std::string campaign;
  std::uint64_t trials = 0;
  std::uint64_t failed = 0;      ///< trials whose inference failed; they are among the `due` ones
  std::uint64_t samples = 0;     ///< of the subset
  std::uint64_t skipped = 0;     ///< golden runs without trials: their output is not finite
  std::uint64_t injections = 0;  ///< faults of all trials
  std::uint64_t unreached = 0;   ///< of these, faults whose site control flow did not run
  std::uint64_t unchanged = 0;   ///< of these, faults that found the bits as they leave them
  std::vector<std::string> sites{};   ///< names
  std::uint32_t per_group = 0;        ///< most faults present together in one inference
  std::uint32_t least_per_group = 0;  ///< least of them
  std::string faults;                 ///< what the rates are conditional on, in words
  bool accumulated = false;           ///< run_type accumulate
  std::vector<Tables> tables;         ///< of each condition, in their order; at least one
  std::vector<CorruptionError> corruption_errors{};
  std::vector<MonitorCount> monitors{};
  std::vector<PointSpread> propagation{};
  std::vector<SafetyTable> safety{};  ///< of each condition, or empty
};

/// Builds the tables in O(trials) time; independent of threads. Errc::results when `faults` is not
/// the fault set of the trials.
/// @param fit  for Summary::safety
/// @param corruptions  for Summary::corruption_errors: of as many perturbations as the trials
///                     have, or empty
Result<Summary> summarise(const Trials& trials, const faultgen::FaultSet& faults,
                          metrics::IntervalMethod method, double confidence,
                          const Corruptions& corruptions = {}, const FitInputs& fit = {});

/// summary.json: counts, and for each condition overall, by bit field, PyTorchALFI-compatible
/// and the interaction. Each rate has k, n, rate, low, high, unit, interval, groups, group_low and
/// group_high; null stands for what does not exist.
std::string summary_json(const Summary& summary);

/// Tables for people, at most 100 columns wide. Of the first condition: overall, by bit field,
/// by site, with accumulated faults by epoch, PyTorchALFI-compatible. Then one of all
/// conditions.
std::string summary_text(const Summary& summary);

/// A text file of a run directory.
struct TextFile {
  std::string name;  ///< path in the run directory
  std::string text;
};

/// summary.json, kpi/overall.csv, kpi/site.csv, kpi/bit.csv, kpi/bit_field.csv and
/// kpi/pytorchalfi.csv; where they apply kpi/active.csv, kpi/estimates.csv, kpi/epoch.csv
/// (accumulated), kpi/perturbations.csv (more than one),
/// kpi/monitor.csv (something was noticed), kpi/propagation.csv (deviation), kpi/protection.csv
/// (variants), kpi/safety.csv (fit) and kpi/corruption_error.csv. The CSV files are long: variant,
/// perturbation, [site|bit|field|epoch,] metric, k, n, rate, low, high, unit, interval, groups,
/// group_low, group_high; fractions in [0, 1], an empty cell for what does not exist.
std::vector<TextFile> summary_files(const Summary& summary);

/// Writes them, each durably. Throws Exception (results).
void write_summary(const std::filesystem::path& directory, const Summary& summary);

}  // namespace bitquake::results
