#include "results/summary.hpp"

#include "suite/base/text.hpp"
#include "tests/results/tiny_campaign.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>

using namespace bitquake;
using namespace bitquake::results;
using namespace bitquake::test;
using metrics::IntervalMethod;
using metrics::Rate;

namespace {

Summary tiny_summary() {
  return value_or_throw(summarise(tiny_trials(), tiny_faults(), IntervalMethod::wilson, 0.95));
}

/// {metric, k, n} of each rate.
using Counts = std::vector<std::tuple<std::string, std::uint64_t, std::uint64_t>>;
Counts counts_of(const std::vector<Rate>& rates) {
  Counts counts;
  for (const Rate& rate : rates) counts.emplace_back(rate.metric, rate.k, rate.n);
  return counts;
}

Counts outcome_counts(std::uint64_t n, const std::vector<std::uint64_t>& k) {
  const std::vector<std::string> names{"due", "masked", "benign", "sde", "sdc5", "sdc10", "sdc20"};
  Counts counts;
  for (std::size_t i = 0; i < names.size(); ++i) counts.emplace_back(names[i], k[i], n);
  return counts;
}

/// `epochs` passes over 30 samples whose faults are shared as `schedule` says. Slot 1 of epoch 0 is
/// sde for all of its samples, everything else is masked; nothing is labelled.
struct Shared {
  Trials trials;
  faultgen::FaultSet faults;
};
Shared shared_campaign(const faultgen::Schedule& schedule, std::uint32_t epochs,
                       faultgen::RunType run_type = faultgen::RunType::single) {
  Shared made{{}, tiny_faults()};
  made.trials.campaign = tiny_header();
  made.trials.campaign.run_type = name_of(faultgen::kRunTypes, run_type);
  made.faults.provenance.schedule = schedule;
  made.faults.groups.clear();
  made.faults.faults.clear();
  made.faults.sampling_weight.clear();
  const std::uint64_t slots = schedule.slots(30);
  for (std::uint64_t sample = 0; sample < 30; ++sample) {
    made.trials.golden.push_back(tiny_golden(0));
    made.trials.golden.back().sample = sample;
    made.trials.golden.back().label = kNoLabel;
  }
  for (std::uint32_t epoch = 0; epoch < epochs; ++epoch) {
    for (std::uint64_t slot = 0; slot < slots; ++slot) {
      const std::uint64_t id = made.faults.faults.size();
      made.faults.groups.push_back({epoch, slot, id, 1});
      made.faults.faults.push_back({0, {}, {}, id, std::uint64_t{1} << 30});
      made.faults.sampling_weight.push_back(1);
    }
    for (std::uint64_t sample = 0; sample < 30; ++sample) {
      TrialRow row = tiny_trial({0, 0, 30, 1});
      row.trial = epoch * 30 + sample;
      row.epoch = epoch;
      row.sample = sample;
      row.group = row.first_fault = epoch * slots + schedule.slot_of(sample);
      const bool accumulates = run_type == faultgen::RunType::accumulate;
      row.n_faults = accumulates ? epoch + 1 : 1;
      if (epoch == 0 && schedule.slot_of(sample) == 1) row.outcome = 3, row.faulty_top1 = 9;
      made.trials.trials.push_back(row);
      for (std::uint64_t e = accumulates ? 0 : epoch; e <= epoch; ++e) {
        made.trials.injections.push_back(
            {row.trial, e * slots + schedule.slot_of(sample), 1, 1, 0, 0x40000000});
      }
    }
  }
  return made;
}

Summary summary_of(const Shared& campaign) {
  return value_or_throw(summarise(campaign.trials, campaign.faults, IntervalMethod::wilson, 0.95));
}

}  // namespace

