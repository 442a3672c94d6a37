#pragma once

#include "suite/model/model.hpp"
#include "suite/scenario/scenario.hpp"

#include <span>
#include <string>

namespace bitquake::engine {

/// How a scenario wants trials to be computed.
model::ExecutionOptions execution_options(const scenario::Scenario& scenario);

/// What Model::explain() says, for people: a row for each site. Nothing said means that the model
/// is run by reference only.
std::string execution_text(const model::Model& model, std::span<const model::SiteExecution> sites);

}  // namespace bitquake::engine
