#include "suite/engine/search_clip.hpp"

#include "tests/support/toy_campaign.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>

using namespace bitquake;
using namespace bitquake::test;

namespace {

constexpr std::uint64_t kSamples = 24;

/// Top-1 class of the toy, with values of the first layer from `threshold` on 0; all of them are
/// `fc1` first when that is given.
std::size_t plain_top1(const ToyCampaign& campaign, std::uint64_t sample, float threshold,
                       std::optional<float> fc1 = {}) {
  const ToyParameters all = toy_parameters();
  std::vector<float> scores(all.bias2.begin(), all.bias2.end());
  for (std::size_t h = 0; h < kToyHidden; ++h) {
    float sum = all.bias1[h];
    for (std::size_t i = 0; i < kToyInputs; ++i) {
      sum += all.weight1[h * kToyInputs + i] *
             static_cast<float>(campaign.images[sample * kToyInputs + i] / 255.0);
    }
    const float value = fc1.value_or(sum);
    const float read = value >= threshold ? 0 : std::clamp(value, 0.0F, 6.0F);
    for (std::size_t o = 0; o < kToyClasses; ++o) {
      scores[o] += all.weight2[o * kToyHidden + h] * read;
    }
  }
  return static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

constexpr float kFaulty = 6, kNever = 100;

/// Share of right answers without faults, or with all neurons of fc1 hit.
double plain_accuracy(const ToyCampaign& campaign, float threshold, std::optional<float> fc1 = {}) {
  double right = 0;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    right += plain_top1(campaign, i, threshold, fc1) == campaign.labels[i] ? 1 : 0;
  }
  return right / kSamples;
}

/// Faults set neurons of fc1 to 6. Labels are the toy's own answers; of every fourth sample the one
/// it gives when all of fc1 is 0, as it is when all neurons are hit and clipped.
ToyCampaign clip_campaign() {
  ToyCampaign campaign(kSamples);
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    campaign.labels[i] = static_cast<std::uint8_t>(
        i % 4 == 1 ? plain_top1(campaign, i, kNever, 0.0F) : plain_top1(campaign, i, kNever));
  }
  campaign.write_data();
  auto& faults = campaign.scenario.faults;
  faults.model = faultgen::FaultModel::set_value;
  faults.value = kFaulty;
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
  // At a rate of 1e-12 no neuron is hit, at 1 all are. Fault-free values of fc1 stay below 5: a
  // threshold above 6 lets the faulty ones pass, one from 5 to 6 costs nothing and makes them 0, a
  // lower one costs sound answers.
  const double golden = plain_accuracy(campaign, kNever);
  REQUIRE(plain_accuracy(campaign, 5) == golden);
  for (const float low : {2.5F, 3.75F, 4.375F}) REQUIRE(plain_accuracy(campaign, low) <= golden);
  const double hit = plain_accuracy(campaign, kNever, kFaulty);
  const double clipped = plain_accuracy(campaign, 5, kFaulty);
  REQUIRE(clipped > hit);

  engine::ClipSearchOptions options{{1e-12, 1}};
  options.repetitions = 2;
  options.steps = 3;
  std::vector<engine::ClipSearchProgress> seen;
  const auto found = value_or_throw(search(campaign, 10, options, &seen));
  // Of 2.5, 5, 7.5, 10 the 5 is best; 3.75 and 6.25 around it are not better; of 4.375 and 5.625
  // the latter is as good as 5, and larger.
  REQUIRE(seen.size() == 3);
  REQUIRE(seen[0].threshold == 5);
  REQUIRE(seen[1].threshold == 5);
  REQUIRE(seen[2].threshold == 5.625F);
  REQUIRE(seen[2].step == 3);
  REQUIRE(found.origin == model::BoundsOrigin::searched);
  REQUIRE(found.sites.size() == 1);
  REQUIRE(found.sites[0].range.low == -100);
  REQUIRE(found.sites[0].range.high == 5.625F);
  REQUIRE(found.sites[0].act_max == 10.0F);
  REQUIRE(found.search->trials == 2 * kSamples);
  REQUIRE(found.search->unprotected == std::vector{golden, hit});
  REQUIRE(found.search->at_act_max == std::vector{golden, hit});
  REQUIRE(found.search->found == std::vector{golden, clipped});
  REQUIRE(seen[2].auc == Approx((golden + clipped) / 2));

  // Where nothing is better than ACT_max, that stays: 5.5 makes every 6 a 0 already.
  REQUIRE(value_or_throw(search(campaign, 5.5F, options)).sites[0].range.high == 5.5F);
}

TEST_CASE("a search is the same on any number of threads and in any execution",
          "[engine][bounds][determinism]") {
  ToyCampaign campaign = clip_campaign();
  campaign.scenario.faults = {};
  campaign.scenario.faults.target = faultgen::Target::weight;
  campaign.scenario.faults.bits = {"exponent"};
  for (std::size_t i = 0; i < kSamples; ++i) {
    campaign.labels[i] = static_cast<std::uint8_t>(plain_top1(campaign, i, kNever));
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
  campaign.scenario.faults.draw = faultgen::Draw::weighted_sites;
  REQUIRE(refusal() == "faults.fault_rate: a rate is the same for all elements");
  campaign.scenario.faults.file = "faults.h5";
  REQUIRE_THAT(refusal(), Catch::StartsWith("faults.file"));
  campaign.scenario.faults = clip_campaign().scenario.faults;
  campaign.scenario.data.labels.reset();
  REQUIRE_THROWS_WITH(search(campaign, 8, options), Catch::Contains("has no label"));
}