TEST_CASE("the overall table is counted by hand", "[results]") {
  const Summary summary = tiny_summary();
  REQUIRE(counts_of(summary.tables[0].overall) == Counts{{"golden_top1", 8, 10},
                                                         {"golden_top5", 9, 10},
                                                         {"faulty_top1", 5, 10},
                                                         {"faulty_top5", 6, 10},
                                                         {"due", 2, 10},
                                                         {"masked", 5, 10},
                                                         {"benign", 2, 10},
                                                         {"sde", 1, 10},
                                                         {"sdc5", 1, 10},
                                                         {"sdc10", 2, 10},
                                                         {"sdc20", 1, 10}});
  REQUIRE(summary.trials == 10);
  REQUIRE(summary.failed == 1);
  REQUIRE(summary.samples == 11);
  REQUIRE(summary.skipped == 1);
  REQUIRE(summary.injections == 10);
  REQUIRE(summary.unreached == 1);
}

TEST_CASE("the breakdowns are counted by hand", "[results]") {
  const Summary summary = tiny_summary();
  REQUIRE(summary.tables[0].sites.size() == 3);
  REQUIRE(summary.tables[0].sites[0].name == "conv1");
  REQUIRE(counts_of(summary.tables[0].sites[0].rates) == outcome_counts(4, {2, 1, 0, 1, 1, 1, 1}));
  REQUIRE(counts_of(summary.tables[0].sites[1].rates) == outcome_counts(6, {0, 4, 2, 0, 0, 1, 0}));
  REQUIRE(summary.tables[0].sites[2].name == "fc#1");
  REQUIRE(counts_of(summary.tables[0].sites[2].rates) == outcome_counts(0, {0, 0, 0, 0, 0, 0, 0}));

  REQUIRE(summary.tables[0].bit_fields[0].name == "sign");
  REQUIRE(counts_of(summary.tables[0].bit_fields[0].rates) ==
          outcome_counts(2, {0, 2, 0, 0, 0, 0, 0}));
  REQUIRE(summary.tables[0].bit_fields[1].name == "exponent");
  REQUIRE(counts_of(summary.tables[0].bit_fields[1].rates) ==
          outcome_counts(4, {2, 0, 1, 1, 1, 2, 1}));
  REQUIRE(summary.tables[0].bit_fields[2].name == "mantissa");
  REQUIRE(counts_of(summary.tables[0].bit_fields[2].rates) ==
          outcome_counts(4, {0, 3, 1, 0, 0, 0, 0}));

  REQUIRE(summary.tables[0].bits.size() == 32);
  REQUIRE(counts_of(summary.tables[0].bits[30].rates) == outcome_counts(3, {2, 0, 0, 1, 1, 1, 1}));
  REQUIRE(counts_of(summary.tables[0].bits[0].rates) == outcome_counts(3, {0, 2, 1, 0, 0, 0, 0}));
  REQUIRE(counts_of(summary.tables[0].bits[1].rates) == outcome_counts(0, {0, 0, 0, 0, 0, 0, 0}));
}

TEST_CASE("PyTorchALFI's figures are counted by hand", "[results]") {
  REQUIRE(
      counts_of(tiny_summary().tables[0].pytorchalfi) ==
      Counts{{"acc_orig", 8, 10}, {"acc_corr", 5, 10}, {"due_rate", 2, 10}, {"sdc_rate", 1, 6}});
}

TEST_CASE("without monitored module outputs there are no PyTorchALFI figures", "[results]") {
  Trials all = tiny_trials();
  for (Point& point : all.campaign.points) {
    if (point.kind == "module_output") point.kind = "site_output";
  }
  const auto summary = summarise(all, tiny_faults(), IntervalMethod::wilson, 0.95);
  REQUIRE(summary.ok());
  REQUIRE(summary->tables[0].pytorchalfi.empty());
  REQUIRE_THAT(summary_text(*summary), Catch::Contains("they need monitor: all"));
}

