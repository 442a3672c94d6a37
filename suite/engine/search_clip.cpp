#include "suite/engine/search_clip.hpp"

#include "suite/engine/memory.hpp"
#include "suite/engine/pipeline.hpp"
#include "suite/scenario/schema.hpp"
#include "suite/scenario/yaml_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

namespace bitquake::engine {
namespace {

using scenario::Scenario;

constexpr int kParts = 4;
constexpr double kSameArea = 1e-12;

/// The scenario of runs at a rate: clean images, one network.
Scenario at_rate(Scenario s, double rate, std::uint32_t repetitions) {
  s.perturbations.assign(1, {});
  s.variant = {};
  s.more_variants.clear();
  s.statistics = {};
  s.faults.epochs = repetitions;
  const auto set_rate = [&](Scenario::Faults& faults) {
    const auto& [model, either] = faults.model;
    const bool of_bits = either || faultgen::fault_model_info(model).bits != nullptr;
    const bool by_bit = of_bits && !faults.mask && !faults.fault_rate;
    faults.per_group.reset();
    faults.bit_error_rate.reset();
    (by_bit ? faults.bit_error_rate : faults.fault_rate) = rate;
  };
  set_rate(s.faults);
  for (Scenario::Faults& faults : s.more_faults) set_rate(faults);
  return s;
}

/// Why faults cannot be drawn at rates.
std::optional<Error> without_rate(const Scenario& s) {
  const auto refuse = [](std::string what, std::string hint) {
    return Error{Errc::scenario, "thresholds are searched at fault rates", std::move(what),
                 std::move(hint), ""};
  };
  if (s.faults.file) return refuse("faults.file holds faults that are drawn already", "remove it");
  if (s.run_type != faultgen::RunType::single) {
    return refuse("run_type: accumulate adds faults up", "remove it");
  }
  if (s.sampling.method != scenario::SamplingMethod::random) {
    return refuse("sampling.method chooses single faults", "remove section sampling");
  }
  Scenario one = at_rate(s, 1, 1);
  auto kinds = one.more_faults;
  kinds.insert(kinds.begin(), one.faults);
  for (const Scenario::Faults& faults : kinds) {
    one.faults = faults;
    for (const scenario::Rule& rule : scenario::rules()) {
      const bool wanted =
          rule.key == (faults.bit_error_rate ? "faults.bit_error_rate" : "faults.fault_rate");
      if (const std::string wrong = wanted ? rule.violation(one) : ""; !wrong.empty()) {
        return refuse(wrong, std::string(rule.hint));
      }
    }
  }
  return std::nullopt;
}

/// Accuracies at the rates.
struct Curve {
  std::vector<double> accuracy;
  double area = 0;
};

class Search {
 public:
  Search(const Scenario& scenario, std::shared_ptr<const datasets::Dataset> data,
         std::shared_ptr<const model::Model> original, const ModelLoader& load_model,
         const ClipSearchOptions& options)
      : scenario_(scenario),
        data_(std::move(data)),
        original_(std::move(original)),
        load_model_(load_model),
        options_(options) {}

  /// Draws the faults of each rate.
  std::optional<Error> draw() {
    for (const double rate : options_.rates) {
      Scenario s = at_rate(scenario_, rate, options_.repetitions);
      auto faults = draw_fault_set(s, *original_, *data_);
      if (!faults) return faults.error();
      const auto plan = plan_of(s, *faults, data_->size(), "faults");
      if (!plan) return plan.error();
      runs_.push_back({std::move(s), data_, original_, std::move(*faults), *plan, {}});
    }
    return std::nullopt;
  }

  std::optional<Error> run(model::Bounds& bounds,
                           const std::function<void(const ClipSearchProgress&)>& progress) {
    for (std::uint32_t i = 0; i < original_->sites().size(); ++i) {
      numbers_[faultgen::site_name(original_->sites()[i])] = i;
    }
    model::ClipSearch& search = bounds.search.emplace();
    search = {scenario::faults_yaml(runs_.front().scenario), scenario_.seed, options_.repetitions,
              options_.steps, options_.rates};
    auto start = clipped(bounds);
    if (!start) return start.error();
    const auto first = curves({original_, *start});
    search.unprotected = first[0].accuracy;
    search.at_act_max = first[1].accuracy;
    search.trials = trials_;
    Curve best = first[1];
    for (std::size_t i = 0; i < bounds.sites.size(); ++i) {
      if (!(*bounds.sites[i].act_max > 0)) continue;
      const auto report = [&](std::uint32_t step, const auto& found) {
        progress({bounds.sites[i].site, i + 1, bounds.sites.size(), step, found.first,
                  found.second.area});
      };
      auto found = at_site(bounds, i, std::move(best), report);
      if (!found) return found.error();
      best = std::move(*found);
    }
    search.found = best.accuracy;
    return std::nullopt;
  }

 private:
  /// The network clipped at the ends of all ranges.
  Result<std::shared_ptr<const model::Model>> clipped(const model::Bounds& bounds) const {
    model::Protection protection;
    for (const model::SiteBounds& site : bounds.sites) {
      protection.guards.push_back({.site = numbers_.at(site.site),
                                   .kind = model::GuardKind::clip,
                                   .low = {site.range.low},
                                   .high = {site.range.high}});
    }
    return load_model_(runs_.front().scenario, protection);
  }

