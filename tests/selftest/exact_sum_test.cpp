#include "suite/selftest/exact_sum.hpp"

#include "suite/base/rng.hpp"

#include <catch2/catch.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <utility>
#include <vector>

using bitquake::Draws;
using bitquake::Stream;
using bitquake::selftest::ExactSum;

namespace {

using Terms = std::vector<std::pair<float, float>>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::optional<float> value_of(const Terms& terms) {
  ExactSum sum;
  for (const auto& [a, b] : terms) sum.add(a, b);
  return sum.value();
}

std::optional<float> sum_of(std::initializer_list<float> values) {
  Terms terms;
  for (const float value : values) terms.emplace_back(value, 1.0F);
  return value_of(terms);
}

void shuffle(Terms& terms, Draws& draws) {
  for (std::size_t i = terms.size(); i > 1; --i) std::swap(terms[i - 1], terms[draws.below(i)]);
}

/// fp32 sum of terms [first, last) in some order: a random tree, with or without fused operations.
float random_sum(const Terms& terms, std::size_t first, std::size_t last, Draws& draws) {
  const auto [a, b] = terms[first];
  if (last - first == 1) return a * b;
  if (draws.below(2) == 0) {
    const float rest = random_sum(terms, first + 1, last, draws);
    return draws.below(2) == 0 ? std::fma(a, b, rest) : a * b + rest;
  }
  const std::size_t middle = first + 1 + draws.below(last - first - 1);
  return random_sum(terms, first, middle, draws) + random_sum(terms, middle, last, draws);
}

float random_value(Draws& draws) {
  const float value = static_cast<float>(draws.below(64)) - 31.0F;
  switch (draws.below(6)) {
    case 0:
      return std::ldexp(value, static_cast<int>(draws.below(60)) - 30);
    case 1:
      return std::ldexp(value, static_cast<int>(draws.below(240)) - 140);
    default:
      return value;
  }
}

}  // namespace

TEST_CASE("sums that no order changes have a value", "[selftest]") {
  REQUIRE(sum_of({1, 2, -3, 7}) == 7.0F);
  REQUIRE(sum_of({0x1p23F, 0x1p23F}) == 0x1p24F);
  REQUIRE(sum_of({0x1p40F, 1, -1}) == 0x1p40F);
  REQUIRE(sum_of({-3, 3, 5, 1e-40F}) == 5.0F);
  REQUIRE(sum_of({kInfinity, -5, 0}) == kInfinity);
  REQUIRE(sum_of({-kInfinity, 5}) == -kInfinity);
  REQUIRE(std::isnan(sum_of({kInfinity, -kInfinity}).value()));
  REQUIRE(std::isnan(sum_of({std::numeric_limits<float>::quiet_NaN(), 1}).value()));
  const float zero = sum_of({2, -2}).value();
  REQUIRE(std::bit_cast<std::uint32_t>(zero) == 0);
}

TEST_CASE("sums whose bits depend on the order or on the kernel have none", "[selftest]") {
  REQUIRE_FALSE(sum_of({0x1p24F, 1, 1}));         // 2^24 or 2^24 + 2
  REQUIRE_FALSE(sum_of({0x1p40F, -0x1p40F, 1}));  // 0 or 1
  REQUIRE_FALSE(sum_of({3, -3, 1e-40F}));         // 0 or 1e-40
  REQUIRE_FALSE(sum_of({1e-40F}));                // flushed to 0 or not
  REQUIRE_FALSE(value_of({{1e-40F, 0x1p120F}, {1, 1}}));
  REQUIRE_FALSE(sum_of({0x1p127F, 0x1p127F}));           // overflows
  REQUIRE_FALSE(value_of({{kInfinity, 0.0F}, {1, 1}}));  // NaN, or skipped
  REQUIRE_FALSE(sum_of({}));
  REQUIRE_FALSE(sum_of({0.0F, -0.0F}));
}

TEST_CASE("a sum with a value has its bits in random orders, fused or not",
          "[selftest][property]") {
  std::size_t with_value = 0, without = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    Draws draws(3, Stream::check_input, i);
    Terms terms;
    for (std::uint64_t n = 1 + draws.below(7); n > 0; --n) {
      const float a = random_value(draws);
      terms.emplace_back(a, static_cast<float>(1 + draws.below(3)));
    }
    const auto value = value_of(terms);
    ++(value ? with_value : without);
    if (!value) continue;
    for (int order = 0; order < 20; ++order) {
      shuffle(terms, draws);
      const float got = random_sum(terms, 0, terms.size(), draws);
      REQUIRE(std::bit_cast<std::uint32_t>(got) == std::bit_cast<std::uint32_t>(*value));
    }
  }
  REQUIRE(with_value > 5'000);
  REQUIRE(without > 1'000);
}
