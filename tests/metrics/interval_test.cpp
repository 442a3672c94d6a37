#include "metrics/interval.hpp"

#include "suite/base/rng.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace bitquake;
using namespace bitquake::metrics;

namespace {

constexpr auto kWilson = IntervalMethod::wilson;
constexpr auto kExact = IntervalMethod::clopper_pearson;
constexpr auto kJeffreys = IntervalMethod::jeffreys;

/// Half a unit of the last digit given.
struct Digits {
  double value, precision;
};
struct Vector {
  IntervalMethod method;
  std::uint64_t k, n;
  double confidence;
  Digits low, high;
};

ClusterSums sums_of(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& clusters) {
  ClusterSums sums;
  for (const auto& [y, m] : clusters) sums.add(y, m);
  return sums;
}

}  // namespace

TEST_CASE("binomial intervals agree with high-precision values", "[metrics][published]") {
  const std::vector<Vector> vectors{
      {kWilson, 0, 10, 0.95, {0, 0}, {.2775327999, 5e-11}},
      {kExact, 0, 10, 0.95, {0, 0}, {.3084971078, 5e-11}},
      {kJeffreys, 0, 10, 0.95, {0, 0}, {.2171962675, 5e-11}},
      {kWilson, 1, 10, 0.95, {.0178762131, 5e-11}, {.4041500268, 5e-11}},
      {kExact, 1, 10, 0.95, {.002528578544, 5e-13}, {.445016117, 5e-10}},
      {kJeffreys, 1, 10, 0.95, {.01101167376, 5e-12}, {.3813147711, 5e-11}},
      {kWilson, 5, 10, 0.95, {.2365930905, 5e-11}, {.7634069095, 5e-11}},
      {kExact, 5, 10, 0.95, {.1870860284, 5e-11}, {.8129139716, 5e-11}},
      {kJeffreys, 5, 10, 0.95, {.2235286703, 5e-11}, {.7764713297, 5e-11}},
      {kWilson, 15, 1000, 0.95, {.009110978804, 5e-13}, {.02460097693, 5e-12}},
      {kExact, 15, 1000, 0.95, {.00841904975, 5e-12}, {.0246197001, 5e-11}},
      {kJeffreys, 15, 1000, 0.95, {.008794647205, 5e-13}, {.02399997515, 5e-12}},
      {kWilson, 0, 1000, 0.95, {0, 0}, {.003826758486, 5e-13}},
      {kExact, 0, 1000, 0.95, {0, 0}, {.003682083897, 5e-13}},
      {kJeffreys, 0, 1000, 0.95, {0, 0}, {.002508164341, 5e-13}},
      {kWilson, 3, 1000, 0.99, {.0007581012311, 5e-14}, {.01179351668, 5e-12}},
      {kExact, 3, 1000, 0.99, {.0003381445291, 5e-14}, {.01093377742, 5e-12}},
      {kJeffreys, 3, 1000, 0.99, {.0004951245439, 5e-14}, {.01010022159, 5e-12}},
      {kWilson, 0, 16625, 0.99, {0, 0}, {.0003989323, 5e-11}},
      {kExact, 0, 16625, 0.99, {0, 0}, {.0003186450, 5e-11}},
      {kJeffreys, 0, 16625, 0.99, {0, 0}, {.0002369440, 5e-11}},
      {kWilson, 1, 16625, 0.99, {7.062e-6, 5e-10}, {5.1212e-4, 5e-9}},
      {kExact, 1, 16625, 0.99, {3.015e-7, 5e-11}, {4.4684e-4, 5e-9}},
      {kWilson, 83, 16625, 0.99, {.003768437, 5e-10}, {.006611474, 5e-10}},
      {kExact, 83, 16625, 0.99, {.003696226, 5e-10}, {.006580079, 5e-10}},
      {kJeffreys, 83, 16625, 0.99, {.003722081, 5e-10}, {.006545811, 5e-10}},
  };
  for (const Vector& v : vectors) {
    CAPTURE(name_of(kIntervalMethods, v.method), v.k, v.n, v.confidence);
    const Interval got = interval(v.method, v.k, v.n, v.confidence);
    REQUIRE(std::abs(got.low - v.low.value) <= v.low.precision);
    REQUIRE(std::abs(got.high - v.high.value) <= v.high.precision);
  }
}

