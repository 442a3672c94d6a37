#include "suite/scenario/json_schema.hpp"

#include "suite/scenario/schema.hpp"

#include <nlohmann/json.hpp>

#include <string_view>
#include <variant>

namespace bitquake::scenario {

namespace {

using Json = nlohmann::ordered_json;  // keeps the order of the table

Json integer_schema(const IntegerRange& range) {
  Json schema{{"type", "integer"}, {"minimum", range.low}};
  // The largest 64-bit number is no double; programs that read numbers as such would round it.
  if (range.high != IntegerRange{}.high) schema["maximum"] = range.high;
  return schema;
}

Json real_schema(const RealRange& range) {
  Json schema{{"type", "number"}};
  if (range.low != RealRange{}.low) {
    schema[range.above_low ? "exclusiveMinimum" : "minimum"] = range.low;
  }
  if (range.high != RealRange{}.high) schema["maximum"] = range.high;
  return schema;
}

/// Text needs no quotes, so it may look like a number or a truth value.
Json text_schema() {
  return {{"type", {"string", "number", "boolean"}},
          {"minLength", 1},
          {"pattern", R"(^[^\u0000-\u001F\u007F]*$)"}};
}

Json words_schema(const std::vector<Word>& words) {
  Json names = Json::array();
  for (const Word& word : words) names.push_back(word.name);
  return {{"enum", std::move(names)}};
}

Json list_schema(Json item, const ItemCount& count) {
  return {{"type", "array"},
          {"items", std::move(item)},
          {"minItems", count.low},
          {"maxItems", count.high}};
}

Json value_schema(const Key& key) {
  switch (key.kind) {
    case Kind::integer:
      return integer_schema(key.integer_range);
    case Kind::real:
      return real_schema(key.real_range);
    case Kind::text:
    case Kind::path:
      return text_schema();
    case Kind::choice:
      return words_schema(key.choices);
    case Kind::integers:
      return list_schema(integer_schema(key.integer_range), key.items);
    case Kind::reals:
      return list_schema(real_schema(key.real_range), key.items);
    case Kind::words:
    case Kind::paths: {
      const Json word = key.choices.empty() ? text_schema() : words_schema(key.choices);
      return {{"anyOf", Json::array({word, list_schema(word, key.items)})}};
    }
    case Kind::perturbations: {
      const Json one{{"type", "string"}, {"pattern", "^(clean|.+/[0-9].*)$"}};
      const Json item{{"anyOf", Json::array({one, list_schema(one, {})})}};
      return {{"anyOf", Json::array({one, list_schema(item, key.items)})}};
    }
  }
  return true;
}

/// Schema of a value with what it means and what it is when not given.
Json key_schema(const Key& key) {
  Json schema = value_schema(key);
  std::string description(key.doc);
  for (const Word& word : key.choices) {
    description.append("\n- ").append(word.name).append(": ").append(word.doc);
  }
  schema["description"] = std::move(description);
  if (key.kind == Kind::words && !key.default_text.empty()) {
    schema["default"] = key.default_text;
  } else if (!key.default_text.empty()) {
    const auto standard = key.member.get(Scenario{});
    std::visit([&](const auto& value) { schema["default"] = value; }, standard.value());
  }
  return schema;
}

Json level_schema() {
  return {{"type", "object"},
          {"properties", Json::object()},
          {"required", Json::array()},
          {"additionalProperties", false}};
}

/// When `leaf` is given, no other key of the section may be.
Json exclusion(std::string_view leaf) {
  return {{"if", {{"required", Json::array({leaf})}}}, {"then", {{"maxProperties", 1}}}};
}

/// Adds a key to a section or to the top level.
void add(Json& level, const Key& key) {
  level["properties"][std::string(key.leaf())] = key_schema(key);
  if (key.mandatory) level["required"].push_back(key.leaf());
  if (key.excludes_section) level["allOf"].push_back(exclusion(key.leaf()));
}

/// A section with a mandatory key is mandatory; any other may be left empty.
void finish_sections(Json& root) {
  for (const auto& [name, level] : root["properties"].items()) {
    if (!level.contains("properties")) continue;
    if (level["required"].empty()) {
      level["type"] = {"object", "null"};
    } else {
      root["required"].push_back(name);
    }
  }
}

/// A section that may also be a list: its first item like the section, further items without the
/// keys of the campaign.
void allow_list(Json& root, const ListSection& of) {
  Json& section = root["properties"][std::string(of.name)];
  const Json one = section;
  Json item = one;
  item["type"] = "object";
  item.erase("allOf");
  for (const Key& key : keys()) {
    if (key.section() == of.name && key.of_campaign) {
      item["properties"].erase(std::string(key.leaf()));
    }
  }
  const Json list{{"type", "array"},
                  {"items", Json::array({one})},
                  {"additionalItems", std::move(item)},
                  {"minItems", 1},
                  {"description", of.item}};
  section = {{"anyOf", Json::array({one, list})}};
}

}  // namespace

std::string json_schema() {
  Json root{{"$schema", "http://json-schema.org/draft-07/schema#"},
            {"title", "Scenario of Bitquake"},
            {"description",
             "What a fault-injection campaign does. `bitquake list keys` shows the "
             "same as a table."}};
  root.update(level_schema());
  for (const Key& key : keys()) {
    if (key.section().empty()) {
      add(root, key);
      continue;
    }
    Json& section = root["properties"][std::string(key.section())];
    if (section.is_null()) section = level_schema();
    add(section, key);
  }
  finish_sections(root);
  for (const auto& [name, level] : root["properties"].items()) {
    if (const ListSection* list = find_list_section(name)) allow_list(root, *list);
  }
  constexpr int kIndent = 2;
  return root.dump(kIndent) + "\n";
}

}  // namespace bitquake::scenario
