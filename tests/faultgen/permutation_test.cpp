#include "faultgen/permutation.hpp"

#include <boost/math/distributions/chi_squared.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

using namespace bitquake;
using namespace bitquake::faultgen;

namespace {

constexpr Stream kStream = Stream::subset;
using Values = std::vector<std::uint64_t>;

/// The first k values.
Values first(const Permutation& order, std::uint64_t k) {
  Values values;
  for (std::uint64_t i = 0; i < k; ++i) values.push_back(order.permute(i));
  return values;
}

bool is_bijection(const Permutation& order) {
  std::vector<bool> seen(order.size());
  for (std::uint64_t i = 0; i < order.size(); ++i) {
    const std::uint64_t value = order.permute(i);
    if (value >= order.size() || seen[value]) return false;
    seen[value] = true;
  }
  return true;
}

/// Whether counts are of equally likely cells: Pearson's test, false alarms once in a million
/// seeds.
bool is_uniform(const std::vector<std::uint64_t>& counts) {
  double total = 0;
  for (const auto count : counts) total += static_cast<double>(count);
  const double expected = total / static_cast<double>(counts.size());
  REQUIRE(expected >= 5);
  double chi_square = 0;
  for (const auto count : counts) {
    const double distance = static_cast<double>(count) - expected;
    chi_square += distance * distance / expected;
  }
  const boost::math::chi_squared distribution(static_cast<double>(counts.size() - 1));
  return chi_square < boost::math::quantile(boost::math::complement(distribution, 1e-6));
}

std::uint64_t cycles_of(const Permutation& order) {
  std::vector<bool> seen(order.size());
  std::uint64_t cycles = 0;
  for (std::uint64_t i = 0; i < order.size(); ++i) {
    if (seen[i]) continue;
    ++cycles;
    for (std::uint64_t at = i; !seen[at]; at = order.permute(at)) seen[at] = true;
  }
  return cycles;
}

}  // namespace

