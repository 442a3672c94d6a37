#include "faultgen/number_format.hpp"

#include "faultgen/bits.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace bitquake;
using namespace bitquake::faultgen;
using Catch::Matchers::Contains;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kMax = std::numeric_limits<float>::max();

constexpr Storage kFp16{.format = NumberFormat::fp16};
constexpr Storage kBf16{.format = NumberFormat::bf16};
constexpr Storage kE4m3{.format = NumberFormat::fp8_e4m3};
constexpr Storage kE5m2{.format = NumberFormat::fp8_e5m2};

constexpr Storage int8(float scale, std::int32_t zero_point) {
  return {.format = NumberFormat::int8, .scale = scale, .zero_point = zero_point};
}

constexpr Storage fixed(std::uint8_t integer_bits, std::uint8_t fraction_bits) {
  return {
      .format = NumberFormat::fixed, .integer_bits = integer_bits, .fraction_bits = fraction_bits};
}

/// All formats, the parametric ones with parameters at and between their limits.
std::vector<Storage> storages() {
  return {{},
          kFp16,
          kBf16,
          kE4m3,
          kE5m2,
          int8(1, 0),
          int8(0.1F, 3),
          int8(3e-5F, 127),
          int8(7.7F, -128),
          int8(0x1p-126F, 0),
          int8(0x1p120F, -128),
          fixed(3, 4),
          fixed(0, 7),
          fixed(7, 0),
          fixed(7, 8),
          fixed(0, 15),
          fixed(1, 0),
          fixed(0, 1),
          fixed(12, 12),
          fixed(15, 16),
          fixed(0, 31),
          fixed(31, 0)};
}

bool is_float(const Storage& storage) {
  return storage.format != NumberFormat::int8 && storage.format != NumberFormat::fixed;
}

/// What a floating-point specification says, and nothing of the code under test.
struct Specification {
  Storage storage;
  unsigned exponent_bits;
  unsigned mantissa_bits;
  int bias;
  bool ieee;  ///< infinities and NaNs have the largest exponent; otherwise one NaN, all ones

  std::uint32_t codes() const { return 1U << (exponent_bits + mantissa_bits); }  // of one sign
  std::uint32_t first_not_finite() const {
    return ieee ? codes() - (1U << mantissa_bits) : codes() - 1;
  }
};

const Specification kSpecifications[] = {
    {kFp16, 5, 10, 15, true},  // IEEE 754-2019, table 3.5
    {kBf16, 8, 7, 127, true},
    {kE4m3, 4, 3, 7, false},  // OFP8 1.0, table 1
    {kE5m2, 5, 2, 15, true},
};

/// (-1)^s 2^(e-bias) (1 + m / 2^k), and for e = 0 (-1)^s 2^(1-bias) m / 2^k, in double.
double meaning(const Specification& spec, std::uint32_t code) {
  const std::uint32_t mantissa = code % (1U << spec.mantissa_bits);
  const std::uint32_t exponent = code / (1U << spec.mantissa_bits) % (1U << spec.exponent_bits);
  const double sign = code / spec.codes() != 0 ? -1 : 1;
  const double fraction = mantissa / std::pow(2.0, spec.mantissa_bits);
  const int e = static_cast<int>(exponent);
  return exponent == 0 ? sign * std::pow(2.0, 1 - spec.bias) * fraction
                       : sign * std::pow(2.0, e - spec.bias) * (1 + fraction);
}

/// Nearest code by comparing distances to all values that a specification has.
class NearestCode {
 public:
  explicit NearestCode(const Specification& spec) : spec_(spec) {
    for (std::uint32_t code = 0; code < spec.first_not_finite(); ++code) {
      values_.push_back(meaning(spec, code));
    }
    // The value that would come next, were there one: what rounds to it overflows.
    values_.push_back(2 * values_.back() - values_[values_.size() - 2]);
    REQUIRE(std::is_sorted(values_.begin(), values_.end()));
  }

  const std::vector<double>& values() const { return values_; }

