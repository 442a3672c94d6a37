#include "suite/engine/campaign.hpp"

#include "augment/cpu_dispatch.hpp"
#include "faultgen/bits.hpp"
#include "results/segment.hpp"
#include "suite/engine/unit.hpp"
#include "tests/engine/oracle.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <tuple>

using namespace bitquake;
using namespace bitquake::test;

namespace {

results::Trials trials_of(const std::filesystem::path& directory) {
  return value_or_throw(results::read_trials(directory / "trials.h5"));
}

std::uint64_t count(const std::vector<metrics::Rate>& rates, const std::string& metric) {
  for (const auto& rate : rates) {
    if (rate.metric == metric) return rate.k;
  }
  throw std::runtime_error("no rate " + metric);
}

}  // namespace

TEST_CASE("every column of a campaign is what a plain computation gives", "[engine][campaign]") {
  ToyCampaign campaign(120, {{3, kNanOutputPixel}, {11, kInfiniteNeuronPixel}});
  campaign.scenario.faults.epochs = 3;
  campaign.scenario.faults.target = GENERATE(faultgen::Target::neuron, faultgen::Target::weight);
  campaign.scenario.faults.model =
      GENERATE(faultgen::FaultModel::bit_flip, faultgen::FaultModel::stuck_at_0,
               faultgen::FaultModel::stuck_at_1);
  campaign.scenario.faults.per_group = GENERATE(1U, 4U);
  const engine::Inputs inputs = campaign.inputs();
  const engine::CampaignResult result = run(inputs, campaign / "out");
  const results::Trials expected = expected_trials(campaign, inputs);
  const results::Trials got = trials_of(campaign / "out");

  REQUIRE(first_difference(got, expected) == "");
  REQUIRE(got.trials.size() == 119 * 3);
  REQUIRE(got.campaign.classes == 6);
  REQUIRE(got.campaign.fingerprint ==
          "arithmetic=plain loops\nopencv=" + augment::cpu_dispatch() + "\n");
  REQUIRE(got.campaign.points.size() == 6);
  REQUIRE(got.campaign.points[kFc1Weight] == results::Point{"fc1", "parameter"});
  REQUIRE(got.campaign.points[kClampOutput] == results::Point{"clamp", "module_output"});
  REQUIRE(got.campaign.points[kFinalOutput] == results::Point{"output", "output"});
  REQUIRE(got.campaign.sites ==
          std::vector<results::SiteName>{{"fc1", "linear"}, {"fc2", "linear"}});

  std::array<std::uint64_t, 4> outcomes{};
  for (const auto& row : expected.trials) ++outcomes[row.outcome];
  if (campaign.scenario.faults.model == faultgen::FaultModel::bit_flip) {
    for (const std::uint64_t n : outcomes) REQUIRE(n > 0);  // the comparison saw every outcome
  }
  REQUIRE(result.progress.outcomes == outcomes);
  REQUIRE(count(result.summary.tables[0].overall, "due") == outcomes[0]);
  REQUIRE(count(result.summary.tables[0].overall, "masked") == outcomes[1]);
  REQUIRE(count(result.summary.tables[0].overall, "benign") == outcomes[2]);
  REQUIRE(count(result.summary.tables[0].overall, "sde") == outcomes[3]);
}

TEST_CASE("policies and run types give what a plain computation gives", "[engine][campaign]") {
  using faultgen::Policy, faultgen::RunType;
  ToyCampaign campaign(50, {{3, kNanOutputPixel}});
  auto& faults = campaign.scenario.faults;
  faults.epochs = 12;
  faults.target = GENERATE(faultgen::Target::neuron, faultgen::Target::weight);
  faults.policy = GENERATE(Policy::per_image, Policy::per_batch, Policy::per_epoch);
  if (faults.policy == Policy::per_batch) faults.batch_size = GENERATE(7U, 50U, 64U);
  faults.per_group = GENERATE(1U, 2U);
  campaign.scenario.run_type = GENERATE(RunType::single, RunType::accumulate);
  campaign.scenario.unit_samples = 5;  // batches end inside units, and units inside batches
  const engine::Inputs inputs = campaign.inputs();
  const engine::CampaignResult result = run(inputs, campaign / "out");
  const results::Trials expected = expected_trials(campaign, inputs);
  const results::Trials got = trials_of(campaign / "out");

  REQUIRE(first_difference(got, expected) == "");
  REQUIRE(got.trials.size() == 49 * 12);
  const bool accumulates = campaign.scenario.run_type == RunType::accumulate;
  REQUIRE(got.trials.back().n_faults == (accumulates ? 12 : 1) * *faults.per_group);
  REQUIRE(got.injections.size() == 49 * (accumulates ? 78 : 12) * *faults.per_group);
  REQUIRE(std::filesystem::exists(campaign / "out/kpi/epoch.csv") == accumulates);
}

