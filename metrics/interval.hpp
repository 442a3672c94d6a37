#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace bitquake::metrics {

/// Both fractions in [0, 1].
struct Interval {
  double low = 0;
  double high = 1;
};

enum class IntervalMethod : std::uint8_t { wilson, clopper_pearson, jeffreys };

/// Interval of a proportion, two-sided.
/// @param k  successes, <= n   @param n  trials; 0 gives [0, 1]   @param confidence  in (0, 1)
Interval interval(IntervalMethod method, std::uint64_t k, std::uint64_t n, double confidence);

}  // namespace bitquake::metrics
