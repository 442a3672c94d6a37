#include "faultgen/number_format.hpp"

#include "faultgen/bits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace bitquake::faultgen {
namespace {

constexpr std::uint32_t kFp32Infinity = 0x7F800000;
constexpr unsigned kFp32Mantissa = 23;

/// The value significand * 2^exponent, significand < 2^63.
struct Magnitude {
  std::uint64_t significand;
  int exponent;
};

/// A binary floating-point format. Its codes, but for the sign, grow with the values they stand
/// for.
struct FloatLayout {
  unsigned mantissa_bits;
  int bias;
  std::uint64_t overflow;  ///< first code, sign excluded, that is not finite: infinity or NaN
};

constexpr FloatLayout float_layout(const Storage& storage) {
  const auto [mantissa, exponent] = field_widths(storage);
  const int bias = (1 << (exponent - 1)) - 1;
  const std::uint64_t all_ones = (std::uint64_t{1} << (mantissa + exponent)) - 1;
  const std::uint64_t infinity = all_ones >> mantissa << mantissa;
  return {mantissa, bias, storage.format == NumberFormat::fp8_e4m3 ? all_ones : infinity};
}

constexpr FloatLayout kFp32 = float_layout({});

/// value / 2^shift, rounded to nearest, half to even; value < 2^63.
constexpr std::uint64_t shift_right(std::uint64_t value, unsigned shift) {
  if (shift == 0) return value;
  if (shift >= 64) return 0;  // less than a half
  const std::uint64_t kept = value >> shift;
  const std::uint64_t rest = value - (kept << shift);
  const std::uint64_t half = std::uint64_t{1} << (shift - 1);
  return kept + (rest > half || (rest == half && (kept & 1) != 0) ? 1 : 0);
}

/// Code of the number nearest to `from`, sign excluded.
constexpr std::uint64_t round_to(const FloatLayout& to, Magnitude from) {
  if (from.significand == 0) return 0;
  const int lowest = 1 - to.bias;  // exponent of subnormals and of the smallest normal numbers
  const int leading = from.exponent + static_cast<int>(std::bit_width(from.significand)) - 1;
  const int exponent = std::max(leading, lowest);
  const int shift = exponent - static_cast<int>(to.mantissa_bits) - from.exponent;
  const std::uint64_t significand =
      shift > 0 ? shift_right(from.significand, static_cast<unsigned>(shift))
                : from.significand << -shift;
  // The leading bit of a normal number, and a carry out of the mantissa, count up the exponent.
  const std::uint64_t code =
      (static_cast<std::uint64_t>(exponent - lowest) << to.mantissa_bits) + significand;
  return std::min(code, to.overflow);
}

/// What a finite number's code stands for, sign excluded.
constexpr Magnitude magnitude(const FloatLayout& layout, std::uint64_t code) {
  const std::uint64_t exponent = code >> layout.mantissa_bits;
  const std::uint64_t mantissa = code - (exponent << layout.mantissa_bits);
  const std::uint64_t implicit = std::uint64_t{exponent != 0} << layout.mantissa_bits;
  return {mantissa | implicit, static_cast<int>(std::max<std::uint64_t>(exponent, 1)) -
                                   layout.bias - static_cast<int>(layout.mantissa_bits)};
}

constexpr std::uint32_t without_sign(float value) { return to_bits(value) & ~(1U << 31); }
constexpr bool is_negative(float value) { return to_bits(value) >> 31 != 0; }
constexpr bool is_nan(float value) { return without_sign(value) > kFp32Infinity; }

constexpr float nearest_float(bool negative, Magnitude from) {
  return from_bits(std::uint32_t{negative} << 31 |
                   static_cast<std::uint32_t>(round_to(kFp32, from)));
}

/// value * 2^fraction_bits as an integer, half to even, at most 2^32 in size; NaN gives 0.
constexpr std::int64_t nearest_integer(float value, unsigned fraction_bits) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 32;
  if (is_nan(value) || without_sign(value) == 0) return 0;
  // Infinity counts as 2^128, which is too large as well.
  const auto [significand, exponent] = magnitude(kFp32, without_sign(value));
  const int shift = exponent + static_cast<int>(fraction_bits);
  std::uint64_t size = kMost;
  if (shift <= 0) {
    size = shift_right(significand, static_cast<unsigned>(-shift));
  } else if (static_cast<int>(std::bit_width(significand)) + shift <= 32) {
    size = significand << shift;
  }
  return is_negative(value) ? -static_cast<std::int64_t>(size) : static_cast<std::int64_t>(size);
}

/// The fp32 quotient; infinity and NaN stay what they are. The divisor is positive and normal.
constexpr float divide(float dividend, float divisor) {
  if (without_sign(dividend) >= kFp32Infinity || without_sign(dividend) == 0) return dividend;
  const Magnitude by = magnitude(kFp32, to_bits(divisor));
  auto [significand, exponent] = magnitude(kFp32, without_sign(dividend));
  // 63 bits by 24 bits: 39 bits or more of the quotient, and one that says whether anything is left
  // below them, are enough to round to 24.
  const int up = 63 - static_cast<int>(std::bit_width(significand));
  significand <<= up;
  const std::uint64_t quotient = significand / by.significand;
  const bool inexact = significand % by.significand != 0;
  return nearest_float(is_negative(dividend),
                       {quotient << 1 | std::uint64_t{inexact}, exponent - up - by.exponent - 1});
}

