#include "suite/engine/replay.hpp"
#include "suite/engine/run_files.hpp"
#include "suite/engine/verify.hpp"
#include "tests/engine/oracle.hpp"
#include "tests/support/toy_campaign.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <sstream>
#include <stdexcept>

/// Campaigns in which each sample runs under several perturbations.
using namespace bitquake;
using namespace bitquake::test;

namespace {

std::vector<augment::Pipeline> pipelines(const std::vector<std::string>& labels) {
  std::vector<augment::Pipeline> all;
  for (const std::string& label : labels) all.push_back(*augment::parse_pipeline(label));
  return all;
}

/// One is random, one saturates so that some samples, sample 5 among them, have no golden output.
const std::vector<std::string> kPerturbations{"clean", "gaussian_noise/3", "brightness/5",
                                              "contrast/2+gaussian_noise/1"};

ToyCampaign joint_campaign() {
  ToyCampaign campaign(20, {{5, 249}, {7, 255}});
  campaign.scenario.perturbations = pipelines(kPerturbations);
  return campaign;
}

results::Trials trials_of(const std::filesystem::path& directory) {
  return value_or_throw(results::read_trials(directory / "trials.h5"));
}

}  // namespace

TEST_CASE("a joint campaign's rows are those of the definitions", "[engine][property]") {
  using faultgen::Policy;
  const auto [policy, run_type] =
      GENERATE(table<Policy, faultgen::RunType>({{Policy::per_image, faultgen::RunType::single},
                                                 {Policy::per_batch, faultgen::RunType::single},
                                                 {Policy::per_batch, faultgen::RunType::accumulate},
                                                 {Policy::per_epoch, faultgen::RunType::single}}));
  ToyCampaign campaign = joint_campaign();
  campaign.scenario.faults.policy = policy;
  if (policy == Policy::per_batch) campaign.scenario.faults.batch_size = 4;
  campaign.scenario.run_type = run_type;
  campaign.scenario.faults.target = GENERATE(faultgen::Target::neuron, faultgen::Target::weight);
  const engine::Inputs inputs = campaign.inputs();
  REQUIRE(inputs.plan.trials() == 4 * 2 * 20);
  run(inputs, campaign / "out");
  const results::Trials got = trials_of(campaign / "out");
  REQUIRE(first_difference(got, expected_trials(campaign, inputs)) == "");
  REQUIRE(got.campaign.perturbations == kPerturbations);
  std::set<std::uint32_t> seen, skipped;
  for (const auto& row : got.trials) seen.insert(row.perturbation);
  REQUIRE(seen.size() == 4);
  for (const auto& row : got.golden) {
    if (row.skipped != 0) skipped.insert(row.perturbation);
  }
  REQUIRE(skipped.contains(0));
  REQUIRE(skipped.contains(2));
}

TEST_CASE("the rows of one perturbation are those of a campaign with it alone",
          "[engine][property]") {
  const double active = GENERATE(1.0, 0.5);
  ToyCampaign campaign = joint_campaign();
  campaign.scenario.faults.policy = faultgen::Policy::per_batch;
  campaign.scenario.faults.batch_size = 3;
  campaign.scenario.faults.active_probability = active;
  run(campaign.inputs(), campaign / "joint");
  const results::Trials joint = trials_of(campaign / "joint");
  const std::uint64_t each = campaign.inputs().plan.trials_each();
  for (std::uint32_t p = 0; p < kPerturbations.size(); ++p) {
    ToyCampaign alone = joint_campaign();
    alone.scenario.faults = campaign.scenario.faults;
    alone.scenario.perturbations = pipelines({kPerturbations[p]});
    const engine::Inputs inputs = alone.inputs();
    REQUIRE(inputs.faults.faults == campaign.inputs().faults.faults);
    run(inputs, alone / "out");
    results::Trials expected = trials_of(alone / "out");
    for (auto& row : expected.golden) row.perturbation = p;
    for (auto& row : expected.trials) row.trial += p * each, row.perturbation = p;
    for (auto& row : expected.injections) row.trial += p * each;
    for (auto& row : expected.observed.monitors) row.trial += p * each;
    for (auto& row : expected.observed.deviations) row.trial += p * each;
    results::Trials part;
    for (const auto& row : joint.golden) {
      if (row.perturbation == p) part.golden.push_back(row);
    }
    for (const auto& row : joint.trials) {
      if (row.perturbation != p) continue;
      part.trials.push_back(row);
      for (const auto& injection : joint.injections_of(row)) part.injections.push_back(injection);
      for (const auto& seen : joint.monitors_of(row)) part.observed.monitors.push_back(seen);
      for (const auto& at : joint.deviations_of(row)) part.observed.deviations.push_back(at);
    }
    REQUIRE(first_difference(part, expected) == "");
    REQUIRE_FALSE(part.trials.empty());
  }
}

