#pragma once

#include "faultgen/fault_set.hpp"
#include "metrics/kpi.hpp"
#include "metrics/paired.hpp"
#include "results/trials.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace bitquake::results {

/// What a perturbation adds to the effect of faults: SDE rate under it minus that of the clean
/// images, on the same faults and samples.
struct Interaction {
  metrics::Pairs pairs;  ///< of trials that are sde: first under the perturbation, second clean
  std::uint64_t unpaired = 0;  ///< trials left out: the sample is skipped on the other side
  std::optional<metrics::Interval> interval;  ///< of pairs.difference(), in [-1, 1]
  std::string method;  ///< how the interval was made, or why there is none; empty without pairs
};

/// Pairs the trials of two perturbations that are of the same epoch and sample, and so have the
/// same faults. O(trials of both).
/// @param clean  the perturbation to compare with
/// @pre check_faults(trials, faults)
Interaction interaction(const Trials& trials, const faultgen::FaultSet& faults,
                        std::uint32_t perturbation, std::uint32_t clean,
                        metrics::Clustering clustering, double confidence);

}  // namespace bitquake::results