  /// Curves of networks, which run side by side on the same samples and faults.
  std::vector<Curve> curves(const std::vector<std::shared_ptr<const model::Model>>& networks) {
    std::vector<Curve> made(networks.size());
    for (Inputs& run : runs_) {
      run.model = networks[0];
      run.modified.clear();
      for (std::size_t i = 1; i < networks.size(); ++i) run.modified.push_back({networks[i], 0});
      run.plan =
          value_or_throw(make_plan(run.faults, data_->size(), scenario_.unit_samples, "faults", 1,
                                   static_cast<std::uint32_t>(networks.size())));
      if (auto failed = plan_memory(run, options_.threads).error(scenario_.model.file)) {
        throw Exception(*std::move(failed));
      }
      std::vector<std::uint64_t> units(run.plan.units());
      std::iota(units.begin(), units.end(), 0);
      std::vector<std::uint64_t> correct(networks.size());
      trials_ = 0;
      run_pipeline(run, units, {.threads = options_.threads}, run_unit, never_,
                   [&](const UnitRows& rows) { count(rows, correct); });
      for (std::size_t i = 0; i < networks.size(); ++i) {
        made[i].accuracy.push_back(static_cast<double>(correct[i]) /
                                   static_cast<double>(std::max<std::uint64_t>(trials_, 1)));
      }
    }
    for (Curve& curve : made) curve.area = area_under(options_.rates, curve.accuracy);
    return made;
  }

  /// A sample whose fault-free output is not finite has no trials: all of its answers are wrong.
  void count(const UnitRows& rows, std::vector<std::uint64_t>& correct) {
    for (const results::GoldenRow& row : rows.golden) {
      if (row.skipped == static_cast<std::uint8_t>(results::SkipReason::unreadable)) continue;
      if (row.label == results::kNoLabel) {
        throw Exception({Errc::data, scenario_.data.name,
                         fmt::format("sample {} has no label", row.sample_index),
                         "accuracy needs labels: give data that has them", ""});
      }
      if (row.variant == 0) trials_ += options_.repetitions;
    }
    for (const results::TrialRow& row : rows.trials) {
      correct[row.variant] += row.label_rank == 0 ? 1 : 0;
    }
  }

  /// Sets the threshold of a site and gives the curve that it leads to.
  /// @param best  the curve with the threshold it has
  template <class Report>
  Result<Curve> at_site(model::Bounds& bounds, std::size_t number, Curve best,
                        const Report& report) {
    float& threshold = bounds.sites[number].range.high;
    double low = 0, high = threshold;
    std::map<float, Curve> known;
    known.emplace(threshold, std::move(best));
    for (std::uint32_t step = 1; step <= options_.steps; ++step) {
      const double part = (high - low) / kParts;
      std::vector<float> candidates;
      std::vector<std::shared_ptr<const model::Model>> networks;
      for (int i = 1; i <= kParts; ++i) {
        const auto candidate = static_cast<float>(low + part * i);
        if (!(candidate > 0) || candidate > *bounds.sites[number].act_max ||
            known.contains(candidate)) {
          continue;
        }
        threshold = candidate;
        auto network = clipped(bounds);
        if (!network) return network.error();
        candidates.push_back(candidate);
        networks.push_back(std::move(*network));
      }
      if (networks.empty()) break;
      auto found = curves(networks);
      for (std::size_t i = 0; i < found.size(); ++i) {
        known.emplace(candidates[i], std::move(found[i]));
      }
      const auto& chosen = best_of(known);
      threshold = chosen.first;
      low = std::max(low, threshold - part);
      high = std::min(high, threshold + part);
      report(step, chosen);
    }
    return best_of(known).second;
  }

  static const std::pair<const float, Curve>& best_of(const std::map<float, Curve>& known) {
    const auto* best = &*known.begin();
    for (const auto& entry : known) {
      if (entry.second.area >= best->second.area - kSameArea) best = &entry;
    }
    return *best;
  }

  const Scenario& scenario_;
  std::shared_ptr<const datasets::Dataset> data_;
  std::shared_ptr<const model::Model> original_;
  const ModelLoader& load_model_;
  const ClipSearchOptions& options_;
  std::vector<Inputs> runs_;  ///< one for each rate
  std::map<std::string, std::uint32_t> numbers_;
  std::uint64_t trials_ = 0;  ///< of a network at a rate
  std::atomic<bool> never_ = false;
};

}  // namespace

double area_under(std::span<const double> rates, std::span<const double> accuracy) {
  double sum = 0;
  for (std::size_t i = 1; i < rates.size(); ++i) {
    sum += (accuracy[i - 1] + accuracy[i]) / 2 * (std::log10(rates[i]) - std::log10(rates[i - 1]));
  }
  return sum / (std::log10(rates.back()) - std::log10(rates.front()));
}

Result<model::Bounds> search_clip(const Scenario& scenario,
                                  std::shared_ptr<const datasets::Dataset> data,
                                  std::shared_ptr<const model::Model> original,
                                  const ModelLoader& load_model, const model::Bounds& measured,
                                  const ClipSearchOptions& options,
                                  const std::function<void(const ClipSearchProgress&)>& progress) {
  if (auto failed = without_rate(scenario)) return *failed;
  model::Bounds bounds{model::BoundsOrigin::searched,
                       measured.model_sha256,
                       measured.data_sha256,
                       measured.samples,
                       {}};
  for (const model::SiteBounds& site : measured.sites) {
    if (site.kind != faultgen::SiteKind::activation || site.range.empty()) continue;
    model::SiteBounds& clipped = bounds.sites.emplace_back(site);
    clipped.percentiles.clear();
    clipped.channels.clear();
    clipped.range.low = std::min(site.range.low, 0.0F);
    clipped.act_max = site.range.high;
  }
  if (bounds.sites.empty()) {
    return Error{Errc::model, scenario.model.file, "has no activation function to clip",
                 "`bitquake model info` lists the sites of a file", ""};
  }
  Search search(scenario, std::move(data), std::move(original), load_model, options);
  if (auto failed = search.draw()) return *failed;
  if (auto failed = search.run(bounds, progress)) return *failed;
  return bounds;
}

}  // namespace bitquake::engine