TEST_CASE("a joint campaign has the same bytes for any threads, units and interruption",
          "[engine][determinism]") {
  ToyCampaign campaign = joint_campaign();
  const engine::Inputs inputs = campaign.inputs();
  run(inputs, campaign / "one", 1);
  const auto expected = lasting_files(campaign / "one");
  run(inputs, campaign / "three", 3);
  REQUIRE(differences(lasting_files(campaign / "three"), expected).empty());

  int interruptions = 0;
  while (run_some(inputs, campaign / "again", 30).interrupted) ++interruptions;
  REQUIRE(interruptions > 1);
  auto resumed = lasting_files(campaign / "again");
  REQUIRE(resumed["trials.h5"] == expected.at("trials.h5"));
  REQUIRE(resumed["kpi/overall.csv"] == expected.at("kpi/overall.csv"));

  campaign.scenario.unit_samples = 7;
  run(campaign.inputs(), campaign / "sevens");
  auto sevens = lasting_files(campaign / "sevens");
  REQUIRE(sevens["trials.h5"] == expected.at("trials.h5"));
  REQUIRE(sevens["summary.json"] == expected.at("summary.json"));
}

TEST_CASE("trials of every perturbation are replayed, audited and verified", "[engine]") {
  ToyCampaign campaign = joint_campaign();
  const engine::Inputs inputs = campaign.inputs();
  const engine::CampaignResult result = run(inputs, campaign / "out");
  REQUIRE(result.audit.state == engine::AuditState::passed);
  REQUIRE(result.audit.trials == trials_of(campaign / "out").trials.size());

  const auto loader = [&](const scenario::Scenario&, const model::Protection&) {
    return Result<std::shared_ptr<const model::Model>>(make_toy_model(campaign.settings));
  };
  const auto run_files = value_or_throw(engine::open_run(campaign / "out", campaign / ""));
  const results::Trials rows = value_or_throw(engine::read_rows(run_files));
  const engine::Inputs reopened = value_or_throw(engine::reopen(run_files, loader));
  for (const std::uint64_t trial : {0, 41, 100, 159}) {
    if (engine::find_trial(rows, trial) == nullptr) continue;
    const auto replay = value_or_throw(engine::replay_trial(run_files, reopened, rows, trial));
    REQUIRE(replay.differences.empty());
    REQUIRE_THAT(engine::replay_text(replay, reopened),
                 Catch::Contains("\nimage    " + kPerturbations[trial / 40] + "\n"));
  }
  const auto verification = engine::verify_run(run_files, loader, {.fraction = 1});
  for (const auto& check : verification.checks) {
    INFO(check.name << ": " << check.detail);
    REQUIRE(check.state == engine::CheckState::ok);
  }

  // A sample that is skipped under one perturbation has trials under another.
  const std::string skipped = read_bytes(campaign / "out/skipped.csv");
  REQUIRE_THAT(
      skipped,
      Catch::StartsWith(
          "variant,perturbation,sample,sample_index,id,file,reason\noriginal,clean,7,7,7,") &&
          Catch::Contains("\noriginal,brightness/5,5,5,"));
  REQUIRE_THAT(skipped, !Catch::Contains("\noriginal,clean,5,"));
}

