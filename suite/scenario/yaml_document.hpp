#pragma once

#include "suite/base/result.hpp"
#include "suite/scenario/source.hpp"

#include <yaml-cpp/yaml.h>

#include <string>

/// YAML text to nodes. For the readers of this folder: who includes it needs yaml-cpp.
namespace bitquake::scenario {

/// Why a text is no YAML document.
struct SyntaxError {
  Position position;
  std::string what;
  std::string hint;
};

/// Where a node starts; the start of the text when it is nowhere.
Position position_of(const YAML::Mark& mark);

/// The root of the only document in `text`.
/// @pre Source::malformed finds nothing in the text
Result<YAML::Node, SyntaxError> load_document(const std::string& text);

}  // namespace bitquake::scenario
