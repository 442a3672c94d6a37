#pragma once

#include "faultgen/fault_set.hpp"
#include "metrics/kpi.hpp"
#include "metrics/paired.hpp"
#include "results/trials.hpp"

#include <cstdint>
#include <functional>
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
  bool independent = false;  ///< pairs share neither samples nor faults
};

/// Whether a group acts together with those of its slot before it: run_type accumulate.
bool accumulates(const Campaign& campaign);
/// Number of the cluster of trials that share faults: the group, or the slot of accumulated ones.
/// @param accumulated  accumulates(campaign)
std::uint64_t fault_cluster(const TrialRow& row, const faultgen::FaultSet& faults,
                            bool accumulated);

bool is_sde(const TrialRow& row);
/// An sde that raised no alarm.
bool is_silent(const TrialRow& row);

/// Calls `visit` with the trials of two conditions that are of the same epoch and sample, and so
/// have the same faults, in their order. O(trials of both).
/// @return trials without a partner
std::uint64_t for_pairs(const Trials& trials, Condition condition, Condition other,
                        const std::function<void(const TrialRow&, const TrialRow&)>& visit);

/// Compares the trials of two conditions, pair by pair.
/// @param other  what to compare with
/// @param hits   which trials count: sde, or is_silent
/// @pre check_faults(trials, faults)
Interaction interaction(const Trials& trials, const faultgen::FaultSet& faults, Condition condition,
                        Condition other, bool (*hits)(const TrialRow&),
                        metrics::Clustering clustering, double confidence);

}  // namespace bitquake::results
