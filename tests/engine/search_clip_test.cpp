#include "suite/engine/search_clip.hpp"

#include "suite/engine/measure_bounds.hpp"
#include "tests/support/toy_campaign.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

using namespace bitquake;
using namespace bitquake::test;

namespace {

constexpr std::uint64_t kSamples = 24;

/// Top-1 class of the toy, its first layer replaced by `fc1` when that is given.
std::size_t plain_top1(const ToyCampaign& campaign, std::uint64_t sample,
                       std::optional<float> fc1 = {}) {
  const ToyParameters all = toy_parameters();
  std::vector<float> scores(all.bias2.begin(), all.bias2.end());
  for (std::size_t h = 0; h < kToyHidden; ++h) {
    float sum = all.bias1[h];
    for (std::size_t i = 0; i < kToyInputs; ++i) {
      sum += all.weight1[h * kToyInputs + i] *
             static_cast<float>(campaign.images[sample * kToyInputs + i] / 255.0);
    }
    const float value = std::clamp(fc1.value_or(sum), 0.0F, 6.0F);
    for (std::size_t o = 0; o < kToyClasses; ++o)
      scores[o] += all.weight2[o * kToyHidden + h] * value;
  }
  return static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

/// Faults set neurons of fc1 to 5. Every label is the class that the toy gives when all of fc1 is
/// 0, as it is when all neurons are hit and clipped.
ToyCampaign clip_campaign() {
  ToyCampaign campaign(kSamples);
  campaign.labels.assign(kSamples, static_cast<std::uint8_t>(plain_top1(campaign, 0, 0.0F)));
  campaign.write_data();
  auto& faults = campaign.scenario.faults;
  faults.model = faultgen::FaultModel::set_value;
  faults.value = 5;
  faults.include = {"fc1"};
  return campaign;
}

/// As if fc1 were an activation function whose values reach `act_max`.
model::Bounds known_bounds(float act_max) {
  model::Bounds bounds;
  bounds.model_sha256 = "5eed";
  bounds.samples = kSamples;
  bounds.sites = {{"fc1", faultgen::SiteKind::activation, {-100, act_max, 1, 0}},
                  {"fc2", faultgen::SiteKind::linear, {-100, 100, 1, 0}}};
  return bounds;
}

Result<model::Bounds> search(const ToyCampaign& campaign, float act_max,
                             const engine::ClipSearchOptions& options,
                             std::vector<engine::ClipSearchProgress>* seen = nullptr) {
  return engine::search_clip(campaign.scenario,
                             value_or_throw(engine::open_data(campaign.scenario)),
                             make_toy_model(campaign.settings), campaign.loader(),
                             known_bounds(act_max), options, [&](const auto& now) {
                               if (seen != nullptr) seen->push_back(now);
                             });
}

}  // namespace

TEST_CASE("the area under accuracy is the mean over decades of the rate", "[engine][bounds]") {
  const std::vector<double> rates{1e-6, 1e-5, 1e-3};
  // (0.9 + 0.5) / 2 over one decade, (0.5 + 0.1) / 2 over two: (0.7 + 0.6) / 3.
  REQUIRE(engine::area_under(rates, std::vector{0.9, 0.5, 0.1}) == Approx(1.3 / 3));
  REQUIRE(engine::area_under(rates, std::vector{1.0, 1.0, 1.0}) == Approx(1));
}

TEST_CASE("the search finds the threshold that is known by hand", "[engine][bounds]") {
  const ToyCampaign campaign = clip_campaign();
  const auto wanted = campaign.labels[0];
  // At a rate of 1e-12 no neuron is hit, at 1 all are. The fault-free values of fc1 stay below 4,
  // so a threshold above 5 lets the faulty 5 pass, one from 4 to 5 makes it 0.
  const auto data = value_or_throw(engine::open_data(campaign.scenario));
  const auto range =
      engine::measure_bounds(campaign.scenario, *data, *make_toy_model(), 1, [](auto...) {})
          .value.sites[0]
          .range;
  REQUIRE(range.high < 4);
  REQUIRE(plain_top1(campaign, 0, 5.0F) != wanted);
  double golden = 0;
  for (std::uint64_t i = 0; i < kSamples; ++i) golden += plain_top1(campaign, i) == wanted ? 1 : 0;
  golden /= kSamples;
  REQUIRE(golden < 1);

  engine::ClipSearchOptions options{{1e-12, 1}};
  options.repetitions = 2;
  options.steps = 3;
  std::vector<engine::ClipSearchProgress> seen;
  const auto found = value_or_throw(search(campaign, 8, options, &seen));
  // Of 2, 4, 6, 8 only 2 and 4 catch a 5, and 2 can cost sound values; then 3, 5 around 4; then 4.5
  // and 5.5 around 5.
  REQUIRE(seen.size() == 3);
  REQUIRE(seen[0].threshold == 4);
  REQUIRE(seen[1].threshold == 5);
  REQUIRE(seen[2].threshold == 5);
  REQUIRE(seen[2].step == 3);
  REQUIRE(found.origin == model::BoundsOrigin::searched);
  REQUIRE(found.sites.size() == 1);
  REQUIRE(found.sites[0].range.low == -100);
  REQUIRE(found.sites[0].range.high == 5);
  REQUIRE(found.sites[0].act_max == 8.0F);
  REQUIRE(found.search->trials == 2 * kSamples);
  REQUIRE(found.search->unprotected == std::vector{golden, 0.0});
  REQUIRE(found.search->at_act_max == std::vector{golden, 0.0});
  REQUIRE(found.search->found == std::vector{golden, 1.0});
  REQUIRE(seen[2].auc == Approx((golden + 1) / 2));

  // Where nothing is better than ACT_max, that stays: 4.5 catches every 5 already.
  REQUIRE(value_or_throw(search(campaign, 4.5F, options)).sites[0].range.high == 4.5F);
}

TEST_CASE("a search is the same on any number of threads and in any execution",
          "[engine][bounds][determinism]") {
  ToyCampaign campaign = clip_campaign();
  campaign.scenario.faults = {};
  campaign.scenario.faults.target = faultgen::Target::weight;
  campaign.scenario.faults.bits = {"exponent"};
  for (std::size_t i = 0; i < kSamples; ++i) {
    campaign.labels[i] = static_cast<std::uint8_t>(plain_top1(campaign, i));
  }
  campaign.write_data();
  engine::ClipSearchOptions options{{1e-3, 1e-2, 1e-1}};
  options.repetitions = 3;
  const auto one = value_or_throw(search(campaign, 4, options));
  REQUIRE(one.search->unprotected[0] > one.search->unprotected[2]);
  REQUIRE(engine::area_under(options.rates, one.search->found) >=
          engine::area_under(options.rates, one.search->at_act_max));
  REQUIRE(one.sites[0].range.high <= 4);
  REQUIRE(one.search->faults.find("bit_error_rate: 0.001") != std::string::npos);
  options.threads = 3;
  REQUIRE(value_or_throw(search(campaign, 4, options)) == one);
  model::write_bounds(campaign / "clip.h5", one);
  REQUIRE(value_or_throw(model::read_bounds(campaign / "clip.h5")) == one);
  campaign.scenario.execution = scenario::Execution::reference;
  campaign.scenario.unit_samples = 7;
  model::Bounds other = value_or_throw(search(campaign, 4, options));
  other.search->faults = one.search->faults;  // which names unit_samples
  REQUIRE(other == one);
}

TEST_CASE("faults without a rate and samples without labels are refused", "[engine][bounds]") {
  ToyCampaign campaign = clip_campaign();
  const engine::ClipSearchOptions options{{1e-3, 1e-2}};
  const auto refusal = [&] {
    const auto found = search(campaign, 8, options);
    REQUIRE_FALSE(found);
    REQUIRE(found.error().code == Errc::scenario);
    REQUIRE_FALSE(found.error().hint.empty());
    return found.error().what;
  };
  campaign.scenario.run_type = faultgen::RunType::accumulate;
  REQUIRE_THAT(refusal(), Catch::StartsWith("run_type"));
  campaign.scenario.run_type = faultgen::RunType::single;
  campaign.scenario.faults.draw = faultgen::Draw::equal_sites;
  REQUIRE(refusal() == "faults.fault_rate: a rate is the same for all elements");
  campaign.scenario.faults.file = "faults.h5";
  REQUIRE_THAT(refusal(), Catch::StartsWith("faults.file"));
  campaign.scenario.faults = clip_campaign().scenario.faults;
  campaign.scenario.data.labels.reset();
  REQUIRE_THROWS_WITH(search(campaign, 8, options), Catch::Contains("has no label"));
}
