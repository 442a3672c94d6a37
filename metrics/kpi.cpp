#include "metrics/kpi.hpp"

#include <array>
#include <cassert>
#include <cstdio>
#include <utility>

namespace bitquake::metrics {
namespace {

/// "wilson 95 %"
std::string method_text(const RateOptions& options) {
  std::array<char, 32> percent{};
  std::snprintf(percent.data(), percent.size(), " %.6g %%", options.confidence * 100);
  return std::string(name_of(kIntervalMethods, options.method)) + percent.data();
}

bool all_alike(const ClusterSums& sums) { return sums.k == 0 || sums.k == sums.n; }

/// Without any variation nothing says how alike the trials of a cluster are: the interval takes the
/// worst, one trial for each, and being wider than at k = 1 it needs a word.
std::string clustered_text(const RateOptions& options, const ClusterSums& sums,
                           const std::string& by, const std::string& clusters) {
  return method_text(options) +
         (all_alike(sums) ? ", one trial per " + by + " counted ("
                          : ", clustered by " + by + " (") +
         clusters + ")";
}

void set_interval(Rate& rate, const ClusterSums& sums, Shared by, const RateOptions& options) {
  if (sums.independent()) {
    rate.interval = interval(options.method, sums.k, sums.n, options.confidence);
    rate.method = method_text(options);
    return;
  }
  const bool by_fault = by == Shared::fault;
  const std::string clusters = std::to_string(sums.clusters) + (by_fault ? " group" : " sample") +
                               (sums.clusters == 1 ? "" : "s");
  rate.interval = clustered_interval(options.method, sums, options.confidence);
  rate.method = rate.interval
                    ? clustered_text(options, sums, by_fault ? "fault" : "sample", clusters)
                    : std::string("none: too few ") + (by_fault ? "faults" : "samples") +
                          " for an interval (" + clusters + ")";
}

void set_interval_two_way(Rate& rate, const ClusterSums& samples, const ClusterSums& faults,
                          const RateOptions& options) {
  if (faults.independent() || (samples.clusters < kMinClusters && !samples.independent())) {
    return set_interval(rate, samples, Shared::sample, options);
  }
  if (samples.independent() || faults.clusters < kMinClusters) {
    return set_interval(rate, faults, Shared::fault, options);
  }
  rate.interval = two_way_interval(options.method, samples, faults, options.confidence);
  rate.method =
      clustered_text(options, samples, all_alike(samples) ? "sample or fault" : "sample and fault",
                     std::to_string(samples.clusters) + " samples, " +
                         std::to_string(faults.clusters) + " groups");
}

/// A rate over samples: each counts once.
Rate sample_rate(std::string metric, const ClusteredCount& count, const RateOptions& options) {
  const ClusterSums sums = count.sums();
  Rate rate{std::move(metric), sums.k, sums.n, std::nullopt, "", "sample"};
  if (sums.n > 0) set_interval(rate, sums, Shared::sample, options);
  return rate;
}

bool top5_means_something(const RateOptions& options) { return options.classes >= kTop5MinClasses; }

}  // namespace

std::optional<double> Rate::value() const {
  if (n == 0) return std::nullopt;
  return static_cast<double>(k) / static_cast<double>(n);
}

void ClusteredCount::add(std::uint64_t cluster, std::uint64_t hits, std::uint64_t trials) {
  if (trials_ > 0 && cluster != cluster_) {
    closed_.add(hits_, trials_);
    hits_ = trials_ = 0;
  }
  assert(trials_ > 0 || closed_.clusters == 0 || cluster > cluster_);
  cluster_ = cluster;
  hits_ += hits;
  trials_ += trials;
}

ClusterSums ClusteredCount::sums() const {
  ClusterSums sums = closed_;
  if (trials_ > 0) sums.add(hits_, trials_);
  return sums;
}

void Count::add(const TrialFacts& facts, Shared pass, bool hit) {
  add(pass == Shared::sample ? facts.sample : facts.fault, pass, hit ? 1 : 0, 1);
}

void Count::add(std::uint64_t cluster, Shared pass, std::uint64_t hits, std::uint64_t trials) {
  (pass == Shared::sample ? by_sample_ : by_fault_).add(cluster, hits, trials);
}

Rate Count::rate(std::string metric, const RateOptions& options) const {
  const ClusterSums samples = by_sample_.sums(), faults = by_fault_.sums();
  Rate rate{std::move(metric), samples.k, samples.n, std::nullopt, "", "trial"};
  if (options.clustering != Clustering::by_sample) {
    assert(faults.n == samples.n && faults.k == samples.k);
    rate.groups = faults.clusters;
    if (faults.n > 0) rate.group_range = Interval{faults.lowest, faults.highest};
  }
  if (samples.n == 0) return rate;
  switch (options.clustering) {
    case Clustering::by_sample:
      set_interval(rate, samples, Shared::sample, options);
      break;
    case Clustering::by_fault:
      set_interval(rate, faults, Shared::fault, options);
      break;
    case Clustering::two_way:
      set_interval_two_way(rate, samples, faults, options);
      break;
  }
  return rate;
}

void OutcomeCounts::add(const TrialFacts& facts, Shared pass) {
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    outcomes_[i].add(facts, pass, facts.outcome == static_cast<Outcome>(i));
  }
  sdc5_.add(facts, pass, facts.sdc5);
  sdc10_.add(facts, pass, facts.sdc10);
  sdc20_.add(facts, pass, facts.sdc20);
  const bool decided_alike = facts.outcome == Outcome::masked || facts.outcome == Outcome::benign;
  detected_.add(facts, pass, facts.detected);
  corrected_.add(facts, pass, facts.detected && decided_alike);
  residual_.add(facts, pass, facts.outcome == Outcome::sde && !facts.detected);
}

