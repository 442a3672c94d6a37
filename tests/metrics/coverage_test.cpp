#include "metrics/interval.hpp"
#include "suite/base/rng.hpp"

#include <boost/math/special_functions/erf.hpp>
#include <catch2/catch.hpp>

#include <cmath>
#include <vector>

/// Whether intervals hold the true rate as often as they say, on data whose true rate is known.
/// Settings in which they do not are in suite/assumptions.md (A8).

using namespace bitquake;
using namespace bitquake::metrics;

namespace {

constexpr auto kWilson = IntervalMethod::wilson;

/// How often intervals held the truth. The standard error of a share near 95 % of 1,000 runs is
/// 0.7 %.
class Coverage {
 public:
  explicit Coverage(double truth) : truth_(truth) {}
  void add(const Interval& interval) {
    held_ += interval.low <= truth_ && truth_ <= interval.high ? 1 : 0;
    ++runs_;
  }
  double share() const { return static_cast<double>(held_) / static_cast<double>(runs_); }

 private:
  double truth_;
  int held_ = 0, runs_ = 0;
};

struct OneWay {
  int groups, trials;     ///< trials of a group
  double rate, likeness;  ///< likeness: correlation of two trials of a group, in (0, 1)
};

/// Beta-binomial by Polya's urn: group rates follow a beta distribution, whatever the number of
/// trials.  Source: Johnson, Kemp and Kotz, "Univariate discrete distributions", Wiley 2005, 6.2.2.
ClusterSums beta_binomial(const OneWay& s, Draws& draws) {
  const double weight = (1 - s.likeness) / s.likeness;
  ClusterSums sums;
  for (int group = 0; group < s.groups; ++group) {
    std::uint64_t hits = 0;
    for (int trial = 0; trial < s.trials; ++trial) {
      const double drawn = static_cast<double>(hits);
      hits += draws.uniform() < (s.rate * weight + drawn) / (weight + trial) ? 1 : 0;
    }
    sums.add(hits, static_cast<std::uint64_t>(s.trials));
  }
  return sums;
}

double standard_normal(Draws& draws) {
  return std::sqrt(2.0) * boost::math::erf_inv(2 * draws.uniform() - 1 + 1e-16);
}

struct TwoWay {
  int faults, samples;
  double rate, by_fault, by_sample;  ///< shares of the variance of a trial's margin
};

struct Crossed {
  ClusterSums by_sample, by_fault;
};

/// Every fault meets every sample. A trial hits when its margin falls short: the sum of a part of
/// the fault, one of the sample and one of its own, normal and of variance 1 together.
Crossed crossed_margins(const TwoWay& s, Draws& draws) {
  const double threshold = -std::sqrt(2.0) * boost::math::erfc_inv(2 * s.rate);
  std::vector<double> of_sample(static_cast<std::size_t>(s.samples));
  for (double& part : of_sample) part = std::sqrt(s.by_sample) * standard_normal(draws);
  const double own = std::sqrt(1 - s.by_fault - s.by_sample);
  std::vector<std::uint64_t> hits_of_sample(of_sample.size());
  Crossed crossed;
  for (int fault = 0; fault < s.faults; ++fault) {
    const double of_fault = std::sqrt(s.by_fault) * standard_normal(draws);
    std::uint64_t hits = 0;
    for (std::size_t i = 0; i < of_sample.size(); ++i) {
      const bool hit = of_fault + of_sample[i] + own * standard_normal(draws) < threshold;
      hits += hit ? 1 : 0;
      hits_of_sample[i] += hit ? 1 : 0;
    }
    crossed.by_fault.add(hits, of_sample.size());
  }
  for (const std::uint64_t hits : hits_of_sample) {
    crossed.by_sample.add(hits, static_cast<std::uint64_t>(s.faults));
  }
  return crossed;
}

}  // namespace

