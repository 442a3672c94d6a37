#pragma once

#include "faultgen/number_format.hpp"

#include <cstdint>

namespace bitquake::faultgen {

/// Which tensor a fault sits in. Values are part of the fault-set format.
enum class Target : std::uint8_t {
  neuron = 0,        ///< output of a site, one sample: `element` counts without the batch dimension
  weight = 1,        ///< weight parameter of a site
  bias = 2,          ///< bias parameter of a site
  running_mean = 3,  ///< stored mean of a batch norm
  running_var = 4,   ///< stored variance of a batch norm
  site_input = 5,    ///< what a site reads, one sample: its other readers see the right value
  network_input = 6,  ///< the sample as the network reads it
};

/// What happens to a value: one of these, whose values are part of the fault-set format, or a
/// number that register_fault_model gave (fault_model.hpp), valid in this process only.
enum class FaultModel : std::uint8_t {
  bit_flip = 0,      ///< the bits of `bit_mask` inverted
  stuck_at_0 = 1,    ///< … cleared
  stuck_at_1 = 2,    ///< … set
  set_value = 3,     ///< replaced by `value`
  zero = 4,          ///< replaced by 0
  sign_flip = 5,     ///< negated
  random_value = 6,  ///< replaced by `value`, which was drawn
  gaussian = 7,      ///< `value`, which was drawn, is added
  nan = 8,           ///< replaced by NaN
  inf = 9,           ///< replaced by infinity, the sign stays
};

/// One fault: where it is and what happens there.
struct Fault {
  std::uint32_t site = 0;  ///< index into the fault space's sites
  Target target = Target::neuron;
  FaultModel model = FaultModel::bit_flip;
  std::uint64_t element = 0;   ///< row-major position in the tensor as stored
  std::uint64_t bit_mask = 0;  ///< bits concerned, LSB = bit 0; 0 for models of whole values
  std::uint32_t value = 0;     ///< fp32 bits of the value that some models need; else 0
  Storage storage{};           ///< how the value is held where the fault hits it
  /// In (0, 1]: the fault acts in a trial with this probability (an intermittent fault).
  float active_probability = 1;

  bool operator==(const Fault&) const = default;
};

/// Where a fault sits. Two faults of a group that share a place may not share a bit.
struct Place {
  std::uint32_t site = 0;
  Target target = Target::neuron;
  std::uint64_t element = 0;
  auto operator<=>(const Place&) const = default;
};

inline Place place_of(const Fault& fault) { return {fault.site, fault.target, fault.element}; }

/// Whether the target is a parameter or statistic that the model holds, the same for all samples.
constexpr bool is_parameter(Target target) {
  return target == Target::weight || target == Target::bias || target == Target::running_mean ||
         target == Target::running_var;
}

}  // namespace bitquake::faultgen
