#include "suite/engine/variants.hpp"

#include "faultgen/ecc.hpp"
#include "suite/base/big_vector.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/h5.hpp"
#include "suite/engine/identity.hpp"
#include "suite/engine/unit.hpp"
#include "suite/model/bounds.hpp"
#include "suite/model/protection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

namespace bitquake::engine {
namespace {

using faultgen::Target;
using scenario::Protection;
using Variant = scenario::Scenario::Variant;

constexpr double kDefaultToleranceFactor = 2;

// Scenarios name protections; guards and codes carry the same names.
static_assert(std::all_of(
    scenario::kProtections.begin(), scenario::kProtections.end(), [](const auto& protection) {
      const auto same = [&](const auto& built) { return built.name == protection.name; };
      return std::any_of(model::kGuardKinds.begin(), model::kGuardKinds.end(), same) ||
             std::any_of(faultgen::kEccCodes.begin(), faultgen::kEccCodes.end(), same);
    }));

std::string name_of_variant(const Variant& variant) { return "variant " + variant.label(); }

Error misfit(const Variant& variant, const std::string& what, const std::string& hint) {
  return {Errc::scenario, name_of_variant(variant), what, hint, ""};
}

// --- another model file ---

constexpr std::uint32_t kNoSite = 0xffffffff;

/// Another network under the site and point numbers of the original.
class MappedModel : public model::Model {
 public:
  MappedModel(std::shared_ptr<const Model> original, std::shared_ptr<const Model> other,
              std::vector<std::uint32_t> sites, std::vector<std::uint32_t> points)
      : original_(std::move(original)),
        other_(std::move(other)),
        sites_(std::move(sites)),
        points_(std::move(points)) {}

  const std::vector<faultgen::Site>& sites() const override { return original_->sites(); }
  const std::vector<model::Point>& points() const override { return original_->points(); }
  std::size_t classes() const override { return other_->classes(); }
  std::string sha256() const override { return other_->sha256(); }
  const std::vector<std::string>& notices() const override { return other_->notices(); }
  std::map<std::string, std::string> fingerprint() const override { return other_->fingerprint(); }
  std::unique_ptr<model::Executor> make_executor(
      const model::ExecutionOptions& options) const override {
    return std::make_unique<MappedExecutor>(*this, other_->make_executor(options));
  }
  model::KeptActivations kept_activations(const model::ExecutionOptions& options) const override {
    return other_->kept_activations(options);
  }
  void observe(Target target, std::span<const float> inputs,
               const model::Watcher& watch) const override {
    other_->observe(target, inputs, [&](std::uint32_t site, auto... rest) {
      const auto ours = std::find(sites_.begin(), sites_.end(), site);
      if (ours != sites_.end()) watch(static_cast<std::uint32_t>(ours - sites_.begin()), rest...);
    });
  }
  std::vector<float> parameter(std::uint32_t site, Target target) const override {
    return sites_[site] == kNoSite ? std::vector<float>() : other_->parameter(sites_[site], target);
  }

 private:
  class MappedExecutor : public model::Executor {
   public:
    MappedExecutor(const MappedModel& model, std::unique_ptr<Executor> executor)
        : model_(model), executor_(std::move(executor)) {}
    std::unique_ptr<model::GoldenBlock> golden(std::span<const float> inputs) override {
      return executor_->golden(inputs);
    }
    std::vector<model::TrialResult> trials(const model::GoldenBlock& block,
                                           std::span<const model::Trial> trials) override {
      std::vector<std::vector<faultgen::Fault>> faults;
      faults.reserve(trials.size());
      std::vector<model::Trial> mapped;
      for (const model::Trial& trial : trials) {
        faults.push_back(model_.mapped(trial.faults));
        mapped.push_back({trial.golden_row, faults.back()});
      }
      std::vector<model::TrialResult> results = executor_->trials(block, mapped);
      for (model::TrialResult& result : results) model_.map_points(result);
      return results;
    }
    model::Trace trace(const model::GoldenBlock& block, const model::Trial& trial) override {
      const auto faults = model_.mapped(trial.faults);
      model::Trace trace = executor_->trace(block, {trial.golden_row, faults});
      model_.map_points(trace.result);
      std::vector<model::SiteDeviation> ours(model_.sites_.size());
      for (std::uint32_t i = 0; i < ours.size(); ++i) {
        if (model_.sites_[i] != kNoSite) ours[i] = trace.sites[model_.sites_[i]];
        ours[i].site = i;
      }
      trace.sites = std::move(ours);
      return trace;
    }
    std::optional<model::Work> work() const override { return executor_->work(); }
    void count_work() override { executor_->count_work(); }

   private:
    const MappedModel& model_;
    std::unique_ptr<Executor> executor_;
  };