TEST_CASE("what a perturbation adds to faults is counted over all pairs", "[engine][property]") {
  using faultgen::Policy;
  ToyCampaign campaign = joint_campaign();
  campaign.scenario.faults.policy = GENERATE(Policy::per_image, Policy::per_batch);
  if (campaign.scenario.faults.policy == Policy::per_batch) campaign.scenario.faults.batch_size = 2;
  campaign.scenario.run_type = GENERATE(faultgen::RunType::single, faultgen::RunType::accumulate);
  const engine::CampaignResult result = run(campaign.inputs(), campaign / "out");
  const results::Trials rows = trials_of(campaign / "out");
  constexpr std::uint8_t kSde = 3;
  for (std::uint32_t p = 1; p < kPerturbations.size(); ++p) {
    metrics::Pairs pairs;
    std::uint64_t unpaired = 0;
    for (std::uint64_t trial = 0; trial < 40; ++trial) {
      const auto* clean = engine::find_trial(rows, trial);
      const auto* other = engine::find_trial(rows, p * 40 + trial);
      if (clean == nullptr && other == nullptr) continue;
      if (clean == nullptr || other == nullptr) {
        ++unpaired;
      } else if (other->outcome == kSde) {
        ++(clean->outcome == kSde ? pairs.both : pairs.first_only);
      } else {
        ++(clean->outcome == kSde ? pairs.second_only : pairs.neither);
      }
    }
    const results::Interaction& found = *result.summary.tables[p].interaction;
    REQUIRE(found.pairs == pairs);
    REQUIRE(found.unpaired == unpaired);
    REQUIRE_FALSE(found.method.empty());
  }
}

TEST_CASE("a plan numbers trials by variant, perturbation, epoch and sample", "[engine]") {
  const engine::Plan plan(5, 2, 5, 2, {}, 3, 3);  // 3 of 5 samples in the last epoch
  REQUIRE(plan.trials_each() == 8);
  REQUIRE(plan.trials() == 24);
  REQUIRE(plan.trial({1, 0, 0}) == 8);
  REQUIRE(plan.trial({2, 1, 2}) == 23);
  for (std::uint64_t trial = 0; trial < plan.trials(); ++trial) {
    REQUIRE(plan.trial(plan.place_of(trial)) == trial);
  }
  REQUIRE(plan.place_of(15) == engine::TrialPlace{1, 1, 2});
  const engine::Plan variants(5, 2, 5, 2, {}, 3, 3, 2);
  REQUIRE(variants.trials() == 48);
  REQUIRE(variants.trial({2, 1, 2, 1}) == 24 + 23);
  REQUIRE(variants.place_of(24 + 15) == engine::TrialPlace{1, 1, 2, 1});
  REQUIRE(plan.has_trial(1, 2));
  REQUIRE_FALSE(plan.has_trial(1, 3));
}

TEST_CASE("a sample is perturbed alike wherever it stands in a subset", "[engine]") {
  ToyCampaign campaign = joint_campaign();
  run(campaign.inputs(), campaign / "all");
  const results::Trials all = trials_of(campaign / "all");
  campaign.scenario.data.order = datasets::Order::random;
  campaign.scenario.data.samples = 10;
  run(campaign.inputs(), campaign / "some");
  std::uint64_t moved = 0;
  for (const auto& row : trials_of(campaign / "some").golden) {
    REQUIRE(row.output_hash == all.golden[row.perturbation * 20 + row.sample_index].output_hash);
    moved += row.sample != row.sample_index ? 1 : 0;
  }
  REQUIRE(moved > 0);
}

TEST_CASE("a fault set drawn without perturbations serves them", "[engine]") {
  ToyCampaign campaign = joint_campaign();
  run(campaign.inputs(), campaign / "joint");
  campaign.scenario.perturbations = pipelines({"clean"});
  run(campaign.inputs(), campaign / "clean");
  REQUIRE(read_bytes(campaign / "joint/faults.h5") == read_bytes(campaign / "clean/faults.h5"));
  campaign.scenario.faults = {};
  campaign.scenario.faults.file = "clean/faults.h5";
  campaign.scenario.perturbations = pipelines(kPerturbations);
  run(campaign.inputs(), campaign / "reused");
  REQUIRE(first_difference(trials_of(campaign / "reused"), trials_of(campaign / "joint")) == "");
}

