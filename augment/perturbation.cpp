#include "augment/perturbation.hpp"

#include "augment/built_in.hpp"
#include "suite/base/text.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace bitquake::augment {
namespace {

/// Numbers for names that depend on nothing else. Source: Fowler, Noll, Vo: FNV-1a, 64 bits.
std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

std::vector<Kind> built_in_kinds() {
  std::vector<Kind> all;
  all.reserve(kMaxKinds);  // pointers into it stay valid
  for (auto* make : {detail::noise_kinds, detail::blur_kinds, detail::weather_kinds,
                     detail::digital_kinds, detail::sensor_kinds, detail::tone_kinds,
                     detail::obstacle_kinds, detail::geometric_kinds}) {
    auto some = make();
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  return all;
}

std::vector<Kind>& registry() {
  static std::vector<Kind> instance = built_in_kinds();
  return instance;
}

bool allows(const Parameter& parameter, double value) {
  return value >= parameter.min && value <= parameter.max &&
         (!parameter.integer || value == std::floor(value));
}

bool allows(const Parameter& parameter, const Severities& values) {
  return std::all_of(values.begin(), values.end(),
                     [&](double value) { return allows(parameter, value); });
}

std::string range_text(const Parameter& parameter) {
  return (parameter.integer ? "a whole number from " : "a number from ") + shortest(parameter.min) +
         " to " + shortest(parameter.max) +
         (parameter.unit.empty() ? "" : " (" + parameter.unit + ")");
}

Error refused(Errc code, const std::string& where, std::string what, std::string hint) {
  return Error{code, where, std::move(what), std::move(hint), ""};
}

std::string name_hint(std::string_view word, const std::vector<std::string_view>& names) {
  const std::string_view near = did_you_mean(word, names);
  if (!near.empty()) return "did you mean '" + std::string(near) + "'?";
  std::string all = "known:";
  for (const std::string_view name : names) all.append(" ").append(name);
  return names.empty() ? "it takes none" : all;
}

std::optional<Error> parameters_error(const Kind& kind, const std::string& where) {
  if (kind.parameters.size() > kMaxParameters) {
    return refused(Errc::usage, where,
                   "it has " + std::to_string(kind.parameters.size()) + " parameters",
                   "use at most " + std::to_string(kMaxParameters));
  }
  for (auto p = kind.parameters.begin(); p != kind.parameters.end(); ++p) {
    if (!is_registry_name(p->name) || p->name == "table") {
      return refused(Errc::usage, where,
                     "the parameter's name " + in_quotes(p->name) + " is malformed",
                     "use lower-case letters, digits and '_', a letter first, at most 64; not "
                     "'table'");
    }
    if (std::any_of(kind.parameters.begin(), p,
                    [&](const Parameter& other) { return other.name == p->name; })) {
      return refused(Errc::usage, where, "it has two parameters '" + p->name + "'",
                     "name each once");
    }
    if (!is_one_line(p->doc)) {
      return refused(Errc::usage, where, "parameter '" + p->name + "' has no description",
                     "say in one line what it is");
    }
    if (!allows(*p, p->large) || (p->small && !allows(*p, *p->small))) {
      return refused(Errc::usage, where,
                     "a value of parameter '" + p->name + "' is out of its own range",
                     "give a value for each severity, each " + range_text(*p));
    }
  }
  return std::nullopt;
}

}  // namespace

bool detail::is_built_in(const Kind& kind) {
  static const std::size_t count = built_in_kinds().size();
  return static_cast<std::size_t>(&kind - registry().data()) < count;
}

DrawKey::DrawKey(std::uint64_t seed, std::uint64_t sample, std::string_view kind,
                 std::uint32_t occurrence)
    : seed_(seed), sample_(sample), kind_(fnv1a(kind)), occurrence_(occurrence) {}

namespace {

/// A seed for one (kind, occurrence, part): the 64-bit id of Draws is left to the sample.
std::uint64_t seed_of(std::uint64_t seed, std::uint64_t kind, std::uint32_t occurrence,
                      std::uint32_t part) {
  const auto words = philox(seed, Stream::perturbation, kind, (occurrence << 16) | part);
  return words[0] | (static_cast<std::uint64_t>(words[1]) << 32);
}

}  // namespace

Draws DrawKey::draws(std::uint32_t part) const {
  return Draws(seed_of(seed_, kind_, occurrence_, part), Stream::perturbation, sample_);
}

Draws DrawKey::camera_draws(std::uint32_t part) const {
  // The complement is another kind: no name hashes to it but by an accident of 2^-64.
  return Draws(seed_of(seed_, ~kind_, occurrence_, part), Stream::perturbation, 0);
}

std::span<const Kind> kinds() { return registry(); }

Result<const Kind*> find_kind(std::string_view name) {
  const auto& all = registry();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Kind& kind) { return kind.name == name; });
  if (found != all.end()) return &*found;
  std::vector<std::string_view> names;
  for (const Kind& kind : all) names.emplace_back(kind.name);
  return refused(Errc::scenario, "", "unknown perturbation " + in_quotes(name),
                 name_hint(name, names));
}

