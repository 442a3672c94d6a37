#include "metrics/kpi.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace bitquake::metrics;

namespace {

const Rate& find(const std::vector<Rate>& rates, const std::string& metric) {
  const auto at =
      std::find_if(rates.begin(), rates.end(), [&](const Rate& r) { return r.metric == metric; });
  REQUIRE(at != rates.end());
  return *at;
}

std::vector<std::string> metrics_of(const std::vector<Rate>& rates) {
  std::vector<std::string> names;
  for (const Rate& rate : rates) names.push_back(rate.metric);
  return names;
}

TrialFacts labelled(std::uint64_t sample) {
  TrialFacts facts;
  facts.sample = sample;
  facts.labelled = true;
  return facts;
}

}  // namespace

TEST_CASE("outcome shares are counted by hand", "[metrics]") {
  OutcomeCounts counts;
  for (std::uint64_t sample = 0; sample < 10; ++sample) {
    TrialFacts facts;
    facts.sample = sample;
    facts.outcome = sample < 2   ? Outcome::due
                    : sample < 7 ? Outcome::masked
                    : sample < 9 ? Outcome::benign
                                 : Outcome::sde;
    facts.sdc10 = sample >= 8;
    facts.sdc20 = facts.sdc5 = sample == 9;
    counts.add(facts);
  }
  const auto rates = counts.rates({.classes = 10});
  REQUIRE(metrics_of(rates) ==
          std::vector<std::string>{"due", "masked", "benign", "sde", "sdc5", "sdc10", "sdc20"});
  const std::vector<std::uint64_t> k{2, 5, 2, 1, 1, 2, 1};
  for (std::size_t i = 0; i < k.size(); ++i) {
    REQUIRE(rates[i].k == k[i]);
    REQUIRE(rates[i].n == 10);
    REQUIRE(rates[i].unit == "trial");
    REQUIRE(rates[i].method == "wilson 95 %");
  }
  REQUIRE(*rates[3].value() == 0.1);
  REQUIRE(rates[3].interval->low == Approx(.0178762131));
  REQUIRE(rates[3].interval->high == Approx(.4041500268));
}

TEST_CASE("top-5 figures are left out with five classes", "[metrics]") {
  OutcomeCounts outcomes;
  outcomes.add(labelled(0));
  AccuracyCounts accuracies;
  accuracies.add(labelled(0));
  REQUIRE(metrics_of(outcomes.rates({.classes = 5})) ==
          std::vector<std::string>{"due", "masked", "benign", "sde", "sdc10", "sdc20"});
  REQUIRE(metrics_of(accuracies.rates({.classes = 5})) ==
          std::vector<std::string>{"golden_top1", "faulty_top1"});
  REQUIRE(metrics_of(accuracies.rates({.classes = 6})) ==
          std::vector<std::string>{"golden_top1", "golden_top5", "faulty_top1", "faulty_top5"});
}

TEST_CASE("a rate without trials has neither value nor interval", "[metrics]") {
  const auto rates = OutcomeCounts().rates({.classes = 10});
  for (const Rate& rate : rates) {
    REQUIRE(rate.n == 0);
    REQUIRE_FALSE(rate.value());
    REQUIRE_FALSE(rate.interval);
    REQUIRE(rate.method.empty());
  }
}

TEST_CASE("a sample with several trials makes the interval clustered", "[metrics]") {
  OutcomeCounts counts;
  ClusterSums expected;
  for (std::uint64_t sample = 0; sample < 20; ++sample) {
    for (int epoch = 0; epoch < 3; ++epoch) {
      TrialFacts facts;
      facts.sample = sample;
      facts.outcome = sample % 4 == 0 ? Outcome::sde : Outcome::masked;
      counts.add(facts);
    }
    expected.add(sample % 4 == 0 ? 3 : 0, 3);
  }
  const auto rates = counts.rates({.confidence = 0.99, .classes = 10});
  const Rate& sde = find(rates, "sde");
  REQUIRE(sde.k == 15);
  REQUIRE(sde.n == 60);
  REQUIRE(sde.method == "wilson 99 %, clustered by sample (20 samples)");
  const auto interval = clustered_interval(IntervalMethod::wilson, expected, 0.99);
  REQUIRE(sde.interval->low == interval->low);
  REQUIRE(sde.interval->high == interval->high);
}

