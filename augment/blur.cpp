#include "augment/built_in.hpp"
#include "augment/filters.hpp"
#include "augment/float_image.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace bitquake::augment::detail {
namespace {

void gaussian_blur(Scene& scene, std::span<const double> values, const DrawKey&) {
  scene.image = to_stored(gaussian(to_float(scene.image), values[0]), scene.image.depth());
}

/// A disk, then blurred by 3x3 or 5x5 weights so that its edge is less jagged.
cv::Mat disk(double radius, double edge_sigma) {
  // The reference takes a grid of this size, and what the blur moves beyond it is mirrored back.
  const int reach = radius <= 8 ? 8 : static_cast<int>(radius);
  cv::Mat shape(2 * reach + 1, 2 * reach + 1, CV_32FC1, cv::Scalar(0));
  float count = 0;
  for (int y = -reach; y <= reach; ++y) {
    for (int x = -reach; x <= reach; ++x) {
      if (x * x + y * y > radius * radius) continue;
      shape.at<float>(y + reach, x + reach) = 1;
      count += 1;
    }
  }
  const int edge = radius <= 8 ? 1 : 2;
  std::array<double, 3> weights{1, 0, 0};
  double sum = 1;
  for (int i = 1; i <= edge; ++i) {
    weights.at(static_cast<std::size_t>(i)) = std::exp(-0.5 * (i / edge_sigma) * (i / edge_sigma));
    sum += 2 * weights.at(static_cast<std::size_t>(i));
  }
  cv::Mat edge_kernel(2 * edge + 1, 2 * edge + 1, CV_32FC1);
  for (int y = -edge; y <= edge; ++y) {
    for (int x = -edge; x <= edge; ++x) {
      edge_kernel.at<float>(y + edge, x + edge) =
          static_cast<float>(weights.at(static_cast<std::size_t>(std::abs(x))) *
                             weights.at(static_cast<std::size_t>(std::abs(y))) / (sum * sum));
    }
  }
  for (float& weight : cv::Mat_<float>(shape)) weight /= count;
  return correlate(shape, edge_kernel, Border::reflect_101);
}

void defocus_blur(Scene& scene, std::span<const double> values, const DrawKey&) {
  scene.image =
      to_stored(correlate(to_float(scene.image), disk(values[0], values[1]), Border::reflect_101),
                scene.image.depth());
}

/// Each pixel becomes one of its neighbours, in place, from the lower right to the upper left; the
/// references mean to swap the two, but their statement copies.
template <class Pixel>
void shuffle(cv::Mat& image, int reach, int rounds, Draws draws) {
  const auto choices = 2 * static_cast<std::uint64_t>(reach);
  for (int round = 0; round < rounds; ++round) {
    for (int y = image.rows - reach; y > reach; --y) {
      auto* row = image.ptr<Pixel>(y);
      for (int x = image.cols - reach; x > reach; --x) {
        // Uniform but for 1 in 10^8.
        const std::uint64_t choice = (draws.next32() * choices * choices) >> 32;
        const int dx = static_cast<int>(choice % choices) - reach;
        const int dy = static_cast<int>(choice / choices) - reach;
        row[x] = image.ptr<Pixel>(y + dy)[x + dx];
      }
    }
  }
}

void glass_blur(Scene& scene, std::span<const double> values, const DrawKey& key) {
  const double sigma = values[0];
  const int reach = static_cast<int>(values[1]), rounds = static_cast<int>(values[2]);
  cv::Mat image = to_stored(gaussian(to_float(scene.image), sigma), scene.image.depth());
  switch (image.type()) {
    case CV_8UC1:
      shuffle<std::uint8_t>(image, reach, rounds, key.draws());
      break;
    case CV_8UC3:
      shuffle<cv::Vec3b>(image, reach, rounds, key.draws());
      break;
    case CV_16UC1:
      shuffle<std::uint16_t>(image, reach, rounds, key.draws());
      break;
    default:
      shuffle<cv::Vec3w>(image, reach, rounds, key.draws());
      break;
  }
  scene.image = to_stored(gaussian(to_float(image), sigma), image.depth());
}

void motion_blur(Scene& scene, std::span<const double> values, const DrawKey& key) {
  const double angle = 90 * key.draws().uniform() - 45;
  scene.image =
      to_stored(motion(to_float(scene.image), static_cast<int>(values[0]), values[1], angle),
                scene.image.depth());
}

void zoom_blur(Scene& scene, std::span<const double> values, const DrawKey&) {
  // As numpy.arange() adds it up: 1.25 becomes a little more, and another size is rounded to.
  const double step = (1 + values[0]) - 1;
  const int count = static_cast<int>(values[1]);
  const cv::Mat image = to_float(scene.image);
  cv::Mat sum = image.clone();
  for (int i = 0; i < count; ++i) {
    const cv::Mat zoomed = clipped_zoom(image, 1 + i * step);
    for (int row = 0; row < sum.rows; ++row) {
      auto* out = sum.ptr<float>(row);
      const auto* in = zoomed.ptr<float>(row);
      for (int k = 0; k < sum.cols * sum.channels(); ++k) out[k] += in[k];
    }
  }
  const auto images = static_cast<float>(count + 1);
  for (int row = 0; row < sum.rows; ++row) {
    auto* out = sum.ptr<float>(row);
    for (int k = 0; k < sum.cols * sum.channels(); ++k) out[k] /= images;
  }
  scene.image = to_stored(sum, scene.image.depth());
}

}  // namespace

