#pragma once

#include "suite/base/big_vector.hpp"

#include <compare>
#include <cstdint>

namespace bitquake::results {

inline constexpr std::int64_t kNoLabel = -1;  ///< label column of a data set without labels
inline constexpr std::int32_t kNoPoint =
    -1;  ///< first_nonfinite column when every point was finite
inline constexpr std::int32_t kNoGuard = -1;    ///< alarm column when no guard raised one
inline constexpr std::uint32_t kNoMessage = 0;  ///< message column when the inference did not fail

/// Which network runs, and what the image is under.
struct Condition {
  std::uint32_t variant = 0;       ///< row of /variants
  std::uint32_t perturbation = 0;  ///< row of /perturbations
  auto operator<=>(const Condition&) const = default;
};

/// One trial: one faulty inference. The unit of every table; ordered by `trial`.
struct TrialRow {
  std::uint64_t trial = 0;         ///< rank in the full plan
  std::uint32_t variant = 0;       ///< row of /variants
  std::uint32_t perturbation = 0;  ///< row of /perturbations
  std::uint32_t epoch = 0;
  std::uint64_t sample = 0;       ///< position in the subset
  std::uint64_t group = 0;        ///< fault group, row of /groups in the fault set
  std::uint64_t first_fault = 0;  ///< of `group`
  std::uint32_t n_faults = 0;
  std::uint8_t outcome = 0;  ///< metrics::Outcome
  std::uint8_t sdc5 = 0, sdc10 = 0, sdc20 = 0;
  std::int32_t faulty_top1 = -1;
  std::uint32_t label_rank = 0;  ///< rank of the label among the faulty scores, 0 = best
  double golden_probability = 0;
  double faulty_probability = 0;
  std::int32_t first_nonfinite = kNoPoint;  ///< row of /points
  std::uint32_t nonfinite_points = 0;       ///< how many there are, in /monitored
  std::uint8_t any_nonfinite = 0;
  std::uint8_t detected = 0;      ///< a guard raised an alarm that it does not raise without faults
  std::uint8_t corrected = 0;     ///< detected, and the decision is the golden one
  std::int32_t alarm = kNoGuard;  ///< the first such guard, row of /guards
  std::uint32_t alarms = 0;       ///< how many there are, in /monitored
  std::uint32_t message = kNoMessage;  ///< row of /messages
  std::uint64_t output_hash = 0;       ///< of the faulty output's bytes; 0 when there is none
  Condition condition() const { return {variant, perturbation}; }
  bool operator==(const TrialRow&) const = default;
};

/// One fault of one trial: what it changed.
struct InjectionRow {
  std::uint64_t trial = 0;
  std::uint64_t fault = 0;  ///< row of /faults in the fault set
  std::uint8_t active = 1;  ///< 0: the intermittent fault did not act in this trial
  std::uint8_t reached = 0;
  std::uint64_t original_bits = 0;
  std::uint64_t corrupted_bits = 0;
  bool operator==(const InjectionRow&) const = default;
};

/// What notices a fault.
enum class Monitor : std::uint8_t {
  nonfinite = 0,  ///< a point: some element is NaN or Inf that is finite in the golden run
  alarm = 1,      ///< a guard: it raises an alarm that it does not raise in the golden run
};

/// One monitor that noticed the faults of one trial.
struct MonitorRow {
  std::uint64_t trial = 0;
  std::uint8_t monitor = 0;  ///< Monitor
  std::uint32_t place = 0;   ///< row of /points or /guards
  auto operator<=>(const MonitorRow&) const = default;
};

/// How far one monitored point of one trial is from the golden run, where it differs.
struct DeviationRow {
  std::uint64_t trial = 0;
  std::uint32_t point = 0;      ///< row of /points
  std::uint64_t differing = 0;  ///< elements whose bits differ
  std::uint64_t nonfinite = 0;  ///< of these, NaN or Inf in one of the runs: left out of the rest
  double max_abs = 0;           ///< largest |faulty - golden|
  double rel_l2 = 0;            ///< norm of faulty - golden over that of golden
  bool operator==(const DeviationRow&) const = default;
};

/// What monitors saw; of a trial at most one row for each monitor and each point.
struct Observed {
  BigVector<MonitorRow> monitors;      ///< ascending
  BigVector<DeviationRow> deviations;  ///< ascending by (trial, point)
  void append(const Observed& more) {
    monitors.append(more.monitors);
    deviations.append(more.deviations);
  }
  bool operator==(const Observed&) const = default;
};

/// Why a sample has no trials.
enum class SkipReason : std::uint8_t {
  none = 0,
  golden_not_finite = 1,
  unreadable = 2,  ///< then only sample, sample_index, file and id say something
};

/// The golden run of one sample by one variant under one perturbation.
struct GoldenRow {
  std::uint32_t variant = 0;       ///< row of /variants
  std::uint32_t perturbation = 0;  ///< row of /perturbations
  std::uint64_t sample = 0;        ///< position in the subset
  std::uint64_t sample_index = 0;  ///< position in the data set
  std::uint32_t file = 0;          ///< row of /files: where it was read from
  std::uint64_t id = 0;            ///< COCO's image id; else sample_index
  std::int64_t height = 0, width = 0;
  std::uint64_t content_hash = 0;  ///< of the bytes it was read from
  std::int64_t label = kNoLabel;
  std::int32_t top1 = -1;
  std::uint32_t label_rank = 0;  ///< rank of the label among the golden scores, 0 = best
  double top1_probability = 0;
  std::int32_t alarm = kNoGuard;  ///< first guard that raises a false alarm, row of /guards
  std::uint32_t alarms = 0;       ///< guards that raise one
  std::uint8_t skipped = 0;       ///< SkipReason: the sample has no trials; 0: it has
  std::uint64_t output_hash = 0;
  Condition condition() const { return {variant, perturbation}; }
  bool operator==(const GoldenRow&) const = default;
};

}  // namespace bitquake::results
