#include "suite/scenario/schema.hpp"

#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <stdexcept>
#include <type_traits>

namespace bitquake::scenario {

namespace {

// --- between a Value and the type of a member ---

template <class T>
void store(T& member, const Value& value) {
  if constexpr (std::is_integral_v<T>) {
    member = static_cast<T>(std::get<std::uint64_t>(value));
  } else {
    member = std::get<T>(value);
  }
}

template <class T>
void store(std::optional<T>& member, const Value& value) {
  store(member.emplace(), value);
}

void store(std::vector<std::int64_t>& member, const Value& value) {
  const auto& list = std::get<std::vector<std::uint64_t>>(value);
  member.assign(list.begin(), list.end());
}

void store(faultgen::BitRange& member, const Value& value) {
  const auto& list = std::get<std::vector<std::uint64_t>>(value);
  member = {.low = static_cast<std::uint32_t>(list.front()),
            .high = static_cast<std::uint32_t>(list.back())};
}

template <class T>
std::optional<Value> load(const T& member) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<std::uint64_t>(member);
  } else {
    return member;
  }
}

template <class T>
std::optional<Value> load(const std::optional<T>& member) {
  return member ? load(*member) : std::nullopt;
}

std::optional<Value> load(const std::vector<std::int64_t>& member) {
  return std::vector<std::uint64_t>(member.begin(), member.end());
}

std::optional<Value> load(const faultgen::BitRange& member) {
  return std::vector<std::uint64_t>{member.low, member.high};
}

/// The member at the end of a path of pointers to members, such as &Scenario::seed.
template <auto... Path>
Member member() {
  return {.set = [](Scenario& s, const Value& value) { store((s.*....*Path), value); },
          .get = [](const Scenario& s) { return load((s.*....*Path)); }};
}

/// As above for an enumeration whose words are in `registry()`.
template <auto registry, auto... Path>
Member choice_of() {
  return {.set =
              [](Scenario& s, const Value& value) {
                const auto word = value_of(registry(), std::get<std::string>(value));
                assert(word);
                (s.*....*Path) = *word;
              },
          .get = [](const Scenario& s) -> std::optional<Value> {
            const std::string_view name = name_of(registry(), (s.*....*Path));
            assert(!name.empty());
            return std::string(name);
          }};
}

template <const auto& Registry>
const auto& constant() {
  return Registry;
}

/// As above for a registry that never changes.
template <const auto& Registry, auto... Path>
Member choice() {
  return choice_of<constant<Registry>, Path...>();
}

template <class Registry>
std::vector<Word> words(const Registry& registry) {
  std::vector<Word> list;
  for (const auto& entry : registry) list.push_back({entry.name, entry.doc});
  return list;
}

// --- the table ---

using S = Scenario;
using Preprocess = datasets::Preprocess;

/// The entry of a part of incremental execution.
constexpr const IncrementalPart& part_of(bool S::Incremental::*member) {
  for (const IncrementalPart& part : kIncrementalParts) {
    if (part.member == member) return part;
  }
  throw std::logic_error("no such part");
}

template <auto Member>
Key part_key() {
  constexpr const IncrementalPart& kPart = part_of(Member);
  return {.name = kPart.key,
          .kind = Kind::choice,
          .default_text = "on",
          .choices = words(kSwitches),
          .doc = kPart.doc,
          .decides_results = false,
          .member = choice<kSwitches, &S::incremental, Member>()};
}

