#include "suite/engine/measure_bounds.hpp"

#include "augment/pipeline.hpp"
#include "suite/engine/prepare.hpp"
#include "tests/support/toy_campaign.hpp"

#include <catch2/catch.hpp>

using namespace bitquake;
using namespace bitquake::test;

namespace {

using Progress = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

engine::Readable<model::Bounds> measure(const ToyCampaign& campaign, unsigned threads,
                                        Progress& progress) {
  const auto data = value_or_throw(engine::open_data(campaign.scenario));
  return engine::measure_bounds(
      campaign.scenario, *data, *make_toy_model(campaign.settings), threads,
      [&](std::uint64_t done, std::uint64_t all) { progress.emplace_back(done, all); });
}

}  // namespace

TEST_CASE("bounds of the toy are those of plain loops over its samples", "[engine][bounds]") {
  const ToyCampaign campaign(40, {{6, kInfiniteNeuronPixel}});
  Progress progress;
  const auto measured = measure(campaign, 1, progress);
  const model::Bounds& bounds = measured.value;
  REQUIRE(measured.notices.empty());
  REQUIRE(progress == Progress{{16, 40}, {32, 40}, {40, 40}});
  REQUIRE(bounds.samples == 40);
  REQUIRE(bounds.model_sha256 == "5eed");
  REQUIRE(bounds.sites.size() == 2);

  // fc1 by hand: bias + weight * pixel / 255, in the order of the toy.
  const ToyParameters all = toy_parameters();
  std::vector<model::Range> expected(kToyHidden);
  for (std::size_t sample = 0; sample < 40; ++sample) {
    for (std::size_t o = 0; o < kToyHidden; ++o) {
      float sum = all.bias1[o];
      for (std::size_t i = 0; i < kToyInputs; ++i) {
        sum += all.weight1[o * kToyInputs + i] *
               static_cast<float>(campaign.images[sample * kToyInputs + i] / 255.0);
      }
      if (sample == 6 && o == 0) sum = std::numeric_limits<float>::infinity();
      expected[o].add(sum);
    }
  }
  REQUIRE(bounds.sites[0].channels == expected);
  REQUIRE(bounds.sites[0].site == "fc1");
  REQUIRE(bounds.sites[0].range.nonfinite == 1);
  REQUIRE(bounds.sites[0].range.finite == 40 * kToyHidden - 1);
  REQUIRE(bounds.sites[1].channels.size() == kToyClasses);
}

TEST_CASE("bounds are the same on any number of threads", "[engine][bounds][determinism]") {
  const ToyCampaign campaign(100);
  Progress once, more;
  const model::Bounds serial = measure(campaign, 1, once).value;
  REQUIRE(measure(campaign, GENERATE(2U, 7U, 16U), more).value == serial);
  REQUIRE(more.size() == once.size());
  REQUIRE(more.back() == once.back());
}

TEST_CASE("bounds are of samples that are not perturbed, and name them", "[engine][bounds]") {
  ToyCampaign campaign(20);
  Progress progress;
  const model::Bounds clean = measure(campaign, 2, progress).value;
  campaign.scenario.perturbations = {value_or_throw(augment::parse_pipeline("brightness/5"))};
  REQUIRE(measure(campaign, 2, progress).value == clean);

  campaign.scenario.data.samples = 10;
  const model::Bounds fewer = measure(campaign, 2, progress).value;
  REQUIRE(fewer.samples == 10);
  REQUIRE(fewer.data_sha256 != clean.data_sha256);
  campaign.scenario.data.samples = std::nullopt;
  campaign.images[5] ^= 1U;
  campaign.write_data();
  REQUIRE(measure(campaign, 2, progress).value.data_sha256 != clean.data_sha256);
}