TEST_CASE("every value has one place", "[faultgen]") {
  for (std::uint64_t n = 1; n <= 600; ++n) REQUIRE(is_bijection({n, 7, kStream, n}));
  for (std::uint64_t n = 601; n <= 5000; n += 53) REQUIRE(is_bijection({n, 8, kStream, n}));
  for (const std::uint64_t n : {1023U, 1024U, 1025U, 4095U, 4096U, 4097U, 4900U, 5000U}) {
    REQUIRE(is_bijection({n, 9, kStream, 0}));
  }
  REQUIRE(is_bijection({65'536, 1, kStream, 0}));
  REQUIRE(is_bijection({1'000'000, 1, kStream, 0}));
}

TEST_CASE("values of a huge permutation are distinct, in range and everywhere", "[faultgen]") {
  constexpr std::uint64_t kPlaces = 50'000;
  const std::uint64_t n =
      GENERATE(as<std::uint64_t>{}, Permutation::kMaxSize, Permutation::kMaxSize - 1,
               (std::uint64_t{1} << 62) + 1, 3'037'000'499ULL * 3'037'000'499);
  const Permutation order(n, 3, kStream, 5);
  std::set<std::uint64_t> values;
  std::vector<std::uint64_t> sixteenths(16), low_bits(16);
  for (std::uint64_t i = 0; i < kPlaces; ++i) {
    const std::uint64_t value = order.permute(n - kPlaces + i);
    REQUIRE(value < n);
    values.insert(value);
    ++sixteenths[value / (n / 16 + 1)];
    ++low_bits[value % 16];
  }
  REQUIRE(values.size() == kPlaces);
  REQUIRE(is_uniform(sixteenths));
  REQUIRE(is_uniform(low_bits));
}

TEST_CASE("seed, stream and id all decide a permutation", "[faultgen]") {
  const std::uint64_t n = GENERATE(200U, 10'000U);
  const auto values = [&](std::uint64_t seed, Stream stream, std::uint64_t id) {
    return first({n, seed, stream, id}, 100);
  };
  const Values one = values(1, kStream, 1);
  REQUIRE(one == values(1, kStream, 1));
  REQUIRE(one != values(2, kStream, 1));
  REQUIRE(one != values(1, Stream::audit, 1));
  REQUIRE(one != values(1, kStream, 2));
  REQUIRE(one != values(std::uint64_t{1} << 32, kStream, 1));
  REQUIRE(one != values(1, kStream, (std::uint64_t{1} << 32) + 1));
}

TEST_CASE("all orders of five are equally frequent", "[faultgen]") {
  std::map<Values, std::uint64_t> frequency;
  for (std::uint64_t id = 0; id < 60'000; ++id) ++frequency[first({5, 11, kStream, id}, 5)];
  REQUIRE(frequency.size() == 120);
  std::vector<std::uint64_t> counts;
  for (const auto& [order, count] : frequency) counts.push_back(count);
  REQUIRE(is_uniform(counts));
}

TEST_CASE("values at three places of a Feistel network are as of a random order", "[faultgen]") {
  // 270 = 18 x 15 without, 257 = 18 x 15 with values to go through the network again.
  const std::uint64_t n = GENERATE(257U, 270U, 1000U);
  const std::vector<std::uint64_t> places{0, 1, 18};  // 0 and 1 share one half, 0 and 18 the other
  constexpr std::uint64_t kKeys = 40'000;
  std::vector<std::vector<std::uint64_t>> values(3, std::vector<std::uint64_t>(n));
  std::vector<std::uint64_t> differences(n - 1), other_differences(n - 1);
  for (std::uint64_t id = 0; id < kKeys; ++id) {
    const Permutation order(n, 12, kStream, id);
    Values got;
    for (std::size_t i = 0; i < places.size(); ++i) {
      got.push_back(order.permute(places[i]));
      ++values[i][got[i]];
    }
    // Differences of distinct uniform values are uniform in [1, n) modulo n.
    ++differences[(got[0] + n - got[1]) % n - 1];
    ++other_differences[(got[0] + n - got[2]) % n - 1];
  }
  for (const auto& counts : values) REQUIRE(is_uniform(counts));
  REQUIRE(is_uniform(differences));
  REQUIRE(is_uniform(other_differences));
}

TEST_CASE("cycles and parity of a Feistel network are those of random orders", "[faultgen]") {
  constexpr std::uint64_t kKeys = 4000;
  const std::uint64_t n = GENERATE(257U, 270U, 361U);  // 361 = 19 x 19
  double cycles = 0;
  std::vector<std::uint64_t> parity(2);
  for (std::uint64_t id = 0; id < kKeys; ++id) {
    const std::uint64_t count = cycles_of({n, 13, kStream, id});
    cycles += static_cast<double>(count);
    ++parity[(n - count) % 2];
  }
  // The number of cycles has mean sum 1/i and variance sum (1/i - 1/i^2).
  double mean = 0, variance = 0;
  for (std::uint64_t i = 1; i <= n; ++i) {
    const double share = 1 / static_cast<double>(i);
    mean += share;
    variance += share - share * share;
  }
  REQUIRE(std::abs(cycles / kKeys - mean) < 4.9 * std::sqrt(variance / kKeys));
  REQUIRE(is_uniform(parity));
}

TEST_CASE("permutations are the same everywhere and for ever", "[faultgen][golden]") {
  // Computed by an independent program (Python).
  REQUIRE(first({5, 42, kStream, 0}, 5) == Values{0, 4, 2, 1, 3});
  REQUIRE(first({1000, 42, kStream, 0}, 5) == Values{593, 157, 350, 345, 999});
  REQUIRE(first({1'000'003, 42, kStream, 1}, 5) ==
          Values{698'631, 923'381, 69'504, 755'217, 664'499});
  REQUIRE(first({Permutation::kMaxSize, 42, kStream, 0}, 3) ==
          Values{9'037'264'782'490'415'915U, 8'236'229'800'550'183'305, 217'422'155'364'854'172});
}
