#pragma once

#include <optional>
#include <string_view>
#include <type_traits>

namespace bitquake {

/// One registered word of the scenario language and what it means.
template <class T>
struct Named {
  T value;
  std::string_view name;
  std::string_view doc;
};

/// Name of a registered value; empty when it is not registered. A registry is a range of entries
/// that have the members of Named.
template <class Registry, class T>
constexpr std::string_view name_of(const Registry& registry, const T& value) {
  for (const auto& entry : registry) {
    if (entry.value == value) return entry.name;
  }
  return "";
}

/// The value registered under a name, if there is one.
template <class Registry>
constexpr auto value_of(const Registry& registry, std::string_view name)
    -> std::optional<std::remove_cvref_t<decltype(registry.begin()->value)>> {
  for (const auto& entry : registry) {
    if (entry.name == name) return entry.value;
  }
  return std::nullopt;
}

}  // namespace bitquake
