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

/// Most samples of a unit that takes up to `bytes`.
std::uint64_t fitting_samples(const MemoryPlan& plan, std::uint64_t bytes) {
  const std::uint64_t kept = plan.kept.batch_rows * plan.kept.row_bytes;
  const std::uint64_t batch = plan.kept.batch_rows * plan.input_bytes + kept;
  const std::uint64_t rest = bytes % batch;
  return bytes / batch * plan.kept.batch_rows +
         (rest > kept ? (rest - kept) / plan.input_bytes : 0);
}

/// The keys that let `units` units be live at once.
std::string remedy(const MemoryPlan& plan, std::uint64_t units) {
  const std::string budget =
      fmt::format("memory_budget_mib: {} or more", mebibytes(units * plan.unit_bytes()));
  const std::uint64_t bytes = plan.budget_bytes / units;
  if (const std::uint64_t samples = fitting_samples(plan, bytes); samples > 0) {
    return fmt::format("set unit_samples: {}, or {}",
                       samples == 1 ? "1" : fmt::format("{} or less", samples), budget);
  }
  // Even one sample takes too much: smaller batches help, if there are any.
  const std::uint64_t rows = bytes / (plan.input_bytes + plan.kept.row_bytes);
  if (rows == 0) return "set " + budget;
  return fmt::format("set padded_batch: {}{}, or {}", rows,
                     plan.unit_samples > rows ? fmt::format(" and unit_samples: {}", rows) : "",
                     budget);
}

/// A unit by its samples, and by its rows where padding adds to them.
std::string samples_text(const MemoryPlan& plan) {
  const std::string samples = counted(plan.unit_samples, "sample");
  const bool padded = plan.kept.row_bytes > 0 && plan.unit_rows() > plan.unit_samples;
  return padded ? fmt::format("{} (padded to {})", samples, with_commas(plan.unit_rows()))
                : samples;
}

}  // namespace

std::uint64_t MemoryPlan::unit_rows() const {
  return (unit_samples + kept.batch_rows - 1) / kept.batch_rows * kept.batch_rows;
}

std::uint64_t MemoryPlan::live_units() const {
  return std::clamp<std::uint64_t>(fitting_units(), 1, 2 * std::uint64_t{threads});
}

std::optional<Error> MemoryPlan::error(const std::string& where) const {
  if (fitting_units() > 0) return std::nullopt;
  return Error{Errc::scenario, where,
               fmt::format("a work unit of {} takes {} MiB, the memory budget is {} MiB",
                           samples_text(*this), with_commas(mebibytes(unit_bytes())),
                           with_commas(budget_bytes / kMebibyte)),
               remedy(*this, 1), ""};
}

std::optional<std::string> MemoryPlan::notice() const {
  const std::uint64_t busy = std::min<std::uint64_t>(threads, units);
  if (fitting_units() >= busy) return std::nullopt;
  return fmt::format(
      "the memory budget of {} MiB holds {} of {} at once: {} of {} idle; to use all, {}",
      with_commas(budget_bytes / kMebibyte), counted(live_units(), "work unit"),
      samples_text(*this), busy - live_units(), counted(threads, "thread"), remedy(*this, busy));
}

std::string MemoryPlan::text() const {
  return fmt::format("{} of {} at once, {} MiB each; budget {} MiB",
                     counted(std::min(live_units(), units), "work unit"), samples_text(*this),
                     with_commas(mebibytes(unit_bytes())), with_commas(budget_bytes / kMebibyte));
}

MemoryPlan plan_memory(const Inputs& inputs, unsigned threads,
                       const model::ExecutionOptions& execution) {
  const scenario::Scenario& scenario = inputs.scenario;
  const std::uint64_t elements = faultgen::element_count(scenario.model.input);
  MemoryPlan plan;
  plan.budget_bytes = scenario.memory_budget_mib ? *scenario.memory_budget_mib * kMebibyte
                                                 : machine_memory_bytes() / 4;
  // The input under one perturbation, its copy in the golden block, and the pixels.
  plan.input_bytes = elements * (2 * sizeof(float) + sizeof(std::uint8_t));
  // Variants run one after the other.
  for (std::uint32_t i = 0; i < inputs.plan.variants(); ++i) {
    const model::KeptActivations kept = inputs.variant(i).kept_activations(execution);
    if (i == 0 || kept.row_bytes > plan.kept.row_bytes) plan.kept = kept;
  }
  plan.unit_samples = std::min<std::uint64_t>(scenario.unit_samples, inputs.plan.samples());
  plan.units = inputs.plan.units();
  plan.threads = threads;
  return plan;
}

MemoryPlan plan_memory(const Inputs& inputs, unsigned threads) {
  return plan_memory(inputs, threads, execution_options(inputs.scenario));
}

}  // namespace bitquake::engine
