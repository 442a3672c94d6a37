#include "suite/engine/replay.hpp"

#include "suite/base/seal.hpp"
#include "tests/support/toy_campaign.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <cmath>
#include <sstream>

using namespace bitquake;
using namespace bitquake::test;

namespace {

engine::RunFiles opened(const ToyCampaign& campaign, const std::string& directory = "out") {
  return value_or_throw(engine::open_run(campaign / directory, campaign.scenario.directory));
}

Result<engine::Inputs> reopened(const ToyCampaign& campaign, const engine::RunFiles& run) {
  return engine::reopen(run, [&](const scenario::Scenario&, const model::Protection&) {
    return Result<std::shared_ptr<const model::Model>>(make_toy_model(campaign.settings));
  });
}

/// What `replay_trial` says of a trial in out/.
Result<engine::Replay> replay(const ToyCampaign& campaign, std::uint64_t trial) {
  const engine::RunFiles run = opened(campaign);
  const engine::Inputs inputs = value_or_throw(reopened(campaign, run));
  return engine::replay_trial(run, inputs, value_or_throw(engine::read_rows(run)), trial);
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("every trial is reproduced, whatever the policy and run type", "[engine][replay]") {
  ToyCampaign campaign(12, {{3, kNanOutputPixel}, {5, kInfiniteNeuronPixel}});
  campaign.scenario.faults.policy = GENERATE(
      faultgen::Policy::per_image, faultgen::Policy::per_batch, faultgen::Policy::per_epoch);
  if (campaign.scenario.faults.policy == faultgen::Policy::per_batch) {
    campaign.scenario.faults.batch_size = 5;
  }
  campaign.scenario.run_type = GENERATE(faultgen::RunType::single, faultgen::RunType::accumulate);
  campaign.scenario.faults.target = GENERATE(faultgen::Target::neuron, faultgen::Target::weight);
  campaign.scenario.faults.per_group = 2;
  campaign.scenario.faults.epochs = 3;
  campaign.settings.before_inference = [](std::span<const faultgen::Fault> faults) {
    if (faults[0].bit_mask <= 4) throw std::runtime_error("fails");
  };
  run(campaign.inputs(), campaign / "out");

  const engine::RunFiles run = opened(campaign);
  const engine::Inputs inputs = value_or_throw(reopened(campaign, run));
  const results::Trials rows = value_or_throw(engine::read_rows(run));
  REQUIRE(rows.trials.size() == 11 * 3);
  for (const results::TrialRow& row : rows.trials) {
    const auto again = value_or_throw(engine::replay_trial(run, inputs, rows, row.trial));
    CAPTURE(row.trial);
    REQUIRE(again.differences.empty());
    REQUIRE(again.columns ==
            25 + 17 + 6 * std::uint64_t{row.n_faults} + 3 * std::uint64_t{row.nonfinite_points});
    const bool single = campaign.scenario.run_type == faultgen::RunType::single;
    REQUIRE(again.again.faults.ids.size() == (single ? 2 : 2 * (row.epoch + 1)));
    const std::string text = engine::replay_text(again, inputs);
    REQUIRE(holds(text, "REPRODUCED  all "));
    REQUIRE(holds(text, single || row.epoch == 0 ? " present\n" : " of earlier epochs\n"));
  }
}

// fc1 of a sample is clamped to [0, 6]: the sign of a positive output set makes it negative, 0
// after the clamp, so that fc2 changes by its column times the old value.
TEST_CASE("the trace of a neuron fault is what plain arithmetic gives", "[engine][replay]") {
  ToyCampaign campaign(20);
  campaign.scenario.faults.bits = {"31"};
  campaign.scenario.faults.epochs = 8;
  run(campaign.inputs(), campaign / "out");
  const engine::RunFiles run = opened(campaign);
  const engine::Inputs inputs = value_or_throw(reopened(campaign, run));
  const ToyParameters parameters = toy_parameters();
  int seen = 0;
  for (std::uint64_t trial = 0; trial < 160; ++trial) {
    const engine::Replay again = value_or_throw(replay(campaign, trial));
    const faultgen::Fault fault = again.again.faults.faults.at(0);
    const auto bits =
        static_cast<std::uint32_t>(again.again.trace.result.injections.at(0).original_bits);
    const float before = faultgen::from_bits(bits);
    if (fault.site != 0 || before <= 0 || before > 6) continue;
    ++seen;
    const auto& fc1 = again.again.trace.sites.at(0);
    REQUIRE(fc1.elements == kToyHidden);
    REQUIRE(fc1.differing == 1);
    REQUIRE(fc1.max_abs.value() == Approx(2.0 * before));
    double largest = 0;
    for (std::size_t o = 0; o < kToyClasses; ++o) {
      const float weight = parameters.weight2[o * kToyHidden + fault.element];
      largest = std::max(largest, std::abs(static_cast<double>(weight) * before));
    }
    const auto& fc2 = again.again.trace.sites.at(1);
    REQUIRE(fc2.elements == kToyClasses);
    REQUIRE(fc2.max_abs.value() == Approx(largest).epsilon(1e-4));
    const std::string text = engine::replay_text(again, inputs);
    REQUIRE(holds(text, "bit 31 (sign): before 0x"));
    REQUIRE(holds(text, "bit_flip in neurons of fc1 (linear)\n"));
  }
  REQUIRE(seen > 20);
}

TEST_CASE("the first site that differs is marked, NaN and Inf are counted", "[engine][replay]") {
  ToyCampaign campaign(30);
  campaign.scenario.faults.bits = {"30"};
  campaign.scenario.faults.model = faultgen::FaultModel::stuck_at_1;
  run(campaign.inputs(), campaign / "out");
  const engine::RunFiles run = opened(campaign);
  const engine::Inputs inputs = value_or_throw(reopened(campaign, run));
  int in_second = 0;
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    const engine::Replay again = value_or_throw(replay(campaign, trial));
    const auto& sites = again.again.trace.sites;
    const bool second = sites[0].differing == 0 && sites[1].differing > 0;
    const std::string text = engine::replay_text(again, inputs);
    const std::size_t mark = text.find("<- first");
    REQUIRE((mark != std::string::npos) == (sites[0].differing + sites[1].differing > 0));
    if (!second) continue;
    ++in_second;
    REQUIRE(text.rfind("fc2", mark) > text.rfind("fc1", mark));
  }
  REQUIRE(in_second > 3);
}

TEST_CASE("a site that has no output is told from one that was not run", "[engine][replay]") {
  ToyCampaign campaign(4);
  campaign.settings.more_sites = {
      {"lstm.weight_ih_l0", 0, faultgen::SiteKind::recurrent_weight, {8, 2}, {}},
      {"branch", 0, faultgen::SiteKind::linear, {2, 2}, {2}}};
  run(campaign.inputs(), campaign / "out");
  const engine::Inputs inputs = value_or_throw(reopened(campaign, opened(campaign)));
  const std::string text = engine::replay_text(value_or_throw(replay(campaign, 3)), inputs);
  CAPTURE(text);
  const auto words = [&](const std::string& site) {
    std::istringstream line(text.substr(text.find("\n" + site + " ")));
    std::vector<std::string> found(6);
    for (std::string& word : found) line >> word;
    return fmt::format("{}", fmt::join(found, " "));
  };
  REQUIRE(words("lstm.weight_ih_l0") == "lstm.weight_ih_l0 recurrent_weight no output - -");
  REQUIRE(words("branch") == "branch linear not run - -");
}

TEST_CASE("an unfinished run replays what its segments hold", "[engine][replay]") {
  ToyCampaign campaign(600);
  campaign.scenario.faults.epochs = 4;
  run_some(campaign.inputs(), campaign / "out", 1'100);
  REQUIRE_FALSE(opened(campaign).finished());
  REQUIRE(value_or_throw(replay(campaign, 3 * 600 + 7)).differences.empty());
  const auto later = replay(campaign, 599);
  REQUIRE_FALSE(later);
  REQUIRE(later.error().code == Errc::usage);
  REQUIRE(holds(later.error().what, "has not been run yet"));
}

TEST_CASE("a trial that is not there is a mistake that names what there is", "[engine][replay]") {
  const ToyCampaign campaign(20, {{4, kNanOutputPixel}});
  run(campaign.inputs(), campaign / "out");
  const auto outside = replay(campaign, 40);
  REQUIRE_FALSE(outside);
  REQUIRE(outside.error().code == Errc::usage);
  REQUIRE(outside.error().hint == "name a trial from 0 to 39");
  const auto skipped = replay(campaign, 24);
  REQUIRE_FALSE(skipped);
  REQUIRE(skipped.error().code == Errc::usage);
  REQUIRE(holds(skipped.error().what, "the golden output of sample 4 is not finite"));
}

TEST_CASE("a changed row is not reproduced, and its columns are named", "[engine][replay]") {
  const ToyCampaign campaign(20);
  run(campaign.inputs(), campaign / "out");
  results::Trials rows = value_or_throw(results::read_trials(campaign / "out/trials.h5"));
  rows.trials[9].output_hash ^= 1;
  rows.trials[9].label_rank += 1;
  rows.injections[9].original_bits ^= 2;
  rows.golden[9].top1_probability = 0.5;
  results::write_trials(campaign / "out/trials.h5", rows);
  std::vector<std::string> columns;
  for (const auto& at : value_or_throw(replay(campaign, 9)).differences) {
    columns.push_back(at.column);
  }
  REQUIRE(columns == std::vector<std::string>{"trials/label_rank", "trials/output_hash",
                                              "injections/original_bits of fault 9",
                                              "golden/top1_probability"});
  REQUIRE(value_or_throw(replay(campaign, 8)).differences.empty());
}

TEST_CASE("a defect of the executor is seen as a difference", "[engine][replay]") {
  ToyCampaign campaign(20);
  run(campaign.inputs(), campaign / "out");
  campaign.settings.defect = Defect::wrong_bit;
  const engine::Replay again = value_or_throw(replay(campaign, 3));
  REQUIRE_FALSE(again.differences.empty());
  const engine::Inputs inputs = value_or_throw(reopened(campaign, opened(campaign)));
  REQUIRE(holds(engine::replay_text(again, inputs), "NOT REPRODUCED  "));
  SECTION("but not under other numerics, which are shown") {
    campaign.settings.fingerprint["arithmetic"] = "vectors";
    const std::string text = engine::replay_text(value_or_throw(replay(campaign, 3)), inputs);
    REQUIRE(holds(text, "NOT COMPARABLE  "));
    REQUIRE(holds(text, "arithmetic=plain loops"));
    REQUIRE(holds(text, "arithmetic=vectors"));
  }
}

TEST_CASE("a model, data or fault set that has changed is refused by name", "[engine][replay]") {
  ToyCampaign campaign(20);
  run(campaign.inputs(), campaign / "out");
  std::string file;
  Errc code = Errc::data;
  SECTION("images") {
    campaign.images[19 * kToyInputs] ^= 1U;
    campaign.write_data();
    file = (campaign / "images").string();
  }
  SECTION("labels") {
    campaign.labels[19] = 0;
    campaign.write_data();
    file = (campaign / "labels").string();
  }
  SECTION("model") {
    campaign.settings.sha256 = "0dd";
    file = (campaign / "toy.pt").string();
    code = Errc::model;
  }
  SECTION("fault set") {
    auto set = value_or_throw(faultgen::read_fault_set(campaign / "out/faults.h5"));
    set.faults[0].bit_mask = 1U << (set.faults[0].bit_mask == 2 ? 2U : 1U);
    faultgen::write_fault_set(set, campaign / "out/faults.h5");
    file = (campaign / "out/faults.h5").string();
    code = Errc::results;
  }
  const auto inputs = reopened(campaign, opened(campaign));
  REQUIRE_FALSE(inputs);
  REQUIRE(inputs.error().where == file);
  REQUIRE(inputs.error().code == code);
  REQUIRE(holds(inputs.error().what, "is not the file that the campaign was run with"));
}

TEST_CASE("a directory that holds no run, or a damaged one, is refused", "[engine][replay]") {
  const ToyCampaign campaign(20);
  run(campaign.inputs(), campaign / "out");
  std::string text;
  SECTION("no run.json") {
    std::filesystem::remove(campaign / "out/run.json");
    text = "is no run directory";
  }
  SECTION("run.json is no JSON") {
    write_bytes(campaign / "out/run.json", "{\"status\": ");
    text = "is not the record of a run";
  }
  SECTION("run.json lacks a key") {
    write_bytes(campaign / "out/run.json", "{\"schema_version\": 1}");
    text = "is not the record of a run";
  }
  SECTION("run.json of another version") {
    write_bytes(campaign / "out/run.json", "{\"schema_version\": 99}");
    text = "has schema version 99";
  }
  SECTION("scenario.yaml is none") {
    write_bytes(campaign / "out/scenario.yaml", "version: 1\n");
    text = "model";
  }
  const auto run = engine::open_run(campaign / "out", std::nullopt);
  REQUIRE_FALSE(run);
  REQUIRE(run.error().code == Errc::results);
  REQUIRE(holds(run.error().what, text));
}
