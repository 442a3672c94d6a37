#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bitquake::metrics {

/// z with P(|Z| <= z) = confidence for a standard normal Z: 1.959964 at 0.95, 2.575829 at 0.99.
/// Published sample sizes use it rounded, 1.96 and 2.58.
/// @param confidence  in (0, 1)
double normal_quantile(double confidence);

/// How well a proportion shall be known. The defaults are those of published campaigns.
struct Precision {
  double margin = 0.01;       ///< greatest distance of estimate and truth, absolute, > 0
  double t = 2.58;            ///< normal quantile, > 0: a rounded one, or normal_quantile()
  double p = 0.5;             ///< assumed proportion, in [0, 1]; 0.5 asks for the most trials
  std::uint64_t minimum = 1;  ///< fewest trials of a stratum whatever p is
};

/// Trials without replacement that a population needs: N / (1 + e^2 (N - 1) / (t^2 p (1 - p))),
/// rounded to the nearest integer, then raised to the minimum, then lowered to N. Nearest is what
/// gives the published counts (16,625 of 17,173,504 faults; rounding up or down gives other sums
/// over strata); the margin is exceeded by a relative 1 / (4 n) at most.
/// @param population  N; 0 gives 0
/// @note p = 0 and p = 1 give the minimum: nothing but the minimum tests such an assumption.
/// Sources: Leveugle, Calvez, Maistri and Vanhauwaert, "Statistical fault injection: quantified
/// error and confidence", DATE 2009; counts: Ruospo et al., "Assessing convolutional neural
/// networks reliability through statistical fault injections", DATE 2023.
std::uint64_t sample_size(std::uint64_t population, const Precision& wanted);

/// The limit of sample_size for an infinite population: t^2 p (1 - p) / e^2, to the nearest integer
/// and at least the minimum; the greatest integer where that is more.
std::uint64_t sample_size(const Precision& wanted);

/// Trials that give a margin of `relative` times p: t^2 (1 - p) / (relative^2 p), of an infinite
/// population, to the nearest integer. The same as sample_size with margin = relative * p, which
/// also serves a finite population. An absolute margin says nothing about rates far below it.
/// @param p         in (0, 1)
/// @param relative  > 0; 0.1 for 10 %
/// @param t         normal quantile, > 0
std::uint64_t relative_sample_size(double p, double relative, double t);

/// Assumed proportion p(i) of each bit i for data-aware sampling: the min-max normalisation of
/// Davg(i) into [0, 0.5], Davg(i) = mean over the weights w of |w' - w|, w' being w with bit i
/// flipped. Infinite distances (a flip that makes NaN or Inf) stand for outliers: they get 0.5 and
/// count neither for the minimum nor for the maximum. If the others are all equal they get 0.5 too.
/// @param distances  Davg, one per bit in any order, >= 0, not NaN
/// @return one p per bit, in [0, 0.5]
/// @note The rule by which the authors choose outliers is not published, so their data-aware counts
///       (207,837 for ResNet-20) cannot be reproduced. Bits with p = 0 are assumed, not tested, to
///       be harmless: keep Precision::minimum above 0.
/// Source: Ruospo et al., DATE 2023 (see sample_size).
std::vector<double> data_aware_proportions(std::span<const double> distances);

}  // namespace bitquake::metrics