TEST_CASE("too few clusters leave the interval out and say so", "[metrics]") {
  OutcomeCounts counts;
  for (std::uint64_t sample = 0; sample < 3; ++sample) {
    counts.add(labelled(sample));
    counts.add(labelled(sample));
  }
  const auto rates = counts.rates({.classes = 10});
  REQUIRE(find(rates, "masked").k == 6);
  REQUIRE_FALSE(find(rates, "masked").interval);
  REQUIRE(find(rates, "masked").method == "none: too few samples for an interval (3 samples)");
}

TEST_CASE("golden accuracy counts samples, faulty accuracy trials", "[metrics]") {
  AccuracyCounts counts;
  for (std::uint64_t sample = 0; sample < 4; ++sample) {
    for (int epoch = 0; epoch < 2; ++epoch) {
      TrialFacts facts = labelled(sample);
      facts.golden_top1_correct = sample < 3;
      facts.golden_top5_correct = true;
      facts.faulty_top1_correct = sample == 0 && epoch == 1;
      facts.faulty_top5_correct = sample == 0;
      if (facts.faulty_top1_correct) facts.outcome = Outcome::due;  // due trials count too
      counts.add(facts);
    }
  }
  const auto rates = counts.rates({.classes = 10});
  REQUIRE(find(rates, "golden_top1").k == 3);
  REQUIRE(find(rates, "golden_top1").n == 4);
  REQUIRE(find(rates, "golden_top1").unit == "sample");
  REQUIRE(find(rates, "golden_top1").method == "wilson 95 %");
  REQUIRE(find(rates, "golden_top5").k == 4);
  REQUIRE(find(rates, "faulty_top1").k == 1);
  REQUIRE(find(rates, "faulty_top1").n == 8);
  REQUIRE(find(rates, "faulty_top1").unit == "trial");
  REQUIRE(find(rates, "faulty_top5").k == 2);
}

TEST_CASE("samples without a label are outside every accuracy", "[metrics]") {
  AccuracyCounts counts;
  counts.add(TrialFacts{});
  REQUIRE(counts.rates({.classes = 10}).empty());
  counts.add(labelled(1));
  REQUIRE(find(counts.rates({.classes = 10}), "faulty_top1").n == 1);
}

TEST_CASE("PyTorchALFI's figures have their own denominators", "[metrics]") {
  PyTorchAlfiCounts counts;
  const auto add = [&](std::uint64_t sample, bool golden, bool faulty, bool changed,
                       bool nonfinite) {
    TrialFacts facts = labelled(sample);
    facts.golden_top1_correct = golden;
    facts.faulty_top1_correct = faulty;
    facts.top1_changed = changed;
    facts.any_nonfinite = nonfinite;
    counts.add(facts);
  };
  add(0, true, true, false, false);
  add(1, true, false, true, false);   // the only one that counts as SDC
  add(2, false, false, true, false);  // golden wrong: outside the SDC denominator
  add(3, true, false, true, true);    // DUE: outside too
  add(4, true, true, false, true);    // DUE though the decision is right
  add(5, true, true, false, false);
  const auto rates = counts.rates({.classes = 10});
  REQUIRE(metrics_of(rates) ==
          std::vector<std::string>{"acc_orig", "acc_corr", "due_rate", "sdc_rate"});
  const std::vector<std::pair<std::uint64_t, std::uint64_t>> expected{
      {5, 6}, {3, 6}, {2, 6}, {1, 3}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    REQUIRE(std::pair(rates[i].k, rates[i].n) == expected[i]);
  }
}

