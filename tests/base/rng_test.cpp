#include "suite/base/rng.hpp"

#include <boost/math/distributions/chi_squared.hpp>
#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

using namespace bitquake;

namespace {

using Block = std::array<std::uint32_t, 4>;

/// Largest chi-square statistic that a fair generator exceeds once in a million runs; seeds are
/// fixed, so a test passes always or never.
double critical(std::size_t cells) {
  const boost::math::chi_squared distribution(static_cast<double>(cells - 1));
  return boost::math::quantile(boost::math::complement(distribution, 1e-6));
}

double chi_square(const std::vector<std::uint64_t>& counts) {
  double total = 0;
  for (const auto count : counts) total += static_cast<double>(count);
  const double expected = total / static_cast<double>(counts.size());
  double sum = 0;
  for (const auto count : counts) {
    const double distance = static_cast<double>(count) - expected;
    sum += distance * distance / expected;
  }
  return sum;
}

}  // namespace

TEST_CASE("philox gives the known answers of Random123", "[base][rng][published]") {
  // Random123, kat_vectors, philox4x32 with 10 rounds.
  REQUIRE(philox(0, static_cast<Stream>(0), 0, 0) ==
          Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr auto kOnes = std::numeric_limits<std::uint64_t>::max();
  REQUIRE(philox(kOnes, static_cast<Stream>(0xffffffff), kOnes, 0xffffffff) ==
          Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  REQUIRE(philox(0x299f31d0a4093822, static_cast<Stream>(0x243f6a88), 0x13198a2e85a308d3,
                 0x03707344) == Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("the numbers of the streams are part of the formats", "[base][rng]") {
  REQUIRE(static_cast<std::uint32_t>(Stream::fault_location) == 1);
  REQUIRE(static_cast<std::uint32_t>(Stream::fault_bits) == 2);
  REQUIRE(static_cast<std::uint32_t>(Stream::subset) == 3);
  REQUIRE(static_cast<std::uint32_t>(Stream::check_input) == 4);
  REQUIRE(static_cast<std::uint32_t>(Stream::training) == 5);
  REQUIRE(static_cast<std::uint32_t>(Stream::verification) == 6);
  REQUIRE(static_cast<std::uint32_t>(Stream::audit) == 7);
}

TEST_CASE("first draws are pinned", "[base][rng]") {
  // From a separate Philox in Python. Six draws reach into the second block.
  Draws draws(2026, Stream::fault_location, 7);
  for (const std::uint32_t expected :
       {0x397f183dU, 0xaf5c0619U, 0xce9c4b30U, 0xbf28d9fdU, 0xf900e20dU, 0x4fbf63f3U}) {
    REQUIRE(draws.next32() == expected);
  }
  Draws wide(0x123456789abcdef0, Stream::fault_bits, (5ULL << 32) + 3);
  REQUIRE(wide.next64() == 0xdf6c5d0e8b0345e3);
  REQUIRE(wide.next64() == 0x1283d8a4190b22e4);
  Draws below(1, Stream::subset, 0);
  for (const std::uint64_t expected : {36, 53, 3, 978}) REQUIRE(below.below(1000) == expected);
  Draws uniform(1, Stream::subset, 0);
  REQUIRE(uniform.uniform() == 0.036543809985189246);
  REQUIRE(uniform.uniform() == 0.05385849861041003);
}

TEST_CASE("seed, stream and id each give another sequence", "[base][rng]") {
  std::set<std::uint64_t> firsts;
  for (const std::uint64_t seed : {1ULL, 2ULL, 1ULL << 32}) {
    for (const Stream stream : {Stream::fault_location, Stream::fault_bits}) {
      for (const std::uint64_t id : {0ULL, 1ULL, 1ULL << 32}) {
        firsts.insert(Draws(seed, stream, id).next64());
      }
    }
  }
  REQUIRE(firsts.size() == 18);
}

TEST_CASE("below 1 is always 0", "[base][rng]") {
  Draws draws(1, Stream::subset, 0);
  for (int i = 0; i < 1000; ++i) REQUIRE(draws.below(1) == 0);
}

TEST_CASE("below is inside its bound at the extremes", "[base][rng]") {
  const std::uint64_t bound = GENERATE(std::uint64_t{2}, (std::uint64_t{1} << 63) + 1,
                                       std::numeric_limits<std::uint64_t>::max());
  Draws draws(3, Stream::subset, 0);
  std::vector<std::uint64_t> halves(2);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t value = draws.below(bound);
    REQUIRE(value < bound);
    ++halves[value >= bound / 2 ? 1 : 0];
  }
  REQUIRE(chi_square(halves) < critical(2));
}

TEST_CASE("below is uniform over small bounds", "[base][rng]") {
  const std::size_t bound = GENERATE(2U, 3U, 7U, 10U, 32U, 100U);
  Draws draws(4, Stream::subset, bound);
  std::vector<std::uint64_t> counts(bound);
  for (int i = 0; i < 200'000; ++i) ++counts[draws.below(bound)];
  REQUIRE(chi_square(counts) < critical(bound));
}

TEST_CASE("below rejects what would make it biased", "[base][rng]") {
  // 2^64 numbers over 3 * 2^62 values: without rejection every third value comes twice as often.
  constexpr std::uint64_t kBound = std::uint64_t{3} << 62;
  Draws draws(5, Stream::subset, 0);
  std::vector<std::uint64_t> counts(3);
  for (int i = 0; i < 100'000; ++i) ++counts[draws.below(kBound) % 3];
  REQUIRE(chi_square(counts) < critical(3));
}

TEST_CASE("uniform is in [0, 1), a multiple of 2^-53, and flat", "[base][rng]") {
  Draws draws(6, Stream::subset, 0);
  std::vector<std::uint64_t> counts(64);
  for (int i = 0; i < 200'000; ++i) {
    const double value = draws.uniform();
    REQUIRE(value >= 0);
    REQUIRE(value < 1);
    const double scaled = std::ldexp(value, 53);
    REQUIRE(scaled == std::floor(scaled));
    ++counts[static_cast<std::size_t>(value * 64)];
  }
  REQUIRE(chi_square(counts) < critical(64));
}
