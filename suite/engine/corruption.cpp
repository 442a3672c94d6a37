#include "suite/engine/corruption.hpp"

#include "augment/pipeline.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

namespace bitquake::engine {

Result<results::Corruptions> corruptions_of(const scenario::Scenario& scenario) {
  results::Corruptions corruptions;
  for (const augment::Pipeline& pipeline : scenario.perturbations) {
    auto& corruption = corruptions.perturbations.emplace_back();
    if (const auto step = augment::common_corruption(pipeline)) {
      corruption.emplace(step->kind->name, step->severity);
    }
  }
  if (!scenario.statistics.corruption_baseline) return corruptions;
  const auto file = scenario.resolve(*scenario.statistics.corruption_baseline);
  auto baseline = results::read_corruption_baseline(file);
  if (!baseline) {
    return scenario.file_error("statistics.corruption_baseline", 0,
                               *scenario.statistics.corruption_baseline, baseline.error());
  }
  std::vector<std::string> missing;
  for (const auto& corruption : corruptions.perturbations) {
    if (!corruption || baseline->contains(*corruption)) continue;
    missing.push_back(fmt::format("{}/{}", corruption->first, corruption->second));
  }
  if (!missing.empty()) {
    return Error{
        Errc::data, file.string(), fmt::format("has no error of {}", fmt::join(missing, ", ")),
        "add a line for each, measured with the same images; or take them out of augment", ""};
  }
  corruptions.baseline = *std::move(baseline);
  return corruptions;
}

}  // namespace bitquake::engine
