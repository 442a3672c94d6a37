#pragma once

#include "faultgen/fault_model.hpp"
#include "faultgen/fault_set.hpp"
#include "faultgen/fault_space.hpp"
#include "faultgen/schedule.hpp"
#include "suite/base/result.hpp"

#include <cstdint>

namespace bitquake::faultgen {

/// Inclusive range of bits, LSB = 0, low <= high < 32.
struct BitRange {
  std::uint32_t low = 0;
  std::uint32_t high = 31;
  bool operator==(const BitRange&) const = default;
};

/// What to draw: everything that, with a fault space and a seed, decides a fault set.
struct FaultPlan {
  Target target = Target::neuron;
  FaultModel model = FaultModel::bit_flip;
  BitRange bits{};
  Draw draw = Draw::elements;
  Schedule schedule{};
  std::uint32_t per_group = 1;  ///< faults present together in one inference, > 0
  std::uint32_t epochs = 1;     ///< passes over the data, each with new faults, > 0
  std::uint64_t samples = 0;    ///< of the data; with the schedule they give the slots; > 0
  std::uint64_t seed = 0;
};

/// Draws a group for each epoch and slot, of `per_group` faults of one bit each. Fault i is a pure
/// function of the plan, i and the faults before it in its group, whatever the number of groups: a
/// longer campaign starts with the faults of a shorter one. A fault that would repeat (site,
/// element, bit) within its group is redrawn. Element: Stream::fault_location, bit:
/// Stream::fault_bits, id = i. Of the provenance, seed, generator and schedule are filled in; the
/// rest is the caller's.
/// @pre plan.target == space.target(); throws Exception (internal) otherwise
/// @return Errc::fault_set when the space is empty, a group cannot be filled with distinct faults,
/// a
///         count of the plan is 0, the bits are no range of fp32, or there are over kMaxFaults
///         faults
Result<FaultSet> draw_faults(const FaultSpace& space, const FaultPlan& plan);

}  // namespace bitquake::faultgen