TEST_CASE("a group counts once in each site, bit and field it touches", "[results]") {
  Trials all = tiny_trials();
  faultgen::FaultSet faults = tiny_faults();
  all.trials[0].n_faults = faults.groups[0].n_faults = 3;  // faults 0, 1, 2: conv1; bits 31, 30, 30
  all.injections.insert(all.injections.begin() + 1, {{0, 1, 1, 1, 0, 1}, {0, 2, 1, 1, 0, 1}});
  faults.faults[2].bit_mask = 0x40000001;
  faults.faults[2].site = 1;
  const auto before = tiny_summary();
  const auto summary = summarise(all, faults, IntervalMethod::wilson, 0.95);
  REQUIRE(summary);
  REQUIRE(summary->tables[0].overall[4].n == 10);
  REQUIRE(summary->tables[0].sites[0].rates[0].n ==
          3);  // trial 2 moved to conv2, trial 0 is still here once
  REQUIRE(summary->tables[0].sites[1].rates[0].n == 8);  // trials 0 and 2 joined
  REQUIRE(summary->tables[0].bits[31].rates[0].n == 2);
  REQUIRE(summary->tables[0].bits[30].rates[0].n == 4);
  REQUIRE(summary->tables[0].bits[0].rates[0].n == 5);
  REQUIRE(summary->tables[0].bit_fields[1].rates[0].n ==
          before.tables[0].bit_fields[1].rates[0].n + 1);
}

TEST_CASE("trials of one sample are taken together wherever they stand", "[results]") {
  // Two passes over the same samples: trials 11 to 21 repeat trials 0 to 10.
  Trials all = tiny_trials();
  faultgen::FaultSet faults = tiny_faults();
  const Trials first = all;
  for (TrialRow row : first.trials) {
    row.trial += 11, row.group += 11, row.first_fault += 11;
    row.epoch = 1;
    all.trials.push_back(row);
  }
  for (InjectionRow row : first.injections) {
    row.trial += 11, row.fault += 11;
    all.injections.push_back(row);
  }
  const faultgen::FaultSet once = faults;
  for (faultgen::FaultGroup group : once.groups) {
    group.epoch = 1, group.first_fault += 11;
    faults.groups.push_back(group);
  }
  faults.faults.append(once.faults);
  faults.sampling_weight.assign(faults.faults.size(), 1.0);
  const auto summary = summarise(all, faults, IntervalMethod::wilson, 0.95);
  REQUIRE(summary);
  const Rate& golden = summary->tables[0].overall[0];
  REQUIRE((golden.k == 8 && golden.n == 10 && golden.method == "wilson 95 %"));
  const Rate& sde = summary->tables[0].overall[7];
  REQUIRE((sde.k == 2 && sde.n == 20));
  REQUIRE(sde.method == "wilson 95 %, clustered by sample (10 samples)");
  REQUIRE(summary->tables[0].sites[0].rates[3].method ==
          "none: too few samples for an interval (4 samples)");
}

TEST_CASE("accuracies are left out without labels", "[results]") {
  Trials all = tiny_trials();
  for (GoldenRow& row : all.golden) row.label = kNoLabel;
  const auto summary = summarise(all, tiny_faults(), IntervalMethod::wilson, 0.95);
  REQUIRE(summary);
  REQUIRE(summary->tables[0].overall[0].metric == "due");
  REQUIRE(counts_of(summary->tables[0].pytorchalfi) == Counts{{"due_rate", 2, 10}});
}

TEST_CASE("a summary needs the fault set of its trials", "[results]") {
  faultgen::FaultSet other = tiny_faults();
  other.groups.pop_back();
  REQUIRE_FALSE(summarise(tiny_trials(), other, IntervalMethod::wilson, 0.95));
}

TEST_CASE("the files of a summary agree with each other and with the tables", "[results]") {
  const TempDirectory scratch;
  const Summary summary = tiny_summary();
  write_summary(scratch / "", summary);
  const auto json = nlohmann::json::parse(read_bytes(scratch / "summary.json"));
  REQUIRE(json.at("schema_version") == 5);
  REQUIRE(json.at("skipped_samples") == 1);
  REQUIRE(json.at("unreached_injections") == 1);
  const auto check = [&](const std::string& file, const std::vector<Rate>& rates,
                         const nlohmann::json& object) {
    std::istringstream csv(read_bytes(scratch / file));
    std::string line;
    std::getline(csv, line);
    REQUIRE(
        line ==
        "variant,perturbation,metric,k,n,rate,low,high,unit,interval,groups,group_low,group_high");
    for (const Rate& rate : rates) {
      std::getline(csv, line);
      REQUIRE(line == csv_record({"original", "clean", rate.metric, std::to_string(rate.k),
                                  std::to_string(rate.n), shortest(*rate.value()),
                                  shortest(rate.interval->low), shortest(rate.interval->high),
                                  rate.unit, rate.method, "", "", ""}));
      const auto& entry = object.at(rate.metric);
      REQUIRE(entry.at("k") == rate.k);
      REQUIRE(entry.at("n") == rate.n);
      REQUIRE(entry.at("rate").get<double>() == *rate.value());
      REQUIRE(entry.at("low").get<double>() == rate.interval->low);
      REQUIRE(entry.at("high").get<double>() == rate.interval->high);
      REQUIRE(entry.at("unit") == rate.unit);
      REQUIRE(entry.at("interval") == rate.method);
    }
    REQUIRE_FALSE(std::getline(csv, line));
  };
  check("kpi/overall.csv", summary.tables[0].overall, json.at("conditions").at(0).at("overall"));
  check("kpi/pytorchalfi.csv", summary.tables[0].pytorchalfi,
        json.at("conditions").at(0).at("pytorchalfi_compatible"));
  REQUIRE(json.at("conditions").at(0).at("bit_fields").at("exponent").at("sde").at("k") == 1);
}

