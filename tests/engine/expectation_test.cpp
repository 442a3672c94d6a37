#include "tests/support/toy_campaign.hpp"

#include <catch2/catch.hpp>

using namespace bitquake;
using namespace bitquake::test;

namespace fs = std::filesystem;

namespace {

/// 12 samples, one of them with a non-finite golden output; the labels of the others are what the
/// model answers, but for those of the first `wrong`.
ToyCampaign labelled_campaign(std::size_t wrong) {
  ToyCampaign campaign(12, {{11, kNanOutputPixel}});
  run(campaign.inputs(), campaign / "golden");
  const auto trials = value_or_throw(results::read_trials(campaign / "golden/trials.h5"));
  for (std::size_t i = 0; i < 11; ++i) {
    const auto answer = static_cast<std::uint8_t>(trials.golden[i].top1);
    campaign.labels[i] = static_cast<std::uint8_t>(i < wrong ? (answer + 1) % kToyClasses : answer);
  }
  campaign.write_data();
  return campaign;
}

}  // namespace

TEST_CASE("golden accuracy below the expected one stops before anything is written",
          "[engine][expectation]") {
  ToyCampaign campaign = labelled_campaign(1);
  campaign.scenario.expect.golden_top1 = 0.95;
  const auto result = try_run(campaign.inputs(), campaign / "out");
  REQUIRE_FALSE(result);
  REQUIRE(result.error().code == Errc::expectation);
  REQUIRE(result.error().where == "expect.golden_top1");
  REQUIRE(result.error().what ==
          "golden top-1 is 0.9091 (10 of 11 samples), expected at least 0.95; no trial was run");
  REQUIRE_FALSE(result.error().hint.empty());
  REQUIRE_FALSE(fs::exists(campaign / "out"));
}

TEST_CASE("golden accuracy that is reached is told and the campaign runs",
          "[engine][expectation]") {
  ToyCampaign campaign = labelled_campaign(1);
  campaign.scenario.expect.golden_top1 = 10.0 / 11.0;  // exactly: reached
  StoppingObserver observer;
  const auto result = value_or_throw(engine::run_campaign(
      campaign.inputs(), {.directory = campaign / "out"}, observer.stop, observer));
  REQUIRE(result.summary.trials == 22);
  REQUIRE_THAT(observer.notices.front(),
               Catch::StartsWith("golden top-1 is 0.9091 (10 of 11 samples), expected at least "));
}

TEST_CASE("a campaign that goes on is not held up by its expectation again",
          "[engine][expectation]") {
  ToyCampaign campaign = labelled_campaign(0);
  campaign.scenario.expect.golden_top1 = 1;
  REQUIRE(run_some(campaign.inputs(), campaign / "out", 6, 1).interrupted);
  StoppingObserver observer;
  value_or_throw(engine::run_campaign(campaign.inputs(), {.directory = campaign / "out"},
                                      observer.stop, observer));
  for (const std::string& notice : observer.notices) {
    REQUIRE(notice.find("golden top-1") == std::string::npos);
  }
}

TEST_CASE("an interruption while the expectation is checked is an interruption",
          "[engine][expectation]") {
  ToyCampaign campaign = labelled_campaign(11);
  campaign.scenario.expect.golden_top1 = 1;
  StoppingObserver observer;
  observer.stop = true;
  const auto result = value_or_throw(engine::run_campaign(
      campaign.inputs(), {.directory = campaign / "out"}, observer.stop, observer));
  REQUIRE(result.interrupted);
  REQUIRE(result.progress.trials_done == 0);
}
