#pragma once

#include "faultgen/fault_set.hpp"
#include "metrics/kpi.hpp"
#include "results/estimates.hpp"
#include "results/trials.hpp"
#include "suite/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace bitquake::results {

/// Version of summary.json and of the kpi/*.csv files.
inline constexpr std::uint64_t kSummaryVersion = 2;

/// The outcome rates of the trials that touch one site, bit or bit field.
struct Breakdown {
  std::string name;
  std::vector<metrics::Rate> rates;
};

/// The KPI tables of a campaign. A trial counts once in each site, bit and field that its fault
/// group touches: with single faults the rows of a breakdown add up to the total. Sites and bits
/// without trials are listed with n = 0.
struct Summary {
  metrics::RateOptions options;
  std::string campaign;
  std::uint64_t trials = 0;
  std::uint64_t failed = 0;      ///< trials whose inference failed; they are among the `due` ones
  std::uint64_t samples = 0;     ///< of the subset
  std::uint64_t skipped = 0;     ///< samples without trials: golden output not finite
  std::uint64_t injections = 0;  ///< faults of all trials
  std::uint64_t unreached = 0;   ///< of these, faults whose site control flow did not run
  std::uint64_t unchanged = 0;   ///< of these, faults that found the bits as they leave them
  std::uint32_t per_group = 0;   ///< most faults present together in one inference
  std::string faults;            ///< what the rates are conditional on, in words
  std::vector<metrics::Rate> overall;  ///< accuracies and outcomes
  std::vector<Breakdown> sites;        ///< in execution order
  std::vector<Breakdown> bits;         ///< LSB first, named by number
  std::vector<Breakdown> bit_fields;   ///< sign, exponent, mantissa
  bool accumulated = false;            ///< run_type accumulate
  std::vector<Breakdown> epochs;       ///< accumulated only: how outcomes change as faults gather
  std::uint64_t inactive = 0;          ///< trials in which no fault acted; `masked` ones
  std::vector<metrics::Rate> active;   ///< outcomes of the others; empty when there are no inactive
  std::vector<Estimate> estimates;     ///< of the whole fault space, where draws were not uniform
  /// metrics::PyTorchAlfiCounts; empty when module outputs were not monitored.
  std::vector<metrics::Rate> pytorchalfi;
};

/// Builds the tables in O(trials) time; independent of threads. Errc::results when `faults` is not
/// the fault set of the trials.
Result<Summary> summarise(const Trials& trials, const faultgen::FaultSet& faults,
                          metrics::IntervalMethod method, double confidence);

/// summary.json: counts, overall, by bit field, PyTorchALFI-compatible. Each rate has k, n, rate,
/// low, high, unit, interval, groups, group_low and group_high; null stands for what does not
/// exist.
std::string summary_json(const Summary& summary);

/// Tables for people, at most 100 columns wide: overall, by bit field, by site,
/// with accumulated faults by epoch, PyTorchALFI-compatible.
std::string summary_text(const Summary& summary);

/// A text file of a run directory.
struct TextFile {
  std::string name;  ///< path in the run directory
  std::string text;
};

/// summary.json, kpi/overall.csv, kpi/site.csv, kpi/bit.csv, kpi/bit_field.csv,
/// kpi/epoch.csv (accumulated only) and kpi/pytorchalfi.csv. The CSV files are long:
/// [site|bit|field|epoch,] metric, k, n, rate, low, high, unit, interval, groups, group_low,
/// group_high; fractions in [0, 1], an empty cell for what does not exist.
std::vector<TextFile> summary_files(const Summary& summary);

/// Writes them, each durably. Throws Exception (results).
void write_summary(const std::filesystem::path& directory, const Summary& summary);

}  // namespace bitquake::results
