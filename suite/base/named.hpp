#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace bitquake {

/// One registered word of the scenario language and what it means.
template <class T>
struct Named {
  T value;
  std::string_view name;
  std::string_view doc;
};

/// Name of a registered value; every enumerator is registered.
template <class T, std::size_t N>
constexpr std::string_view name_of(const std::array<Named<T>, N>& registry, T value) {
  for (const auto& entry : registry) {
    if (entry.value == value) return entry.name;
  }
  return "";
}

/// The value registered under a name, if there is one.
template <class T, std::size_t N>
constexpr std::optional<T> value_of(const std::array<Named<T>, N>& registry,
                                    std::string_view name) {
  for (const auto& entry : registry) {
    if (entry.name == name) return entry.value;
  }
  return std::nullopt;
}

}  // namespace bitquake
