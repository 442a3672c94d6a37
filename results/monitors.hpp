#pragma once

#include "results/trials.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace bitquake::results {

/// How often one monitor was the first to notice something, in one condition.
struct MonitorCount {
  std::string variant, perturbation;
  std::string place;         ///< module path of the point, or site of the guard
  std::string monitor;       ///< "nonfinite", or the guard's kind
  std::uint64_t trials = 0;  ///< in which it was the first of its kind, against the golden run
  std::uint64_t golden = 0;  ///< golden runs in which a guard was the first with a false alarm
};

/// Counts of all points that were once the first non-finite one, in execution order, and of all
/// guards of the condition's variant.
std::vector<MonitorCount> monitor_counts(const Trials& trials);

}  // namespace bitquake::results
