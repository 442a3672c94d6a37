#pragma once

#include "faultgen/bits.hpp"
#include "faultgen/fault.hpp"
#include "faultgen/fault_model.hpp"
#include "suite/model/model.hpp"

#include <cmath>
#include <cstdint>
#include <span>

namespace bitquake::model {

/// Applies a fault to the value it names, and notes its stored pattern before and after. A value
/// whose pattern stays is left alone, whatever its storage would have rounded it to.
inline void inject(const faultgen::Fault& fault, float* value, Injection& injection) {
  const std::uint64_t before = faultgen::encode(fault.storage, *value);
  const std::uint64_t after = faultgen::apply(fault, before);
  if (after != before) {
    *value = faultgen::decode(fault.storage, after);
  }
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
    if (faultgen::place_of(first) != faultgen::place_of(fault)) continue;
    return std::isfinite(faultgen::decode(first.storage, injections[i].original_bits));
  }
  return false;
}

}  // namespace bitquake::model
