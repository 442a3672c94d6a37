#include "faultgen/bits.hpp"

#include "faultgen/fault_model.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <bit>
#include <cmath>
#include <limits>

using namespace bitquake;
using namespace bitquake::faultgen;

namespace {

constexpr std::uint32_t flip(std::uint32_t bits, unsigned bit) {
  return static_cast<std::uint32_t>(apply(FaultModel::bit_flip, std::uint64_t{1} << bit, bits));
}

}  // namespace

TEST_CASE("flips of known bits give known values", "[faultgen][bits]") {
  REQUIRE(from_bits(flip(to_bits(1.0F), 31)) == -1.0F);
  REQUIRE(from_bits(flip(to_bits(1.0F), 22)) == 1.5F);            // mantissa 0.1 binary
  REQUIRE(from_bits(flip(to_bits(1.0F), 0)) == 1.0F + 0x1p-23F);  // one unit in the last place
  REQUIRE(from_bits(flip(to_bits(1.0F), 23)) == 0.5F);            // exponent 127 -> 126
  REQUIRE(std::isinf(from_bits(flip(to_bits(1.0F), 30))));        // exponent 127 -> 255
  REQUIRE(from_bits(flip(to_bits(0.5F), 30)) == 0x1p127F);        // exponent 126 -> 254
  REQUIRE(std::bit_cast<std::uint32_t>(from_bits(flip(to_bits(0.0F), 31))) == 0x80000000);
}

TEST_CASE("a stuck bit has its value, whatever it was", "[faultgen][bits]") {
  REQUIRE(apply(FaultModel::stuck_at_0, 0b0110, 0b1111) == 0b1001);
  REQUIRE(apply(FaultModel::stuck_at_0, 0b0110, 0b0000) == 0b0000);
  REQUIRE(apply(FaultModel::stuck_at_1, 0b0110, 0b0000) == 0b0110);
  REQUIRE(apply(FaultModel::stuck_at_1, 0b0110, 0b1111) == 0b1111);
  REQUIRE(apply(FaultModel::bit_flip, 0b0110, 0b0011) == 0b0101);
}

TEST_CASE("a flipped bit flipped again is the original", "[faultgen][bits][property]") {
  REQUIRE(rc::check([](std::uint64_t mask, std::uint64_t bits) {
    const auto once = apply(FaultModel::bit_flip, mask, bits);
    RC_ASSERT((once ^ bits) == mask);
    RC_ASSERT(apply(FaultModel::bit_flip, mask, once) == bits);
  }));
}

TEST_CASE("a stuck bit stuck again does not change", "[faultgen][bits][property]") {
  REQUIRE(rc::check([](std::uint64_t mask, std::uint64_t bits) {
    for (const FaultModel model : {FaultModel::stuck_at_0, FaultModel::stuck_at_1}) {
      const auto once = apply(model, mask, bits);
      RC_ASSERT(apply(model, mask, once) == once);
      RC_ASSERT((once & ~mask) == (bits & ~mask));
      RC_ASSERT((once & mask) == (model == FaultModel::stuck_at_1 ? mask : 0));
    }
  }));
}

TEST_CASE("payloads of NaNs and signs of zeros survive", "[faultgen][bits]") {
  // Signalling and quiet NaNs, both signs; subnormals; zeros.
  for (const std::uint32_t bits :
       {0x7f800001U, 0x7fa12345U, 0xffc00001U, 0x7fffffffU, 0x00000001U, 0x80000000U, 0x0U}) {
    REQUIRE(to_bits(from_bits(bits)) == bits);
    for (unsigned bit = 0; bit < kFp32Bits; ++bit) {
      REQUIRE(to_bits(from_bits(flip(bits, bit))) == (bits ^ (1U << bit)));
    }
  }
}

TEST_CASE("each bit of fp32 has its field", "[faultgen][bits]") {
  for (unsigned bit = 0; bit < 23; ++bit) REQUIRE(fp32_field(bit) == BitField::mantissa);
  for (unsigned bit = 23; bit < 31; ++bit) REQUIRE(fp32_field(bit) == BitField::exponent);
  REQUIRE(fp32_field(31) == BitField::sign);
}

TEST_CASE("registered names and values map onto each other", "[faultgen][registry]") {
  for (const auto& entry : kBuiltInFaultModels) {
    REQUIRE(name_of(kBuiltInFaultModels, entry.value) == entry.name);
    REQUIRE(value_of(kBuiltInFaultModels, entry.name) == entry.value);
  }
  REQUIRE(value_of(kTargets, "weights") == Target::weight);
  REQUIRE_FALSE(value_of(kTargets, "weight").has_value());
  // The codes in fault sets index the registries.
  for (std::size_t i = 0; i < kBuiltInFaultModels.size(); ++i) {
    REQUIRE(static_cast<std::size_t>(kBuiltInFaultModels[i].value) == i);
  }
  for (std::size_t i = 0; i < kTargets.size(); ++i) {
    REQUIRE(static_cast<std::size_t>(kTargets[i].value) == i);
  }
}
