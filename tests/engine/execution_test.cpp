#include "suite/engine/execution.hpp"

#include "suite/engine/golden_probe.hpp"
#include "suite/engine/replay.hpp"
#include "tests/support/toy_campaign.hpp"

#include <catch2/catch.hpp>

#include <mutex>
#include <vector>

using namespace bitquake;
using namespace bitquake::test;

namespace {

using Change = void (*)(scenario::Scenario&);

/// Every key that says how results are computed, away from its default.
std::vector<Change> changes() {
  return {
      [](auto& s) { s.execution = scenario::Execution::batched; },
      [](auto& s) { s.execution = scenario::Execution::reference; },
      [](auto& s) { s.incremental.prefix = false; },
      [](auto& s) { s.incremental.masked_stop = s.incremental.noop = false; },
      [](auto& s) { s.incremental.region = s.incremental.channel = false; },
      [](auto& s) { s.incremental.prepared_weights = false; },
      [](auto& s) { s.memory_budget_mib = 1; },
      [](auto& s) { s.audit = false; },
  };
}

}  // namespace

TEST_CASE("executors get what the scenario says", "[engine][execution]") {
  scenario::Scenario scenario;
  REQUIRE(engine::execution_options(scenario) == model::ExecutionOptions{});
  for (const auto& execution : scenario::kExecutions) {
    scenario.execution = execution.value;
    const auto options = engine::execution_options(scenario);
    REQUIRE(static_cast<int>(options.execution) == static_cast<int>(execution.value));
  }
  scenario = {};
  for (std::size_t i = 0; i < model::kIncrementalParts.size(); ++i) {
    scenario.incremental = {};
    scenario.incremental.*scenario::kIncrementalParts[i].member = false;
    model::IncrementalParts expected;
    expected.*model::kIncrementalParts[i].member = false;
    REQUIRE(engine::execution_options(scenario).parts == expected);
    REQUIRE(scenario::kIncrementalParts[i].doc == model::kIncrementalParts[i].doc);
  }
}

TEST_CASE("every executor of a campaign is made as the scenario says", "[engine][execution]") {
  ToyCampaign campaign(8);
  campaign.scenario.audit = false;
  campaign.scenario.incremental.region = false;
  const auto expected = engine::execution_options(campaign.scenario);
  std::mutex mutex;
  std::vector<model::ExecutionOptions> made;
  campaign.settings.on_executor = [&](const model::ExecutionOptions& options) {
    const std::lock_guard lock(mutex);
    made.push_back(options);
  };
  const engine::Inputs inputs = campaign.inputs();
  run(inputs, campaign / "out", 1);
  REQUIRE(made.size() == 1);
  engine::probe_golden(inputs, 1, false);
  const auto opened = value_or_throw(engine::open_run(campaign / "out", campaign / "."));
  value_or_throw(
      engine::replay_trial(opened, inputs, value_or_throw(engine::read_rows(opened)), 3));
  REQUIRE(made == std::vector<model::ExecutionOptions>(3, expected));
}

TEST_CASE("how results are computed changes no file but the scenario",
          "[engine][execution][determinism]") {
  ToyCampaign campaign(60, {{3, kNanOutputPixel}});
  const auto file_set = campaign.inputs().faults;
  run(campaign.inputs(), campaign / "0");
  const auto expected = lasting_files(campaign / "0");
  const scenario::Scenario standard = campaign.scenario;
  int number = 0;
  for (const Change change : changes()) {
    campaign.scenario = standard;
    change(campaign.scenario);
    const auto out = campaign / std::to_string(++number);
    CAPTURE(number);
    run(campaign.inputs(), out);
    REQUIRE(campaign.inputs().faults == file_set);
    REQUIRE(differences(lasting_files(out), expected) == std::vector<std::string>{"scenario.yaml"});
  }
  // Another number of segments, but the same rows and tables.
  campaign.scenario = standard;
  campaign.scenario.unit_samples = 50;
  run(campaign.inputs(), campaign / "units");
  REQUIRE(read_bytes(campaign / "units/trials.h5") == expected.at("trials.h5"));
  REQUIRE(read_bytes(campaign / "units/faults.h5") == expected.at("faults.h5"));
}

TEST_CASE("a directory is refused to a scenario that computes otherwise", "[engine][execution]") {
  ToyCampaign campaign(6);
  run(campaign.inputs(), campaign / "out");
  for (const Change change : changes()) {
    ToyCampaign other(6);
    change(other.scenario);
    const auto refused = try_run(other.inputs(), campaign / "out");
    REQUIRE_FALSE(refused);
    REQUIRE(refused.error().code == Errc::usage);
  }
}

TEST_CASE("how sites are executed is a table for people", "[engine][execution][golden]") {
  const auto model = make_toy_model();
  REQUIRE(engine::execution_text(*model, model->explain()) ==
          "every inference runs the whole network (execution: reference)\n");
  ToySettings settings;
  settings.explanation = {{0, "region from 3x3", "channel", ""},
                          {1, "dense", "layer", "a column computed alone has other bits"}};
  const auto explained = make_toy_model(settings);
  REQUIRE(
      engine::execution_text(*explained, explained->explain()) ==
      "site  kind    neuron fault     weight fault  reason\n" + std::string(83, '-') +
          "\nfc1   linear  region from 3x3  channel\n"
          "fc2   linear  dense            layer         a column computed alone has other bits\n");
}