  std::uint64_t operator()(float value) const {
    const std::uint64_t sign = std::signbit(value) ? spec_.codes() : 0;
    const double size = std::fabs(static_cast<double>(value));
    if (std::isnan(value)) {
      const std::uint32_t payload =
          to_bits(value) % (1U << 23) / (1U << (23 - spec_.mantissa_bits));
      if (!spec_.ieee) return sign + spec_.codes() - 1;
      return sign + spec_.first_not_finite() +
             (payload != 0 ? payload : 1U << (spec_.mantissa_bits - 1));
    }
    const auto above = std::lower_bound(values_.begin(), values_.end(), size);
    if (above == values_.end()) return sign + spec_.first_not_finite();
    const auto code = static_cast<std::uint64_t>(above - values_.begin());
    if (*above == size) return sign + code;
    const double to_upper = *above - size;  // exact: both have few bits and are near each other
    const double to_lower = size - values_[code - 1];
    if (to_upper == to_lower) return sign + (code % 2 == 0 ? code : code - 1);
    return sign + (to_upper < to_lower ? code : code - 1);
  }

 private:
  Specification spec_;
  std::vector<double> values_;
};

double half_to_even(double x) {
  const double below = std::floor(x);
  const double rest = x - below;
  if (rest != 0.5) return rest < 0.5 ? below : below + 1;
  return std::fmod(below, 2) == 0 ? below : below + 1;
}

/// The stored integer as the documents of the format say, in double.
double reference_integer(const Storage& storage, float value) {
  const bool affine = storage.format == NumberFormat::int8;
  if (std::isnan(value)) return affine ? storage.zero_point : 0;
  const double most =
      affine ? 127 : std::pow(2.0, storage.integer_bits + storage.fraction_bits) - 1;
  const double q =
      affine ? half_to_even(static_cast<double>(value / storage.scale)) + storage.zero_point
             : half_to_even(static_cast<double>(value) * std::pow(2.0, storage.fraction_bits));
  return std::min(std::max(q, -most - 1), most);
}

/// The integer as it is stored, bit for bit.
std::uint64_t twos_complement(const Storage& storage, double q) {
  const double modulus = std::pow(2.0, storage_bits(storage));
  return static_cast<std::uint64_t>(q < 0 ? q + modulus : q);
}

/// Any bit pattern, and as often a value in the range of small formats.
std::vector<float> many_floats(std::size_t count) {
  std::mt19937 random(20240607);
  std::vector<float> values;
  while (values.size() < count) {
    const auto pattern = static_cast<std::uint32_t>(random());
    values.push_back(from_bits(pattern));
    const std::uint32_t exponent = 127 - 34 + static_cast<std::uint32_t>(random()) % 56;
    values.push_back(from_bits((pattern & 0x807FFFFF) | exponent << 23));
    // Few bits: halfway cases are frequent.
    values.push_back(from_bits((pattern & 0x80000000) | exponent << 23 |
                               (pattern & 0x7FF) << (12 + random() % 12) % (1U << 23)));
  }
  return values;
}

void require_encoded(const Storage& storage, float value, std::uint64_t expected) {
  const std::uint64_t got = encode(storage, value);
  if (got == expected) return;  // assertions are slow
  CAPTURE(name_of(kNumberFormats, storage.format), value, to_bits(value));
  REQUIRE(got == expected);
}

}  // namespace

TEST_CASE("known values have known fp16 codes", "[faultgen][number_format]") {
  REQUIRE(encode(kFp16, 1.0F) == 0x3C00);
  REQUIRE(encode(kFp16, -2.0F) == 0xC000);
  REQUIRE(encode(kFp16, 1.0F / 3) == 0x3555);
  REQUIRE(encode(kFp16, 65504.0F) == 0x7BFF);
  REQUIRE(encode(kFp16, 65519.99F) == 0x7BFF);
  REQUIRE(encode(kFp16, 65520.0F) == 0x7C00);  // halfway to 65536, which is the even one
  REQUIRE(encode(kFp16, -kMax) == 0xFC00);
  REQUIRE(encode(kFp16, kInfinity) == 0x7C00);
  REQUIRE(encode(kFp16, 2049.0F) == 0x6800);  // halfway between 2048 and 2050
  REQUIRE(encode(kFp16, 2051.0F) == 0x6802);  // halfway between 2050 and 2052
  REQUIRE(encode(kFp16, 0x1p-14F) == 0x0400);
  REQUIRE(encode(kFp16, 0x1p-24F) == 0x0001);
  REQUIRE(encode(kFp16, 0x1.8p-24F) == 0x0002);
  REQUIRE(encode(kFp16, 0x1p-25F) == 0x0000);
  REQUIRE(encode(kFp16, 0x1.000002p-25F) == 0x0001);
  REQUIRE(encode(kFp16, -0x1p-149F) == 0x8000);
  REQUIRE(decode(kFp16, 0x7BFF) == 65504.0F);
  REQUIRE(decode(kFp16, 0x0001) == 0x1p-24F);
  REQUIRE(decode(kFp16, 0x3C00 ^ 0x4000) == kInfinity);  // the highest exponent bit of 1 flipped
}

