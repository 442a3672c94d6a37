#include "results/score_card.hpp"

#include "results/summary.hpp"
#include "tests/results/tiny_campaign.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <sstream>
#include <tuple>

using namespace bitquake;
using namespace bitquake::results;
using namespace bitquake::test;

namespace {

/// The tiny campaign and a guarded variant of it. Of the original sample 2 is an sde; make 5, 6 and
/// 8 some too. In the variant: 2 is masked with an alarm, 5 stays sde without one, 6 is an sde with
/// an alarm, 8 is due without an alarm, 9 becomes a new sde, 4 is masked with an alarm. Golden
/// runs: 0 and 1 raise a false alarm, 4 is wrong, 9 right.
Trials guarded_trials() {
  Trials all = tiny_trials();
  all.campaign.variants = {"original", "guarded"};
  all.campaign.guards = {{1, "conv1", "clamp"}, {1, "conv2", "clamp"}};
  for (TrialRow& row : all.trials) {
    if (row.sample == 5 || row.sample == 6 || row.sample == 8) row.outcome = 3;
  }
  const Trials original = all;
  for (GoldenRow row : original.golden) {
    row.variant = 1;
    if (row.sample < 2) row.alarms = 1, row.alarm = 0;
    if (row.sample == 4) row.top1 = 9;
    if (row.sample == 9) row.top1 = 9;
    all.golden.push_back(row);
  }
  const std::map<std::uint64_t, std::pair<std::uint8_t, std::uint8_t>> changed{
      {2, {1, 1}}, {4, {1, 1}}, {6, {3, 1}}, {8, {0, 0}}, {9, {3, 0}}};
  for (TrialRow row : original.trials) {
    row.trial += 11;
    row.variant = 1;
    if (const auto found = changed.find(row.sample); found != changed.end()) {
      std::tie(row.outcome, row.detected) = found->second;
      if (row.detected != 0) row.alarm = 1, row.alarms = 1;
      row.corrected = row.detected != 0 && row.outcome == 1;
    }
    all.trials.push_back(row);
    for (MonitorRow seen : original.monitors_of(original.trials[row.sample - (row.sample > 3)])) {
      seen.trial = row.trial;
      all.observed.monitors.push_back(seen);
    }
    if (row.alarms > 0) all.observed.monitors.push_back({row.trial, 1, 1});
  }
  for (InjectionRow row : original.injections) {
    row.trial += 11;
    all.injections.push_back(row);
  }
  return all;
}

}  // namespace

