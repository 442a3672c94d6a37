#pragma once

#include "metrics/interval.hpp"
#include "metrics/outcome.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bitquake::metrics {

/// What trials can share; each makes their outcomes alike.
enum class Shared : std::uint8_t { sample, fault };

/// Over what the trials of a campaign are dependent: which clusters its intervals take.
enum class Clustering : std::uint8_t {
  by_sample,  ///< a fault group meets one sample; a sample may meet many groups
  by_fault,   ///< a sample belongs to one cluster of faults
  two_way,    ///< groups and samples cross
};

/// A trial reduced to what the tables count.
struct TrialFacts {
  std::uint64_t sample = 0;  ///< position of the sample in the subset
  std::uint64_t fault = 0;   ///< cluster of faults: the fault group, or with accumulated groups the
                             ///< slot they share
  Outcome outcome = Outcome::masked;
  bool sdc5 = false, sdc10 = false, sdc20 = false;
  bool labelled = false;  ///< the four below mean nothing otherwise
  bool golden_top1_correct = false, golden_top5_correct = false;
  bool faulty_top1_correct = false, faulty_top5_correct = false;  ///< false for NaN or failed
  bool top1_changed = false;   ///< faulty top-1 differs from golden top-1
  bool detected = false;       ///< a guard raised an alarm
  bool any_nonfinite = false;  ///< NaN or Inf at some module output, whatever the golden run holds;
                               ///< true for a failed inference
};

/// How rates are reported.
struct RateOptions {
  IntervalMethod method = IntervalMethod::wilson;
  double confidence = 0.95;
  std::size_t classes = 0;  ///< top-5 figures are left out under kTop5MinClasses
  Clustering clustering = Clustering::by_sample;
  bool guarded = false;  ///< the network has guards: figures of alarms make sense
};

/// A rate with everything needed to judge it.
struct Rate {
  std::string metric;  ///< such as "sde"
  std::uint64_t k = 0, n = 0;
  std::optional<Interval> interval;  ///< none without trials or with too few clusters
  std::string method;  ///< how the interval was made, or why there is none; empty when n = 0
  std::string unit;    ///< unit of inference: "trial" or "sample"
  /// Clusters of faults among the trials; none where clustering does not look at faults.
  std::optional<std::uint64_t> groups{};
  /// Least and greatest rate of a cluster of faults; with `groups`.
  std::optional<Interval> group_range{};

  /// k / n; none when n = 0.
  std::optional<double> value() const;
};

/// Counts hits trial by trial, clustered, in constant memory. Clusters must come in ascending order
/// (assert).
class ClusteredCount {
 public:
  void add(std::uint64_t cluster, bool hit) { add(cluster, hit ? 1 : 0, 1); }
  void add(std::uint64_t cluster, std::uint64_t hits, std::uint64_t trials);
  ClusterSums sums() const;

 private:
  ClusterSums closed_;
  std::uint64_t cluster_ = 0, hits_ = 0, trials_ = 0;  ///< of the cluster still open
};

/// Hits clustered by sample and by fault, each counted in a pass of its own over the same trials.
/// A pass by sample comes in ascending order of the samples, one by fault in that of the faults;
/// the pass by fault is needed unless clustering is by_sample. That holds for all counts below.
class Count {
 public:
  void add(const TrialFacts& facts, Shared pass, bool hit);
  /// Several trials of a cluster.
  void add(std::uint64_t cluster, Shared pass, std::uint64_t hits, std::uint64_t trials);
  /// The rate with the interval that `options.clustering` asks for.
  Rate rate(std::string metric, const RateOptions& options) const;
  std::uint64_t n() const { return by_sample_.sums().n; }

 private:
  ClusteredCount by_sample_, by_fault_;
};

/// Shares of due, masked, benign, sde (they add to 1), sdc5, sdc10 and sdc20; unit: trial. With
/// RateOptions::guarded also detected (an alarm), corrected (detected, and masked or benign) and
/// residual_sde (sde and not detected).
class OutcomeCounts {
 public:
  void add(const TrialFacts& facts, Shared pass = Shared::sample);
  std::vector<Rate> rates(const RateOptions& options) const;

 private:
  std::array<Count, 4> outcomes_;  ///< indexed by Outcome
  Count sdc5_, sdc10_, sdc20_, detected_, corrected_, residual_;
};

/// golden_top1 and golden_top5 (unit: sample; n = labelled samples with trials), faulty_top1 and
/// faulty_top5 (unit: trial; all labelled trials, `due` ones included). No rates without labels.
class AccuracyCounts {
 public:
  void add(const TrialFacts& facts, Shared pass = Shared::sample);
  std::vector<Rate> rates(const RateOptions& options) const;

 private:
  std::optional<std::uint64_t> last_sample_;
  ClusteredCount golden_top1_, golden_top5_;
  Count faulty_top1_, faulty_top5_;
};

/// What PyTorchALFI prints for classification, with its own denominators: acc_orig, acc_corr and
/// due_rate over all rows (images x epochs), sdc_rate = (top-1 changed) / (no NaN or Inf at any
/// module output and golden top-1 correct). These do not add to 1. Two deliberate differences: a
/// NaN row has no top-1 here (torch.topk ranks a NaN first), and a failed inference counts as `due`
/// (there it ends the campaign). Without labels only due_rate exists. Source: PyTorchALFI,
/// alficore/evaluation/img_class_eval.py.
class PyTorchAlfiCounts {
 public:
  void add(const TrialFacts& facts, Shared pass = Shared::sample);
  std::vector<Rate> rates(const RateOptions& options) const;

 private:
  Count acc_orig_, acc_corr_, due_, sdc_;
};

}  // namespace bitquake::metrics
