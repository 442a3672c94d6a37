#include "metrics/estimator.hpp"

#include "suite/base/rng.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

using namespace bitquake;
using namespace bitquake::metrics;

namespace {

using Strata = std::vector<Stratum>;
using Trials = std::vector<WeightedTrial>;

/// n over k for n <= 30; at most 155,117,520.
std::uint64_t choose(std::uint64_t n, std::uint64_t k) {
  if (k > n) return 0;
  std::uint64_t result = 1;
  for (std::uint64_t i = 0; i < k; ++i) result = result * (n - i) / (i + 1);
  return result;
}

/// Samples of n of N, of which K are successes, that have x successes.
std::uint64_t samples(std::uint64_t population, std::uint64_t successes, std::uint64_t n,
                      std::uint64_t x) {
  return choose(successes, x) * choose(population - successes, n - x);
}

/// All K that no tail of samples excludes, by counting samples. `tail` = numerator / denominator.
struct Range {
  std::uint64_t low, high;
};
Range enumerate(std::uint64_t k, std::uint64_t n, std::uint64_t population, std::uint64_t numerator,
                std::uint64_t denominator) {
  Range range{population, 0};
  for (std::uint64_t successes = k; successes <= population - n + k; ++successes) {
    std::uint64_t upto = 0, from = 0;
    for (std::uint64_t x = 0; x <= n; ++x) {
      if (x <= k) upto += samples(population, successes, n, x);
      if (x >= k) from += samples(population, successes, n, x);
    }
    const std::uint64_t bar = numerator * choose(population, n);
    if (upto * denominator <= bar || from * denominator <= bar) continue;
    range = {std::min(range.low, successes), std::max(range.high, successes)};
  }
  return range;
}

bool covers(const Interval& interval, double truth) {
  return interval.low <= truth + 1e-12 && truth <= interval.high + 1e-12;
}

/// Successes of n drawn without replacement.
std::uint64_t draw_without_replacement(std::uint64_t population, std::uint64_t successes,
                                       std::uint64_t n, Draws& draws) {
  std::uint64_t k = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    if (draws.below(population - i) < successes - k) ++k;
  }
  return k;
}

}  // namespace

TEST_CASE("the exact interval holds the counts that enumeration finds", "[metrics]") {
  struct Level {
    double confidence;
    std::uint64_t numerator, denominator;
  };
  const Level level = GENERATE(Level{0.95, 1, 40}, Level{0.8, 1, 10}, Level{0.99, 1, 200});
  for (std::uint64_t population = 1; population <= 30; ++population) {
    for (std::uint64_t n = 1; n <= population; ++n) {
      for (std::uint64_t k = 0; k <= n; ++k) {
        const Range want = enumerate(k, n, population, level.numerator, level.denominator);
        if (want.low > want.high) continue;  // a tie of tails at both ends cannot be told apart
        // The level as a double is a little off, which decides where a tail is exactly that level.
        const Interval got = hypergeometric_interval(k, n, population, level.confidence - 1e-12);
        CAPTURE(population, n, k, level.confidence);
        REQUIRE(std::lround(got.low * static_cast<double>(population)) ==
                static_cast<long>(want.low));
        REQUIRE(std::lround(got.high * static_cast<double>(population)) ==
                static_cast<long>(want.high));
      }
    }
  }
}

TEST_CASE("the exact interval never covers less than it says", "[metrics]") {
  const std::uint64_t population = 30;
  for (std::uint64_t n = 1; n <= population; ++n) {
    std::vector<Interval> intervals;
    for (std::uint64_t k = 0; k <= n; ++k) {
      intervals.push_back(hypergeometric_interval(k, n, population, 0.95));
    }
    for (std::uint64_t successes = 0; successes <= population; ++successes) {
      const double truth = static_cast<double>(successes) / static_cast<double>(population);
      std::uint64_t covered = 0;
      for (std::uint64_t k = 0; k <= n; ++k) {
        if (covers(intervals[k], truth)) covered += samples(population, successes, n, k);
      }
      REQUIRE(static_cast<double>(covered) >=
              0.95 * static_cast<double>(choose(population, n)) - 1e-6);
    }
  }
}