TEST_CASE("deviations are those of a plain computation, for any threads, units and interruption",
          "[engine][determinism]") {
  ToyCampaign campaign(50, {{3, kNanOutputPixel}, {4, kInfiniteNeuronPixel}});
  campaign.scenario.deviation = true;
  campaign.scenario.faults.epochs = 3;
  campaign.scenario.faults.target = GENERATE(faultgen::Target::neuron, faultgen::Target::weight);
  campaign.scenario.faults.bits = {"30", "21"};
  const engine::Inputs inputs = campaign.inputs();
  run(inputs, campaign / "out", 1);
  const results::Trials got = trials_of(campaign / "out");
  REQUIRE(first_difference(got, expected_trials(campaign, inputs)) == "");
  REQUIRE(got.observed.deviations.size() > 100);
  REQUIRE(got.observed.monitors.size() > 10);
  const auto expected = lasting_files(campaign / "out");
  REQUIRE(expected.contains("kpi/propagation.csv"));
  run(inputs, campaign / "three", 3);
  REQUIRE(differences(lasting_files(campaign / "three"), expected).empty());
  while (run_some(inputs, campaign / "again", 30).interrupted) continue;
  REQUIRE(differences(lasting_files(campaign / "again"), expected).empty());
  campaign.scenario.unit_samples = 7;
  run(campaign.inputs(), campaign / "units");
  auto units = lasting_files(campaign / "units");
  for (const char* const name : {"trials.h5", "kpi/propagation.csv", "summary.json"}) {
    REQUIRE((units.at(name) == expected.at(name)));
  }
}

