#pragma once

#include "suite/base/error.hpp"
#include "suite/scenario/yaml_reader.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace bitquake::scenario {

/// The shortest valid scenario: the mandatory keys alone, lines 1 to 4.
inline const std::string kShortest =
    "version: 1\n"
    "model: {file: m.pt, input: [1, 28, 28], output: logits}\n"
    "data: {name: digits, images: images.gz}\n"
    "\n";

inline Result<Scenario, std::vector<Error>> parse(const std::string& text,
                                                  const std::vector<Override>& overrides = {}) {
  return parse_scenario(text, "a.yaml", "/home/me", overrides);
}

/// The scenario of a text that must be right.
inline Scenario parsed(const std::string& text, const std::vector<Override>& overrides = {}) {
  const auto result = parse(text, overrides);
  if (!result) FAIL(to_string(result.error().front()));
  return *result;
}

/// All messages as the command prints them, one after the other; empty when there are none.
inline std::string mistakes(const std::string& text, const std::vector<Override>& overrides = {}) {
  const auto result = parse(text, overrides);
  std::string all;
  if (result) return all;
  for (const Error& error : result.error()) all += to_string(error) + "\n";
  return all;
}

}  // namespace bitquake::scenario
