#pragma once

#include "faultgen/fault_check.hpp"
#include "faultgen/fault_set.hpp"

#include <cstdint>
#include <string>

/// Fault sets as text for people.
namespace bitquake::faultgen {

/// What a set holds: where it comes from, how many faults of each target, model and storage, a
/// table of sites, and for each storage a table of bits; whole-value faults, which have none, are
/// counted below it. Ends with a newline.
/// @pre check_consistent(set)
std::string summary_text(const FaultSet& set);

/// "fault 17: stuck_at_0 in weights of conv1, element 5 (0;0;1;0), bits 3".
std::string fault_text(const FaultSet& set, std::uint64_t id);

/// Lines that say which faults can change anything, the first idle ones by fault_text.
std::string effects_text(const FaultSet& set, const FaultEffects& effects);

}  // namespace bitquake::faultgen
