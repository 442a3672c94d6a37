#pragma once

#include "suite/base/named.hpp"

#include <array>
#include <cstdint>

namespace bitquake::faultgen {

/// How groups of faults meet samples.
enum class Policy : std::uint8_t { per_image, per_batch, per_epoch };

inline constexpr std::array kPolicies{
    Named<Policy>{Policy::per_image, "per_image", "a fresh group for each sample and epoch"},
    Named<Policy>{Policy::per_batch, "per_batch",
                  "a fresh group for each batch_size consecutive samples and epoch"},
    Named<Policy>{Policy::per_epoch, "per_epoch",
                  "one group for all samples of an epoch: the permanent fault"},
};

/// Which group of an epoch a sample meets: that of its slot.
struct Schedule {
  Policy policy = Policy::per_image;
  std::uint64_t batch_size = 1;  ///< samples of a logical batch, > 0; 1 unless per_batch

  std::uint64_t slot_of(std::uint64_t sample) const {
    return policy == Policy::per_epoch ? 0 : sample / batch_size;
  }
  /// Slots of an epoch of `samples` > 0 samples; the last batch may be a partial one.
  std::uint64_t slots(std::uint64_t samples) const { return slot_of(samples - 1) + 1; }

  bool operator==(const Schedule&) const = default;
};

/// Which groups are present together in a trial.
enum class RunType : std::uint8_t { single, accumulate };

inline constexpr std::array kRunTypes{
    Named<RunType>{RunType::single, "single", "a trial has the group of its epoch and slot"},
    Named<RunType>{RunType::accumulate, "accumulate",
                   "a trial of epoch e has its slot's groups of epochs 0 to e together"},
};

}  // namespace bitquake::faultgen