constexpr std::uint64_t encode_float(const FloatLayout& to, unsigned sign_bit, float value) {
  const std::uint64_t sign = std::uint64_t{is_negative(value)} << sign_bit;
  if (is_nan(value)) {
    const std::uint32_t mantissa = without_sign(value) - kFp32Infinity;
    const std::uint32_t payload = mantissa >> (kFp32Mantissa - to.mantissa_bits);
    return sign | to.overflow | (payload != 0 ? payload : 1U << (to.mantissa_bits - 1));
  }
  if (without_sign(value) == kFp32Infinity) return sign | to.overflow;
  return sign | round_to(to, magnitude(kFp32, without_sign(value)));
}

constexpr float decode_float(const FloatLayout& from, unsigned sign_bit, std::uint64_t code) {
  const bool negative = (code >> sign_bit & 1) != 0;
  const std::uint64_t unsigned_code = code & ((std::uint64_t{1} << sign_bit) - 1);
  if (unsigned_code < from.overflow) {
    return nearest_float(negative, magnitude(from, unsigned_code));
  }
  const std::uint64_t mantissa = unsigned_code & ((std::uint64_t{1} << from.mantissa_bits) - 1);
  return from_bits(std::uint32_t{negative} << 31 | kFp32Infinity |
                   static_cast<std::uint32_t>(mantissa << (kFp32Mantissa - from.mantissa_bits)));
}

/// Two's complement of `width` bits; what does not fit becomes the nearest that does.
constexpr std::uint64_t saturated(std::int64_t q, unsigned width) {
  const std::int64_t most = (std::int64_t{1} << (width - 1)) - 1;
  const std::uint64_t mask = (std::uint64_t{1} << width) - 1;
  return static_cast<std::uint64_t>(std::clamp(q, -most - 1, most)) & mask;
}

constexpr std::int64_t sign_extended(std::uint64_t code, unsigned width) {
  return static_cast<std::int64_t>(code << (64 - width)) >> (64 - width);
}

/// q * unit, the nearest fp32.
constexpr float multiple(std::int64_t q, Magnitude unit) {
  const auto size = static_cast<std::uint64_t>(q < 0 ? -q : q);
  return nearest_float(q < 0, {size * unit.significand, unit.exponent});
}

Error refused(std::string what, std::string hint) {
  return {Errc::scenario, "", std::move(what), std::move(hint), ""};
}

}  // namespace

std::optional<Error> malformed(const Storage& storage) {
  const std::string_view name = name_of(kNumberFormats, storage.format);
  if (name.empty()) {
    return refused(
        fmt::format("no number format has the number {}", static_cast<unsigned>(storage.format)),
        "use one of faultgen::kNumberFormats");
  }
  if (storage.format == NumberFormat::int8) {
    if (!(storage.scale >= 0x1p-126F && storage.scale <= 0x1p120F)) {
      return refused(fmt::format("the scale of int8 is {}", storage.scale),
                     "give a number from 2^-126 to 2^120: what one step stands for");
    }
    if (storage.zero_point < -128 || storage.zero_point > 127) {
      return refused(fmt::format("the zero point of int8 is {}", storage.zero_point),
                     "give an integer from -128 to 127: what stands for 0");
    }
  } else if (storage.scale != 1 || storage.zero_point != 0) {
    return refused(fmt::format("{} has neither scale nor zero point, but was given scale {}, zero "
                               "point {}",
                               name, storage.scale, storage.zero_point),
                   "leave them out, or choose int8");
  }
  const unsigned below_sign = 0U + storage.integer_bits + storage.fraction_bits;
  if (storage.format == NumberFormat::fixed) {
    if (below_sign < 1 || below_sign > 31) {
      return refused(fmt::format("a fixed-point number of {} integer and {} fraction bits has {} "
                                 "bits with its sign",
                                 storage.integer_bits, storage.fraction_bits, below_sign + 1),
                     "give 1 to 31 integer and fraction bits together; the sign is not counted");
    }
  } else if (below_sign != 0) {
    return refused(fmt::format("the fields of {} are fixed, but {} integer and {} fraction bits "
                               "were given",
                               name, storage.integer_bits, storage.fraction_bits),
                   "leave them out, or choose fixed");
  }
  return std::nullopt;
}

std::uint64_t encode(const Storage& storage, float value) {
  switch (storage.format) {
    case NumberFormat::fp32:
      return to_bits(value);
    case NumberFormat::int8:
      if (is_nan(value)) return saturated(storage.zero_point, 8);
      return saturated(nearest_integer(divide(value, storage.scale), 0) + storage.zero_point, 8);
    case NumberFormat::fixed:
      return saturated(nearest_integer(value, storage.fraction_bits), storage_bits(storage));
    default:
      return encode_float(float_layout(storage), storage_bits(storage) - 1, value);
  }
}

float decode(const Storage& storage, std::uint64_t code) {
  switch (storage.format) {
    case NumberFormat::fp32:
      return from_bits(static_cast<std::uint32_t>(code));
    case NumberFormat::int8:
      return multiple(sign_extended(code, 8) - storage.zero_point,
                      magnitude(kFp32, to_bits(storage.scale)));
    case NumberFormat::fixed:
      return multiple(sign_extended(code, storage_bits(storage)),
                      {1, -static_cast<int>(storage.fraction_bits)});
    default:
      return decode_float(float_layout(storage), storage_bits(storage) - 1, code);
  }
}

}  // namespace bitquake::faultgen
