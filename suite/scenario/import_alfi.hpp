#pragma once

#include "suite/base/error.hpp"
#include "suite/base/result.hpp"

#include <string>
#include <vector>

namespace bitquake::scenario {

/// A scenario of PyTorchALFI as one of ours.
struct AlfiScenario {
  std::string yaml;  ///< with comments; mandatory keys without a counterpart are commented out
  std::vector<std::string> notes;  ///< what the user must look at: also comments of `yaml`
};

/// What a scenario of PyTorchALFI (a .yml file for its class ConfigParser) means here: each key
/// that decides which faults there are is mapped as its authors documented it, whether or not the
/// program does that. Every other key stands in a comment with the reason it is not taken over, a
/// key that PyTorchALFI does not have among them. With the placeholders filled in, the text is a
/// scenario. Source: PyTorchALFI (IntelLabs, MIT licence), scenarios/*.yml (the meanings, as
/// comments), alficore/parser/config_parser.py (defaults, values allowed).
/// @param name  of the file, for messages and the first comment
/// @return Errc::scenario for each value that PyTorchALFI refuses as well, or that has no meaning
Result<AlfiScenario, std::vector<Error>> import_alfi(const std::string& text,
                                                     const std::string& name);

}  // namespace bitquake::scenario
