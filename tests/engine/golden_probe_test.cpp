#include "suite/engine/golden_probe.hpp"

#include "results/trials.hpp"
#include "tests/support/toy_campaign.hpp"

#include <catch2/catch.hpp>

#include <limits>

using namespace bitquake;
using namespace bitquake::test;
using engine::is_distribution;

TEST_CASE("scores are a distribution when they lie in [0, 1] and sum to 1", "[engine][probe]") {
  using Scores = std::vector<float>;
  REQUIRE(is_distribution(Scores{0.25F, 0.75F}));
  REQUIRE(is_distribution(Scores{1, 0, 0}));
  REQUIRE(is_distribution(Scores{0.2F, 0.3F, 0.5005F}));
  REQUIRE_FALSE(is_distribution(Scores{0.2F, 0.3F, 0.502F}));
  REQUIRE_FALSE(is_distribution(Scores{-0.25F, 1.25F}));
  REQUIRE_FALSE(is_distribution(Scores{-0.25F, 0.5F, 0.75F}));
  REQUIRE_FALSE(is_distribution(Scores{0.5F, std::numeric_limits<float>::quiet_NaN()}));
}

TEST_CASE("the probe counts what the campaign's golden runs give", "[engine][probe]") {
  const ToyCampaign campaign(40, {{5, kNanOutputPixel}, {6, kInfiniteNeuronPixel}});
  const engine::Inputs inputs = campaign.inputs();
  const engine::GoldenProbe probe = engine::probe_golden(inputs, GENERATE(1U, 3U), false);
  run(inputs, campaign / "out");
  const auto rows = value_or_throw(results::read_trials(campaign / "out/trials.h5")).golden;
  std::uint64_t right = 0;
  for (const auto& row : rows) right += row.skipped == 0 && row.top1 == row.label ? 1 : 0;
  REQUIRE(right > 0);
  REQUIRE(probe.right == right);
  REQUIRE(probe.samples == 40);
  REQUIRE(probe.nonfinite == 1);
  REQUIRE(probe.labelled == 39);
  REQUIRE_FALSE(probe.all_distributions);
}

TEST_CASE("without labels nothing is counted as right", "[engine][probe]") {
  ToyCampaign campaign(10);
  campaign.scenario.data.labels.reset();
  const engine::GoldenProbe probe = engine::probe_golden(campaign.inputs(), 1, false);
  REQUIRE(probe.samples == 10);
  REQUIRE(probe.labelled == 0);
  REQUIRE(probe.right == 0);
}
