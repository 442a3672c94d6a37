#include "metrics/sample_size.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

using namespace bitquake::metrics;

namespace {

constexpr std::uint64_t kBits = 32;
constexpr std::uint64_t kValues = 2;  ///< stuck-at-0, stuck-at-1

/// Weights of each layer.
struct Network {
  std::vector<std::uint64_t> layers;

  std::uint64_t weights() const {
    return std::accumulate(layers.begin(), layers.end(), std::uint64_t{0});
  }
  std::uint64_t network_wise() const { return sample_size(weights() * kBits * kValues, {}); }
  std::uint64_t layer_wise() const {
    std::uint64_t sum = 0;
    for (const auto layer : layers) sum += sample_size(layer * kBits * kValues, {});
    return sum;
  }
  /// Of one bit.
  std::uint64_t data_unaware() const {
    std::uint64_t sum = 0;
    for (const auto layer : layers) sum += sample_size(layer * kValues, {});
    return sum;
  }
};

Network resnet20() {
  Network result{{432}};
  result.layers.insert(result.layers.end(), 6, 2304);
  result.layers.push_back(4608);
  result.layers.insert(result.layers.end(), 5, 9216);
  result.layers.push_back(18432);
  result.layers.insert(result.layers.end(), 5, 36864);
  result.layers.push_back(640);
  return result;
}

/// For 32 x 32 images, without convolutions in the shortcuts.
/// Source: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018,
/// table 2, with 10 classes.
Network mobilenet_v2() {
  struct Stage {
    std::uint64_t expansion, channels, blocks;
  };
  std::uint64_t in = 32;
  Network result{{3 * 9 * in}};
  for (const Stage& stage : {Stage{1, 16, 1}, Stage{6, 24, 2}, Stage{6, 32, 3}, Stage{6, 64, 4},
                             Stage{6, 96, 3}, Stage{6, 160, 3}, Stage{6, 320, 1}}) {
    for (std::uint64_t block = 0; block < stage.blocks; ++block) {
      const std::uint64_t wide = in * stage.expansion;
      result.layers.insert(result.layers.end(), {in * wide, 9 * wide, wide * stage.channels});
      in = stage.channels;
    }
  }
  result.layers.insert(result.layers.end(), {in * 1280, 1280 * 10});
  return result;
}

}  // namespace

