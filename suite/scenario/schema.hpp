#pragma once

#include "suite/scenario/scenario.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The one table of scenario keys. Parsing, range checks, defaults, the effective scenario and the
/// list of keys all loop over it: a key is added here and nowhere else.
namespace bitquake::scenario {

/// What a key's value looks like in YAML.
enum class Kind : std::uint8_t {
  integer,   ///< decimal digits
  real,      ///< finite decimal number
  text,      ///< any non-empty scalar without control characters
  path,      ///< text that names a file, relative to the scenario file
  choice,    ///< one of the registered words
  integers,  ///< list of integers
  reals,     ///< list of reals
  words,     ///< one text or a list of them; with choices, of registered words
  paths,     ///< one path or a list of them
  /// One that augment::parse_alternatives knows, or a list of them; a list in the list is steps
  /// that follow each other.
  perturbations,
};

/// A parsed value. Text, paths and choices are the string; perturbations are their labels.
using Value = std::variant<std::uint64_t, double, std::string, std::vector<std::uint64_t>,
                           std::vector<double>, std::vector<std::string>>;

/// Values allowed for an integer, or for each item of a list of integers. Both ends included.
struct IntegerRange {
  std::uint64_t low = 0;
  std::uint64_t high = std::numeric_limits<std::uint64_t>::max();
};

/// Values allowed for a real, or for each item of a list of reals.
struct RealRange {
  double low = std::numeric_limits<double>::lowest();
  double high = std::numeric_limits<double>::max();
  bool above_low = false;  ///< `low` itself is excluded
};

/// Number of items of a list. Both ends included.
struct ItemCount {
  std::size_t low = 1;
  std::size_t high = 4096;
};

/// A registered word of a choice.
struct Word {
  std::string_view name;
  std::string_view doc;
};

/// The place in a Scenario that a key stands for.
struct Member {
  /// Stores a value that parse_value made for the key.
  void (*set)(Scenario&, const Value&) = nullptr;
  /// None for an optional member without a value.
  std::optional<Value> (*get)(const Scenario&) = nullptr;
};

struct Key {
  std::string_view name;  ///< full name: "seed", or "faults.epochs" in section `faults`
  Kind kind = Kind::text;
  bool mandatory = false;
  std::string_view default_text{};  ///< as YAML; empty: no value unless the file gives one
  IntegerRange integer_range{};     ///< integer, integers
  RealRange real_range{};           ///< real, reals
  ItemCount items{};                ///< integers, reals
  std::vector<Word> choices{};      ///< choice
  std::string_view refusal{};       ///< choice: why every other word is refused; may be empty
  std::string_view none{};          ///< what the word `none` means; empty: it is no word
  std::string_view doc;
  bool of_campaign = false;       ///< in a list of sections: stands in the first one only
  bool excludes_section = false;  ///< when given, no other key of its section may be
  bool decides_results = true;    ///< false: says how results are computed, never what they are
  bool decides_faults = true;     ///< false: no fault set depends on it
  Member member;

  std::string_view section() const;  ///< "faults"; empty at the top level
  std::string_view leaf() const;     ///< "epochs"
};

/// All keys in the order of the effective scenario; the keys of a section are neighbours.
const std::vector<Key>& keys();

/// Key by its full name; nullptr when there is none.
const Key* find_key(std::string_view name);

/// A section that may be a list: the keys' members stand for its first item, the further items are
/// kept beside them.
struct ListSection {
  std::string_view name;
  std::string_view item;  ///< what an item is
  /// Number of further items.
  std::size_t (*count)(const Scenario&);
  /// Puts a further item in the place of the first.
  void (*take)(Scenario& whole, std::size_t index);
  /// Empties the first item, except for what rules need to know of it.
  void (*clear)(Scenario& whole);
  /// Appends the first item of `from` to the further ones of `to`.
  void (*append)(Scenario& to, const Scenario& from);
  bool has_defaults = false;  ///< an item without keys has a meaning
};

/// By its name; nullptr for a section that is no list.
const ListSection* find_list_section(std::string_view name);

/// Whether a key belongs to each item of a list.
inline bool of_item(const Key& key) {
  return !key.of_campaign && find_list_section(key.section()) != nullptr;
}

/// A condition that ties several values together.
struct Rule {
  std::string_view key;                       ///< the key that is to blame
  std::string (*violation)(const Scenario&);  ///< what is wrong, with or without the key in front;
                                              ///< empty when it holds
  std::string_view hint;
};

const std::vector<Rule>& rules();

/// "integer", "list of reals", …
std::string_view kind_name(Kind kind);

/// What a value should have been, for messages: "an integer", "a list of numbers", …
std::string_view expected_text(Kind kind);

/// Values allowed, for people: "1 to 1000000000", "greater than 0", "2 items, each 0 to 31"; empty
/// when everything of the kind is.
std::string range_text(const Key& key);

/// As range_text for a single value, without the number of items.
std::string item_range_text(const Key& key);

/// The table as aligned text: key, type, default, range, meaning; under each choice its words.
std::string keys_table();

}  // namespace bitquake::scenario
