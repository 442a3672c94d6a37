#include "results/summary.hpp"

#include "faultgen/bits.hpp"
#include "results/csv.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <string_view>
#include <utility>

namespace bitquake::results {
namespace {

using faultgen::BitField;

constexpr std::array kFields{std::pair{BitField::sign, "sign"},
                             std::pair{BitField::exponent, "exponent"},
                             std::pair{BitField::mantissa, "mantissa"}};

metrics::TrialFacts facts_of(const TrialRow& row, const GoldenRow& golden) {
  metrics::TrialFacts facts;
  facts.sample = row.sample;
  facts.outcome = static_cast<metrics::Outcome>(row.outcome);
  facts.sdc5 = row.sdc5 != 0;
  facts.sdc10 = row.sdc10 != 0;
  facts.sdc20 = row.sdc20 != 0;
  facts.labelled = golden.label != kNoLabel;
  facts.golden_top1_correct = golden.top1 == golden.label;
  facts.golden_top5_correct = golden.label_rank < 5;
  facts.faulty_top1_correct = row.faulty_top1 == golden.label;
  facts.faulty_top5_correct = row.faulty_top1 >= 0 && row.label_rank < 5;
  facts.top1_changed = row.faulty_top1 != golden.top1;
  facts.any_nonfinite = row.any_nonfinite != 0 || row.message != kNoMessage;
  return facts;
}

/// Positions in `trials` ordered by sample, stable: the order in which the counts want them.
std::vector<std::uint64_t> by_sample(const Trials& all) {
  std::vector<std::uint64_t> next(all.golden.size() + 1, 0);
  for (const TrialRow& row : all.trials) ++next[row.sample + 1];
  for (std::size_t i = 1; i < next.size(); ++i) next[i] += next[i - 1];
  std::vector<std::uint64_t> order(all.trials.size());
  for (std::uint64_t i = 0; i < all.trials.size(); ++i) order[next[all.trials[i].sample]++] = i;
  return order;
}

/// One table of outcome counts, a cell per site, bit or field.
using Cells = std::vector<metrics::OutcomeCounts>;

void count_sites(Cells& cells, std::span<const faultgen::Fault> faults,
                 const metrics::TrialFacts& facts) {
  if (faults.size() == 1) return cells[faults[0].site].add(facts);
  std::vector<std::uint32_t> sites;
  for (const faultgen::Fault& fault : faults) sites.push_back(fault.site);
  std::sort(sites.begin(), sites.end());
  sites.erase(std::unique(sites.begin(), sites.end()), sites.end());
  for (const std::uint32_t site : sites) cells[site].add(facts);
}

void count_bits(Cells& bits, Cells& fields, std::span<const faultgen::Fault> faults,
                const metrics::TrialFacts& facts) {
  std::uint64_t touched = 0;
  for (const faultgen::Fault& fault : faults) touched |= fault.bit_mask;
  std::array<bool, kFields.size()> in_field{};
  for (std::uint64_t mask = touched; mask != 0; mask &= mask - 1) {
    const auto bit = static_cast<unsigned>(std::countr_zero(mask));
    bits[bit].add(facts);
    for (std::size_t i = 0; i < kFields.size(); ++i) {
      if (faultgen::fp32_field(bit) == kFields[i].first) in_field[i] = true;
    }
  }
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    if (in_field[i]) fields[i].add(facts);
  }
}

void count_rows(Summary& summary, const Trials& all) {
  summary.trials = all.trials.size();
  summary.samples = all.golden.size();
  summary.injections = all.injections.size();
  for (const TrialRow& row : all.trials) summary.failed += row.message != kNoMessage ? 1 : 0;
  for (const GoldenRow& row : all.golden) summary.skipped += row.skipped;
  for (const InjectionRow& row : all.injections) {
    if (row.reached == 0) {
      ++summary.unreached;
    } else if (row.original_bits == row.corrupted_bits) {
      ++summary.unchanged;
    }
  }
  for (const TrialRow& row : all.trials) {
    summary.per_group = std::max(summary.per_group, row.n_faults);
  }
}

/// Names of the registry's entries whose count is not 0, joined by '+'.
template <class Registry, class Counts>
std::string names_of(const Registry& registry, const Counts& counts) {
  std::string text;
  for (std::size_t i = 0; i < registry.size(); ++i) {
    if (counts[i] > 0) text += (text.empty() ? "" : "+") + std::string(registry[i].name);
  }
  return text;
}

std::string faults_text(const faultgen::FaultSet& faults, std::uint32_t per_group) {
  const faultgen::FaultSummary counts = faultgen::summarise(faults);
  const bool uniform = std::all_of(faults.sampling_weight.begin(), faults.sampling_weight.end(),
                                   [](double weight) { return weight == 1.0; });
  return names_of(faultgen::kFaultModels, counts.per_model) + " in " +
         names_of(faultgen::kTargets, counts.per_target) + ", " + std::to_string(per_group) +
         " per inference, drawn " +
         (uniform ? "uniformly over all elements"
                  : "site first: each site counts the same, whatever its size");
}

std::vector<metrics::Rate> joined(std::vector<metrics::Rate> a, std::vector<metrics::Rate> b) {
  a.insert(a.end(), std::make_move_iterator(b.begin()), std::make_move_iterator(b.end()));
  return a;
}

bool monitors_modules(const Campaign& campaign) {
  return std::any_of(campaign.points.begin(), campaign.points.end(),
                     [](const Point& point) { return point.kind == "module_output"; });
}

}  // namespace

Result<Summary> summarise(const Trials& trials, const faultgen::FaultSet& faults,
                          metrics::IntervalMethod method, double confidence) {
  if (auto checked = check_faults(trials, faults); !checked) return checked.error();
  metrics::AccuracyCounts accuracies;
  metrics::OutcomeCounts outcomes;
  metrics::PyTorchAlfiCounts pytorchalfi;
  Cells sites(faults.sites.size());
  Cells bits(faultgen::kFp32Bits);
  Cells fields(kFields.size());
  for (const std::uint64_t i : by_sample(trials)) {
    const TrialRow& row = trials.trials[i];
    const metrics::TrialFacts facts = facts_of(row, trials.golden_of(row));
    accuracies.add(facts);
    outcomes.add(facts);
    pytorchalfi.add(facts);
    const auto group = faults.faults_of(faults.groups[row.group]);
    count_sites(sites, group, facts);
    count_bits(bits, fields, group, facts);
  }

  Summary summary;
  summary.options = {method, confidence, trials.campaign.classes};
  summary.campaign = trials.campaign.identity;
  count_rows(summary, trials);
  summary.faults = faults_text(faults, summary.per_group);
  summary.overall = joined(accuracies.rates(summary.options), outcomes.rates(summary.options));
  // That tool's DUE looks at every module output: without them the figures would be others.
  if (monitors_modules(trials.campaign)) {
    summary.pytorchalfi = pytorchalfi.rates(summary.options);
  }
  for (std::size_t i = 0; i < sites.size(); ++i) {
    summary.sites.push_back({trials.campaign.sites[i].name, sites[i].rates(summary.options)});
  }
  for (std::size_t i = 0; i < bits.size(); ++i) {
    summary.bits.push_back({std::to_string(i), bits[i].rates(summary.options)});
  }
  for (std::size_t i = 0; i < fields.size(); ++i) {
    summary.bit_fields.push_back({kFields[i].second, fields[i].rates(summary.options)});
  }
  return summary;
}

}  // namespace bitquake::results