TEST_CASE("known values have known bf16 codes", "[faultgen][number_format]") {
  REQUIRE(encode(kBf16, 3.14159265F) == 0x4049);
  REQUIRE(decode(kBf16, 0x4049) == 3.140625F);
  REQUIRE(encode(kBf16, 1.0F + 0x1p-8F) == 0x3F80);
  REQUIRE(encode(kBf16, 1.0F + 0x1.8p-7F) == 0x3F82);
  REQUIRE(encode(kBf16, kMax) == 0x7F80);
  REQUIRE(encode(kBf16, 0x1.FEp127F) == 0x7F7F);
  REQUIRE(encode(kBf16, 1e-40F) == 0x0001);  // fp32 0x000116C2
  REQUIRE(decode(kBf16, 0x0001) == 0x1p-133F);
  REQUIRE(encode(kBf16, -0.0F) == 0x8000);
}

TEST_CASE("known values have known fp8 codes", "[faultgen][number_format]") {
  REQUIRE(encode(kE4m3, 1.0F) == 0x38);
  REQUIRE(encode(kE4m3, 240.0F) == 0x77);
  REQUIRE(encode(kE4m3, 448.0F) == 0x7E);
  REQUIRE(encode(kE4m3, 464.0F) == 0x7E);  // halfway to 480, whose code would be odd
  REQUIRE(encode(kE4m3, std::nextafter(464.0F, 480.0F)) == 0x7F);
  REQUIRE(encode(kE4m3, -1e9F) == 0xFF);
  REQUIRE(encode(kE4m3, kInfinity) == 0x7F);
  REQUIRE(encode(kE4m3, 0x1p-6F) == 0x08);
  REQUIRE(encode(kE4m3, 0x1p-9F) == 0x01);
  REQUIRE(encode(kE4m3, 0x1.8p-9F) == 0x02);
  REQUIRE(encode(kE4m3, -0x1p-10F) == 0x80);
  REQUIRE(std::isnan(decode(kE4m3, 0x7F)));
  REQUIRE(decode(kE4m3, 0x78) == 256.0F);  // IEEE would have infinity here

  REQUIRE(encode(kE5m2, 1.0F) == 0x3C);
  REQUIRE(encode(kE5m2, 57344.0F) == 0x7B);
  REQUIRE(encode(kE5m2, std::nextafter(61440.0F, 0.0F)) == 0x7B);
  REQUIRE(encode(kE5m2, 61440.0F) == 0x7C);
  REQUIRE(encode(kE5m2, -kInfinity) == 0xFC);
  REQUIRE(encode(kE5m2, 0x1p-16F) == 0x01);
  REQUIRE(encode(kE5m2, 0x1p-17F) == 0x00);
  REQUIRE(decode(kE5m2, 0x04) == 0x1p-14F);
}

TEST_CASE("NaNs stay NaNs and keep what fits of their payloads", "[faultgen][number_format]") {
  REQUIRE(encode({}, from_bits(0xFFA12345)) == 0xFFA12345);
  REQUIRE(encode(kFp16, from_bits(0x7FC00000)) == 0x7E00);
  REQUIRE(encode(kFp16, from_bits(0xFFA02000)) == 0xFD01);  // signalling stays signalling
  REQUIRE(encode(kFp16, from_bits(0x7F800001)) == 0x7E00);  // nothing fits: the quiet bit
  REQUIRE(encode(kBf16, from_bits(0xFF81FFFF)) == 0xFF81);
  REQUIRE(encode(kE5m2, from_bits(0x7FA00000)) == 0x7D);
  REQUIRE(encode(kE4m3, from_bits(0x7F800001)) == 0x7F);
  REQUIRE(encode(kE4m3, from_bits(0xFFC00000)) == 0xFF);
  REQUIRE(to_bits(decode(kFp16, 0xFD01)) == 0xFFA02000);
  REQUIRE(to_bits(decode(kE4m3, 0xFF)) == 0xFFF00000);
}

