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

Rate make_rate(std::string metric, std::string unit, const ClusteredCount& count,
               const RateOptions& options) {
  const ClusterSums sums = count.sums();
  Rate rate{std::move(metric), sums.k, sums.n, std::nullopt, "", std::move(unit)};
  if (sums.n == 0) return rate;
  const std::string clusters = std::to_string(sums.clusters) + " clusters)";
  if (sums.independent()) {
    rate.interval = interval(options.method, sums.k, sums.n, options.confidence);
    rate.method = method_text(options);
    return rate;
  }
  rate.interval = clustered_interval(options.method, sums, options.confidence);
  // Without any variation nothing says how alike the trials of a sample are: clustered_interval
  // takes the worst, one trial per sample, and wider intervals than at k = 1 need a word.
  const bool all_alike = sums.k == 0 || sums.k == sums.n;
  rate.method = !rate.interval ? "none: too few samples (" + clusters
                : all_alike ? method_text(options) + ", one trial per sample counted (" + clusters
                            : method_text(options) + ", clustered by sample (" + clusters;
  return rate;
}

bool top5_means_something(const RateOptions& options) { return options.classes >= kTop5MinClasses; }

}  // namespace

std::optional<double> Rate::value() const {
  if (n == 0) return std::nullopt;
  return static_cast<double>(k) / static_cast<double>(n);
}

void ClusteredCount::add(std::uint64_t sample, bool hit) {
  if (trials_ > 0 && sample != sample_) {
    closed_.add(hits_, trials_);
    hits_ = trials_ = 0;
  }
  assert(trials_ > 0 || closed_.clusters == 0 || sample > sample_);
  sample_ = sample;
  hits_ += hit ? 1 : 0;
  ++trials_;
}

ClusterSums ClusteredCount::sums() const {
  ClusterSums sums = closed_;
  if (trials_ > 0) sums.add(hits_, trials_);
  return sums;
}

void OutcomeCounts::add(const TrialFacts& facts) {
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    outcomes_[i].add(facts.sample, facts.outcome == static_cast<Outcome>(i));
  }
  sdc5_.add(facts.sample, facts.sdc5);
  sdc10_.add(facts.sample, facts.sdc10);
  sdc20_.add(facts.sample, facts.sdc20);
}

std::vector<Rate> OutcomeCounts::rates(const RateOptions& options) const {
  std::vector<Rate> rates;
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    rates.push_back(make_rate(std::string(kOutcomeNames[i]), "trial", outcomes_[i], options));
  }
  if (top5_means_something(options)) rates.push_back(make_rate("sdc5", "trial", sdc5_, options));
  rates.push_back(make_rate("sdc10", "trial", sdc10_, options));
  rates.push_back(make_rate("sdc20", "trial", sdc20_, options));
  return rates;
}

void AccuracyCounts::add(const TrialFacts& facts) {
  if (!facts.labelled) return;
  if (last_sample_ != facts.sample) {
    golden_top1_.add(facts.sample, facts.golden_top1_correct);
    golden_top5_.add(facts.sample, facts.golden_top5_correct);
    last_sample_ = facts.sample;
  }
  faulty_top1_.add(facts.sample, facts.faulty_top1_correct);
  faulty_top5_.add(facts.sample, facts.faulty_top5_correct);
}

std::vector<Rate> AccuracyCounts::rates(const RateOptions& options) const {
  if (!last_sample_) return {};
  const bool top5 = top5_means_something(options);
  std::vector<Rate> rates;
  rates.push_back(make_rate("golden_top1", "sample", golden_top1_, options));
  if (top5) rates.push_back(make_rate("golden_top5", "sample", golden_top5_, options));
  rates.push_back(make_rate("faulty_top1", "trial", faulty_top1_, options));
  if (top5) rates.push_back(make_rate("faulty_top5", "trial", faulty_top5_, options));
  return rates;
}

void PyTorchAlfiCounts::add(const TrialFacts& facts) {
  due_.add(facts.sample, facts.any_nonfinite);
  if (!facts.labelled) return;
  acc_orig_.add(facts.sample, facts.golden_top1_correct);
  acc_corr_.add(facts.sample, facts.faulty_top1_correct);
  if (facts.any_nonfinite || !facts.golden_top1_correct) return;
  sdc_.add(facts.sample, facts.top1_changed);
}

std::vector<Rate> PyTorchAlfiCounts::rates(const RateOptions& options) const {
  std::vector<Rate> rates;
  const bool labelled = acc_orig_.sums().n > 0;
  if (labelled) {
    rates.push_back(make_rate("acc_orig", "trial", acc_orig_, options));
    rates.push_back(make_rate("acc_corr", "trial", acc_corr_, options));
  }
  rates.push_back(make_rate("due_rate", "trial", due_, options));
  if (labelled) rates.push_back(make_rate("sdc_rate", "trial", sdc_, options));
  return rates;
}

}  // namespace bitquake::metrics