std::vector<Kind> blur_kinds() {
  const std::string source = "Hendrycks, Dietterich, ICLR 2019 (ImageNet-C)";
  return {
      {.name = "defocus_blur",
       .group = Group::blur,
       .doc = "each point becomes a disk: the lens is focused elsewhere",
       .source = source,
       .parameters = {{.name = "radius",
                       .doc = "of the disk",
                       .unit = "px",
                       .min = 0,
                       .max = 50,
                       .large = {3, 4, 6, 8, 10},
                       .small = Severities{.3, .4, .5, 1, 1.5}},
                      {.name = "edge_sigma",
                       .doc = "standard deviation of the blur of the disk's edge",
                       .unit = "px",
                       .min = 0.01,
                       .max = 50,
                       .large = {.1, .5, .5, .5, .5},
                       .small = Severities{.4, .5, .6, .2, .1}}},
       .apply = defocus_blur},
      {.name = "glass_blur",
       .group = Group::blur,
       .doc = "pixels change places with near ones: frosted glass",
       .source = source,
       .parameters = {{.name = "sigma",
                       .doc = "standard deviation of the blur before and after",
                       .unit = "px",
                       .min = 0,
                       .max = 50,
                       .large = {.7, .9, 1, 1.1, 1.5},
                       .small = Severities{.05, .25, .4, .25, .4}},
                      {.name = "reach",
                       .doc = "how far a pixel moves at most",
                       .unit = "px",
                       .min = 1,
                       .max = 50,
                       .large = {1, 2, 2, 3, 4},
                       .small = Severities{1, 1, 1, 1, 1},
                       .integer = true},
                      {.name = "rounds",
                       .doc = "how often every pixel is moved",
                       .min = 1,
                       .max = 100,
                       .large = {2, 1, 3, 2, 2},
                       .small = Severities{1, 1, 1, 2, 2},
                       .integer = true}},
       .random = true,
       .apply = glass_blur},
      {.name = "motion_blur",
       .group = Group::blur,
       .doc = "each point becomes a line in a random direction within 45 degrees of horizontal",
       .source = source + "; without ImageMagick: Michaelis et al. 2019 (imagecorruptions)",
       .parameters = {{.name = "radius",
                       .doc = "the line is 2 radius + 1 long",
                       .unit = "px",
                       .min = 0,
                       .max = 500,
                       .large = {10, 15, 15, 15, 20},
                       .small = Severities{6, 6, 6, 8, 9},
                       .integer = true},
                      {.name = "sigma",
                       .doc = "standard deviation of the weights along the line",
                       .unit = "px",
                       .min = 0.01,
                       .max = 500,
                       .large = {3, 5, 8, 12, 15},
                       .small = Severities{1, 1.5, 2, 2, 2.5}}},
       .random = true,
       .apply = motion_blur},
      {.name = "zoom_blur",
       .group = Group::blur,
       .doc = "mean of the image at several sizes: the camera moves forward",
       .source = source,
       .parameters = {{.name = "step",
                       .doc = "from one size to the next: 1, 1 + step, 1 + 2 step, …",
                       .unit = "fraction",
                       .min = 0,
                       .max = 1,
                       .large = {.01, .01, .02, .02, .03},
                       .small = Severities{.01, .01, .01, .01, .01}},
                      {.name = "count",
                       .doc = "how many sizes",
                       .min = 1,
                       .max = 100,
                       .large = {12, 16, 11, 13, 11},
                       .small = Severities{7, 12, 16, 21, 26},
                       .integer = true}},
       .apply = zoom_blur},
      {.name = "gaussian_blur",
       .group = Group::extra,
       .doc = "each point becomes a Gaussian",
       .source = source,
       .parameters = {{.name = "sigma",
                       .doc = "standard deviation",
                       .unit = "px",
                       .min = 0,
                       .max = 100,
                       .large = {1, 2, 3, 4, 6},
                       .small = Severities{.4, .6, .7, .8, 1}}},
       .apply = gaussian_blur},
  };
}

}  // namespace bitquake::augment::detail
