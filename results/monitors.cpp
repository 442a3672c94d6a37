#include "results/monitors.hpp"

namespace bitquake::results {
namespace {

/// Counts of one condition, by row of /points and /guards.
struct Counts {
  std::vector<std::uint64_t> points, alarms, false_alarms;
};

void note(std::vector<std::uint64_t>& counts, std::int32_t number) {
  if (number >= 0) ++counts[static_cast<std::size_t>(number)];
}

}  // namespace

std::vector<MonitorCount> monitor_counts(const Trials& trials) {
  const Campaign& campaign = trials.campaign;
  const std::vector<std::uint64_t> points(campaign.points.size()), guards(campaign.guards.size());
  std::vector<Counts> conditions(campaign.conditions(), {points, guards, guards});
  for (const TrialRow& row : trials.trials) {
    Counts& counts = conditions[campaign.number_of(row.condition())];
    note(counts.points, row.first_nonfinite);
    note(counts.alarms, row.alarm);
  }
  for (const GoldenRow& row : trials.golden) {
    note(conditions[campaign.number_of(row.condition())].false_alarms, row.alarm);
  }
  std::vector<MonitorCount> all;
  for (std::size_t number = 0; number < conditions.size(); ++number) {
    const Counts& counts = conditions[number];
    const Condition at = campaign.condition(number);
    const std::string& variant = campaign.variants[at.variant];
    const std::string& perturbation = campaign.perturbations[at.perturbation];
    for (std::size_t i = 0; i < counts.points.size(); ++i) {
      if (counts.points[i] == 0) continue;
      all.push_back(
          {variant, perturbation, campaign.points[i].path, "nonfinite", counts.points[i], 0});
    }
    for (std::size_t i = 0; i < campaign.guards.size(); ++i) {
      const GuardName& guard = campaign.guards[i];
      if (guard.variant != at.variant) continue;
      all.push_back({variant, perturbation, guard.site, guard.kind, counts.alarms[i],
                     counts.false_alarms[i]});
    }
  }
  return all;
}

}  // namespace bitquake::results
