#include "faultgen/fault_check.hpp"

#include "faultgen/bits.hpp"

namespace bitquake::faultgen {

FaultEffects effects_of(const FaultSet& set, const ParameterValue& value) {
  FaultEffects effects;
  for (const FaultGroup& group : set.groups) {
    std::uint32_t idle_here = 0;
    for (std::uint64_t id = group.first_fault; id < group.first_fault + group.n_faults; ++id) {
      const Fault& fault = set.faults[id];
      const auto held = is_parameter(fault.target) ? value(fault.site, fault.target, fault.element)
                                                   : std::nullopt;
      if (!held) {
        ++effects.unknown;
        continue;
      }
      const std::uint64_t stored = encode(fault.storage, *held);
      if (apply(fault, stored) != stored) {
        ++effects.changing;
        continue;
      }
      ++effects.idle;
      ++idle_here;
      if (effects.first_idle.size() < kIdleShown) effects.first_idle.push_back(id);
    }
    if (group.n_faults > 0 && idle_here == group.n_faults) ++effects.idle_groups;
  }
  return effects;
}

}  // namespace bitquake::faultgen
