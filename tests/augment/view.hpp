#pragma once

#include "augment/perturbation.hpp"

#include <catch2/catch.hpp>
#include <opencv2/core.hpp>

#include <initializer_list>

/// Small scenes and what perturbations make of them.
namespace bitquake::test {

/// A grey image of 8 bits, row by row.
inline cv::Mat grey(std::initializer_list<std::initializer_list<int>> rows) {
  cv::Mat image(static_cast<int>(rows.size()), static_cast<int>(rows.begin()->size()), CV_8UC1);
  int y = 0;
  for (const auto& row : rows) {
    int x = 0;
    for (const int value : row) image.at<std::uint8_t>(y, x++) = static_cast<std::uint8_t>(value);
    ++y;
  }
  return image;
}

inline bool same(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() && a.type() == b.type() && cv::norm(a, b, cv::NORM_INF) == 0;
}

/// A smooth image with some texture. @param type  CV_8UC1, CV_8UC3, CV_16UC1 or CV_16UC3
inline cv::Mat landscape(cv::Size size, int type) {
  cv::Mat image(size, type);
  const double top = image.depth() == CV_8U ? 255 : 65535;
  Draws draws(7, Stream::perturbation, 99);
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) {
      for (int c = 0; c < image.channels(); ++c) {
        const double value = 0.15 + 0.5 * x / image.cols + 0.2 * y / image.rows * (c + 1) / 3 +
                             0.1 * draws.uniform();
        const int i = x * image.channels() + c;
        if (image.depth() == CV_8U) {
          image.ptr<std::uint8_t>(y)[i] = static_cast<std::uint8_t>(value * top);
        } else {
          image.ptr<std::uint16_t>(y)[i] = static_cast<std::uint16_t>(value * top);
        }
      }
    }
  }
  return image;
}

inline augment::Scene applied(std::string_view kind, int severity,
                              const augment::Overrides& overrides, const augment::Scene& scene,
                              std::uint64_t seed = 1, std::uint64_t sample = 2) {
  const auto step = augment::make_step(kind, severity, overrides);
  if (!step) throw Exception(step.error());
  auto result = augment::apply(*step, scene, augment::DrawKey(seed, sample, kind));
  if (!result) throw Exception(result.error());
  return *std::move(result);
}

}  // namespace bitquake::test
