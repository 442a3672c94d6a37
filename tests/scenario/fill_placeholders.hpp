#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bitquake::scenario {

/// An imported scenario with the placeholder of each key ("model.file") replaced by its value, as a
/// user does who removes the '#'. Keys without a placeholder are passed over.
inline std::string fill_placeholders(
    std::string yaml, const std::vector<std::pair<std::string, std::string>>& values) {
  for (const auto& [key, value] : values) {
    const auto dot = key.find('.');
    const auto section = yaml.find("\n" + key.substr(0, dot) + ":\n");
    const std::string leaf = key.substr(dot + 1);
    const auto at =
        section == std::string::npos ? section : yaml.find("\n  # " + leaf + ": ", section);
    if (at == std::string::npos) continue;
    const auto end = yaml.find('\n', at + 1);
    yaml.replace(at, end - at, "\n  " + leaf + ": " + value);
  }
  return yaml;
}

}  // namespace bitquake::scenario
