#pragma once

#include "suite/scenario/scenario.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace bitquake::scenario {

/// Why a key of a starter file has its value: stands behind the key's doc.
struct Remark {
  std::string_view key;  ///< full name
  std::string text;
};

/// A scenario as a file for newcomers: the keys used most, each with its doc from the key table and
/// the other words of a choice; a key that accepts `none` and has no value says so. The other keys
/// must have their default values: then the text reads back as the same scenario.
/// @param scenario  what the file is to say
/// @param heading   comment at the top, lines without '#'
/// @param remarks   behind the doc of their keys
std::string to_starter_yaml(const Scenario& scenario, const std::vector<std::string>& heading,
                            const std::vector<Remark>& remarks);

}  // namespace bitquake::scenario