TEST_CASE("known values have known int8 codes", "[faultgen][number_format]") {
  const Storage storage = int8(0.1F, 3);
  REQUIRE(encode(storage, 0.0F) == 3);
  REQUIRE(encode(storage, -0.0F) == 3);
  REQUIRE(encode(storage, 1.0F) == 13);
  REQUIRE(encode(storage, -1.0F) == 0xF9);  // -7
  REQUIRE(encode(storage, 0.25F) == 5);     // 2.5 to 2
  REQUIRE(encode(storage, 0.35F) == 7);     // 3.49999989, in fp32 3.5, to 4
  REQUIRE(encode(storage, 100.0F) == 0x7F);
  REQUIRE(encode(storage, -100.0F) == 0x80);
  REQUIRE(encode(storage, kInfinity) == 0x7F);
  REQUIRE(encode(storage, -kInfinity) == 0x80);
  REQUIRE(encode(storage, kNan) == 3);
  REQUIRE(encode(storage, -kNan) == 3);
  REQUIRE(decode(storage, 13) == 1.0F);
  REQUIRE(decode(storage, 0x80) == -13.1F);
  REQUIRE(to_bits(decode(storage, 3)) == 0);
  // 2.5 + 2^-23 + 7 * 2^-23 / 0xBFFFF9: just above halfway, in fp32 2.5 + 2^-22, to 3.
  REQUIRE(encode(int8(0xBFFFF9p-23F, 0), 0x77FFFCp-21F) == 3);
  REQUIRE(encode(int8(0x1p-126F, 0), kMax) == 0x7F);  // the quotient overflows
  REQUIRE(encode(int8(0x1p120F, 0), 0x1p-149F) == 0);
  REQUIRE(decode(int8(0x1p120F, -128), 0x7F) == 0x1.FEp127F);
}

TEST_CASE("known values have known fixed-point codes", "[faultgen][number_format]") {
  const Storage q3_4 = fixed(3, 4);
  REQUIRE(storage_bits(q3_4) == 8);
  REQUIRE(encode(q3_4, 1.0F) == 0x10);
  REQUIRE(encode(q3_4, -1.0F) == 0xF0);
  REQUIRE(encode(q3_4, 7.9375F) == 0x7F);
  REQUIRE(encode(q3_4, 8.0F) == 0x7F);
  REQUIRE(encode(q3_4, -8.0F) == 0x80);
  REQUIRE(encode(q3_4, -8.1F) == 0x80);
  REQUIRE(encode(q3_4, kInfinity) == 0x7F);
  REQUIRE(encode(q3_4, -kInfinity) == 0x80);
  REQUIRE(encode(q3_4, 0.03125F) == 0x00);   // half a step
  REQUIRE(encode(q3_4, 0.09375F) == 0x02);   // one and a half
  REQUIRE(encode(q3_4, -0.09375F) == 0xFE);  // to -2
  REQUIRE(encode(q3_4, kNan) == 0);
  REQUIRE(encode(q3_4, -0.0F) == 0);
  REQUIRE(decode(q3_4, 0xFE) == -0.125F);
  REQUIRE(decode(q3_4, 0x10 ^ 0x80) == -7.0F);  // the sign bit of 1 flipped

  REQUIRE(encode(fixed(3, 12), -8.0F) == 0x8000);  // table A-1 of TI's reference: 16 bits, [-8, 8)
  REQUIRE(encode(fixed(15, 16), 1.5F) == 0x18000);
  REQUIRE(encode(fixed(0, 31), 0.5F) == 0x40000000);
  REQUIRE(encode(fixed(0, 31), 1.0F) == 0x7FFFFFFF);
  REQUIRE(decode(fixed(0, 31), 0x7FFFFFFF) == 1.0F);  // 31 bits do not fit into fp32
  REQUIRE(decode(fixed(31, 0), 0x80000000) == -0x1p31F);
  REQUIRE(decode(fixed(31, 0), 0x01000001) == 0x1p24F);         // halfway, down to even
  REQUIRE(decode(fixed(31, 0), 0x01000003) == 0x1.000004p24F);  // halfway, up to even
}

