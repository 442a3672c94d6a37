#include "suite/engine/memory.hpp"

#include "suite/base/memory.hpp"
#include "tests/support/toy_campaign.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

using namespace bitquake;
using namespace bitquake::test;

namespace {

/// Ten units of 4 samples; golden blocks claim to keep 1 MiB of each sample.
ToyCampaign claiming_campaign(std::uint64_t budget_mib) {
  ToyCampaign campaign(40);
  campaign.scenario.unit_samples = 4;
  campaign.scenario.memory_budget_mib = budget_mib;
  campaign.settings.kept_bytes = kMebibyte;
  return campaign;
}

}  // namespace

TEST_CASE("a unit takes its samples as input and what the model keeps of them",
          "[engine][memory]") {
  ToyCampaign campaign(40);
  campaign.scenario.unit_samples = 4;
  campaign.settings.kept_bytes = 1'000;
  const auto plan = engine::plan_memory(campaign.inputs(), 3);
  REQUIRE(plan.sample_bytes == 1'000 + 16 * 4 + 16);  // 16 floats from 16 pixels
  REQUIRE(plan.unit_bytes() == 4 * 1'080);
  REQUIRE(plan.budget_bytes == machine_memory_bytes() / 4);
  REQUIRE(plan.live_units() == 6);
  REQUIRE_FALSE(plan.error("a.yaml"));
  REQUIRE_FALSE(plan.notice());
  campaign.scenario.unit_samples = 64;
  REQUIRE(engine::plan_memory(campaign.inputs(), 3).unit_samples == 40);
}

TEST_CASE("the budget limits the units that are live at once", "[engine][memory]") {
  // A unit takes a little more than 4 MiB.
  const auto live = [](std::uint64_t budget_mib, unsigned threads) {
    return engine::plan_memory(claiming_campaign(budget_mib).inputs(), threads).live_units();
  };
  REQUIRE(live(5, 1) == 1);
  REQUIRE(live(9, 1) == 2);
  REQUIRE(live(100, 1) == 2);
  REQUIRE(live(13, 2) == 3);
  REQUIRE(live(100, 4) == 8);
}

TEST_CASE("a unit that does not fit is refused with the values that do", "[engine][memory]") {
  ToyCampaign campaign = claiming_campaign(3);
  const engine::Inputs inputs = campaign.inputs();
  StoppingObserver observer;
  const auto refused =
      engine::run_campaign(inputs, {.directory = campaign / "out", .scenario_file = "/a/b.yaml"},
                           observer.stop, observer);
  REQUIRE_FALSE(refused);
  REQUIRE(to_string(refused.error()) ==
          "/a/b.yaml: error: a work unit of 4 samples takes 5 MiB, the memory budget is 3 MiB\n"
          "hint: set unit_samples: 2 or less, or memory_budget_mib: 5 or more");
  REQUIRE(refused.error().code == Errc::scenario);
  REQUIRE_FALSE(std::filesystem::exists(campaign / "out"));

  campaign.scenario.unit_samples = 2;
  REQUIRE(run(campaign.inputs(), campaign / "out").summary.trials == 80);
  campaign.scenario.unit_samples = 4;
  campaign.scenario.memory_budget_mib = 5;
  REQUIRE(run(campaign.inputs(), campaign / "more").summary.trials == 80);

  // Not even one sample.
  campaign.settings.kept_bytes = 6 * kMebibyte;
  const auto none = engine::plan_memory(campaign.inputs(), 1).error("");
  REQUIRE(none->hint == "set memory_budget_mib: 25 or more");
}

TEST_CASE("idle threads are noted with the values that keep them busy", "[engine][memory]") {
  const ToyCampaign campaign = claiming_campaign(9);
  const engine::Inputs inputs = campaign.inputs();
  REQUIRE_FALSE(engine::plan_memory(inputs, 2).notice());
  const std::string expected =
      "the memory budget of 9 MiB holds 2 work units of 4 samples at once: 2 of 4 threads idle; "
      "to use all, set unit_samples: 2 or less, or memory_budget_mib: 17 or more";
  REQUIRE(engine::plan_memory(inputs, 4).notice() == expected);
  StoppingObserver observer;
  value_or_throw(engine::run_campaign(inputs, {.directory = campaign / "out", .threads = 4},
                                      observer.stop, observer));
  REQUIRE(observer.notices == std::vector<std::string>{"is a toy", expected});

  // Where there are no more units than are live, no thread idles for want of memory.
  ToyCampaign few = claiming_campaign(9);
  few.scenario.data.samples = 8;
  REQUIRE_FALSE(engine::plan_memory(few.inputs(), 4).notice());
}

TEST_CASE("the budget changes no row, and no more units are at work than it holds",
          "[engine][memory][determinism]") {
  ToyCampaign campaign = claiming_campaign(100);
  run(campaign.inputs(), campaign / "wide", 1);
  std::atomic<int> now = 0, most = 0;
  campaign.settings.before_inference = [&](std::span<const faultgen::Fault>) {
    const int running = ++now;
    if (int seen = most.load(); running > seen) most = running;
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    --now;
  };
  campaign.scenario.memory_budget_mib = 5;
  campaign.scenario.audit = false;
  run(campaign.inputs(), campaign / "narrow", 4);
  REQUIRE(most == 1);
  REQUIRE(differences(lasting_files(campaign / "narrow"), lasting_files(campaign / "wide")) ==
          std::vector<std::string>{"scenario.yaml"});
}

TEST_CASE("the most memory that was used is recorded", "[engine][memory]") {
  const ToyCampaign campaign = claiming_campaign(77);
  run(campaign.inputs(), campaign / "out");
  REQUIRE(peak_memory_bytes() > kMebibyte);
  REQUIRE(machine_memory_bytes() > peak_memory_bytes());
  REQUIRE_THAT(read_bytes(campaign / "out/run.json"),
               Catch::Contains("\"memory_budget_bytes\": " + std::to_string(77 * kMebibyte)) &&
                   Catch::Contains("\"peak_memory_bytes\": "));
  REQUIRE_THAT(read_bytes(campaign / "out/timings.csv"), Catch::Contains("\npeak_memory,"));
}