TEST_CASE("a score card is counted by hand", "[results]") {
  const Trials all = guarded_trials();
  REQUIRE(check_trials(all, ""));
  const Summary summary =
      value_or_throw(summarise(all, tiny_faults(), metrics::IntervalMethod::wilson, 0.95));
  REQUIRE(summary.tables.size() == 2);
  REQUIRE_FALSE(summary.tables[0].score);
  REQUIRE(summary.tables[0].overall.back().metric == "sdc20");
  REQUIRE(summary.tables[1].overall.back().metric == "residual_sde");
  REQUIRE(summary.tables[1].overall.back().k == 2);
  REQUIRE(summary.tables[1].score);
  const ScoreCard& card = *summary.tables[1].score;
  const auto counts = [&](const char* metric) {
    return std::pair(card.rate(metric).k, card.rate(metric).n);
  };
  using Counts = std::pair<std::uint64_t, std::uint64_t>;
  REQUIRE(counts("sde_original") == Counts{4, 10});  // 2, 5, 6, 8
  REQUIRE(counts("residual_sde") == Counts{2, 10});  // 5, 9
  REQUIRE(counts("new_sde") == Counts{1, 10});       // 9
  REQUIRE(counts("detected") == Counts{3, 10});      // 2, 4, 6
  REQUIRE(counts("coverage") == Counts{3, 4});       // 2, 6, 8
  REQUIRE(counts("corrected") == Counts{1, 4});      // 2
  REQUIRE(counts("sde_to_due") == Counts{2, 4});     // 6, 8
  REQUIRE(counts("false_alarm") == Counts{2, 10});   // 0, 1 of all but 3
  REQUIRE(counts("golden_top1_original") == Counts{8, 10});
  REQUIRE(counts("golden_top1") == Counts{8, 10});
  REQUIRE(card.golden == metrics::Pairs{7, 1, 1, 1});
  // 5 is in both, 9 in the variant only, 2, 6 and 8 in the original only.
  REQUIRE(card.difference.pairs == metrics::Pairs{1, 1, 3, 5});
  REQUIRE(card.difference.interval->high == metrics::paired_interval({1, 1, 3, 5}, 0.95).high);
  REQUIRE(card.test.exact == Approx(0.625));  // 2 (1 + 4) / 2^4
  REQUIRE(card.rate("coverage").interval->low ==
          metrics::interval(metrics::IntervalMethod::wilson, 3, 4, 0.95).low);
  REQUIRE(card.rate("false_alarm").unit == "sample");

  const auto files = summary_files(summary);
  const auto file = std::find_if(files.begin(), files.end(), [](const TextFile& candidate) {
    return candidate.name == "kpi/protection.csv";
  });
  REQUIRE(file != files.end());
  REQUIRE_THAT(file->text,
               Catch::Contains("\nguarded,clean,coverage,3,4,0.75,") &&
                   Catch::Contains("\nguarded,clean,residual_sde_minus_original,-2,10,-0.2,") &&
                   Catch::Contains(",1,3,0,0.625,") &&
                   Catch::Contains("\nguarded,clean,golden_top1_minus_original,0,10,0,"));
  // Sample 1 is due at the relu in both; guard 1 raises the alarms of 2, 4 and 6.
  const auto monitors = std::find_if(files.begin(), files.end(), [](const TextFile& candidate) {
    return candidate.name == "kpi/monitor.csv";
  });
  REQUIRE(monitors != files.end());
  REQUIRE_THAT(monitors->text,
               Catch::StartsWith("variant,perturbation,monitor,place,first_in_trials,"
                                 "first_in_golden_runs,metric,k,n,rate,low,high,unit,") &&
                   Catch::Contains("\noriginal,clean,nonfinite,relu,1,0,noticed,1,10,0.1,0.0") &&
                   Catch::Contains("\noriginal,clean,nonfinite,output,0,0,noticed,1,10,0.1,") &&
                   Catch::Contains("\nguarded,clean,nonfinite,relu,1,0,noticed,1,10,0.1,") &&
                   Catch::Contains("\nguarded,clean,clamp,conv1,0,2,noticed,0,10,0,0,0.2") &&
                   Catch::Contains("\nguarded,clean,clamp,conv2,3,0,noticed,3,10,0.3,") &&
                   Catch::Contains(",trial,wilson 95 %,"));
  REQUIRE(summary.monitors.back().noticed.interval->low ==
          metrics::interval(metrics::IntervalMethod::wilson, 3, 10, 0.95).low);
  REQUIRE_THAT(summary_text(summary), Catch::Contains("\nguarded") && Catch::Contains("0.6"));
}

TEST_CASE("long variants and perturbations stay apart on the console", "[results]") {
  Summary summary = value_or_throw(
      summarise(guarded_trials(), tiny_faults(), metrics::IntervalMethod::wilson, 0.95));
  summary.tables[1].variant = "exponent_thrice";
  summary.tables[1].perturbation = std::string(100, 'x') + "/3";
  REQUIRE_THAT(summary_text(summary),
               Catch::Contains("\nexponen…thrice, xx") && Catch::Contains("x/3 "));
}

TEST_CASE("the console has no p-value of trials that are not independent", "[results]") {
  Summary summary = value_or_throw(
      summarise(guarded_trials(), tiny_faults(), metrics::IntervalMethod::wilson, 0.95));
  REQUIRE(summary.tables[1].score->difference.independent);
  REQUIRE_THAT(summary_text(summary), Catch::Contains("]  0.6 "));
  summary.tables[1].score->difference.independent = false;
  REQUIRE_THAT(summary_text(summary), !Catch::Contains("]  0.6 ") && Catch::Contains("]  - "));
}

TEST_CASE("alarms refer to guards that are there", "[results]") {
  Trials all = guarded_trials();
  all.trials.back().alarm = 2;
  REQUIRE_THAT(check_trials(all, "").error().what, Catch::Contains("a guard that is not there"));
  all = guarded_trials();
  all.golden.back().alarm = 2;
  REQUIRE_THAT(check_trials(all, "").error().what, Catch::Contains("a guard that is not there"));
}

