#pragma once

#include "faultgen/fault.hpp"
#include "faultgen/fault_model.hpp"

#include <bit>
#include <cstdint>

namespace bitquake::faultgen {

/// Number of bits of fp32 storage. Bits 0-22 mantissa, 23-30 exponent, 31 sign (IEEE 754 binary32).
inline constexpr unsigned kFp32Bits = 32;

enum class BitField : std::uint8_t { mantissa, exponent, sign };

/// Field of an fp32 bit, LSB = 0, bit < 32.
constexpr BitField fp32_field(unsigned bit) {
  return bit == 31 ? BitField::sign : bit >= 23 ? BitField::exponent : BitField::mantissa;
}

/// The bits a fault leaves behind where it found `bits`. Throws Exception (internal) for a model
/// that is neither built in nor registered.
constexpr std::uint64_t apply(FaultModel model, std::uint64_t bit_mask, std::uint64_t bits) {
  // Built-in models are known to the compiler: no call through a pointer for them.
  const auto number = static_cast<std::size_t>(model);
  const FaultModelInfo& info =
      number < kBuiltInFaultModels.size() ? kBuiltInFaultModels[number] : fault_model_info(model);
  return info.bits(bit_mask, bits);
}

/// Faults work on bit patterns only, so NaN payloads and signed zeros survive.
constexpr std::uint32_t to_bits(float value) { return std::bit_cast<std::uint32_t>(value); }
constexpr float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }

}  // namespace bitquake::faultgen
