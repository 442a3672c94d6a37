#pragma once

#include "faultgen/fault_space.hpp"
#include "results/safety.hpp"
#include "suite/scenario/scenario.hpp"

#include <vector>

namespace bitquake::engine {

/// What section `fit` of a scenario asks for: the sites that faults are drawn from, and how many of
/// their bits. Empty without the section.
/// @return Errc::fault_set when the scenario's sites fit none of the model's
Result<results::FitInputs> fit_inputs(const scenario::Scenario& scenario,
                                      const std::vector<faultgen::Site>& sites);

}  // namespace bitquake::engine