TEST_CASE("guards come back from trials.h5, and as words in trials.csv", "[results]") {
  const TempDirectory scratch;
  const Trials all = guarded_trials();
  write_trials(scratch / "trials.h5", all);
  REQUIRE(value_or_throw(read_trials(scratch / "trials.h5")).campaign == all.campaign);
}

TEST_CASE("rates are carried on to FIT by structure", "[results]") {
  // lambda: conv1 1000 * 1000 / 1e6 / 2 = 0.5, conv2 0.25 FIT. Dangerous: 1 of 4 and 3 of 6 trials;
  // residual: none of 4 and 2 of 6 (samples 5 and 9); covered: 1 of 1 and 2 of 3.
  using faultgen::Target;
  const FitInputs fit{
      1000, 0.5, {{0, Target::neuron, 1000}, {1, Target::neuron, 500}, {2, Target::neuron, 7}}};
  const Summary summary = value_or_throw(
      summarise(guarded_trials(), tiny_faults(), metrics::IntervalMethod::wilson, 0.95, {}, fit));
  REQUIRE(summary.safety.size() == 2);
  const SafetyTable& original = summary.safety[0];
  REQUIRE(original.report.total.lambda_fit == Approx(0.75));
  REQUIRE(original.report.total.dangerous_fit.value == Approx(0.5 / 4 + 0.25 / 2));
  REQUIRE(original.report.total.residual_fit.value == Approx(0.25));
  REQUIRE(original.bits_without_trials == 7);
  // No alarm and the same decision: of conv1 sample 0; of conv2 4, 7 and 9, guarded only 7.
  REQUIRE(original.report.total.lfm->value == Approx(1 - (0.5 / 4 + 0.25 * 3 / 6) / 0.5));
  const SafetyTable& guarded = summary.safety[1];
  REQUIRE(guarded.variant == "guarded");
  REQUIRE(guarded.structures.size() == 2);
  REQUIRE(guarded.report.structures[1].residual_fit.value == Approx(0.25 * 2 / 6));
  const metrics::SafetyFigures& total = guarded.report.total;
  REQUIRE(total.dangerous_fit.value == Approx(0.25));
  REQUIRE(total.residual_fit.value == Approx(0.25 / 3));
  REQUIRE(total.coverage->value == Approx((0.125 + 0.125 * 2 / 3) / 0.25));
  REQUIRE(total.spfm->value == Approx(1 - 0.25 / 3 / 0.75));
  REQUIRE(total.pmhf_per_hour.value == Approx(0.25 / 3 * 1e-9));
  REQUIRE(total.lfm->value == Approx(1 - (0.5 / 4 + 0.25 / 6) / (0.75 - 0.25 / 3)));

  for (const TextFile& file : summary_files(summary)) {
    if (file.name != "kpi/safety.csv") continue;
    REQUIRE_THAT(file.text,
                 Catch::Contains("\noriginal,clean,neurons,conv1,1000,lambda_fit,0.5,0.5,0.5,") &&
                     Catch::Contains("\nguarded,clean,,total,1500,dangerous_fit,0.25,"));
  }
  const std::string text = summary_text(summary);
  REQUIRE_THAT(text, Catch::Contains("Evidence for a safety analysis") &&
                         Catch::Contains("7 exposed bits are left out, as no fault"));
  REQUIRE(summary_json(summary).find("\"diagnostic_coverage\"") != std::string::npos);

  std::istringstream lines(text.substr(text.find("Evidence")));
  for (std::string line; std::getline(lines, line);) REQUIRE(line.size() <= 100);

  // One cluster of faults is too few for an interval: it could be anywhere.
  Trials shared = guarded_trials();
  for (TrialRow& row : shared.trials) row.group = 0;
  metrics::RateOptions clustered = summary.options;
  clustered.clustering = metrics::Clustering::two_way;
  const metrics::Figure vague =
      safety_tables(shared, tiny_faults(), fit, clustered)[0].report.structures[0].dangerous_fit;
  REQUIRE(vague.value == Approx(0.5 / 4));
  REQUIRE(vague.low == Approx(0).margin(1e-12));
  REQUIRE(vague.high == Approx(0.5));

  Summary few = summary;
  few.tables[1].variant = std::string(30, 'x');
  few.safety[1].missing = "no trials of weights of " + std::string(60, 'y');
  REQUIRE_THAT(summary_text(few), Catch::Contains("\n" + few.tables[1].variant + "  ") &&
                                      Catch::Contains("\n-: " + few.safety[1].missing + "\n"));
}
