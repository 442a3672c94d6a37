#pragma once

#include "suite/base/error.hpp"
#include "suite/base/named.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace bitquake::faultgen {

enum class BitField : std::uint8_t { mantissa, exponent, sign };

/// How a memory holds a value: a fault disturbs the bits of this form, not those of the fp32 the
/// network computes with. All forms have one sign bit, the most significant one.
enum class NumberFormat : std::uint8_t {
  fp32 = 0,      ///< IEEE 754 binary32: what the network computes with
  fp16 = 1,      ///< IEEE 754 binary16: bias 15, largest 65504, smallest 2^-24
  bf16 = 2,      ///< bfloat16: bias 127, largest 2^128 - 2^120, smallest 2^-133
  fp8_e4m3 = 3,  ///< OFP8 E4M3: bias 7, largest 448, smallest 2^-9, no infinity, NaN S.1111.111
  fp8_e5m2 = 4,  ///< OFP8 E5M2: bias 15, largest 57344, smallest 2^-16, infinity and NaN as IEEE
  int8 = 5,      ///< value = scale * (q - zero_point), q two's complement in [-128, 127]
  fixed = 6,     ///< Qm.n: value = q * 2^-n, q two's complement in [-2^(m+n), 2^(m+n) - 1]
};

/// Sources: IEEE Std 754-2019, tables 3.2 and 3.5. Intel, BFLOAT16 - Hardware Numerics Definition,
/// 338302-001US, 2018 (the layout; subnormals are kept here, as PyTorch does). Micikevicius et al.,
/// OCP 8-bit Floating Point Specification (OFP8) 1.0, 2023. Jacob et al., CVPR 2018, equation 1.
/// Texas Instruments, TMS320C64x DSP Library Programmer's Reference, SPRU565, appendix A.2: m does
/// not count the sign, a Qm.n has 1 + m + n bits. (Arm's documents count it: their Q4.4 is this
/// Q3.4.)
inline constexpr std::array kNumberFormats{
    Named<NumberFormat>{NumberFormat::fp32, "fp32", "IEEE 754 binary32, 32 bits"},
    Named<NumberFormat>{NumberFormat::fp16, "fp16", "IEEE 754 binary16, 16 bits"},
    Named<NumberFormat>{NumberFormat::bf16, "bf16",
                        "bfloat16, 16 bits: fp32 without its lower half"},
    Named<NumberFormat>{NumberFormat::fp8_e4m3, "fp8_e4m3",
                        "OCP 8-bit floating point (OFP8) E4M3: no infinity, largest 448"},
    Named<NumberFormat>{NumberFormat::fp8_e5m2, "fp8_e5m2",
                        "OCP 8-bit floating point (OFP8) E5M2: largest 57344"},
    Named<NumberFormat>{NumberFormat::int8, "int8",
                        "8 bits, affine: clamp(round(x / scale) + zero_point, -128, 127)"},
    Named<NumberFormat>{NumberFormat::fixed, "fixed",
                        "fixed point Qm.n, two's complement: a sign, m integer, n fraction bits"},
};

/// A number format with its parameters. Those of other formats keep their defaults.
struct Storage {
  NumberFormat format = NumberFormat::fp32;
  float scale = 1;                 ///< int8: what one step of q stands for, in [2^-126, 2^120]
  std::int32_t zero_point = 0;     ///< int8: the q that stands for 0, in [-128, 127]
  std::uint8_t integer_bits = 0;   ///< fixed: m, without the sign; m + n in [1, 31]
  std::uint8_t fraction_bits = 0;  ///< fixed: n

  bool operator==(const Storage&) const = default;
};

/// What is wrong with the parameters (Errc::scenario, `where` empty), if anything is. The functions
/// below expect a storage with which nothing is. Within the limits each int8 code stands for a
/// finite value and scale * (q - zero_point) is never subnormal.
std::optional<Error> malformed(const Storage& storage);

/// Bits of each field: the mantissa from bit 0, then the exponent, then one sign bit. What int8 and
/// fixed have below the sign counts as mantissa.
struct FieldWidths {
  unsigned mantissa;
  unsigned exponent;
};

constexpr FieldWidths field_widths(const Storage& storage) {
  switch (storage.format) {
    case NumberFormat::fp32:
      return {23, 8};
    case NumberFormat::fp16:
      return {10, 5};
    case NumberFormat::bf16:
      return {7, 8};
    case NumberFormat::fp8_e4m3:
      return {3, 4};
    case NumberFormat::fp8_e5m2:
      return {2, 5};
    case NumberFormat::int8:
      return {7, 0};
    case NumberFormat::fixed:
      return {0U + storage.integer_bits + storage.fraction_bits, 0};
  }
  return {0, 0};
}

/// Number of bits of a stored value, sign included: 2 to 32.
constexpr unsigned storage_bits(const Storage& storage) {
  const FieldWidths widths = field_widths(storage);
  return widths.mantissa + widths.exponent + 1;
}

/// Field of a stored value's bit, LSB = 0; nothing when the value has no such bit.
constexpr std::optional<BitField> field_of(const Storage& storage, unsigned bit) {
  const FieldWidths widths = field_widths(storage);
  if (bit < widths.mantissa) return BitField::mantissa;
  if (bit < widths.mantissa + widths.exponent) return BitField::exponent;
  if (bit == widths.mantissa + widths.exponent) return BitField::sign;
  return std::nullopt;
}

/// The bits that store a value: the nearest of the format, of two equally near ones the even one.
/// - fp32: the value's own bits.
/// - fp16, bf16, fp8_e5m2: infinity where rounding with an unbounded exponent leaves the range
///   (IEEE 754, section 7.4).
/// - fp8_e4m3: NaN in the same case, that is beyond 464, and for infinity. OFP8 has this conversion
///   and a saturating one; this is what PyTorch's float8_e4m3fn and ml_dtypes do, and unlike a
///   value cut to 448 it cannot be overlooked.
/// - NaN in these: its sign and upper payload bits, the quiet bit alone if those are zero. fp8_e4m3
///   has one NaN of each sign.
/// - int8: x / scale is an fp32 division, whose result is rounded to an integer, half to even: ONNX
///   QuantizeLinear. Both int8 and fixed saturate, infinities too, and store NaN as the value 0, as
///   Arm's FCVTNS and LLVM's llvm.fptosi.sat convert it. They have no negative zero.
/// @return bits from `storage_bits(storage)` upwards are 0
/// @note Thread-safe. Integer arithmetic only: neither the rounding mode nor flushing of subnormals
///       has any influence.
std::uint64_t encode(const Storage& storage, float value);

/// The value that bits stand for: exact, but for int8, an fp32 product, and for fixed-point codes
/// of more than 24 significant bits, the nearest fp32 (half to even). A NaN keeps sign and payload.
/// encode gives the same bits back, but for these fixed-point codes.
/// @param code  bits from `storage_bits(storage)` upwards are ignored
/// @note as encode
float decode(const Storage& storage, std::uint64_t code);

}  // namespace bitquake::faultgen