TEST_CASE("an image that a perturbation does not take is refused before any trial", "[engine]") {
  ToyCampaign campaign = joint_campaign();
  campaign.scenario.perturbations = pipelines({"clean", "white_balance/2"});
  const auto inputs = campaign.prepare();
  REQUIRE_FALSE(inputs);
  REQUIRE(inputs.error().code == Errc::data);
  REQUIRE_THAT(inputs.error().what,
               Catch::StartsWith("sample 0 cannot be perturbed by white_balance/2: "));
}

TEST_CASE("corruption errors are written, and related to a baseline", "[engine]") {
  ToyCampaign campaign = joint_campaign();
  const auto table = [&](const std::string& directory) {
    return read_bytes(campaign / directory / "kpi/corruption_error.csv");
  };
  run(campaign.inputs(), campaign / "plain");
  // Of the four perturbations two are single corruptions.
  const std::string plain = table("plain");
  REQUIRE_THAT(plain,
               Catch::StartsWith("variant,corruption,severity,golden_error,faulty_error,"
                                 "golden_relative,faulty_relative\noriginal,gaussian_noise,3,"));
  REQUIRE_THAT(plain, Catch::Contains(",,\noriginal,gaussian_noise,mean,") &&
                          Catch::Contains("\noriginal,brightness,5,") && Catch::EndsWith(",,\n"));
  REQUIRE(std::count(plain.begin(), plain.end(), '\n') == 1 + 2 * 2 + 1);

  // Related to itself every golden error is 1.
  campaign.scenario.statistics.corruption_baseline = "plain/kpi/corruption_error.csv";
  const engine::Inputs inputs = campaign.inputs();
  run(inputs, campaign / "related");
  std::istringstream lines(table("related"));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    INFO(line);
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
    REQUIRE(cells.size() == 7);
    REQUIRE(std::stod(cells[3]) > 0);
    REQUIRE(cells[5] == "1");
    if (cells[1] == "mean") continue;
    REQUIRE(std::stod(cells[6]) == Approx(std::stod(cells[4]) / std::stod(cells[3])));
  }

  // The run knows its baseline.
  const auto loader = [&](const scenario::Scenario&, const model::Protection&) {
    return Result<std::shared_ptr<const model::Model>>(make_toy_model(campaign.settings));
  };
  const auto state_of_tables = [&] {
    const auto files = value_or_throw(engine::open_run(campaign / "related", campaign / ""));
    for (const auto& check : engine::verify_run(files, loader, {}).checks) {
      if (check.name == "tables") return std::pair(check.state, check.detail);
    }
    throw std::logic_error("no check of tables");
  };
  REQUIRE(state_of_tables().first == engine::CheckState::ok);
  write_bytes(campaign / "plain/kpi/corruption_error.csv",
              "corruption,severity,error\ngaussian_noise,3,0.5\nbrightness,5,0.5\n");
  REQUIRE(state_of_tables().first == engine::CheckState::failed);
  REQUIRE_THAT(state_of_tables().second, Catch::Contains("is not the file that the campaign"));
  REQUIRE_FALSE(try_run(campaign.inputs(), campaign / "related"));

  write_bytes(campaign / "plain/kpi/corruption_error.csv",
              "corruption,severity,error\ngaussian_noise,3,0.5\nbrightness,4,0.5\n");
  const auto refused = campaign.prepare();
  REQUIRE_FALSE(refused);
  REQUIRE(refused.error().code == Errc::data);
  REQUIRE(refused.error().where == (campaign / "plain/kpi/corruption_error.csv").string());
  REQUIRE(refused.error().what == "has no error of brightness/5");
}
