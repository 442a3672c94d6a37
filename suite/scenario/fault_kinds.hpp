#pragma once

#include "faultgen/sampler.hpp"
#include "suite/base/result.hpp"
#include "suite/scenario/scenario.hpp"

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// From what a scenario says of a kind of fault to what the sampler draws.
namespace bitquake::scenario {

/// How a kind of fault holds its values. The scale of int8 is 1 where it is to be calibrated.
faultgen::Storage storage_of(const Scenario::Faults& faults);

/// "3" and "0-3" as ranges; none when one is malformed or its low end is above its high one.
std::optional<std::vector<faultgen::SiteSelection::Range>> index_ranges(
    const std::vector<std::string>& items);

/// "conv*=3" as pattern and weight >= 0; Errc::scenario naming the malformed item.
Result<std::vector<std::pair<std::string, double>>> site_weights(
    const std::vector<std::string>& items);

/// Largest magnitude of the values that faults of a target hit, for each site: what int8 is scaled
/// by.
using Magnitudes = std::function<std::vector<float>(faultgen::Target)>;

/// What a plan may have to ask of the model; each is called only when it is needed.
struct ModelFacts {
  Magnitudes magnitudes;
  /// All values of a parameter, of fp32: what data-aware sampling looks at.
  std::function<std::vector<float>(std::uint32_t site, faultgen::Target)> parameter;
};

/// Mean distance |w' - w| of values and what a flip of bit i makes of them, for each of the 32 bits
/// of fp32; infinite when a flip gives NaN or infinity. Source: Ruospo et al., DATE 2023.
std::vector<double> flip_distances(const std::vector<std::vector<float>>& values);

/// What to draw, for a model's sites.
/// @return Errc::fault_set when names, numbers or kinds fit no site of the model
Result<faultgen::FaultPlan> fault_plan(const Scenario& scenario,
                                       const std::vector<faultgen::Site>& sites,
                                       std::uint64_t samples, const ModelFacts& facts);

}  // namespace bitquake::scenario
