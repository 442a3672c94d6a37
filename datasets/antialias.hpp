#pragma once

#include <opencv2/core/mat.hpp>

namespace bitquake::datasets {

enum class Filter : std::uint8_t { triangle, cubic };

/// Resizes by a filter that widens when it shrinks, as Pillow's `resize` and, on images,
/// torchvision's do: first along rows, then along columns, rounded to whole pixel values after
/// each. For 8 bits the arithmetic is Pillow's, in integers, so that results are equal everywhere.
/// Source: Pillow's documentation, "Concepts: Filters", and the behaviour of Pillow 9.4.
/// @param image  CV_8U or CV_16U, 1 to 4 channels
/// @param size   at least 1 x 1
cv::Mat resize_antialiased(const cv::Mat& image, cv::Size size, Filter filter);

}  // namespace bitquake::datasets
