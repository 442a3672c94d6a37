// Judging trials and counting them into rates.
#include "metrics/kpi.hpp"

#include <benchmark/benchmark.h>

#include <vector>

namespace {

using namespace bitquake::metrics;

constexpr std::uint64_t kTrials = 1'000'000;

/// Trials in the order of their samples, 4 % SDE, 1 % DUE, 80 % masked.
std::vector<TrialFacts> trials(std::uint64_t per_sample) {
  std::vector<TrialFacts> list(kTrials);
  for (std::uint64_t i = 0; i < kTrials; ++i) {
    const std::uint64_t mixed = i * 2'654'435'761U % 100;
    TrialFacts& facts = list[i];
    facts.sample = i / per_sample;
    facts.outcome = mixed < 1    ? Outcome::due
                    : mixed < 5  ? Outcome::sde
                    : mixed < 20 ? Outcome::benign
                                 : Outcome::masked;
    facts.sdc10 = facts.top1_changed = facts.outcome == Outcome::sde;
    facts.any_nonfinite = facts.outcome == Outcome::due;
    facts.labelled = facts.golden_top1_correct = facts.golden_top5_correct = true;
    facts.faulty_top1_correct = mixed >= 5;
    facts.faulty_top5_correct = mixed >= 2;
  }
  return list;
}

void kpi(benchmark::State& state) {
  const std::vector<TrialFacts> list = trials(static_cast<std::uint64_t>(state.range(0)));
  const RateOptions options{.classes = 10};
  for (auto _ : state) {
    OutcomeCounts outcomes;
    AccuracyCounts accuracies;
    PyTorchAlfiCounts pytorchalfi;
    for (const TrialFacts& facts : list) {
      outcomes.add(facts);
      accuracies.add(facts);
      pytorchalfi.add(facts);
    }
    benchmark::DoNotOptimize(outcomes.rates(options));
    benchmark::DoNotOptimize(accuracies.rates(options));
    benchmark::DoNotOptimize(pytorchalfi.rates(options));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kTrials));
  state.SetLabel("trials into all rates with intervals; one table, facts in memory");
}
BENCHMARK(kpi)->ArgName("trials_per_sample")->Arg(1)->Arg(10)->Unit(benchmark::kMillisecond);

void judge_trial(benchmark::State& state) {
  const auto classes = static_cast<std::size_t>(state.range(0));
  std::vector<float> golden(classes), faulty(classes);
  for (std::size_t i = 0; i < classes; ++i) {
    golden[i] = static_cast<float>(i * 7 % classes) / 10.0F;
    faulty[i] = golden[i] + (i == 3 ? 0.5F : 0.0F);
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(judge(golden, faulty, OutputKind::logits, false));
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("verdicts on one trial, softmax of both runs included");
}
BENCHMARK(judge_trial)->ArgName("classes")->Arg(10)->Arg(1000);

}  // namespace
