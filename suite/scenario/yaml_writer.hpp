#pragma once

#include "suite/scenario/schema.hpp"

#include <string>

namespace bitquake::scenario {

/// The effective scenario as YAML, every key in table order with its value; reads back as the same
/// scenario (in the same directory: paths are written as they were given). Keys without a value are
/// left out: absent optional ones, and those that an existing fault set replaces.
std::string to_yaml(const Scenario& scenario);

/// The same without the keys that say only how results are computed (Key::decides_results): equal
/// texts give equal results. Reads back as a scenario with defaults in their places.
std::string results_yaml(const Scenario& scenario);

/// The same without the keys that no fault set depends on (Key::decides_faults): what a fault set
/// says of its origin.
std::string faults_yaml(const Scenario& scenario);

/// The value of `key` as YAML on one line.
std::string value_text(const Key& key, const Value& value);

}  // namespace bitquake::scenario