TEST_CASE("the samples of a batch or an epoch meet the same group", "[engine][campaign]") {
  ToyCampaign campaign(10);
  auto& faults = campaign.scenario.faults;
  const auto groups = [&] {
    std::filesystem::remove_all(campaign / "out");
    run(campaign.inputs(), campaign / "out");
    std::vector<std::uint64_t> list;
    for (const auto& row : trials_of(campaign / "out").trials) list.push_back(row.group);
    return list;
  };
  faults.policy = faultgen::Policy::per_batch;
  faults.batch_size = 4;
  REQUIRE(groups() == std::vector<std::uint64_t>{0, 0, 0, 0, 1, 1, 1, 1, 2, 2,  //
                                                 3, 3, 3, 3, 4, 4, 4, 4, 5, 5});
  faults.policy = faultgen::Policy::per_epoch;
  faults.batch_size.reset();
  REQUIRE(groups() == std::vector<std::uint64_t>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  //
                                                 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
}

TEST_CASE("the plain computation notices each planted mistake", "[engine][campaign]") {
  ToyCampaign campaign(60);
  campaign.scenario.faults.per_group = 2;
  campaign.settings.defect =
      GENERATE(Defect::wrong_bit, Defect::wrong_element, Defect::applied_twice, Defect::left_behind,
               Defect::wrong_sample, Defect::first_fault_only, Defect::golden_polluted);
  const engine::Inputs inputs = campaign.inputs();
  run(inputs, campaign / "out");
  const results::Trials expected = expected_trials(campaign, inputs);
  REQUIRE(first_difference(trials_of(campaign / "out"), expected) != "");
}

TEST_CASE("a run directory holds the documented files", "[engine][campaign]") {
  const ToyCampaign campaign;
  const engine::Inputs inputs = campaign.inputs();
  run(inputs, campaign / "out");
  std::set<std::string> names;
  for (const auto& [name, bytes] : lasting_files(campaign / "out")) names.insert(name);
  REQUIRE(names == std::set<std::string>{
                       "faults.h5", "kpi/bit.csv", "kpi/bit_field.csv", "kpi/monitor.csv",
                       "kpi/overall.csv", "kpi/pytorchalfi.csv", "kpi/site.csv", "scenario.yaml",
                       "segments/00000000.h5", "skipped.csv", "summary.json", "trials.h5"});
  REQUIRE(std::filesystem::exists(campaign / "out" / "run.json"));
  REQUIRE(std::filesystem::exists(campaign / "out" / "timings.csv"));
  REQUIRE(value_or_throw(faultgen::read_fault_set(campaign / "out/faults.h5")) == inputs.faults);
}

TEST_CASE("samples whose golden output is not finite are skipped and listed",
          "[engine][campaign]") {
  ToyCampaign campaign(20, {{0, kNanOutputPixel}, {13, kNanOutputPixel}});
  campaign.scenario.faults.epochs = 3;
  const engine::CampaignResult result = run(campaign.inputs(), campaign / "out");

  REQUIRE(read_bytes(campaign / "out" / "skipped.csv") ==
          "variant,perturbation,sample,sample_index,id,file,reason\n"
          "original,clean,0,0,0,images,golden output is not finite\n"
          "original,clean,13,13,13,images,golden output is not finite\n");
  REQUIRE(result.summary.samples == 20);
  REQUIRE(result.summary.skipped == 2);
  REQUIRE(result.summary.trials == 18 * 3);
  REQUIRE_FALSE(result.interrupted);
  REQUIRE(result.progress.trials_done == 18 * 3);
  for (const auto& rate : result.summary.tables[0].overall) {
    REQUIRE(rate.n == (rate.unit == "sample" ? 18 : 18 * 3));
  }
  const results::Trials trials = trials_of(campaign / "out");
  REQUIRE(trials.golden[0].skipped == 1);
  REQUIRE(trials.golden[1].skipped == 0);
  for (const auto& row : trials.trials) REQUIRE((row.sample != 0 && row.sample != 13));
  // Numbers are ranks in the full plan: skipped samples leave gaps.
  REQUIRE(trials.trials.front().trial == 1);
}

TEST_CASE("a campaign whose samples are all skipped ends with empty tables", "[engine][campaign]") {
  const ToyCampaign campaign(2, {{0, kNanOutputPixel}, {1, kNanOutputPixel}});
  const engine::CampaignResult result = run(campaign.inputs(), campaign / "out");
  REQUIRE_FALSE(result.interrupted);
  REQUIRE(result.summary.trials == 0);
  REQUIRE(result.summary.skipped == 2);
}

TEST_CASE("a non-finite value that the golden run has as well is no detection",
          "[engine][campaign]") {
  ToyCampaign campaign(6, {{2, kInfiniteNeuronPixel}});
  campaign.scenario.faults.epochs = 200;
  run(campaign.inputs(), campaign / "out");
  std::uint64_t not_due = 0;
  for (const auto& row : trials_of(campaign / "out").trials) {
    if (row.sample != 2) continue;
    if (row.outcome != 0) ++not_due;
    REQUIRE((row.outcome == 0) == (row.first_nonfinite != results::kNoPoint));
  }
  REQUIRE(not_due > 100);
}

TEST_CASE("an inference that fails is due, with its message, and the campaign goes on",
          "[engine][campaign]") {
  ToyCampaign campaign(90);
  // Elements 2 and 5 of the output: two messages, the first of them in many units.
  const auto failing = [](std::span<const faultgen::Fault> faults) -> std::optional<std::string> {
    const auto& fault = faults[0];
    if (fault.site != 1 || (fault.element != 2 && fault.element != 5)) return std::nullopt;
    return "fc2: element " + std::to_string(fault.element) + " failed";
  };
  campaign.settings.before_inference = [failing](std::span<const faultgen::Fault> faults) {
    if (const auto text = failing(faults)) throw std::runtime_error(*text);
  };
  const engine::Inputs inputs = campaign.inputs();
  const engine::CampaignResult result = run(inputs, campaign / "out", GENERATE(1U, 5U));
  const results::Trials got = trials_of(campaign / "out");
  const results::Trials expected = expected_trials(campaign, inputs, failing);
  REQUIRE(first_difference(got, expected) == "");
  REQUIRE(got.messages.size() == 3);
  REQUIRE(got.trials.size() == 180);

  std::uint64_t failed = 0;
  for (const auto& row : got.trials) {
    if (row.message == results::kNoMessage) continue;
    ++failed;
    REQUIRE(row.outcome == static_cast<std::uint8_t>(metrics::Outcome::due));
    REQUIRE(row.output_hash == 0);
  }
  REQUIRE(failed > 10);
  REQUIRE(result.summary.failed == failed);
}

TEST_CASE("a label that is no class of the model is refused, naming the sample",
          "[engine][campaign]") {
  ToyCampaign campaign(30);
  campaign.labels[17] = 6;
  campaign.write_data();
  const engine::Inputs inputs = campaign.inputs();
  const unsigned threads = GENERATE(1U, 5U);
  try {
    run(inputs, campaign / "out", threads);
    FAIL("the label was accepted");
  } catch (const Exception& exception) {
    REQUIRE(exception.error().code == Errc::data);
    REQUIRE(exception.error().where == (campaign / "images").string());
    REQUIRE(exception.error().what == "sample 17 has label 6, but the model has 6 classes");
  }
  REQUIRE_THAT(read_bytes(campaign / "out" / "run.json"),
               Catch::Contains("\"status\": \"failed\""));
  // Units of three samples: those before sample 17's are kept.
  if (threads == 1) {
    const auto kept = results::read_segment(campaign / "out" / "segments" / "00000000.h5");
    REQUIRE(value_or_throw(kept).n_units == 5);
  }
}

TEST_CASE("data without labels gives outcomes but no accuracies", "[engine][campaign]") {
  ToyCampaign campaign(20);
  campaign.scenario.data.labels.reset();
  const engine::CampaignResult result = run(campaign.inputs(), campaign / "out");
  for (const auto& rate : result.summary.tables[0].overall) {
    REQUIRE(rate.metric.find("top") == std::string::npos);
  }
  for (const auto& row : trials_of(campaign / "out").golden)
    REQUIRE(row.label == results::kNoLabel);
}

TEST_CASE("the observer hears notices and each unit's progress", "[engine][campaign]") {
  ToyCampaign campaign(10, {{9, kNanOutputPixel}});
  const engine::Inputs inputs = campaign.inputs();
  StoppingObserver observer;
  value_or_throw(engine::run_campaign(inputs, {.directory = campaign / "out", .threads = 3},
                                      observer.stop, observer));
  REQUIRE(observer.notices == std::vector<std::string>{"is a toy"});
  REQUIRE(observer.seen.size() == 4);
  const std::vector<std::uint64_t> done{6, 12, 18, 18};
  for (std::size_t i = 0; i < done.size(); ++i) {
    REQUIRE(observer.seen[i].trials_done == done[i]);
    REQUIRE(observer.seen[i].trials_total == 20);
    REQUIRE(observer.seen[i].trials_resumed == 0);
  }
}

TEST_CASE("an intermittent fault acts on the samples that its seed says", "[engine][campaign]") {
  ToyCampaign campaign(300);
  campaign.scenario.faults.policy = faultgen::Policy::per_epoch;
  campaign.scenario.faults.epochs = 4;
  campaign.scenario.faults.per_group = 2;
  campaign.scenario.faults.active_probability = 0.25;
  campaign.scenario.faults.target = GENERATE(faultgen::Target::neuron, faultgen::Target::weight);
  const engine::Inputs inputs = campaign.inputs();
  const engine::CampaignResult result = run(inputs, campaign / "out");
  const results::Trials got = trials_of(campaign / "out");
  REQUIRE(got.injections.size() == 300 * 4 * 2);
  std::uint64_t active = 0, inactive_trials = 0;
  for (const auto& row : got.trials) {
    std::uint64_t acting = 0;
    for (const auto& injection : got.injections_of(row)) {
      const bool acts = engine::acts(inputs.faults, injection.fault, row.sample);
      REQUIRE((injection.active != 0) == acts);
      REQUIRE((injection.reached != 0) == acts);
      if (!acts) REQUIRE(injection.original_bits == 0);
      acting += acts ? 1 : 0;
    }
    active += acting;
    if (acting > 0) continue;
    ++inactive_trials;
    REQUIRE(row.outcome == static_cast<std::uint8_t>(metrics::Outcome::masked));
    REQUIRE(row.output_hash == got.golden_of(row).output_hash);
  }
  // 2,400 draws with p = 1/4: 600 expected, standard deviation 21; trials: 9/16 of 1,200 = 675, 17.
  REQUIRE(active > 490);
  REQUIRE(active < 710);
  REQUIRE(inactive_trials > 590);
  REQUIRE(inactive_trials < 760);
  REQUIRE(result.summary.tables[0].inactive == inactive_trials);
  REQUIRE(count(result.summary.tables[0].active, "masked") + inactive_trials ==
          count(result.summary.tables[0].overall, "masked"));
  REQUIRE(result.audit.differing.empty());
}

TEST_CASE("intermittent faults give what a plain computation gives, accumulated ones too",
          "[engine][campaign]") {
  using faultgen::Policy;
  ToyCampaign campaign(40, {{3, kNanOutputPixel}});
  auto& faults = campaign.scenario.faults;
  faults.policy = GENERATE(Policy::per_image, Policy::per_batch, Policy::per_epoch);
  if (faults.policy == Policy::per_batch) faults.batch_size = 7;
  faults.epochs = 6;
  faults.per_group = 3;
  faults.active_probability = 0.5;
  faults.target = GENERATE(faultgen::Target::neuron, faultgen::Target::weight);
  campaign.scenario.run_type = GENERATE(faultgen::RunType::single, faultgen::RunType::accumulate);
  const engine::Inputs inputs = campaign.inputs();
  run(inputs, campaign / "out");
  const auto acts = [&](std::uint64_t fault, std::uint64_t sample) {
    return engine::acts(inputs.faults, fault, sample);
  };
  REQUIRE(first_difference(trials_of(campaign / "out"),
                           expected_trials(campaign, inputs, {}, acts)) == "");
  REQUIRE(first_difference(trials_of(campaign / "out"), expected_trials(campaign, inputs)) != "");
}

TEST_CASE("without replacement no fault comes twice, and all come when all are asked for",
          "[engine][campaign]") {
  ToyCampaign campaign(4);
  campaign.scenario.faults.epochs = 1;
  campaign.scenario.faults.policy = faultgen::Policy::per_epoch;
  campaign.scenario.faults.model = {faultgen::FaultModel::bit_flip, true};  // either stuck-at level
  campaign.scenario.faults.bits = {"sign"};
  campaign.scenario.sampling.method = scenario::SamplingMethod::exhaustive;
  const engine::Inputs inputs = campaign.inputs();
  const std::uint64_t population = (kToyHidden + kToyClasses) * 2;
  REQUIRE(inputs.faults.faults.size() == population);
  std::set<std::tuple<std::uint32_t, std::uint64_t, int>> distinct;
  for (const auto& fault : inputs.faults.faults) {
    REQUIRE(fault.bit_mask == 1ULL << 31);
    distinct.emplace(fault.site, fault.element, static_cast<int>(fault.model));
  }
  REQUIRE(distinct.size() == population);
  const engine::CampaignResult result = run(inputs, campaign / "out");
  const auto& estimates = result.summary.tables[0].estimates;
  REQUIRE(estimates.size() == 2);
  REQUIRE(estimates[1].metric == "sde");
  REQUIRE(estimates[1].population == population);
  // A census: no doubt is left.
  REQUIRE(estimates[1].interval->low == estimates[1].value);
  REQUIRE(estimates[1].interval->high == estimates[1].value);
  std::set<std::uint64_t> harmful;
  for (const auto& row : trials_of(campaign / "out").trials) {
    if (row.outcome == static_cast<std::uint8_t>(metrics::Outcome::sde)) {
      harmful.insert(row.first_fault);
    }
  }
  REQUIRE(estimates[1].value ==
          static_cast<double>(harmful.size()) / static_cast<double>(population));
}

TEST_CASE("a statistical sample ends in the middle of an epoch", "[engine][campaign]") {
  ToyCampaign campaign(40);
  campaign.scenario.faults.epochs = 1;
  campaign.scenario.sampling.method = scenario::SamplingMethod::statistical;
  campaign.scenario.sampling.margin = 0.08;
  campaign.scenario.sampling.confidence = 0.95;
  const engine::Inputs inputs = campaign.inputs();
  // 14 neurons x 32 bits = 448 faults: 448 / (1 + 0.0064 * 447 / 0.9604) = 112.6.
  REQUIRE(inputs.faults.faults.size() == 113);
  REQUIRE(inputs.plan.trials() == 113);
  REQUIRE(inputs.plan.epochs() == 3);
  StoppingObserver observer(30);
  REQUIRE(value_or_throw(engine::run_campaign(inputs, {.directory = campaign / "out", .threads = 1},
                                              observer.stop, observer))
              .interrupted);
  run(inputs, campaign / "out");
  run(inputs, campaign / "whole", 1);
  REQUIRE(trials_of(campaign / "out").trials.size() == 113);
  REQUIRE(test::read_bytes(campaign / "out" / "trials.h5") ==
          test::read_bytes(campaign / "whole" / "trials.h5"));
}

TEST_CASE("every fault model in every format gives under every policy what it gives plainly",
          "[engine][campaign]") {
  using faultgen::NumberFormat, faultgen::ValueSource;
  using faultgen::Policy, faultgen::RunType, faultgen::Target;
  constexpr std::size_t kModels = faultgen::kBuiltInFaultModels.size();
  constexpr std::size_t kFormats = faultgen::kNumberFormats.size();
  const auto policy = GENERATE(Policy::per_image, Policy::per_batch, Policy::per_epoch);
  const auto run_type = GENERATE(RunType::single, RunType::accumulate);
  const auto kind = [&](Target target, std::size_t model, std::size_t format) {
    const auto& info = faultgen::kBuiltInFaultModels[model % kModels];
    scenario::Scenario::Faults faults;
    faults.target = target;
    faults.model = info.value;
    if (info.source == ValueSource::given) faults.value = -0.7109375;
    if (info.source == ValueSource::uniform) faults.value_range = {-3, 3};
    if (info.source == ValueSource::normal) faults.sigma = 2;
    faults.format = faultgen::kNumberFormats[format % kFormats].value;  // int8: calibrated
    if (faults.format == NumberFormat::fixed) faults.integer_bits = 2, faults.fraction_bits = 7;
    return faults;
  };
  for (std::size_t model = 0; model < kModels / 2; ++model) {
    for (std::size_t format = 0; format < kFormats; ++format) {
      // A group has two neuron and two weight faults, one of each intermittent.
      ToyCampaign campaign(7, {{3, kNanOutputPixel}});
      campaign.scenario.faults = kind(Target::neuron, model, format);
      campaign.scenario.faults.active_probability = 0.5;
      campaign.scenario.more_faults = {kind(Target::neuron, model + kModels / 2, format),
                                       kind(Target::weight, model + 3, format + 2),
                                       kind(Target::weight, model + 3 + kModels / 2, format + 2)};
      campaign.scenario.more_faults.back().active_probability = 0.5;
      campaign.scenario.faults.policy = policy;
      if (policy == Policy::per_batch) campaign.scenario.faults.batch_size = 4;
      campaign.scenario.faults.epochs = 3;
      campaign.scenario.run_type = run_type;
      const engine::Inputs inputs = campaign.inputs();
      run(inputs, campaign / "out");
      const auto acts = [&](std::uint64_t fault, std::uint64_t sample) {
        return engine::acts(inputs.faults, fault, sample);
      };
      const results::Trials got = trials_of(campaign / "out");
      CAPTURE(model, format);
      REQUIRE(got.trials.size() == 6 * 3);
      REQUIRE(first_difference(got, expected_trials(campaign, inputs, {}, acts)) == "");
    }
  }
}