std::vector<Rate> OutcomeCounts::rates(const RateOptions& options) const {
  std::vector<Rate> rates;
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    rates.push_back(outcomes_[i].rate(std::string(kOutcomeNames[i]), options));
  }
  if (top5_means_something(options)) rates.push_back(sdc5_.rate("sdc5", options));
  rates.push_back(sdc10_.rate("sdc10", options));
  rates.push_back(sdc20_.rate("sdc20", options));
  if (options.guarded) {
    rates.push_back(detected_.rate("detected", options));
    rates.push_back(corrected_.rate("corrected", options));
    rates.push_back(residual_.rate("residual_sde", options));
  }
  return rates;
}

void AccuracyCounts::add(const TrialFacts& facts, Shared pass) {
  if (!facts.labelled) return;
  if (pass == Shared::sample && last_sample_ != facts.sample) {
    golden_top1_.add(facts.sample, facts.golden_top1_correct);
    golden_top5_.add(facts.sample, facts.golden_top5_correct);
    last_sample_ = facts.sample;
  }
  faulty_top1_.add(facts, pass, facts.faulty_top1_correct);
  faulty_top5_.add(facts, pass, facts.faulty_top5_correct);
}

std::vector<Rate> AccuracyCounts::rates(const RateOptions& options) const {
  if (!last_sample_) return {};
  const bool top5 = top5_means_something(options);
  std::vector<Rate> rates;
  rates.push_back(sample_rate("golden_top1", golden_top1_, options));
  if (top5) rates.push_back(sample_rate("golden_top5", golden_top5_, options));
  rates.push_back(faulty_top1_.rate("faulty_top1", options));
  if (top5) rates.push_back(faulty_top5_.rate("faulty_top5", options));
  return rates;
}

void PyTorchAlfiCounts::add(const TrialFacts& facts, Shared pass) {
  due_.add(facts, pass, facts.any_nonfinite);
  if (!facts.labelled) return;
  acc_orig_.add(facts, pass, facts.golden_top1_correct);
  acc_corr_.add(facts, pass, facts.faulty_top1_correct);
  if (facts.any_nonfinite || !facts.golden_top1_correct) return;
  sdc_.add(facts, pass, facts.top1_changed);
}

std::vector<Rate> PyTorchAlfiCounts::rates(const RateOptions& options) const {
  std::vector<Rate> rates;
  const bool labelled = acc_orig_.n() > 0;
  if (labelled) {
    rates.push_back(acc_orig_.rate("acc_orig", options));
    rates.push_back(acc_corr_.rate("acc_corr", options));
  }
  rates.push_back(due_.rate("due_rate", options));
  if (labelled) rates.push_back(sdc_.rate("sdc_rate", options));
  return rates;
}

}  // namespace bitquake::metrics
