#include "metrics/paired.hpp"

#include "suite/base/rng.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <vector>

using namespace bitquake;
using namespace bitquake::metrics;

namespace {

void require_interval(const std::optional<Interval>& found, double low, double high,
                      double margin = 5e-5) {
  REQUIRE(found);
  REQUIRE(found->low == Approx(low).margin(margin));
  REQUIRE(found->high == Approx(high).margin(margin));
}

/// `count` clusters of `m` pairs each, the first of which add up to `sums`, the others to 0.
PairedSums sums_of(const std::vector<std::int64_t>& sums, std::uint64_t count, std::uint64_t m) {
  PairedSums all;
  for (std::uint64_t i = 0; i < count; ++i) all.add(i < sums.size() ? sums[i] : 0, m);
  return all;
}

}  // namespace

TEST_CASE("paired intervals are the published ones", "[metrics][published]") {
  // Newcombe, Statistics in Medicine 17(22), 1998, 2635-2650, method 10, the examples.
  require_interval(paired_interval({36, 12, 2, 0}, 0.95), 0.0569, 0.3404);
  require_interval(paired_interval({36, 14, 0, 0}, 0.95), 0.1528, 0.4167);
  require_interval(paired_interval({0, 30, 0, 0}, 0.95), 0.8395, 1.0000);
  require_interval(paired_interval({54, 0, 0, 0}, 0.95), -0.0664, 0.0664);
  // Fagerland, Lydersen and Laake, Statistical Analysis of Contingency Tables, 2017, chapter 8:
  // complete response before and after a therapy, as their package contingencytables has it (with
  // four digits), and hyper-responsive airways before and after a transplantation.
  require_interval(paired_interval({59, 6, 16, 80}, 0.95), -0.1186, -0.0046);
  require_interval(paired_interval({1, 1, 7, 12}, 0.95), -0.507, -0.026, 5e-4);
}

TEST_CASE("a paired interval is worked out by hand", "[metrics]") {
  // p1 = p2 = 1/2 of 4 pairs, without correlation: Wilson's ends 0.5 -+ 0.349961 (z = 1.959964:
  // z sqrt(1/16 + z^2/64) / (1 + z^2/4)), joined sqrt(2) * 0.349961.
  require_interval(paired_interval({1, 1, 1, 1}, 0.95), -0.494920, 0.494920, 1e-5);
  REQUIRE(Pairs{36, 12, 2, 0}.difference() == 0.2);
  // The conditions' order is the sign.
  const Interval a = paired_interval({5, 9, 2, 30}, 0.9), b = paired_interval({5, 2, 9, 30}, 0.9);
  REQUIRE(a.low == Approx(-b.high));
  REQUIRE(a.high == Approx(-b.low));
}

TEST_CASE("McNemar's test gives the published p-values", "[metrics][published]") {
  // Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13:91, 2013, table 1: airway
  // hyper-responsiveness of 21 children; 2 (1 + 8) / 2^8, and 8 / 2^8 less.
  const McNemar found = mcnemar({1, 1, 7, 12});
  REQUIRE(found.exact == Approx(0.0703125).epsilon(1e-13));
  REQUIRE(found.mid_p == Approx(0.0390625).epsilon(1e-13));
}

TEST_CASE("McNemar's test is worked out by hand", "[metrics]") {
  REQUIRE(mcnemar({5, 0, 0, 9}).exact == 1);
  REQUIRE(mcnemar({5, 0, 0, 9}).mid_p == 1);
  REQUIRE(mcnemar({}).exact == 1);
  // 2 and 2: C(4, 2) / 2^4 = 3/8.
  REQUIRE(mcnemar({0, 2, 2, 0}).exact == 1);
  REQUIRE(mcnemar({0, 2, 2, 0}).mid_p == Approx(1 - 0.1875));
  // 2 and 3: twice (1 + 5 + 10) / 32 is 1; less 10 / 32.
  REQUIRE(mcnemar({0, 3, 2, 0}).exact == Approx(1));
  REQUIRE(mcnemar({0, 3, 2, 0}).mid_p == Approx(0.6875));
  // 0 and 10, either way round, whatever the pairs that agree: 2 / 2^10, and half of it.
  for (const Pairs& pairs : {Pairs{0, 10, 0, 0}, Pairs{700, 0, 10, 9}}) {
    REQUIRE(mcnemar(pairs).exact == Approx(0x1p-9).epsilon(1e-12));
    REQUIRE(mcnemar(pairs).mid_p == Approx(0x1p-10).epsilon(1e-12));
  }
  // Far out p is small, not 0: 2 / 2^1000.
  REQUIRE(mcnemar({0, 1000, 0, 0}).exact == Approx(0x1p-999).epsilon(1e-9));
}

