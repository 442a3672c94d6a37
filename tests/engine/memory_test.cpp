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
  campaign.settings.kept = {.row_bytes = kMebibyte, .batch_rows = 1};
  return campaign;
}

}  // namespace

TEST_CASE("a unit takes its samples, twice as input, and what the model keeps of them",
          "[engine][memory]") {
  ToyCampaign campaign(40);
  campaign.scenario.unit_samples = 4;
  campaign.settings.kept = {.row_bytes = 1'000, .batch_rows = 1};
  const auto plan = engine::plan_memory(campaign.inputs(), 3);
  REQUIRE(plan.input_bytes == 2 * 16 * 4 + 16);  // 16 floats, and their copy, from 16 pixels
  REQUIRE(plan.unit_bytes() == 4 * 1'144);
  REQUIRE(plan.budget_bytes == machine_memory_bytes() / 4);
  REQUIRE(plan.live_units() == 6);
  REQUIRE_FALSE(plan.error("a.yaml"));
  REQUIRE_FALSE(plan.notice());
  campaign.scenario.unit_samples = 64;
  REQUIRE(engine::plan_memory(campaign.inputs(), 3).unit_samples == 40);
}

TEST_CASE("what is kept of a padded batch is counted whole", "[engine][memory]") {
  ToyCampaign campaign(40);
  campaign.settings.kept = {.row_bytes = 1'000, .batch_rows = 16};
  const auto bytes = [&](std::uint32_t unit_samples) {
    campaign.scenario.unit_samples = unit_samples;
    return engine::plan_memory(campaign.inputs(), 1).unit_bytes();
  };
  REQUIRE(bytes(1) == 1 * 144 + 16'000);
  REQUIRE(bytes(16) == 16 * 144 + 16'000);
  REQUIRE(bytes(17) == 17 * 144 + 32'000);
  REQUIRE(bytes(64) == 40 * 144 + 48'000);  // there are 40
}

TEST_CASE("a unit of padded batches that does not fit is refused with what would help",
          "[engine][memory]") {
  // Rows of 1 MiB in batches of 16, inputs of 144 bytes.
  const auto error = [](std::uint64_t budget_mib, std::uint64_t unit_samples,
                        std::uint64_t row_bytes = kMebibyte) {
    const engine::MemoryPlan plan{.budget_bytes = budget_mib * kMebibyte,
                                  .input_bytes = 144,
                                  .kept = {.row_bytes = row_bytes, .batch_rows = 16},
                                  .unit_samples = unit_samples,
                                  .units = 3,
                                  .threads = 1};
    return plan.error("a.yaml").value();
  };
  REQUIRE(error(20, 20).what ==
          "a work unit of 20 samples (padded to 32) takes 33 MiB, the memory budget is 20 MiB");
  REQUIRE(error(20, 20).hint == "set unit_samples: 16 or less, or memory_budget_mib: 33 or more");
  // Not even one batch: no number of samples helps, a smaller batch does.
  REQUIRE(error(12, 20).hint ==
          "set padded_batch: 11 and unit_samples: 11, or memory_budget_mib: 33 or more");
  REQUIRE(error(12, 4).what ==
          "a work unit of 4 samples (padded to 16) takes 17 MiB, the memory budget is 12 MiB");
  REQUIRE(error(12, 4).hint == "set padded_batch: 11, or memory_budget_mib: 17 or more");
  // Not even one row.
  REQUIRE(error(12, 4, 13 * kMebibyte).hint == "set memory_budget_mib: 209 or more");
}

TEST_CASE("a started batch has room for as many samples as their inputs leave",
          "[engine][memory]") {
  const auto hint = [](std::uint64_t budget_bytes) {
    const engine::MemoryPlan plan{.budget_bytes = budget_bytes,
                                  .input_bytes = 144,
                                  .kept = {.row_bytes = 100, .batch_rows = 16},
                                  .unit_samples = 20,
                                  .units = 2,
                                  .threads = 1};
    REQUIRE(plan.unit_bytes() == 20 * 144 + 32 * 100);
    return plan.error("").value().hint;
  };
  // 18 samples take 18 * 144 + 3200 = 5792 bytes, 17 take 5648, 16 take 3904, 1 takes 1744.
  REQUIRE(hint(5'800) == "set unit_samples: 18 or less, or memory_budget_mib: 1 or more");
  REQUIRE(hint(5'647) == "set unit_samples: 16 or less, or memory_budget_mib: 1 or more");
  REQUIRE(hint(1'800) == "set unit_samples: 1, or memory_budget_mib: 1 or more");
  REQUIRE(hint(1'743) ==
          "set padded_batch: 7 and unit_samples: 7, or memory_budget_mib: 1 or more");
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
  campaign.settings.kept.row_bytes = 6 * kMebibyte;
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