TEST_CASE("how far faults spread is counted by hand", "[results]") {
  const TempDirectory scratch;
  const Summary summary = tiny_summary();
  write_summary(scratch / "", summary);
  REQUIRE(summary.propagation.size() == 2);  // conv1 is no module's output
  // At the output trial 1 has NaN or Inf, trial 2 deviates by 0.25, trial 8 by 0.125.
  const PointSpread& at = summary.propagation[1];
  REQUIRE(at.point == "output");
  REQUIRE((at.differs.k == 3 && at.differs.n == 10 && at.nonfinite == 1));
  REQUIRE(at.differs.interval->high == metrics::interval(IntervalMethod::wilson, 3, 10, 0.95).high);
  REQUIRE(at.median_l2 == 0.125);  // at least half of two values do not exceed the lower one
  REQUIRE(at.q95_l2 == 0.25);
  REQUIRE(at.largest_l2 == 0.25);
  REQUIRE(at.largest_abs == 4.0);
  REQUIRE_FALSE(summary.propagation[0].median_l2);
  REQUIRE_THAT(read_bytes(scratch / "kpi/propagation.csv"),
               Catch::StartsWith("variant,perturbation,point,nonfinite_trials,rel_l2_median,"
                                 "rel_l2_q95,rel_l2_largest,max_abs_largest,metric,k,n,") &&
                   Catch::Contains("\noriginal,clean,relu,1,,,,,differs,1,10,0.1,") &&
                   Catch::Contains("\noriginal,clean,output,1,0.125,0.25,0.25,4,differs,3,10,"));
  const auto json = nlohmann::json::parse(read_bytes(scratch / "summary.json"));
  REQUIRE(json.at("propagation").at(1).at("rates").at("differs").at("k") == 3);
  REQUIRE(json.at("propagation").at(0).at("rel_l2_median").is_null());
}

TEST_CASE("breakdown files list every site, bit and field, empty ones too", "[results]") {
  const TempDirectory scratch;
  write_summary(scratch / "", tiny_summary());
  const auto lines = [&](const std::string& name) {
    const std::string text = read_bytes(scratch / name);
    return std::count(text.begin(), text.end(), '\n');
  };
  REQUIRE(lines("kpi/site.csv") == 1 + 3 * 7);
  REQUIRE(lines("kpi/bit.csv") == 1 + 32 * 7);
  REQUIRE(lines("kpi/bit_field.csv") == 1 + 3 * 7);
  const std::string sites = read_bytes(scratch / "kpi/site.csv");
  REQUIRE_THAT(sites,
               Catch::StartsWith("variant,perturbation,site,metric,k,n,rate,low,high,unit,interval,"
                                 "groups,group_low,group_high\n"));
  REQUIRE_THAT(sites, Catch::Contains("\noriginal,clean,conv1,due,2,4,0.5,"));
  REQUIRE_THAT(sites, Catch::Contains("\noriginal,clean,fc#1,sde,0,0,,,,trial,,,,\n"));
  REQUIRE_THAT(read_bytes(scratch / "kpi/bit.csv"),
               Catch::Contains("\noriginal,clean,30,due,2,3,0.66666"));
  REQUIRE_THAT(read_bytes(scratch / "kpi/bit_field.csv"),
               Catch::StartsWith("variant,perturbation,field,metric,"));
}

