#include "results/estimates.hpp"

#include "metrics/estimator.hpp"
#include "metrics/outcome.hpp"
#include "suite/base/text.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

namespace bitquake::results {
namespace {

using metrics::Outcome;

/// Whether each group has one fault, and each trial one group.
bool single_faults(const Trials& trials, const faultgen::FaultSet& faults) {
  return trials.campaign.run_type == "single" &&
         std::all_of(faults.groups.begin(), faults.groups.end(),
                     [](const faultgen::FaultGroup& group) { return group.n_faults == 1; });
}

std::string percent(double confidence) { return shortest(confidence * 100) + " %"; }

/// Rows of /trials that count.
using Range = std::pair<std::uint64_t, std::uint64_t>;

Estimate stratified(const Trials& trials, const faultgen::FaultSet& faults, Range range,
                    double confidence, Outcome outcome) {
  std::vector<bool> hit(faults.faults.size());
  for (std::uint64_t i = range.first; i < range.second; ++i) {
    const TrialRow& row = trials.trials[i];
    if (static_cast<Outcome>(row.outcome) == outcome) hit[row.first_fault] = true;
  }
  std::vector<metrics::Stratum> strata;
  for (const faultgen::Stratum& stratum : faults.strata) {
    strata.push_back({stratum.population, stratum.size, 0});
  }
  for (std::size_t i = 0; i < hit.size(); ++i) {
    if (hit[i]) ++strata[faults.stratum[i]].k;
  }
  Estimate result;
  result.metric = metrics::kOutcomeNames[static_cast<std::size_t>(outcome)];
  result.unit = "fault";
  result.n = hit.size();
  result.population = std::accumulate(
      strata.begin(), strata.end(), std::uint64_t{0},
      [](std::uint64_t sum, const metrics::Stratum& stratum) { return sum + stratum.population; });
  if (const auto found = metrics::stratified_estimate(strata, confidence)) {
    result.value = found->p;
    result.interval = found->interval;
    result.method = strata.size() == 1 ? "hypergeometric " + percent(confidence)
                                       : "stratified " + percent(confidence) + " (" +
                                             with_commas(strata.size()) + " strata)";
  }
  return result;
}

Estimate weighted(const Trials& trials, const faultgen::FaultSet& faults, Range range,
                  double confidence, Outcome outcome, bool independent) {
  BigVector<metrics::WeightedTrial> drawn;
  for (std::uint64_t i = range.first; i < range.second; ++i) {
    const TrialRow& row = trials.trials[i];
    drawn.push_back(
        {faults.sampling_weight[row.first_fault], static_cast<Outcome>(row.outcome) == outcome});
  }
  const double greatest =
      *std::max_element(faults.sampling_weight.begin(), faults.sampling_weight.end());
  const metrics::WeightedEstimate found = metrics::weighted_estimate(drawn, greatest, confidence);
  Estimate result;
  result.metric = metrics::kOutcomeNames[static_cast<std::size_t>(outcome)];
  result.value = found.hajek;
  result.unit = "trial";
  result.n = drawn.size();
  const std::string size = "effective size " + shortest(std::round(found.effective_size));
  if (independent) result.interval = found.hajek_interval;
  result.method = independent ? "hajek " + percent(confidence) + " (" + size + ")"
                              : "hajek (" + size + "); no interval: trials share samples or faults";
  return result;
}

/// Whether no two trials share a sample or a group.
bool independent_trials(const Trials& trials, const faultgen::FaultSet& faults, Range range) {
  std::vector<bool> seen(trials.samples());
  for (std::uint64_t i = range.first; i < range.second; ++i) {
    const TrialRow& row = trials.trials[i];
    if (seen[row.sample]) return false;
    seen[row.sample] = true;
  }
  return faults.provenance.schedule.policy == faultgen::Policy::per_image;
}

}  // namespace

std::vector<Estimate> estimate(const Trials& trials, const faultgen::FaultSet& faults,
                               Condition condition, double confidence) {
  std::vector<Estimate> estimates;
  const Range range = trials.range_of(condition);
  if (range.first == range.second || !single_faults(trials, faults)) return estimates;
  if (!faults.strata.empty()) {
    for (const Outcome outcome : {Outcome::due, Outcome::sde}) {
      estimates.push_back(stratified(trials, faults, range, confidence, outcome));
    }
    return estimates;
  }
  if (faults.uniform()) return estimates;
  const bool independent = independent_trials(trials, faults, range);
  for (const Outcome outcome : {Outcome::due, Outcome::masked, Outcome::benign, Outcome::sde}) {
    estimates.push_back(weighted(trials, faults, range, confidence, outcome, independent));
  }
  return estimates;
}

}  // namespace bitquake::results
