#pragma once

#include "datasets/sample.hpp"
#include "suite/base/named.hpp"
#include "suite/base/result.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace bitquake::datasets {

enum class ChannelOrder : std::uint8_t { rgb, bgr };
inline constexpr std::array kChannelOrders{
    Named<ChannelOrder>{ChannelOrder::rgb, "rgb", "red first"},
    Named<ChannelOrder>{ChannelOrder::bgr, "bgr", "blue first"},
};

/// How pixels become network input: (pixel / divide_by - mean[c]) / std[c], channels first.
struct Preprocess {
  double divide_by = 255.0;
  std::vector<double> mean{0.0};    ///< one per channel, or one for all
  std::vector<double> stddev{1.0};  ///< one per channel, or one for all; > 0
  /// Of three channels; mean and stddev are in this order.
  ChannelOrder channel_order = ChannelOrder::rgb;
  bool operator==(const Preprocess&) const = default;
};

/// Writes one sample as [channels, height, width] floats. Computed in double, rounded once.
/// Pixels have 8 or 16 bits; divide_by is what turns either into the range of the training.
/// @param sample  with an image of the model's size (datasets/geometry.hpp)
/// @param how     what makes network input of them
/// @param shape   input shape of the model, [channels, height, width]
/// @param out     channels * height * width elements, all written
/// @return Errc::data when the image has another size or number of channels (nothing is resized
///         silently), Errc::scenario when `how` does not fit the channels or is out of range
/// @note thread-safe, O(pixels)
Result<std::monostate> to_input(const Sample& sample, const Preprocess& how,
                                std::span<const std::int64_t> shape, std::span<float> out);

/// The image that an input stands for: to_input backwards, rounded and cut to 0..255. Of 16 bits,
/// which divide_by above 255 tells, the upper 8 remain.
/// @param values  [channels, height, width] as to_input gives
/// @param how     what made network input of the pixels
/// @param shape   input shape of the model, [channels, height, width], 1 or 3 channels
/// @return height x width, CV_8UC1 or CV_8UC3 (RGB order)
cv::Mat to_image(std::span<const float> values, const Preprocess& how,
                 std::span<const std::int64_t> shape);

}  // namespace bitquake::datasets
