#pragma once

#include "metrics/interval.hpp"
#include "metrics/outcome.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bitquake::metrics {

// Sketch of the contract; see results/summary.hpp for the caller.

/// A trial reduced to what the tables count.
struct TrialFacts {
  std::uint64_t sample = 0;   ///< position of the sample in the subset
  std::optional<std::int64_t> label;
  Outcome outcome = Outcome::masked;
  bool faulty_top1_correct = false;
  bool faulty_top5_correct = false;
  bool golden_top1_correct = false;
  bool sdc5 = false, sdc10 = false, sdc20 = false;
  bool any_nonfinite = false;  ///< NaN or Inf at any module output, whatever the golden run holds
  bool top1_changed = false;   ///< faulty top-1 differs from golden top-1
};

/// A rate with everything needed to judge it.
struct Rate {
  std::string metric;     ///< such as "sde"
  std::uint64_t k = 0, n = 0;
  Interval interval;
  std::string method;     ///< how the interval was made
  std::string unit;       ///< unit of inference: "trial" or "sample"
};

}  // namespace bitquake::metrics
