#include "results/monitors.hpp"

#include "results/interaction.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <span>
#include <tuple>
#include <utility>

namespace bitquake::results {
namespace {

/// Counts of one condition, by row of /points and /guards.
struct Firsts {
  std::vector<std::uint64_t> points, alarms, false_alarms;
};

void note(std::vector<std::uint64_t>& counts, std::int32_t number) {
  if (number >= 0) ++counts[static_cast<std::size_t>(number)];
}

/// The trials of one condition by what makes them alike, and rates of some of them.
class Shares {
 public:
  Shares(const Trials& trials, const faultgen::FaultSet& faults, Condition condition,
         const metrics::RateOptions& options)
      : trials_(trials), options_(options), samples_(trials.samples()) {
    std::tie(first_, last_) = trials.range_of(condition);
    const bool accumulated = accumulates(trials.campaign);
    if (options.clustering != metrics::Clustering::by_sample) groups_.resize(faults.groups.size());
    cluster_ = [&faults, accumulated](const TrialRow& row) {
      return fault_cluster(row, faults, accumulated);
    };
    for (std::uint64_t i = first_; i < last_; ++i) {
      const TrialRow& row = trials.trials[i];
      ++samples_[row.sample].trials;
      if (!groups_.empty()) ++groups_[cluster_(row)].trials;
    }
  }

  /// Calls `see(trial, row)` for the rows of these trials in a table that ascends with them.
  template <class Row, class See>
  void for_rows(const BigVector<Row>& table, See see) const {
    if (first_ == last_) return;
    const Row* next = std::partition_point(table.begin(), table.end(), [&](const Row& row) {
      return row.trial < trials_.trials[first_].trial;
    });
    for (std::uint64_t i = first_; i < last_; ++i) {
      const std::uint64_t trial = trials_.trials[i].trial;
      for (; next != table.end() && next->trial == trial; ++next) see(i, *next);
    }
  }

  /// @param hits  rows of /trials, each once
  metrics::Rate rate(const std::string& metric, std::span<const std::uint64_t> hits) {
    for (const std::uint64_t i : hits) {
      const TrialRow& row = trials_.trials[i];
      ++samples_[row.sample].hits;
      if (!groups_.empty()) ++groups_[cluster_(row)].hits;
    }
    metrics::Count count;
    close(count, metrics::Shared::sample, samples_);
    close(count, metrics::Shared::fault, groups_);
    return count.rate(metric, options_);
  }

 private:
  struct Cluster {
    std::uint64_t hits = 0, trials = 0;
  };

  static void close(metrics::Count& count, metrics::Shared pass, std::vector<Cluster>& clusters) {
    for (std::size_t i = 0; i < clusters.size(); ++i) {
      Cluster& cluster = clusters[i];
      if (cluster.trials > 0) count.add(i, pass, std::exchange(cluster.hits, 0), cluster.trials);
    }
  }

  const Trials& trials_;
  const metrics::RateOptions& options_;
  std::uint64_t first_ = 0, last_ = 0;  ///< rows of /trials
  std::function<std::uint64_t(const TrialRow&)> cluster_;
  std::vector<Cluster> samples_, groups_;  ///< no groups where intervals do not look at them
};

/// The least value that at least a share of them, which must be there, do not exceed.
double quantile(std::vector<double>& values, double share) {
  const auto rank =
      static_cast<std::ptrdiff_t>(std::ceil(share * static_cast<double>(values.size())));
  const auto place = values.begin() + std::max<std::ptrdiff_t>(rank, 1) - 1;
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

}  // namespace

std::vector<MonitorCount> monitor_counts(const Trials& trials, const faultgen::FaultSet& faults,
                                         const metrics::RateOptions& options) {
  const Campaign& campaign = trials.campaign;
  const std::vector<std::uint64_t> points(campaign.points.size()), guards(campaign.guards.size());
  std::vector<Firsts> conditions(campaign.conditions(), {points, guards, guards});
  for (const TrialRow& row : trials.trials) {
    Firsts& firsts = conditions[campaign.number_of(row.condition())];
    note(firsts.points, row.first_nonfinite);
    note(firsts.alarms, row.alarm);
  }
  for (const GoldenRow& row : trials.golden) {
    note(conditions[campaign.number_of(row.condition())].false_alarms, row.alarm);
  }
  std::vector<MonitorCount> all;
  for (std::size_t number = 0; number < conditions.size(); ++number) {
    const Firsts& firsts = conditions[number];
    const Condition at = campaign.condition(number);
    const std::string& variant = campaign.variants[at.variant];
    const std::string& perturbation = campaign.perturbations[at.perturbation];
    Shares shares(trials, faults, at, options);
    std::vector<std::vector<std::uint64_t>> nonfinite(points.size()), alarms(guards.size());
    shares.for_rows(trials.observed.monitors, [&](std::uint64_t trial, const MonitorRow& row) {
      const bool point = static_cast<Monitor>(row.monitor) == Monitor::nonfinite;
      (point ? nonfinite : alarms)[row.place].push_back(trial);
    });
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (nonfinite[i].empty()) continue;
      all.push_back({variant, perturbation, campaign.points[i].path, "nonfinite", firsts.points[i],
                     0, shares.rate("noticed", nonfinite[i])});
    }
    for (std::size_t i = 0; i < guards.size(); ++i) {
      const GuardName& guard = campaign.guards[i];
      if (guard.variant != at.variant) continue;
      all.push_back({variant, perturbation, guard.site, guard.kind, firsts.alarms[i],
                     firsts.false_alarms[i], shares.rate("noticed", alarms[i])});
    }
  }
  return all;
}

std::vector<PointSpread> propagation(const Trials& trials, const faultgen::FaultSet& faults,
                                     const metrics::RateOptions& options) {
  const Campaign& campaign = trials.campaign;
  std::vector<PointSpread> all;
  if (trials.observed.deviations.empty()) return all;
  struct Seen {
    std::vector<std::uint64_t> trials;
    std::vector<double> l2;
    double largest_abs = 0;
  };
  for (std::size_t number = 0; number < campaign.conditions(); ++number) {
    const Condition at = campaign.condition(number);
    Shares shares(trials, faults, at, options);
    std::vector<Seen> points(campaign.points.size());
    shares.for_rows(trials.observed.deviations, [&](std::uint64_t trial, const DeviationRow& row) {
      Seen& seen = points[row.point];
      seen.trials.push_back(trial);
      if (row.nonfinite > 0) return;
      seen.l2.push_back(row.rel_l2);
      seen.largest_abs = std::max(seen.largest_abs, row.max_abs);
    });
    for (std::size_t i = 0; i < points.size(); ++i) {
      const Point& point = campaign.points[i];
      if (point.kind != "module_output" && point.kind != "output") continue;
      Seen& seen = points[i];
      PointSpread& spread = all.emplace_back(
          PointSpread{campaign.variants[at.variant], campaign.perturbations[at.perturbation],
                      point.path, shares.rate("differs", seen.trials)});
      spread.nonfinite = seen.trials.size() - seen.l2.size();
      if (seen.l2.empty()) continue;
      spread.median_l2 = quantile(seen.l2, 0.5);
      spread.q95_l2 = quantile(seen.l2, 0.95);
      spread.largest_l2 = quantile(seen.l2, 1);
      spread.largest_abs = seen.largest_abs;
    }
  }
  return all;
}

}  // namespace bitquake::results
