#include "datasets/antialias.hpp"

#include <opencv2/core.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace bitquake::datasets {
namespace {

constexpr unsigned kFractionBits = 22;  ///< of a weight: 8 bits of pixel and 2 of headroom remain

/// What a new pixel is made of: pixels from `first` on.
struct Taps {
  int first = 0;
  std::vector<double> weights;
  std::vector<std::int32_t> fixed;  ///< the weights, times 2^kFractionBits
};

double value_at(Filter filter, double x) {
  x = std::abs(x);
  if (filter == Filter::triangle) return x < 1 ? 1 - x : 0;
  // Keys, "Cubic convolution interpolation", IEEE ASSP 29(6), 1981, with a = -0.5.
  constexpr double kA = -0.5;
  if (x < 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * kA : 0;
}

std::vector<Taps> taps_of(int from, int to, Filter filter) {
  const double scale = static_cast<double>(from) / to;
  const double stretch = std::max(scale, 1.0);
  const double support = (filter == Filter::triangle ? 1 : 2) * stretch;
  std::vector<Taps> all(static_cast<std::size_t>(to));
  for (int i = 0; i < to; ++i) {
    Taps& taps = all[static_cast<std::size_t>(i)];
    const double centre = (i + 0.5) * scale;
    taps.first = std::max(0, static_cast<int>(std::floor(centre - support + 0.5)));
    const int end = std::min(from, static_cast<int>(std::floor(centre + support + 0.5)));
    double sum = 0;
    for (int x = taps.first; x < end; ++x) {
      taps.weights.push_back(value_at(filter, (x - centre + 0.5) / stretch));
      sum += taps.weights.back();
    }
    for (double& weight : taps.weights) {
      weight /= sum;
      taps.fixed.push_back(static_cast<std::int32_t>(
          std::llround(weight * static_cast<double>(1U << kFractionBits))));
    }
  }
  return all;
}

std::uint8_t mix(const std::uint8_t* pixels, std::size_t step, const Taps& taps) {
  std::int64_t sum = std::int64_t{1} << (kFractionBits - 1);
  for (std::size_t i = 0; i < taps.fixed.size(); ++i) {
    sum += std::int64_t{taps.fixed[i]} * pixels[i * step];
  }
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>(sum >> kFractionBits, 0, 255));
}

std::uint16_t mix(const std::uint16_t* pixels, std::size_t step, const Taps& taps) {
  double sum = 0;
  for (std::size_t i = 0; i < taps.weights.size(); ++i) sum += taps.weights[i] * pixels[i * step];
  return static_cast<std::uint16_t>(std::clamp(std::floor(sum + 0.5), 0.0, 65535.0));
}

template <class T>
cv::Mat along_rows(const cv::Mat& image, int width, Filter filter) {
  if (width == image.cols) return image;
  const auto taps = taps_of(image.cols, width, filter);
  const auto channels = static_cast<std::size_t>(image.channels());
  cv::Mat result(image.rows, width, image.type());
  for (int y = 0; y < image.rows; ++y) {
    const T* from = image.ptr<T>(y);
    T* to = result.ptr<T>(y);
    for (const Taps& tap : taps) {
      const T* first = from + static_cast<std::size_t>(tap.first) * channels;
      for (std::size_t c = 0; c < channels; ++c) *to++ = mix(first + c, channels, tap);
    }
  }
  return result;
}

template <class T>
cv::Mat along_columns(const cv::Mat& image, int height, Filter filter) {
  if (height == image.rows) return image;
  const auto taps = taps_of(image.rows, height, filter);
  const std::size_t step = image.step1(), values = static_cast<std::size_t>(image.cols) *
                                                   static_cast<std::size_t>(image.channels());
  cv::Mat result(height, image.cols, image.type());
  for (int y = 0; y < height; ++y) {
    const Taps& tap = taps[static_cast<std::size_t>(y)];
    const T* first = image.ptr<T>(tap.first);
    T* to = result.ptr<T>(y);
    for (std::size_t x = 0; x < values; ++x) to[x] = mix(first + x, step, tap);
  }
  return result;
}

template <class T>
cv::Mat resized(const cv::Mat& image, cv::Size size, Filter filter) {
  return along_columns<T>(along_rows<T>(image, size.width, filter), size.height, filter);
}

}  // namespace

cv::Mat resize_antialiased(const cv::Mat& image, cv::Size size, Filter filter) {
  return image.depth() == CV_8U ? resized<std::uint8_t>(image, size, filter)
                                : resized<std::uint16_t>(image, size, filter);
}

}  // namespace bitquake::datasets
