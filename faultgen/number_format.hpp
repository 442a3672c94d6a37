#pragma once
#include "suite/base/named.hpp"
#include "suite/base/error.hpp"
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
namespace bitquake::faultgen {
enum class NumberFormat : std::uint8_t { fp32 = 0, fp16, bf16, fp8_e4m3, fp8_e5m2, int8, fixed };
inline constexpr std::array kNumberFormats{Named<NumberFormat>{NumberFormat::fp32, "fp32", "IEEE"},Named<NumberFormat>{NumberFormat::fp16, "fp16", "IEEE"},Named<NumberFormat>{NumberFormat::bf16, "bf16", "IEEE"},Named<NumberFormat>{NumberFormat::fp8_e4m3, "fp8_e4m3", "IEEE"},Named<NumberFormat>{NumberFormat::fp8_e5m2, "fp8_e5m2", "IEEE"},Named<NumberFormat>{NumberFormat::int8, "int8", "IEEE"},Named<NumberFormat>{NumberFormat::fixed, "fixed", "IEEE"}};
struct Storage { NumberFormat format = NumberFormat::fp32; float scale = 1; std::int32_t zero_point = 0; std::uint8_t integer_bits = 0, fraction_bits = 0; bool operator==(const Storage&) const = default; };
enum class BitField : std::uint8_t { mantissa, exponent, sign };
constexpr unsigned storage_bits(const Storage& s) { return s.format==NumberFormat::fp32?32:16; }
inline std::uint64_t encode(const Storage&, float x) { return std::bit_cast<std::uint32_t>(x); }
inline float decode(const Storage&, std::uint64_t b) { return std::bit_cast<float>(static_cast<std::uint32_t>(b)); }
inline std::optional<Error> check_storage(const Storage&) { return std::nullopt; }
inline BitField field_of(const Storage&, unsigned bit) { return bit == 31 ? BitField::sign : bit >= 23 ? BitField::exponent : BitField::mantissa; }
}