TEST_CASE("the console text of a tiny campaign is pinned", "[results][golden]") {
  const std::string expected =
      R"(10 trials (1 failed) on 10 of 11 samples (1 skipped: see skipped.csv)
10 injections: 9 changed bits, 0 found them so already, 1 not reached by control flow
faults: bit_flip in neurons, 1 per inference, drawn uniformly over all elements

metric         rate   k / n   95 % interval    unit
---------------------------------------------------
golden_top1  80.0 %  8 / 10  [49.0, 94.3] %  sample
golden_top5  90.0 %  9 / 10  [59.6, 98.2] %  sample
faulty_top1  50.0 %  5 / 10  [23.7, 76.3] %   trial
faulty_top5  60.0 %  6 / 10  [31.3, 83.2] %   trial
due          20.0 %  2 / 10   [5.7, 51.0] %   trial
masked       50.0 %  5 / 10  [23.7, 76.3] %   trial
benign       20.0 %  2 / 10   [5.7, 51.0] %   trial
sde          10.0 %  1 / 10   [1.8, 40.4] %   trial
sdc5         10.0 %  1 / 10   [1.8, 40.4] %   trial
sdc10        20.0 %  2 / 10   [5.7, 51.0] %   trial
sdc20        10.0 %  1 / 10   [1.8, 40.4] %   trial
interval per sample: wilson 95 %
interval per trial: wilson 95 %
due is detected only where something looks for NaN and Inf

Outcome by bit field
bit field  trials     due  masked  benign     sde  sde, 95 % interval
---------------------------------------------------------------------
sign            2     0 %   100 %     0 %     0 %         [0, 65.8] %
exponent        4  50.0 %     0 %  25.0 %  25.0 %       [4.6, 69.9] %
mantissa        4     0 %  75.0 %  25.0 %     0 %         [0, 49.0] %

Outcome by site
site   trials     due  masked  benign     sde  sde, 95 % interval
-----------------------------------------------------------------
conv1       4  50.0 %  25.0 %     0 %  25.0 %       [4.6, 69.9] %
conv2       6     0 %  66.7 %  33.3 %     0 %         [0, 39.0] %

How far faults spread: trials in which a module's output differs from the golden run
point   differs   k / n   95 % interval  NaN, Inf  L2 median  95 %  largest
---------------------------------------------------------------------------
relu     10.0 %  1 / 10   [1.8, 40.4] %         1          -     -        -
output   30.0 %  3 / 10  [10.8, 60.3] %         1      0.125  0.25     0.25
L2: norm of faulty - golden over that of golden, of trials without NaN or Inf there

PyTorchALFI-compatible figures (their denominators differ; they do not add to 100 %)
metric      rate   k / n   95 % interval   unit
-----------------------------------------------
acc_orig  80.0 %  8 / 10  [49.0, 94.3] %  trial
acc_corr  50.0 %  5 / 10  [23.7, 76.3] %  trial
due_rate  20.0 %  2 / 10   [5.7, 51.0] %  trial
sdc_rate  16.7 %   1 / 6   [3.0, 56.4] %  trial
interval per trial: wilson 95 %
)";
  REQUIRE(summary_text(tiny_summary()) == expected);
}

