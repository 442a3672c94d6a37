#pragma once

#include "suite/base/result.hpp"
#include "suite/scenario/scenario.hpp"
#include "suite/scenario/yaml_writer.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::scenario {

/// `KEY=VALUE` from the command line: overrides that key as if the file said so. KEY is a full name
/// ("faults.epochs"), VALUE a YAML scalar or flow list ("[0, 22]").
using Override = std::pair<std::string, std::string>;

/// A longer text is no scenario.
inline constexpr std::size_t kMaxScenarioBytes = std::size_t{256} * 1024;

/// Reads and checks a scenario file. All mistakes of the file are returned in one go, in file
/// order: unknown key (with a suggestion), duplicate key, wrong type, value out of range, missing
/// mandatory key, keys that exclude each other. Each names file:line:column (1-based) and shows the
/// source line with a caret. Mistakes of an override name "--set KEY=VALUE", have Errc::usage and
/// come last. Text that is not YAML, not UTF-8 or not one document gives a single error. The value
/// that an override replaces is not checked.
Result<Scenario, std::vector<Error>> read_scenario(const std::filesystem::path& path,
                                                   const std::vector<Override>& overrides = {});

/// As above for text that did not come from a file; `name` stands in messages.
Result<Scenario, std::vector<Error>> parse_scenario(const std::string& text,
                                                    const std::string& name,
                                                    const std::filesystem::path& directory,
                                                    const std::vector<Override>& overrides = {});

}  // namespace bitquake::scenario
