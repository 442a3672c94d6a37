#pragma once

#include "faultgen/fault_set.hpp"
#include "metrics/interval.hpp"
#include "results/trials.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bitquake::results {

/// A rate of the whole fault space, estimated from faults that were not drawn uniformly with
/// replacement.
struct Estimate {
  std::string metric;  ///< "due", "masked", "benign" or "sde"
  double value = 0;
  std::optional<metrics::Interval> interval;
  std::string method;                       ///< how it was estimated, or why there is no interval
  std::string unit;                         ///< what was sampled: "fault" or "trial"
  std::uint64_t n = 0;                      ///< units sampled
  std::optional<std::uint64_t> population;  ///< units there are; none: not known
};

/// Estimates where the fault set asks for them; else none.
/// - Faults drawn without replacement from strata, one in a group, trials of run_type single:
///   shares of the faults that lead to sde, or to due, in at least one of their trials
///   (metrics::stratified_estimate; its interval, a census has one of no width). Trials of skipped
///   samples do not count; a fault without trials counts as harmless.
/// - Faults with unequal sampling weights, one in a group: shares of trials with each outcome under
///   a uniform draw (Hajek, metrics::weighted_estimate). An interval only where each sample has one
///   trial and each group one sample: otherwise trials depend on each other.
/// @param condition  whose trials count
/// @pre check_faults(trials, faults)
std::vector<Estimate> estimate(const Trials& trials, const faultgen::FaultSet& faults,
                               Condition condition, double confidence);

}  // namespace bitquake::results
