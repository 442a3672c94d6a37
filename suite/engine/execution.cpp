#include "suite/engine/execution.hpp"

#include "suite/base/text.hpp"

#include <array>
#include <cstddef>
#include <vector>

namespace bitquake::engine {
namespace {

/// The scenario language and the executors have the same parts in the same order.
constexpr bool same_parts() {
  constexpr std::string_view kSection = "incremental.";
  if (scenario::kIncrementalParts.size() != model::kIncrementalParts.size()) return false;
  for (std::size_t i = 0; i < model::kIncrementalParts.size(); ++i) {
    const auto& [key, doc, member] = scenario::kIncrementalParts[i];
    if (key.substr(kSection.size()) != model::kIncrementalParts[i].name) return false;
  }
  return true;
}
static_assert(same_parts());

model::Execution execution_of(scenario::Execution execution) {
  switch (execution) {
    case scenario::Execution::incremental:
      return model::Execution::incremental;
    case scenario::Execution::batched:
      return model::Execution::batched;
    case scenario::Execution::reference:
      return model::Execution::reference;
  }
  return model::Execution::reference;
}

}  // namespace

model::ExecutionOptions execution_options(const scenario::Scenario& scenario) {
  model::ExecutionOptions options;
  options.execution = execution_of(scenario.execution);
  for (std::size_t i = 0; i < model::kIncrementalParts.size(); ++i) {
    options.parts.*model::kIncrementalParts[i].member =
        scenario.incremental.*scenario::kIncrementalParts[i].member;
  }
  return options;
}

std::string execution_text(const model::Model& model, std::span<const model::SiteExecution> sites) {
  if (sites.empty()) return "every inference runs the whole network (execution: reference)\n";
  std::vector<std::vector<std::string>> rows{
      {"site", "kind", "neuron fault", "weight fault", "reason"}};
  for (const model::SiteExecution& how : sites) {
    const faultgen::Site& site = model.sites()[how.site];
    rows.push_back({faultgen::site_name(site), std::string(faultgen::to_string(site.kind)),
                    how.neuron_fault, how.weight_fault, how.reason});
  }
  return aligned_table(rows, Align::left);
}

}  // namespace bitquake::engine
