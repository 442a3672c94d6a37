#pragma once

#include "metrics/kpi.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::results {

/// Counts hits of trials that come in the order of (epoch, sample), clustered by sample and fault.
/// A cluster that comes again, each sample does, takes 16 bytes.
class PairCount {
 public:
  /// @param slots  of accumulated groups, which come again in each epoch; else 0
  PairCount(std::size_t samples, std::size_t slots) : samples_(samples), slots_(slots) {}

  /// @param cluster  of faults: slot, or group
  void add(std::uint64_t sample, std::uint64_t cluster, bool hit) {
    samples_[sample].add(hit);
    if (!slots_.empty()) return slots_[cluster].add(hit);
    if (cluster != cluster_) close();
    cluster_ = cluster;
    open_.add(hit);
  }

  /// Call once, at the end.
  metrics::Rate rate(std::string metric, const metrics::RateOptions& options) {
    using metrics::Shared;
    for (std::uint64_t i = 0; i < samples_.size(); ++i)
      samples_[i].close(count_, Shared::sample, i);
    for (std::uint64_t i = 0; i < slots_.size(); ++i) slots_[i].close(count_, Shared::fault, i);
    close();
    return count_.rate(std::move(metric), options);
  }

 private:
  struct Cluster {
    std::uint64_t hits = 0, trials = 0;
    void add(bool hit) {
      hits += hit ? 1 : 0;
      ++trials;
    }
    void close(metrics::Count& count, metrics::Shared pass, std::uint64_t number) {
      if (trials > 0) count.add(number, pass, hits, trials);
      *this = {};
    }
  };
  void close() { open_.close(count_, metrics::Shared::fault, cluster_); }

  std::vector<Cluster> samples_, slots_;
  Cluster open_;
  std::uint64_t cluster_ = 0;
  metrics::Count count_;
};

}  // namespace bitquake::results
