#include "suite/scenario/starter.hpp"

#include "suite/scenario/schema.hpp"
#include "suite/scenario/yaml_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>

namespace bitquake::scenario {

namespace {

constexpr std::array<std::string_view, 28> kStarterKeys{"version",
                                                        "seed",
                                                        "model.file",
                                                        "model.input",
                                                        "model.output",
                                                        "data.format",
                                                        "data.name",
                                                        "data.images",
                                                        "data.labels",
                                                        "data.annotations",
                                                        "data.classes",
                                                        "data.label_set",
                                                        "data.severity",
                                                        "data.samples",
                                                        "data.order",
                                                        "preprocess.colour",
                                                        "preprocess.resize",
                                                        "preprocess.resize_to",
                                                        "preprocess.interpolation",
                                                        "preprocess.divide_by",
                                                        "preprocess.mean",
                                                        "preprocess.std",
                                                        "faults.target",
                                                        "faults.model",
                                                        "faults.bits",
                                                        "faults.draw",
                                                        "faults.policy",
                                                        "faults.epochs"};

constexpr std::size_t kCommentColumn = 32;
constexpr std::size_t kWidth = 100;

bool in_starter(const Key& key) {
  return std::find(kStarterKeys.begin(), kStarterKeys.end(), key.name) != kStarterKeys.end();
}

/// Whether a key that accepts `none` and has no value says so: labels, where they are a file.
bool says_none(const Key& key, const Scenario& scenario) {
  return key.name != "data.labels" || scenario.data.format == DataFormat::idx ||
         scenario.data.format == DataFormat::npy;
}

std::string comment_of(const Key& key, const std::string& value,
                       const std::vector<Remark>& remarks) {
  std::string text(key.doc);
  std::vector<std::string_view> others;
  for (const Word& word : key.choices) {
    if (word.name != value) others.push_back(word.name);
  }
  if (!others.empty()) text += fmt::format("; or {}", fmt::join(others, ", "));
  for (const Remark& remark : remarks) {
    if (remark.key == key.name) text += "; " + remark.text;
  }
  return text;
}

/// Comment lines of at most kWidth columns where words allow it.
std::string wrapped(const std::string& text, const std::string& indent) {
  std::istringstream words(text);
  std::string lines, line;
  for (std::string word; words >> word;) {
    if (!line.empty() && indent.size() + 2 + line.size() + 1 + word.size() > kWidth) {
      lines += fmt::format("{}# {}\n", indent, line);
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return lines + indent + "# " + line + "\n";
}

/// The key with its comment behind it, or above it when the line would be too long.
std::string entry_text(const Key& key, const std::string& value, const std::string& comment) {
  const std::string indent(key.section().empty() ? 0 : 2, ' ');
  const std::string entry = fmt::format("{}{}: {}", indent, key.leaf(), value);
  const std::string line = fmt::format("{:<{}} # {}", entry, kCommentColumn, comment);
  if (entry.size() <= kCommentColumn && line.size() <= kWidth) return line + "\n";
  return wrapped(comment, indent) + entry + "\n";
}

}  // namespace

std::string to_starter_yaml(const Scenario& scenario, const std::vector<std::string>& heading,
                            const std::vector<Remark>& remarks) {
  std::string text;
  for (const std::string& line : heading) text += line.empty() ? "#\n" : "# " + line + "\n";
  std::string_view section;
  for (const Key& key : keys()) {
    if (!in_starter(key)) continue;
    const std::optional<Value> value = key.member.get(scenario);
    if (!value && (key.none.empty() || !says_none(key, scenario))) continue;
    if (key.section() != section) {
      section = key.section();
      text += fmt::format("\n{}:\n", section);
    }
    const std::string shown = value ? value_text(key, *value) : "none";
    text += entry_text(key, shown, comment_of(key, shown, remarks));
  }
  return text;
}

}  // namespace bitquake::scenario