Result<const Kind*> register_kind(Kind kind) {
  const std::string where = "perturbation '" + printable(kind.name) + "'";
  auto& all = registry();
  if (!is_registry_name(kind.name) || kind.name == "clean") {
    return refused(Errc::usage, where, "the name is malformed",
                   "use lower-case letters, digits and '_', a letter first, at most 64; not "
                   "'clean'");
  }
  if (find_kind(kind.name)) {
    return refused(Errc::usage, where, "the name is taken", "choose another name");
  }
  if (!is_one_line(kind.doc)) {
    return refused(Errc::usage, where, "its description is empty or has control characters",
                   "say in one line what happens to the image");
  }
  if (kind.apply == nullptr) {
    return refused(Errc::usage, where, "it has no function", "give what perturbs a scene");
  }
  if (auto wrong = parameters_error(kind, where)) return *std::move(wrong);
  if (all.size() == kMaxKinds) {
    return refused(Errc::usage, where,
                   "there are " + std::to_string(kMaxKinds) + " perturbations already",
                   "register only what the program uses");
  }
  return &all.emplace_back(std::move(kind));
}

Result<Step> make_step(std::string_view name, int severity, const Overrides& overrides,
                       Table table) {
  auto kind = find_kind(name);
  if (!kind) return std::move(kind).error();
  Step step{*kind, severity, table, {}};
  const auto wrong = [&](std::string what, std::string hint) {
    return refused(Errc::scenario, "", std::string(name) + ": " + std::move(what), std::move(hint));
  };
  if (severity < 0 || severity > kMaxSeverity) {
    return wrong("severity " + std::to_string(severity) + " is out of range",
                 "use 1 (weak) to 5 (strong), or 0 for the clean image");
  }
  if (severity == 0 && !overrides.empty()) {
    return wrong("severity 0 changes nothing, but parameters are set",
                 "leave them out, or choose a severity from 1 to 5");
  }
  const auto& parameters = step.kind->parameters;
  for (const auto& entry : overrides) {
    const std::string& key = entry.first;
    const double value = entry.second;
    const auto found = std::find_if(parameters.begin(), parameters.end(),
                                    [&](const Parameter& p) { return p.name == key; });
    if (found == parameters.end()) {
      std::vector<std::string_view> names;
      for (const Parameter& p : parameters) names.emplace_back(p.name);
      return wrong("unknown parameter " + in_quotes(key), name_hint(key, names));
    }
    auto& slot = step.overrides[static_cast<std::size_t>(found - parameters.begin())];
    if (slot) return wrong("parameter '" + key + "' is set twice", "set it once");
    if (!allows(*found, value)) {
      return wrong("parameter '" + key + "' is " + shortest(value), "use " + range_text(*found));
    }
    slot = value;
  }
  return step;
}

std::vector<double> parameter_values(const Step& step, cv::Size size) {
  const bool small =
      step.table == Table::small ||
      (step.table == Table::automatic && std::min(size.width, size.height) <= kLargestSmallSide);
  std::vector<double> values;
  for (std::size_t i = 0; i < step.kind->parameters.size(); ++i) {
    const Parameter& parameter = step.kind->parameters[i];
    const Severities& table = small && parameter.small ? *parameter.small : parameter.large;
    values.push_back(
        step.overrides.at(i).value_or(table.at(static_cast<std::size_t>(step.severity - 1))));
  }
  return values;
}

std::string label(const Step& step) {
  std::string settings;
  const auto add = [&](std::string_view key, std::string_view value) {
    settings.append(settings.empty() ? "[" : ";").append(key).append("=").append(value);
  };
  for (std::size_t i = 0; i < step.kind->parameters.size(); ++i) {
    if (const auto& value = step.overrides.at(i)) {
      add(step.kind->parameters[i].name, shortest(*value));
    }
  }
  if (step.table != Table::automatic) add("table", name_of(kTables, step.table));
  if (!settings.empty()) settings += "]";
  return step.kind->name + "/" + std::to_string(step.severity) + settings;
}

Result<Scene> apply(const Step& step, const Scene& scene, const DrawKey& key) {
  if (auto wrong = image_error(scene.image)) return *std::move(wrong);
  if (step.severity == 0) return scene;
  if (scene.image.depth() != CV_8U && !step.kind->takes_16_bit) {
    return refused(Errc::data, "image",
                   step.kind->name + " works on 8 bits per value; this one has 16",
                   "convert it to CV_8U first");
  }
  if (scene.image.channels() == 1 && !step.kind->takes_grey) {
    return refused(Errc::data, "image", step.kind->name + " works on colours; this one is grey",
                   "leave it out for grey images");
  }
  Scene result = scene;
  const auto values = parameter_values(step, scene.image.size());
  step.kind->apply(result, values, key);
  return result;
}

}  // namespace bitquake::augment
