#pragma once

#include "suite/base/box.hpp"
#include "suite/base/result.hpp"

#include <opencv2/core/mat.hpp>

#include <optional>
#include <vector>

namespace bitquake::augment {

/// An image and what is said to be seen in it.
/// The image is CV_8UC1 (grey) or CV_8UC3 (RGB, in this order), or the same with 16 bits per value
/// (CV_16UC1, CV_16UC3; the whole range 0..65535 counts); at least 1x1.
struct Scene {
  cv::Mat image;
  std::vector<Object> objects;
};

/// What is wrong with an image that perturbations cannot take (Errc::data); none if they can.
std::optional<Error> image_error(const cv::Mat& image);

}  // namespace bitquake::augment
