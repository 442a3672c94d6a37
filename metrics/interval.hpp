#pragma once

#include "suite/base/named.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace bitquake::metrics {

/// Both fractions in [0, 1].
struct Interval {
  double low = 0;
  double high = 1;
};

enum class IntervalMethod : std::uint8_t { wilson, clopper_pearson, jeffreys };

inline constexpr std::array kIntervalMethods{
    Named<IntervalMethod>{IntervalMethod::wilson, "wilson",
                          "Wilson's score interval: right near 0 and 1 and for small n"},
    Named<IntervalMethod>{IntervalMethod::clopper_pearson, "clopper_pearson",
                          "Clopper-Pearson's exact interval: never too narrow, often too wide"},
    Named<IntervalMethod>{IntervalMethod::jeffreys, "jeffreys",
                          "equal-tailed interval of the posterior under Jeffreys' prior"},
};

/// Interval of a proportion of independent trials, two-sided.
/// @param method      how
/// @param k           successes, <= n
/// @param n           trials; 0 gives [0, 1]
/// @param confidence  in (0, 1)
/// Sources: Wilson, JASA 22, 1927; Clopper and Pearson, Biometrika 26, 1934; Brown, Cai and
/// DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16, 2001
/// (Jeffreys, with its ends 0 at k = 0 and 1 at k = n).
Interval interval(IntervalMethod method, std::uint64_t k, std::uint64_t n, double confidence);

/// Sums over clusters (trials that share a sample or a fault) that the variance of a proportion,
/// and the variance of that variance, need. Integers where it matters: only the last digits of
/// `quartics` depend on the order of clusters.
struct ClusterSums {
  std::uint64_t clusters = 0;
  std::uint64_t k = 0;               ///< successes
  std::uint64_t n = 0;               ///< trials
  std::uint64_t squares_k = 0;       ///< sum of y^2, y = successes of a cluster
  std::uint64_t products = 0;        ///< sum of y * m
  std::uint64_t squares_n = 0;       ///< sum of m^2, m = trials of a cluster
  std::array<double, 5> quartics{};  ///< sums of y^4, y^3 m, y^2 m^2, y m^3, m^4
  double lowest = 1;                 ///< least and
  double highest = 0;                ///< greatest y / m of a cluster

  /// Adds a cluster of m > 0 trials with y <= m successes.
  void add(std::uint64_t y, std::uint64_t m);
  /// Every cluster is a single trial: the trials are independent.
  bool independent() const { return clusters == n; }
};

/// Fewest clusters from which a variance between clusters is estimated.
inline constexpr std::uint64_t kMinClusters = 10;

/// Interval of a proportion k / n whose trials are independent between clusters only: the binomial
/// interval at the effective sample size n / deff. deff is the cluster-robust variance of the
/// ratio, G / (G - 1) * sum u^2 / n^2 with u = y - p m, over the binomial one, p (1 - p) / n; a
/// deff under 1 counts as 1. At k = 0 and k = n, where that is 0 / 0, trials of a cluster count as
/// copies of each other: n_eff = n^2 / sum m^2. Because the variance is estimated, Wilson takes
/// Student's quantile t instead of the normal z; the beta intervals take n_eff * (z / t)^2. t has
/// G - 1 degrees of freedom, with deff > 1 at most Satterthwaite's 2 E(s^2)^2 / Var(s^2) =
/// 2 G / (kurtosis - (G - 3) / (G - 1)), kurtosis = G * sum u^4 / (sum u^2)^2: a variance that a
/// few clusters carry is hardly known. For normal u both are the same.
/// @return nothing with fewer than kMinClusters clusters
/// @note Clusters unlike any in the data cannot be taken into account. Where most hits come from a
///       kind of cluster so rare that the data may hold none or few of it, the upper end is too
///       low: with kinds expected 2 times among 20 clusters 85 % of the 95 % intervals hold the
///       rate, with 1 time 62 % (simulation, 4,000 runs).
/// Sources: Kish, "Survey Sampling", Wiley 1965 (deff); Franco, Little, Louis and Slud,
/// "Comparative study of confidence intervals for proportions in complex sample surveys", J. Survey
/// Statistics and Methodology 7(3), 2019 (binomial intervals at the effective sample size); Korn
/// and Graubard, "Confidence intervals for proportions with small expected number of positive
/// counts estimated from survey data", Survey Methodology 24, 1998 (t in place of z);
/// Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics
/// Bulletin 2(6), 1946 (degrees of freedom); Kenney and Keeping, "Mathematics of statistics" 2,
/// 1951, p. 164 (Var(s^2)).
std::optional<Interval> clustered_interval(IntervalMethod method, const ClusterSums& sums,
                                           double confidence);

/// Interval of a proportion whose trials cross samples and faults, each pair at most once: trials
/// of one sample are alike, and so are trials of one fault group. As clustered_interval, with the
/// variance by_sample + by_fault - (every trial a cluster of its own), but not under any of the
/// three, and the smaller degrees of freedom of the two. At k = 0 and k = n the smaller effective
/// size counts.
/// @pre both sums are of the same trials
/// @return nothing with fewer than kMinClusters clusters of either kind
/// Source: Cameron, Gelbach and Miller, "Robust inference with multiway clustering", J. Business &
/// Economic Statistics 29(2), 2011, section 2.2 (variance) and 3 (smaller degrees of freedom).
std::optional<Interval> two_way_interval(IntervalMethod method, const ClusterSums& by_sample,
                                         const ClusterSums& by_fault, double confidence);

}  // namespace bitquake::metrics
