#include "suite/scenario/json_schema.hpp"

#include "suite/scenario/schema.hpp"
#include "tests/base/temp_directory.hpp"
#include "tests/scenario/example.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>
#include <vector>

using namespace bitquake;
using namespace bitquake::scenario;
using nlohmann::json;

namespace {

const std::filesystem::path kShipped =
    std::filesystem::path(BITQUAKE_SOURCE_DIR) / "suite" / "scenarios";

/// YAML as an editor sees it: plain scalars that look like numbers are numbers.
json to_json(const YAML::Node& node) {
  if (node.IsNull()) return nullptr;
  if (node.IsMap()) {
    json object = json::object();
    for (const auto& pair : node) object[pair.first.Scalar()] = to_json(pair.second);
    return object;
  }
  if (node.IsSequence()) {
    json array = json::array();
    for (const auto& item : node) array.push_back(to_json(item));
    return array;
  }
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;
  const json number = json::parse(text, nullptr, false);
  // valijson knows integers up to 2^63 - 1, which stands for the larger ones.
  constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();
  if (number.is_number_unsigned()) return std::min(number.get<std::uint64_t>(), kLargest);
  return number.is_number() || number.is_boolean() ? number : json(text);
}

bool valid(const json& scenario) {
  static const auto schema = [] {
    auto parsed = std::make_unique<valijson::Schema>();
    const json text = json::parse(json_schema());
    valijson::SchemaParser(valijson::SchemaParser::kDraft7)
        .populateSchema(valijson::adapters::NlohmannJsonAdapter(text), *parsed);
    return parsed;
  }();
  return valijson::Validator().validate(*schema, valijson::adapters::NlohmannJsonAdapter(scenario),
                                        nullptr);
}

bool valid(const std::string& yaml) { return valid(to_json(YAML::Load(yaml))); }

/// The shortest scenario with a value, given as YAML, for one key.
json with(const Key& key, const std::string& value) {
  json scenario = to_json(YAML::Load(kShortest));
  json& level = key.section().empty() ? scenario : scenario[std::string(key.section())];
  level[std::string(key.leaf())] = to_json(YAML::Load(value));
  return scenario;
}

std::string list_of(std::size_t count, const std::string& item) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "" : ", ") + item;
  return "[" + text + "]";
}

/// Values that one number of a key may have at the ends of its range, and those beyond.
struct Numbers {
  std::vector<std::string> right, wrong;
};

Numbers numbers_of(const Key& key) {
  Numbers numbers{{}, {"x", "'1'", "{}", "true", "[[1]]", ""}};
  if (key.kind == Kind::integer || key.kind == Kind::integers) {
    const auto [low, high] = key.integer_range;
    numbers.right = {std::to_string(low), std::to_string(high)};
    numbers.wrong.insert(numbers.wrong.end(), {"-1", "1.5"});
    if (low > 0) numbers.wrong.push_back(std::to_string(low - 1));
    if (high < IntegerRange{}.high) numbers.wrong.push_back(std::to_string(high + 1));
    return numbers;
  }
  const auto [low, high, above_low] = key.real_range;
  const bool bounded_low = low != RealRange{}.low;
  const bool bounded_high = high != RealRange{}.high;
  if (bounded_low) {
    (above_low ? numbers.wrong : numbers.right).push_back(json(low).dump());
    numbers.wrong.push_back(json(low - 1).dump());
  }
  if (bounded_high) numbers.right.push_back(json(high).dump());
  if (bounded_high) numbers.wrong.push_back(json(high + 1).dump());
  if (!bounded_low && !bounded_high) numbers.right = {"0", "-1.5", "1e-3", "1e300"};
  if (numbers.right.empty()) numbers.right = {json(low + 1).dump()};
  return numbers;
}

struct Values {
  std::vector<std::string> right, wrong;
};

Values values_of(const Key& key) {
  switch (key.kind) {
    case Kind::text:
    case Kind::path:
      return {{"a", "5", "1.5", "true", "'~'", "a b", "\"\\u00e9\""},
              {"", "~", "[a]", "{a: b}", "''", "\"a\\tb\"", "\"\\x7f\"", "\"a\\nb\""}};
    case Kind::choice: {
      Values values{{}, {"", "no such word", "[a]", "{}", "''", "0"}};
      for (const Word& word : key.choices) values.right.emplace_back(word.name);
      return values;
    }
    case Kind::integer:
    case Kind::real: {
      const Numbers numbers = numbers_of(key);
      return {numbers.right, numbers.wrong};
    }
    case Kind::words:
    case Kind::paths: {
      Values values{{}, {"", "~", "{a: b}", "''", "[]", "[[a]]", "['']"}};
      if (key.choices.empty()) {
        values.right = {"a", "5", "[a]", "[a, 5, a b]"};
      } else {
        values.wrong.emplace_back("no such word");
        for (const Word& word : key.choices) {
          values.right.emplace_back(word.name);
          values.right.push_back("[" + std::string(word.name) + "]");
        }
      }
      return values;
    }
    case Kind::perturbations:
      return {{"clean", "fog/3", "[clean]", "[clean, fog/1-5]", "[[rotate/2, gaussian_noise/3]]",
               "['fog/3[amount=2.5]', rotate/2+fog/3]"},
              {"", "~", "5", "fog", "{a: b}", "''", "[]", "[[]]", "[[[fog/3]]]", "['']", "[fog]"}};
    case Kind::integers:
    case Kind::reals:
      break;
  }
  Values values{{}, {"", "1", "a", "{}"}};
  const Numbers numbers = numbers_of(key);
  const auto [low, high] = key.items;
  for (const std::string& item : numbers.right) {
    values.right.insert(values.right.end(), {list_of(low, item), list_of(high, item)});
  }
  for (const std::string& item : numbers.wrong) {
    values.wrong.push_back(list_of(low, item.empty() ? "~" : item));
  }
  const std::string right = numbers.right.empty() ? "1" : numbers.right.front();
  values.wrong.insert(values.wrong.end(), {list_of(low - 1, right), list_of(high + 1, right)});
  return values;
}

}  // namespace

