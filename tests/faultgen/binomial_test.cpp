#include "faultgen/binomial.hpp"

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <vector>

using namespace bitquake;
using namespace bitquake::faultgen;

namespace {

constexpr Stream kStream = Stream::subset;
using Values = std::vector<std::uint64_t>;

/// A distribution of integers: P(X <= k).
using Cdf = std::function<double(double)>;

Cdf binomial_cdf(std::uint64_t n, double p) {
  return [law = boost::math::binomial(static_cast<double>(n), p)](double k) {
    return boost::math::cdf(law, k);
  };
}

/// Of Poisson's law, the limit for small p.
Cdf poisson_cdf(double mean) {
  return [mean](double k) { return boost::math::gamma_q(std::floor(k) + 1, mean); };
}

/// Of the normal law, the limit for large n p (1 - p).
Cdf normal_cdf(double mean, double sigma) {
  return [law = boost::math::normal(mean, sigma)](double k) { return boost::math::cdf(law, k); };
}

/// Whether values follow a law: Pearson's test over cells of consecutive integers that are
/// expected at least 10 times each, false alarms once in a million seeds.
bool follows(Values values, const Cdf& cdf) {
  std::sort(values.begin(), values.end());
  const auto total = static_cast<double>(values.size());
  double chi_square = 0;
  double cells = 0, below = 0, counted = 0;
  const auto close = [&](double share, double count) {
    const double expected = share * total;
    const double distance = count - expected;
    chi_square += distance * distance / expected;
    ++cells;
  };
  const auto lowest = static_cast<double>(values.front());
  const auto highest = static_cast<double>(values.back());
  const double step = std::max(1.0, std::floor((highest - lowest) / 200));
  for (double end = lowest; end < highest; end += step) {
    const double share = cdf(end) - below;
    const double rest = 1 - cdf(end);
    if (share * total < 10 || rest * total < 10) continue;
    const auto upto = static_cast<double>(
        std::upper_bound(values.begin(), values.end(), end,
                         [](double e, std::uint64_t v) { return e < static_cast<double>(v); }) -
        values.begin());
    close(share, upto - counted);
    below += share;
    counted = upto;
  }
  close(1 - below, total - counted);
  REQUIRE(cells >= 2);
  const boost::math::chi_squared distribution(cells - 1);
  return chi_square < boost::math::quantile(boost::math::complement(distribution, 1e-6));
}

Values many(std::uint64_t n, double p, std::uint64_t times) {
  Values values;
  for (std::uint64_t id = 0; id < times; ++id) {
    Draws draws(21, kStream, id);
    values.push_back(binomial(n, p, draws));
  }
  return values;
}

}  // namespace