TEST_CASE("every floating-point code means what its specification says",
          "[faultgen][number_format][exhaustive]") {
  for (const Specification& spec : kSpecifications) {
    REQUIRE(storage_bits(spec.storage) == 1 + spec.exponent_bits + spec.mantissa_bits);
    for (std::uint32_t code = 0; code < 2 * spec.codes(); ++code) {
      const float got = decode(spec.storage, code);
      const std::uint32_t size = code % spec.codes();
      const bool infinite = spec.ieee && size == spec.first_not_finite();
      const bool right = size < spec.first_not_finite()
                             ? static_cast<double>(got) == meaning(spec, code)
                         : infinite ? std::isinf(got)
                                    : std::isnan(got);
      if (!right || std::signbit(got) != (code >= spec.codes())) {
        CAPTURE(name_of(kNumberFormats, spec.storage.format), code, to_bits(got));
        FAIL("another value");
      }
    }
  }
}

TEST_CASE("a float is stored as the nearest value, halfway ones as the even",
          "[faultgen][number_format][exhaustive]") {
  const std::vector<float> values = many_floats(300'000);
  for (const Specification& spec : kSpecifications) {
    const NearestCode nearest(spec);
    for (const float value : values) require_encoded(spec.storage, value, nearest(value));
    // Every value, every boundary between two of them, and their neighbours on both sides.
    const std::vector<double>& all = nearest.values();
    for (std::size_t code = 0; code + 1 < all.size(); ++code) {
      for (const double point : {all[code], (all[code] + all[code + 1]) / 2}) {
        const auto exact = static_cast<float>(point);
        REQUIRE((static_cast<double>(exact) == point));
        for (const float value :
             {exact, std::nextafter(exact, kInfinity), std::nextafter(exact, -kInfinity)}) {
          require_encoded(spec.storage, value, nearest(value));
          require_encoded(spec.storage, -value, nearest(-value));
        }
      }
    }
    for (const float value : {kMax, kInfinity, kNan, from_bits(0x7F800001)}) {
      require_encoded(spec.storage, value, nearest(value));
      require_encoded(spec.storage, -value, nearest(-value));
    }
  }
}

TEST_CASE("integer codes mean and store what their definitions say",
          "[faultgen][number_format][exhaustive]") {
  const std::vector<float> values = many_floats(60'000);
  for (const Storage& storage : storages()) {
    if (is_float(storage)) continue;
    CAPTURE(name_of(kNumberFormats, storage.format), storage.scale, storage.zero_point,
            unsigned{storage.integer_bits}, unsigned{storage.fraction_bits});
    const auto require_nearest = [&](float value) {
      require_encoded(storage, value, twos_complement(storage, reference_integer(storage, value)));
    };
    for (const float value : values) {
      require_nearest(value);
      if (std::isfinite(value) && std::isfinite(value * storage.scale)) {
        require_nearest(value * storage.scale);
      }
    }
    // Every code and the boundary above it; of the wide formats the first and the last ones.
    const double half_range = std::pow(2.0, storage_bits(storage) - 1);
    const double step = half_range > 32768 ? half_range / 32768 + 1.0 / 4 : 0.5;
    for (double q = -half_range; q < half_range; q += step) {
      const double code = std::floor(q);
      const float value = decode(storage, twos_complement(storage, code));
      // int8: one fp32 multiplication; fixed: a power of two, so rounding to fp32 is all there is.
      const float expected = storage.format == NumberFormat::int8
                                 ? static_cast<float>(code - storage.zero_point) * storage.scale
                                 : static_cast<float>(code * std::pow(2.0, -storage.fraction_bits));
      if (to_bits(value) != to_bits(expected)) {
        CAPTURE(code);
        REQUIRE(value == expected);
      }
      const double unit = storage.format == NumberFormat::int8
                              ? static_cast<double>(storage.scale)
                              : std::pow(2.0, -storage.fraction_bits);
      const auto boundary = static_cast<float>((q - storage.zero_point) * unit);
      for (const float near :
           {boundary, std::nextafter(boundary, kInfinity), std::nextafter(boundary, -kInfinity)}) {
        require_nearest(near);
      }
    }
  }
}

TEST_CASE("what is decoded is encoded as it was", "[faultgen][number_format][property]") {
  for (const Storage& storage : storages()) {
    CAPTURE(name_of(kNumberFormats, storage.format), storage.scale, storage_bits(storage));
    if (storage_bits(storage) <= 16) {
      for (std::uint64_t code = 0; code < std::uint64_t{1} << storage_bits(storage); ++code) {
        if (encode(storage, decode(storage, code)) != code) {
          CAPTURE(code);
          REQUIRE(encode(storage, decode(storage, code)) == code);
        }
      }
    }
    const std::uint64_t mask = (std::uint64_t{1} << storage_bits(storage)) - 1;
    REQUIRE(rc::check([&](std::uint32_t pattern) {
      const float value = from_bits(pattern);
      const std::uint64_t code = encode(storage, value);
      RC_ASSERT((code & ~mask) == 0U);
      const float stored = decode(storage, code);
      RC_ASSERT(encode(storage, stored) == code);
      RC_ASSERT(to_bits(decode(storage, code | ~mask)) == to_bits(stored));
      // Any code, and of the wide fixed-point formats one that fits into fp32's 24 bits.
      const bool wide = storage.format == NumberFormat::fixed && storage_bits(storage) > 25;
      const std::uint64_t any =
          static_cast<std::uint64_t>(static_cast<std::int32_t>(pattern) >> (wide ? 8 : 0)) & mask;
      RC_ASSERT(encode(storage, decode(storage, any)) == any);
      if (is_float(storage)) {
        const std::uint64_t sign = std::uint64_t{1} << (storage_bits(storage) - 1);
        RC_ASSERT(encode(storage, from_bits(pattern ^ 0x80000000)) == (code ^ sign));
      }
      RC_ASSERT(storage.format != NumberFormat::fp32 || code == pattern);
    }));
  }
}

TEST_CASE("in every format a flip undoes itself, and what is stuck or set stays",
          "[faultgen][number_format][property]") {
  for (const Storage& storage : storages()) {
    CAPTURE(name_of(kNumberFormats, storage.format), storage_bits(storage));
    const std::uint64_t all = (std::uint64_t{1} << storage_bits(storage)) - 1;
    for (const FaultModelInfo& info : kBuiltInFaultModels) {
      CAPTURE(info.name);
      REQUIRE(rc::check([&](std::uint32_t pattern, std::uint32_t mask, std::uint32_t value) {
        const std::uint64_t code = pattern & all;
        Fault fault{0, Target::neuron, info.value, 0, info.bits != nullptr ? mask & all : 0};
        fault.value = value;
        fault.storage = storage;
        const std::uint64_t once = apply(fault, code), twice = apply(fault, once);
        RC_ASSERT((once & ~all) == 0U);
        switch (info.value) {
          case FaultModel::bit_flip:
            RC_ASSERT(twice == code);
            break;
          case FaultModel::sign_flip:
            // The least integer has no opposite.
            RC_ASSERT(!is_float(storage) || twice == code);
            break;
          case FaultModel::gaussian:
            break;  // adds up
          default:
            RC_ASSERT(twice == once);
        }
      }));
    }
  }
}

TEST_CASE("larger values are not stored as smaller ones", "[faultgen][number_format][property]") {
  for (const Storage& storage : storages()) {
    if (storage.format == NumberFormat::fp8_e4m3) continue;  // its large values are NaN
    REQUIRE(rc::check([&](std::uint32_t one, std::uint32_t other) {
      const float a = from_bits(one);
      const float b = from_bits(other);
      RC_PRE(a <= b);
      RC_ASSERT(decode(storage, encode(storage, a)) <= decode(storage, encode(storage, b)));
    }));
  }
}

TEST_CASE("the rounding mode of the processor has no influence", "[faultgen][number_format]") {
  const std::vector<float> values = many_floats(3'000);
  const auto stored = [&] {
    std::vector<std::uint64_t> result;
    for (const Storage& storage : storages()) {
      for (const float value : values) {
        result.push_back(encode(storage, value));
        result.push_back(to_bits(decode(storage, to_bits(value))));
      }
    }
    return result;
  };
  const auto expected = stored();
  const int mode = std::fegetround();
  for (const int other : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    REQUIRE(std::fesetround(other) == 0);
    const auto got = stored();
    REQUIRE(std::fesetround(mode) == 0);
    REQUIRE((got == expected));
  }
}

TEST_CASE("each bit of a stored value has its field", "[faultgen][number_format]") {
  const auto layout = [](const Storage& storage) {
    std::string text;
    for (unsigned bit = 0; const auto field = field_of(storage, bit); ++bit) {
      text += *field == BitField::mantissa ? 'm' : *field == BitField::exponent ? 'e' : 's';
    }
    return text;
  };
  REQUIRE(layout(kFp16) == "mmmmmmmmmmeeeees");
  REQUIRE(layout(kBf16) == "mmmmmmmeeeeeeees");
  REQUIRE(layout(kE4m3) == "mmmeeees");
  REQUIRE(layout(kE5m2) == "mmeeeees");
  REQUIRE(layout(int8(1, 0)) == "mmmmmmms");
  REQUIRE(layout(fixed(3, 4)) == "mmmmmmms");
  REQUIRE(layout(fixed(0, 1)) == "ms");
  for (unsigned bit = 0; bit < kFp32Bits; ++bit) REQUIRE(field_of({}, bit) == fp32_field(bit));
  for (const Storage& storage : storages()) {
    REQUIRE(layout(storage).size() == storage_bits(storage));
    REQUIRE_FALSE(field_of(storage, storage_bits(storage)).has_value());
    REQUIRE_FALSE(field_of(storage, 64).has_value());
  }
  REQUIRE(storage_bits({}) == kFp32Bits);
  REQUIRE(storage_bits(fixed(15, 16)) == 32);
}

TEST_CASE("parameters that a format cannot have are refused", "[faultgen][number_format]") {
  for (const Storage& storage : storages()) REQUIRE_FALSE(malformed(storage).has_value());
  const auto what = [](const Storage& storage) {
    const auto error = malformed(storage);
    REQUIRE(error.has_value());
    REQUIRE(error->code == Errc::scenario);
    REQUIRE_FALSE(error->hint.empty());
    return error->what;
  };
  REQUIRE(what(int8(0, 0)) == "the scale of int8 is 0");
  REQUIRE_THAT(what(int8(-0.5F, 0)), Contains("-0.5"));
  REQUIRE_THAT(what(int8(kNan, 0)), Contains("nan"));
  REQUIRE_THAT(what(int8(kInfinity, 0)), Contains("inf"));
  REQUIRE_THAT(what(int8(std::nextafter(0x1p-126F, 0.0F), 0)), Contains("scale"));
  REQUIRE_THAT(what(int8(std::nextafter(0x1p120F, kInfinity), 0)), Contains("scale"));
  REQUIRE(what(int8(1, 128)) == "the zero point of int8 is 128");
  REQUIRE(what(int8(1, -129)) == "the zero point of int8 is -129");
  REQUIRE(what(fixed(16, 16)) ==
          "a fixed-point number of 16 integer and 16 fraction bits has 33 bits with its sign");
  REQUIRE_THAT(what(fixed(255, 255)), Contains("511 bits"));
  REQUIRE_THAT(what(fixed(0, 0)), Contains("1 bits"));
  REQUIRE_THAT(what({.format = NumberFormat::fp16, .scale = 0.1F}),
               Contains("fp16 has neither scale nor zero point"));
  REQUIRE_THAT(what({.format = NumberFormat::fixed, .zero_point = 1, .integer_bits = 3}),
               Contains("fixed has neither"));
  REQUIRE_THAT(what({.format = NumberFormat::int8, .fraction_bits = 1}),
               Contains("the fields of int8 are fixed"));
  REQUIRE(what({.format = static_cast<NumberFormat>(7)}) == "no number format has the number 7");
}

TEST_CASE("number formats have the numbers of their places", "[faultgen][registry]") {
  for (std::size_t i = 0; i < kNumberFormats.size(); ++i) {
    REQUIRE(static_cast<std::size_t>(kNumberFormats[i].value) == i);
    REQUIRE(value_of(kNumberFormats, kNumberFormats[i].name) == kNumberFormats[i].value);
    REQUIRE_FALSE(kNumberFormats[i].doc.empty());
  }
  REQUIRE(value_of(kNumberFormats, "fp8_e4m3") == NumberFormat::fp8_e4m3);
}
