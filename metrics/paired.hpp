#pragma once

#include "metrics/interval.hpp"

#include <cstdint>
#include <optional>

namespace bitquake::metrics {

/// Trials seen under two conditions, by whether they hit under the first and under the second.
struct Pairs {
  std::uint64_t both = 0, first_only = 0, second_only = 0, neither = 0;

  std::uint64_t n() const { return both + first_only + second_only + neither; }
  /// Rate under the first condition minus that under the second, in [-1, 1].  @pre n() > 0
  double difference() const;
  bool operator==(const Pairs&) const = default;
};

/// Interval of the difference of two rates of the same trials, which are independent of each other:
/// Wilson's intervals of the two rates, joined by the correlation of the pairs (corrected for
/// continuity).
/// @param pairs       n > 0
/// @param confidence  in (0, 1)
/// @return both ends in [-1, 1]
/// Source: Newcombe, "Improved confidence intervals for the difference between binomial proportions
/// based on paired data", Statistics in Medicine 17, 1998, method 10.
Interval paired_interval(const Pairs& pairs, double confidence);

/// p-values of McNemar's test that a trial is as likely to hit under the one condition as under the
/// other.
struct McNemar {
  double exact = 1;  ///< never too small: wrongly below alpha in at most alpha of all repetitions
  double mid_p = 1;  ///< less conservative; may be slightly too small
};

/// McNemar's test of trials that are independent of each other, both tails: of the pairs that
/// differ, first_only is binomial with p = 1/2. exact = min(1, 2 P(X <= min(first_only,
/// second_only))), mid_p = that minus the probability of what was seen (where both are equal,
/// 1 minus half of it). Without a pair that differs both are 1.
/// @note Pairs that share a fault or a sample are not independent and make the p-values too small;
///       then clustered_paired_interval says whether 0 is among the differences.
/// Source: Fagerland, Lydersen and Laake, "The McNemar test for binary matched-pairs data: mid-p
/// and asymptotic are better than exact conditional", BMC Medical Research Methodology 13:91, 2013.
McNemar mcnemar(const Pairs& pairs);

/// Sums over clusters of pairs, of which only those of different clusters are independent.
struct PairedSums {
  std::uint64_t clusters = 0;
  std::uint64_t n = 0;          ///< pairs
  std::int64_t sum = 0;         ///< of d = first - second, in {-1, 0, 1}
  std::int64_t products = 0;    ///< sum of D * m, D = sum of d in a cluster, m = its pairs
  std::uint64_t squares_d = 0;  ///< sum of D^2
  std::uint64_t squares_n = 0;  ///< sum of m^2

  /// Adds a cluster of m > 0 pairs whose d add up to `d`, -m <= d <= m.
  void add(std::int64_t d, std::uint64_t m);
  bool independent() const { return clusters == n; }
  /// The mean of d is not the same in all clusters.
  bool varies() const;
};

/// As paired_interval, of pairs that are independent between clusters only: mean of d plus and
/// minus Student's quantile with G - 1 degrees of freedom times the cluster-robust standard error,
/// variance G / (G - 1) * sum u^2 / n^2 with u = D - mean * m; within [-1, 1]. Where that is 0 (no
/// d but 0, say) it says nothing of what was not seen: then the pairs of a cluster count as one,
/// n_eff = n^2 / sum m^2, in paired_interval.
/// @pre `pairs` and `sums` are of the same pairs, n > 0
/// @return nothing with fewer than kMinClusters clusters
/// Sources: Liang and Zeger, "Longitudinal data analysis using generalized linear models",
/// Biometrika 73, 1986 (variance); for d of pairs Obuchowski, "On the comparison of correlated
/// proportions for clustered data", Statistics in Medicine 17, 1998.
std::optional<Interval> clustered_paired_interval(const Pairs& pairs, const PairedSums& sums,
                                                  double confidence);

/// The same where pairs cross samples and faults: with the variance by_sample + by_fault - (every
/// pair a cluster of its own), but not under any of the three, and the smaller degrees of freedom.
/// @return nothing with fewer than kMinClusters clusters of either kind
/// Source: Cameron, Gelbach and Miller, as two_way_interval.
std::optional<Interval> two_way_paired_interval(const Pairs& pairs, const PairedSums& by_sample,
                                                const PairedSums& by_fault, double confidence);

}  // namespace bitquake::metrics
