#include "suite/engine/prepare.hpp"

#include "tests/engine/oracle.hpp"

#include <catch2/catch.hpp>

using namespace bitquake;
using namespace bitquake::test;

namespace {

Error refusal(const ToyCampaign& campaign) {
  const auto inputs = campaign.prepare();
  REQUIRE_FALSE(inputs);
  return inputs.error();
}

results::Trials rows_of(const engine::Inputs& inputs, const std::filesystem::path& directory) {
  run(inputs, directory);
  return value_or_throw(results::read_trials(directory / "trials.h5"));
}

}  // namespace

TEST_CASE("a reused fault set file gives the rows of the generated one", "[engine][prepare]") {
  ToyCampaign campaign(30);
  const results::Trials generated = rows_of(campaign.inputs(), campaign / "generated");
  campaign.scenario.faults.file = "generated/faults.h5";
  REQUIRE(first_difference(rows_of(campaign.inputs(), campaign / "reused"), generated) == "");
  REQUIRE(read_bytes(campaign / "reused/faults.h5") ==
          read_bytes(campaign / "generated/faults.h5"));
}

TEST_CASE("a fault set serves fewer samples than it was drawn for, not more", "[engine][prepare]") {
  ToyCampaign campaign(30);
  campaign.scenario.data.samples = 20;
  const results::Trials generated = rows_of(campaign.inputs(), campaign / "generated");
  campaign.scenario.faults.file = "generated/faults.h5";

  campaign.scenario.data.samples = 8;
  const engine::Inputs fewer = campaign.inputs();
  const results::Trials rows = rows_of(fewer, campaign / "fewer");
  REQUIRE(first_difference(rows, expected_trials(campaign, fewer)) == "");
  // The groups of the second epoch begin behind all 20 of the first.
  REQUIRE(rows.trials.size() == 16);
  REQUIRE(rows.trials[8].group == 20);
  REQUIRE(rows.trials[8].output_hash == generated.trials[20].output_hash);

  campaign.scenario.data.samples = 21;
  const Error error = refusal(campaign);
  REQUIRE(error.code == Errc::fault_set);
  REQUIRE(error.where == (campaign / "generated/faults.h5").string());
  REQUIRE(error.what == "holds faults for 20 samples, but the scenario has 21");
}

TEST_CASE("a fault set drawn for another model is refused", "[engine][prepare]") {
  ToyCampaign campaign(10);
  run(campaign.inputs(), campaign / "out");
  campaign.scenario.faults.file = "out/faults.h5";
  campaign.settings.sha256 = "0dd";
  const Error error = refusal(campaign);
  REQUIRE(error.code == Errc::fault_set);
  REQUIRE(error.where == (campaign / "out/faults.h5").string());
}

TEST_CASE("a replayed fault set meets the same random images", "[engine][prepare]") {
  ToyCampaign campaign(200);
  campaign.scenario.data.samples = 20;
  campaign.scenario.data.order = datasets::Order::random;
  const results::Trials first = rows_of(campaign.inputs(), campaign / "first");
  campaign.scenario.faults.file = "first/faults.h5";
  const results::Trials replayed = rows_of(campaign.inputs(), campaign / "replayed");
  REQUIRE(first_difference(replayed, first) == "");
  REQUIRE(first.golden[0].sample_index != first.golden[0].sample);  // the order is a random one
}

TEST_CASE("what does not fit is refused before the first inference", "[engine][prepare]") {
  ToyCampaign campaign(10);
  SECTION("more samples than the data set has") {
    campaign.scenario.data.samples = 11;
    REQUIRE(refusal(campaign).code == Errc::data);
  }
  SECTION("images of another size") {
    campaign.scenario.model.input = {1, 2, 8};
    const Error error = refusal(campaign);
    REQUIRE(error.code == Errc::data);
    REQUIRE(error.what.find("1x4x4") != std::string::npos);
  }
  SECTION("a missing file") {
    campaign.scenario.data.images = "nowhere";
    const Error error = refusal(campaign);
    REQUIRE(error.code == Errc::data);
    REQUIRE(error.where == (campaign / "nowhere").string());
  }
  SECTION("more faults in a group than there are places") {
    campaign.scenario.faults.per_group = 15;  // 14 neurons
    campaign.scenario.faults.bits = {"3"};
    REQUIRE(refusal(campaign).code == Errc::fault_set);
  }
}
