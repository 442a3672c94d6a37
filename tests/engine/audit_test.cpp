#include "suite/engine/audit.hpp"

#include "tests/engine/oracle.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <vector>

using namespace bitquake;
using namespace bitquake::test;
using engine::AuditState;

namespace {

/// 16 trials, all of which are audited.
ToyCampaign small_campaign() { return ToyCampaign(8); }

/// The toy gives a wrong last bit where one of these faults is, unless asked for the reference.
void plant(ToyCampaign& campaign, const std::set<std::uint64_t>& wrong) {
  std::vector<faultgen::Fault> faults;
  for (const std::uint64_t trial : wrong) {
    faults.push_back(campaign.inputs().faults.faults[trial]);
  }
  campaign.settings.wrong_unless_reference = [faults](std::span<const faultgen::Fault> present) {
    return std::find(faults.begin(), faults.end(), present[0]) != faults.end();
  };
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("chosen trials depend on seed and stream alone", "[engine][audit]") {
  const auto chosen = engine::choose(1'000, 50, 7, Stream::verification);
  REQUIRE(std::set<std::uint64_t>(chosen.begin(), chosen.end()).size() == 50);
  REQUIRE(std::is_sorted(chosen.begin(), chosen.end()));
  REQUIRE(chosen.back() < 1'000);
  REQUIRE(engine::choose(1'000, 50, 7, Stream::verification) == chosen);
  REQUIRE(engine::choose(1'000, 50, 8, Stream::verification) != chosen);
  REQUIRE(engine::choose(1'000, 50, 7, Stream::audit) != chosen);
  REQUIRE(engine::choose(3, 3, 1, Stream::audit) == std::vector<std::uint64_t>{0, 1, 2});
  REQUIRE(engine::choose(0, 0, 1, Stream::audit).empty());
}

TEST_CASE("one trial in a thousand is audited, but not too few nor too many", "[engine][audit]") {
  REQUIRE(engine::audit_size(0) == 0);
  REQUIRE(engine::audit_size(5) == 5);
  REQUIRE(engine::audit_size(16) == 16);
  REQUIRE(engine::audit_size(10'000) == 16);
  REQUIRE(engine::audit_size(16'001) == 17);
  REQUIRE(engine::audit_size(100'000) == 100);
  REQUIRE(engine::audit_size(512'000) == 512);
  REQUIRE(engine::audit_size(1'000'000'000'000) == 512);
}

TEST_CASE("a sound campaign passes the audit, whatever the policy and run type",
          "[engine][audit]") {
  ToyCampaign campaign(300, {{4, kNanOutputPixel}, {9, kInfiniteNeuronPixel}});
  campaign.scenario.faults.policy = GENERATE(
      faultgen::Policy::per_image, faultgen::Policy::per_batch, faultgen::Policy::per_epoch);
  if (campaign.scenario.faults.policy == faultgen::Policy::per_batch) {
    campaign.scenario.faults.batch_size = 7;
  }
  campaign.scenario.run_type = GENERATE(faultgen::RunType::single, faultgen::RunType::accumulate);
  campaign.scenario.faults.target = GENERATE(faultgen::Target::neuron, faultgen::Target::weight);
  campaign.settings.before_inference = [](std::span<const faultgen::Fault> faults) {
    if (faults[0].bit_mask <= 1U << 20U) throw std::runtime_error("fails");
  };
  const auto result = run(campaign.inputs(), campaign / "out", GENERATE(1U, 3U));
  REQUIRE(result.audit.state == AuditState::passed);
  REQUIRE(engine::audit_text(result.audit) ==
          "audit: 16 of 598 trials run again with the whole network: no difference");
  REQUIRE_THAT(read_bytes(campaign / "out/run.json"), Catch::Contains("\"state\": \"passed\""));
  REQUIRE_THAT(read_bytes(campaign / "out/timings.csv"), Catch::Contains("\naudit,"));
}

TEST_CASE("the audit finds the trial with a wrong bit and keeps everything", "[engine][audit]") {
  ToyCampaign campaign = small_campaign();
  const bool sound = run(campaign.inputs(), campaign / "sound").audit.differing.empty();
  REQUIRE(sound);
  plant(campaign, {5});
  const auto result = run(campaign.inputs(), campaign / "out", GENERATE(1U, 2U, 5U));
  REQUIRE(result.audit.state == AuditState::failed);
  REQUIRE_FALSE(result.interrupted);
  REQUIRE(result.audit.audited == 16);
  REQUIRE(result.audit.differing.size() == 1);
  const engine::TrialDifference& found = result.audit.differing[0];
  REQUIRE(found.trial == 5);
  REQUIRE(found.stored != found.computed);
  const auto files = lasting_files(campaign / "out");
  REQUIRE(differences(files, lasting_files(campaign / "sound")) !=
          std::vector<std::string>{});  // the wrong bit is in trials.h5
  REQUIRE(files.contains("trials.h5"));
  REQUIRE(files.contains("summary.json"));
  REQUIRE_THAT(read_bytes(campaign / "out/run.json"), Catch::Contains("\"state\": \"failed\""));

  const Error error = engine::audit_error(result.audit, "out");
  REQUIRE(error.what ==
          "audit: 16 of 16 trials run again with the whole network: 1 came out "
          "otherwise\n  trial 5: " +
              found.column + " is " + found.stored + ", with the whole network " + found.computed);
  REQUIRE(holds(error.hint, "bitquake replay out 5 "));
  REQUIRE(holds(error.hint, "execution: reference"));

  // Run again, the finished campaign is still no better.
  REQUIRE(run(campaign.inputs(), campaign / "out").audit.state == AuditState::failed);
}

TEST_CASE("many wrong trials are counted, and the first are named", "[engine][audit]") {
  ToyCampaign campaign = small_campaign();
  campaign.settings.wrong_unless_reference = [](std::span<const faultgen::Fault>) { return true; };
  const auto audit = run(campaign.inputs(), campaign / "out").audit;
  const std::size_t wrong = audit.differing.size();
  REQUIRE(wrong > 8);
  const std::string what = engine::audit_error(audit, "out").what;
  for (std::size_t i = 0; i < wrong; ++i) {
    const bool named = holds(what, fmt::format("\n  trial {}: ", audit.differing[i].trial));
    REQUIRE(named == (i < 5));
  }
  REQUIRE(holds(what, fmt::format("\n  and {} more", wrong - 5)));
}

TEST_CASE("the audit is left out where it is off or has nothing to compare with",
          "[engine][audit]") {
  ToyCampaign campaign = small_campaign();
  std::atomic<int> inferences = 0;
  campaign.settings.before_inference = [&](std::span<const faultgen::Fault>) { ++inferences; };
  plant(campaign, {5});
  SECTION("off") {
    campaign.scenario.audit = false;
    const auto audit = run(campaign.inputs(), campaign / "out").audit;
    REQUIRE(audit.state == AuditState::off);
    REQUIRE(engine::audit_text(audit) == "audit: off");
    REQUIRE_THAT(read_bytes(campaign / "out/run.json"), Catch::Contains("\"state\": \"off\""));
  }
  SECTION("execution is reference") {
    campaign.scenario.execution = scenario::Execution::reference;
    const auto audit = run(campaign.inputs(), campaign / "out").audit;
    REQUIRE(audit.state == AuditState::not_needed);
    REQUIRE(holds(engine::audit_text(audit), "audit: skipped, "));
  }
  REQUIRE(inferences == 16);
}

TEST_CASE("the audit runs with the reference executor and every other execution is audited",
          "[engine][audit]") {
  ToyCampaign campaign = small_campaign();
  campaign.scenario.execution =
      GENERATE(scenario::Execution::incremental, scenario::Execution::batched);
  std::mutex mutex;
  std::map<model::Execution, int> made;
  campaign.settings.on_executor = [&](const model::ExecutionOptions& options) {
    const std::lock_guard lock(mutex);
    ++made[options.execution];
  };
  run(campaign.inputs(), campaign / "out", 1);
  const auto wanted = campaign.scenario.execution == scenario::Execution::batched
                          ? model::Execution::batched
                          : model::Execution::incremental;
  REQUIRE(made == std::map<model::Execution, int>{{wanted, 1}, {model::Execution::reference, 1}});
}

TEST_CASE("an interrupted audit is done again when the campaign goes on", "[engine][audit]") {
  const ToyCampaign campaign(20);
  const engine::Inputs inputs = campaign.inputs();
  // Stopped when the last unit is written: before the audit.
  const auto stopped = run_some(inputs, campaign / "out", 40, 1);
  REQUIRE(stopped.interrupted);
  REQUIRE(stopped.audit.state == AuditState::interrupted);
  REQUIRE(engine::audit_text(stopped.audit) == "audit: interrupted");
  REQUIRE_THAT(read_bytes(campaign / "out/run.json"),
               Catch::Contains("\"status\": \"interrupted\""));
  const auto resumed = run(inputs, campaign / "out");
  REQUIRE_FALSE(resumed.interrupted);
  REQUIRE(resumed.audit.state == AuditState::passed);
  run(inputs, campaign / "at once");
  REQUIRE(
      differences(lasting_files(campaign / "out"), lasting_files(campaign / "at once")).empty());
}

TEST_CASE("a campaign without trials passes an empty audit", "[engine][audit]") {
  const ToyCampaign campaign(1, {{0, kNanOutputPixel}});
  const auto audit = run(campaign.inputs(), campaign / "out").audit;
  REQUIRE(audit.state == AuditState::passed);
  REQUIRE(audit.audited == 0);
}
