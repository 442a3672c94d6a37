#pragma once

#include <compare>
#include <cstdint>

namespace bitquake::faultgen {

/// Which tensor a fault sits in. Values are part of the fault-set format.
enum class Target : std::uint8_t {
  neuron = 0,  ///< output of a site, one sample: `element` counts without the batch dimension
  weight = 1,  ///< weight parameter of a site
};

/// What happens to the bits of `bit_mask`: one of these, whose values are part of the fault-set
/// format, or a number that register_fault_model gave (fault_model.hpp), valid in this process
/// only.
enum class FaultModel : std::uint8_t {
  bit_flip = 0,    ///< inverted
  stuck_at_0 = 1,  ///< cleared
  stuck_at_1 = 2,  ///< set
};

/// One fault: where it is and what happens there.
struct Fault {
  std::uint32_t site = 0;  ///< index into the fault space's sites
  Target target = Target::neuron;
  FaultModel model = FaultModel::bit_flip;
  std::uint64_t element = 0;   ///< row-major position in the tensor as stored
  std::uint64_t bit_mask = 0;  ///< bits concerned, LSB = bit 0

  auto operator<=>(const Fault&) const = default;
};

}  // namespace bitquake::faultgen
