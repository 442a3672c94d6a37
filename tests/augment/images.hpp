#pragma once

#include "augment/pipeline.hpp"
#include "suite/base/rng.hpp"

#include <opencv2/core.hpp>

#include <cmath>
#include <cstdint>
#include <string>

namespace bitquake::test {

/// An image with slopes, edges and fine texture, of any type that perturbations take.
inline cv::Mat test_image(cv::Size size, int type) {
  cv::Mat image(size, type);
  Draws draws(7, Stream::check_input, 0);
  const double top = image.depth() == CV_8U ? 255 : 65535;
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      const double u = (x + 0.5) / size.width, v = (y + 0.5) / size.height;
      const bool inside = std::hypot(u - 0.5, v - 0.4) < 0.3;
      for (int c = 0; c < image.channels(); ++c) {
        double value = 0.25 + 0.4 * (c == 1 ? u : v) + (inside ? 0.3 - 0.2 * c : 0.0);
        value += 0.1 * (draws.uniform() - 0.5);
        const double stored = std::fmin(std::fmax(value, 0.0), 1.0) * top;
        if (image.depth() == CV_8U) {
          image.ptr<std::uint8_t>(y)[x * image.channels() + c] = static_cast<std::uint8_t>(stored);
        } else {
          image.ptr<std::uint16_t>(y)[x * image.channels() + c] =
              static_cast<std::uint16_t>(stored);
        }
      }
    }
  }
  return image;
}

inline bool same_image(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() && a.type() == b.type() && cv::norm(a, b, cv::NORM_L1) == 0;
}

/// Whether a kind takes an image of that type.
inline bool takes(const augment::Kind& kind, int type) {
  return (CV_MAT_DEPTH(type) == CV_8U || kind.takes_16_bit) &&
         (CV_MAT_CN(type) == 3 || kind.takes_grey);
}

/// The image under a pipeline, given by its label.
inline cv::Mat perturbed(const cv::Mat& image, const std::string& pipeline,
                         std::uint64_t sample = 0, std::uint64_t seed = 1) {
  return value_or_throw(augment::apply(value_or_throw(augment::parse_pipeline(pipeline)),
                                       {image, {}}, seed, sample))
      .image;
}

}  // namespace bitquake::test
