#include "results/interaction.hpp"

#include "metrics/outcome.hpp"
#include "suite/base/text.hpp"

#include <tuple>
#include <vector>

namespace bitquake::results {
namespace {

/// Pairs that share a sample or faults.
struct Cluster {
  std::int64_t d = 0;
  std::uint64_t m = 0;
  void add(std::int64_t difference) {
    d += difference;
    ++m;
  }
  void close(metrics::PairedSums& sums) {
    if (m > 0) sums.add(d, m);
    *this = {};
  }
};

class PairCounts {
 public:
  PairCounts(const Trials& trials, const faultgen::FaultSet& faults)
      : faults_(faults),
        accumulated_(accumulates(trials.campaign)),
        samples_(trials.samples()),
        slots_(accumulated_ ? trials.samples() : 0) {}

  /// In the order of (epoch, sample).
  void add(const TrialRow& row, bool first, bool second) {
    ++(first    ? second ? pairs_.both : pairs_.first_only
       : second ? pairs_.second_only
                : pairs_.neither);
    const std::int64_t d = static_cast<int>(first) - static_cast<int>(second);
    samples_[row.sample].add(d);
    if (accumulated_) {
      slots_[fault_cluster(row, faults_, true)].add(d);
      return;
    }
    if (group_ != row.group) open_.close(by_fault_);  // groups ascend
    group_ = row.group;
    open_.add(d);
  }

  Interaction finish(metrics::Clustering clustering, double confidence) {
    for (Cluster& sample : samples_) sample.close(by_sample_);
    for (Cluster& slot : slots_) slot.close(by_fault_);
    open_.close(by_fault_);
    Interaction result;
    result.pairs = pairs_;
    if (pairs_.n() == 0) return result;
    switch (clustering) {
      case metrics::Clustering::by_sample:
        set(result, by_sample_, "sample", confidence);
        break;
      case metrics::Clustering::by_fault:
        set(result, by_fault_, "fault", confidence);
        break;
      case metrics::Clustering::two_way:
        set_two_way(result, confidence);
        break;
    }
    return result;
  }

 private:
  static std::string counted(std::uint64_t clusters, const std::string& by) {
    return std::to_string(clusters) + (by == "fault" ? " group" : " sample") +
           (clusters == 1 ? "" : "s");
  }

  static std::string text(bool varies, const std::string& by, const std::string& clusters,
                          double confidence) {
    const std::string percent = shortest(confidence * 100) + " %";
    return varies
               ? "mean of differences " + percent + ", clustered by " + by + " (" + clusters + ")"
               : "newcombe " + percent + ", one pair per " + by + " counted (" + clusters + ")";
  }

  static void set(Interaction& result, const metrics::PairedSums& sums, const std::string& by,
                  double confidence) {
    result.interval = metrics::clustered_paired_interval(result.pairs, sums, confidence);
    result.independent = sums.independent();
    const std::string clusters = counted(sums.clusters, by);
    if (!result.interval) {
      result.method = "none: too few " + by + "s for an interval (" + clusters + ")";
    } else if (sums.independent()) {
      result.method = "newcombe " + shortest(confidence * 100) + " %";
    } else {
      result.method = text(sums.varies(), by, clusters, confidence);
    }
  }

  /// As for rates: few clusters of one kind leave the other.
  void set_two_way(Interaction& result, double confidence) const {
    const bool few_samples = by_sample_.clusters < metrics::kMinClusters;
    if (by_fault_.independent() || (few_samples && !by_sample_.independent())) {
      return set(result, by_sample_, "sample", confidence);
    }
    if (by_sample_.independent() || by_fault_.clusters < metrics::kMinClusters) {
      return set(result, by_fault_, "fault", confidence);
    }
    result.interval =
        metrics::two_way_paired_interval(result.pairs, by_sample_, by_fault_, confidence);
    const auto& [both, first_only, second_only, neither] = result.pairs;
    const bool alike = first_only == result.pairs.n() || second_only == result.pairs.n() ||
                       first_only + second_only == 0;
    const bool varies = !alike;
    result.method =
        text(varies, varies ? "sample and fault" : "sample or fault",
             counted(by_sample_.clusters, "sample") + ", " + counted(by_fault_.clusters, "fault"),
             confidence);
  }

  const faultgen::FaultSet& faults_;
  bool accumulated_;
  metrics::Pairs pairs_;
  std::vector<Cluster> samples_, slots_;
  Cluster open_;
  std::uint64_t group_ = 0;  ///< of `open_`
  metrics::PairedSums by_sample_, by_fault_;
};

}  // namespace

bool accumulates(const Campaign& campaign) {
  return value_of(faultgen::kRunTypes, campaign.run_type) == faultgen::RunType::accumulate;
}

std::uint64_t fault_cluster(const TrialRow& row, const faultgen::FaultSet& faults,
                            bool accumulated) {
  return accumulated ? faults.groups[row.group].slot : row.group;
}

bool is_sde(const TrialRow& row) {
  return static_cast<metrics::Outcome>(row.outcome) == metrics::Outcome::sde;
}

bool is_silent(const TrialRow& row) { return is_sde(row) && row.detected == 0; }

std::uint64_t for_pairs(const Trials& trials, Condition condition, Condition other,
                        const std::function<void(const TrialRow&, const TrialRow&)>& visit) {
  std::uint64_t unpaired = 0;
  auto [a, a_end] = trials.range_of(condition);
  auto [b, b_end] = trials.range_of(other);
  while (a < a_end || b < b_end) {
    const auto key = [&](std::uint64_t i) {
      return std::tuple(trials.trials[i].epoch, trials.trials[i].sample);
    };
    if (a < a_end && b < b_end && key(a) == key(b)) {
      visit(trials.trials[a++], trials.trials[b++]);
      continue;
    }
    ++unpaired;
    if (b == b_end || (a < a_end && key(a) < key(b))) {
      ++a;
    } else {
      ++b;
    }
  }
  return unpaired;
}

Interaction interaction(const Trials& trials, const faultgen::FaultSet& faults, Condition condition,
                        Condition other, bool (*hits)(const TrialRow&),
                        metrics::Clustering clustering, double confidence) {
  PairCounts counts(trials, faults);
  const std::uint64_t unpaired =
      for_pairs(trials, condition, other, [&](const TrialRow& first, const TrialRow& second) {
        counts.add(first, hits(first), hits(second));
      });
  Interaction result = counts.finish(clustering, confidence);
  result.unpaired = unpaired;
  return result;
}

}  // namespace bitquake::results
