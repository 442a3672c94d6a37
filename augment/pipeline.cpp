#include "augment/pipeline.hpp"

#include "suite/base/text.hpp"

#include <algorithm>
#include <map>

namespace bitquake::augment {
namespace {

constexpr std::string_view kClean = "clean";

Error malformed(std::string_view step) {
  return Error{Errc::scenario, "", "malformed perturbation " + in_quotes(step),
               "write NAME/SEVERITY, such as fog/3 or fog/3[amount=2.5]; join several with '+'",
               ""};
}

/// The pieces between separators; none of an empty text.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  while (true) {
    const std::size_t end = text.find(separator);
    pieces.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return pieces;
    text.remove_prefix(end + 1);
  }
}

struct Settings {
  Overrides overrides;
  Table table = Table::automatic;
};

/// Of "amount=2.5;table=small".
Result<Settings> parse_settings(std::string_view step, std::string_view text) {
  Settings settings;
  for (const std::string_view setting : split(text, ';')) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string_view::npos) return malformed(step);
    const std::string_view key = setting.substr(0, equals), value = setting.substr(equals + 1);
    if (key == "table") {
      const auto table = value_of(kTables, value);
      if (!table) {
        return Error{Errc::scenario, "", "unknown table " + in_quotes(value),
                     "use auto, small or large", ""};
      }
      settings.table = *table;
      continue;
    }
    const auto number = to_number<double>(value);
    if (!number) return malformed(step);
    settings.overrides.emplace_back(key, *number);
  }
  return settings;
}

Result<Step> parse_step(std::string_view text) {
  std::string_view rest = text;
  Settings settings;
  if (const std::size_t open = rest.find('['); open != std::string_view::npos) {
    if (rest.back() != ']') return malformed(text);
    auto parsed = parse_settings(text, rest.substr(open + 1, rest.size() - open - 2));
    if (!parsed) return std::move(parsed).error();
    settings = *std::move(parsed);
    rest = rest.substr(0, open);
  }
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return malformed(text);
  const auto severity = to_number<int>(rest.substr(slash + 1));
  if (!severity) return malformed(text);
  return make_step(rest.substr(0, slash), *severity, settings.overrides, settings.table);
}

/// Of a text with a '+' between steps; those in exponents ("1e+20") are inside brackets.
std::vector<std::string_view> split_steps(std::string_view text) {
  std::vector<std::string_view> steps;
  std::size_t start = 0;
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') inside = true;
    if (text[i] == ']') inside = false;
    if (text[i] != '+' || inside) continue;
    steps.push_back(text.substr(start, i - start));
    start = i + 1;
  }
  steps.push_back(text.substr(start));
  return steps;
}

}  // namespace

std::string label(const Pipeline& pipeline) {
  if (pipeline.steps.empty()) return std::string(kClean);
  std::string text;
  for (const Step& step : pipeline.steps) text += (text.empty() ? "" : "+") + label(step);
  return text;
}

Result<Pipeline> parse_pipeline(std::string_view text) {
  Pipeline pipeline;
  if (text == kClean) return pipeline;
  for (const std::string_view piece : split_steps(text)) {
    auto step = parse_step(piece);
    if (!step) return std::move(step).error();
    pipeline.steps.push_back(*step);
  }
  return pipeline;
}

bool is_random(const Pipeline& pipeline) {
  return std::any_of(pipeline.steps.begin(), pipeline.steps.end(),
                     [](const Step& step) { return step.severity > 0 && step.kind->random; });
}

bool moves_boxes(const Pipeline& pipeline) {
  return std::any_of(pipeline.steps.begin(), pipeline.steps.end(),
                     [](const Step& step) { return step.severity > 0 && step.kind->moves_boxes; });
}

Result<Scene> apply(const Pipeline& pipeline, const Scene& scene, std::uint64_t seed,
                    std::uint64_t sample) {
  if (auto wrong = image_error(scene.image)) return *std::move(wrong);
  Scene result = scene;
  std::map<const Kind*, std::uint32_t> occurrences;
  for (const Step& step : pipeline.steps) {
    const DrawKey key(seed, sample, step.kind->name, occurrences[step.kind]++);
    auto next = apply(step, result, key);
    if (!next) return next;
    result = *std::move(next);
  }
  return result;
}

}  // namespace bitquake::augment
