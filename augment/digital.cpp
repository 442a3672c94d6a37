#include "augment/built_in.hpp"
#include "augment/filters.hpp"
#include "augment/float_image.hpp"
#include "augment/random_values.hpp"

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace bitquake::augment::detail {
namespace {

void contrast(Scene& scene, std::span<const double> values, const DrawKey&) {
  cv::Mat image = to_float(scene.image);
  const int channels = image.channels();
  std::array<double, 3> sums{};
  for (int row = 0; row < image.rows; ++row) {
    const auto* line = image.ptr<float>(row);
    for (int i = 0; i < image.cols * channels; ++i) {
      sums.at(static_cast<std::size_t>(i % channels)) += line[i];
    }
  }
  for (int row = 0; row < image.rows; ++row) {
    auto* line = image.ptr<float>(row);
    for (int i = 0; i < image.cols * channels; ++i) {
      const double mean =
          sums.at(static_cast<std::size_t>(i % channels)) / static_cast<double>(image.total());
      line[i] = static_cast<float>((line[i] - mean) * values[0] + mean);
    }
  }
  scene.image = to_stored(image, scene.image.depth());
}

/// HSV with another saturation: with the largest value V and the smallest M, S = (V - M) / V, and a
/// value x becomes V - S' V (V - x) / (V - M).
void saturate(Scene& scene, std::span<const double> values, const DrawKey&) {
  const auto factor = static_cast<float>(values[0]), shift = static_cast<float>(values[1]);
  cv::Mat image = to_float(scene.image);
  for (cv::Vec3f& pixel : cv::Mat_<cv::Vec3f>(image)) {
    const float top = std::max({pixel[0], pixel[1], pixel[2]});
    const float bottom = std::min({pixel[0], pixel[1], pixel[2]});
    const float range = top - bottom;
    const float saturation = std::clamp((top > 0 ? range / top : 0) * factor + shift, 0.0F, 1.0F);
    if (range > 0) {
      for (int c = 0; c < 3; ++c) {
        pixel[c] = top - saturation * top * ((top - pixel[c]) / range);
      }
    } else {  // grey has no hue; the references give it that of red
      pixel[1] = pixel[2] = top - saturation * top;
    }
  }
  scene.image = to_stored(image, scene.image.depth());
}

/// Runs of inputs whose equally weighted mean is an output: those whose centres lie below it.
struct Run {
  int first, count;
};

std::vector<Run> box_runs(int in, int out) {
  const double scale = static_cast<double>(in) / out, support = 0.5 * std::max(scale, 1.0);
  const double width = std::max(scale, 1.0);
  std::vector<Run> runs;
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    const int low = std::max(0, static_cast<int>(std::floor(centre - support + 0.5)));
    const int high = std::min(in, static_cast<int>(std::floor(centre + support + 0.5)));
    Run run{low, 0};
    for (int k = low; k < high; ++k) {
      const double distance = (k - centre + 0.5) / width;
      if (distance <= -0.5 || distance > 0.5) {
        if (run.count == 0) ++run.first;
        continue;
      }
      ++run.count;
    }
    if (run.count == 0) run = {std::clamp(static_cast<int>(centre), 0, in - 1), 1};
    runs.push_back(run);
  }
  return runs;
}

/// Rows of the result are means of runs of rows. Means are rounded as Pillow does: weights of 22
/// bits behind the point.
template <class T>
cv::Mat box_rows(const cv::Mat& image, int rows) {
  constexpr int kBits = 22;
  const int count = image.cols * image.channels();
  cv::Mat result(rows, image.cols, image.type());
  int row = 0;
  for (const auto& [first, length] : box_runs(image.rows, rows)) {
    const auto weight = std::int64_t{std::lround((1.0 / length) * (1 << kBits))};
    auto* out = result.ptr<T>(row++);
    for (int i = 0; i < count; ++i) {
      std::int64_t sum = 0;
      for (int k = first; k < first + length; ++k) sum += image.ptr<T>(k)[i];
      out[i] = static_cast<T>((sum * weight + (1 << (kBits - 1))) >> kBits);
    }
  }
  return result;
}

template <class T>
cv::Mat box_resized(const cv::Mat& image, cv::Size size) {
  cv::Mat turned, result;
  cv::transpose(image, turned);
  cv::transpose(box_rows<T>(turned, size.width), result);
  return box_rows<T>(result, size.height);
}

void pixelate(Scene& scene, std::span<const double> values, const DrawKey&) {
  const cv::Size size = scene.image.size();
  const cv::Size coarse(std::max(1, static_cast<int>(size.width * values[0])),
                        std::max(1, static_cast<int>(size.height * values[0])));
  if (scene.image.depth() == CV_8U) {
    scene.image = box_resized<std::uint8_t>(box_resized<std::uint8_t>(scene.image, coarse), size);
  } else {
    scene.image = box_resized<std::uint16_t>(box_resized<std::uint16_t>(scene.image, coarse), size);
  }
}

/// The image with its first and third channel exchanged.
cv::Mat reversed_channels(const cv::Mat& image) {
  cv::Mat result = image.clone();
  for (cv::Vec3b& pixel : cv::Mat_<cv::Vec3b>(result)) std::swap(pixel[0], pixel[2]);
  return result;
}

void jpeg_compression(Scene& scene, std::span<const double> values, const DrawKey&) {
  const bool colour = scene.image.channels() == 3;
  std::vector<std::uint8_t> file;
  cv::imencode(".jpg", colour ? reversed_channels(scene.image) : scene.image, file,
               {cv::IMWRITE_JPEG_QUALITY, static_cast<int>(values[0])});
  const cv::Mat read = cv::imdecode(file, colour ? cv::IMREAD_COLOR : cv::IMREAD_GRAYSCALE);
  if (read.empty()) {
    throw Exception({Errc::internal, "image", "libjpeg cannot compress it",
                     "an image for jpeg_compression has at most 65,500 pixels on a side", ""});
  }
  scene.image = colour ? reversed_channels(read) : read;
}

struct Point {
  double x, y;
};

/// x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5].
using AffineMap = std::array<double, 6>;

/// The affine map that takes three points to three others.
AffineMap affine_map(const std::array<Point, 3>& from, const std::array<Point, 3>& to) {
  const double ax = from[1].x - from[0].x, ay = from[1].y - from[0].y;
  const double bx = from[2].x - from[0].x, by = from[2].y - from[0].y;
  const double determinant = ax * by - ay * bx;
  const auto row = [&](double a, double b, double start) {
    const double x = (a * by - b * ay) / determinant, y = (b * ax - a * bx) / determinant;
    return std::array<double, 3>{x, y, start - x * from[0].x - y * from[0].y};
  };
  const auto x = row(to[1].x - to[0].x, to[2].x - to[0].x, to[0].x);
  const auto y = row(to[1].y - to[0].y, to[2].y - to[0].y, to[0].y);
  return {x[0], x[1], x[2], y[0], y[1], y[2]};
}

/// The hulls of mapped boxes, as far as they are inside the image; without those that are not.
std::vector<Object> mapped(const std::vector<Object>& objects, const AffineMap& map,
                           cv::Size size) {
  std::vector<Object> result;
  for (Object object : objects) {
    const Box old = object.box;
    Box hull{size.width * 1.0, size.height * 1.0, 0, 0};
    for (const Point corner : {Point{old.x0, old.y0}, Point{old.x1, old.y0}, Point{old.x0, old.y1},
                               Point{old.x1, old.y1}}) {
      // The map is between centres of pixels, which lie half a pixel inside them.
      const double px = corner.x - 0.5, py = corner.y - 0.5;
      const double x = map[0] * px + map[1] * py + map[2] + 0.5;
      const double y = map[3] * px + map[4] * py + map[5] + 0.5;
      hull = {std::min(hull.x0, x), std::min(hull.y0, y), std::max(hull.x1, x),
              std::max(hull.y1, y)};
    }
    object.box = {std::max(hull.x0, 0.0), std::max(hull.y0, 0.0),
                  std::min(hull.x1, size.width * 1.0), std::min(hull.y1, size.height * 1.0)};
    if (object.box.width() > 0 && object.box.height() > 0) result.push_back(object);
  }
  return result;
}

/// The image after three of its points were each moved by up to `shift` in x and y, and its
/// objects.
cv::Mat random_affine(const cv::Mat& image, std::vector<Object>& objects, double shift,
                      Draws draws) {
  const double side = std::max(1, std::min(image.rows, image.cols) / 3);
  const double cx = image.cols / 2, cy = image.rows / 2;  // NOLINT(bugprone-integer-division)
  const std::array<Point, 3> from{
      {{cx + side, cy + side}, {cx + side, cy - side}, {cx - side, cy - side}}};
  std::array<Point, 3> to = from;
  for (Point& point : to) {
    point.x += shift * (2 * draws.uniform() - 1);
    point.y += shift * (2 * draws.uniform() - 1);
  }
  const auto back = affine_map(to, from);
  objects = mapped(objects, affine_map(from, to), image.size());
  cv::Mat x(image.size(), CV_32FC1), y(image.size(), CV_32FC1);
  // Points that fall on a line have no inverse; no number beyond this is an index.
  constexpr double kFar = 1e6;
  const auto bounded = [=](double value) {
    return static_cast<float>(std::isfinite(value) ? std::clamp(value, -kFar, kFar) : 0);
  };
  for (int row = 0; row < image.rows; ++row) {
    for (int column = 0; column < image.cols; ++column) {
      x.at<float>(row, column) = bounded(back[0] * column + back[1] * row + back[2]);
      y.at<float>(row, column) = bounded(back[3] * column + back[4] * row + back[5]);
    }
  }
  return sample(image, x, y, Border::reflect_101);
}

/// Displacements: uniform noise in [-1, 1), blurred, times alpha.
cv::Mat displacements(cv::Size size, double sigma, double alpha, Draws draws) {
  cv::Mat field(size, CV_32FC1);
  for (float& value : cv::Mat_<float>(field)) {
    value = static_cast<float>(static_cast<std::int32_t>(draws.next32())) * 0x1p-31F;
  }
  field = gaussian(field, sigma, 3, Border::reflect);
  for (float& value : cv::Mat_<float>(field)) value *= static_cast<float>(alpha);
  return field;
}

void elastic_transform(Scene& scene, std::span<const double> values, const DrawKey& key) {
  const cv::Size size = scene.image.size();
  const double side = std::min(size.width, size.height);
  const double alpha = values[0] * side, sigma = values[1] * side, shift = values[2] * side;
  cv::Mat image = random_affine(to_float(scene.image), scene.objects, shift, key.draws(0));
  if (alpha > 0) {
    cv::Mat x = displacements(size, sigma, alpha, key.draws(1));
    cv::Mat y = displacements(size, sigma, alpha, key.draws(2));
    for (int row = 0; row < size.height; ++row) {
      for (int column = 0; column < size.width; ++column) {
        x.at<float>(row, column) += static_cast<float>(column);
        y.at<float>(row, column) += static_cast<float>(row);
      }
    }
    image = sample(image, x, y, Border::reflect);
  }
  scene.image = to_stored(image, scene.image.depth());
}

}  // namespace

