#pragma once

#include "faultgen/fault_set.hpp"
#include "suite/base/result.hpp"

#include <cstdint>
#include <string>

namespace bitquake::engine {

/// What a trial is of.
struct TrialPlace {
  std::uint32_t perturbation = 0, epoch = 0;
  std::uint64_t sample = 0;
  std::uint32_t variant = 0;
  bool operator==(const TrialPlace&) const = default;
};

/// Half-open range of sample positions.
struct SampleRange {
  std::uint64_t first = 0, last = 0;
};

/// The campaign as a list of work units, fixed before the first inference: a unit is `unit_samples`
/// consecutive samples and everything that happens to them. Trials are numbered by (variant,
/// perturbation, epoch, sample): a trial's number depends on neither units nor threads. Every
/// variant and perturbation meets the same samples and, sample by sample, the same fault groups:
/// comparisons are paired.
class Plan {
 public:
  /// @param samples       of the subset, > 0
  /// @param epochs        passes, > 0
  /// @param slots         groups per epoch in the fault set, >= schedule.slots(samples)
  /// @param unit_samples  samples of a work unit, > 0
  /// @param schedule      how groups meet samples
  /// @param last_slots    groups of the last epoch, in [1, slots]; 0: all
  /// @param perturbations that each sample runs under, > 0
  /// @param variants      networks that each sample runs through, > 0
  Plan(std::uint64_t samples, std::uint32_t epochs, std::uint64_t slots, std::uint32_t unit_samples,
       faultgen::Schedule schedule = {}, std::uint64_t last_slots = 0,
       std::uint32_t perturbations = 1, std::uint32_t variants = 1);

  std::uint64_t samples() const { return samples_; }
  std::uint64_t slots() const { return slots_; }
  const faultgen::Schedule& schedule() const { return schedule_; }
  std::uint32_t epochs() const { return epochs_; }
  std::uint32_t perturbations() const { return perturbations_; }
  std::uint32_t variants() const { return variants_; }
  /// Combinations of a variant and a perturbation.
  std::uint64_t conditions() const { return std::uint64_t{variants_} * perturbations_; }
  std::uint64_t groups() const { return slots_ * (epochs_ - 1) + last_slots_; }
  /// Under one condition. Those of the last epoch are of the first samples: their numbers leave
  /// no gap.
  std::uint64_t trials_each() const { return samples_ * (epochs_ - 1) + last_samples_; }
  std::uint64_t trials() const { return conditions() * trials_each(); }
  /// Whether a sample has a trial in an epoch.
  bool has_trial(std::uint32_t epoch, std::uint64_t sample) const {
    return epoch * samples_ + sample < trials_each();
  }
  /// Of a sample under one condition.
  std::uint64_t trials_of(std::uint64_t sample) const {
    return epochs_ - (sample < last_samples_ ? 0 : 1);
  }
  std::uint64_t units() const { return (samples_ + unit_samples_ - 1) / unit_samples_; }
  SampleRange samples_of(std::uint64_t unit) const;

  /// A sample meets one group in each epoch, in the last one perhaps none.
  std::uint64_t trial(const TrialPlace& place) const {
    const std::uint64_t condition =
        std::uint64_t{place.variant} * perturbations_ + place.perturbation;
    return condition * trials_each() + place.epoch * samples_ + place.sample;
  }
  /// @param trial  < trials()
  TrialPlace place_of(std::uint64_t trial) const {
    const std::uint64_t rest = trial % trials_each(), condition = trial / trials_each();
    return {static_cast<std::uint32_t>(condition % perturbations_),
            static_cast<std::uint32_t>(rest / samples_), rest % samples_,
            static_cast<std::uint32_t>(condition / perturbations_)};
  }
  std::uint64_t group(std::uint32_t epoch, std::uint64_t sample) const {
    return epoch * slots_ + schedule_.slot_of(sample);
  }

  /// Units that share a segment file: about 64 segments for a campaign, but 1,024 to 65,536 trials
  /// in each. Smaller ones cost time to sync; a crash loses what is in a larger one.
  std::uint64_t units_per_segment() const;

 private:
  std::uint64_t samples_, slots_, last_slots_, last_samples_;
  std::uint32_t epochs_, unit_samples_, perturbations_, variants_;
  faultgen::Schedule schedule_;
};

/// Plan for a fault set and a number of samples. Errc::fault_set when the set's groups are not one
/// for every (epoch, slot), the last slots of the last epoch aside, or are fewer per epoch than
/// there are samples.
Result<Plan> make_plan(const faultgen::FaultSet& faults, std::uint64_t samples,
                       std::uint32_t unit_samples, const std::string& where,
                       std::uint32_t perturbations, std::uint32_t variants = 1);

}  // namespace bitquake::engine
