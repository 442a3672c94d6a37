#pragma once

#include "faultgen/bits.hpp"
#include "faultgen/fault.hpp"
#include "faultgen/fault_model.hpp"
#include "suite/model/model.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>

namespace bitquake::model {

/// Applies a fault to the value it names, and notes what was there before and after.
inline void inject(const faultgen::Fault& fault, float* value, Injection& injection) {
  const std::uint32_t before = faultgen::to_bits(*value);
  const auto after =
      static_cast<std::uint32_t>(faultgen::apply(fault.model, fault.bit_mask, before));
  std::memcpy(value, &after, sizeof after);
  injection = {true, before, after};
}

/// Whether `fault` left `value` non-finite where no fault of its group found it so: the value a
/// fault leaves behind counts as a monitored point of its own.
/// @param faults      of the group
/// @param injections  what each did, those of this place done
inline bool became_nonfinite(std::span<const faultgen::Fault> faults,
                             std::span<const Injection> injections, const faultgen::Fault& fault,
                             float value) {
  if (std::isfinite(value)) return false;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    const faultgen::Fault& first = faults[i];
    if (first.site != fault.site || first.target != fault.target ||
        first.element != fault.element) {
      continue;
    }
    const auto original = static_cast<std::uint32_t>(injections[i].original_bits);
    return std::isfinite(faultgen::from_bits(original));
  }
  return false;
}

}  // namespace bitquake::model