TEST_CASE("binomial numbers follow the exact law", "[faultgen]") {
  struct Case {
    std::uint64_t n;
    double p;
  };
  const Case c =
      GENERATE(Case{1, 0.3}, Case{10, 0.5}, Case{7, 0.9}, Case{100, 0.03}, Case{1000, 1e-3},
               Case{1024, 0.5}, Case{1025, 0.5}, Case{1026, 0.5}, Case{1100, 0.5}, Case{5000, 0.5},
               Case{5001, 0.75}, Case{20'000, 0.37}, Case{1'000'000, 1e-5}, Case{1'000'000, 0.25},
               Case{1'000'000, 0.999}, Case{1'000'000'000, 3e-9}, Case{1'000'000'000, 1e-7});
  CAPTURE(c.n, c.p);
  const Values values = many(c.n, c.p, 30'000);
  REQUIRE(*std::max_element(values.begin(), values.end()) <= c.n);
  REQUIRE(follows(values, binomial_cdf(c.n, c.p)));
}

TEST_CASE("a long fair split follows the exact law closely", "[faultgen][slow]") {
  const std::uint64_t n = GENERATE(1026U, 4096U);
  REQUIRE(follows(many(n, 0.5, 1'000'000), binomial_cdf(n, 0.5)));
}

TEST_CASE("binomial numbers of the largest n follow their limits", "[faultgen]") {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 63;
  REQUIRE(follows(many(kMost, 0x1p-60, 30'000), poisson_cdf(8)));
  // The normal law differs by less than 1e-9 here.
  const double p = GENERATE(0.5, 0.3, 1e-6, 0.999);
  const auto n = static_cast<double>(kMost);
  REQUIRE(follows(many(kMost, p, 20'000), normal_cdf(n * p, std::sqrt(n * p * (1 - p)))));
}

TEST_CASE("binomial numbers have their mean and variance", "[faultgen]") {
  struct Case {
    std::uint64_t n;
    double p;
  };
  const Case c = GENERATE(Case{40, 0.1}, Case{3000, 0.5}, Case{100'000, 0.02},
                          Case{std::uint64_t{1} << 40, 1e-9}, Case{std::uint64_t{1} << 40, 0.7});
  constexpr std::uint64_t kTimes = 20'000;
  const double mean = static_cast<double>(c.n) * c.p;
  const double variance = mean * (1 - c.p);
  double sum = 0, squares = 0;
  for (const std::uint64_t value : many(c.n, c.p, kTimes)) {
    const double distance = static_cast<double>(value) - mean;
    sum += distance;
    squares += distance * distance;
  }
  CAPTURE(c.n, c.p);
  REQUIRE(std::abs(sum / kTimes) < 4.9 * std::sqrt(variance / kTimes));
  // Var((X - mean)^2) = 2 variance^2 + variance (1 - 6 p (1 - p)).
  const double spread = 2 * variance * variance + variance * (1 - 6 * c.p * (1 - c.p));
  REQUIRE(std::abs(squares / kTimes - variance) < 4.9 * std::sqrt(spread / kTimes));
}

TEST_CASE("sure and impossible events need no draws", "[faultgen]") {
  const std::uint64_t n = GENERATE(0U, 1U, 5000U);
  Draws draws(1, kStream, 0);
  REQUIRE(binomial(n, 0.0, draws) == 0);
  REQUIRE(binomial(n, 1.0, draws) == n);
  REQUIRE(binomial(0, 0.5, draws) == 0);
  REQUIRE(draws.next64() == Draws(1, kStream, 0).next64());
  REQUIRE(binomial(n, std::numeric_limits<double>::denorm_min(), draws) == 0);
  REQUIRE(binomial(n, std::numeric_limits<double>::min(), draws) == 0);
  REQUIRE(binomial(n, 1 - 0x1p-53, draws) == n);
}

TEST_CASE("binomial numbers are the same everywhere and for ever", "[faultgen][golden]") {
  Draws draws(42, kStream, 0);
  const auto next = [&](std::uint64_t n, double p) { return binomial(n, p, draws); };
  Values got;
  for (int i = 0; i < 3; ++i) got.push_back(next(100, 0.3));
  for (int i = 0; i < 3; ++i) got.push_back(next(1'000'000, 0.01));
  for (int i = 0; i < 3; ++i) got.push_back(next(std::uint64_t{1} << 63, 0.3));
  // Computed by an independent program (Python).
  REQUIRE(got == Values{28, 25, 31, 9812, 9978, 9937, 2'767'011'612'097'553'424,
                        2'767'011'614'750'059'962, 2'767'011'611'619'684'870});
  // One decision that comes out otherwise, for want of digits, changes all that follow.
  Draws splits(42, kStream, 1);
  std::uint64_t sum = 0;
  for (int i = 0; i < 50'000; ++i) sum += binomial(1026, 0.5, splits);
  REQUIRE(sum == 25'650'718);
}

TEST_CASE("positions are distinct, ascending and in range", "[faultgen]") {
  struct Case {
    std::uint64_t n, k;
  };
  const Case c = GENERATE(Case{0, 0}, Case{1, 0}, Case{1, 1}, Case{10, 10}, Case{10, 9},
                          Case{10, 5}, Case{1000, 500}, Case{1000, 999}, Case{1'000'000, 20'000},
                          Case{std::uint64_t{1} << 63, 1000});
  Draws draws(5, kStream, c.n);
  const Values got = distinct_positions(c.n, c.k, draws);
  REQUIRE(got.size() == c.k);
  REQUIRE(std::adjacent_find(got.begin(), got.end(), std::greater_equal<>()) == got.end());
  REQUIRE((got.empty() || got.back() < c.n));
}

TEST_CASE("all positions or none need no draws", "[faultgen]") {
  Draws draws(1, kStream, 0);
  REQUIRE(distinct_positions(7, 0, draws).empty());
  REQUIRE(distinct_positions(3, 3, draws) == Values{0, 1, 2});
  REQUIRE(draws.next64() == Draws(1, kStream, 0).next64());
}

TEST_CASE("every subset of positions is equally frequent", "[faultgen]") {
  const std::uint64_t k = GENERATE(1U, 2U, 3U, 4U, 5U);
  constexpr std::uint64_t kTimes = 20'000;
  std::map<Values, std::uint64_t> frequency;
  for (std::uint64_t id = 0; id < kTimes; ++id) {
    Draws draws(6, kStream, id);
    ++frequency[distinct_positions(6, k, draws)];
  }
  const std::vector<std::size_t> subsets{1, 6, 15, 20, 15, 6, 1};
  REQUIRE(frequency.size() == subsets[k]);
  const double expected = static_cast<double>(kTimes) / static_cast<double>(subsets[k]);
  double chi_square = 0;
  for (const auto& [subset, count] : frequency) {
    const double distance = static_cast<double>(count) - expected;
    chi_square += distance * distance / expected;
  }
  const boost::math::chi_squared distribution(static_cast<double>(subsets[k] - 1));
  REQUIRE(chi_square < boost::math::quantile(boost::math::complement(distribution, 1e-6)));
}

TEST_CASE("positions are the same everywhere and for ever", "[faultgen][golden]") {
  Draws draws(42, kStream, 0);
  // Computed by an independent program (Python).
  REQUIRE(distinct_positions(1000, 5, draws) == Values{379, 670, 692, 701, 728});
  REQUIRE(distinct_positions(8, 6, draws) == Values{1, 2, 3, 4, 5, 6});
  REQUIRE(distinct_positions(std::uint64_t{1} << 63, 2, draws) ==
          Values{6'827'117'241'778'023'105, 8'987'918'049'610'524'437U});
}
