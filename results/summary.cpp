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
  facts.detected = row.detected != 0;
  facts.top1_changed = row.faulty_top1 != golden.top1;
  facts.any_nonfinite = row.any_nonfinite != 0 || row.message != kNoMessage;
  return facts;
}

std::vector<metrics::Rate> joined(std::vector<metrics::Rate> a, std::vector<metrics::Rate> b) {
  a.insert(a.end(), std::make_move_iterator(b.begin()), std::make_move_iterator(b.end()));
  return a;
}

bool monitors_modules(const Campaign& campaign) {
  return std::any_of(campaign.points.begin(), campaign.points.end(),
                     [](const Point& point) { return point.kind == "module_output"; });
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

/// What the tables need of a trial, its faults' sites aside.
struct Digest {
  metrics::TrialFacts facts;
  std::uint32_t epoch = 0;
  bool acted = false;  ///< some fault did
  std::uint64_t bits = 0;
  std::array<bool, kFields.size()> fields{};
  std::size_t first_site = 0, last_site = 0;  ///< of Digests::sites
};

struct Digests {
  std::vector<Digest> trials;
  std::vector<std::uint32_t> sites;  ///< of each trial, without repetition
  void clear() {
    trials.clear();
    sites.clear();
  }
};

/// The counts behind all tables of a condition.
class Counts {
 public:
  Counts(const Trials& trials, const faultgen::FaultSet& faults, Condition condition)
      : trials_(trials),
        faults_(faults),
        accumulated_(accumulates(trials.campaign)),
        sites_(faults.sites.size()),
        epochs_(accumulated_ ? faults.groups.back().epoch + std::size_t{1} : 0) {
    const auto [first, last] = trials.range_of(condition);
    trials_counted_ = last - first;
    if (first == last) return;
    count_by_sample(first, last);
    // Slots ascend with samples, groups with trials: accumulated ones are counted already.
    if (clustering() != metrics::Clustering::by_sample && !accumulated_)
      count_by_group(first, last);
  }

  metrics::Clustering clustering() const { return clustering_of(trials_, faults_); }

  Tables tables(const metrics::RateOptions& options) const {
    Tables made;
    made.trials = trials_counted_;
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

  /// Rows that are read next, in order.
  struct Cursor {
    std::uint64_t trial = 0, injection = 0, last_trial = 0;
  };

  Cursor cursor(std::uint64_t trial, std::uint64_t last) const {
    const auto injections = trials_.injections_of(trials_.trials[trial]);
    return {trial, static_cast<std::uint64_t>(injections.data() - trials_.injections.data()), last};
  }

  /// Rows are in the order of epochs: those of a block of samples are read epoch by epoch, and
  /// counted sample by sample. So each page of large tables is read once.
  void count_by_sample(std::uint64_t first, std::uint64_t last) {
    std::vector<Cursor> epochs;
    for (std::uint64_t begin = first; begin < last;) {
      const std::uint32_t epoch = trials_.trials[begin].epoch;
      const TrialRow* const rows = trials_.trials.data();
      const auto end = static_cast<std::uint64_t>(
          std::partition_point(rows + begin, rows + last,
                               [&](const TrialRow& row) { return row.epoch == epoch; }) -
          rows);
      epochs.push_back(cursor(begin, end));
      begin = end;
    }
    const std::uint64_t block = std::max<std::uint64_t>(1, kBlockTrials / epochs.size());
    const RandomReads reads(trials_.trials, trials_.injections, faults_.groups, faults_.faults);
    Digests digests;
    for (std::uint64_t sample = 0; sample < trials_.samples(); sample += block) {
      digests.clear();
      for (const Cursor& next : epochs) prefetch_rows(next, block);
      for (const Cursor& next : epochs) prefetch_faults(next, block);
      for (Cursor& next : epochs) {
        while (next.trial < next.last_trial && trials_.trials[next.trial].sample < sample + block) {
          digest(next, digests);
        }
      }
      for (const std::uint32_t i : by_sample(digests.trials, sample, block)) {
        add(digests, digests.trials[i], Shared::sample);
        if (accumulated_) add(digests, digests.trials[i], Shared::fault);
      }
    }
  }

  void prefetch_rows(const Cursor& next, std::uint64_t count) const {
    trials_.trials.prefetch(next.trial, count);
    trials_.injections.prefetch(next.injection, count);
  }
  void prefetch_faults(const Cursor& next, std::uint64_t count) const {
    if (next.trial == next.last_trial) return;
    const TrialRow& row = trials_.trials[next.trial];
    faults_.groups.prefetch(row.group, count);
    faults_.faults.prefetch(row.first_fault, count);
  }

  /// Positions ordered by sample, stable. @param first  sample of `count`
  static std::vector<std::uint32_t> by_sample(const std::vector<Digest>& trials,
                                              std::uint64_t first, std::uint64_t count) {
    std::vector<std::uint32_t> next(count + 1, 0), order(trials.size());
    for (const Digest& trial : trials) ++next[trial.facts.sample - first + 1];
    for (std::size_t i = 1; i < next.size(); ++i) next[i] += next[i - 1];
    for (std::uint32_t i = 0; i < trials.size(); ++i) {
      order[next[trials[i].facts.sample - first]++] = i;
    }
    return order;
  }

  void count_by_group(std::uint64_t first, std::uint64_t last) {
    Digests digests;
    for (Cursor next = cursor(first, last); next.trial < last;) {
      digests.clear();
      digest(next, digests);
      add(digests, digests.trials.front(), Shared::fault);
    }
  }

  /// Appends what there is to know of the trial at a cursor, which goes on.
  void digest(Cursor& next, Digests& digests) {
    const TrialRow& row = trials_.trials[next.trial++];
    Digest& made = digests.trials.emplace_back();
    // Accumulated groups share the faults of the first epochs: only slots differ throughout.
    made.facts = facts_of(row, trials_.golden_of(row), fault_cluster(row, faults_, accumulated_));
    made.epoch = row.epoch;
    auto& sites = digests.sites;
    made.first_site = sites.size();
    for (; next.injection < trials_.injections.size(); ++next.injection) {
      const InjectionRow& injection = trials_.injections[next.injection];
      if (injection.trial != row.trial) break;
      const faultgen::Fault& fault = faults_.faults[injection.fault];
      made.acted |= injection.active != 0;
      made.bits |= fault.bit_mask;
      touch_fields(fault, made.fields);
      sites.push_back(fault.site);
    }
    const auto first = sites.begin() + static_cast<std::ptrdiff_t>(made.first_site);
    std::sort(first, sites.end());
    sites.erase(std::unique(first, sites.end()), sites.end());
    made.last_site = sites.size();
  }

  void add(const Digests& digests, const Digest& trial, Shared pass) {
    const metrics::TrialFacts& facts = trial.facts;
    accuracies_.add(facts, pass);
    outcomes_.add(facts, pass);
    pytorchalfi_.add(facts, pass);
    if (accumulated_) epochs_[trial.epoch].add(facts, pass);
    if (trial.acted) {
      active_.add(facts, pass);
    } else if (pass == Shared::sample) {
      ++inactive_;
    }
    for (std::size_t i = trial.first_site; i < trial.last_site; ++i) {
      sites_[digests.sites[i]].add(facts, pass);
    }
    for (std::uint64_t bits = trial.bits; bits != 0; bits &= bits - 1) {
      bits_[static_cast<std::size_t>(std::countr_zero(bits))].add(facts, pass);
    }
    for (std::size_t i = 0; i < kFields.size(); ++i) {
      if (trial.fields[i]) fields_[i].add(facts, pass);
    }
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

  static constexpr std::uint64_t kBlockTrials = std::uint64_t{1} << 17U;  ///< some 10 MB

  const Trials& trials_;
  const faultgen::FaultSet& faults_;
  bool accumulated_;
  std::uint64_t trials_counted_ = 0;
  metrics::AccuracyCounts accuracies_;
  metrics::OutcomeCounts outcomes_, active_;
  std::uint64_t inactive_ = 0;
  metrics::PyTorchAlfiCounts pytorchalfi_;
  Cells sites_, bits_{kMostBits}, fields_{kFields.size()}, epochs_;
};

void count_rows(Summary& summary, const Trials& all) {
  summary.trials = all.trials.size();
  summary.samples = all.samples();
  for (const SiteName& site : all.campaign.sites) summary.sites.push_back(site.name);
  summary.injections = all.injections.size();
  if (!all.trials.empty()) summary.least_per_group = all.trials.front().n_faults;
  for (const TrialRow& row : all.trials) {
    summary.failed += row.message != kNoMessage ? 1 : 0;
    summary.least_per_group = std::min(summary.least_per_group, row.n_faults);
    summary.per_group = std::max(summary.per_group, row.n_faults);
  }
  for (const GoldenRow& row : all.golden) summary.skipped += row.skipped != 0 ? 1 : 0;
  for (const InjectionRow& row : all.injections) {
    if (row.active == 0) continue;
    if (row.reached == 0) {
      ++summary.unreached;
    } else if (row.original_bits == row.corrupted_bits) {
      ++summary.unchanged;
    }
  }
}

bool has_guards(const Campaign& campaign, std::uint32_t variant) {
  return std::any_of(campaign.guards.begin(), campaign.guards.end(),
                     [&](const GuardName& guard) { return guard.variant == variant; });
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
  if (faults.listed()) return "from a list";
  return faults.uniform() ? "uniformly over all elements"
                          : "not uniformly: estimates below weigh them";
}

/// How many faults an inference meets.
std::string number_text(const Summary& summary) {
  const std::string most = std::to_string(summary.per_group);
  if (summary.accumulated) return "accumulating up to " + most;
  return summary.least_per_group == summary.per_group
             ? most
             : std::to_string(summary.least_per_group) + " to " + most;
}

std::string faults_text(const faultgen::FaultSet& faults, const Summary& summary) {
  const faultgen::FaultSummary counts = faultgen::summarise(faults);
  return names_of(faultgen::fault_models(), counts.per_model) + " in " +
         names_of(faultgen::kTargets, counts.per_target) + ", " + number_text(summary) +
         " per inference, " + (faults.listed() ? "" : "drawn ") + drawn_text(faults) +
         schedule_text(faults.provenance.schedule);
}

}  // namespace

Result<Summary> summarise(const Trials& trials, const faultgen::FaultSet& faults,
                          metrics::IntervalMethod method, double confidence,
                          const Corruptions& corruptions, const FitInputs& fit) {
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
  for (std::size_t number = 0; number < trials.campaign.conditions(); ++number) {
    const Condition at = trials.campaign.condition(number);
    metrics::RateOptions options = summary.options;
    options.guarded = has_guards(trials.campaign, at.variant);
    Tables& tables = summary.tables.emplace_back(Counts(trials, faults, at).tables(options));
    tables.variant = trials.campaign.variants[at.variant];
    tables.perturbation = labels[at.perturbation];
    tables.estimates = estimate(trials, faults, at, confidence);
    if (at.variant > 0) tables.score = score_card(trials, faults, at, summary.options);
    if (clean == labels.size() || clean == at.perturbation) continue;
    tables.interaction = interaction(trials, faults, at, {at.variant, clean}, is_sde,
                                     summary.options.clustering, confidence);
  }
  summary.monitors = monitor_counts(trials, faults, summary.options);
  summary.propagation = propagation(trials, faults, summary.options);
  summary.safety = safety_tables(trials, faults, fit, summary.options);
  summary.corruption_errors = corruption_errors(summary, corruptions);
  return summary;
}

}  // namespace bitquake::results
