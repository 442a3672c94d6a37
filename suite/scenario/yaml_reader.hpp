#pragma once

#include "suite/base/result.hpp"
#include "suite/scenario/scenario.hpp"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::scenario {

/// `KEY=VALUE` from the command line: overrides that key as if the file said so.
using Override = std::pair<std::string, std::string>;

/// Reads and checks a scenario file. All mistakes of the file are returned in one go, in file order:
/// unknown key (with a suggestion), duplicate key, wrong type, value out of range, missing mandatory
/// key, keys that exclude each other. Each names file:line:column (1-based) and shows the source line
/// with a caret. Mistakes of an override name "--set KEY=VALUE".
Result<Scenario, std::vector<Error>> read_scenario(const std::filesystem::path& path,
                                                   const std::vector<Override>& overrides = {});

/// As above for text that did not come from a file; `name` stands in messages.
Result<Scenario, std::vector<Error>> parse_scenario(const std::string& text,
                                                    const std::string& name,
                                                    const std::filesystem::path& directory,
                                                    const std::vector<Override>& overrides = {});

/// The effective scenario as YAML, every key in table order with its value; reads back as the same
/// scenario. Keys without a value (absent optional ones) are left out.
std::string to_yaml(const Scenario& scenario);

}  // namespace bitquake::scenario