TEST_CASE("a clustered paired interval is worked out by hand", "[metrics]") {
  // 12 clusters of 2 pairs with D = 1, 1, 1, -1, 0, …: mean 2/24; sum u^2 = 3 (5/6)^2 + (7/6)^2 +
  // 8 (1/6)^2 = 11/3; variance 12/11 * 11/3 / 24^2 = 1/144; t(11) = 2.200985.
  const PairedSums sums = sums_of({1, 1, 1, -1}, 12, 2);
  const Pairs pairs{4, 3, 1, 16};
  require_interval(clustered_paired_interval(pairs, sums, 0.95), -0.100082, 0.266749, 1e-6);
  REQUIRE_FALSE(clustered_paired_interval({0, 1, 0, 17}, sums_of({1}, 9, 2), 0.95));
}

TEST_CASE("without differences a cluster counts as one pair", "[metrics]") {
  // 54 clusters of 3 pairs that never differ: as 54 pairs.
  require_interval(clustered_paired_interval({162, 0, 0, 0}, sums_of({}, 54, 3), 0.95), -0.0664,
                   0.0664);
  // Differences that are all alike have no variance either.
  require_interval(clustered_paired_interval(
                       {0, 90, 0, 0}, sums_of(std::vector<std::int64_t>(30, 3), 30, 3), 0.95),
                   0.8395, 1.0000);
}

TEST_CASE("without differences the fewer of samples and faults count", "[metrics]") {
  // 18 pairs that never differ: 1 - 18 / (18 + z^2) to both sides.
  const PairedSums many = sums_of({}, 54, 3), few = sums_of({}, 18, 9);
  require_interval(two_way_paired_interval({162, 0, 0, 0}, many, few, 0.95), -0.175879, 0.175879,
                   1e-6);
  require_interval(two_way_paired_interval({162, 0, 0, 0}, few, many, 0.95), -0.175879, 0.175879,
                   1e-6);
}

TEST_CASE("independent pairs need no clusters", "[metrics]") {
  const Pairs pairs{36, 12, 2, 0};
  std::vector<std::int64_t> sums(12, 1);
  sums.insert(sums.end(), 2, -1);
  const PairedSums single = sums_of(sums, 50, 1);
  REQUIRE(single.independent());
  require_interval(clustered_paired_interval(pairs, single, 0.95), 0.0569, 0.3404);
  require_interval(two_way_paired_interval(pairs, single, single, 0.95), 0.0569, 0.3404);
}

TEST_CASE("two-way paired intervals are worked out by hand", "[metrics]") {
  // 10 samples x 10 faults; fault 0 has d = 1 on all samples, everything else 0. By fault: D = 10
  // once, mean 0.1, sum u^2 = 81 + 9 = 90; variance 10/9 * 90 / 100^2 = 0.01. By sample: D = 1
  // each, u = 0. Every pair on its own: sum u^2 = 10 * 0.81 + 90 * 0.01 = 9; 100/99 * 9 / 100^2 =
  // 1/1100. The sum, 0.01 + 0 - 1/1100, is under 0.01, which counts. t(9) = 2.262157.
  const PairedSums samples = sums_of(std::vector<std::int64_t>(10, 1), 10, 10);
  const PairedSums faults = sums_of({10}, 10, 10);
  require_interval(two_way_paired_interval({0, 10, 0, 90}, samples, faults, 0.95), -0.126216,
                   0.326216, 1e-6);
  REQUIRE_FALSE(two_way_paired_interval({0, 10, 0, 71}, sums_of({1}, 9, 9), faults, 0.95));
}

TEST_CASE("paired intervals of clustered trials hold the difference as often as they say",
          "[metrics][property]") {
  // 40 samples of 5 trials; a fifth of the samples is fragile, and more so when perturbed.
  int held = 0;
  constexpr int kRuns = 1000;
  const double truth = 0.2 * (0.6 - 0.3) + 0.8 * (0.05 - 0.02);
  for (std::uint64_t run = 0; run < kRuns; ++run) {
    Draws draws(1, Stream::check_input, run);
    Pairs pairs;
    PairedSums sums;
    for (int sample = 0; sample < 40; ++sample) {
      const bool fragile = draws.uniform() < 0.2;
      std::int64_t d = 0;
      for (int i = 0; i < 5; ++i) {
        const double u = draws.uniform();  // common: what hits clean hits perturbed as well
        const bool first = u < (fragile ? 0.6 : 0.05), second = u < (fragile ? 0.3 : 0.02);
        ++(first    ? second ? pairs.both : pairs.first_only
           : second ? pairs.second_only
                    : pairs.neither);
        d += static_cast<int>(first) - static_cast<int>(second);
      }
      sums.add(d, 5);
    }
    const auto found = clustered_paired_interval(pairs, sums, 0.95);
    if (found->low <= truth && truth <= found->high) ++held;
  }
  REQUIRE(held > 0.92 * kRuns);
  REQUIRE(held < 0.98 * kRuns);
}
