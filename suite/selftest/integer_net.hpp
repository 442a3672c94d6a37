#pragma once

#include "faultgen/fault.hpp"
#include "suite/model/model.hpp"
#include "suite/model/sequence.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace bitquake::selftest {

inline constexpr std::int64_t kImageSide = 12;  ///< images are 1 x 12 x 12
inline constexpr std::int64_t kClasses = 7;

/// The network under test: two strided convolutions with padding, a 1x1 convolution that is called
/// twice, max pooling and two linear layers, with ReLU between. Weights are -2, -1, 1 or 2, biases
/// integers other than 0: a sum is never empty and a weight never skipped (suite/selftest/
/// exact_sum.hpp). Convolutions have stride 2 or a 1x1 kernel: libraries compute others by
/// transforms (Winograd, FFT) as well, which round.
const model::Sequence& integer_net();

/// Pixels of an image, integers from 1 to 8.
std::vector<std::uint8_t> integer_image(std::uint64_t sample);

/// One inference by plain loops over the definitions of the layers: shares no code with the
/// executors, and its sums are those that every order of summation gives.
struct Inference {
  std::vector<model::Injection> injections;  ///< one per fault
  /// First monitored point, in execution order, with a NaN or Inf.
  std::optional<model::Point> first_nonfinite;
  bool any_nonfinite = false;  ///< at some module output
  /// [kClasses]. Nothing when it depends on more than IEEE 754 says, on how ReLU and pooling treat
  /// a NaN for example; then the trial is `due` already.
  std::optional<std::vector<float>> output;
};

/// Runs integer_net() on one image with some faults, all of one target. `Fault::site` counts the
/// calls of layers with parameters.
/// @return nothing when any of the results but the output could differ between machines
std::optional<Inference> infer(std::span<const std::uint8_t> pixels,
                               std::span<const faultgen::Fault> faults);

}  // namespace bitquake::selftest
