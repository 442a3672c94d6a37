#pragma once

#include "faultgen/fault.hpp"
#include "faultgen/fault_model.hpp"

#include <bit>
#include <cstdint>

namespace bitquake::faultgen {

/// Number of bits of fp32 storage. Bits 0-22 mantissa, 23-30 exponent, 31 sign (IEEE 754 binary32).
inline constexpr unsigned kFp32Bits = 32;

/// Field of an fp32 bit, LSB = 0, bit < 32.
constexpr BitField fp32_field(unsigned bit) {
  return bit == 31 ? BitField::sign : bit >= 23 ? BitField::exponent : BitField::mantissa;
}

/// The bits a fault of a bit model leaves behind where it found `bits`. Throws Exception (internal)
/// for a model that is neither built in nor registered, or acts on whole values.
constexpr std::uint64_t apply(FaultModel model, std::uint64_t bit_mask, std::uint64_t bits) {
  // Built-in models are known to the compiler: no call through a pointer for them.
  const auto number = static_cast<std::size_t>(model);
  const FaultModelInfo& info =
      number < kBuiltInFaultModels.size() ? kBuiltInFaultModels[number] : fault_model_info(model);
  if (info.bits == nullptr) {
    throw Exception({Errc::internal, "", "a model of whole values has no bits", "", ""});
  }
  return info.bits(bit_mask, bits);
}

/// The pattern in `fault.storage` that a fault leaves behind where it found the pattern `bits`.
inline std::uint64_t apply(const Fault& fault, std::uint64_t bits) {
  const auto number = static_cast<std::size_t>(fault.model);
  const FaultModelInfo& info = number < kBuiltInFaultModels.size() ? kBuiltInFaultModels[number]
                                                                   : fault_model_info(fault.model);
  if (info.whole != nullptr) return info.whole(fault.storage, fault.value, bits);
  const std::uint64_t all = ~std::uint64_t{0} >> (64 - storage_bits(fault.storage));
  return info.bits(fault.bit_mask, bits) & all;
}

/// Faults work on bit patterns only, so NaN payloads and signed zeros survive.
constexpr std::uint32_t to_bits(float value) { return std::bit_cast<std::uint32_t>(value); }
constexpr float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }

}  // namespace bitquake::faultgen
