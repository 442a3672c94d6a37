#include "suite/base/text.hpp"
#include "suite/cli/command.hpp"
#include "suite/engine/execution.hpp"
#include "suite/engine/expectation.hpp"
#include "suite/engine/memory.hpp"
#include "suite/engine/unit.hpp"
#include "suite/scenario/fault_kinds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <vector>

namespace bitquake::cli {
namespace {

struct CheckCommand {
  ScenarioOptions scenario;
  ThreadsOption threads;
};

/// Wall time of the campaign, from a probe: the golden and faulty runs of the first samples.
double estimated_seconds(const engine::Inputs& inputs, unsigned threads) {
  constexpr std::uint32_t kProbeSamples = 32;
  engine::Inputs probe = inputs;
  const std::uint64_t samples =
      std::min({std::uint64_t{kProbeSamples}, std::uint64_t{inputs.scenario.unit_samples},
                inputs.plan.samples()});
  probe.plan = engine::Plan(samples, 1, inputs.plan.slots(), kProbeSamples, inputs.plan.schedule(),
                            0, inputs.plan.perturbations(), inputs.plan.variants());
  engine::Executors executors(probe, engine::execution_options(inputs.scenario));
  const engine::UnitInput input = engine::decode_unit(probe, 0);
  engine::run_unit(probe, input, executors);  // first runs are slower: caches, lazy set-up
  const auto start = std::chrono::steady_clock::now();
  const engine::UnitRows rows = engine::run_unit(probe, input, executors);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const double before = rows.perturb_s + rows.golden_s;
  const double overhead = elapsed.count() - before - rows.faulty_s;
  const double per_sample = before / static_cast<double>(input.samples.size());
  const double per_trial =
      rows.trials.empty() ? 0
                          : (rows.faulty_s + overhead) / static_cast<double>(rows.trials.size());
  return (per_sample * static_cast<double>(inputs.plan.samples()) +
          per_trial * static_cast<double>(inputs.plan.trials())) /
         threads;
}

std::string duration_text(double seconds) {
  if (seconds < 1) return "under a second";
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

class Notes : public engine::Observer {
 public:
  void notice(const std::string& text) override { std::cerr << "note: " << text << "\n"; }
};

/// A rate says nothing without what it was drawn from: a line for each kind of faults.
std::string population_text(const engine::Inputs& inputs) {
  if (inputs.scenario.faults.file) return "";
  // Counting needs no scales.
  const auto unscaled = [&](faultgen::Target) {
    return std::vector<float>(inputs.model->sites().size(), 1.0F);
  };
  const auto no_values = [](std::uint32_t, faultgen::Target) { return std::vector<float>(); };
  const auto plan = value_or_throw(scenario::fault_plan(
      inputs.scenario, inputs.model->sites(), inputs.plan.samples(), {unscaled, no_values}));
  std::string text;
  for (const faultgen::FaultEntry& entry : plan.entries) {
    const faultgen::FaultSpace space(inputs.model->sites(), entry.target, entry.sites);
    text += fmt::format("population  {} {} in {}", with_commas(space.total_elements()),
                        name_of(faultgen::kTargets, entry.target),
                        counted(space.active_sites().size(), "site"));
    const bool by_bit = !entry.bits.empty() && entry.mask == 0 && entry.bits_per_fault == 1;
    const std::uint64_t levels = entry.either_stuck_at ? 2 : 1;
    if (by_bit) {
      text += fmt::format(" x {}{} = {} single faults", counted(entry.bits.size(), "bit"),
                          levels == 2 ? " x 2 levels" : "",
                          with_commas(space.total_elements() * entry.bits.size() * levels));
    }
    text += "\n";
  }
  return text;
}

/// How many names of classes there are, and the first and last of them.
std::string names_text(const datasets::Dataset& data) {
  const auto& categories = data.categories();
  if (categories.empty()) return "";
  return fmt::format(", {} ({}{})", counted(categories.size(), "class name"),
                     printable(categories.front().name),
                     categories.size() == 1 ? "" : " to " + printable(categories.back().name));
}

ExitCode check(const CheckCommand& command) {
  const auto scenario = command.scenario.read();
  if (!scenario) return scenario.error();
  const auto threads = command.threads.read();
  if (!threads) return report(threads.error());
  const auto inputs = engine::prepare(*scenario, torch_loader());
  if (!inputs) return report(inputs.error());
  const engine::MemoryPlan memory = engine::plan_memory(*inputs, *threads);
  const auto too_large = memory.error(std::filesystem::absolute(command.scenario.file).string());
  if (too_large) return report(*too_large);
  Notes notes;
  // Damage anywhere in the data would end the campaign: throws what run would report.
  for (std::uint64_t unit = 0; unit < inputs->plan.units(); ++unit) {
    const engine::UnitInput input = engine::decode_unit(*inputs, unit);
    for (const std::string& reason : input.unreadable) {
      if (!reason.empty()) notes.notice("a sample is skipped: " + reason);
    }
    const std::vector<std::uint32_t> first(input.samples.size(), 0);
    engine::network_input(*scenario, input.samples, first);
  }
  std::cout << fmt::format("model       {}: {} classes, {}\n", scenario->model.file,
                           inputs->model->classes(), counted(inputs->model->sites().size(), "site"))
            << fmt::format("data        {}: {}{}\n", scenario->data.name,
                           counted(inputs->plan.samples(), "sample"), names_text(*inputs->data))
            << population_text(*inputs)
            << fmt::format("fault set   {} in {}\n", counted(inputs->faults.faults.size(), "fault"),
                           counted(inputs->faults.groups.size(), "group"))
            << fmt::format("trials      {} ({}{}{})\n", with_commas(inputs->plan.trials()),
                           counted(inputs->plan.epochs(), "epoch"),
                           inputs->plan.perturbations() == 1
                               ? ""
                               : " under " + counted(inputs->plan.perturbations(), "perturbation"),
                           inputs->plan.variants() == 1
                               ? ""
                               : ", " + counted(inputs->plan.variants(), "network"))
            << fmt::format("memory      {}\n", memory.text())
            << fmt::format("estimate    {} on {}\n",
                           duration_text(estimated_seconds(*inputs, *threads)),
                           counted(*threads, "thread"));
  for (const std::string& notice : inputs->model->notices()) notes.notice(notice);
  if (const auto notice = memory.notice()) notes.notice(*notice);
  const auto expected = engine::check_expectation(*inputs, *threads, false, notes);
  if (!expected) return report(expected.error());
  std::cout << "OK  next: bitquake run " << command.scenario.arguments() << "\n";
  return ExitCode::ok;
}

}  // namespace

void add_check(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("check", "validate a scenario and say what it would run");
  auto command = std::make_shared<CheckCommand>();
  command->scenario.add_to(*sub);
  command->threads.add_to(*sub);
  sub->footer(
      "Reads model, fault set and all samples; runs a few inferences only, for the time estimate,\n"
      "and the golden runs of all samples when the scenario has expect.golden_top1.\n"
      "Example:\n"
      "  bitquake check suite/scenarios/quickstart.yaml");
  sub->callback([command, &action] { action = [command] { return check(*command); }; });
}

}  // namespace bitquake::cli
