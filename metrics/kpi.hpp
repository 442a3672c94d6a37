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

/// A trial reduced to what the tables count.
struct TrialFacts {
  std::uint64_t sample = 0;  ///< position of the sample in the subset: the cluster
  Outcome outcome = Outcome::masked;
  bool sdc5 = false, sdc10 = false, sdc20 = false;
  bool labelled = false;  ///< the four below mean nothing otherwise
  bool golden_top1_correct = false, golden_top5_correct = false;
  bool faulty_top1_correct = false, faulty_top5_correct = false;  ///< false for NaN or failed
  bool top1_changed = false;   ///< faulty top-1 differs from golden top-1
  bool any_nonfinite = false;  ///< NaN or Inf at some module output, whatever the golden run holds;
                               ///< true for a failed inference
};

/// How rates are reported.
struct RateOptions {
  IntervalMethod method = IntervalMethod::wilson;
  double confidence = 0.95;
  std::size_t classes = 0;  ///< top-5 figures are left out under kTop5MinClasses
};

/// A rate with everything needed to judge it.
struct Rate {
  std::string metric;  ///< such as "sde"
  std::uint64_t k = 0, n = 0;
  std::optional<Interval> interval;  ///< none without trials or with too few clusters
  std::string method;  ///< how the interval was made, or why there is none; empty when n = 0
  std::string unit;    ///< unit of inference: "trial" or "sample"

  /// k / n; none when n = 0.
  std::optional<double> value() const;
};

/// Counts hits trial by trial, clustered by sample, in constant memory. Trials must come in
/// ascending order of their sample (assert); that holds for all counts below.
class ClusteredCount {
 public:
  void add(std::uint64_t sample, bool hit);
  ClusterSums sums() const;

 private:
  ClusterSums closed_;
  std::uint64_t sample_ = 0, hits_ = 0, trials_ = 0;  ///< of the cluster still open
};

/// Shares of due, masked, benign, sde (they add to 1), sdc5, sdc10 and sdc20; unit: trial.
/// Intervals are clustered by sample when some sample has several of the counted trials.
class OutcomeCounts {
 public:
  void add(const TrialFacts& facts);
  std::vector<Rate> rates(const RateOptions& options) const;

 private:
  std::array<ClusteredCount, 4> outcomes_;  ///< indexed by Outcome
  ClusteredCount sdc5_, sdc10_, sdc20_;
};

/// golden_top1 and golden_top5 (unit: sample; n = labelled samples with trials), faulty_top1 and
/// faulty_top5 (unit: trial; all labelled trials, `due` ones included). No rates without labels.
class AccuracyCounts {
 public:
  void add(const TrialFacts& facts);
  std::vector<Rate> rates(const RateOptions& options) const;

 private:
  std::optional<std::uint64_t> last_sample_;
  ClusteredCount golden_top1_, golden_top5_, faulty_top1_, faulty_top5_;
};

/// What PyTorchALFI prints for classification, with its own denominators: acc_orig, acc_corr and
/// due_rate over all rows (images x epochs), sdc_rate = (top-1 changed) / (no NaN or Inf at any
/// module output and golden top-1 correct). These do not add to 1. Two deliberate differences: a
/// NaN row has no top-1 here (torch.topk ranks a NaN first), and a failed inference counts as `due`
/// (there it ends the campaign). Without labels only due_rate exists. Source: PyTorchALFI,
/// alficore/evaluation/img_class_eval.py.
class PyTorchAlfiCounts {
 public:
  void add(const TrialFacts& facts);
  std::vector<Rate> rates(const RateOptions& options) const;

 private:
  ClusteredCount acc_orig_, acc_corr_, due_, sdc_;
};

}  // namespace bitquake::metrics
