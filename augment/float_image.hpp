#pragma once

#include <opencv2/core/mat.hpp>

// Internal: images as numbers, with loops of our own. OpenCV's give other last bits on other CPUs.

namespace bitquake::augment::detail {

/// Values of an image in [0, 1]: CV_32FC1 or CV_32FC3. @param image  see Scene
cv::Mat to_float(const cv::Mat& image);

/// The image of values, as the reference implementations make it: clipped to [0, 1], times 255
/// (65535), truncated. What lies less than 2^-10 below a whole number counts as that number, so
/// that the rounding of the arithmetic before cannot be seen. NaN becomes 0.
/// @param values  CV_32FC1 or CV_32FC3    @param depth  CV_8U or CV_16U
cv::Mat to_stored(const cv::Mat& values, int depth);

/// The same, but rounded to the nearest whole number.
cv::Mat to_nearest(const cv::Mat& values, int depth);

}  // namespace bitquake::augment::detail
