// Images per second of every registered perturbation at severity 3, at three sizes.
#include "augment/pipeline.hpp"
#include "suite/base/rng.hpp"

#include <benchmark/benchmark.h>
#include <opencv2/core.hpp>

#include <cstdint>
#include <string>

namespace {

namespace aug = bitquake::augment;

/// Slopes and noise, in colour.
cv::Mat image(cv::Size size) {
  cv::Mat result(size, CV_8UC3);
  bitquake::Draws draws(1, bitquake::Stream::check_input, 0);
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      const auto noise = draws.below(32);
      result.at<cv::Vec3b>(y, x) =
          cv::Vec3b(static_cast<std::uint8_t>(200 * x / size.width + noise),
                    static_cast<std::uint8_t>(200 * y / size.height + noise),
                    static_cast<std::uint8_t>(100 + noise));
    }
  }
  return result;
}

void perturb(benchmark::State& state, const aug::Kind& kind, cv::Size size) {
  const aug::Scene scene{image(size), {}};
  const auto step = bitquake::value_or_throw(aug::make_step(kind.name, 3));
  std::uint64_t sample = 0;
  for (auto _ : state) {
    auto result = aug::apply(step, scene, aug::DrawKey(1, sample++, kind.name));
    if (!result) return state.SkipWithError(result.error().what.c_str());
    benchmark::DoNotOptimize(result->image.data);
  }
  state.SetItemsProcessed(state.iterations());
}

/// Registered before main(), as the macros of the library do.
const bool kRegistered = [] {
  cv::setNumThreads(1);
  for (const aug::Kind& kind : aug::kinds()) {
    for (const cv::Size size : {cv::Size(32, 32), {224, 224}, {640, 480}}) {
      const std::string name = "bench_augment/" + kind.name + "/" + std::to_string(size.width) +
                               "x" + std::to_string(size.height);
      benchmark::RegisterBenchmark(
          name.c_str(), [&kind, size](benchmark::State& state) { perturb(state, kind, size); });
    }
  }
  return true;
}();

}  // namespace
