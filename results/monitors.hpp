#pragma once

#include "faultgen/fault_set.hpp"
#include "metrics/kpi.hpp"
#include "results/trials.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bitquake::results {

/// How often one monitor noticed something, in one condition.
struct MonitorCount {
  std::string variant, perturbation;
  std::string place;         ///< module path of the point, or site of the guard
  std::string monitor;       ///< "nonfinite", or the guard's kind
  std::uint64_t trials = 0;  ///< in which it was the first of its kind, against the golden run
  std::uint64_t golden = 0;  ///< golden runs in which a guard was the first with a false alarm
  metrics::Rate noticed;     ///< trials in which it noticed something, first or not
};

/// Counts of all points that were once non-finite, in execution order, and of all guards of the
/// condition's variant.
/// @param options  how intervals are made; also below
std::vector<MonitorCount> monitor_counts(const Trials& trials, const faultgen::FaultSet& faults,
                                         const metrics::RateOptions& options);

/// How faults show at one point, in one condition.
struct PointSpread {
  std::string variant, perturbation;
  std::string point;                  ///< module path; "output": the final output
  metrics::Rate differs;              ///< trials in which some element differs from the golden run
  std::uint64_t nonfinite = 0;        ///< of these, those with NaN or Inf among such elements
  std::optional<double> median_l2;    ///< of the relative L2 deviation in the others: the least
  std::optional<double> q95_l2;       ///< value that at least half, or 95 %, of them do not exceed;
  std::optional<double> largest_l2;   ///< none where there are no others
  std::optional<double> largest_abs;  ///< greatest |faulty - golden| in the others
};

/// How far faults spread: a line for each module output and for the final one, in execution order;
/// empty when deviations were not recorded. Memory grows with the number of deviations.
std::vector<PointSpread> propagation(const Trials& trials, const faultgen::FaultSet& faults,
                                     const metrics::RateOptions& options);

}  // namespace bitquake::results
