#include "suite/engine/campaign.hpp"
#include "tests/engine/oracle.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <thread>

using namespace bitquake;
using namespace bitquake::test;

namespace {

using Faults = std::span<const faultgen::Fault>;

/// 1,500 samples in 5 segments; some trials fail, some samples are skipped.
ToyCampaign varied_campaign(faultgen::Policy policy = faultgen::Policy::per_image) {
  ToyCampaign campaign(1'500, {{5, kNanOutputPixel}, {700, kNanOutputPixel}});
  campaign.scenario.faults.epochs = 3;
  campaign.scenario.unit_samples = 7;
  campaign.scenario.faults.policy = policy;
  if (policy == faultgen::Policy::per_batch) campaign.scenario.faults.batch_size = 100;
  if (policy != faultgen::Policy::per_image) {
    campaign.scenario.run_type = faultgen::RunType::accumulate;
  }
  campaign.settings.before_inference = [](Faults faults) {
    if (faults[0].bit_mask == 1U << 9U)
      throw std::runtime_error("bit 9 of " + std::to_string(faults[0].site));
  };
  return campaign;
}

}  // namespace

TEST_CASE("a campaign gives the same bytes on any number of threads", "[engine][determinism]") {
  const ToyCampaign campaign = varied_campaign(GENERATE(
      faultgen::Policy::per_image, faultgen::Policy::per_batch, faultgen::Policy::per_epoch));
  const engine::Inputs inputs = campaign.inputs();
  run(inputs, campaign / "1", 1);
  const auto expected = lasting_files(campaign / "1");
  REQUIRE(expected.contains("segments/00000000.h5"));
  REQUIRE(expected.size() > 13);  // several segments
  for (const unsigned threads : {1U, 2U, 5U, 16U}) {
    const std::filesystem::path out = campaign / ("again" + std::to_string(threads));
    run(inputs, out, threads);
    REQUIRE(differences(lasting_files(out), expected).empty());
  }
}

TEST_CASE("units that end out of order are written in order", "[engine][determinism]") {
  ToyCampaign campaign(40);
  run(campaign.inputs(), campaign / "quick", 1);
  // The first trials take longest, so that later units overtake them.
  campaign.settings.before_inference = [slow_s = std::make_shared<std::atomic<int>>(8)](Faults) {
    const int milliseconds = (*slow_s)--;
    if (milliseconds > 0) std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  };
  run(campaign.inputs(), campaign / "slow", 4);
  REQUIRE(differences(lasting_files(campaign / "slow"), lasting_files(campaign / "quick")).empty());
}

TEST_CASE("the size of work units does not change a row", "[engine][determinism]") {
  ToyCampaign campaign =
      varied_campaign(GENERATE(faultgen::Policy::per_image, faultgen::Policy::per_batch));
  const auto rows = [&](std::uint32_t unit_samples) {
    campaign.scenario.unit_samples = unit_samples;
    const auto out = campaign / ("units" + std::to_string(unit_samples));
    run(campaign.inputs(), out, 3);
    return value_or_throw(results::read_trials(out / "trials.h5"));
  };
  const results::Trials expected = rows(7);
  for (const std::uint32_t unit_samples : {1U, 64U, 1'499U, 5'000U}) {
    REQUIRE(first_difference(rows(unit_samples), expected) == "");
  }
}

TEST_CASE("the seed decides the faults, and nothing else does", "[engine][determinism]") {
  ToyCampaign a(50);
  ToyCampaign b(50);
  run(a.inputs(), a / "out");
  run(b.inputs(), b / "out");
  REQUIRE(differences(lasting_files(a / "out"), lasting_files(b / "out")).empty());
  b.scenario.seed = 8;
  REQUIRE(b.inputs().faults.faults != a.inputs().faults.faults);
}
