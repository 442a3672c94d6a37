#include "augment/built_in.hpp"
#include "augment/float_image.hpp"
#include "augment/random_values.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace bitquake::augment::detail {
namespace {

/// Calls `change` for each value of the image in turn, as a number in [0, 1].
template <class Change>
void change_values(Scene& scene, Change change) {
  cv::Mat values = to_float(scene.image);
  const int count = values.cols * values.channels();
  for (int row = 0; row < values.rows; ++row) {
    auto* line = values.ptr<float>(row);
    for (int i = 0; i < count; ++i) line[i] = change(line[i]);
  }
  scene.image = to_stored(values, scene.image.depth());
}

void gaussian_noise(Scene& scene, std::span<const double> values, const DrawKey& key) {
  Normals normals(key.draws());
  const auto sigma = static_cast<float>(values[0]);
  change_values(scene, [&](float x) { return x + sigma * normals.next(); });
}

void speckle_noise(Scene& scene, std::span<const double> values, const DrawKey& key) {
  Normals normals(key.draws());
  const auto sigma = static_cast<float>(values[0]);
  change_values(scene, [&](float x) { return x + x * sigma * normals.next(); });
}

void shot_noise(Scene& scene, std::span<const double> values, const DrawKey& key) {
  Draws draws = key.draws();
  const double photons = values[0];
  if (scene.image.depth() != CV_8U) {
    change_values(scene, [&](float x) {
      return static_cast<float>(poisson(x * photons, draws.uniform()) / photons);
    });
    return;
  }
  const auto tables = poisson_tables(photons);
  change_values(scene, [&](float x) {
    const auto value = static_cast<std::size_t>(std::lround(x * kPhotonSteps));
    return static_cast<float>((*tables)[value].count(draws.uniform()) / photons);
  });
}

void impulse_noise(Scene& scene, std::span<const double> values, const DrawKey& key) {
  Draws draws = key.draws();
  const double share = values[0];
  change_values(scene, [&](float x) {
    const std::uint32_t word = draws.next32();
    if ((word >> 1) * 0x1p-31 >= share) return x;
    return (word & 1) != 0 ? 1.0F : 0.0F;
  });
}

}  // namespace

std::vector<Kind> noise_kinds() {
  const std::string source = "Hendrycks, Dietterich, ICLR 2019 (ImageNet-C)";
  return {
      {.name = "gaussian_noise",
       .group = Group::noise,
       .doc = "a normal number is added to each value: electronic noise in low light",
       .source = source,
       .parameters = {{.name = "sigma",
                       .doc = "standard deviation",
                       .unit = "of the range",
                       .min = 0,
                       .max = 10,
                       .large = {.08, .12, .18, .26, .38},
                       .small = Severities{.04, .06, .08, .09, .10}}},
       .random = true,
       .apply = gaussian_noise},
      {.name = "shot_noise",
       .group = Group::noise,
       .doc = "each value becomes a Poisson number of photons: light comes in quanta",
       .source = source,
       .parameters = {{.name = "photons",
                       .doc = "mean count where the image is brightest",
                       .unit = "",
                       .min = 0.1,
                       .max = 700,
                       .large = {60, 25, 12, 5, 3},
                       .small = Severities{500, 250, 100, 75, 50}}},
       .random = true,
       .apply = shot_noise},
      {.name = "impulse_noise",
       .group = Group::noise,
       .doc = "some values become the smallest or the largest: bit errors, salt and pepper",
       .source = source,
       .parameters = {{.name = "amount",
                       .doc = "share of values that are replaced",
                       .unit = "fraction",
                       .min = 0,
                       .max = 1,
                       .large = {.03, .06, .09, .17, .27},
                       .small = Severities{.01, .02, .03, .05, .07}}},
       .random = true,
       .apply = impulse_noise},
      {.name = "speckle_noise",
       .group = Group::extra,
       .doc = "a normal number times the value is added to each value",
       .source = source,
       .parameters = {{.name = "sigma",
                       .doc = "standard deviation, as a share of the value",
                       .unit = "fraction",
                       .min = 0,
                       .max = 10,
                       .large = {.15, .2, .35, .45, .6},
                       .small = Severities{.06, .1, .12, .16, .2}}},
       .random = true,
       .apply = speckle_noise},
  };
}

}  // namespace bitquake::augment::detail
