#pragma once

#include "augment/perturbation.hpp"
#include "tests/augment/images.hpp"

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

/// A scene under one step.
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