TEST_CASE("small rates keep their digits on the console", "[results]") {
  Summary summary = tiny_summary();
  const auto shown = [&](std::uint64_t k, std::uint64_t n) {
    Rate& sde = summary.tables[0].overall[7];
    sde.k = k;
    sde.n = n;
    sde.interval = metrics::interval(IntervalMethod::wilson, k, n, 0.95);
    const std::string text = summary_text(summary);
    const std::size_t start = text.find("\nsde ") + 1;
    return text.substr(start, text.find('\n', start) - start);
  };
  // Wilson's ends: 0.0055 % and 0.0729 %; 99.9434 % and 99.9982 %; 0.00000018 % and 0.0000057 %.
  REQUIRE_THAT(shown(2, 10'000), Catch::Contains("0.020 %") && Catch::Contains("[0.005, 0.073] %"));
  REQUIRE_THAT(shown(9'999, 10'000), Catch::Contains("99.990 %"));
  REQUIRE_THAT(shown(1, 100'000'000), Catch::Contains("0.0000010 %"));
  REQUIRE_THAT(shown(0, 10'000), Catch::Contains(" 0 %") && Catch::Contains("[0, 0.038] %"));
}

TEST_CASE("the console text is at most 100 columns wide", "[results]") {
  Trials all = tiny_trials();
  faultgen::FaultSet faults = tiny_faults();
  faults.sites[2].path = "encoder.layers.encoder_layer_11.self_attention.out_projection";
  all.campaign.sites[2].name = faultgen::site_name(faults.sites[2]);
  Summary summary = value_or_throw(summarise(all, faults, IntervalMethod::wilson, 0.95));
  for (auto* table : {&summary.tables[0].overall, &summary.tables[0].pytorchalfi,
                      &summary.tables[0].sites[2].rates}) {
    for (Rate& rate : *table) {
      rate.k = 1;
      rate.n = 10'000'000;
      rate.interval = metrics::interval(IntervalMethod::wilson, 1, rate.n, 0.95);
      rate.method = "clopper_pearson 99.99 %, clustered by sample (10000000 samples)";
    }
  }
  std::istringstream lines(summary_text(summary));
  for (std::string line; std::getline(lines, line);) {
    const auto columns =
        std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
    CAPTURE(line);
    REQUIRE(columns <= 100);
  }
}

TEST_CASE("shared faults show their groups in every file", "[results]") {
  const TempDirectory scratch;
  // 15 batches of 2 samples in one pass: one group of 15 is all sde.
  const Summary summary = summary_of(shared_campaign({faultgen::Policy::per_batch, 2}, 1));
  REQUIRE(summary.options.clustering == metrics::Clustering::two_way);
  REQUIRE_THAT(summary.faults, Catch::EndsWith(", the same for 2 consecutive samples"));
  const Rate& sde = summary.tables[0].overall[3];
  REQUIRE(counts_of({sde}) == Counts{{"sde", 2, 30}});
  REQUIRE(sde.method == "wilson 95 %, clustered by fault (15 groups)");
  REQUIRE(sde.groups == 15);
  write_summary(scratch / "", summary);
  REQUIRE_THAT(read_bytes(scratch / "kpi/overall.csv"),
               Catch::Contains("\noriginal,clean,sde,2,30,0.06666666666666667,") &&
                   Catch::Contains(",\"wilson 95 %, clustered by fault (15 groups)\",15,0,1\n"));
  const auto json = nlohmann::json::parse(read_bytes(scratch / "summary.json"));
  const auto& entry = json.at("conditions").at(0).at("overall").at("sde");
  REQUIRE(entry.at("groups") == 15);
  REQUIRE(entry.at("group_low") == 0);
  REQUIRE(entry.at("group_high") == 1);
  REQUIRE_FALSE(std::filesystem::exists(scratch / "kpi/epoch.csv"));
}

TEST_CASE("few shared faults show a range and no interval", "[results]") {
  const TempDirectory scratch;
  // Batches of 15: 2 groups in each of 2 epochs, of which one is all sde.
  const Summary summary = summary_of(shared_campaign({faultgen::Policy::per_batch, 15}, 2));
  const std::string text = summary_text(summary);
  REQUIRE_THAT(text, Catch::Contains("15 / 60") && Catch::Contains("range [0, 100] %"));
  REQUIRE_THAT(
      text, Catch::Contains("interval per trial: none: too few faults for an interval (4 groups)"));
  write_summary(scratch / "", summary);
  REQUIRE_THAT(
      read_bytes(scratch / "kpi/overall.csv"),
      Catch::Contains(
          "\noriginal,clean,sde,15,60,0.25,,,trial,none: too few faults for an interval (4 groups),"
          "4,0,1\n"));
  const auto json = nlohmann::json::parse(read_bytes(scratch / "summary.json"));
  REQUIRE(json.at("conditions").at(0).at("overall").at("sde").at("low").is_null());
  REQUIRE(json.at("conditions").at(0).at("overall").at("sde").at("group_high") == 1);
}

TEST_CASE("a permanent fault that is alone has neither interval nor range", "[results]") {
  const Summary summary = summary_of(shared_campaign({faultgen::Policy::per_epoch, 1}, 1));
  REQUIRE_THAT(summary.faults, Catch::EndsWith(", the same for all samples of an epoch"));
  REQUIRE_FALSE(summary.tables[0].overall[3].interval);
  const std::string text = summary_text(summary);
  REQUIRE_THAT(text, !Catch::Contains("range ["));
  REQUIRE_THAT(text, Catch::Contains("too few faults for an interval (1 group)"));
}

TEST_CASE("accumulated faults are clustered by slot and shown by epoch", "[results]") {
  const TempDirectory scratch;
  const Summary summary = summary_of(
      shared_campaign({faultgen::Policy::per_batch, 2}, 3, faultgen::RunType::accumulate));
  REQUIRE(summary.options.clustering == metrics::Clustering::by_fault);
  REQUIRE_THAT(summary.faults, Catch::Contains("accumulating up to 3 per inference"));
  REQUIRE(summary.injections == 30 * (1 + 2 + 3));
  // 45 groups, but those of a slot share faults: 15 clusters of 6 trials, one with 2 hits.
  REQUIRE(counts_of({summary.tables[0].overall[3]}) == Counts{{"sde", 2, 90}});
  REQUIRE(summary.tables[0].overall[3].method == "wilson 95 %, clustered by fault (15 groups)");
  REQUIRE(summary.tables[0].overall[3].group_range->high == Approx(1 / 3.0));
  REQUIRE(summary.tables[0].epochs.size() == 3);
  REQUIRE(counts_of(summary.tables[0].epochs[0].rates) ==
          outcome_counts(30, {0, 28, 0, 2, 0, 0, 0}));
  REQUIRE(counts_of(summary.tables[0].epochs[2].rates) ==
          outcome_counts(30, {0, 30, 0, 0, 0, 0, 0}));
  write_summary(scratch / "", summary);
  const std::string csv = read_bytes(scratch / "kpi/epoch.csv");
  REQUIRE_THAT(csv, Catch::StartsWith(
                        "variant,perturbation,epoch,metric,k,n,rate,low,high,unit,interval,groups,"
                        "group_low,group_high\noriginal,clean,0,due,0,30,0,0,"));
  REQUIRE_THAT(csv, Catch::Contains("\noriginal,clean,2,sde,0,30,0,0,"));
  REQUIRE(std::count(csv.begin(), csv.end(), '\n') == 1 + 3 * 7);
  REQUIRE_THAT(summary_text(summary),
               Catch::Contains("Outcome by epoch, faults of the epochs before included\n"));
}

TEST_CASE("accumulated faults of single samples are clustered by sample", "[results]") {
  const Summary summary = summary_of(shared_campaign({}, 3, faultgen::RunType::accumulate));
  REQUIRE(summary.tables[0].overall[3].method == "wilson 95 %, clustered by sample (30 samples)");
  REQUIRE_FALSE(summary.tables[0].overall[3].groups);
}

namespace {

/// The tiny campaign clean and under fog/3, where samples 5 and 6 are sde, sample 2 is masked and
/// sample 8 is skipped.
Trials joint_trials() {
  Trials all = tiny_trials();
  all.campaign.perturbations = {"clean", "fog/3"};
  const Trials clean = all;
  for (GoldenRow row : clean.golden) {
    row.perturbation = 1;
    if (row.sample == 8) row.skipped = 1;
    all.golden.push_back(row);
  }
  for (TrialRow row : clean.trials) {
    if (row.sample == 8) continue;
    row.trial += 11;
    row.perturbation = 1;
    if (row.sample == 5 || row.sample == 6) row.outcome = 3, row.faulty_top1 = 0;
    if (row.sample == 2) row.outcome = 1, row.faulty_top1 = 2;
    all.trials.push_back(row);
  }
  for (InjectionRow row : clean.injections) {
    if (row.trial == 8) continue;
    row.trial += 11;
    all.injections.push_back(row);
  }
  for (MonitorRow row : clean.observed.monitors) {
    row.trial += 11;
    all.observed.monitors.push_back(row);
  }
  return all;
}

}  // namespace

TEST_CASE("tables are per perturbation, and what one adds to faults is counted by hand",
          "[results]") {
  REQUIRE(check_trials(joint_trials(), ""));
  const Summary summary =
      value_or_throw(summarise(joint_trials(), tiny_faults(), IntervalMethod::wilson, 0.95,
                               {.perturbations = {std::nullopt, Corruption{"fog", 3}}}));
  REQUIRE(summary.trials == 19);
  REQUIRE(summary.samples == 11);
  REQUIRE(summary.skipped == 3);
  REQUIRE(summary.tables.size() == 2);
  REQUIRE(counts_of(summary.tables[0].overall) == counts_of(tiny_summary().tables[0].overall));
  REQUIRE(counts_of(summary.tables[0].sites[1].rates) ==
          counts_of(tiny_summary().tables[0].sites[1].rates));
  REQUIRE_FALSE(summary.tables[0].interaction);
  const Tables& fog = summary.tables[1];
  REQUIRE(fog.perturbation == "fog/3");
  REQUIRE(fog.trials == 9);
  const Counts overall = counts_of(fog.overall);
  REQUIRE(overall[0] == std::tuple("golden_top1", 8, 9));
  REQUIRE(overall[2] == std::tuple("faulty_top1", 4, 9));  // of samples 0, 2, 4 and 7
  REQUIRE(overall[7] == std::tuple("sde", 2, 9));
  REQUIRE(counts_of(fog.sites[1].rates)[3] == std::tuple("sde", 2, 5));
  REQUIRE(fog.interaction);
  REQUIRE(fog.interaction->pairs == metrics::Pairs{0, 2, 1, 6});
  REQUIRE(fog.interaction->unpaired == 1);
  REQUIRE(fog.interaction->method == "newcombe 95 %");
  const metrics::Interval expected = metrics::paired_interval({0, 2, 1, 6}, 0.95);
  REQUIRE(fog.interaction->interval->low == expected.low);

  const TempDirectory scratch;
  write_summary(scratch / "", summary);
  const std::string csv = read_bytes(scratch / "kpi/perturbations.csv");
  REQUIRE_THAT(csv,
               Catch::Contains("\noriginal,fog/3,sde,2,9,") &&
                   Catch::Contains("\noriginal,fog/3,sde_minus_clean,1,9,0.1111111111111111,-0.") &&
                   Catch::Contains(",pair,newcombe 95 %,2,1,1\n"));
  REQUIRE_THAT(csv, !Catch::Contains("clean,sde_minus_clean"));
  REQUIRE_THAT(read_bytes(scratch / "kpi/overall.csv"),
               Catch::Contains("\noriginal,clean,sde,1,10,") &&
                   Catch::Contains("\noriginal,fog/3,sde,2,9,"));
  // Of 9 golden answers 1 is wrong, of 9 faulty ones 5.
  REQUIRE(read_bytes(scratch / "kpi/corruption_error.csv") ==
          "variant,corruption,severity,golden_error,faulty_error,golden_relative,"
          "faulty_relative\n"
          "original,fog,3,0.1111111111111111,0.5555555555555556,,\n"
          "original,fog,mean,0.1111111111111111,0.5555555555555556,,\n"
          "original,mean,mean,0.1111111111111111,0.5555555555555556,,\n");
  const auto json = nlohmann::json::parse(read_bytes(scratch / "summary.json"));
  REQUIRE(json.at("conditions").at(1).at("perturbation") == "fog/3");
  REQUIRE(json.at("conditions").at(1).at("sde_minus_clean").at("first_only") == 2);
  const std::string text = summary_text(summary);
  REQUIRE_THAT(text, Catch::Contains("11 samples under 2 perturbations (3 of 22 pairs skipped"));
  REQUIRE_THAT(text, Catch::Contains("\nUnder the first perturbation, clean\n"));
  REQUIRE_THAT(text, Catch::Contains("\n- clean leaves out 1 trial whose sample is skipped"));
}
