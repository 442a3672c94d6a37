#include "augment/filters.hpp"

#include "augment/random_values.hpp"

#include <opencv2/core.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace bitquake::augment::detail {
namespace {

int values_per_row(const cv::Mat& image) { return image.cols * image.channels(); }

void add_scaled(const float* in, float factor, int count, float* sum) {
  for (int i = 0; i < count; ++i) sum[i] += factor * in[i];
}

void add_scaled(const float* a, const float* b, float factor, int count, float* sum) {
  for (int i = 0; i < count; ++i) sum[i] += factor * (a[i] + b[i]);
}

/// Weights at distances 0, 1, …, radius; all of them, both sides, sum up to 1.
std::vector<double> half_gaussian(double sigma, double truncate) {
  const int radius = static_cast<int>(std::floor(truncate * sigma + 0.5));
  std::vector<double> weights;
  double sum = 0;
  for (int i = 0; i <= radius; ++i) {
    weights.push_back(i == 0 ? 1 : std::exp(-0.5 * (i / sigma) * (i / sigma)));
    sum += (i == 0 ? 1 : 2) * weights.back();
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

cv::Mat zeros_like(const cv::Mat& image) {
  return cv::Mat(image.rows, image.cols, image.type(), cv::Scalar::all(0));
}

/// Columns blurred by a kernel that is longer than they are: each row is met several times, so its
/// weights are added up first.
cv::Mat blur_columns_folded(const cv::Mat& values, const std::vector<double>& half, Border border) {
  const int count = values_per_row(values), radius = static_cast<int>(half.size()) - 1;
  cv::Mat result = zeros_like(values);
  std::vector<double> weights(static_cast<std::size_t>(values.rows));
  for (int row = 0; row < values.rows; ++row) {
    std::fill(weights.begin(), weights.end(), 0.0);
    for (int i = -radius; i <= radius; ++i) {
      weights[static_cast<std::size_t>(border_index(row + i, values.rows, border))] +=
          half[static_cast<std::size_t>(std::abs(i))];
    }
    for (int from = 0; from < values.rows; ++from) {
      add_scaled(values.ptr<float>(from),
                 static_cast<float>(weights[static_cast<std::size_t>(from)]), count,
                 result.ptr<float>(row));
    }
  }
  return result;
}

cv::Mat blur_columns(const cv::Mat& values, const std::vector<double>& half, Border border) {
  const int count = values_per_row(values), radius = static_cast<int>(half.size()) - 1;
  if (radius >= values.rows) return blur_columns_folded(values, half, border);
  cv::Mat result = zeros_like(values);
  for (int row = 0; row < values.rows; ++row) {
    auto* sum = result.ptr<float>(row);
    add_scaled(values.ptr<float>(row), static_cast<float>(half[0]), count, sum);
    for (int i = 1; i <= radius; ++i) {
      add_scaled(values.ptr<float>(border_index(row - i, values.rows, border)),
                 values.ptr<float>(border_index(row + i, values.rows, border)),
                 static_cast<float>(half[static_cast<std::size_t>(i)]), count, sum);
    }
  }
  return result;
}

cv::Mat transposed(const cv::Mat& image) {
  cv::Mat result;
  cv::transpose(image, result);
  return result;
}

/// Adds factor times the image moved by (dx, dy): the pixel that ends up at (x, y) was at
/// (x + dx, y + dy).
void add_moved(const cv::Mat& values, int dx, int dy, float factor, Border border, cv::Mat& sum) {
  // Not to be seen in an image, but denormal products would take ten times as long.
  constexpr float kNothing = 1e-12F;
  if (factor < kNothing) return;
  const int channels = values.channels();
  // Inside [left, right) the columns need no border.
  const int left = std::clamp(-dx, 0, values.cols);
  const int right = std::max(left, std::clamp(values.cols - dx, 0, values.cols));
  for (int row = 0; row < values.rows; ++row) {
    const auto* in = values.ptr<float>(border_index(row + dy, values.rows, border));
    auto* out = sum.ptr<float>(row);
    const auto add = [&](int from, int to, int count) {
      add_scaled(in + std::ptrdiff_t{from} * channels, factor, count * channels,
                 out + std::ptrdiff_t{to} * channels);
    };
    for (int x = 0; x < left; ++x) add(border_index(x + dx, values.cols, border), x, 1);
    if (left < right) add(left + dx, left, right - left);
    for (int x = right; x < values.cols; ++x) {
      add(border_index(x + dx, values.cols, border), x, 1);
    }
  }
}

/// Where an output coordinate reads from: between `index` and the next one.
struct Between {
  int index;
  float share;  ///< of the next one, in [0, 1)
};

/// The coordinates of `size` outputs that show the middle of as many inputs enlarged; as
/// scipy.ndimage.zoom of order 1 does: the first and last output of the enlarged image lie on the
/// first and last input.
std::vector<Between> zoom_axis(int size, double zoom) {
  const int shown = std::min(size, static_cast<int>(std::ceil(size / zoom)));
  const int enlarged = std::max(size, static_cast<int>(std::nearbyint(shown * zoom)));
  const int start = (size - shown) / 2, trim = (enlarged - size) / 2;
  std::vector<Between> axis;
  for (int i = 0; i < size; ++i) {
    const double position =
        enlarged > 1 ? static_cast<double>(i + trim) * (shown - 1) / (enlarged - 1) : 0;
    const int index = std::min(static_cast<int>(position), std::max(0, shown - 2));
    axis.push_back({start + index, static_cast<float>(position - index)});
  }
  return axis;
}

/// 32 random bits as a number in [-1, 1).
float symmetric(Draws& draws) {
  return static_cast<float>(static_cast<std::int32_t>(draws.next32())) * 0x1p-31F;
}

}  // namespace

int border_index(int index, int size, Border border) {
  if (index >= 0 && index < size) return index;
  if (border == Border::replicate || size == 1) return std::clamp(index, 0, size - 1);
  const int last = border == Border::reflect ? 2 * size - 1 : 2 * size - 2;
  const int period = border == Border::reflect ? 2 * size : 2 * size - 2;
  const int folded = ((index % period) + period) % period;
  return folded < size ? folded : last - folded;
}

cv::Mat gaussian(const cv::Mat& values, double sigma, double truncate, Border border) {
  const auto half = half_gaussian(sigma, truncate);
  if (half.size() == 1) return values.clone();
  return transposed(blur_columns(transposed(blur_columns(values, half, border)), half, border));
}

cv::Mat correlate(const cv::Mat& values, const cv::Mat& kernel, Border border) {
  cv::Mat sum = zeros_like(values);
  for (int y = 0; y < kernel.rows; ++y) {
    for (int x = 0; x < kernel.cols; ++x) {
      add_moved(values, x - kernel.cols / 2, y - kernel.rows / 2, kernel.at<float>(y, x), border,
                sum);
    }
  }
  return sum;
}

cv::Mat motion(const cv::Mat& values, int radius, double sigma, double angle_degrees) {
  constexpr double kPi = 3.14159265358979323846;
  const double x = std::cos(angle_degrees * kPi / 180), y = std::sin(angle_degrees * kPi / 180);
  std::vector<double> weights;
  double total = 0;
  for (int i = 0; i <= 2 * radius; ++i) {
    weights.push_back(std::exp(-0.5 * (i / sigma) * (i / sigma)));
    total += weights.back();
  }
  cv::Mat sum = zeros_like(values);
  for (int i = 0; i <= 2 * radius; ++i) {
    add_moved(
        values, static_cast<int>(std::ceil(i * x - 0.5)), static_cast<int>(std::ceil(i * y - 0.5)),
        static_cast<float>(weights[static_cast<std::size_t>(i)] / total), Border::replicate, sum);
  }
  return sum;
}

cv::Mat clipped_zoom(const cv::Mat& values, double zoom) {
  const auto columns = zoom_axis(values.cols, zoom), rows = zoom_axis(values.rows, zoom);
  const int count = values_per_row(values), channels = values.channels();
  cv::Mat result(values.rows, values.cols, values.type());
  std::vector<float> line(static_cast<std::size_t>(count));
  for (int y = 0; y < values.rows; ++y) {
    const auto [row, below] = rows[static_cast<std::size_t>(y)];
    const auto* upper = values.ptr<float>(row);
    const auto* lower = values.ptr<float>(std::min(row + 1, values.rows - 1));
    for (int i = 0; i < count; ++i) {
      line[static_cast<std::size_t>(i)] = upper[i] + below * (lower[i] - upper[i]);
    }
    auto* out = result.ptr<float>(y);
    for (int x = 0; x < values.cols; ++x) {
      const auto [column, beyond] = columns[static_cast<std::size_t>(x)];
      const auto* left = line.data() + std::ptrdiff_t{column} * channels;
      const auto* right =
          line.data() + std::ptrdiff_t{std::min(column + 1, values.cols - 1)} * channels;
      for (int c = 0; c < channels; ++c) *out++ = left[c] + beyond * (right[c] - left[c]);
    }
  }
  return result;
}

cv::Mat sample(const cv::Mat& values, const cv::Mat& x, const cv::Mat& y, Border border) {
  const int channels = values.channels();
  cv::Mat result(x.rows, x.cols, values.type());
  for (int row = 0; row < x.rows; ++row) {
    auto* out = result.ptr<float>(row);
    for (int column = 0; column < x.cols; ++column) {
      const float px = x.at<float>(row, column), py = y.at<float>(row, column);
      const float left = std::floor(px), top = std::floor(py);
      const float right_share = px - left, below_share = py - top;
      const int x0 = channels * border_index(static_cast<int>(left), values.cols, border);
      const int x1 = channels * border_index(static_cast<int>(left) + 1, values.cols, border);
      const auto* upper =
          values.ptr<float>(border_index(static_cast<int>(top), values.rows, border));
      const auto* lower =
          values.ptr<float>(border_index(static_cast<int>(top) + 1, values.rows, border));
      for (int c = 0; c < channels; ++c) {
        const float above = upper[x0 + c] + right_share * (upper[x1 + c] - upper[x0 + c]);
        const float under = lower[x0 + c] + right_share * (lower[x1 + c] - lower[x0 + c]);
        *out++ = above + below_share * (under - above);
      }
    }
  }
  return result;
}

cv::Mat plasma(cv::Size size, double decay, Draws draws) {
  int side = 2;
  while (side < std::max(size.width, size.height)) side *= 2;
  cv::Mat map(side, side, CV_32FC1, cv::Scalar(0));
  const int mask = side - 1;
  double wibble = 100;
  for (int step = side; step >= 2; step /= 2, wibble /= decay) {
    const int half = step / 2;
    const auto amplitude = static_cast<float>(wibble * wibble);
    for (int y = 0; y < side; y += step) {  // the centre of each square, from its corners
      const auto* upper = map.ptr<float>(y);
      const auto* lower = map.ptr<float>((y + step) & mask);
      auto* out = map.ptr<float>(y + half);
      for (int x = 0; x < side; x += step) {
        const int next = (x + step) & mask;
        out[x + half] =
            (upper[x] + upper[next] + lower[x] + lower[next]) / 4 + amplitude * symmetric(draws);
      }
    }
    for (int y = 0; y < side; y += half) {  // the centre of each diamond
      const auto* above = map.ptr<float>((y - half) & mask);
      const auto* below = map.ptr<float>((y + half) & mask);
      auto* out = map.ptr<float>(y);
      for (int x = (y & half) != 0 ? 0 : half; x < side; x += step) {
        out[x] = (above[x] + below[x] + out[(x - half) & mask] + out[(x + half) & mask]) / 4 +
                 amplitude * symmetric(draws);
      }
    }
  }
  const auto [low, high] = std::minmax_element(map.begin<float>(), map.end<float>());
  const float bottom = *low, range = *high - *low;
  cv::Mat result = map(cv::Rect(0, 0, size.width, size.height)).clone();
  for (float& value : cv::Mat_<float>(result)) value = range > 0 ? (value - bottom) / range : 0;
  return result;
}

cv::Mat normal_field(cv::Size size, double mean, double sigma, Draws draws) {
  Normals normals(draws);
  cv::Mat field(size, CV_32FC1);
  const auto m = static_cast<float>(mean), s = static_cast<float>(sigma);
  for (float& value : cv::Mat_<float>(field)) value = m + s * normals.next();
  return field;
}

}  // namespace bitquake::augment::detail