  std::vector<faultgen::Fault> mapped(std::span<const faultgen::Fault> faults) const {
    std::vector<faultgen::Fault> theirs(faults.begin(), faults.end());
    for (faultgen::Fault& fault : theirs) fault.site = sites_[fault.site];
    return theirs;
  }
  void map_points(model::TrialResult& result) const {
    if (result.first_nonfinite) result.first_nonfinite = points_[*result.first_nonfinite];
    for (std::uint32_t& point : result.nonfinite) point = points_[point];
    for (model::PointDeviation& at : result.deviations) at.point = points_[at.point];
    std::ranges::sort(result.nonfinite);
    std::ranges::sort(result.deviations, {}, &model::PointDeviation::point);
  }

  std::shared_ptr<const Model> original_, other_;
  std::vector<std::uint32_t> sites_;   ///< of the original: its number in `other_`, or kNoSite
  std::vector<std::uint32_t> points_;  ///< of `other_`: its number in the original
};

/// Where each site of the original is in another network, and whether all faults find their place.
Result<std::vector<std::uint32_t>> map_sites(const Variant& variant, const model::Model& original,
                                             const model::Model& other,
                                             const faultgen::FaultSet& faults) {
  std::map<std::string, std::uint32_t> theirs;
  for (std::uint32_t i = 0; i < other.sites().size(); ++i) {
    theirs.emplace(faultgen::site_name(other.sites()[i]), i);
  }
  std::map<std::string, std::string> renamed;
  for (const std::string& item : variant.site_map) {
    const auto [from, to] = scenario::split_pair(item).value();
    const bool known = std::any_of(
        original.sites().begin(), original.sites().end(),
        [&, &from = from](const auto& site) { return faultgen::site_name(site) == from; });
    if (!known || !theirs.contains(to)) {
      return misfit(variant,
                    fmt::format("variants.site_map: {} has no site {}",
                                known ? "its model" : "model.file", known ? to : from),
                    "`bitquake model info` lists the sites of a file");
    }
    renamed[from] = to;
  }
  std::vector<std::uint32_t> map;
  for (const faultgen::Site& site : original.sites()) {
    const std::string name = faultgen::site_name(site);
    const auto found = theirs.find(renamed.contains(name) ? renamed[name] : name);
    map.push_back(found == theirs.end() ? kNoSite : found->second);
  }
  std::set<std::pair<std::uint32_t, Target>> hit;
  for (const faultgen::Fault& fault : faults.faults) {
    hit.emplace(fault.site, fault.target);
  }
  for (const auto& [site, target] : hit) {
    const faultgen::Site& ours = original.sites()[site];
    const std::string name = faultgen::site_name(ours);
    const std::uint64_t wanted = faultgen::site_elements(ours, target);
    const std::uint64_t elements =
        map[site] == kNoSite ? 0 : faultgen::site_elements(other.sites()[map[site]], target);
    if (elements == wanted) continue;
    const std::string what = fmt::format("{} of {}", name_of(faultgen::kTargets, target), name);
    if (elements == 0 && packs_parameters(other, target)) {
      return misfit(variant, fmt::format("its model has no {}, which faults hit", what),
                    std::string(kPackedHint));
    }
    if (elements == 0) {
      return misfit(variant, fmt::format("its model has no {}, which faults hit", what),
                    "name the site it has there in variants.site_map, or choose other sites with "
                    "faults.include");
    }
    return misfit(variant,
                  fmt::format("its {} have {} elements, the original's {}", what, elements, wanted),
                  "faults are compared element by element: leave the site out with faults.exclude");
  }
  return map;
}

Result<std::shared_ptr<const model::Model>> other_file(
    const Variant& variant, const std::shared_ptr<const model::Model>& original,
    scenario::Scenario scenario, const faultgen::FaultSet& faults, const ModelLoader& load_model) {
  scenario.model.file = *variant.model;
  auto other = load_model(scenario, {});
  if (!other) {
    Error error = other.error();
    error.where = name_of_variant(variant) + ": " + error.where;
    return error;
  }
  if ((*other)->classes() != original->classes()) {
    return misfit(variant,
                  fmt::format("its model has {} classes, the original {}", (*other)->classes(),
                              original->classes()),
                  "outcomes are compared class by class: give a model of the same task");
  }
  auto sites = map_sites(variant, *original, **other, faults);
  if (!sites) return sites.error();
  std::vector<std::uint32_t> points;
  for (const model::Point& point : (*other)->points()) {
    const auto& ours = original->points();
    const auto found = std::find(ours.begin(), ours.end(), point);
    if (found == ours.end()) {
      return misfit(variant,
                    fmt::format("its model has a monitored point {} ({}), the original has not",
                                point.path, name_of(model::kPointKinds, point.kind)),
                    "set monitor: output, or give a model with the same modules");
    }
    points.push_back(static_cast<std::uint32_t>(found - ours.begin()));
  }
  return std::shared_ptr<const model::Model>(
      std::make_shared<const MappedModel>(original, *other, std::move(*sites), std::move(points)));
}

// --- protections ---

/// Kinds of sites that a protection is for, when the scenario does not say.
std::vector<faultgen::SiteKind> default_kinds(Protection protection) {
  if (scenario::by_bounds(protection)) return {faultgen::SiteKind::activation};
  return {};  // select_sites: convolutions and linear layers
}

Result<std::vector<bool>> protected_sites(const Variant& variant, const model::Model& model,
                                          Target target) {
  const Protection protection = variant.protection.value();
  auto chosen =
      faultgen::select_sites(model.sites(), target,
                             {variant.kinds.empty() ? default_kinds(protection) : variant.kinds,
                              variant.include,
                              variant.exclude,
                              {}});
  if (chosen) {
    if (std::none_of(chosen->begin(), chosen->end(), [](bool is) { return is; })) {
      return misfit(variant, "there is no site left to protect",
                    "take patterns out of variants.exclude, or give other variants.kinds");
    }
    const bool named = !variant.kinds.empty() || !variant.include.empty();
    for (std::size_t i = 0; i < chosen->size() && !named; ++i) {
      // Only feature maps have healthy neighbours.
      const bool maps = model.sites()[i].output_shape.size() == 3;
      if (protection == Protection::average && !maps) (*chosen)[i] = false;
    }
    return chosen;
  }
  Error error = chosen.error();
  error.code = Errc::scenario;
  error.where = name_of_variant(variant);
  if (const auto at = error.what.find("faults."); at == 0) error.what.replace(0, 6, "variants");
  return error;
}

Result<model::Bounds> bounds_of(const Variant& variant, const scenario::Scenario& scenario,
                                const model::Model& model) {
  const auto path = scenario.resolve(variant.bounds.value());
  if (h5::is_hdf5(path)) {
    auto bounds = model::read_bounds(path);
    if (!bounds) return bounds;
    auto fits = model::check_fits(*bounds, model.sha256(), model.sites(), path.string());
    if (!fits) return fits.error();
    return bounds;
  }
  const auto text = read_text(path, Errc::model);
  if (!text) return text.error();
  return model::parse_alfi_bounds(*text, path.string(), model.sites(), model.sha256());
}

/// Sets the bounds of a guard, or says why there are none.
std::optional<Error> set_bounds(const Variant& variant, const model::Bounds& bounds,
                                const faultgen::Site& site, model::Guard& guard) {
  const std::string name = faultgen::site_name(site);
  const auto found = std::find_if(bounds.sites.begin(), bounds.sites.end(),
                                  [&](const auto& known) { return known.site == name; });
  const auto unknown = [&](const std::string& what) {
    return misfit(variant, fmt::format("{} has {}", *variant.bounds, what),
                  "measure them with `bitquake bounds`, or leave the site out with "
                  "variants.exclude");
  };
  if (found == bounds.sites.end() || found->range.empty()) return unknown("no bounds of " + name);
  if (variant.bounds_per.value_or(scenario::BoundsScope::site) == scenario::BoundsScope::site) {
    guard.low = {found->range.low};
    guard.high = {found->range.high};
    return std::nullopt;
  }
  if (found->channels.empty()) return unknown("no bounds of the channels of " + name);
  for (const model::Range& channel : found->channels) {
    if (channel.empty()) return unknown("no finite value in a channel of " + name);
    guard.low.push_back(channel.low);
    guard.high.push_back(channel.high);
  }
  return std::nullopt;
}

Result<model::Protection> guards_of(const Variant& variant, const scenario::Scenario& scenario,
                                    const model::Model& model) {
  const Protection protection = variant.protection.value();
  auto chosen = protected_sites(variant, model, Target::neuron);
  if (!chosen) return chosen.error();
  std::optional<model::Bounds> bounds;
  if (scenario::by_bounds(protection)) {
    auto read = bounds_of(variant, scenario, model);
    if (!read) {
      const auto all = scenario.variants();  // their names differ
      const auto item = std::find_if(all.begin(), all.end(), [&](const Variant& other) {
        return other.label() == variant.label();
      });
      return scenario.file_error("variants.bounds", static_cast<std::size_t>(item - all.begin()),
                                 *variant.bounds, read.error());
    }
    bounds = std::move(*read);
  }
  const auto channels = scenario::channels_of(variant.channels);
  if (!channels) return channels.error();
  model::Protection made;
  for (std::uint32_t site = 0; site < chosen->size(); ++site) {
    if (!(*chosen)[site]) continue;
    model::Guard guard;
    guard.site = site;
    guard.kind = value_of(model::kGuardKinds, name_of(scenario::kProtections, protection)).value();
    guard.sanitise =
        variant.non_finite.value_or(scenario::NonFinite::sanitise) == scenario::NonFinite::sanitise;
    guard.channels = *channels;
    if (bounds) {
      if (auto failed = set_bounds(variant, *bounds, model.sites()[site], guard)) return *failed;
    }
    made.guards.push_back(std::move(guard));
  }
  return made;
}

Result<model::Protection> codes_of(const Variant& variant, const model::Model& model) {
  const auto name = name_of(scenario::kProtections, variant.protection.value());
  const auto* const info = std::find_if(faultgen::kEccCodes.begin(), faultgen::kEccCodes.end(),
                                        [&](const auto& code) { return code.name == name; });
  model::Protection made;
  auto chosen = protected_sites(variant, model, Target::weight);
  if (!chosen) return chosen.error();
  for (std::uint32_t site = 0; site < chosen->size(); ++site) {
    for (const auto& target : faultgen::kTargets) {
      const bool held = (*chosen)[site] && faultgen::is_parameter(target.value) &&
                        !model.parameter(site, target.value).empty();
      if (!held) continue;
      made.weights.push_back({site, target.value, std::string(name), info->data_bits,
                              [code = info->value](std::uint64_t original, std::uint64_t faulty) {
                                const auto read = faultgen::read(code, original, faulty);
                                return model::CodedRead{read.word, read.corrected, read.detected};
                              }});
    }
  }
  if (made.weights.empty()) {
    return misfit(variant, "no site that it is for has a parameter",
                  "codes are of parameters, which quantised sites do not have: choose sites that "
                  "`bitquake model info` lists with weights");
  }
  return made;
}

/// Sets the tolerances of checksums from the first samples.
Result<std::monostate> calibrate(const Variant& variant, const scenario::Scenario& scenario,
                                 const datasets::Dataset& data, const ModelLoader& load_model,
                                 model::Protection& protection) {
  const auto loose = load_model(scenario, protection);
  if (!loose) return loose.error();
  const std::vector<float> largest = (*loose)->largest_deviations(first_inputs(scenario, data));
  const auto placed = (*loose)->guards();
  const double factor = variant.tolerance_factor.value_or(kDefaultToleranceFactor);
  for (model::Guard& guard : protection.guards) {
    const auto number = std::find_if(placed.begin(), placed.end(),
                                     [&](const auto& at) { return at.site == guard.site; }) -
                        placed.begin();
    guard.tolerance =
        static_cast<float>(factor * double{largest.at(static_cast<std::size_t>(number))});
  }
  return std::monostate{};
}

Result<std::shared_ptr<const model::Model>> protected_model(const Variant& variant,
                                                            const scenario::Scenario& scenario,
                                                            const model::Model& original,
                                                            const datasets::Dataset& data,
                                                            const ModelLoader& load_model) {
  auto protection = scenario::by_code(*variant.protection) ? codes_of(variant, original)
                                                           : guards_of(variant, scenario, original);
  if (!protection) return protection.error();
  if (*variant.protection == Protection::abft) {
    auto set = calibrate(variant, scenario, data, load_model, *protection);
    if (!set) return set.error();
  }
  auto loaded = load_model(scenario, *protection);
  if (loaded) return loaded;
  Error error = loaded.error();
  error.where = name_of_variant(variant) + ": " + error.where;
  return error;
}

}  // namespace

Result<std::vector<Modified>> load_variants(const scenario::Scenario& scenario,
                                            const std::shared_ptr<const model::Model>& original,
                                            const datasets::Dataset& data,
                                            const faultgen::FaultSet& faults,
                                            const ModelLoader& load_model) {
  std::vector<Modified> all;
  std::size_t guards = original->guards().size();
  for (const Variant& variant : scenario.variants()) {
    auto model = variant.model ? other_file(variant, original, scenario, faults, load_model)
                               : protected_model(variant, scenario, *original, data, load_model);
    if (!model) return model.error();
    all.push_back({std::move(*model), static_cast<std::int32_t>(guards)});
    guards += all.back().model->guards().size();
  }
  return all;
}

std::vector<std::pair<std::string, std::string>> variant_files(const scenario::Scenario& scenario) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const Variant& variant : scenario.variants()) {
    if (variant.model) files.emplace_back("variant", *variant.model);
    if (variant.bounds) files.emplace_back("bounds", *variant.bounds);
  }
  return files;
}

}  // namespace bitquake::engine