TEST_CASE("the Wilson interval agrees with Newcombe 1998, table I", "[metrics][published]") {
  const Interval got = interval(kWilson, 81, 263, 0.95);
  REQUIRE(got.low == Approx(0.2553).margin(5e-5));
  REQUIRE(got.high == Approx(0.3662).margin(5e-5));
}

TEST_CASE("an interval's ends are exact at no and at all successes", "[metrics]") {
  const auto method = GENERATE(kWilson, kExact, kJeffreys);
  const std::uint64_t n = GENERATE(1U, 7U, 1000U, 10'000'000U);
  const Interval none = interval(method, 0, n, 0.95);
  const Interval all = interval(method, n, n, 0.95);
  REQUIRE(none.low == 0.0);
  REQUIRE(all.high == 1.0);
  REQUIRE(none.high + all.low == Approx(1.0));
  REQUIRE(none.high < 1.0);
}

TEST_CASE("no trials say nothing", "[metrics]") {
  const Interval got = interval(GENERATE(kWilson, kExact, kJeffreys), 0, 0, 0.95);
  REQUIRE(got.low == 0.0);
  REQUIRE(got.high == 1.0);
}

TEST_CASE("clustered intervals agree with high-precision values", "[metrics]") {
  // Computed from the formulas by an independent program with 30 digits.
  const ClusterSums uneven = sums_of({{2, 2},
                                      {0, 2},
                                      {1, 3},
                                      {3, 3},
                                      {0, 1},
                                      {0, 4},
                                      {4, 4},
                                      {1, 2},
                                      {0, 2},
                                      {0, 3},
                                      {2, 2},
                                      {0, 2}});
  const ClusterSums equal =
      sums_of(std::vector<std::pair<std::uint64_t, std::uint64_t>>(12, {1, 2}));
  std::vector<std::pair<std::uint64_t, std::uint64_t>> blank(10, {0, 3});
  blank.insert(blank.end(), 10, {0, 1});
  const ClusterSums none = sums_of(blank);
  struct Case {
    const ClusterSums& sums;
    IntervalMethod method;
    double low, high;
  };
  for (const Case& c : {
           Case{uneven, kWilson, 0.181557566063, 0.724980413163},  // deff 2.6419
           Case{uneven, kExact, 0.130238743657, 0.779738053894},
           Case{uneven, kJeffreys, 0.165575207735, 0.737053743646},
           Case{equal, kWilson, 0.295092974871, 0.704907025129},  // deff 0, counts as 1
           Case{equal, kExact, 0.266470405325, 0.733529594675},
           Case{equal, kJeffreys, 0.288797347333, 0.711202652667},
           Case{none, kWilson, 0, 0.214945463659},  // n_eff 16
           Case{none, kExact, 0, 0.231198050384},
           Case{none, kJeffreys, 0, 0.161239775529},
       }) {
    CAPTURE(c.low, c.high);
    const auto got = clustered_interval(c.method, c.sums, 0.95);
    REQUIRE(got);
    REQUIRE(got->low == Approx(c.low).epsilon(1e-10));
    REQUIRE(got->high == Approx(c.high).epsilon(1e-10));
  }
}

TEST_CASE("all hits mirror no hits in a clustered interval", "[metrics]") {
  const auto method = GENERATE(kWilson, kExact, kJeffreys);
  using Clusters = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  const auto none = clustered_interval(method, sums_of(Clusters(30, {0, 3})), 0.95);
  const auto all = clustered_interval(method, sums_of(Clusters(30, {3, 3})), 0.95);
  REQUIRE(none->low == 0.0);
  REQUIRE(all->high == 1.0);
  REQUIRE(none->high == Approx(1 - all->low));
}

TEST_CASE("fewer than ten clusters give no interval", "[metrics]") {
  using Clusters = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  REQUIRE_FALSE(clustered_interval(kWilson, sums_of(Clusters(9, {1, 5})), 0.95));
  REQUIRE(clustered_interval(kWilson, sums_of(Clusters(10, {1, 5})), 0.95));
}

