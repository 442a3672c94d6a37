#include "suite/scenario/yaml_writer.hpp"

#include "suite/base/text.hpp"
#include "suite/scenario/schema.hpp"

#include <fmt/format.h>
#include <yaml-cpp/emitter.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>

namespace bitquake::scenario {

namespace {

std::string item_text(std::uint64_t value) { return std::to_string(value); }
std::string item_text(double value) { return shortest(value); }

/// Quoted, so that no text is taken for something else (null, a comment, an alias).
std::string quoted_text(const std::string& text) {
  YAML::Emitter emitter;
  emitter << YAML::DoubleQuoted << text;
  return emitter.c_str();
}

std::string item_text(const std::string& value) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
  const bool plain = value.find_first_not_of(kPlain) == std::string::npos && value.front() != '-' &&
                     value != "null" && value != "true" && value != "false";
  return plain ? value : quoted_text(value);
}

template <class T>
std::string list_text(const std::vector<T>& list) {
  std::string text;
  for (const T& item : list) text += (text.empty() ? "" : ", ") + item_text(item);
  return "[" + text + "]";
}

/// One path alone, several as a list.
std::string paths_text(const std::vector<std::string>& paths) {
  if (paths.size() == 1) return quoted_text(paths.front());
  std::string text;
  for (const std::string& path : paths) text += (text.empty() ? "" : ", ") + quoted_text(path);
  return "[" + text + "]";
}

/// Whether a key that excludes the rest of its section has a value, and `key` is of that rest.
bool replaced(const Key& key, const Scenario& scenario) {
  return std::any_of(keys().begin(), keys().end(), [&](const Key& other) {
    return other.excludes_section && other.section() == key.section() && other.name != key.name &&
           other.member.get(scenario).has_value();
  });
}

}  // namespace

std::string value_text(const Key& key, const Value& value) {
  switch (key.kind) {
    case Kind::integer:
      return item_text(std::get<std::uint64_t>(value));
    case Kind::real:
      return item_text(std::get<double>(value));
    case Kind::text:
    case Kind::path:
      return quoted_text(std::get<std::string>(value));
    case Kind::choice:
      return std::get<std::string>(value);
    case Kind::integers:
      return list_text(std::get<std::vector<std::uint64_t>>(value));
    case Kind::reals:
      return list_text(std::get<std::vector<double>>(value));
    case Kind::words:
    case Kind::perturbations:
      return list_text(std::get<std::vector<std::string>>(value));
    case Kind::paths:
      return paths_text(std::get<std::vector<std::string>>(value));
  }
  return "";
}

namespace {

/// The keys of the items of a list behind the first one.
template <class Wanted>
std::string items_of(const Scenario& scenario, const ListSection& list, Wanted wanted) {
  std::string text;
  for (std::size_t i = 0; i < list.count(scenario); ++i) {
    Scenario item = scenario;
    list.take(item, i);
    const char* lead = "  - ";
    for (const Key& key : keys()) {
      if (!of_item(key) || key.section() != list.name || !wanted(key)) continue;
      const std::optional<Value> value = key.member.get(item);
      if (!value) continue;
      text += fmt::format("{}{}: {}\n", std::exchange(lead, "    "), key.leaf(),
                          value_text(key, *value));
    }
  }
  return text;
}

/// The keys that `wanted` says, with their values.
template <class Wanted>
std::string yaml_of(const Scenario& scenario, Wanted wanted) {
  std::string text;
  std::string_view section;
  const auto is_list = [&] {
    const ListSection* list = find_list_section(section);
    return list != nullptr && list->count(scenario) > 0;
  };
  const auto further_items = [&] {
    return is_list() ? items_of(scenario, *find_list_section(section), wanted) : std::string();
  };
  const char* lead = "";
  for (const Key& key : keys()) {
    const std::optional<Value> value = key.member.get(scenario);
    if (!value || !wanted(key) || replaced(key, scenario)) continue;
    if (key.section() != section) {
      text += further_items();
      section = key.section();
      if (!section.empty()) text += fmt::format("{}:\n", section);
      lead = section.empty() ? "" : is_list() ? "  - " : "  ";
    }
    text += fmt::format("{}{}: {}\n", lead, key.leaf(), value_text(key, *value));
    if (is_list()) lead = "    ";
  }
  return text + further_items();
}

}  // namespace

std::string to_yaml(const Scenario& scenario) {
  return yaml_of(scenario, [](const Key&) { return true; });
}

std::string results_yaml(const Scenario& scenario) {
  return yaml_of(scenario, [](const Key& key) { return key.decides_results; });
}

std::string faults_yaml(const Scenario& scenario) {
  return yaml_of(scenario,
                 [](const Key& key) { return key.decides_results && key.decides_faults; });
}

}  // namespace bitquake::scenario
