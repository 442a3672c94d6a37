// The campaign of suite/scenarios/quickstart.yaml: LeNet-5 on the 10,000 test images of
// Fashion-MNIST.
#include "suite/engine/campaign.hpp"
#include "suite/engine/execution.hpp"
#include "suite/engine/torch_loader.hpp"
#include "suite/engine/unit.hpp"
#include "suite/model/fingerprint.hpp"
#include "suite/scenario/yaml_reader.hpp"
#include "tests/base/temp_directory.hpp"
#include "tests/benchmarks/peak_memory.hpp"

#include <benchmark/benchmark.h>

#include <memory>
#include <optional>
#include <vector>

namespace {

using namespace bitquake;

Result<engine::Inputs> quickstart(const std::string& target, const std::string& epochs = "1") {
  auto scenario = scenario::read_scenario(BITQUAKE_SOURCE_DIR "/suite/scenarios/quickstart.yaml",
                                          {{"faults.target", target}, {"faults.epochs", epochs}});
  if (!scenario) return scenario.error().front();
  return engine::prepare(*scenario, engine::torch_loader());
}

void campaign(benchmark::State& state, const std::string& target) {
  model::use_one_inner_thread();
  const auto inputs = quickstart(target);
  if (!inputs) return state.SkipWithError(to_string(inputs.error()).c_str());
  const std::atomic<bool> stop{false};
  for (auto _ : state) {
    state.PauseTiming();
    std::optional<test::TempDirectory> directory(std::in_place);
    state.ResumeTiming();
    engine::Observer silent;
    const auto result = engine::run_campaign(
        *inputs,
        {.directory = *directory / "run", .threads = static_cast<unsigned>(state.range(0))}, stop,
        silent);
    if (!result) return state.SkipWithError(to_string(result.error()).c_str());
    state.PauseTiming();
    directory.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(inputs->plan.trials()));
  state.SetLabel(
      "trials: golden runs, faulty runs, all files synced, tables; model, data and faults at hand");
}
BENCHMARK_CAPTURE(campaign, neurons, std::string("neurons"))
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(campaign, weights, std::string("weights"))
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

void campaign_memory(benchmark::State& state) {
  model::use_one_inner_thread();
  const test::TempDirectory directory;
  const std::atomic<bool> stop{false};
  const test::PeakMemory memory(state);
  std::int64_t trials = 0;
  for (auto _ : state) {
    const auto inputs = quickstart("neurons", std::to_string(state.range(0)));
    if (!inputs) return state.SkipWithError(to_string(inputs.error()).c_str());
    trials = static_cast<std::int64_t>(inputs->plan.trials());
    engine::Observer silent;
    const auto result =
        engine::run_campaign(*inputs, {.directory = directory / "run", .threads = 2}, stop, silent);
    if (!result) return state.SkipWithError(to_string(result.error()).c_str());
  }
  state.SetItemsProcessed(state.iterations() * trials);
  state.SetLabel("trials: faults drawn, then all that a campaign does");
}
BENCHMARK(campaign_memory)
    ->ArgName("epochs")
    ->Arg(1)
    ->Arg(10)
    ->Arg(100)
    ->Arg(500)
    ->Arg(2000)
    ->Unit(benchmark::kSecond)
    ->UseRealTime()
    ->Iterations(1);

void golden(benchmark::State& state) {
  model::use_one_inner_thread();
  const auto inputs = quickstart("neurons");
  if (!inputs) return state.SkipWithError(to_string(inputs.error()).c_str());
  const auto executor = inputs->model->make_executor(engine::execution_options(inputs->scenario));
  const engine::UnitInput unit = engine::decode_unit(*inputs, 0);
  const std::vector<std::uint32_t> clean(unit.samples.size(), 0);
  const auto values = engine::network_input(inputs->scenario, unit.samples, clean);
  for (auto _ : state) benchmark::DoNotOptimize(executor->golden(values));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(unit.samples.size()));
  state.SetLabel("images of one work unit, fault-free, monitored; decoded before; one thread");
}
BENCHMARK(golden)->Unit(benchmark::kMillisecond)->UseRealTime();

/// The model of a scenario with a detector behind each convolution and linear layer.
Result<std::shared_ptr<const model::Model>> with_detectors(const scenario::Scenario& scenario) {
  auto plain = engine::torch_loader()(scenario, {});
  if (!plain) return plain;
  model::Protection protection;
  for (std::uint32_t site = 0; site < (*plain)->sites().size(); ++site) {
    if ((*plain)->sites()[site].weight_shape.empty()) continue;
    protection.guards.push_back(
        {.site = site, .kind = model::GuardKind::detector, .low = {-1000}, .high = {1000}});
  }
  return engine::torch_loader()(scenario, protection);
}

/// What each monitor costs: the same trials without any, with one, and with all.
void monitors(benchmark::State& state, const std::string& monitor, bool alarms,
              const std::string& deviation) {
  model::use_one_inner_thread();
  const auto scenario =
      scenario::read_scenario(BITQUAKE_SOURCE_DIR "/suite/scenarios/quickstart.yaml",
                              {{"faults.epochs", std::to_string(state.range(0))},
                               {"monitor", monitor},
                               {"deviation", deviation}});
  if (!scenario) return state.SkipWithError(to_string(scenario.error().front()).c_str());
  const auto inputs = engine::prepare(*scenario, [&](const auto& given, const auto& protection) {
    return alarms ? with_detectors(given) : engine::torch_loader()(given, protection);
  });
  if (!inputs) return state.SkipWithError(to_string(inputs.error()).c_str());
  engine::Executors executors(*inputs, engine::execution_options(*scenario));
  const engine::UnitInput unit = engine::decode_unit(*inputs, 0);
  std::int64_t trials = 0;
  for (auto _ : state) {
    trials += static_cast<std::int64_t>(engine::run_unit(*inputs, unit, executors).trials.size());
  }
  state.SetItemsProcessed(trials);
  state.SetLabel("trials of one work unit: golden and faulty runs, rows; one thread, its CPU time");
}
#define BITQUAKE_MONITORS(name, ...)             \
  BENCHMARK_CAPTURE(monitors, name, __VA_ARGS__) \
      ->ArgName("epochs")                        \
      ->Arg(1)                                   \
      ->Arg(50)                                  \
      ->Unit(benchmark::kMillisecond)
BITQUAKE_MONITORS(none, "output", false, "off");
BITQUAKE_MONITORS(nonfinite, "all", false, "off");
BITQUAKE_MONITORS(alarms, "output", true, "off");
BITQUAKE_MONITORS(nonfinite_and_deviation, "all", false, "on");

}  // namespace
