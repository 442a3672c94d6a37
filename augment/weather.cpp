#include "augment/built_in.hpp"
#include "augment/filters.hpp"
#include "augment/float_image.hpp"
#include "augment/random_values.hpp"

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace bitquake::augment::detail {
namespace {

using Colour = std::array<float, 3>;  ///< RGB in [0, 1]

/// Weights of ITU-R BT.601.
float luma(float red, float green, float blue) {
  return 0.299F * red + 0.587F * green + 0.114F * blue;
}

float luma(const float* pixel, int channels) {
  return channels == 1 ? pixel[0] : luma(pixel[0], pixel[1], pixel[2]);
}

/// What a colour is in an image: itself, or its luma in a grey one.
Colour seen_as(const Colour& colour, int channels) {
  const float grey = luma(colour[0], colour[1], colour[2]);
  return channels == 1 ? Colour{grey, grey, grey} : colour;
}

/// Calls change(pixel, row, column) for each pixel; it has `channels` values.
template <class Change>
void change_pixels(cv::Mat& image, Change change) {
  const int channels = image.channels();
  for (int row = 0; row < image.rows; ++row) {
    auto* pixel = image.ptr<float>(row);
    for (int column = 0; column < image.cols; ++column, pixel += channels) {
      change(pixel, row, column);
    }
  }
}

/// Values of a layer as if it had been stored with 8 bits and read again.
void quantize(cv::Mat& layer, float rounding) {
  for (float& value : cv::Mat_<float>(layer)) {
    value = std::floor(std::clamp(value, 0.0F, 1.0F) * 255 + rounding) / 255;
  }
}

constexpr float kTruncated = 0x1p-10F;  // as to_stored() does
constexpr float kRounded = 0.5F;

void snow(Scene& scene, std::span<const double> values, const DrawKey& key) {
  const double mean = values[0], sigma = values[1], zoom = values[2], threshold = values[3];
  const auto keep = static_cast<float>(values[6]);
  const double angle = 90 * key.draws(0).uniform() - 135;
  cv::Mat layer = clipped_zoom(normal_field(scene.image.size(), mean, sigma, key.draws(1)), zoom);
  for (float& value : cv::Mat_<float>(layer)) value = value < threshold ? 0 : value;
  quantize(layer, kTruncated);
  layer = motion(layer, static_cast<int>(values[4]), values[5], angle);
  quantize(layer, kRounded);

  cv::Mat image = to_float(scene.image);
  const int channels = image.channels(), last_row = image.rows - 1, last_column = image.cols - 1;
  change_pixels(image, [&](float* pixel, int row, int column) {
    const float white = luma(pixel, channels) * 1.5F + 0.5F;
    const float flakes =
        layer.at<float>(row, column) + layer.at<float>(last_row - row, last_column - column);
    for (int c = 0; c < channels; ++c) {
      pixel[c] = keep * pixel[c] + (1 - keep) * std::max(pixel[c], white) + flakes;
    }
  });
  scene.image = to_stored(image, scene.image.depth());
}

/// Ice on a pane, in [0, 1]: needles that lie across each other in every shade, most of them in one
/// of four directions, on a fractal ground. Sizes follow the image's shorter side. Mean and spread
/// are near those of the photographs of ImageNet-C (0.6 and 0.2).
cv::Mat ice(cv::Size size, const DrawKey& key) {
  constexpr double kNeedlesPerSquare = 1400, kDegree = 3.14159265358979323846 / 180;
  constexpr int kShift = 4;  // cv::line takes sixteenths of a pixel
  const double side = std::min(size.width, size.height);
  Draws draws = key.draws(0);
  std::array<double, 4> directions{};
  for (double& direction : directions) direction = 180 * draws.uniform();
  cv::Mat needles(size, CV_8UC1, cv::Scalar(128));
  const double squares = size.width / side * (size.height / side);
  for (int i = 0; i < static_cast<int>(kNeedlesPerSquare * squares); ++i) {
    const double x = size.width * draws.uniform(), y = size.height * draws.uniform();
    const double angle = directions.at(draws.below(4)) + 12 * draws.normal();
    const double half = side * (0.03 + 0.22 * draws.uniform() * draws.uniform());
    const int width = std::max(1, static_cast<int>(side * (0.002 + 0.009 * draws.uniform())));
    const double shade = 255 * (0.25 + 0.75 * draws.uniform());
    const auto end = [&](double sign) {
      return cv::Point(
          static_cast<int>((x + sign * half * std::cos(angle * kDegree)) * (1 << kShift)),
          static_cast<int>((y + sign * half * std::sin(angle * kDegree)) * (1 << kShift)));
    };
    cv::line(needles, end(-1), end(1), cv::Scalar(shade), width, cv::LINE_AA, kShift);
  }
  const cv::Mat soft = gaussian(to_float(needles), 0.002 * side);
  const cv::Mat ground = plasma(size, 1.5, key.draws(1));
  cv::Mat result(size, CV_32FC1);
  change_pixels(result, [&](float* value, int row, int column) {
    *value = soft.at<float>(row, column) + 0.6F * ground.at<float>(row, column) - 0.28F;
    *value = std::clamp(*value, 0.0F, 1.0F);
  });
  return result;
}

void frost(Scene& scene, std::span<const double> values, const DrawKey& key) {
  const auto keep = static_cast<float>(values[0]), amount = static_cast<float>(values[1]);
  const cv::Mat layer = ice(scene.image.size(), key);
  cv::Mat image = to_float(scene.image);
  const int channels = image.channels();
  const Colour bluish = seen_as({0.94F, 0.98F, 1.0F}, channels);
  change_pixels(image, [&](float* pixel, int row, int column) {
    for (int c = 0; c < channels; ++c) {
      pixel[c] = keep * pixel[c] +
                 amount * layer.at<float>(row, column) * bluish.at(static_cast<std::size_t>(c));
    }
  });
  scene.image = to_stored(image, scene.image.depth());
}

void fog(Scene& scene, std::span<const double> values, const DrawKey& key) {
  const auto amount = static_cast<float>(values[0]);
  const cv::Mat map = plasma(scene.image.size(), values[1], key.draws());
  cv::Mat image = to_float(scene.image);
  const int channels = image.channels();
  float top = 0;
  change_pixels(image, [&](const float* pixel, int, int) {
    top = std::max(top, *std::max_element(pixel, pixel + channels));
  });
  const float scale = top > 0 ? top / (top + amount) : 0;  // a black image stays black
  change_pixels(image, [&](float* pixel, int row, int column) {
    const float thickness = amount * map.at<float>(row, column);
    for (int c = 0; c < channels; ++c) pixel[c] = (pixel[c] + thickness) * scale;
  });
  scene.image = to_stored(image, scene.image.depth());
}

/// HSV with another value: V becomes V' and so each channel is multiplied by V' / V.
void brightness(Scene& scene, std::span<const double> values, const DrawKey&) {
  const auto shift = static_cast<float>(values[0]);
  cv::Mat image = to_float(scene.image);
  const int channels = image.channels();
  change_pixels(image, [&](float* pixel, int, int) {
    const float top = *std::max_element(pixel, pixel + channels);
    const float wanted = std::clamp(top + shift, 0.0F, 1.0F);
    for (int c = 0; c < channels; ++c) pixel[c] = top > 0 ? pixel[c] * (wanted / top) : wanted;
  });
  scene.image = to_stored(image, scene.image.depth());
}

/// How much water stands on the lens, from a layer of drops: drops that are lit from one side.
/// All of it is integer arithmetic of OpenCV, but for quotients of small whole numbers.
cv::Mat water(const cv::Mat& drops) {
  cv::Mat layer = to_stored(drops, CV_8U), edges, distance;
  cv::Canny(layer, edges, 50, 150);
  for (std::uint8_t& value : cv::Mat_<std::uint8_t>(edges)) value = 255 - value;
  cv::distanceTransform(edges, distance, cv::DIST_L2, 5);
  cv::threshold(distance, distance, 20, 20, cv::THRESH_TRUNC);
  cv::blur(distance, distance, {3, 3});
  cv::Mat relief(distance.size(), CV_8UC1);
  for (int row = 0; row < relief.rows; ++row) {
    for (int column = 0; column < relief.cols; ++column) {
      relief.at<std::uint8_t>(row, column) =
          static_cast<std::uint8_t>(distance.at<float>(row, column));
    }
  }
  cv::equalizeHist(relief, relief);
  const cv::Mat light = (cv::Mat_<float>(3, 3) << -2, -1, 0, -1, 1, 1, 0, 1, 2);
  cv::filter2D(relief, relief, CV_8U, light);
  cv::blur(relief, relief, {3, 3});
  cv::Mat amount(layer.size(), CV_32FC1);
  float top = 0;
  change_pixels(amount, [&](float* value, int row, int column) {
    *value = static_cast<float>(layer.at<std::uint8_t>(row, column)) *
             static_cast<float>(relief.at<std::uint8_t>(row, column));
    top = std::max(top, *value);
  });
  for (float& value : cv::Mat_<float>(amount)) value = top > 0 ? value / top : 0;
  return amount;
}

void spatter(Scene& scene, std::span<const double> values, const DrawKey& key) {
  const double mean = values[0], sigma = values[1], blur = values[2], threshold = values[3];
  const double strength = values[4];
  const bool mud = values[5] != 0;
  cv::Mat drops = gaussian(normal_field(scene.image.size(), mean, sigma, key.draws()), blur);
  for (float& value : cv::Mat_<float>(drops)) value = value < threshold ? 0 : value;
  cv::Mat image = to_float(scene.image);
  const int channels = image.channels();
  if (mud) {
    constexpr float kLeast = 0.8F;  // thinner mud runs off
    for (float& value : cv::Mat_<float>(drops)) value = value > threshold ? 1 : 0;
    drops = gaussian(drops, strength);
    const Colour brown = seen_as({63 / 255.0F, 42 / 255.0F, 20 / 255.0F}, channels);
    change_pixels(image, [&](float* pixel, int row, int column) {
      const float cover = drops.at<float>(row, column);
      if (cover < kLeast) return;
      for (int c = 0; c < channels; ++c) {
        pixel[c] += cover * (brown.at(static_cast<std::size_t>(c)) - pixel[c]);
      }
    });
  } else {
    const cv::Mat amount = water(drops);
    const Colour pale = seen_as({175 / 255.0F, 238 / 255.0F, 238 / 255.0F}, channels);
    change_pixels(image, [&](float* pixel, int row, int column) {
      const float cover = amount.at<float>(row, column) * static_cast<float>(strength);
      for (int c = 0; c < channels; ++c) pixel[c] += cover * pale.at(static_cast<std::size_t>(c));
    });
  }
  scene.image = to_stored(image, scene.image.depth());
}

}  // namespace

std::vector<Kind> weather_kinds() {
  const std::string source = "Hendrycks, Dietterich, ICLR 2019 (ImageNet-C)";
  return {
      {.name = "snow",
       .group = Group::weather,
       .doc = "flakes that fall, and a brighter, paler scene",
       .source = source,
       .parameters = {{.name = "mean",
                       .doc = "of the noise that flakes are cut from",
                       .min = -5,
                       .max = 5,
                       .large = {.1, .2, .55, .55, .55},
                       .small = Severities{.1, .1, .15, .25, .3}},
                      {.name = "sigma",
                       .doc = "standard deviation of the noise",
                       .min = 0,
                       .max = 5,
                       .large = {.3, .3, .3, .3, .3},
                       .small = Severities{.2, .2, .3, .3, .3}},
                      {.name = "zoom",
                       .doc = "size of a flake",
                       .unit = "px",
                       .min = 1,
                       .max = 50,
                       .large = {3, 2, 4, 4.5, 2.5},
                       .small = Severities{1, 1, 1.75, 2.25, 1.25}},
                      {.name = "threshold",
                       .doc = "noise above it is a flake",
                       .min = 0,
                       .max = 5,
                       .large = {.5, .5, .9, .85, .85},
                       .small = Severities{.6, .5, .55, .6, .65}},
                      {.name = "radius",
                       .doc = "flakes leave a line 2 radius + 1 long",
                       .unit = "px",
                       .min = 0,
                       .max = 500,
                       .large = {10, 12, 12, 12, 12},
                       .small = Severities{8, 10, 10, 12, 14},
                       .integer = true},
                      {.name = "blur_sigma",
                       .doc = "standard deviation of the weights along the line",
                       .unit = "px",
                       .min = 0.01,
                       .max = 500,
                       .large = {4, 4, 8, 8, 12},
                       .small = Severities{3, 4, 4, 6, 12}},
                      {.name = "keep",
                       .doc = "share of the scene that is not whitened",
                       .unit = "fraction",
                       .min = 0,
                       .max = 1,
                       .large = {.8, .7, .7, .65, .55},
                       .small = Severities{.95, .9, .9, .85, .8}}},
       .random = true,
       .apply = snow},
      {.name = "frost_procedural",
       .group = Group::weather,
       .doc = "ice crystals on the lens; computed, where ImageNet-C takes photographs of ice",
       .source = "weights of scene and ice: " + source + "; the ice is Bitquake's own",
       .parameters = {{.name = "keep",
                       .doc = "what the scene is multiplied by",
                       .unit = "fraction",
                       .min = 0,
                       .max = 1,
                       .large = {1, .8, .7, .65, .6},
                       .small = Severities{1, 1, .9, .85, .75}},
                      {.name = "amount",
                       .doc = "what the ice is multiplied by",
                       .unit = "fraction",
                       .min = 0,
                       .max = 1,
                       .large = {.4, .6, .7, .7, .75},
                       .small = Severities{.2, .3, .4, .4, .45}}},
       .random = true,
       .apply = frost},
      {.name = "fog",
       .group = Group::weather,
       .doc = "a fractal map of thickness is added and the whole made darker",
       .source = source + ", after Fournier, Fussell, Carpenter, CACM 25(6), 1982",
       .parameters = {{.name = "amount",
                       .doc = "thickness where it is greatest",
                       .unit = "of the range",
                       .min = 0,
                       .max = 100,
                       .large = {1.5, 2, 2.5, 2.5, 3},
                       .small = Severities{.2, .5, .75, 1, 1.5}},
                      {.name = "decay",
                       .doc = "how much smoother the map is at each finer scale",
                       .min = 1,
                       .max = 10,
                       .large = {2, 2, 1.7, 1.5, 1.4},
                       .small = Severities{3, 3, 2.5, 2, 1.75}}},
       .random = true,
       .apply = fog},
      {.name = "brightness",
       .group = Group::weather,
       .doc = "the value of HSV is increased",
       .source = source,
       .parameters = {{.name = "shift",
                       .doc = "what is added to the value",
                       .unit = "of the range",
                       .min = -1,
                       .max = 1,
                       .large = {.1, .2, .3, .4, .5},
                       .small = Severities{.05, .1, .15, .2, .3}}},
       .apply = brightness},
      {.name = "spatter",
       .group = Group::extra,
       .doc = "drops of water, or of mud, on the lens",
       .source = source,
       .parameters = {{.name = "mean",
                       .doc = "of the noise that drops are cut from",
                       .min = -5,
                       .max = 5,
                       .large = {.65, .65, .65, .65, .67},
                       .small = Severities{.62, .65, .65, .65, .65}},
                      {.name = "sigma",
                       .doc = "standard deviation of the noise",
                       .min = 0,
                       .max = 5,
                       .large = {.3, .3, .3, .3, .4},
                       .small = Severities{.1, .1, .3, .1, .1}},
                      {.name = "blur_sigma",
                       .doc = "standard deviation of the blur of the noise",
                       .unit = "px",
                       .min = 0,
                       .max = 50,
                       .large = {4, 3, 2, 1, 1},
                       .small = Severities{.7, .8, 1, .7, .5}},
                      {.name = "threshold",
                       .doc = "blurred noise above it is a drop",
                       .min = 0,
                       .max = 5,
                       .large = {.69, .68, .68, .65, .65},
                       .small = Severities{.7, .7, .69, .69, .68}},
                      {.name = "strength",
                       .doc =
                           "water: what is added at most; mud: standard deviation of its edge, px",
                       .min = 0,
                       .max = 50,
                       .large = {.6, .6, .5, 1.5, 1.5},
                       .small = Severities{.5, .5, .5, .6, .6}},
                      {.name = "mud",
                       .doc = "0: water, 1: mud",
                       .min = 0,
                       .max = 1,
                       .large = {0, 0, 0, 1, 1},
                       .small = Severities{0, 0, 0, 1, 1},
                       .integer = true}},
       .random = true,
       .apply = spatter},
  };
}

}  // namespace bitquake::augment::detail
