#include "results/safety.hpp"

#include "results/interaction.hpp"
#include "results/pair_count.hpp"

#include <map>
#include <utility>

namespace bitquake::results {
namespace {

using Place = std::pair<std::uint32_t, faultgen::Target>;

struct Tally {
  explicit Tally(std::size_t samples)
      : dangerous(samples, 0), residual(samples, 0), covered(samples, 0), quiet(samples, 0) {}
  PairCount dangerous, residual, covered, quiet;
};

/// The decision is the golden one, and nothing says that there is a fault.
bool is_quiet(const TrialRow& row) {
  const auto outcome = static_cast<metrics::Outcome>(row.outcome);
  return (outcome == metrics::Outcome::masked || outcome == metrics::Outcome::benign) &&
         row.detected == 0;
}

/// Counts by structure.
std::map<Place, Tally> count(const Trials& trials, const faultgen::FaultSet& faults,
                             Condition condition) {
  std::map<Place, Tally> tallies;
  for_pairs(
      trials, condition, {0, condition.perturbation},
      [&](const TrialRow& row, const TrialRow& original) {
        const faultgen::Fault& fault = faults.faults[row.first_fault];
        Tally& tally =
            tallies.try_emplace(Place(fault.site, fault.target), trials.samples()).first->second;
        tally.dangerous.add(row.sample, row.group, is_sde(original));
        tally.residual.add(row.sample, row.group, is_silent(row));
        tally.quiet.add(row.sample, row.group, is_quiet(row));
        if (is_sde(original)) tally.covered.add(row.sample, row.group, !is_silent(row));
      });
  return tallies;
}

/// Too few clusters for an interval say nothing: it is all of [0, 1] then.
metrics::Proportion proportion(PairCount& count, const metrics::RateOptions& options) {
  const metrics::Rate rate = count.rate("", options);
  return {rate.k, rate.n, rate.interval.value_or(metrics::Interval{0, 1})};
}

SafetyTable table(const Trials& trials, const faultgen::FaultSet& faults, const FitInputs& fit,
                  Condition condition, const metrics::RateOptions& options) {
  SafetyTable made{trials.campaign.variants[condition.variant],
                   trials.campaign.perturbations[condition.perturbation]};
  std::map<Place, Tally> tallies = count(trials, faults, condition);
  std::vector<metrics::Structure> structures;
  for (const Exposure& exposure : fit.exposures) {
    const auto found = tallies.find({exposure.site, exposure.target});
    if (found == tallies.end()) {
      made.bits_without_trials += exposure.bits;
      continue;
    }
    metrics::Structure& structure = structures.emplace_back(metrics::Structure{
        structure_name(trials.campaign, exposure), fit.raw_fit_per_mbit, exposure.bits,
        fit.derating, proportion(found->second.dangerous, options)});
    structure.latent = proportion(found->second.quiet, options);
    if (condition.variant > 0) {
      structure.protection = {proportion(found->second.residual, options),
                              proportion(found->second.covered, options)};
    }
    made.structures.push_back(exposure);
  }
  if (structures.empty()) {
    made.missing = "no trials";
    return made;
  }
  made.report = value_or_throw(metrics::safety_figures(structures, options.confidence));
  return made;
}

}  // namespace

std::vector<SafetyTable> safety_tables(const Trials& trials, const faultgen::FaultSet& faults,
                                       const FitInputs& fit, const metrics::RateOptions& options) {
  std::vector<SafetyTable> tables;
  if (fit.exposures.empty()) return tables;
  for (std::size_t i = 0; i < trials.campaign.conditions(); ++i) {
    tables.push_back(table(trials, faults, fit, trials.campaign.condition(i), options));
  }
  return tables;
}

std::string structure_name(const Campaign& campaign, const Exposure& exposure) {
  return std::string(name_of(faultgen::kTargets, exposure.target)) + " of " +
         campaign.sites[exposure.site].name;
}

}  // namespace bitquake::results
