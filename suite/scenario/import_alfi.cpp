#include "suite/scenario/import_alfi.hpp"

#include "suite/base/text.hpp"
#include "suite/scenario/schema.hpp"
#include "suite/scenario/source.hpp"
#include "suite/scenario/yaml_document.hpp"
#include "suite/scenario/yaml_reader.hpp"
#include "suite/scenario/yaml_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

namespace bitquake::scenario {
namespace {

/// A key that decides nothing here.
struct Unused {
  std::string_view key, why;
};

constexpr std::string_view kStatic =
    "static faults were never implemented there; list them in a CSV "
    "file for `bitquake faults import`";

constexpr std::array kUnused{
    Unused{"print", "prints the model there; here: `bitquake model info`"},
    Unused{"sourcedev", "PyTorchALFI never uses it"},
    Unused{"fi_logfile", "PyTorchALFI only writes it back; a run keeps its faults in faults.h5"},
    Unused{"modelname",
           "PyTorchALFI never reads it: the model comes from Python; fill in model.file"},
    Unused{"state", "PyTorchALFI never reads it: the model comes from Python; fill in model.file"},
    Unused{"modeldir",
           "PyTorchALFI never reads it: the model comes from Python; fill in model.file"},
    Unused{"layer_boundsfile", "PyTorchALFI never reads it"},
    Unused{"ds_location", "PyTorchALFI never reads it: the data comes from Python; fill in data"},
    Unused{"ds_loader_class",
           "PyTorchALFI never reads it: the data comes from Python; fill in data"},
    Unused{"ds_test_size", "PyTorchALFI never reads it; here: data.samples"},
    Unused{"ptf_D", "model.input has three dimensions"},
    Unused{"save_fault_file_dir", "the directory of results; here: `bitquake run -o`"},
    Unused{"st_data_location", kStatic},
    Unused{"st_file_location", kStatic},
    Unused{"st_mode", kStatic},
    Unused{"st_value_type", kStatic},
    Unused{"st_batches", kStatic},
    Unused{"st_layers", kStatic},
    Unused{"st_H", kStatic},
    Unused{"st_W", kStatic},
    Unused{"st_C", kStatic},
    Unused{"st_K", kStatic},
    Unused{"st_value", kStatic},
};

/// Layer types there, and the kinds of sites they are here.
struct LayerType {
  std::string_view name, kind;
  bool has_weights;
  std::string_view remark;
};
constexpr std::array kLayerTypes{
    LayerType{"conv2d", "conv2d", true, ""},
    LayerType{"conv3d", "conv3d", true, ""},
    LayerType{"fcc", "linear", true, ""},
    LayerType{"leakyRelu", "activation", false, "leakyRelu: here all activation functions"},
    LayerType{"batchnorm", "batch_norm", true, ""},
    LayerType{"attn_fcc", "linear", true,
              "attn_fcc: here all linear layers; choose those of attention with faults.include"},
    LayerType{"embedding", "embedding", true, ""},
};

constexpr std::int64_t kMsb = 31;  ///< bit 0 there is bit 31 here
constexpr std::size_t kCommentColumn = 32, kWidth = 100;

/// The keys that the scenario needs and PyTorchALFI's file cannot say.
struct Placeholder {
  std::string_view key, value, comment;
};
constexpr std::array kPlaceholders{
    Placeholder{"model.file", "model.pt", "fill in: TorchScript file of the model"},
    Placeholder{"model.input", "[3, 224, 224]", "fill in: channels, height, width of a sample"},
    Placeholder{"model.output", "logits", "fill in: logits or probabilities"},
    Placeholder{"data.name", "data", "fill in: a name for tables"},
    Placeholder{"data.images", "images.gz", "fill in: file of images"},
    Placeholder{"data.labels", "labels.gz", "fill in: file of labels, or none"},
};

std::string_view section_of(std::string_view key) {
  const auto dot = key.find('.');
  return dot == std::string_view::npos ? std::string_view{} : key.substr(0, dot);
}

std::string_view leaf_of(std::string_view key) { return key.substr(key.find('.') + 1); }

/// Comment lines of at most kWidth columns where words allow it.
std::string wrapped(const std::string& text, const std::string& indent) {
  std::istringstream words(text);
  std::string lines, line;
  for (std::string word; words >> word;) {
    if (!line.empty() && indent.size() + 3 + line.size() + word.size() > kWidth) {
      lines += fmt::format("{}# {}\n", indent, line);
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return lines + indent + "# " + line + "\n";
}

/// The key with its comment behind it, or above it where the line would be too long.
std::string entry_text(std::string_view key, const std::string& value, const std::string& comment,
                       bool placeholder = false) {
  const std::string indent(section_of(key).empty() ? 0 : 2, ' ');
  const std::string entry =
      fmt::format("{}{}{}: {}", indent, placeholder ? "# " : "", leaf_of(key), value);
  if (comment.empty()) return entry + "\n";
  const std::string line = fmt::format("{:<{}} # {}", entry, kCommentColumn, comment);
  if (entry.size() <= kCommentColumn && line.size() <= kWidth) return line + "\n";
  return wrapped(comment, indent) + entry + "\n";
}

/// A value on one line, for comments.
std::string shown(const YAML::Node& value) {
  if (value.IsNull()) return "(nothing)";
  if (value.IsMap()) return "(a mapping)";
  if (value.IsScalar()) {
    const std::string quoted = in_quotes(value.Scalar());
    return quoted.substr(1, quoted.size() - 2);
  }
  std::string items;
  constexpr std::size_t kMost = 8;
  for (std::size_t i = 0; i < value.size() && i < kMost; ++i) {
    items += (i == 0 ? "" : ", ") + (value[i].IsScalar() ? shown(value[i]) : "…");
  }
  return "[" + items + (value.size() > kMost ? ", …" : "") + "]";
}

class Importer {
 public:
  Importer(const Source& source, std::string name) : source_(source), name_(std::move(name)) {}
  Result<AlfiScenario, std::vector<Error>> run(const YAML::Node& root);

 private:
  /// A key of the file; the last one where it is given several times.
  struct Given {
    YAML::Node value;
    Position at;
    bool taken = false;
  };
  struct Line {
    std::string value, comment;
  };

  void read_keys(const YAML::Node& root);
  void read_target();
  void read_amount();
  void read_layers();
  void read_values();
  void read_bits();
  void read_policy();
  void read_input();
  void read_rest();
  std::string text(bool filled) const;

  // Values of keys. A key that is absent, or has the value that stands for that there, is none; one
  // that is malformed is a mistake and none.
  const YAML::Node* take(std::string_view key);
  std::optional<std::string> word(std::string_view key);
  std::optional<std::string> word_of(std::string_view key,
                                     const std::vector<std::string_view>& words);
  std::optional<std::int64_t> whole(std::string_view key, std::int64_t low, std::int64_t high);
  std::optional<double> real(std::string_view key);
  std::optional<bool> truth(std::string_view key);
  std::optional<std::vector<std::string>> words(std::string_view key);
  std::optional<std::vector<std::int64_t>> bits(std::string_view key);
  void only_change(std::string_view key, const std::string& otherwise);

  void mistake(std::string_view key, const std::string& what, const std::string& hint = "");
  void put(std::string_view key, std::string value, std::string comment) {
    lines_[std::string(key)] = {std::move(value), std::move(comment)};
  }
  /// A comment at the end; also a note when the user must look at it.
  void remark(const std::string& comment, bool note) {
    remarks_.push_back(comment);
    if (note) notes_.push_back(comment);
  }
  /// Adds to the comment of a key.
  void explain(std::string_view key, const std::string& more) {
    std::string& comment = lines_.at(std::string(key)).comment;
    comment += (comment.empty() ? "" : "; ") + more;
  }

  const Source& source_;
  std::string name_;
  std::map<std::string, Given, std::less<>> given_;
  std::vector<std::string> order_;  ///< of the keys in the file
  std::map<std::string, Line, std::less<>> lines_;
  std::vector<std::string> remarks_, notes_;
  std::vector<Error> mistakes_;
  bool weights_ = false;
};

void Importer::mistake(std::string_view key, const std::string& what, const std::string& hint) {
  const auto found = given_.find(key);
  const Position at = found == given_.end() ? Position{} : found->second.at;
  mistakes_.push_back(source_.error(at, std::string(key) + ": " + what, hint));
}

void Importer::read_keys(const YAML::Node& root) {
  for (const auto& pair : root) {
    const Position at = position_of(pair.first.Mark());
    if (!pair.first.IsScalar()) {
      mistakes_.push_back(source_.error(at, "a key must be a word"));
      continue;
    }
    const std::string& key = pair.first.Scalar();
    const auto before = given_.find(key);
    if (before != given_.end()) {
      remark(
          fmt::format("{}: given more than once; the last value holds, as there", printable(key)),
          true);
      before->second = {pair.second, at};
      continue;
    }
    order_.push_back(key);
    given_.emplace(key, Given{pair.second, at});
  }
}

const YAML::Node* Importer::take(std::string_view key) {
  const auto found = given_.find(key);
  if (found == given_.end()) return nullptr;
  found->second.taken = true;
  const YAML::Node& value = found->second.value;
  const bool absent =
      value.IsNull() || (value.IsScalar() && (value.Scalar() == "-1" || value.Scalar() == "-1.0"));
  return absent ? nullptr : &value;
}

std::optional<std::string> Importer::word(std::string_view key) {
  const YAML::Node* value = take(key);
  if (value == nullptr) return std::nullopt;
  if (value->IsScalar() && !value->Scalar().empty()) return value->Scalar();
  mistake(key, "expected a word, got " + shown(*value));
  return std::nullopt;
}

std::optional<std::string> Importer::word_of(std::string_view key,
                                             const std::vector<std::string_view>& words) {
  auto value = word(key);
  if (!value || std::find(words.begin(), words.end(), *value) != words.end()) return value;
  mistake(key, "unknown word " + in_quotes(*value),
          fmt::format("one of: {}", fmt::join(words, ", ")));
  return std::nullopt;
}

std::optional<std::int64_t> Importer::whole(std::string_view key, std::int64_t low,
                                            std::int64_t high) {
  const YAML::Node* value = take(key);
  if (value == nullptr) return std::nullopt;
  const auto number = value->IsScalar() ? to_number<std::int64_t>(value->Scalar()) : std::nullopt;
  if (number && *number >= low && *number <= high) return number;
  mistake(key,
          fmt::format("expected a whole number from {} to {}, got {}", low, high, shown(*value)));
  return std::nullopt;
}

std::optional<double> Importer::real(std::string_view key) {
  const YAML::Node* value = take(key);
  if (value == nullptr) return std::nullopt;
  const auto number = value->IsScalar() ? to_number<double>(value->Scalar()) : std::nullopt;
  if (number && std::isfinite(*number)) return number;
  mistake(key, "expected a number, got " + shown(*value));
  return std::nullopt;
}

std::optional<bool> Importer::truth(std::string_view key) {
  const YAML::Node* value = take(key);
  if (value == nullptr) return std::nullopt;
  std::string word = value->IsScalar() ? value->Scalar() : "";
  for (char& c : word) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (word == "true" || word == "yes" || word == "on") return true;
  if (word == "false" || word == "no" || word == "off") return false;
  mistake(key, "expected True or False, got " + shown(*value));
  return std::nullopt;
}

std::optional<std::vector<std::string>> Importer::words(std::string_view key) {
  const YAML::Node* value = take(key);
  if (value == nullptr) return std::nullopt;
  std::vector<std::string> list;
  if (value->IsScalar()) {
    list.push_back(value->Scalar());
  } else if (value->IsSequence()) {
    for (const auto& item : *value) list.push_back(item.IsScalar() ? item.Scalar() : "");
  }
  const bool empty = std::any_of(list.begin(), list.end(), [](const auto& w) { return w.empty(); });
  if (empty || value->IsMap()) {
    mistake(key, "expected a list of words, got " + shown(*value));
    return std::nullopt;
  }
  if (list.empty()) return std::nullopt;
  return list;
}

/// Bit numbers as they stand there: 0 is the most significant.
std::optional<std::vector<std::int64_t>> Importer::bits(std::string_view key) {
  const YAML::Node* value = take(key);
  if (value == nullptr) return std::nullopt;
  std::vector<std::int64_t> list;
  bool good = value->IsSequence();
  if (good) {
    for (const auto& item : *value) {
      const auto bit = item.IsScalar() ? to_number<std::int64_t>(item.Scalar()) : std::nullopt;
      good = good && bit && *bit >= 0 && *bit <= kMsb;
      list.push_back(bit.value_or(0));
    }
  }
  if (!good) {
    mistake(key, fmt::format("expected a list of bits from 0 to {}, got {}", kMsb, shown(*value)));
    return std::nullopt;
  }
  if (list.empty()) return std::nullopt;
  return list;
}

void Importer::read_target() {
  const auto mode = word_of("rnd_mode", {"neurons", "weights"});
  const auto hook = word_of("fault_injec_hook_type", {"input", "output"});
  weights_ = mode == "weights";
  if (weights_ && hook == "input") {
    mistake("fault_injec_hook_type", "input does not go with rnd_mode weights",
            "PyTorchALFI refuses it too");
  }
  const bool inputs = hook == "input";
  put("faults.target",
      weights_ ? "weights"
      : inputs ? "site_inputs"
               : "neurons",
      inputs ? "fault_injec_hook_type: input"
      : mode ? "rnd_mode"
             : "rnd_mode is neurons by default");
}

void Importer::read_amount() {
  const auto runs = whole("num_runs", 1, 1'000'000'000);
  put("faults.epochs", std::to_string(runs.value_or(1)), "num_runs: passes over the data");
  const auto rate = real("max_fault_rate");
  const auto faults = whole("max_faults_per_image", 1, 1'000'000);
  if (rate && faults) {
    mistake("max_fault_rate", "cannot be given together with max_faults_per_image",
            "keep one of them: PyTorchALFI refuses both");
  } else if (rate && !(*rate > 0 && *rate <= 1)) {
    mistake("max_fault_rate", "expected a number above 0, at most 1, got " + shortest(*rate));
  } else if (rate) {
    put("faults.fault_rate", shortest(*rate),
        "max_fault_rate: the probability of each element, as documented; there it fails");
  } else {
    put("faults.per_group", std::to_string(faults.value_or(1)), "max_faults_per_image");
    if (faults.value_or(1) > 1) {
      explain("faults.per_group", "there more than one fault ends in an error");
    }
  }
  const auto type = word_of("run_type", {"single", "accumulate"});
  put("run_type", type.value_or("single"),
      type == "accumulate" ? "as documented; there it changes nothing" : "");
}

void Importer::read_layers() {
  std::vector<std::string> kinds;
  for (const std::string& type :
       words("layer_types").value_or(std::vector<std::string>{"conv2d"})) {
    const auto* known = std::find_if(kLayerTypes.begin(), kLayerTypes.end(),
                                     [&](const LayerType& l) { return l.name == type; });
    if (known == kLayerTypes.end()) {
      std::vector<std::string_view> names;
      for (const LayerType& layer : kLayerTypes) names.push_back(layer.name);
      mistake("layer_types", "unknown word " + in_quotes(type),
              fmt::format("one of: {}", fmt::join(names, ", ")));
    } else if (weights_ && !known->has_weights) {
      remark(fmt::format("layer_types: {} has no weights", type), false);
    } else {
      if (!known->remark.empty()) remark("layer_types: " + std::string(known->remark), true);
      if (std::find(kinds.begin(), kinds.end(), known->kind) == kinds.end()) {
        kinds.emplace_back(known->kind);
      }
    }
  }
  if (kinds.empty()) {
    if (mistakes_.empty()) mistake("layer_types", "no type with weights is left");
  } else {
    put("faults.kinds", fmt::format("[{}]", fmt::join(kinds, ", ")), "layer_types");
  }
  for (const auto& [there, here] : {std::pair{"layer_types_named", "faults.include"},
                                    std::pair{"layer_types_exclude", "faults.exclude"}}) {
    auto names = words(there);
    if (!names) continue;
    for (std::string& name : *names) name = fmt::format("*{}*", name);
    put(here, value_text(*find_key(here), *names), std::string(there) + ": parts of names");
  }
  const bool weighted = truth("rnd_layer_weighted").value_or(false);
  const bool rate = lines_.contains("faults.fault_rate");
  put("faults.draw", weighted || rate ? "elements" : "sites",
      weighted ? "rnd_layer_weighted: larger layers are hit more often"
      : rate   ? "a rate is the same for all elements"
               : "rnd_layer_weighted is off: a layer first, then an element of it");
  const auto layer = word("rnd_layer");
  if (layer && *layer != "change" && *layer != "same") {
    const auto number = whole("rnd_layer", 0, 65535);
    if (!number) return;
    put("faults.indices", fmt::format("[{}]", *number), "rnd_layer");
    remark(
        "rnd_layer: counts the layers of layer_types there, all sites in the order of `bitquake "
        "model info` here: check faults.indices",
        true);
  } else if (layer == "same") {
    remark(
        "rnd_layer: same, all faults in one layer that is drawn once; choose one with "
        "faults.indices",
        true);
  }
  if (truth("rnd_layer_selected").value_or(false)) {
    remark("rnd_layer_selected: choose the layers with faults.include or faults.indices", true);
  }
  take("rnd_layer_selected_num");
}

void Importer::only_change(std::string_view key, const std::string& otherwise) {
  const auto value = word_of(key, {"change", "same"});
  if (value == "same") remark(fmt::format("{}: same, {}", key, otherwise), true);
}

void Importer::read_bits() {
  const std::int64_t width = whole("rnd_value_bits", 1, kMsb + 1).value_or(kMsb + 1);
  const auto range = bits("rnd_bit_range");
  const auto excluded = bits("rnd_bit_range_exclude");
  std::int64_t low = 0, high = width - 1;  // 0 is the most significant
  if (range && range->size() > 2) {
    mistake("rnd_bit_range", fmt::format("expected one or two bits, got {}", range->size()));
  }
  if (range) {
    low = std::min(range->front(), range->back());
    high = std::max(range->front(), range->back());
    if (high >= width) {
      mistake("rnd_bit_range", fmt::format("bit {} is outside rnd_value_bits {}", high, width),
              "PyTorchALFI refuses it too");
    }
  }
  std::string comment = range ? "rnd_bit_range, counted from the least significant bit here"
                              : "rnd_value_bits: the upper bits of fp32";
  std::set<std::int64_t> left;  // counted from the least significant
  for (std::int64_t bit = low; bit <= high; ++bit) left.insert(kMsb - bit);
  if (excluded && low == high) {
    remark("rnd_bit_range_exclude: PyTorchALFI ignores it where rnd_bit_range is one bit", false);
  } else if (excluded) {
    for (const std::int64_t bit : *excluded) left.erase(kMsb - bit);
    comment +=
        "; without rnd_bit_range_exclude (with it, the last bit of the range is never drawn "
        "there)";
  }
  if (left.empty()) return mistake("rnd_bit_range_exclude", "leaves no bit");
  if (left.size() == static_cast<std::size_t>(kMsb + 1)) {
    return put("faults.bits", "all", range ? "rnd_bit_range" : "rnd_value_bits");
  }
  std::vector<std::string> ranges;
  for (auto bit = left.begin(); bit != left.end();) {
    const std::int64_t first = *bit;
    std::int64_t last = first;
    while (++bit != left.end() && *bit == last + 1) ++last;
    ranges.push_back(first == last ? std::to_string(first) : fmt::format("{}-{}", first, last));
  }
  // Two numbers in a list could mean a range.
  for (std::string& item : ranges) {
    if (ranges.size() > 1 && item.find('-') == std::string::npos) item += "-" + item;
  }
  put("faults.bits", ranges.size() == 1 ? ranges[0] : fmt::format("[{}]", fmt::join(ranges, ", ")),
      comment);
}

void Importer::read_values() {
  const auto type = word_of("rnd_value_type", {"number", "bitflip", "bitflip_bounds",
                                               "bitflip_weighted", "stuckat_0", "stuckat_1"});
  if (!given_.contains("rnd_value_type")) {
    mistake("rnd_value_type", "is missing", "PyTorchALFI refuses that too");
  }
  if (!type) return;
  if (*type == "number") {
    put("faults.model", "random_value", "rnd_value_type: number");
    explain("faults.model", "there the numbers lose their fractions");
    const auto low = real("rnd_value_min");
    const auto high = real("rnd_value_max");
    if (!low || !high) {
      mistake("rnd_value_type", "number needs rnd_value_min and rnd_value_max");
    } else if (*low > *high) {
      mistake("rnd_value_min", "is above rnd_value_max");
    } else {
      put("faults.value_range", fmt::format("[{}, {}]", shortest(*low), shortest(*high)),
          "rnd_value_min, rnd_value_max");
    }
    for (const char* key : {"rnd_value_bits", "rnd_bit_range", "rnd_bit_range_exclude"}) {
      if (take(key) != nullptr) remark(fmt::format("{}: does not apply to numbers", key), false);
    }
    return;
  }
  for (const char* key : {"rnd_value_min", "rnd_value_max"}) {
    if (take(key) != nullptr) remark(fmt::format("{}: applies to numbers only", key), false);
  }
  read_bits();
  const bool stuck = *type == "stuckat_0" || *type == "stuckat_1";
  put("faults.model",
      *type == "stuckat_0" ? "stuck_at_0"
      : stuck              ? "stuck_at_1"
                           : "bit_flip",
      "rnd_value_type");
  if (stuck) {
    explain("faults.model", "the bit reads " + type->substr(type->size() - 1) +
                                ", as documented; there a bit is flipped");
  } else if (*type == "bitflip_weighted") {
    remark(
        "rnd_value_type: bitflip_weighted draws a bit by how much the value would change; here "
        "the bits are drawn alike: give faults.bit_weights",
        true);
  } else if (*type == "bitflip_bounds") {
    remark(
        "rnd_value_type: bitflip_bounds draws among the bits that keep the value within bounds; "
        "here the bits are drawn alike: choose them with faults.bits",
        true);
  }
}

void Importer::read_policy() {
  const auto policy = word_of("inj_policy", {"per_image", "per_batch", "per_epoch"});
  const auto batch = whole("ptf_batch_size", 1, 1'000'000'000);
  const auto loader_batch = whole("ds_batch_size", 1, 1'000'000'000);
  if (!given_.contains("inj_policy")) {
    mistake("inj_policy", "is missing", "PyTorchALFI refuses that too");
  }
  if (!policy) return;
  const std::string size = std::to_string(batch.value_or(loader_batch.value_or(1)));
  put("faults.policy", *policy, "inj_policy");
  if (weights_ && *policy == "per_image") {
    explain("faults.policy", "with weights PyTorchALFI refuses it; here it has a meaning");
  }
  if (*policy == "per_batch") {
    put("faults.batch_size", size,
        batch          ? "ptf_batch_size"
        : loader_batch ? "ds_batch_size"
                       : "1 by default");
    remark("faults.batch_size: PyTorchALFI takes the batch size of its data loader: check it",
           true);
  } else if (batch) {
    remark(fmt::format("ptf_batch_size: {}; applies to policy per_batch only", size), false);
  }
  const auto each = word_of("rnd_batch", {"each", "same", "change"});
  if (!weights_ && *policy == "per_image" && each == "each") {
    remark(
        "rnd_batch: each, the images of a batch share their faults: that is policy per_batch with "
        "batch_size " +
            size,
        true);
  } else if (!weights_ && *policy == "per_image" && each == "same") {
    remark("rnd_batch: same, faults of a batch hit one image of it; here each image has its own",
           true);
  }
}

void Importer::read_input() {
  constexpr std::int64_t kLargest = 65536;
  const auto channels = whole("ptf_C", 1, kLargest);
  const auto height = whole("ptf_H", 1, kLargest);
  const auto width = whole("ptf_W", 1, kLargest);
  const auto depth = whole("ptf_D", 1, kLargest);
  if (depth) remark("ptf_D: model.input has three dimensions", true);
  if (!height || !width) return;
  put("model.input", fmt::format("[{}, {}, {}]", channels.value_or(3), *height, *width),
      "ptf_C, ptf_H, ptf_W: of a sample as the network reads it");
}

void Importer::read_rest() {
  only_change("rnd_location",
              "the place within a layer is drawn once; here each fault has its own");
  only_change("rnd_value",
              "the bit or value is drawn once; choose it with faults.bits or faults.value");
  if (const auto file = word("read_from_file")) {
    remark("read_from_file: " + shown(given_.at("read_from_file").value) +
               "; convert it with `bitquake faults import`, then give faults.file",
           true);
  }
  if (const auto size = whole("dataset_size", 1, INT64_C(1'000'000'000'000))) {
    remark(fmt::format("dataset_size: {}; PyTorchALFI replaces it by that of its loader; here: "
                       "data.samples",
                       *size),
           false);
  }
  if (word_of("value_type", {"random", "static"}) == "static") {
    remark("value_type: static; " + std::string(kStatic), true);
  }
  for (const std::string& key : order_) {
    Given& given = given_.at(key);
    if (given.taken) continue;
    const auto* unused =
        std::find_if(kUnused.begin(), kUnused.end(), [&](const Unused& u) { return u.key == key; });
    const bool known = unused != kUnused.end();
    const std::string name = known ? key : shown(YAML::Node(key));
    remark(fmt::format("{}: {}; {}", name, shown(given.value),
                       known ? unused->why : "not understood: no key of PyTorchALFI"),
           !known);
  }
}

std::string Importer::text(bool filled) const {
  std::string all = wrapped("Made from " + printable(name_) + ", a scenario of PyTorchALFI.", "");
  all += wrapped(
      "Fill in the lines that say so and remove their '#'; `bitquake list keys` explains "
      "every key.",
      "");
  all += "version: 1\n";
  all += entry_text("seed", "1", "there is none in PyTorchALFI: each of its runs has other faults");
  std::string_view section;
  for (const Key& key : keys()) {
    const auto line = lines_.find(key.name);
    const auto* placeholder = std::find_if(kPlaceholders.begin(), kPlaceholders.end(),
                                           [&](const Placeholder& p) { return p.key == key.name; });
    const bool open = line == lines_.end() && placeholder != kPlaceholders.end();
    if (!open && line == lines_.end()) continue;
    if (key.section() != section) {
      section = key.section();
      all += section.empty() ? "\n" : fmt::format("\n{}:\n", section);
    }
    all += open ? entry_text(key.name, std::string(placeholder->value),
                             std::string(placeholder->comment), !filled)
                : entry_text(key.name, line->second.value, line->second.comment);
  }
  if (!remarks_.empty()) all += "\n# To know of the other keys:\n";
  for (const std::string& remark : remarks_) all += wrapped("- " + remark, "");
  return all;
}

Result<AlfiScenario, std::vector<Error>> Importer::run(const YAML::Node& root) {
  read_keys(root);
  read_target();
  read_amount();
  read_layers();
  read_values();
  read_policy();
  read_input();
  read_rest();
  if (mistakes_.empty()) {
    // What the file says may still not go together here.
    const auto made = parse_scenario(text(true), name_, "/");
    if (!made) {
      for (const Error& error : made.error()) {
        mistakes_.push_back(
            {Errc::scenario, name_, "means nothing here: " + error.what, error.hint, ""});
      }
    }
  }
  if (!mistakes_.empty()) return std::move(mistakes_);
  return AlfiScenario{text(false), std::move(notes_)};
}

}  // namespace

Result<AlfiScenario, std::vector<Error>> import_alfi(const std::string& text,
                                                     const std::string& name) {
  const Source source(name, text);
  if (std::optional<Error> malformed = source.malformed()) return std::vector{*malformed};
  const auto root = load_document(source.text());
  if (!root) {
    const auto& [position, what, hint] = root.error();
    return std::vector{source.error(position, what, hint)};
  }
  if (!root->IsMap()) {
    return std::vector{source.error(position_of(root->Mark()),
                                    "expected a mapping of keys, as scenarios of PyTorchALFI are")};
  }
  return Importer(source, name).run(*root);
}

std::string fill_placeholders(std::string yaml,
                              const std::vector<std::pair<std::string, std::string>>& values) {
  for (const auto& [key, value] : values) {
    const std::string open = fmt::format("\n  # {}: ", leaf_of(key));
    const auto section = yaml.find(fmt::format("\n{}:\n", section_of(key)));
    const auto at = section == std::string::npos ? section : yaml.find(open, section);
    if (at == std::string::npos) continue;
    const auto end = yaml.find('\n', at + 1);
    yaml.replace(at, end - at, fmt::format("\n  {}: {}", leaf_of(key), value));
  }
  return yaml;
}

}  // namespace bitquake::scenario
