#include "augment/pipeline.hpp"

#include "augment/built_in.hpp"
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

/// A step as it is written, its severity not read yet.
struct Written {
  std::string_view name, severity;
  Settings settings;
};

Result<Written> take_apart(std::string_view text) {
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
  return Written{rest.substr(0, slash), rest.substr(slash + 1), std::move(settings)};
}

Result<Step> parse_step(std::string_view text) {
  const auto written = take_apart(text);
  if (!written) return written.error();
  const auto severity = to_number<int>(written->severity);
  if (!severity) return malformed(text);
  return make_step(written->name, *severity, written->settings.overrides, written->settings.table);
}

/// A step for each severity of "fog/1-3", lowest first; one of "fog/3".
Result<std::vector<Step>> parse_steps(std::string_view text) {
  const auto written = take_apart(text);
  if (!written) return written.error();
  const std::size_t dash = written->severity.find('-', 1);  // one in front is a sign
  const auto low = to_number<int>(written->severity.substr(0, dash));
  const auto high =
      dash == std::string_view::npos ? low : to_number<int>(written->severity.substr(dash + 1));
  if (!low || !high) return malformed(text);
  if (*low > *high) {
    return Error{Errc::scenario, "", "severities run backwards in " + in_quotes(text),
                 "write the lower one first", ""};
  }
  std::vector<Step> steps;
  for (int severity = *low; severity <= *high; ++severity) {  // ends at the first one above 5
    auto step =
        make_step(written->name, severity, written->settings.overrides, written->settings.table);
    if (!step) return std::move(step).error();
    steps.push_back(*step);
  }
  return steps;
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

Result<std::vector<Pipeline>> parse_alternatives(std::string_view text) {
  std::vector<Pipeline> pipelines(1);
  if (text == kClean) return pipelines;
  for (const std::string_view piece : split_steps(text)) {
    const auto steps = parse_steps(piece);
    if (!steps) return steps.error();
    if (pipelines.size() * steps->size() > kMaxAlternatives) {
      return Error{Errc::scenario, "",
                   in_quotes(text) + " stands for more than " + with_commas(kMaxAlternatives) +
                       " perturbations",
                   "write fewer ranges of severities", ""};
    }
    std::vector<Pipeline> longer;
    for (const Pipeline& pipeline : pipelines) {
      for (const Step& step : *steps) longer.emplace_back(pipeline).steps.push_back(step);
    }
    pipelines = std::move(longer);
  }
  return pipelines;
}

bool is_random(const Pipeline& pipeline) {
  return std::any_of(pipeline.steps.begin(), pipeline.steps.end(),
                     [](const Step& step) { return step.severity > 0 && step.kind->random; });
}

bool moves_boxes(const Pipeline& pipeline) {
  return std::any_of(pipeline.steps.begin(), pipeline.steps.end(),
                     [](const Step& step) { return step.severity > 0 && step.kind->moves_boxes; });
}

std::optional<Step> common_corruption(const Pipeline& pipeline) {
  if (pipeline.steps.size() != 1) return std::nullopt;
  const Step& step = pipeline.steps.front();
  const bool as_defined = step == Step{step.kind, step.severity, Table::automatic, {}};
  if (step.severity == 0 || !as_defined || !detail::is_built_in(*step.kind)) return std::nullopt;
  switch (step.kind->group) {
    case Group::noise:
    case Group::blur:
    case Group::weather:
    case Group::digital:
      return step;
    case Group::extra:
    case Group::sensor:
    case Group::geometric:
      break;
  }
  return std::nullopt;
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