TEST_CASE("sample sizes of ResNet-20 and MobileNetV2 are the published ones",
          "[metrics][published]") {
  // Ruospo et al., DATE 2023.
  const Network mobilenet = mobilenet_v2();
  REQUIRE(mobilenet.layers.size() == 54);
  REQUIRE(mobilenet.weights() == 2'203'584);
  REQUIRE(mobilenet.network_wise() == 16'639);
  REQUIRE(mobilenet.layer_wise() == 838'988);
  REQUIRE(kBits * mobilenet.data_unaware() == 14'894'400);

  Network resnet = resnet20();
  REQUIRE(resnet.weights() * kBits * kValues == 17'173'504);
  REQUIRE(resnet.network_wise() == 16'625);
  REQUIRE(resnet.layer_wise() == 307'649);
  REQUIRE(kBits * resnet.data_unaware() == 4'885'632);
  // The paper has ten weights more in one of the layers of 9,216.
  resnet.layers[8] += 10;
  REQUIRE(resnet.weights() * kBits * kValues == 17'174'144);
  REQUIRE(resnet.network_wise() == 16'625);
  REQUIRE(resnet.layer_wise() == 307'650);
  REQUIRE(kBits * resnet.data_unaware() == 4'885'760);
}

TEST_CASE("the table of sample sizes follows from rounded quantiles", "[metrics][published]") {
  struct Row {
    double margin;
    std::uint64_t population, n95, n99;
  };
  // With exact quantiles 622 would stand for 624. The last population stands for an infinite one.
  for (const Row& row : {
           Row{0.05, 10'000, 370, 624},
           Row{0.05, 100'000, 383, 661},
           Row{0.05, 1'000'000, 384, 665},
           Row{0.05, 1'000'000'000'000, 384, 666},
           Row{0.01, 10'000, 4'899, 6'247},
           Row{0.01, 100'000, 8'763, 14'267},
           Row{0.01, 1'000'000, 9'513, 16'369},
           Row{0.01, 1'000'000'000'000, 9'604, 16'641},
           Row{0.001, 10'000, 9'897, 9'940},
           Row{0.001, 100'000, 90'570, 94'331},
           Row{0.001, 1'000'000, 489'900, 624'639},
           Row{0.001, 1'000'000'000'000, 960'399, 1'664'097},
       }) {
    CAPTURE(row.margin, row.population);
    REQUIRE(sample_size(row.population, {.margin = row.margin, .t = 1.96}) == row.n95);
    REQUIRE(sample_size(row.population, {.margin = row.margin, .t = 2.58}) == row.n99);
  }
  REQUIRE(sample_size(10'000, {.margin = 0.05, .t = normal_quantile(0.99)}) == 622);
}

TEST_CASE("an infinite population needs the limit of the sample sizes", "[metrics]") {
  REQUIRE(sample_size({.margin = 0.05, .t = 1.96}) == 384);              // 384.16
  REQUIRE(sample_size({.margin = 0.001, .t = 1.96}) == 960'400);         // 3.8416 / 4e-6
  REQUIRE(sample_size({.margin = 0.001, .t = 2.58}) == 1'664'100);       // 6.6564 / 4e-6
  REQUIRE(sample_size({.margin = 0.01, .t = 1.96, .p = 0.1}) == 3'457);  // 3457.44
  REQUIRE(sample_size({.margin = 1e-12}) == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("normal quantiles agree with tables", "[metrics][published]") {
  REQUIRE(normal_quantile(0.90) == Approx(1.644853626951).epsilon(1e-12));
  REQUIRE(normal_quantile(0.95) == Approx(1.959963984540).epsilon(1e-12));
  REQUIRE(normal_quantile(0.99) == Approx(2.575829303549).epsilon(1e-12));
}

TEST_CASE("relative precision needs many trials of a rare outcome", "[metrics]") {
  REQUIRE(relative_sample_size(1e-2, 0.1, 1.96) == 38'032);     // 3.8416 * 0.99 / 1e-4
  REQUIRE(relative_sample_size(1e-3, 0.1, 1.96) == 383'776);    // 3.8416 * 0.999 / 1e-5
  REQUIRE(relative_sample_size(1e-4, 0.1, 1.96) == 3'841'216);  // 3.8416 * 0.9999 / 1e-6
  REQUIRE(relative_sample_size(1e-3, 0.5, 1.96) == 15'351);     // 3.8416 * 0.999 / 2.5e-4
  REQUIRE(sample_size({.margin = 0.5e-3, .t = 1.96, .p = 1e-3}) == 15'351);
}

TEST_CASE("a sample is no larger than its population and no smaller than the minimum",
          "[metrics]") {
  REQUIRE(sample_size(0, {.minimum = 5}) == 0);
  REQUIRE(sample_size(1, {}) == 1);
  REQUIRE(sample_size(3, {.minimum = 5}) == 3);
  REQUIRE(sample_size(1'000'000, {.p = 0, .minimum = 0}) == 0);
  REQUIRE(sample_size(1'000'000, {.p = 0, .minimum = 5}) == 5);
  REQUIRE(sample_size(1'000'000, {.p = 1}) == 1);
  REQUIRE(sample_size(1'000'000, {.p = 1e-9}) == 1);
  REQUIRE(sample_size(1'000, {.margin = 1e-9}) == 1'000);
  constexpr auto kAll = std::numeric_limits<std::uint64_t>::max();
  REQUIRE(sample_size(kAll, {}) == 16'641);
  REQUIRE(sample_size(kAll, {.margin = 1e-300}) == kAll);
}

TEST_CASE("proportions of bits are their distances between 0 and a half", "[metrics]") {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  using Values = std::vector<double>;
  REQUIRE(data_aware_proportions(Values{1, 5, 2, 3}) == Values{0, 0.5, 0.125, 0.25});
  REQUIRE(data_aware_proportions(Values{1, kInfinite, 2, 5}) == Values{0, 0.5, 0.125, 0.5});
  REQUIRE(data_aware_proportions(Values{7, 7}) == Values{0.5, 0.5});
  REQUIRE(data_aware_proportions(Values{kInfinite, 3}) == Values{0.5, 0.5});
  REQUIRE(data_aware_proportions(Values{}).empty());
}

TEST_CASE("one huge distance leaves the other bits without trials", "[metrics][published]") {
  // Flipping bit 30 of a weight of ResNet-20 gives 1e37; only that bit is sampled: 152,676 trials.
  std::vector<double> distances(kBits, 0.0);
  for (std::size_t bit = 0; bit < kBits; ++bit) {
    distances[bit] = 1e-9 * std::ldexp(1.0, static_cast<int>(bit));
  }
  distances[30] = 1.78e37;
  const std::vector<double> proportions = data_aware_proportions(distances);
  std::uint64_t trials = 0;
  for (const double p : proportions) {
    for (const auto layer : resnet20().layers) {
      trials += sample_size(layer * kValues, {.p = p, .minimum = 0});
    }
  }
  REQUIRE(trials == 152'676);
}
