#pragma once

#include "suite/engine/prepare.hpp"

#include <atomic>
#include <cstdint>
#include <span>

namespace bitquake::engine {

/// What the fault-free model says about some samples: whether a scenario describes it rightly.
struct GoldenProbe {
  std::uint64_t samples = 0;      ///< of the plan
  std::uint64_t nonfinite = 0;    ///< of these: the output holds NaN or Inf, so no trial follows
  std::uint64_t unreadable = 0;   ///< of these: the image cannot be read, so no trial follows
  std::uint64_t labelled = 0;     ///< finite ones with a label
  std::uint64_t right = 0;        ///< of these: top-1 is the label, as golden_top1 counts it
  bool all_distributions = true;  ///< every finite output passes is_distribution
};

/// Runs the model without faults on all samples of `inputs`, under the first perturbation, on
/// `threads` workers. Setting `stop` ends it early: fewer samples then. Throws as a campaign would.
GoldenProbe probe_golden(const Inputs& inputs, unsigned threads, const std::atomic<bool>& stop);

/// Whether scores can be probabilities of classes that exclude each other: each in [0, 1], their
/// sum 1 within 1e-3. Logits do not meet that by chance for more than a few samples.
bool is_distribution(std::span<const float> scores);

}  // namespace bitquake::engine