TEST_CASE("without labels PyTorchALFI's table has the DUE rate only", "[metrics]") {
  PyTorchAlfiCounts counts;
  counts.add(TrialFacts{});
  REQUIRE(metrics_of(counts.rates({.classes = 10})) == std::vector<std::string>{"due_rate"});
}

namespace {

/// Shares of a campaign of `samples` x `faults` trials in which a fault hits every `period`-th
/// sample, and none when it is odd.
std::vector<Rate> crossed_rates(std::uint64_t samples, std::uint64_t faults, std::uint64_t period,
                                Clustering clustering) {
  OutcomeCounts counts;
  const auto facts = [&](std::uint64_t sample, std::uint64_t fault) {
    TrialFacts trial;
    trial.sample = sample;
    trial.fault = fault;
    if (fault % 2 == 0 && sample % period == 0) trial.outcome = Outcome::sde;
    return trial;
  };
  for (std::uint64_t s = 0; s < samples; ++s) {
    for (std::uint64_t f = 0; f < faults; ++f) counts.add(facts(s, f), Shared::sample);
  }
  for (std::uint64_t f = 0; f < faults; ++f) {
    for (std::uint64_t s = 0; s < samples; ++s) counts.add(facts(s, f), Shared::fault);
  }
  return counts.rates({.classes = 10, .clustering = clustering});
}

}  // namespace

TEST_CASE("shared faults give groups, their range and an interval by fault", "[metrics]") {
  const auto rates = crossed_rates(20, 12, 4, Clustering::by_fault);
  const Rate& sde = find(rates, "sde");
  REQUIRE(sde.k == 6 * 5);
  REQUIRE(sde.n == 240);
  REQUIRE(sde.groups == 12);
  REQUIRE(sde.group_range->low == 0);
  REQUIRE(sde.group_range->high == 0.25);  // 5 of 20 samples
  REQUIRE(sde.method == "wilson 95 %, clustered by fault (12 groups)");
  ClusterSums by_fault;
  for (int fault = 0; fault < 12; ++fault) by_fault.add(fault % 2 == 0 ? 5 : 0, 20);
  const auto expected = clustered_interval(IntervalMethod::wilson, by_fault, 0.95);
  REQUIRE(sde.interval->low == expected->low);
  REQUIRE(sde.interval->high == expected->high);
  REQUIRE(find(rates, "due").method == "wilson 95 %, one trial per fault counted (12 groups)");
}

TEST_CASE("crossing samples and faults are both taken into account", "[metrics]") {
  const auto rates = crossed_rates(20, 12, 4, Clustering::two_way);
  REQUIRE(find(rates, "sde").method ==
          "wilson 95 %, clustered by sample and fault (20 samples, 12 groups)");
  REQUIRE(find(rates, "due").method ==
          "wilson 95 %, one trial per sample or fault counted (20 samples, 12 groups)");
}

TEST_CASE("under ten groups there is a range and no interval", "[metrics]") {
  const auto clustering = GENERATE(Clustering::by_fault, Clustering::two_way);
  const auto nine = crossed_rates(20, 9, 4, clustering);
  const Rate& sde = find(nine, "sde");
  REQUIRE(sde.method == "none: too few faults for an interval (9 groups)");
  REQUIRE_FALSE(sde.interval);
  REQUIRE(sde.groups == 9);
  REQUIRE(sde.group_range->high == 0.25);
  REQUIRE(find(crossed_rates(20, 1, 4, clustering), "sde").method ==
          "none: too few faults for an interval (1 group)");
  REQUIRE(find(crossed_rates(20, 10, 4, clustering), "sde").interval);
}

TEST_CASE("too few samples are too few when samples and faults cross", "[metrics]") {
  const auto rates = crossed_rates(9, 20, 4, Clustering::two_way);
  REQUIRE(find(rates, "sde").method == "none: too few samples for an interval (9 samples)");
  // One trial for each: faults are shared by nobody.
  REQUIRE(find(crossed_rates(1, 20, 1, Clustering::by_fault), "sde").method == "wilson 95 %");
}
