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

/// What to draw, for a model's sites.
/// @param magnitudes  asked only when a format is to be calibrated
/// @return Errc::fault_set when names, numbers or kinds fit no site of the model
Result<faultgen::FaultPlan> fault_plan(const Scenario& scenario,
                                       const std::vector<faultgen::Site>& sites,
                                       std::uint64_t samples, const Magnitudes& magnitudes);

}  // namespace bitquake::scenario
