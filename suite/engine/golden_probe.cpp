#include "suite/engine/golden_probe.hpp"

#include "metrics/outcome.hpp"
#include "suite/engine/pipeline.hpp"

#include <cmath>
#include <mutex>
#include <numeric>
#include <vector>

namespace bitquake::engine {
namespace {

GoldenProbe probe_unit(const Inputs& inputs, const UnitInput& input, model::Executor& executor) {
  GoldenProbe probe;
  const std::vector<std::uint32_t> first(input.samples.size(), 0);
  const auto values = network_input(inputs.scenario, input.samples, first);
  const auto block = run_golden(input, values, executor);
  for (std::size_t i = 0; i < input.samples.size(); ++i) {
    const model::GoldenRow& row = block->row(i);
    ++probe.samples;
    if (!input.unreadable[i].empty()) {
      ++probe.unreadable;
      continue;
    }
    if (!row.output_finite) {
      ++probe.nonfinite;
      continue;
    }
    probe.all_distributions = probe.all_distributions && is_distribution(row.output);
    if (!input.samples[i].label) continue;
    ++probe.labelled;
    probe.right += metrics::top1(row.output) == *input.samples[i].label ? 1 : 0;
  }
  return probe;
}

}  // namespace

GoldenProbe probe_golden(const Inputs& inputs, unsigned threads, const std::atomic<bool>& stop) {
  std::vector<std::uint64_t> units(inputs.plan.units());
  std::iota(units.begin(), units.end(), std::uint64_t{0});
  GoldenProbe all;
  std::mutex mutex;
  const auto work = [&](const Inputs&, const UnitInput& input, Executors& executors) {
    const GoldenProbe unit = probe_unit(inputs, input, executors.of(0));
    const std::lock_guard lock(mutex);
    all.samples += unit.samples;
    all.nonfinite += unit.nonfinite;
    all.unreadable += unit.unreadable;
    all.labelled += unit.labelled;
    all.right += unit.right;
    all.all_distributions = all.all_distributions && unit.all_distributions;
    return UnitRows{};
  };
  run_pipeline(inputs, units, {.threads = threads}, work, stop, [](const UnitRows&) {});
  return all;
}

bool is_distribution(std::span<const float> scores) {
  constexpr double kTolerance = 1e-3;
  double sum = 0;
  for (const float score : scores) {
    if (!(score >= 0 && score <= 1)) return false;
    sum += score;
  }
  return std::abs(sum - 1) <= kTolerance;
}

}  // namespace bitquake::engine
