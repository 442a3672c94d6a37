#include "metrics/paired.hpp"

#include "metrics/sample_size.hpp"

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/students_t.hpp>

#include <algorithm>
#include <cmath>

namespace bitquake::metrics {
namespace {

double student_quantile(double confidence, std::uint64_t clusters) {
  const boost::math::students_t student(static_cast<double>(clusters - 1));
  return boost::math::quantile(boost::math::complement(student, (1 - confidence) / 2));
}

/// Wilson's interval; here counts need not be whole.
Interval wilson(double k, double n, double z) {
  const double p = k / n, scale = 1 + z * z / n;
  const double centre = (p + z * z / (2 * n)) / scale;
  const double half = z / scale * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return {k <= 0 ? 0 : centre - half, k >= n ? 1 : centre + half};
}

/// Correlation of the pairs, towards 0 by the continuity correction where it is positive.
double correlation(double both, double first, double second, double neither) {
  const double n = both + first + second + neither;
  const double margins = (both + first) * (second + neither) * (both + second) * (first + neither);
  if (margins <= 0) return 0;
  const double excess = both * neither - first * second;
  const double corrected = excess > 0 ? std::max(0.0, excess - n / 2) : excess;
  return corrected / std::sqrt(margins);
}

/// @param scale  of all counts
Interval scaled_interval(const Pairs& pairs, double scale, double confidence) {
  const double both = scale * static_cast<double>(pairs.both);
  const double first = scale * static_cast<double>(pairs.first_only);
  const double second = scale * static_cast<double>(pairs.second_only);
  const double neither = scale * static_cast<double>(pairs.neither);
  const double n = both + first + second + neither;
  const double z = normal_quantile(confidence);
  const double p1 = (both + first) / n, p2 = (both + second) / n;
  const auto [low1, high1] = wilson(both + first, n, z);
  const auto [low2, high2] = wilson(both + second, n, z);
  const double phi = correlation(both, first, second, neither);
  const auto joined = [&](double a, double b) {
    return std::sqrt(std::max(0.0, a * a - 2 * phi * a * b + b * b));
  };
  const double difference = pairs.difference();
  return {std::max(-1.0, difference - joined(p1 - low1, high2 - p2)),
          std::min(1.0, difference + joined(high1 - p1, p2 - low2))};
}

double square(std::int64_t x) { return static_cast<double>(x) * static_cast<double>(x); }

double variance(const PairedSums& sums) {
  const auto n = static_cast<double>(sums.n), clusters = static_cast<double>(sums.clusters);
  // sum u^2 = (n^2 sum D^2 - 2 n S sum D m + S^2 sum m^2) / n^2
  const double squares =
      n * n * static_cast<double>(sums.squares_d) -
      2 * n * static_cast<double>(sums.sum) * static_cast<double>(sums.products) +
      square(sums.sum) * static_cast<double>(sums.squares_n);
  return std::max(0.0, clusters / (clusters - 1) * squares / (n * n) / (n * n));
}

Interval robust_interval(const Pairs& pairs, double variance, std::uint64_t clusters,
                         double confidence) {
  const double half = student_quantile(confidence, clusters) * std::sqrt(variance);
  const double mean = pairs.difference();
  return {std::max(-1.0, mean - half), std::min(1.0, mean + half)};
}

double effective_part(const PairedSums& sums) {
  return static_cast<double>(sums.n) / static_cast<double>(sums.squares_n);
}

}  // namespace

double Pairs::difference() const {
  return (static_cast<double>(first_only) - static_cast<double>(second_only)) /
         static_cast<double>(n());
}

Interval paired_interval(const Pairs& pairs, double confidence) {
  return scaled_interval(pairs, 1, confidence);
}

McNemar mcnemar(const Pairs& pairs) {
  const auto [fewer, more] = std::minmax(pairs.first_only, pairs.second_only);
  if (more == 0) return {};
  const boost::math::binomial half(static_cast<double>(fewer + more), 0.5);
  const auto seen = static_cast<double>(fewer);
  const double probability = boost::math::pdf(half, seen);
  if (fewer == more) return {1, 1 - probability / 2};
  const double exact = std::min(1.0, 2 * boost::math::cdf(half, seen));
  return {exact, exact - probability};
}

void PairedSums::add(std::int64_t d, std::uint64_t m) {
  ++clusters;
  n += m;
  sum += d;
  products += d * static_cast<std::int64_t>(m);
  squares_d += static_cast<std::uint64_t>(d * d);
  squares_n += m * m;
}

bool PairedSums::varies() const { return clusters > 1 && variance(*this) > 0; }

std::optional<Interval> clustered_paired_interval(const Pairs& pairs, const PairedSums& sums,
                                                  double confidence) {
  if (sums.independent()) return paired_interval(pairs, confidence);
  if (sums.clusters < kMinClusters) return std::nullopt;
  const double found = variance(sums);
  if (found <= 0) return scaled_interval(pairs, effective_part(sums), confidence);
  return robust_interval(pairs, found, sums.clusters, confidence);
}

std::optional<Interval> two_way_paired_interval(const Pairs& pairs, const PairedSums& by_sample,
                                                const PairedSums& by_fault, double confidence) {
  if (by_fault.independent()) return clustered_paired_interval(pairs, by_sample, confidence);
  if (by_sample.independent()) return clustered_paired_interval(pairs, by_fault, confidence);
  const std::uint64_t clusters = std::min(by_sample.clusters, by_fault.clusters);
  if (clusters < kMinClusters) return std::nullopt;
  PairedSums each;
  each.clusters = each.n = each.squares_n = pairs.n();
  each.sum = each.products = by_sample.sum;
  each.squares_d = pairs.first_only + pairs.second_only;
  const double samples = variance(by_sample), faults = variance(by_fault), own = variance(each);
  const double found = std::max({samples + faults - own, samples, faults, own});
  if (found <= 0) {
    return scaled_interval(pairs, std::min(effective_part(by_sample), effective_part(by_fault)),
                           confidence);
  }
  return robust_interval(pairs, found, clusters, confidence);
}

}  // namespace bitquake::metrics
