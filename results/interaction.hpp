#pragma once

#include "faultgen/fault_set.hpp"
#include "metrics/kpi.hpp"
#include "metrics/paired.hpp"
#include "results/trials.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace bitquake::results {

/// What a condition adds to the effect of faults: its SDE rate minus that of another (the clean
/// images, the original network), on the same faults and samples.
struct Interaction {
  metrics::Pairs
      pairs;  ///< of trials that are sde: first under the condition, second under the other
  std::uint64_t unpaired = 0;  ///< trials left out: the sample is skipped on the other side
  std::optional<metrics::Interval> interval;  ///< of pairs.difference(), in [-1, 1]
  std::string method;  ///< how the interval was made, or why there is none; empty without pairs
};

/// Pairs the trials of two conditions that are of the same epoch and sample, and so have the same
/// faults. O(trials of both).
/// @param other  what to compare with
/// @pre check_faults(trials, faults)
Interaction interaction(const Trials& trials, const faultgen::FaultSet& faults, Condition condition,
                        Condition other, metrics::Clustering clustering, double confidence);

}  // namespace bitquake::results
