#pragma once

#include "faultgen/fault_set.hpp"
#include "suite/base/result.hpp"

#include <cstdint>
#include <string>

namespace bitquake::engine {

/// Half-open range of sample positions.
struct SampleRange {
  std::uint64_t first = 0, last = 0;
};

/// The campaign as a list of work units, fixed before the first inference: a unit is `unit_samples`
/// consecutive samples and everything that happens to them. Trials are numbered by (epoch, sample):
/// a trial's number depends on neither units nor threads.
class Plan {
 public:
  /// @param samples       of the subset, > 0
  /// @param epochs        passes, > 0
  /// @param slots         groups per epoch in the fault set, >= schedule.slots(samples)
  /// @param unit_samples  samples of a work unit, > 0
  /// @param schedule      how groups meet samples
  /// @param last_slots    groups of the last epoch, in [1, slots]; 0: all
  Plan(std::uint64_t samples, std::uint32_t epochs, std::uint64_t slots, std::uint32_t unit_samples,
       faultgen::Schedule schedule = {}, std::uint64_t last_slots = 0);

  std::uint64_t samples() const { return samples_; }
  std::uint64_t slots() const { return slots_; }
  const faultgen::Schedule& schedule() const { return schedule_; }
  std::uint32_t epochs() const { return epochs_; }
  std::uint64_t groups() const { return slots_ * (epochs_ - 1) + last_slots_; }
  /// Those of the last epoch are of the first samples: their numbers leave no gap.
  std::uint64_t trials() const { return samples_ * (epochs_ - 1) + last_samples_; }
  /// Whether a sample has a trial in an epoch.
  bool has_trial(std::uint32_t epoch, std::uint64_t sample) const {
    return trial(epoch, sample) < trials();
  }
  std::uint64_t trials_of(std::uint64_t sample) const {
    return epochs_ - (sample < last_samples_ ? 0 : 1);
  }
  std::uint64_t units() const { return (samples_ + unit_samples_ - 1) / unit_samples_; }
  SampleRange samples_of(std::uint64_t unit) const;

  /// A sample meets one group in each epoch, in the last one perhaps none.
  std::uint64_t trial(std::uint32_t epoch, std::uint64_t sample) const {
    return epoch * samples_ + sample;
  }
  std::uint64_t group(std::uint32_t epoch, std::uint64_t sample) const {
    return epoch * slots_ + schedule_.slot_of(sample);
  }

  /// Units that share a segment file: about 64 segments for a campaign, but 1,024 to 65,536 trials
  /// in each. Smaller ones cost time to sync; a crash loses what is in a larger one.
  std::uint64_t units_per_segment() const;

 private:
  std::uint64_t samples_, slots_, last_slots_, last_samples_;
  std::uint32_t epochs_, unit_samples_;
  faultgen::Schedule schedule_;
};

/// Plan for a fault set and a number of samples. Errc::fault_set when the set's groups are not one
/// for every (epoch, slot), the last slots of the last epoch aside, or are fewer per epoch than
/// there are samples.
Result<Plan> make_plan(const faultgen::FaultSet& faults, std::uint64_t samples,
                       std::uint32_t unit_samples, const std::string& where);

}  // namespace bitquake::engine
