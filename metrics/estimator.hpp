#pragma once

#include "metrics/interval.hpp"

#include <cstdint>
#include <optional>
#include <span>

namespace bitquake::metrics {

/// Wilson's interval of the proportion of a finite population, from a sample without replacement:
/// with the effective size n (N - 1) / (N - n) for n, and within what the sample leaves possible,
/// [k / N, (N - n + k) / N].
/// @param k           successes, <= n
/// @param n           trials, <= population; 0 gives [0, 1]
/// @param population  N; n = N is a census and gives [k / N, k / N]
/// @param confidence  in (0, 1)
/// Sources: Wilson, JASA 22, 1927; Cochran, "Sampling techniques", 3rd ed., Wiley 1977, section 3.2
/// (the variance is that of n independent trials times (N - n) / (N - 1)).
Interval finite_wilson(std::uint64_t k, std::uint64_t n, std::uint64_t population,
                       double confidence);

/// Exact interval of the proportion of a finite population, from a sample without replacement: all
/// K / N for which k successes or fewer, and k or more, both have a probability above
/// (1 - confidence) / 2 when K of the N are successes. Never covers less than `confidence`.
/// @param k           successes, <= n
/// @param n           trials, <= population; 0 gives [0, 1]
/// @param population  N <= 2^63; n = N is a census and gives [k / N, k / N]
/// @param confidence  in (0, 1 - 1e-9]
/// @note If all but very few were tried (k = 0 of n >= confidence * N), the only K left may be k:
///       an interval of one point.
/// @note O(log N) tails of O(sqrt(n)) terms each
/// Sources: Katz, "Confidence intervals for the number showing a certain characteristic in a
/// population when sampling is without replacement", JASA 48, 1953; Buonaccorsi, "A note on
/// confidence intervals for proportions in finite populations", American Statistician 41, 1987.
Interval hypergeometric_interval(std::uint64_t k, std::uint64_t n, std::uint64_t population,
                                 double confidence);

/// A part of the population that is sampled on its own, without replacement.
struct Stratum {
  std::uint64_t population = 0;  ///< N_h; 0: the stratum is ignored
  std::uint64_t n = 0;           ///< trials, in [1, N_h]; N_h is a census
  std::uint64_t k = 0;           ///< successes, <= n
};

/// Proportion of the whole population. W_h = N_h / N, p_h = k_h / n_h, f_h = n_h / N_h.
struct StratifiedEstimate {
  double p = 0;  ///< sum of W_h p_h
  /// Estimated variance of p: sum of W_h^2 (1 - f_h) p_h (1 - p_h) / (n_h - 1). A census adds
  /// nothing; a stratum of one trial, which says nothing of its variance, adds the most it can be,
  /// W_h^2 / 4. Unbiased without such strata, yet 0 when every stratum is all hits or all misses:
  /// for the uncertainty use an interval.
  double variance = 0;
  /// From p - sqrt(sum W_h^2 (p_h - l_h)^2) to p + sqrt(sum W_h^2 (u_h - p_h)^2), where [l_h, u_h]
  /// is the hypergeometric_interval of the stratum, one count wider where that is a single point. A
  /// stratum without hits keeps its upper bound, so the interval has a width unless everything was
  /// tried. Approximate, rather too wide: 95 % intervals of six designs, with rare hits, few trials
  /// in heavy strata, two trials per stratum or large sampled parts, covered 94.7 to 98.7 % (2,000
  /// runs each).
  Interval interval{};
  /// From sum W_h l_h to sum W_h u_h, with the exact interval of each of the H strata that are no
  /// census at 1 - (1 - confidence) / H. Never covers less than `confidence`, and is wide: for one
  /// stratum the same as `interval`.
  Interval bound{};
};

/// @param strata      disjoint parts that together are the population, at least one not empty
/// @param confidence  in (0, 1 - 1e-6]; of each interval
/// @return nothing when a stratum that is not empty has no trials: nothing is known of it
/// Sources: Cochran, "Sampling techniques", 3rd ed., Wiley 1977, section 5.10 (estimate and
/// variance); Zou, Huang and Zhang, "A note on confidence interval estimation for a linear function
/// of binomial proportions", Computational Statistics & Data Analysis 53(4), 2009 (interval, here
/// from exact limits of finite populations); Bonferroni's inequality (bound).
std::optional<StratifiedEstimate> stratified_estimate(std::span<const Stratum> strata,
                                                      double confidence);

/// A trial drawn, with replacement, with a probability q of its own: importance sampling.
struct WeightedTrial {
  double weight = 1;  ///< 1 / (N q), > 0: how much rarer it was drawn than uniformly
  bool hit = false;
};

/// Proportions of the population of which the trials were drawn with unequal probabilities.
struct WeightedEstimate {
  /// Mean of weight * hit: unbiased; above 1 in unlucky samples.
  double horvitz_thompson = 0;
  /// From the gamma distribution with its mean and variance to that with one more hit of the
  /// greatest weight. The variance counts hits as Poisson, which is more than their own: rather too
  /// wide, the more so the greater the proportion. Within [0, 1].
  Interval horvitz_thompson_interval{};
  /// Sum of weight * hit / sum of weight: of slight bias, in [0, 1], and the better one where
  /// weights say little about hits.
  double hajek = 0;
  /// Clopper and Pearson's interval with beta distributions that have the mean and the linearised
  /// variance, sum w^2 (y - p)^2 / (sum w)^2, of the sample and one more miss (low end) or hit
  /// (high end) of the greatest weight. With equal weights it is Clopper and Pearson's.
  /// Approximate: 95 % intervals of six designs covered 95.7 to 99.6 % (2,000 runs each; the
  /// intervals above 96.3 to 100 %).
  Interval hajek_interval{};
  /// Kish's effective size (sum w)^2 / sum w^2 in [1, n]: so many uniform trials would say as much
  /// of a proportion that has nothing to do with the weights.
  double effective_size = 0;
};

/// @param trials           at least one
/// @param greatest_weight  of any trial that could have been drawn, >= all weights of `trials`: a
///                         sample without hits may have missed the heaviest
/// @param confidence       in (0, 1)
/// Sources: Horvitz and Thompson, JASA 47, 1952, and, for draws with replacement, Hansen and
/// Hurwitz, Ann. Math. Statistics 14, 1943 (first); Hajek, comment on Basu, "An essay on the
/// logical foundations of survey sampling", in Godambe and Sprott, "Foundations of statistical
/// inference", Holt, Rinehart and Winston 1971 (second); Fay and Feuer, "Confidence intervals for
/// directly standardized rates: a method based on the gamma distribution", Statistics in Medicine
/// 16, 1997 (first interval; the second does the same with beta distributions); Kish, "Survey
/// sampling", Wiley 1965 (effective size).
WeightedEstimate weighted_estimate(std::span<const WeightedTrial> trials, double greatest_weight,
                                   double confidence);

}  // namespace bitquake::metrics
