#pragma once

#include "suite/engine/prepare.hpp"

#include <span>
#include <string>
#include <utility>
#include <vector>

/// Modified networks: protections of the original, and other model files.
namespace bitquake::engine {

/// Loads the variants of a scenario, in their order. Each has the sites and points of the original,
/// by number: faults and rows mean the same in all.
/// @param data  its first samples, not perturbed, give the tolerances of checksums
/// Errc::scenario, fault_set, model or data: bounds that do not fit, sites that another file does
/// not have, a selection that names none.
Result<std::vector<Modified>> load_variants(const scenario::Scenario& scenario,
                                            const std::shared_ptr<const model::Model>& original,
                                            const datasets::Dataset& data,
                                            const faultgen::FaultSet& faults,
                                            const ModelLoader& load_model);

/// Files that variants come from, models and bounds: role for the manifest, and path as the
/// scenario has it.
std::vector<std::pair<std::string, std::string>> variant_files(const scenario::Scenario& scenario);

}  // namespace bitquake::engine
