#pragma once

#include "faultgen/fault_set.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace bitquake::faultgen {

/// The value that a parameter holds: element of a target of a site. None where it is not known.
/// Called once for each fault of a parameter.
using ParameterValue =
    std::function<std::optional<float>(std::uint32_t site, Target target, std::uint64_t element)>;

/// Which faults of a set can change anything.
struct FaultEffects {
  std::uint64_t changing = 0;     ///< of parameters, to another stored pattern
  std::uint64_t idle = 0;         ///< of parameters, to the pattern that is there already
  std::uint64_t unknown = 0;      ///< of activations, decided by each sample, or of unknown values
  std::uint64_t idle_groups = 0;  ///< groups with faults, all of them idle: fault-free inferences
  std::vector<std::uint64_t> first_idle;  ///< numbers of the first idle faults, at most kIdleShown

  bool operator==(const FaultEffects&) const = default;
};

inline constexpr std::size_t kIdleShown = 5;

/// What each fault does to the fault-free parameter, by itself: a stuck-at on a bit that has the
/// level, set_value to the value that is there, zero of a zero and so on are idle. Patterns of the
/// fault's storage are compared: what storing in it alone changes does not count.
/// @pre check_consistent(set)
FaultEffects effects_of(const FaultSet& set, const ParameterValue& value);

}  // namespace bitquake::faultgen
