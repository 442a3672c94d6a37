#include "results/summary.hpp"

#include "faultgen/bits.hpp"
#include "results/csv.hpp"
#include "suite/base/text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <string_view>
#include <utility>

namespace bitquake::results {
namespace {

using faultgen::BitField;

constexpr std::size_t kMostBits = 32;  ///< of the widest storage

constexpr std::array kFields{std::pair{BitField::sign, "sign"},
                             std::pair{BitField::exponent, "exponent"},
                             std::pair{BitField::mantissa, "mantissa"}};

metrics::TrialFacts facts_of(const TrialRow& row, const GoldenRow& golden, std::uint64_t fault) {
  metrics::TrialFacts facts;
  facts.sample = row.sample;
  facts.fault = fault;
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

/// Positions in `trials` from `first` to `last` ordered by sample, stable.
BigVector<std::uint64_t> by_sample(const Trials& all, std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> next(all.samples() + 1, 0);
  PageRelief relief(all.trials);
  for (std::uint64_t i = first; i < last; ++i) {
    relief.step();
    ++next[all.trials[i].sample + 1];
  }
  for (std::size_t i = 1; i < next.size(); ++i) next[i] += next[i - 1];
  BigVector<std::uint64_t> order;
  order.resize(last - first);
  for (std::uint64_t i = first; i < last; ++i) {
    relief.step();
    order[next[all.trials[i].sample]++] = i;
  }
  return order;
}

std::vector<metrics::Rate> joined(std::vector<metrics::Rate> a, std::vector<metrics::Rate> b) {
  a.insert(a.end(), std::make_move_iterator(b.begin()), std::make_move_iterator(b.end()));
  return a;
}

bool monitors_modules(const Campaign& campaign) {
  return std::any_of(campaign.points.begin(), campaign.points.end(),
                     [](const Point& point) { return point.kind == "module_output"; });
}

bool accumulates(const Campaign& campaign) {
  return value_of(faultgen::kRunTypes, campaign.run_type) == faultgen::RunType::accumulate;
}

metrics::Clustering clustering_of(const Trials& trials, const faultgen::FaultSet& faults) {
  if (faults.provenance.schedule.policy == faultgen::Policy::per_image) {
    return metrics::Clustering::by_sample;
  }
  return accumulates(trials.campaign) ? metrics::Clustering::by_fault
                                      : metrics::Clustering::two_way;
}

/// One table of outcome counts, a cell per site, bit or field.
using Cells = std::vector<metrics::OutcomeCounts>;

/// The counts behind all tables of a perturbation.
class Counts {
 public:
  Counts(const Trials& trials, const faultgen::FaultSet& faults, std::uint32_t perturbation)
      : trials_(trials),
        faults_(faults),
        relief_(trials.trials, trials.injections, faults.groups, faults.faults),
        accumulated_(accumulates(trials.campaign)),
        sites_(faults.sites.size()),
        epochs_(accumulated_ ? faults.groups.back().epoch + std::size_t{1} : 0) {
    const auto [first, last] = trials.range_of(perturbation);
    first_ = first;
    first_injection_.reserve(last - first + 1);
    std::uint64_t next = first_injection_of(first);
    PageRelief relief(trials.trials, trials.injections);
    for (std::uint64_t i = first; i < last; ++i) {
      relief.step();
      first_injection_.push_back(next);
      const std::uint64_t trial = trials.trials[i].trial;
      while (next < trials.injections.size() && trials.injections[next].trial == trial) ++next;
    }
    first_injection_.push_back(next);
    const BigVector<std::uint64_t> samples_first = by_sample(trials, first, last);
    for (const std::uint64_t i : samples_first) add(i, Shared::sample);
    if (clustering() == metrics::Clustering::by_sample) return;
    // Slots ascend with samples, groups with trials.
    for (std::uint64_t i = first; i < last; ++i) {
      add(accumulated_ ? samples_first[i - first] : i, Shared::fault);
    }
  }

  metrics::Clustering clustering() const { return clustering_of(trials_, faults_); }

  Tables tables(const metrics::RateOptions& options) const {
    Tables made;
    made.trials = first_injection_.size() - 1;
    made.overall = joined(accuracies_.rates(options), outcomes_.rates(options));
    made.inactive = inactive_;
    if (inactive_ > 0) made.active = active_.rates(options);
    // That tool's DUE looks at every module output: without them the figures would be others.
    if (monitors_modules(trials_.campaign)) made.pytorchalfi = pytorchalfi_.rates(options);
    const auto table = [&](const Cells& cells, auto name) {
      std::vector<Breakdown> rows;
      for (std::size_t i = 0; i < cells.size(); ++i) {
        rows.push_back({name(i), cells[i].rates(options)});
      }
      return rows;
    };
    const auto number = [](std::size_t i) { return std::to_string(i); };
    made.sites = table(sites_, [&](std::size_t i) { return trials_.campaign.sites[i].name; });
    made.bits = table(bits_, number);
    made.bit_fields = table(fields_, [](std::size_t i) { return kFields[i].second; });
    made.epochs = table(epochs_, number);
    return made;
  }

 private:
  using Shared = metrics::Shared;

  void add(std::uint64_t trial, Shared pass) {
    relief_.step();
    const TrialRow& row = trials_.trials[trial];
    // Accumulated groups share the faults of the first epochs: only slots differ throughout.
    const metrics::TrialFacts facts = facts_of(
        row, trials_.golden_of(row), accumulated_ ? faults_.groups[row.group].slot : row.group);
    accuracies_.add(facts, pass);
    outcomes_.add(facts, pass);
    pytorchalfi_.add(facts, pass);
    if (accumulated_) epochs_[row.epoch].add(facts, pass);
    if (acted(trial)) {
      active_.add(facts, pass);
    } else if (pass == Shared::sample) {
      ++inactive_;
    }
    std::uint64_t bits = 0;
    std::array<bool, kFields.size()> fields{};
    sites_touched_.clear();
    const std::uint64_t at = trial - first_;
    for (std::uint64_t i = first_injection_[at]; i < first_injection_[at + 1]; ++i) {
      const faultgen::Fault& fault = faults_.faults[trials_.injections[i].fault];
      bits |= fault.bit_mask;
      touch_fields(fault, fields);
      sites_touched_.push_back(fault.site);
    }
    count_sites(facts, pass);
    count_bits(bits, facts, pass);
    for (std::size_t i = 0; i < kFields.size(); ++i) {
      if (fields[i]) fields_[i].add(facts, pass);
    }
  }

  /// Row of /injections that the trial at a position begins with.
  std::uint64_t first_injection_of(std::uint64_t position) const {
    if (position == trials_.trials.size()) return trials_.injections.size();
    const auto found = trials_.injections_of(trials_.trials[position]);
    return static_cast<std::uint64_t>(found.data() - &*trials_.injections.begin());
  }

  /// Whether some fault of the trial acted.
  bool acted(std::uint64_t trial) const {
    const auto begin = trials_.injections.begin();
    const std::uint64_t at = trial - first_;
    return std::any_of(begin + static_cast<std::ptrdiff_t>(first_injection_[at]),
                       begin + static_cast<std::ptrdiff_t>(first_injection_[at + 1]),
                       [](const InjectionRow& injection) { return injection.active != 0; });
  }

  void count_sites(const metrics::TrialFacts& facts, Shared pass) {
    auto& sites = sites_touched_;
    std::sort(sites.begin(), sites.end());
    sites.erase(std::unique(sites.begin(), sites.end()), sites.end());
    for (const std::uint32_t site : sites) sites_[site].add(facts, pass);
  }

  /// What a bit is depends on how the value is held.
  static void touch_fields(const faultgen::Fault& fault, std::array<bool, kFields.size()>& fields) {
    for (std::uint64_t bits = fault.bit_mask; bits != 0; bits &= bits - 1) {
      const auto bit = static_cast<unsigned>(std::countr_zero(bits));
      for (std::size_t i = 0; i < kFields.size(); ++i) {
        if (faultgen::field_of(fault.storage, bit) == kFields[i].first) fields[i] = true;
      }
    }
  }

  void count_bits(std::uint64_t bits, const metrics::TrialFacts& facts, Shared pass) {
    for (; bits != 0; bits &= bits - 1) {
      bits_[static_cast<std::size_t>(std::countr_zero(bits))].add(facts, pass);
    }
  }

  const Trials& trials_;
  const faultgen::FaultSet& faults_;
  PageRelief<BigVector<TrialRow>, BigVector<InjectionRow>, BigVector<faultgen::FaultGroup>,
             BigVector<faultgen::Fault>>
      relief_;
  bool accumulated_;
  std::uint64_t first_ = 0;  ///< position of the first trial
  metrics::AccuracyCounts accuracies_;
  metrics::OutcomeCounts outcomes_, active_;
  std::uint64_t inactive_ = 0;
  metrics::PyTorchAlfiCounts pytorchalfi_;
  Cells sites_, bits_{kMostBits}, fields_{kFields.size()}, epochs_;
  BigVector<std::uint64_t> first_injection_;  ///< of each trial, and the end: rows of /injections
  std::vector<std::uint32_t> sites_touched_;  ///< by the trial being counted
};

void count_rows(Summary& summary, const Trials& all) {
  summary.trials = all.trials.size();
  summary.samples = all.samples();
  summary.injections = all.injections.size();
  PageRelief relief(all.trials, all.injections);
  for (const TrialRow& row : all.trials) {
    relief.step();
    summary.failed += row.message != kNoMessage ? 1 : 0;
  }
  for (const GoldenRow& row : all.golden) summary.skipped += row.skipped != 0 ? 1 : 0;
  for (const InjectionRow& row : all.injections) {
    relief.step();
    if (row.active == 0) continue;
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

/// What a reader must know of an entry beyond its name: that it is not Bitquake's.
std::string origin_of(const faultgen::FaultModelInfo& model) {
  return faultgen::is_registered_by_program(model.value) ? " (registered by the program)" : "";
}
std::string origin_of(const Named<faultgen::Target>&) { return ""; }

/// Names of the registry's entries whose count is not 0, joined by '+'.
template <class Registry, class Counts>
std::string names_of(const Registry& registry, const Counts& counts) {
  std::string text;
  for (std::size_t i = 0; i < registry.size(); ++i) {
    if (counts[i] == 0) continue;
    text += (text.empty() ? "" : "+") + std::string(registry[i].name) + origin_of(registry[i]);
  }
  return text;
}

/// What meets the same faults, when that is more than one sample.
std::string schedule_text(const faultgen::Schedule& schedule) {
  switch (schedule.policy) {
    case faultgen::Policy::per_image:
      return "";
    case faultgen::Policy::per_batch:
      return ", the same for " + std::to_string(schedule.batch_size) + " consecutive samples";
    case faultgen::Policy::per_epoch:
      return ", the same for all samples of an epoch";
  }
  return "";
}

/// How faults were drawn.
std::string drawn_text(const faultgen::FaultSet& faults) {
  if (!faults.strata.empty()) {
    std::uint64_t population = 0;
    for (const faultgen::Stratum& stratum : faults.strata) population += stratum.population;
    return "without replacement from " + with_commas(population) + " single faults in " +
           with_commas(faults.strata.size()) + (faults.strata.size() == 1 ? " stratum" : " strata");
  }
  return faults.uniform() ? "uniformly over all elements"
                          : "not uniformly: estimates below weigh them";
}

std::string faults_text(const faultgen::FaultSet& faults, const Summary& summary) {
  const faultgen::FaultSummary counts = faultgen::summarise(faults);
  return names_of(faultgen::fault_models(), counts.per_model) + " in " +
         names_of(faultgen::kTargets, counts.per_target) + ", " +
         (summary.accumulated ? "accumulating up to " : "") + std::to_string(summary.per_group) +
         " per inference, drawn " + drawn_text(faults) + schedule_text(faults.provenance.schedule);
}

}  // namespace

Result<Summary> summarise(const Trials& trials, const faultgen::FaultSet& faults,
                          metrics::IntervalMethod method, double confidence,
                          const Corruptions& corruptions) {
  if (auto checked = check_faults(trials, faults); !checked) return checked.error();
  Summary summary;
  summary.options = {.method = method,
                     .confidence = confidence,
                     .classes = trials.campaign.classes,
                     .clustering = clustering_of(trials, faults)};
  summary.campaign = trials.campaign.identity;
  summary.accumulated = accumulates(trials.campaign);
  count_rows(summary, trials);
  summary.faults = faults_text(faults, summary);
  const auto& labels = trials.campaign.perturbations;
  const auto clean =
      static_cast<std::uint32_t>(std::find(labels.begin(), labels.end(), "clean") - labels.begin());
  for (std::uint32_t p = 0; p < labels.size(); ++p) {
    Tables& tables = summary.tables.emplace_back(Counts(trials, faults, p).tables(summary.options));
    tables.perturbation = labels[p];
    tables.estimates = estimate(trials, faults, p, confidence);
    if (clean == labels.size() || clean == p) continue;
    tables.interaction =
        interaction(trials, faults, p, clean, summary.options.clustering, confidence);
  }
  summary.corruption_errors = corruption_errors(summary, corruptions);
  return summary;
}

}  // namespace bitquake::results
