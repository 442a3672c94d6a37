#include "suite/scenario/yaml_reader.hpp"

#include "suite/scenario/convert.hpp"
#include "suite/scenario/schema.hpp"
#include "suite/scenario/source.hpp"
#include "suite/scenario/yaml_document.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <compare>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>
#include <tuple>

namespace bitquake::scenario {

namespace {

std::string describe(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  if (node.IsScalar()) return in_quotes(node.Scalar());
  return "nothing";
}

/// Plain scalars carry the tag "?", quoted ones "!"; everything else was written by the user.
bool has_explicit_tag(const YAML::Node& node) {
  return !node.Tag().empty() && node.Tag() != "?" && node.Tag() != "!";
}

/// Steps that follow each other as one text; or the node that is none.
Result<Scalar, YAML::Node> joined_steps(const YAML::Node& list) {
  Scalar all;
  if (list.size() == 0) return YAML::Node(list);
  for (const auto& step : list) {
    if (!step.IsScalar() || has_explicit_tag(step)) return YAML::Node(step);
    all.text += (all.text.empty() ? "" : "+") + step.Scalar();
  }
  return all;
}

// --- names ---

std::string full_name(std::string_view section, std::string_view word) {
  return section.empty() ? std::string(word) : fmt::format("{}.{}", section, word);
}

bool is_section(std::string_view word) {
  return std::any_of(keys().begin(), keys().end(),
                     [&](const Key& key) { return !word.empty() && key.section() == word; });
}

/// Words that may stand at a level: the keys of a section; at the top level the sections as well.
std::vector<std::string_view> words_of_level(std::string_view section) {
  std::vector<std::string_view> words;
  for (const Key& key : keys()) {
    const bool here = key.section() == section;
    if (!here && !section.empty()) continue;
    const std::string_view word = here ? key.leaf() : key.section();
    if (words.empty() || words.back() != word) words.push_back(word);
  }
  return words;
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  constexpr std::size_t kLongestTypo = 64;  // the search takes time that grows with the length
  return word.size() > kLongestTypo ? std::string_view{} : did_you_mean(word, candidates);
}

std::vector<std::string_view> keys_with_leaf(std::string_view leaf) {
  std::vector<std::string_view> names;
  for (const Key& key : keys()) {
    if (key.leaf() == leaf) names.push_back(key.name);
  }
  return names;
}

/// Full names of the keys, of any section, that `word` may mean: the one it names in full, those
/// with the same last part, or those with the nearest.
std::vector<std::string_view> keys_called(std::string_view word) {
  if (const Key* key = find_key(word)) return {key->name};
  const std::string_view leaf = word.substr(word.rfind('.') + 1);
  std::vector<std::string_view> names = keys_with_leaf(leaf);
  if (!names.empty()) return names;
  std::vector<std::string_view> leaves;
  for (const Key& key : keys()) leaves.push_back(key.leaf());
  return keys_with_leaf(nearest(leaf, leaves));
}

/// " (a, b)" for the words of a choice.
std::string words_text(const Key& key) {
  if (key.choices.empty()) return "";
  std::vector<std::string_view> names;
  for (const Word& word : key.choices) names.push_back(word.name);
  return fmt::format(" ({})", fmt::join(names, ", "));
}

std::string place_text(const Key& key) {
  return key.section().empty() ? fmt::format("'{}' at the top level", key.name)
                               : fmt::format("'{}' in section '{}'", key.leaf(), key.section());
}

/// Hint for an option that names no key: the nearest full name, or the keys with such a last part.
std::string unknown_option_hint(std::string_view name) {
  for (const Key& key : keys()) {
    if (key.name.starts_with(std::string(name) + ".")) {
      return fmt::format("it is a section: set its keys, such as {}, or write it in the file",
                         key.name);
    }
  }
  std::vector<std::string_view> candidates;
  for (const Key& key : keys()) candidates.push_back(key.name);
  const std::string_view near = nearest(name, candidates);
  const auto names = near.empty() ? keys_called(name) : std::vector{near};
  return names.empty() ? "'bitquake list keys' shows all keys"
                       : fmt::format("did you mean '{}'?", fmt::join(names, "' or '"));
}

// --- one scenario ---

/// A place in the file, or an option of the command line.
struct Place {
  Position position;
  std::size_t option = 0;  ///< 0: the file; else 1 + index of the override
  auto operator<=>(const Place& other) const {
    return std::tie(option, position) <=> std::tie(other.option, other.position);
  }
  bool operator==(const Place&) const = default;
};

/// A key that was given, and its value as YAML.
struct Entry {
  YAML::Node value;
  Place key_place;
  Place value_place;
};

class Reader {
 public:
  Reader(const Source& source, const std::vector<Override>& overrides)
      : source_(source), overrides_(overrides) {}

