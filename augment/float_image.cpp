#include "augment/float_image.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace bitquake::augment::detail {
namespace {

template <class T>
void read_row(const cv::Mat& image, int row, float* out, int count) {
  constexpr auto kTop = static_cast<float>(std::numeric_limits<T>::max());
  const auto* in = image.ptr<T>(row);
  for (int i = 0; i < count; ++i) out[i] = static_cast<float>(in[i]) / kTop;
}

template <class T>
void store_row(const float* in, int count, T* out) {
  constexpr auto kTop = static_cast<float>(std::numeric_limits<T>::max());
  constexpr float kNearly = 0x1p-10F;
  for (int i = 0; i < count; ++i) {
    const float value = in[i] > 0 ? std::min(in[i], 1.0F) : 0.0F;  // NaN is not > 0
    out[i] = static_cast<T>(static_cast<std::int32_t>(std::min(value * kTop + kNearly, kTop)));
  }
}

}  // namespace

cv::Mat to_float(const cv::Mat& image) {
  cv::Mat values(image.rows, image.cols, CV_32FC(image.channels()));
  const int count = image.cols * image.channels();
  for (int row = 0; row < image.rows; ++row) {
    if (image.depth() == CV_8U) {
      read_row<std::uint8_t>(image, row, values.ptr<float>(row), count);
    } else {
      read_row<std::uint16_t>(image, row, values.ptr<float>(row), count);
    }
  }
  return values;
}

cv::Mat to_stored(const cv::Mat& values, int depth) {
  cv::Mat image(values.rows, values.cols, CV_MAKETYPE(depth, values.channels()));
  const int count = values.cols * values.channels();
  for (int row = 0; row < values.rows; ++row) {
    if (depth == CV_8U) {
      store_row(values.ptr<float>(row), count, image.ptr<std::uint8_t>(row));
    } else {
      store_row(values.ptr<float>(row), count, image.ptr<std::uint16_t>(row));
    }
  }
  return image;
}

cv::Mat to_nearest(const cv::Mat& values, int depth) {
  const float half = depth == CV_8U ? 0.5F / 255 : 0.5F / 65535;
  cv::Mat shifted(values.rows, values.cols, values.type());
  const int count = values.cols * values.channels();
  for (int row = 0; row < values.rows; ++row) {
    const float* in = values.ptr<float>(row);
    float* out = shifted.ptr<float>(row);
    for (int i = 0; i < count; ++i) out[i] = in[i] + half;
  }
  return to_stored(shifted, depth);
}

}  // namespace bitquake::augment::detail