// clang-format off
std::vector<Key> make_keys() {
  return {
    {.name = "version", .kind = Kind::integer, .mandatory = true, .integer_range = {1, 1},
     .doc = "version of the scenario language",
     .member = member<&S::version>()},
    {.name = "seed", .kind = Kind::integer, .default_text = "1",
     .doc = "decides every random draw of the campaign",
     .member = member<&S::seed>()},

    {.name = "model.file", .kind = Kind::path, .mandatory = true,
     .doc = "TorchScript model",
     .member = member<&S::model, &S::Model::file>()},
    {.name = "model.input", .kind = Kind::integers, .mandatory = true,
     .integer_range = {1, 65536}, .items = {3, 3},
     .doc = "shape of one sample: [channels, height, width]",
     .member = member<&S::model, &S::Model::input>()},
    {.name = "model.output", .kind = Kind::choice, .mandatory = true,
     .choices = words(metrics::kOutputKinds),
     .doc = "what the model's scores are",
     .member = choice<metrics::kOutputKinds, &S::model, &S::Model::output>()},
    {.name = "model.device", .kind = Kind::choice, .default_text = "cpu",
     .choices = words(kDevices),
     .refusal = "trials are compared bit by bit, and only CPU kernels are checked to repeat their bits",
     .doc = "where inferences run",
     .member = choice<kDevices, &S::model, &S::Model::device>()},

    {.name = "data.format", .kind = Kind::choice, .default_text = "idx",
     .choices = words(kDataFormats),
     .doc = "file format of the data set",
     .member = choice<kDataFormats, &S::data, &S::Data::format>()},
    {.name = "data.name", .kind = Kind::text, .mandatory = true,
     .doc = "name of the data set in tables and reports",
     .member = member<&S::data, &S::Data::name>()},
    {.name = "data.images", .kind = Kind::path, .mandatory = true,
     .doc = "file of images",
     .member = member<&S::data, &S::Data::images>()},
    {.name = "data.labels", .kind = Kind::path,
     .none = "no labels: the golden run is the reference, accuracies are left out",
     .doc = "file of labels; without it there is no accuracy",
     .member = member<&S::data, &S::Data::labels>()},
    {.name = "data.samples", .kind = Kind::integer, .integer_range = {.low = 1},
     .doc = "number of samples to use; all when not given",
     .member = member<&S::data, &S::Data::samples>()},
    {.name = "data.order", .kind = Kind::choice, .default_text = "first",
     .choices = words(kOrders),
     .doc = "which samples are used",
     .member = choice<kOrders, &S::data, &S::Data::order>()},

    {.name = "preprocess.divide_by", .kind = Kind::real, .default_text = "255",
     .real_range = {.low = 0, .above_low = true},
     .doc = "input = (pixel / divide_by - mean) / std",
     .member = member<&S::preprocess, &Preprocess::divide_by>()},
    {.name = "preprocess.mean", .kind = Kind::reals, .default_text = "[0]",
     .doc = "one for all channels, or one for each",
     .member = member<&S::preprocess, &Preprocess::mean>()},
    {.name = "preprocess.std", .kind = Kind::reals, .default_text = "[1]",
     .real_range = {.low = 0, .above_low = true},
     .doc = "one for all channels, or one for each",
     .member = member<&S::preprocess, &Preprocess::stddev>()},

    {.name = "faults.file", .kind = Kind::path,
     .doc = "an existing fault set, instead of the other keys of this section",
     .excludes_section = true,
     .member = member<&S::faults, &S::Faults::file>()},
    {.name = "faults.target", .kind = Kind::choice, .default_text = "neurons",
     .choices = words(faultgen::kTargets),
     .doc = "tensors that faults sit in",
     .member = choice<faultgen::kTargets, &S::faults, &S::Faults::target>()},
    {.name = "faults.model", .kind = Kind::choice, .default_text = "bit_flip",
     .choices = words(faultgen::fault_models()),
     .doc = "what happens to a faulty bit",
     .member = choice_of<faultgen::fault_models, &S::faults, &S::Faults::model>()},
    {.name = "faults.bits", .kind = Kind::integers, .default_text = "[0, 31]",
     .integer_range = {0, 31}, .items = {1, 2},
     .doc = "[low, high] or [bit]: bits to draw from, both included; bit 0 is the least significant",
     .member = member<&S::faults, &S::Faults::bits>()},
    {.name = "faults.draw", .kind = Kind::choice, .default_text = "elements",
     .choices = words(faultgen::kDraws),
     .doc = "how the place of a fault is drawn",
     .member = choice<faultgen::kDraws, &S::faults, &S::Faults::draw>()},
    {.name = "faults.policy", .kind = Kind::choice, .default_text = "per_image",
     .choices = words(faultgen::kPolicies),
     .doc = "how groups of faults meet samples",
     .member = choice<faultgen::kPolicies, &S::faults, &S::Faults::policy>()},
    {.name = "faults.batch_size", .kind = Kind::integer, .integer_range = {1, 1'000'000'000},
     .doc = "samples that share a group under policy per_batch; mandatory there, refused elsewhere",
     .member = member<&S::faults, &S::Faults::batch_size>()},
    {.name = "faults.per_group", .kind = Kind::integer, .default_text = "1",
     .integer_range = {1, 1'000'000},
     .doc = "faults that are present together in one inference",
     .member = member<&S::faults, &S::Faults::per_group>()},
    {.name = "faults.epochs", .kind = Kind::integer, .default_text = "1",
     .integer_range = {1, 1'000'000'000},
     .doc = "passes over the data set, each with new faults",
     .member = member<&S::faults, &S::Faults::epochs>()},

    {.name = "run_type", .kind = Kind::choice, .default_text = "single",
     .choices = words(faultgen::kRunTypes),
     .doc = "which faults are present together in a trial",
     .member = choice<faultgen::kRunTypes, &S::run_type>()},
    {.name = "execution", .kind = Kind::choice, .default_text = "incremental",
     .choices = words(kExecutions),
     .doc = "how trials are computed; does not change results",
     .decides_results = false,
     .member = choice<kExecutions, &S::execution>()},
    part_key<&S::Incremental::prefix>(),
    part_key<&S::Incremental::masked_stop>(),
    part_key<&S::Incremental::noop>(),
    part_key<&S::Incremental::region>(),
    part_key<&S::Incremental::channel>(),
    part_key<&S::Incremental::prepared_weights>(),
    {.name = "padded_batch", .kind = Kind::integer, .default_text = "16",
     .integer_range = {1, 4096},
     .doc = "rows of every inference; part of the numbers, so fixed for a campaign",
     .member = member<&S::padded_batch>()},
    {.name = "unit_samples", .kind = Kind::integer, .default_text = "64",
     .integer_range = {1, 1'000'000},
     .doc = "samples of one unit of work; does not change results",
     .decides_results = false,
     .member = member<&S::unit_samples>()},
    {.name = "memory_budget_mib", .kind = Kind::integer, .integer_range = {1, 1'000'000'000},
     .doc = "memory for the units at work at once, in MiB; a quarter of the machine's when not given",
     .decides_results = false,
     .member = member<&S::memory_budget_mib>()},
    {.name = "audit", .kind = Kind::choice, .default_text = "on",
     .choices = words(kSwitches),
     .doc = "at the end run some trials again with the whole network and compare (exit code 8)",
     .decides_results = false,
     .member = choice<kSwitches, &S::audit>()},
    {.name = "monitor", .kind = Kind::choice, .default_text = "all",
     .choices = words(kMonitorScopes),
     .doc = "tensors watched for NaN and Inf",
     .member = choice<kMonitorScopes, &S::monitor>()},

    {.name = "statistics.interval", .kind = Kind::choice, .default_text = "wilson",
     .choices = words(metrics::kIntervalMethods),
     .doc = "interval of a rate",
     .member = choice<metrics::kIntervalMethods, &S::statistics, &S::Statistics::interval>()},
    {.name = "statistics.confidence", .kind = Kind::real, .default_text = "0.95",
     .real_range = {.low = 0.5, .high = 0.9999},
     .doc = "confidence of intervals, two-sided",
     .member = member<&S::statistics, &S::Statistics::confidence>()},

    {.name = "expect.golden_top1", .kind = Kind::real, .real_range = {.low = 0, .high = 1},
     .doc = "least golden top-1 accuracy, a fraction: below it no trial is run (exit code 5)",
     .member = member<&S::expect, &S::Expect::golden_top1>()},
  };
}
// clang-format on

/// Why a list of numbers per channel does not fit the model's input; empty when it does.
std::string channel_mismatch(const Scenario& s, const std::vector<double>& list,
                             std::string_view name) {
  // Without a valid model.input there is nothing to compare with.
  if (s.model.input.empty() || list.size() == 1) return "";
  const auto channels = static_cast<std::size_t>(s.model.input[0]);
  if (list.size() == channels) return "";
  return fmt::format("{}: {} numbers for {} channel{} of model.input", name, list.size(), channels,
                     channels == 1 ? "" : "s");
}

/// A part can be left out only where there are parts.
template <auto Member>
Rule part_rule() {
  constexpr const IncrementalPart& kPart = part_of(Member);
  return {kPart.key,
          [](const Scenario& s) {
            if (s.incremental.*Member || s.execution == Execution::incremental)
              return std::string();
            return fmt::format("{}: off does not apply to execution {}", kPart.key,
                               name_of(kExecutions, s.execution));
          },
          "remove it, or set execution: incremental"};
}

}  // namespace

std::string_view Key::section() const {
  const auto dot = name.find('.');
  return dot == std::string_view::npos ? std::string_view{} : name.substr(0, dot);
}

std::string_view Key::leaf() const { return name.substr(name.find('.') + 1); }

const std::vector<Key>& keys() {
  static const std::vector<Key> table = make_keys();
  return table;
}

const Key* find_key(std::string_view name) {
  for (const Key& key : keys()) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

const std::vector<Rule>& rules() {
  static const std::vector<Rule> table{
      {"preprocess.mean",
       [](const Scenario& s) { return channel_mismatch(s, s.preprocess.mean, "preprocess.mean"); },
       "give one number for all channels, or one for each"},
      {"preprocess.std",
       [](const Scenario& s) { return channel_mismatch(s, s.preprocess.stddev, "preprocess.std"); },
       "give one number for all channels, or one for each"},
      {"faults.bits",
       [](const Scenario& s) {
         const auto [low, high] = s.faults.bits;
         return low <= high
                    ? std::string()
                    : fmt::format("faults.bits: low bit {} is above high bit {}", low, high);
       },
       "[low, high], both included; bit 0 is the least significant"},
      {"faults.policy",
       [](const Scenario& s) {
         const bool needed = s.faults.policy == faultgen::Policy::per_batch;
         return needed && !s.faults.batch_size && !s.faults.file
                    ? std::string("faults.policy: per_batch without faults.batch_size")
                    : std::string();
       },
       "add faults.batch_size: the number of consecutive samples that meet the same faults"},
      {"faults.batch_size",
       [](const Scenario& s) {
         return s.faults.batch_size && s.faults.policy != faultgen::Policy::per_batch
                    ? fmt::format("faults.batch_size: does not apply to policy {}",
                                  name_of(faultgen::kPolicies, s.faults.policy))
                    : std::string();
       },
       "remove it, or set faults.policy: per_batch"},
      part_rule<&S::Incremental::prefix>(),
      part_rule<&S::Incremental::masked_stop>(),
      part_rule<&S::Incremental::noop>(),
      part_rule<&S::Incremental::region>(),
      part_rule<&S::Incremental::channel>(),
      part_rule<&S::Incremental::prepared_weights>(),
      {"expect.golden_top1",
       [](const Scenario& s) {
         return s.expect.golden_top1 && !s.data.labels
                    ? std::string("expect.golden_top1: the data has no labels")
                    : std::string();
       },
       "give data.labels, or remove the expectation"},
  };
  return table;
}

std::string_view kind_name(Kind kind) {
  constexpr std::array<std::string_view, 7> kNames{
      "integer", "real", "text", "path", "choice", "list of integers", "list of reals"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view expected_text(Kind kind) {
  constexpr std::array<std::string_view, 7> kTexts{
      "an integer",         "a number",         "text", "a path", "a word",
      "a list of integers", "a list of numbers"};
  return kTexts[static_cast<std::size_t>(kind)];
}

std::string item_range_text(const Key& key) {
  const bool whole = key.kind == Kind::integer || key.kind == Kind::integers;
  const bool real = key.kind == Kind::real || key.kind == Kind::reals;
  if (whole) {
    const auto [low, high] = key.integer_range;
    if (low == high) return fmt::format("{}", low);
    if (low > 0 && high == IntegerRange{}.high) return fmt::format("at least {}", low);
    return fmt::format("{} to {}", low, high);
  }
  if (!real || key.real_range.low == RealRange{}.low) return "";
  const auto [low, high, above_low] = key.real_range;
  if (high == RealRange{}.high) {
    return (above_low ? "greater than " : "at least ") + shortest(low);
  }
  return fmt::format("{} to {}", shortest(low), shortest(high));
}

std::string range_text(const Key& key) {
  std::string each = item_range_text(key);
  if (key.kind != Kind::integers && key.kind != Kind::reals) return each;
  const auto [low, high] = key.items;
  std::string count = fmt::format("{}", low);
  if (low < high) count += fmt::format("{}{}", high == low + 1 ? " or " : " to ", high);
  return fmt::format("{} items{}{}", count, each.empty() ? "" : ", each ", each);
}

std::string keys_table() {
  using Row = std::vector<std::string>;
  std::vector<Row> rows{{"key", "type", "default", "range", "meaning"}};
  for (const Key& key : keys()) {
    std::string standard(key.mandatory ? "(mandatory)" : key.default_text);
    rows.push_back({std::string(key.name), std::string(kind_name(key.kind)), std::move(standard),
                    range_text(key), std::string(key.doc)});
    for (const Word& word : key.choices) {
      rows.push_back({"  " + std::string(word.name), "", "", "", std::string(word.doc)});
    }
    if (!key.none.empty()) rows.push_back({"  none", "", "", "", std::string(key.none)});
  }
  return aligned_table(rows, Align::left);
}

}  // namespace bitquake::scenario
