#pragma once

#include "suite/scenario/scenario.hpp"

#include <string>

namespace bitquake::scenario {

/// The effective scenario as YAML, every key in table order with its value; reads back as the same
/// scenario (in the same directory: paths are written as they were given). Keys without a value are
/// left out: absent optional ones, and those that an existing fault set replaces.
std::string to_yaml(const Scenario& scenario);

}  // namespace bitquake::scenario
