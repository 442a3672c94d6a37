#include "suite/engine/memory.hpp"

#include "suite/base/memory.hpp"
#include "suite/base/text.hpp"
#include "suite/engine/execution.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace bitquake::engine {
namespace {

/// Rounded up: a budget of so many MiB holds `bytes`.
std::uint64_t mebibytes(std::uint64_t bytes) { return (bytes + kMebibyte - 1) / kMebibyte; }

std::string counted(std::uint64_t count, const char* noun) {
  return fmt::format("{} {}{}", with_commas(count), noun, count == 1 ? "" : "s");
}

/// The keys that let `units` units be live at once.
std::string remedy(const MemoryPlan& plan, std::uint64_t units) {
  const std::string budget =
      fmt::format("memory_budget_mib: {}", mebibytes(units * plan.unit_bytes()));
  const std::uint64_t samples = plan.budget_bytes / units / plan.sample_bytes;
  if (samples == 0) return "set " + budget + " or more";
  return fmt::format("set unit_samples: {} or less, or {} or more", samples, budget);
}

}  // namespace

std::uint64_t MemoryPlan::live_units() const {
  return std::clamp<std::uint64_t>(fitting_units(), 1, 2 * std::uint64_t{threads});
}

std::optional<Error> MemoryPlan::error(const std::string& where) const {
  if (fitting_units() > 0) return std::nullopt;
  return Error{Errc::scenario, where,
               fmt::format("a work unit of {} takes {} MiB, the memory budget is {} MiB",
                           counted(unit_samples, "sample"), with_commas(mebibytes(unit_bytes())),
                           with_commas(budget_bytes / kMebibyte)),
               remedy(*this, 1), ""};
}

std::optional<std::string> MemoryPlan::notice() const {
  const std::uint64_t busy = std::min<std::uint64_t>(threads, units);
  if (fitting_units() >= busy) return std::nullopt;
  return fmt::format(
      "the memory budget of {} MiB holds {} of {} at once: {} of {} idle; to use all, {}",
      with_commas(budget_bytes / kMebibyte), counted(live_units(), "work unit"),
      counted(unit_samples, "sample"), busy - live_units(), counted(threads, "thread"),
      remedy(*this, busy));
}

std::string MemoryPlan::text() const {
  return fmt::format("{} of {} at once, {} MiB each; budget {} MiB",
                     counted(std::min(live_units(), units), "work unit"),
                     counted(unit_samples, "sample"), with_commas(mebibytes(unit_bytes())),
                     with_commas(budget_bytes / kMebibyte));
}

MemoryPlan plan_memory(const Inputs& inputs, unsigned threads,
                       const model::ExecutionOptions& execution) {
  const scenario::Scenario& scenario = inputs.scenario;
  const std::uint64_t elements = faultgen::element_count(scenario.model.input);
  MemoryPlan plan;
  plan.budget_bytes = scenario.memory_budget_mib ? *scenario.memory_budget_mib * kMebibyte
                                                 : machine_memory_bytes() / 4;
  plan.sample_bytes = elements * (sizeof(float) + sizeof(std::uint8_t)) +  // input and pixels
                      inputs.model->kept_bytes_per_sample(execution);
  plan.unit_samples = std::min<std::uint64_t>(scenario.unit_samples, inputs.plan.samples());
  plan.units = inputs.plan.units();
  plan.threads = threads;
  return plan;
}

MemoryPlan plan_memory(const Inputs& inputs, unsigned threads) {
  return plan_memory(inputs, threads, execution_options(inputs.scenario));
}

}  // namespace bitquake::engine
