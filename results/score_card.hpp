#pragma once

#include "faultgen/fault_set.hpp"
#include "metrics/kpi.hpp"
#include "metrics/paired.hpp"
#include "results/interaction.hpp"
#include "results/trials.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bitquake::results {

/// What a modified network is worth: its trials compared with those of the original on the same
/// faults and samples, under one perturbation. A fault is dangerous when it is an sde in the
/// original.
struct ScoreCard {
  std::string variant, perturbation;
  /// Unit trial, of the pairs: sde_original; residual_sde (an sde that raises no alarm); new_sde
  /// (residual where the original has none); detected.
  /// Unit trial, of dangerous faults: coverage (no longer an sde without alarm); corrected (masked
  /// or benign); sde_to_due (due, or an sde with an alarm). corrected + sde_to_due = coverage.
  /// Unit sample, of golden runs: false_alarm; golden_top1_original and golden_top1, of samples
  /// that both run.
  std::vector<metrics::Rate> rates{};
  /// residual_sde minus sde_original: pairs that are residual_sde in the variant (first), sde in
  /// the original (second).
  Interaction difference{};
  metrics::McNemar test{};  ///< of the same pairs; they are independent only where each trial has
                            ///< its own sample and faults
  metrics::Pairs golden{};  ///< samples right in the variant, in the original, without faults
  std::optional<metrics::Interval> golden_interval{};  ///< of golden.difference(); none: no labels

  const metrics::Rate& rate(std::string_view metric) const;  ///< @pre it is there
};

/// @param condition  its variant is > 0
/// @pre check_faults(trials, faults)
ScoreCard score_card(const Trials& trials, const faultgen::FaultSet& faults, Condition condition,
                     const metrics::RateOptions& options);

}  // namespace bitquake::results
