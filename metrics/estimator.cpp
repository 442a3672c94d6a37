#include "metrics/estimator.hpp"

#include "metrics/sample_size.hpp"

#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/gamma.hpp>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace bitquake::metrics {
namespace {

double ratio(std::uint64_t part, std::uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

/// Distribution of the successes x in a sample of n of N, K of which are successes.
class Hypergeometric {
 public:
  /// @pre successes, n <= population
  Hypergeometric(std::uint64_t population, std::uint64_t successes, std::uint64_t n)
      : population_(population),
        successes_(successes),
        n_(n),
        lowest_(n > population - successes ? n - (population - successes) : 0),
        highest_(std::min(n, successes)) {}

  struct Tails {
    double lower;  ///< P(X <= k)
    double upper;  ///< P(X >= k)
  };

  /// Sums terms relative to the mode: no factorials, whose digits are lost for a large N.
  Tails tails(std::uint64_t k) const {
    const std::uint64_t mode = this->mode();
    double total = 0, upto = 0, from = 0;
    const auto add = [&](std::uint64_t x, double term) {
      total += term;
      if (x <= k) upto += term;
      if (x >= k) from += term;
    };
    add(mode, 1);
    double term = 1;
    for (std::uint64_t x = mode; x < highest_ && term > kNegligible; ++x) {
      term *= step(x);
      add(x + 1, term);
    }
    term = 1;
    for (std::uint64_t x = mode; x > lowest_ && term > kNegligible; --x) {
      term /= step(x - 1);
      add(x - 1, term);
    }
    return {upto / total, from / total};
  }

 private:
  /// Far below 1e-9, the least 1 - confidence.
  static constexpr double kNegligible = 1e-22;

  std::uint64_t mode() const {
    __extension__ using Wide = unsigned __int128;
    const auto most = static_cast<Wide>(n_ + 1) * (successes_ + 1) / (Wide{population_} + 2);
    return std::clamp(static_cast<std::uint64_t>(most), lowest_, highest_);
  }

  /// P(x + 1) / P(x).
  double step(std::uint64_t x) const {
    const std::uint64_t failures = population_ - successes_;
    return static_cast<double>(successes_ - x) * static_cast<double>(n_ - x) /
           (static_cast<double>(x + 1) * static_cast<double>(failures - (n_ - x) + 1));
  }

  std::uint64_t population_, successes_, n_;
  std::uint64_t lowest_, highest_;
};

/// The least K in [low, high] that `holds`, which is false up to some K and true from there on.
/// @pre it holds at high
template <class Predicate>
std::uint64_t first_that(std::uint64_t low, std::uint64_t high, const Predicate& holds) {
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (holds(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

double square(double x) { return x * x; }

Interval within_unit(double low, double high) {
  return {std::clamp(low, 0.0, 1.0), std::clamp(high, 0.0, 1.0)};
}

/// The exact interval of a stratum that is no census, never of one point: what was not tried may be
/// a success or a failure more.
Interval interval_of(const Stratum& stratum, double confidence) {
  Interval result = hypergeometric_interval(stratum.k, stratum.n, stratum.population, confidence);
  if (result.low < result.high) return result;
  const double one = 1 / static_cast<double>(stratum.population);
  if (result.high + one / 2 <
      ratio(stratum.population - stratum.n + stratum.k, stratum.population)) {
    result.high += one;
  } else {
    result.low -= one;
  }
  return result;
}

bool is_census(const Stratum& stratum) { return stratum.n == stratum.population; }

/// Estimated variance of the proportion of a stratum.
double variance_of(const Stratum& stratum) {
  if (is_census(stratum)) return 0;
  if (stratum.n == 1) return 0.25;
  const double p = ratio(stratum.k, stratum.n);
  return (1 - ratio(stratum.n, stratum.population)) * p * (1 - p) /
         static_cast<double>(stratum.n - 1);
}

/// What the intervals need to know of weighted trials.
struct WeightSums {
  double n = 0;
  double weights = 0;
  double squares = 0;
  double hits = 0;          ///< sum of weights of hits
  double hits_squares = 0;  ///< sum of their squares
};

Interval gamma_interval(const WeightSums& sums, double greatest, double alpha) {
  const double p = sums.hits / sums.n;
  const double variance = sums.hits_squares / square(sums.n);
  const double one = greatest / sums.n;
  // A gamma distribution of mean m and variance v is v / m times a standard one of shape m^2 / v.
  double low = 0;
  if (p > 0) low = variance / p * boost::math::gamma_p_inv(square(p) / variance, alpha / 2);
  const double mean = p + one;
  const double more = variance + square(one);
  const double high = more / mean * boost::math::gamma_q_inv(square(mean) / more, alpha / 2);
  return within_unit(low, high);
}

Interval beta_interval(const WeightSums& sums, double greatest, double alpha) {
  const double total = sums.weights + greatest;
  const double squares = sums.squares + square(greatest);
  // Sizes n for which p (1 - p) / n is the variance, sum w^2 (y - p)^2 / total^2.
  const auto size = [&](double p, double hits_squares) {
    const double spread = hits_squares * square(1 - p) + (squares - hits_squares) * square(p);
    return p * (1 - p) / spread * square(total);
  };
  Interval result;
  const double fewer = sums.hits / total;
  if (sums.hits > 0) {
    const double n = size(fewer, sums.hits_squares);
    result.low = boost::math::ibeta_inv(n * fewer, n * (1 - fewer), alpha / 2);
  }
  if (sums.hits < sums.weights) {
    const double more = (sums.hits + greatest) / total;
    const double n = size(more, sums.hits_squares + square(greatest));
    result.high = boost::math::ibetac_inv(n * more, n * (1 - more), alpha / 2);
  }
  return result;
}

}  // namespace

Interval finite_wilson(std::uint64_t k, std::uint64_t n, std::uint64_t population,
                       double confidence) {
  assert(k <= n && n <= population && confidence > 0 && confidence < 1);
  if (n == 0) return {};
  const double p = ratio(k, n);
  if (n == population) return {p, p};
  const auto rest = static_cast<double>(population - n);
  const double size = static_cast<double>(n) * (static_cast<double>(population - 1) / rest);
  const double z2 = square(normal_quantile(confidence));
  const double scale = 1 + z2 / size;
  const double centre = (p + z2 / (2 * size)) / scale;
  const double half = std::sqrt(z2 * (p * (1 - p) / size + z2 / (4 * square(size)))) / scale;
  const double least = ratio(k, population);
  const double most = ratio(population - n + k, population);
  return {k == 0 ? 0 : std::clamp(centre - half, least, p),
          k == n ? 1 : std::clamp(centre + half, p, most)};
}

Interval hypergeometric_interval(std::uint64_t k, std::uint64_t n, std::uint64_t population,
                                 double confidence) {
  assert(k <= n && n <= population && confidence > 0 && confidence < 1);
  if (n == 0) return {};
  const double tail = (1 - confidence) / 2;
  const std::uint64_t most = population - n + k;
  // Whether the sample would have too many hits for K successes grows less likely with K.
  const std::uint64_t low = first_that(k, most, [&](std::uint64_t successes) {
    return Hypergeometric(population, successes, n).tails(k).upper > tail;
  });
  const std::uint64_t beyond = first_that(low, most + 1, [&](std::uint64_t successes) {
    return successes > most || Hypergeometric(population, successes, n).tails(k).lower <= tail;
  });
  return {ratio(low, population), ratio(std::max(beyond - 1, low), population)};
}

std::optional<StratifiedEstimate> stratified_estimate(std::span<const Stratum> strata,
                                                      double confidence) {
  assert(confidence > 0 && confidence < 1);
  double population = 0;
  double sampled = 0;
  for (const Stratum& stratum : strata) {
    assert(stratum.k <= stratum.n && stratum.n <= stratum.population);
    if (stratum.population == 0) continue;
    if (stratum.n == 0) return std::nullopt;
    population += static_cast<double>(stratum.population);
    if (!is_census(stratum)) ++sampled;
  }
  assert(population > 0);
  StratifiedEstimate result;
  // Sums of N_h times a proportion; divided by N at the end, which makes all hits exactly 1.
  double hits = 0, lowest = 0, highest = 0, below = 0, above = 0;
  for (const Stratum& stratum : strata) {
    if (stratum.population == 0) continue;
    const auto size = static_cast<double>(stratum.population);
    const double p = ratio(stratum.k, stratum.n);
    Interval own{p, p}, wide{p, p};
    if (!is_census(stratum)) {
      own = interval_of(stratum, confidence);
      wide = interval_of(stratum, 1 - (1 - confidence) / sampled);
    }
    hits += size * p;
    result.variance += square(size / population) * variance_of(stratum);
    // p is no multiple of 1 / N_h and may lie beyond the last one.
    below += square(size * std::max(0.0, p - own.low));
    above += square(size * std::max(0.0, own.high - p));
    lowest += size * wide.low;
    highest += size * wide.high;
  }
  result.p = hits / population;
  result.interval =
      within_unit((hits - std::sqrt(below)) / population, (hits + std::sqrt(above)) / population);
  result.bound = within_unit(lowest / population, highest / population);
  return result;
}

WeightedEstimate weighted_estimate(std::span<const WeightedTrial> trials, double greatest_weight,
                                   double confidence) {
  assert(!trials.empty() && confidence > 0 && confidence < 1);
  WeightSums sums;
  sums.n = static_cast<double>(trials.size());
  for (const WeightedTrial& trial : trials) {
    assert(trial.weight > 0 && trial.weight <= greatest_weight);
    sums.weights += trial.weight;
    sums.squares += square(trial.weight);
    if (!trial.hit) continue;
    sums.hits += trial.weight;
    sums.hits_squares += square(trial.weight);
  }
  WeightedEstimate result;
  result.horvitz_thompson = sums.hits / sums.n;
  result.horvitz_thompson_interval = gamma_interval(sums, greatest_weight, 1 - confidence);
  result.hajek = sums.hits / sums.weights;
  result.hajek_interval = beta_interval(sums, greatest_weight, 1 - confidence);
  result.effective_size = square(sums.weights) / sums.squares;
  return result;
}

}  // namespace bitquake::metrics