TEST_CASE("intervals by fault hold the true rate in 93 to 97 % of campaigns",
          "[metrics][coverage]") {
  for (const OneWay& s : std::vector<OneWay>{{10, 100, 0.5, 0.2},
                                             {20, 100, 0.2, 0.05},
                                             {20, 20, 0.2, 0.5},
                                             {50, 20, 0.05, 0.2},
                                             {100, 10, 0.02, 0.2},
                                             {100, 100, 0.05, 0.5},
                                             {200, 20, 0.02, 0.5},
                                             {200, 20, 0.5, 0.9}}) {
    CAPTURE(s.groups, s.trials, s.rate, s.likeness);
    Coverage clustered(s.rate), plain(s.rate);
    for (std::uint64_t run = 0; run < 1000; ++run) {
      Draws draws(1, Stream::check_input, run);
      const ClusterSums sums = beta_binomial(s, draws);
      clustered.add(*clustered_interval(kWilson, sums, 0.95));
      plain.add(interval(kWilson, sums.k, sums.n, 0.95));
    }
    CAPTURE(clustered.share(), plain.share());
    REQUIRE(clustered.share() >= 0.93);
    REQUIRE(clustered.share() <= 0.97);
    REQUIRE(plain.share() < 0.85);
  }
}

TEST_CASE("intervals by fault and sample hold the true rate in 93 to 97 % of campaigns",
          "[metrics][coverage]") {
  for (const TwoWay& s : std::vector<TwoWay>{{20, 50, 0.3, 0.3, 0.3},
                                             {50, 50, 0.3, 0.1, 0.7},
                                             {50, 50, 0.05, 0.3, 0.3},
                                             {100, 20, 0.3, 0.3, 0.3},
                                             {100, 40, 0.05, 0.7, 0.1}}) {
    CAPTURE(s.faults, s.samples, s.rate, s.by_fault, s.by_sample);
    Coverage two_way(s.rate), by_fault(s.rate), by_sample(s.rate), plain(s.rate);
    for (std::uint64_t run = 0; run < 500; ++run) {
      Draws draws(2, Stream::check_input, run);
      const Crossed sums = crossed_margins(s, draws);
      two_way.add(*two_way_interval(kWilson, sums.by_sample, sums.by_fault, 0.95));
      by_fault.add(*clustered_interval(kWilson, sums.by_fault, 0.95));
      by_sample.add(*clustered_interval(kWilson, sums.by_sample, 0.95));
      plain.add(interval(kWilson, sums.by_fault.k, sums.by_fault.n, 0.95));
    }
    CAPTURE(two_way.share(), by_fault.share(), by_sample.share(), plain.share());
    REQUIRE(two_way.share() >= 0.93);
    REQUIRE(two_way.share() <= 0.97);
    REQUIRE(plain.share() < 0.65);
    REQUIRE(std::min(by_fault.share(), by_sample.share()) < 0.93);  // one clustering is not enough
  }
}

TEST_CASE("degrees of freedom follow the clusters that carry the hits", "[metrics][coverage]") {
  // A tenth of the faults hits nine samples in ten, the others none: about 2 of 20 carry the hits.
  // Even G - 1 degrees of freedom leave the interval too narrow there; the count of carriers is
  // what is uncertain, and with it the variance.
  const double truth = 0.09;
  Coverage clustered(truth);
  for (std::uint64_t run = 0; run < 1000; ++run) {
    Draws draws(3, Stream::check_input, run);
    ClusterSums sums;
    for (int group = 0; group < 20; ++group) {
      const bool carries = draws.uniform() < 0.1;
      std::uint64_t hits = 0;
      for (int trial = 0; trial < 100; ++trial) hits += carries && draws.uniform() < 0.9 ? 1 : 0;
      sums.add(hits, 100);
    }
    clustered.add(*clustered_interval(kWilson, sums, 0.95));
  }
  CAPTURE(clustered.share());
  REQUIRE(clustered.share() >= 0.93);
}