TEST_CASE("the clustered interval covers where the plain one does not", "[metrics][slow]") {
  // 300 samples of 5 trials; a tenth of the samples is fragile (0.9), the others robust (0.02).
  constexpr double kTruth = 0.1 * 0.9 + 0.9 * 0.02;
  constexpr int kRuns = 1000;
  int plain = 0;
  int clustered = 0;
  const auto covers = [](const Interval& i) { return i.low <= kTruth && kTruth <= i.high; };
  for (std::uint64_t run = 0; run < kRuns; ++run) {
    Draws draws(2024, Stream::check_input, run);
    ClusterSums sums;
    for (int sample = 0; sample < 300; ++sample) {
      const double p = draws.uniform() < 0.1 ? 0.9 : 0.02;
      std::uint64_t hits = 0;
      for (int trial = 0; trial < 5; ++trial) hits += draws.uniform() < p ? 1 : 0;
      sums.add(hits, 5);
    }
    plain += covers(interval(kWilson, sums.k, sums.n, 0.95)) ? 1 : 0;
    clustered += covers(*clustered_interval(kWilson, sums, 0.95)) ? 1 : 0;
  }
  CAPTURE(plain, clustered);
  REQUIRE(clustered >= 930);
  REQUIRE(plain < 800);
}

TEST_CASE("two-way intervals agree with high-precision values", "[metrics]") {
  // Full tables of samples x faults; values from the formulas over the whole table by an
  // independent program with 30 digits.
  struct Case {
    std::uint64_t samples, faults;
    bool (*hit)(std::uint64_t sample, std::uint64_t fault);
    std::uint64_t k;
    Interval by_sample, by_fault, both;
  };
  for (const Case& c : {
           // Nothing is alike: the fewer clusters' degrees of freedom decide.
           Case{12,
                11,
                [](auto s, auto f) { return (5 * s + 7 * f) % 12 < s % 4 + f % 3; },
                25,
                {0.1258529350888, 0.2749260624813},
                {0.1252099600773, 0.2760952066786},
                {0.1252099600773, 0.2760952066786}},
           // Two of twelve faults carry all hits: 7.1 degrees of freedom instead of 11.
           Case{20,
                12,
                [](auto s, auto f) { return (f == 2 || f == 7) && s % 5 != 0; },
                32,
                {0.0939209359925, 0.1858914051122},
                {0.02888807274063, 0.4430997010062},
                {0.02888807274063, 0.4430997010062}},
           // Samples and faults both decide: wider than either alone.
           Case{15,
                16,
                [](auto s, auto f) { return s % 3 == 0 || f % 4 == 0; },
                120,
                {0.312178814484, 0.687821185516},
                {0.3485903441489, 0.6514096558511},
                {0.2773752950461, 0.7226247049539}},
       }) {
    CAPTURE(c.samples, c.faults);
    ClusterSums by_sample, by_fault;
    for (std::uint64_t s = 0; s < c.samples; ++s) {
      std::uint64_t hits = 0;
      for (std::uint64_t f = 0; f < c.faults; ++f) hits += c.hit(s, f) ? 1 : 0;
      by_sample.add(hits, c.faults);
    }
    for (std::uint64_t f = 0; f < c.faults; ++f) {
      std::uint64_t hits = 0;
      for (std::uint64_t s = 0; s < c.samples; ++s) hits += c.hit(s, f) ? 1 : 0;
      by_fault.add(hits, c.samples);
    }
    REQUIRE(by_sample.k == c.k);
    const auto close = [](const std::optional<Interval>& got, const Interval& expected) {
      REQUIRE(got);
      REQUIRE(got->low == Approx(expected.low).epsilon(1e-10));
      REQUIRE(got->high == Approx(expected.high).epsilon(1e-10));
    };
    close(clustered_interval(kWilson, by_sample, 0.95), c.by_sample);
    close(clustered_interval(kWilson, by_fault, 0.95), c.by_fault);
    close(two_way_interval(kWilson, by_sample, by_fault, 0.95), c.both);
  }
}

TEST_CASE("two-way intervals need ten clusters of either kind", "[metrics]") {
  const auto sums = [](std::uint64_t clusters, std::uint64_t trials) {
    ClusterSums all;
    for (std::uint64_t i = 0; i < clusters; ++i) all.add(i % 2 == 0 ? trials : 0, trials);
    return all;
  };
  REQUIRE(two_way_interval(kWilson, sums(20, 10), sums(10, 20), 0.95));
  REQUIRE_FALSE(two_way_interval(kWilson, sums(18, 8), sums(8, 18), 0.95));
  REQUIRE_FALSE(two_way_interval(kWilson, sums(8, 18), sums(18, 8), 0.95));
}