TEST_CASE("of a huge population the exact interval is Clopper and Pearson's",
          "[metrics][published]") {
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 63;
  const Interval got = hypergeometric_interval(83, 16'625, kHuge, 0.99);
  REQUIRE(got.low == Approx(.003696226).margin(5e-10));
  REQUIRE(got.high == Approx(.006580079).margin(5e-10));
  const Interval none = hypergeometric_interval(0, 1000, kHuge, 0.95);
  REQUIRE(none.low == 0.0);
  REQUIRE(none.high == Approx(.003682083897).margin(5e-13));
  const Interval all = hypergeometric_interval(1000, 1000, kHuge, 0.95);
  REQUIRE(all.low == Approx(1 - .003682083897).margin(5e-13));
  REQUIRE(all.high == 1.0);
}

TEST_CASE("a sample of a large part of the population leaves less open", "[metrics]") {
  const Interval part = hypergeometric_interval(83, 16'625, 20'000, 0.99);
  const Interval wilson = finite_wilson(83, 16'625, 20'000, 0.99);
  // sqrt((N - n) / (N - 1)) = 0.4108 of the widths .00288 and .00284 for a huge population.
  REQUIRE(part.high - part.low == Approx(0.4108 * .00288).epsilon(0.05));
  REQUIRE(wilson.high - wilson.low == Approx(0.4108 * .00284).epsilon(0.02));
}

TEST_CASE("the finite Wilson interval is Wilson's at the effective size", "[metrics]") {
  // 10 of 50 at z = 1.959964: effective size 10 * 49 / 40 = 12.25.
  // centre (0.3 + 3.841459 / 24.5) / 1.313589 = 0.347745, half
  // 1.959964 / 1.313589 * sqrt(0.21 / 12.25 + 3.841459 / 600.25) = 0.228937.
  const Interval got = finite_wilson(3, 10, 50, 0.95);
  REQUIRE(got.low == Approx(0.347745 - 0.228937).margin(2e-6));
  REQUIRE(got.high == Approx(0.347745 + 0.228937).margin(2e-6));
  const Interval huge = finite_wilson(83, 16'625, std::uint64_t{1} << 63, 0.99);
  REQUIRE(huge.low == Approx(.003768437).margin(5e-10));
  REQUIRE(huge.high == Approx(.006611474).margin(5e-10));
}

TEST_CASE("an interval of a finite population stays within what is possible", "[metrics]") {
  // One of 20 is missing: K is 10 or 11.
  const Interval got = finite_wilson(10, 19, 20, 0.999999);
  REQUIRE(got.low == 0.5);
  REQUIRE(got.high == Approx(0.55));
  for (auto* method : {&finite_wilson, &hypergeometric_interval}) {
    const Interval census = (*method)(7, 20, 20, 0.95);
    REQUIRE(census.low == 0.35);
    REQUIRE(census.high == 0.35);
    const Interval nothing = (*method)(0, 0, 20, 0.95);
    REQUIRE(nothing.low == 0.0);
    REQUIRE(nothing.high == 1.0);
    REQUIRE((*method)(0, 5, 20, 0.95).low == 0.0);
  }
}

TEST_CASE("a stratified estimate agrees with a computation by hand", "[metrics]") {
  // W = 2/9, 6/9, 1/9; p = 0.2, 0.25, 0.1; the last is a census.
  const auto got = stratified_estimate(Strata{{100, 10, 2}, {300, 20, 5}, {50, 50, 5}}, 0.95);
  REQUIRE(got);
  REQUIRE(got->p == Approx((0.4 + 1.5 + 0.1) / 9));
  // 4/81 * 0.9 * 0.16 / 9 + 36/81 * (1 - 20/300) * 0.1875 / 19
  REQUIRE(got->variance == Approx(0.000790123457 + 0.004093567251).epsilon(1e-9));
}

TEST_CASE("a stratum of one trial has the greatest variance, a census none", "[metrics]") {
  REQUIRE(stratified_estimate(Strata{{1, 1, 1}, {1, 1, 0}}, 0.95)->variance == 0.0);
  const auto one = stratified_estimate(Strata{{10, 1, 0}, {30, 30, 3}}, 0.95);
  REQUIRE(one->p == Approx(3.0 / 40));
  REQUIRE(one->variance == Approx(0.25 / 16));
  REQUIRE(one->interval.low == Approx(3.0 / 40));
  // Of the ten, one miss leaves up to nine hits possible: (10 - 9) / 10 > 0.025.
  REQUIRE(one->interval.high == Approx(12.0 / 40));
}

TEST_CASE("strata without trials leave the whole unknown, empty strata nothing", "[metrics]") {
  REQUIRE_FALSE(stratified_estimate(Strata{{10, 5, 1}, {10, 0, 0}}, 0.95));
  const auto with = stratified_estimate(Strata{{10, 5, 1}, {0, 0, 0}}, 0.95);
  const auto without = stratified_estimate(Strata{{10, 5, 1}}, 0.95);
  REQUIRE(with->p == without->p);
  REQUIRE(with->interval.high == without->interval.high);
}

TEST_CASE("strata without hits still leave an interval", "[metrics]") {
  const std::uint64_t n = GENERATE(1U, 2U, 50U);
  const auto none = stratified_estimate(Strata(10, {1000, n, 0}), 0.95);
  const auto all = stratified_estimate(Strata(10, {1000, n, n}), 0.95);
  REQUIRE(none->variance == Approx(n == 1 ? 0.025 : 0.0));
  REQUIRE(none->interval.low == 0.0);
  REQUIRE(none->interval.high > 0.001);
  REQUIRE(none->bound.high > none->interval.high);
  REQUIRE(all->interval.high == 1.0);
  REQUIRE(all->interval.low == Approx(1 - none->interval.high));
  REQUIRE(all->bound.low == Approx(1 - none->bound.high));
}

TEST_CASE("the bound of two strata gives each half of the error", "[metrics]") {
  // 1 - 0.0125^(1/1000); a census needs no share.
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 62;
  const auto got = stratified_estimate(Strata{{kHalf, 1000, 0}, {kHalf, 1000, 0}, {9, 9, 0}}, 0.95);
  REQUIRE(got->bound.low == 0.0);
  REQUIRE(got->bound.high == Approx(0.00437244).margin(5e-9));
}

TEST_CASE("only a census leaves an interval of one point", "[metrics]") {
  // One success among 1000 would be missed by 999 trials once in 1000 samples: too rarely for the
  // exact interval, but it is possible.
  REQUIRE(hypergeometric_interval(0, 999, 1000, 0.95).high == 0.0);
  const auto none = stratified_estimate(Strata{{1000, 999, 0}}, 0.95);
  REQUIRE(none->interval.low == 0.0);
  REQUIRE(none->interval.high == Approx(0.001));
  const auto all = stratified_estimate(Strata{{1000, 999, 999}}, 0.95);
  REQUIRE(all->interval.low == Approx(0.999));
  REQUIRE(all->interval.high == 1.0);
  const auto census = stratified_estimate(Strata{{1000, 1000, 3}}, 0.95);
  REQUIRE(census->interval.low == Approx(0.003));
  REQUIRE(census->interval.high == census->interval.low);
  REQUIRE(census->bound.high == census->bound.low);
}

TEST_CASE("of one stratum the intervals are the exact one", "[metrics]") {
  const auto got = stratified_estimate(Strata{{500, 60, 4}}, 0.9);
  const Interval exact = hypergeometric_interval(4, 60, 500, 0.9);
  REQUIRE(got->interval.low == Approx(exact.low));
  REQUIRE(got->interval.high == Approx(exact.high));
  REQUIRE(got->bound.low == Approx(exact.low));
  REQUIRE(got->bound.high == Approx(exact.high));
}

TEST_CASE("stratified intervals cover what they say", "[metrics][slow]") {
  /// As Stratum, with k the successes of the whole stratum.
  struct Design {
    std::string name;
    Strata strata;
  };
  std::vector<Design> designs{
      {"two fragile among twenty", Strata(18, {1000, 50, 2})},
      {"few trials in the heavy stratum", {{9000, 100, 180}, {1000, 300, 300}}},
      {"heavy stratum, hits once in two runs", {{9000, 100, 60}, {1000, 300, 300}}},
      {"two trials each", Strata(25, {20, 2, 10})},
      {"rare everywhere",
       {{10'000, 50, 100}, {10'000, 100, 100}, {10'000, 200, 100}, {10'000, 400, 100}}},
      {"large parts", {{200, 150, 20}, {300, 100, 100}, {100, 100, 50}}},
  };
  designs[0].strata.insert(designs[0].strata.end(), 2, {1000, 50, 300});
  designs[3].strata.insert(designs[3].strata.end(), 25, {20, 2, 1});
  constexpr int kRuns = 2000;
  for (const Design& design : designs) {
    double population = 0, successes = 0;
    for (const Stratum& stratum : design.strata) {
      population += static_cast<double>(stratum.population);
      successes += static_cast<double>(stratum.k);
    }
    const double truth = successes / population;
    int interval = 0, bound = 0;
    double sum = 0, squares = 0, variance = 0;
    for (std::uint64_t run = 0; run < kRuns; ++run) {
      Draws draws(2025, Stream::check_input, run);
      Strata sample = design.strata;
      for (Stratum& s : sample) s.k = draw_without_replacement(s.population, s.k, s.n, draws);
      const auto got = stratified_estimate(sample, 0.95);
      interval += covers(got->interval, truth) ? 1 : 0;
      bound += covers(got->bound, truth) ? 1 : 0;
      sum += got->p - truth;
      squares += (got->p - truth) * (got->p - truth);
      variance += got->variance;
    }
    CAPTURE(design.name, interval, bound);
    // 0.95 less 3 standard deviations of a share of the runs.
    REQUIRE(interval >= 0.935 * kRuns);
    REQUIRE(bound >= 0.95 * kRuns);
    // Without bias, and so is the variance.
    REQUIRE(std::abs(sum / kRuns) < 4.9 * std::sqrt(squares) / kRuns);
    REQUIRE(variance == Approx(squares).epsilon(0.15));
  }
}

TEST_CASE("weighted estimates agree with a computation by hand", "[metrics]") {
  const auto got = weighted_estimate(
      Trials{{0.5, true}, {2, false}, {1, true}, {0.5, true}, {2, false}}, 2, 0.95);
  REQUIRE(got.horvitz_thompson == Approx(2.0 / 5));
  REQUIRE(got.hajek == Approx(2.0 / 6));
  REQUIRE(got.effective_size == Approx(36 / 9.5));
}

TEST_CASE("with equal weights the intervals are Clopper and Pearson's and Garwood's",
          "[metrics][published]") {
  Trials trials(100, {1, false});
  for (std::size_t i = 0; i < 5; ++i) trials[i].hit = true;
  const auto got = weighted_estimate(trials, 1, 0.95);
  const Interval exact = interval(IntervalMethod::clopper_pearson, 5, 100, 0.95);
  REQUIRE(got.hajek_interval.low == Approx(exact.low));
  REQUIRE(got.hajek_interval.high == Approx(exact.high));
  REQUIRE(got.effective_size == Approx(100));
  // Garwood, Biometrika 28, 1936: 5 events leave a mean of 1.623 to 11.668.
  REQUIRE(got.horvitz_thompson_interval.low == Approx(.01623).margin(5e-6));
  REQUIRE(got.horvitz_thompson_interval.high == Approx(.11668).margin(5e-6));
}

TEST_CASE("weighted trials without hits leave room for the heaviest", "[metrics]") {
  const auto got = weighted_estimate(Trials(50, {0.5, false}), 4, 0.95);
  REQUIRE(got.horvitz_thompson_interval.low == 0.0);
  REQUIRE(got.hajek_interval.low == 0.0);
  // 4 / 50 * -ln(0.025)
  REQUIRE(got.horvitz_thompson_interval.high == Approx(0.295110).margin(1e-6));
  REQUIRE(got.hajek_interval.high > 0.3);
  REQUIRE(got.hajek_interval.high < 0.7);
}

TEST_CASE("hits and misses change places in Hajek's interval", "[metrics]") {
  Trials trials;
  for (int i = 0; i < 40; ++i) trials.push_back({1.0 + i % 3, i % 5 == 0});
  Trials opposite = trials;
  for (WeightedTrial& trial : opposite) trial.hit = !trial.hit;
  const auto one = weighted_estimate(trials, 3, 0.95);
  const auto other = weighted_estimate(opposite, 3, 0.95);
  REQUIRE(one.hajek_interval.low == Approx(1 - other.hajek_interval.high));
  REQUIRE(one.hajek_interval.high == Approx(1 - other.hajek_interval.low));
}

TEST_CASE("weighted intervals cover what they say", "[metrics][slow]") {
  /// Parts of the population that are drawn with a probability of their own.
  struct Part {
    double share, drawn, rate;
  };
  struct Design {
    std::string name;
    std::uint64_t n;
    std::vector<Part> parts;
  };
  const std::vector<Design> designs{
      {"important part drawn often", 500, {{0.1, 0.6, 0.2}, {0.9, 0.4, 0.002}}},
      {"heavy weights, rare hits", 300, {{0.9, 0.3, 0.01}, {0.1, 0.7, 0.05}}},
      {"heavy weights, half hits", 200, {{0.9, 0.3, 0.5}, {0.1, 0.7, 0.5}}},
      {"hits in what is rarely drawn", 400, {{0.5, 0.05, 0.3}, {0.5, 0.95, 0.01}}},
      {"uniform", 300, {{0.5, 0.5, 0.03}, {0.5, 0.5, 0.01}}},
      {"nearly all hits", 200, {{0.5, 0.2, 0.99}, {0.5, 0.8, 0.97}}},
  };
  constexpr int kRuns = 2000;
  for (const Design& design : designs) {
    double truth = 0, greatest = 0;
    for (const Part& part : design.parts) {
      truth += part.share * part.rate;
      greatest = std::max(greatest, part.share / part.drawn);
    }
    int first = 0, second = 0;
    double sum = 0, squares = 0;
    for (std::uint64_t run = 0; run < kRuns; ++run) {
      Draws draws(2026, Stream::check_input, run);
      Trials trials;
      for (std::uint64_t i = 0; i < design.n; ++i) {
        const Part& part = design.parts[draws.uniform() < design.parts[0].drawn ? 0 : 1];
        trials.push_back({part.share / part.drawn, draws.uniform() < part.rate});
      }
      const auto got = weighted_estimate(trials, greatest, 0.95);
      first += covers(got.horvitz_thompson_interval, truth) ? 1 : 0;
      second += covers(got.hajek_interval, truth) ? 1 : 0;
      const double error = got.horvitz_thompson - truth;
      sum += error;
      squares += error * error;
    }
    CAPTURE(design.name, first, second);
    REQUIRE(first >= 0.935 * kRuns);
    REQUIRE(second >= 0.935 * kRuns);
    REQUIRE(std::abs(sum / kRuns) < 4.9 * std::sqrt(squares) / kRuns);
  }
}