TEST_CASE("the shipped JSON Schema is that of the keys", "[scenario][golden]") {
  INFO("generate it anew: bitquake scenario schema > suite/scenarios/scenario.schema.json");
  // Compared as a truth value: the texts are long.
  const bool equal = test::read_bytes(kShipped / "scenario.schema.json") == json_schema();
  REQUIRE(equal);
}

TEST_CASE("every shipped scenario fits the JSON Schema and names it", "[scenario]") {
  std::size_t scenarios = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kShipped)) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string text = test::read_bytes(entry.path());
    INFO(entry.path());
    REQUIRE(text.starts_with("# yaml-language-server: $schema=scenario.schema.json\n"));
    REQUIRE(valid(text));
    ++scenarios;
  }
  REQUIRE(scenarios >= 2);
}

TEST_CASE("the JSON Schema takes every right value and refuses every wrong one",
          "[scenario][property]") {
  REQUIRE(valid(kShortest));
  for (const Key& key : keys()) {
    const Values values = values_of(key);
    REQUIRE_FALSE(values.wrong.empty());
    for (const std::string& value : values.right) {
      INFO(key.name << ": " << value.substr(0, 80));
      REQUIRE(valid(with(key, value)));
    }
    for (const std::string& value : values.wrong) {
      INFO(key.name << ": " << value.substr(0, 80));
      REQUIRE_FALSE(valid(with(key, value)));
      REQUIRE_FALSE(parse(kShortest, {{std::string(key.name), value}}));
    }
  }
}

TEST_CASE("the JSON Schema holds every default and what it means", "[scenario]") {
  const json schema = json::parse(json_schema());
  for (const Key& key : keys()) {
    INFO(key.name);
    const json& whole =
        key.section().empty() ? schema : schema.at("properties").at(std::string(key.section()));
    const json& level =
        find_list_section(key.section()) != nullptr ? whole.at("anyOf").at(0) : whole;
    const json& property = level.at("properties").at(std::string(key.leaf()));
    const auto description = property.at("description").get<std::string>();
    REQUIRE(description.starts_with(key.doc));
    for (const Word& word : key.choices) {
      const bool described = description.find(std::string(word.name) + ": " +
                                              std::string(word.doc)) != std::string::npos;
      REQUIRE(described);
    }
    REQUIRE(property.contains("default") == !key.default_text.empty());
    if (key.default_text.empty()) continue;
    const json standard = to_json(YAML::Load(std::string(key.default_text)));
    REQUIRE(property.at("default") == standard);
  }
}

TEST_CASE("the JSON Schema refuses what does not belong, misses or excludes", "[scenario]") {
  const json shortest = to_json(YAML::Load(kShortest));
  for (const Key& key : keys()) {
    INFO(key.name);
    const std::string section(key.section());
    const std::string leaf(key.leaf());
    if (key.mandatory) {
      json without = shortest;
      (section.empty() ? without : without[section]).erase(leaf);
      REQUIRE_FALSE(valid(without));
    }
    if (section.empty()) continue;
    json unknown = shortest;
    unknown[section]["no_such_key"] = 1;
    REQUIRE_FALSE(valid(unknown));
    json misplaced = shortest;
    misplaced[std::string(key.name)] = 1;
    REQUIRE_FALSE(valid(misplaced));
    json no_mapping = shortest;
    no_mapping[section] = json::array({leaf});
    REQUIRE_FALSE(valid(no_mapping));
  }
  REQUIRE_FALSE(valid(kShortest + "no_such_key: 1\n"));
  REQUIRE_FALSE(valid(std::string("- 1\n")));
  REQUIRE_FALSE(valid(std::string("")));
}

TEST_CASE("the JSON Schema lets a key that excludes its section stand alone", "[scenario]") {
  std::size_t pairs = 0;
  for (const Key& sole : keys()) {
    if (!sole.excludes_section) continue;
    for (const Key& other : keys()) {
      if (other.section() != sole.section() || other.name == sole.name) continue;
      json both = with(sole, "a.h5");
      REQUIRE(valid(both));
      both[std::string(other.section())].update(
          with(other, values_of(other).right.front()).at(std::string(other.section())));
      REQUIRE_FALSE(valid(both));
      ++pairs;
    }
  }
  REQUIRE(pairs > 0);
}

TEST_CASE("the JSON Schema takes a list of kinds of faults", "[scenario]") {
  const std::string list = kShortest + "faults:\n  - {target: weights, epochs: 2}\n";
  REQUIRE(valid(list));
  REQUIRE(valid(list + "  - {bits: exponent}\n  - {target: biases}\n"));
  REQUIRE_FALSE(valid(list + "  - {epochs: 3}\n"));
  REQUIRE_FALSE(valid(list + "  - {no_such_key: 3}\n"));
  REQUIRE_FALSE(valid(list + "  - 3\n"));
  REQUIRE_FALSE(valid(kShortest + "faults: []\n"));
}

TEST_CASE("the JSON Schema takes sections whose keys are all commented out", "[scenario]") {
  for (const Key& key : keys()) {
    if (key.section().empty()) continue;
    INFO(key.name);
    json emptied = to_json(YAML::Load(kShortest));
    emptied[std::string(key.section())] = nullptr;
    REQUIRE(valid(emptied) == parse(YAML::Dump(YAML::Load(emptied.dump()))).ok());
  }
}