std::vector<Kind> digital_kinds() {
  const std::string source = "Hendrycks, Dietterich, ICLR 2019 (ImageNet-C)";
  // The reference gives pixels for images of 224 that it takes for 244 pixels wide.
  constexpr double kPx = 244.0 / 224.0;
  return {
      {.name = "contrast",
       .group = Group::digital,
       .doc = "values come nearer to the mean of their channel",
       .source = source,
       .parameters = {{.name = "factor",
                       .doc = "what distances from the mean are multiplied by",
                       .unit = "fraction",
                       .min = 0,
                       .max = 10,
                       .large = {.4, .3, .2, .1, .05},
                       .small = Severities{.75, .5, .4, .3, .15}}},
       .apply = contrast},
      {.name = "elastic_transform",
       .group = Group::digital,
       .doc = "a random affine map, which boxes follow, then each pixel moves a little",
       .source = source + ", after Simard et al., ICDAR 2003",
       .parameters = {{.name = "alpha",
                       .doc = "what the blurred noise of displacements is multiplied by",
                       .unit = "of the shorter side",
                       .min = 0,
                       .max = 10,
                       .large = {2 * kPx, 2 * kPx, .05 * kPx, .07 * kPx, .12 * kPx},
                       .small = Severities{0, .05, .08, .1, .1}},
                      {.name = "sigma",
                       .doc = "standard deviation of the blur of displacements",
                       .unit = "of the shorter side",
                       .min = 0,
                       .max = 2,
                       .large = {.7 * kPx, .08 * kPx, .01 * kPx, .01 * kPx, .01 * kPx},
                       .small = Severities{0, .2, .06, .04, .03}},
                      {.name = "affine",
                       .doc = "how far the three points of the affine map move at most",
                       .unit = "of the shorter side",
                       .min = 0,
                       .max = 0.3,
                       .large = {.1 * kPx, .2 * kPx, .02 * kPx, .02 * kPx, .02 * kPx},
                       .small = Severities{.08, .07, .06, .05, .03}}},
       .random = true,
       .moves_boxes = true,
       .apply = elastic_transform},
      {.name = "pixelate",
       .group = Group::digital,
       .doc = "the image is made smaller and large again",
       .source = source,
       .parameters = {{.name = "size",
                       .doc = "of the small image",
                       .unit = "fraction",
                       .min = 0.001,
                       .max = 1,
                       .large = {.6, .5, .4, .3, .25},
                       .small = Severities{.95, .9, .85, .75, .65}}},
       .apply = pixelate},
      {.name = "jpeg_compression",
       .group = Group::digital,
       .doc = "the image is stored as JPEG and read again; 4:2:0 chroma",
       .source = source,
       .parameters = {{.name = "quality",
                       .doc = "of libjpeg",
                       .min = 1,
                       .max = 100,
                       .large = {25, 18, 15, 10, 7},
                       .small = Severities{80, 65, 58, 50, 40},
                       .integer = true}},
       .takes_16_bit = false,
       .apply = jpeg_compression},
      {.name = "saturate",
       .group = Group::extra,
       .doc = "colours become paler or stronger (saturation of HSV)",
       .source = source,
       .parameters = {{.name = "factor",
                       .doc = "what the saturation is multiplied by",
                       .min = 0,
                       .max = 100,
                       .large = {.3, .1, 2, 5, 20},
                       .small = Severities{.3, .1, 1.5, 2, 2.5}},
                      {.name = "shift",
                       .doc = "what is added to it then",
                       .unit = "fraction",
                       .min = -1,
                       .max = 1,
                       .large = {0, 0, 0, .1, .2},
                       .small = Severities{0, 0, 0, .1, .2}}},
       .takes_grey = false,
       .apply = saturate},
  };
}

}  // namespace bitquake::augment::detail
