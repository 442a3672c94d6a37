#include "results/score_card.hpp"

#include "metrics/outcome.hpp"
#include "results/pair_count.hpp"

#include <algorithm>
#include <cassert>
#include <string_view>
#include <utility>

namespace bitquake::results {
namespace {

using metrics::Outcome;
using metrics::Shared;

/// Rates of samples, each of which counts once.
class SampleCount {
 public:
  void add(std::uint64_t sample, bool hit) { count_.add(sample, Shared::sample, hit ? 1 : 0, 1); }
  metrics::Rate rate(std::string metric, metrics::RateOptions options) const {
    options.clustering = metrics::Clustering::by_sample;
    metrics::Rate rate = count_.rate(std::move(metric), options);
    rate.unit = "sample";
    return rate;
  }

 private:
  metrics::Count count_;
};

/// The tallies of trials.
struct Tallies {
  Tallies(std::size_t samples, std::size_t slots)
      : sde_original(samples, slots),
        residual(samples, slots),
        fresh(samples, slots),
        detected(samples, slots),
        coverage(samples, slots),
        corrected(samples, slots),
        to_due(samples, slots) {}

  void add(const TrialRow& variant, const TrialRow& original, std::uint64_t cluster) {
    const std::uint64_t sample = variant.sample;
    const bool dangerous = is_sde(original);
    const bool silent = is_silent(variant);
    sde_original.add(sample, cluster, dangerous);
    residual.add(sample, cluster, silent);
    fresh.add(sample, cluster, silent && !dangerous);
    detected.add(sample, cluster, variant.detected != 0);
    if (!dangerous) return;
    const auto outcome = static_cast<Outcome>(variant.outcome);
    const bool right = outcome == Outcome::masked || outcome == Outcome::benign;
    coverage.add(sample, cluster, !silent);
    corrected.add(sample, cluster, right);
    to_due.add(sample, cluster, !silent && !right);
  }

  std::vector<metrics::Rate> rates(const metrics::RateOptions& options) {
    return {sde_original.rate("sde_original", options),
            residual.rate("residual_sde", options),
            fresh.rate("new_sde", options),
            detected.rate("detected", options),
            coverage.rate("coverage", options),
            corrected.rate("corrected", options),
            to_due.rate("sde_to_due", options)};
  }

  PairCount sde_original, residual, fresh, detected, coverage, corrected, to_due;
};

/// Golden runs of both networks.
void score_golden(const Trials& trials, Condition condition, const metrics::RateOptions& options,
                  ScoreCard& card) {
  const std::uint64_t samples = trials.samples();
  const GoldenRow* const ours = &trials.golden[trials.campaign.number_of(condition) * samples];
  const GoldenRow* const theirs =
      &trials.golden[trials.campaign.number_of({0, condition.perturbation}) * samples];
  SampleCount alarms, right, right_original;
  for (std::uint64_t i = 0; i < samples; ++i) {
    if (ours[i].skipped != 0) continue;
    alarms.add(i, ours[i].alarms > 0);
    if (theirs[i].skipped != 0 || ours[i].label == kNoLabel) continue;
    const bool first = ours[i].top1 == ours[i].label, second = theirs[i].top1 == theirs[i].label;
    right.add(i, first);
    right_original.add(i, second);
    ++(first    ? second ? card.golden.both : card.golden.first_only
       : second ? card.golden.second_only
                : card.golden.neither);
  }
  card.rates.push_back(alarms.rate("false_alarm", options));
  if (card.golden.n() == 0) return;
  card.rates.push_back(right_original.rate("golden_top1_original", options));
  card.rates.push_back(right.rate("golden_top1", options));
  card.golden_interval = metrics::paired_interval(card.golden, options.confidence);
}

}  // namespace

const metrics::Rate& ScoreCard::rate(std::string_view metric) const {
  const auto found = std::find_if(rates.begin(), rates.end(),
                                  [&](const metrics::Rate& rate) { return rate.metric == metric; });
  assert(found != rates.end());
  return *found;
}

ScoreCard score_card(const Trials& trials, const faultgen::FaultSet& faults, Condition condition,
                     const metrics::RateOptions& options) {
  const Condition original{0, condition.perturbation};
  const bool accumulated = accumulates(trials.campaign);
  ScoreCard card{trials.campaign.variants[condition.variant],
                 trials.campaign.perturbations[condition.perturbation]};
  Tallies tallies(trials.samples(), accumulated ? trials.samples() : 0);
  for_pairs(trials, condition, original, [&](const TrialRow& a, const TrialRow& b) {
    tallies.add(a, b, fault_cluster(a, faults, accumulated));
  });
  card.rates = tallies.rates(options);
  score_golden(trials, condition, options, card);
  card.difference = interaction(trials, faults, condition, original, is_silent, options.clustering,
                                options.confidence);
  card.test = metrics::mcnemar(card.difference.pairs);
  return card;
}

}  // namespace bitquake::results
