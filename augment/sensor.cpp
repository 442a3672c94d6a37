#include "augment/built_in.hpp"
#include "augment/float_image.hpp"
#include "augment/random_values.hpp"

#include <opencv2/core/mat.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace bitquake::augment::detail {
namespace {

/// Different numbers below `size`, each as likely; a longer list begins with the shorter one.
std::vector<int> drawn_places(Draws& draws, int size, double share) {
  const auto rounded = static_cast<int>(std::floor(share * size + 0.5));
  const int count = share > 0 ? std::max(rounded, 1) : 0;
  std::vector<bool> taken(static_cast<std::size_t>(size));
  std::vector<int> places;
  while (static_cast<int>(places.size()) < count) {
    // By the place in [0, 1): about the same spot in images of another size.
    const int place = std::min(static_cast<int>(draws.uniform() * size), size - 1);
    if (taken[static_cast<std::size_t>(place)]) continue;
    taken[static_cast<std::size_t>(place)] = true;
    places.push_back(place);
  }
  return places;
}

/// Gives some pixels the value whose bytes are all `byte`.
void stuck_pixels(Scene& scene, double share, int byte, const DrawKey& key) {
  Draws draws = key.camera_draws();
  cv::Mat image = scene.image.clone();
  for (const int place : drawn_places(draws, image.rows * image.cols, share)) {
    std::memset(image.ptr(place / image.cols, place % image.cols), byte, image.elemSize());
  }
  scene.image = image;
}

void dead_pixels(Scene& scene, std::span<const double> values, const DrawKey& key) {
  stuck_pixels(scene, values[0], 0x00, key);
}

void hot_pixels(Scene& scene, std::span<const double> values, const DrawKey& key) {
  stuck_pixels(scene, values[0], 0xFF, key);
}

void dead_rows(Scene& scene, std::span<const double> values, const DrawKey& key) {
  Draws draws = key.camera_draws();
  cv::Mat image = scene.image.clone();
  for (const int row : drawn_places(draws, image.rows, values[0])) image.row(row).setTo(0);
  scene.image = image;
}

void dead_columns(Scene& scene, std::span<const double> values, const DrawKey& key) {
  Draws draws = key.camera_draws();
  cv::Mat image = scene.image.clone();
  for (const int column : drawn_places(draws, image.cols, values[0])) image.col(column).setTo(0);
  scene.image = image;
}

/// Poisson noise of the photons, clipped, and normal noise of the electronics, in values [0, 1].
void add_poisson_gaussian(cv::Mat& values, double photons, double sigma, const DrawKey& key) {
  Draws light = key.draws(0);
  Normals electronics(key.draws(1));
  const Photons counts(photons);
  const int count = values.cols * values.channels();
  for (int row = 0; row < values.rows; ++row) {
    float* line = values.ptr<float>(row);
    for (int i = 0; i < count; ++i) {
      const double seen = std::min(counts.count(line[i], light) / photons, 1.0);
      line[i] = static_cast<float>(seen + sigma * electronics.next());
    }
  }
}

void sensor_noise(Scene& scene, std::span<const double> values, const DrawKey& key) {
  cv::Mat image = to_float(scene.image);
  add_poisson_gaussian(image, values[0], values[1], key);
  scene.image = to_stored(image, scene.image.depth());
}

void low_light(Scene& scene, std::span<const double> values, const DrawKey& key) {
  const double peak = values[0], gamma = values[1];
  cv::Mat image = to_float(scene.image);
  const int count = image.cols * image.channels();
  float low = 1, high = 0;
  for (int row = 0; row < image.rows; ++row) {
    const auto [least, most] =
        std::minmax_element(image.ptr<float>(row), image.ptr<float>(row) + count);
    low = std::min(low, *least);
    high = std::max(high, *most);
  }
  // One value everywhere: there is no range to spread.
  if (high == low) {
    low = 0;
    high = 1;
  }
  for (int row = 0; row < image.rows; ++row) {
    float* line = image.ptr<float>(row);
    for (int i = 0; i < count; ++i) {
      const double x = (static_cast<double>(line[i]) - low) / (static_cast<double>(high) - low);
      line[i] = static_cast<float>((gamma == 2 ? x * x : std::pow(x, gamma)) * peak);
    }
  }
  add_poisson_gaussian(image, values[2], values[3], key);
  scene.image = to_stored(image, scene.image.depth());
}

void banding(Scene& scene, std::span<const double> values, const DrawKey& key) {
  Normals normals(key.draws());
  const auto sigma = static_cast<float>(values[0]);
  cv::Mat image = to_float(scene.image);
  const int count = image.cols * image.channels();
  for (int row = 0; row < image.rows; ++row) {
    const float offset = sigma * normals.next();
    float* line = image.ptr<float>(row);
    for (int i = 0; i < count; ++i) line[i] += offset;
  }
  scene.image = to_nearest(image, scene.image.depth());
}

void bit_errors(Scene& scene, std::span<const double> values, const DrawKey& key) {
  const double rate = values[0];
  cv::Mat image = scene.image.clone();  // without gaps between rows
  const double bits = 8.0 * static_cast<double>(image.total() * image.elemSize());
  Draws draws = key.draws();
  // The number of good bits before the next bad one is geometric.
  double position = 0;
  while (rate > 0) {
    position += std::floor(std::log(1 - draws.uniform()) / std::log1p(-rate));
    if (!(position < bits)) break;
    const auto bit = static_cast<std::uint64_t>(position);
    image.data[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    position += 1;
  }
  scene.image = image;
}

Parameter share(std::string doc, const Severities& values) {
  return {.name = "share",
          .doc = std::move(doc),
          .unit = "fraction",
          .min = 0,
          .max = 1,
          .large = values};
}

Parameter photons(const Severities& values) {
  return {.name = "photons",
          .doc = "mean count where the image is brightest",
          .unit = "",
          .min = 0.1,
          .max = 700,
          .large = values};
}

Parameter sigma(std::string doc, const Severities& values) {
  return {.name = "sigma",
          .doc = std::move(doc),
          .unit = "of the range",
          .min = 0,
          .max = 10,
          .large = values};
}

}  // namespace

std::vector<Kind> sensor_kinds() {
  const std::string failures =
      "Secci, Ceccarelli, On failures of RGB cameras and their effects in autonomous driving "
      "applications, ISSRE 2020; severities: Bitquake's";
  const std::string corruptions =
      "Kar, Yeo, Atanov, Zamir, 3D Common Corruptions and Data Augmentation, CVPR 2022 (code "
      "62894083)";
  const Severities pixels{.001, .003, .01, .03, .1}, lines{.01, .02, .04, .08, .16};
  const auto kind = [](std::string name, std::string doc, std::string source,
                       std::vector<Parameter> parameters, ApplyFunction function) {
    return Kind{.name = std::move(name),
                .group = Group::sensor,
                .doc = std::move(doc),
                .source = std::move(source),
                .parameters = std::move(parameters),
                .random = true,
                .apply = function};
  };
  return {
      kind("dead_pixels", "some pixels stay black: the same ones in all images of a campaign",
           failures, {share("how many, at least one", pixels)}, dead_pixels),
      kind("hot_pixels", "some pixels stay white: the same ones in all images of a campaign",
           failures, {share("how many, at least one", pixels)}, hot_pixels),
      kind("dead_rows", "some rows stay black: the same ones in all images of a campaign", failures,
           {share("how many, at least one", lines)}, dead_rows),
      kind("dead_columns", "some columns stay black: the same ones in all images of a campaign",
           failures, {share("how many, at least one", lines)}, dead_columns),
      kind("sensor_noise", "variance grows with the light: x / photons + sigma^2",
           "Foi et al., Practical Poissonian-Gaussian Noise Modeling and Fitting, IEEE TIP 17(10), "
           "2008; values: " +
               corruptions,
           {photons({600, 250, 120, 50, 30}),
            sigma("of the electronics", {.008, .012, .018, .026, .038})},
           sensor_noise),
      kind("iso_noise", "photons stay as they are, the amplifier's noise grows", corruptions,
           {photons({25, 25, 25, 25, 25}),
            sigma("of the electronics", {.056, .084, .126, .182, .266})},
           sensor_noise),
      kind("low_light", "darker, and so noisier: the range is spread, squared, scaled", corruptions,
           {{.name = "peak",
             .doc = "value of what is brightest",
             .unit = "of the range",
             .min = 0,
             .max = 1,
             .large = {.6, .5, .4, .3, .2}},
            {.name = "gamma",
             .doc = "power that makes what is dark darker",
             .unit = "",
             .min = 0.1,
             .max = 10,
             .large = {2, 2, 2, 2, 2}},
            photons({120, 120, 120, 120, 120}),
            sigma("of the electronics", {.018, .018, .018, .018, .018})},
           low_light),
      kind("banding", "each row is brighter or darker by a normal number: noise of its readout",
           "Wei, Fu, Yang, Huang, A Physics-based Noise Formation Model for Extreme Low-light Raw "
           "Denoising, CVPR 2020 (row noise); severities: Bitquake's",
           {sigma("of the rows", {.02, .04, .07, .11, .16})}, banding),
      kind("bit_errors", "each bit of the image's values flips with one probability",
           "Shannon, A Mathematical Theory of Communication, Bell System Technical Journal 27, "
           "1948 (binary symmetric channel); severities: Bitquake's",
           {{.name = "rate",
             .doc = "probability",
             .unit = "per bit",
             .min = 0,
             .max = 1,
             .large = {.0003, .001, .003, .01, .03}}},
           bit_errors),
  };
}

}  // namespace bitquake::augment::detail