  Result<Scenario, std::vector<Error>> read(const std::filesystem::path& directory);

 private:
  void read_level(const YAML::Node& map, std::string_view section);
  void read_pair(std::string_view section, const std::string& word, Position at,
                 const YAML::Node& value);
  void read_section(const std::string& section, Position at, const YAML::Node& value);
  void read_override(std::size_t index);
  void set_defaults();
  void read_list(const std::string& section, Position at, const YAML::Node& value);
  void read_items();
  bool set_value(const Key& key, const Entry& entry, Scenario& scenario, std::size_t item = 0);
  std::optional<std::vector<Scalar>> scalars_of(const Key& key, const Entry& entry);
  void check_missing();
  void check_exclusions();
  void check_rules(const Scenario& scenario, const std::map<std::string_view, Entry>& entries,
                   const std::set<std::string_view>& converted);

  /// A suggestion also explains why the suggested key is missing: that is not reported again.
  std::string unknown_key_hint(std::string_view section, std::string_view word);
  void report(Place place, std::string what, std::string hint = "");
  std::string where(Place place) const;
  static Place item_place(const Entry& entry, std::size_t item);

  const Source& source_;
  const std::vector<Override>& overrides_;
  Scenario scenario_;
  Position root_;
  using Entries = std::map<std::string_view, Entry>;  // by full name of the key
  Entries entries_;
  std::vector<std::pair<const ListSection*, Entries>> items_;  // of lists, behind their first item
  std::map<std::string, Position, std::less<>> sections_;
  std::set<std::string, std::less<>> excused_;  // keys and sections whose absence is explained
  std::set<std::string_view> converted_;        // given keys whose values are in scenario_
  std::vector<std::pair<Place, Error>> mistakes_;
};

std::string Reader::where(Place place) const {
  if (place.option == 0) return source_.where(place.position);
  const auto& [key, value] = overrides_[place.option - 1];
  return printable(fmt::format("--set {}={}", key, value));
}

void Reader::report(Place place, std::string what, std::string hint) {
  Error error = place.option == 0 ? source_.error(place.position, std::move(what), std::move(hint))
                                  : Error{.code = Errc::usage,
                                          .where = where(place),
                                          .what = std::move(what),
                                          .hint = std::move(hint),
                                          .source = ""};
  mistakes_.emplace_back(place, std::move(error));
}

Result<Scenario, std::vector<Error>> Reader::read(const std::filesystem::path& directory) {
  const Result<YAML::Node, SyntaxError> root = load_document(source_.text());
  if (!root) {
    const auto& [position, what, hint] = root.error();
    return std::vector{source_.error(position, what, hint)};
  }
  if (!root->IsMap()) {
    return std::vector{source_.error(
        position_of(root->Mark()),
        root->IsNull() ? "the scenario is empty"
                       : fmt::format("expected a mapping of keys, got {}", describe(*root)),
        "a scenario starts with 'version: 1'")};
  }
  root_ = position_of(root->Mark());
  scenario_.directory = directory;
  read_level(*root, "");
  for (std::size_t i = 0; i < overrides_.size(); ++i) read_override(i);
  set_defaults();
  for (const auto& [name, entry] : entries_) {
    if (set_value(*find_key(name), entry, scenario_)) converted_.insert(name);
  }
  check_missing();
  check_exclusions();
  read_items();
  check_rules(scenario_, entries_, converted_);
  if (mistakes_.empty()) return std::move(scenario_);

  std::stable_sort(mistakes_.begin(), mistakes_.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Error> errors;
  for (auto& [place, error] : mistakes_) errors.push_back(std::move(error));
  return errors;
}

void Reader::read_level(const YAML::Node& map, std::string_view section) {
  std::map<std::string, Position> seen;
  for (const auto& pair : map) {
    const Position at = position_of(pair.first.Mark());
    if (!pair.first.IsScalar()) {
      report({at}, fmt::format("a key must be a word, got {}", describe(pair.first)));
      continue;
    }
    const std::string& word = pair.first.Scalar();
    const auto [first, fresh] = seen.try_emplace(word, at);
    if (!fresh) {
      report({at},
             fmt::format("duplicate key {}, already given at line {}",
                         in_quotes(full_name(section, word)), first->second.line + 1),
             "remove one of the two");
      continue;
    }
    read_pair(section, word, at, pair.second);
  }
}

void Reader::read_pair(std::string_view section, const std::string& word, Position at,
                       const YAML::Node& value) {
  if (section.empty() && is_section(word)) return read_section(word, at, value);
  const Key* key = find_key(full_name(section, word));
  if (key == nullptr || key->section() != section) {
    report({at}, fmt::format("unknown key {}", in_quotes(full_name(section, word))),
           unknown_key_hint(section, word));
    return;
  }
  entries_.insert_or_assign(key->name,
                            Entry{value, {at}, {value.IsNull() ? at : position_of(value.Mark())}});
}

void Reader::read_section(const std::string& section, Position at, const YAML::Node& value) {
  sections_.emplace(section, at);
  if (value.IsNull()) return;  // all keys of the section are commented out
  if (value.IsMap()) return read_level(value, section);
  if (find_list_section(section) != nullptr && value.IsSequence() && value.size() > 0) {
    return read_list(section, at, value);
  }
  excused_.insert(section);
  report({position_of(value.Mark())},
         fmt::format("{}: expected a mapping of keys{}, got {}", section,
                     find_list_section(section) == nullptr ? "" : " or a list of them",
                     value.IsSequence() && value.size() == 0 ? "an empty list" : describe(value)),
         fmt::format("keys here: {}", fmt::join(words_of_level(section), ", ")));
}

/// The first item is the section itself; what the others hold waits for read_items().
void Reader::read_list(const std::string& section, Position at, const YAML::Node& value) {
  Entries first;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const YAML::Node item = value[i];
    if (!item.IsMap() || (item.size() == 0 && !find_list_section(section)->has_defaults)) {
      report({item.IsNull() ? at : position_of(item.Mark())},
             fmt::format("{}: expected a mapping of keys as an item, got {}", section,
                         item.IsMap() ? "an empty one" : describe(item)),
             fmt::format("keys here: {}", fmt::join(words_of_level(section), ", ")));
      continue;
    }
    Entries others = std::exchange(entries_, {});
    read_level(item, section);
    if (i == 0) {
      first = std::exchange(entries_, {});
    } else {
      items_.emplace_back(find_list_section(section), std::exchange(entries_, {}));
    }
    entries_ = std::move(others);
  }
  entries_.merge(first);
}

void Reader::read_items() {
  std::map<const ListSection*, std::size_t> numbers;
  for (const auto& [list, entries] : items_) {
    const std::size_t number = ++numbers[list];
    Scenario item = scenario_;
    list->clear(item);
    for (const Key& key : keys()) {
      if (!of_item(key) || key.section() != list->name || key.default_text.empty()) continue;
      set_value(key, {YAML::Load(std::string(key.default_text)), {}, {}}, item);
    }
    std::set<std::string_view> converted;
    for (const auto& [name, entry] : entries) {
      const Key& key = *find_key(name);
      if (!of_item(key)) {
        report(entry.key_place, fmt::format("'{}' stands in the first item of the list only", name),
               "it holds for all kinds of faults: move it there");
      } else if (set_value(key, entry, item, number)) {
        converted.insert(name);
      }
    }
    check_rules(item, entries, converted);
    list->append(scenario_, item);
  }
  if (!scenario_.more_faults.empty() && scenario_.faults.file) {
    report(entries_.at("faults.file").key_place,
           "'faults.file' cannot be given together with further kinds of faults",
           "remove the other items of the list");
  }
}

std::string Reader::unknown_key_hint(std::string_view section, std::string_view word) {
  const std::vector<std::string_view> here = words_of_level(section);
  const std::vector<std::string_view> elsewhere = keys_called(word);
  const bool misplaced = find_key(word) != nullptr || !keys_with_leaf(word).empty();
  const std::string_view near = misplaced ? std::string_view{} : nearest(word, here);
  if (!near.empty()) {
    excused_.insert(full_name(section, near));
    return fmt::format("did you mean '{}'?", near);
  }
  if (elsewhere.empty()) return fmt::format("keys here: {}", fmt::join(here, ", "));
  if (elsewhere.size() == 1) excused_.emplace(elsewhere.front());
  std::vector<std::string> places;
  for (const std::string_view name : elsewhere) places.push_back(place_text(*find_key(name)));
  return fmt::format("did you mean {}?", fmt::join(places, " or "));
}

void Reader::read_override(std::size_t index) {
  const auto& [name, text] = overrides_[index];
  const Place place{{}, index + 1};
  const Key* key = find_key(name);
  if (key == nullptr) {
    return report(place, fmt::format("unknown key {}", in_quotes(name)), unknown_option_hint(name));
  }
  for (std::size_t i = 0; i < index; ++i) {
    if (overrides_[i].first == name) {
      return report(place, fmt::format("{} is set more than once", in_quotes(name)),
                    "remove one of the two");
    }
  }
  excused_.emplace(name);
  const Source source("", text);
  if (const std::optional<Error> malformed = source.malformed()) {
    return report(place, malformed->what, malformed->hint);
  }
  const Result<YAML::Node, SyntaxError> value = load_document(source.text());
  if (!value) return report(place, value.error().what, value.error().hint);
  entries_.insert_or_assign(key->name, Entry{*value, place, place});
}

void Reader::set_defaults() {
  for (const Key& key : keys()) {
    if (!key.default_text.empty()) {
      set_value(key, {YAML::Load(std::string(key.default_text)), {}, {}}, scenario_);
    }
  }
}

Place Reader::item_place(const Entry& entry, std::size_t item) {
  if (entry.value_place.option != 0 || !entry.value.IsSequence()) return entry.value_place;
  return item < entry.value.size() ? Place{position_of(entry.value[item].Mark())}
                                   : entry.value_place;
}

/// The scalars of a value that has the form its key asks for.
std::optional<std::vector<Scalar>> Reader::scalars_of(const Key& key, const Entry& entry) {
  const YAML::Node& value = entry.value;
  const bool words =
      key.kind == Kind::words || key.kind == Kind::paths || key.kind == Kind::perturbations;
  const bool list =
      key.kind == Kind::integers || key.kind == Kind::reals || (words && !value.IsScalar());
  if (value.IsNull()) {
    report(entry.value_place, fmt::format("{}: no value", key.name),
           fmt::format("give {}{}", expected_text(key.kind),
                       key.mandatory ? "" : ", or remove the key"));
    return std::nullopt;
  }
  if (list ? !value.IsSequence() : !value.IsScalar()) {
    report(
        entry.value_place,
        fmt::format("{}: expected {}, got {}", key.name, expected_text(key.kind), describe(value)),
        list && value.IsScalar() ? fmt::format("write [{}]", printable(value.Scalar())) : "");
    return std::nullopt;
  }
  std::vector<YAML::Node> items;
  if (list) {
    for (const auto& item : value) items.push_back(item);
  } else {
    items.push_back(value);
  }
  std::vector<Scalar> scalars;
  for (const YAML::Node& item : items) {
    const Place place = item_place(entry, scalars.size());
    if (has_explicit_tag(item)) {
      report(place, fmt::format("{}: the tag {} is not supported", key.name, in_quotes(item.Tag())),
             "remove the tag");
      return std::nullopt;
    }
    if (key.kind == Kind::perturbations && item.IsSequence()) {
      auto steps = joined_steps(item);
      if (!steps) {
        const bool in_file = entry.value_place.option == 0;
        report(in_file ? Place{position_of(steps.error().Mark())} : entry.value_place,
               fmt::format("{}: expected a perturbation as a step, got {}", key.name,
                           describe(steps.error())),
               "write [rotate/2, gaussian_noise/3]");
        return std::nullopt;
      }
      scalars.push_back(*std::move(steps));
      continue;
    }
    if (!item.IsScalar()) {
      report(place, fmt::format("{}: expected {}, got {} as an item", key.name,
                                expected_text(key.kind), describe(item)));
      return std::nullopt;
    }
    scalars.push_back({item.Scalar(), item.Tag() == "!"});
  }
  return scalars;
}

/// Whether the value was good.
bool Reader::set_value(const Key& key, const Entry& entry, Scenario& scenario, std::size_t item) {
  const std::optional<std::vector<Scalar>> scalars = scalars_of(key, entry);
  if (!scalars) return false;
  const bool none = !key.none.empty() && scalars->front() == Scalar{"none"};
  if (none) return true;  // the member keeps no value
  const Result<Value, Problem> value = to_value(key, *scalars);
  if (!value) {
    const auto& [what, hint, wrong] = value.error();
    report(wrong ? item_place(entry, *wrong) : entry.value_place, what, hint);
    return false;
  }
  key.member.set(scenario, *value);
  if (key.kind == Kind::path) {
    const Place place = entry.value_place;
    scenario_.places.of[{std::string(key.name), item}] =
        place.option == 0 ? source_.error(place.position, "")
                          : Error{Errc::usage, where(place), "", "", ""};
  }
  return true;
}

void Reader::check_missing() {
  for (const Key& key : keys()) {
    if (!key.mandatory || entries_.contains(key.name) || excused_.contains(key.name) ||
        excused_.contains(key.section())) {
      continue;
    }
    const auto section = sections_.find(key.section());
    report({section == sections_.end() ? root_ : section->second},
           fmt::format("missing key '{}'", key.name),
           fmt::format("{}: {}{}", kind_name(key.kind), key.doc, words_text(key)));
  }
}

void Reader::check_exclusions() {
  for (const Key& sole : keys()) {
    if (!sole.excludes_section || !entries_.contains(sole.name)) continue;
    for (const auto& [name, entry] : entries_) {
      if (name == sole.name || find_key(name)->section() != sole.section()) continue;
      report(entry.key_place,
             fmt::format("'{}' cannot be given together with '{}' ({})", name, sole.name,
                         where(entries_.at(sole.name).key_place)),
             "remove one of the two");
    }
  }
}

void Reader::check_rules(const Scenario& scenario, const Entries& entries,
                         const std::set<std::string_view>& converted) {
  for (const Rule& rule : rules()) {
    if (!converted.contains(rule.key)) continue;
    std::string violation = rule.violation(scenario);
    if (!violation.empty()) {
      if (!violation.starts_with(rule.key)) violation = fmt::format("{}: {}", rule.key, violation);
      report(entries.at(rule.key).value_place, violation, std::string(rule.hint));
    }
  }
}

Error unreadable(const std::string& name, const std::string& reason) {
  return {.code = Errc::scenario,
          .where = name,
          .what = fmt::format("cannot read the scenario: {}", reason),
          .hint = "name a scenario file; `bitquake init MODEL` writes one",
          .source = ""};
}

}  // namespace

Result<Scenario, std::vector<Error>> parse_scenario(const std::string& text,
                                                    const std::string& name,
                                                    const std::filesystem::path& directory,
                                                    const std::vector<Override>& overrides) {
  if (text.size() > kMaxScenarioBytes) {
    return std::vector{unreadable(name, fmt::format("longer than {} bytes", kMaxScenarioBytes))};
  }
  const Source source(name, text);
  if (std::optional<Error> malformed = source.malformed()) return std::vector{*malformed};
  return Reader(source, overrides).read(directory);
}

Result<Scenario, std::vector<Error>> read_scenario(const std::filesystem::path& path,
                                                   const std::vector<Override>& overrides) {
  std::error_code status;
  if (std::filesystem::is_directory(path, status)) {
    return std::vector{unreadable(path.string(), "it is a directory")};
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return std::vector{unreadable(path.string(), std::generic_category().message(errno))};
  }
  // One byte more than allowed is enough to refuse a file of any size.
  std::string text(kMaxScenarioBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return std::vector{unreadable(path.string(), "input error")};
  text.resize(static_cast<std::size_t>(file.gcount()));
  return parse_scenario(text, path.string(), std::filesystem::absolute(path).parent_path(),
                        overrides);
}

}  // namespace bitquake::scenario
