#include "augment/built_in.hpp"
#include "augment/float_image.hpp"

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace bitquake::augment::detail {
namespace {

/// Where a patch of that share of the image lies; it is inside. Width and height in whole pixels.
cv::Rect drawn_patch(Draws& draws, cv::Size image, double share) {
  const double log_aspect = std::log(0.3) * (2 * draws.uniform() - 1);
  const double across = draws.uniform(), down = draws.uniform();
  const double width = image.width, height = image.height;
  // As far from a square as drawn, but not so far that it does not fit.
  const double aspect = std::clamp(std::exp(log_aspect) * width / height, share * width / height,
                                   width / (height * share));
  const double area = share * width * height;
  const auto side = [](double length, int most) {
    return std::clamp(static_cast<int>(std::floor(length + 0.5)), 1, most);
  };
  cv::Rect patch;
  patch.width = side(std::sqrt(area * aspect), image.width);
  patch.height = side(std::sqrt(area / aspect), image.height);
  patch.x = static_cast<int>(across * (image.width - patch.width + 1));
  patch.y = static_cast<int>(down * (image.height - patch.height + 1));
  return patch;
}

/// The share of the box's pixels (by their middles; at least one pixel) that `covered` leaves free.
double visible_share(const cv::Mat& covered, const Box& box) {
  const auto range = [](double low, double high, int size) {
    const int first = std::clamp(static_cast<int>(std::ceil(low - 0.5)), 0, size - 1);
    const int end = std::clamp(static_cast<int>(std::ceil(high - 0.5)), first + 1, size);
    return cv::Range(first, end);
  };
  const cv::Mat inside =
      covered(range(box.y0, box.y1, covered.rows), range(box.x0, box.x1, covered.cols));
  return 1 - cv::countNonZero(inside) / static_cast<double>(inside.total());
}

void occlusion(Scene& scene, std::span<const double> values, const DrawKey& key) {
  const double share = values[0], patches = values[1], fill = values[2], min_visibility = values[3];
  if (share == 0) return;
  Draws draws = key.draws();
  cv::Mat image = scene.image.clone();
  cv::Mat covered(image.rows, image.cols, CV_8UC1, cv::Scalar(0));
  const double top = image.depth() == CV_8U ? 255 : 65535;
  for (int i = 0; i < patches; ++i) {
    const cv::Rect patch = drawn_patch(draws, image.size(), share / patches);
    image(patch).setTo(cv::Scalar::all(std::floor(fill * top + 0.5)));
    covered(patch).setTo(1);
  }
  scene.image = image;
  std::erase_if(scene.objects, [&](const Object& object) {
    return visible_share(covered, object.box) < min_visibility;
  });
}

/// A drop's way during the exposure: a slanting stripe from the upper end (x, y) down.
struct Streak {
  double x, y, length, width;
};

/// Raises the coverage of the pixels under the streak. @param layer  CV_32FC1, in [0, 1]
void draw(cv::Mat& layer, const Streak& streak, double slope) {
  const double end = streak.y + streak.length;
  const int first = std::max(0, static_cast<int>(std::floor(streak.y)));
  const int last = std::min(layer.rows - 1, static_cast<int>(std::floor(end)));
  for (int row = first; row <= last; ++row) {
    const double down = std::min(end, row + 1.0) - std::max(streak.y, static_cast<double>(row));
    const double left = streak.x + slope * (row + 0.5 - streak.y), right = left + streak.width;
    const int begin = std::max(0, static_cast<int>(std::floor(left)));
    const int stop = std::min(layer.cols - 1, static_cast<int>(std::floor(right)));
    float* line = layer.ptr<float>(row);
    for (int column = begin; column <= stop; ++column) {
      const double across =
          std::min(right, column + 1.0) - std::max(left, static_cast<double>(column));
      line[column] = std::max(line[column], static_cast<float>(down * across));
    }
  }
}

void rain(Scene& scene, std::span<const double> values, const DrawKey& key) {
  constexpr double kPi = 3.14159265358979323846;
  constexpr double kWidth = 1.0 / 480;  // of a streak, of the shorter side; at least a pixel
  const double density = values[0], brightness = values[3];
  cv::Mat image = to_float(scene.image);
  const double rows = image.rows, columns = image.cols, side = std::min(rows, columns);
  const double longest = std::max(values[1] * side, 1.0), width = std::max(kWidth * side, 1.0);
  Draws draws = key.draws();
  const double slope = std::tan(values[4] * (2 * draws.uniform() - 1) * kPi / 180);
  // A streak is 3/4 of the longest on average.
  const auto count =
      static_cast<std::int64_t>(std::ceil(density * rows * columns / (0.75 * longest * width)));
  cv::Mat layer(image.rows, image.cols, CV_32FC1, cv::Scalar(0));
  const double beside = std::abs(slope) * longest;  // they may come in from the side
  for (std::int64_t i = 0; i < count; ++i) {
    const double x = draws.uniform(), y = draws.uniform(), length = (1 + draws.uniform()) / 2;
    draw(layer,
         {x * (columns + 2 * beside) - beside, y * (rows + longest) - longest, length * longest,
          width},
         slope);
  }
  const auto shade = static_cast<float>(brightness), light = static_cast<float>(values[2]);
  for (int row = 0; row < image.rows; ++row) {
    const float* cover = layer.ptr<float>(row);
    float* line = image.ptr<float>(row);
    for (int i = 0; i < image.cols * image.channels(); ++i) {
      line[i] = line[i] * shade + light * cover[i / image.channels()];
    }
  }
  scene.image = to_nearest(image, scene.image.depth());
}

void shadow(Scene& scene, std::span<const double> values, const DrawKey& key) {
  Draws draws = key.draws();
  cv::Mat image = to_float(scene.image);
  std::vector<cv::Point> corners(5), polygon;
  for (cv::Point& corner : corners) {
    corner.x = static_cast<int>(draws.uniform() * image.cols);
    corner.y = static_cast<int>(draws.uniform() * image.rows);
  }
  cv::convexHull(corners, polygon);
  cv::Mat mask(image.rows, image.cols, CV_8UC1, cv::Scalar(0));
  cv::fillConvexPoly(mask, polygon, cv::Scalar(1));
  const auto left = static_cast<float>(1 - values[0]);
  for (int row = 0; row < image.rows; ++row) {
    const std::uint8_t* inside = mask.ptr<std::uint8_t>(row);
    float* line = image.ptr<float>(row);
    for (int i = 0; i < image.cols * image.channels(); ++i) {
      if (inside[i / image.channels()] != 0) line[i] *= left;
    }
  }
  scene.image = to_nearest(image, scene.image.depth());
}

}  // namespace

std::vector<Kind> obstacle_kinds() {
  return {
      {.name = "occlusion",
       .group = Group::sensor,
       .doc = "patches hide parts of the image, and some objects wholly",
       .source = "Zhong et al., Random Erasing Data Augmentation, AAAI 2020 (share, aspect from "
                 "0.3 to 1 / 0.3); black as DeVries, Taylor, Cutout, 2017; severities: Bitquake's",
       .parameters = {{.name = "share",
                       .doc = "area of all patches together, where they do not overlap",
                       .unit = "fraction",
                       .min = 0,
                       .max = 1,
                       .large = {.05, .1, .2, .3, .4}},
                      {.name = "patches",
                       .doc = "how many",
                       .unit = "",
                       .min = 1,
                       .max = 1000,
                       .large = {1, 1, 1, 1, 1},
                       .integer = true},
                      {.name = "fill",
                       .doc = "value of the patches",
                       .unit = "of the range",
                       .min = 0,
                       .max = 1,
                       .large = {0, 0, 0, 0, 0}},
                      {.name = "min_visibility",
                       .doc = "objects of which a smaller share of the box is seen are removed",
                       .unit = "fraction",
                       .min = 0,
                       .max = 1,
                       .large = {.1, .1, .1, .1, .1}}},
       .random = true,
       .moves_boxes = true,
       .apply = occlusion},
      {.name = "rain",
       .group = Group::sensor,
       .doc = "bright streaks, and less light",
       .source = "albumentations 66212d7 (streaks on a black layer, added; brightness 0.7; length "
                 "an eighth of the height; 10 degrees); severities: Bitquake's",
       .parameters = {{.name = "density",
                       .doc = "area of all streaks together, where they do not overlap",
                       .unit = "fraction",
                       .min = 0,
                       .max = 1,
                       .large = {.02, .04, .07, .11, .16}},
                      {.name = "length",
                       .doc = "of the longest streaks; the shortest are half as long",
                       .unit = "of the shorter side",
                       .min = 0,
                       .max = 1,
                       .large = {.1, .125, .15, .2, .25}},
                      {.name = "streak",
                       .doc = "what a streak adds",
                       .unit = "of the range",
                       .min = 0,
                       .max = 1,
                       .large = {.2, .25, .3, .35, .4}},
                      {.name = "brightness",
                       .doc = "factor of what is behind",
                       .unit = "",
                       .min = 0,
                       .max = 1,
                       .large = {.9, .85, .8, .75, .7}},
                      {.name = "slant",
                       .doc = "angle to the vertical, at most; drawn for each sample",
                       .unit = "degrees",
                       .min = 0,
                       .max = 60,
                       .large = {10, 10, 10, 10, 10}}},
       .random = true,
       .apply = rain},
      {.name = "shadow",
       .group = Group::sensor,
       .doc = "the smallest convex area around five points, drawn for each sample, is darker",
       .source = "albumentations 66212d7 (a polygon of five random corners, times 1 - intensity); "
                 "severities: Bitquake's",
       .parameters = {{.name = "intensity",
                       .doc = "share of the value that is lost",
                       .unit = "fraction",
                       .min = 0,
                       .max = 1,
                       .large = {.3, .4, .5, .6, .7}}},
       .random = true,
       .apply = shadow},
  };
}

}  // namespace bitquake::augment::detail
