#include "metrics/interval.hpp"

#include "metrics/sample_size.hpp"

#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace bitquake::metrics {
namespace {

double student_quantile(double confidence, double degrees) {
  return boost::math::quantile(
      boost::math::complement(boost::math::students_t(degrees), (1 - confidence) / 2));
}

Interval wilson(double k, double n, double z) {
  const double p = k / n;
  const double scale = 1 + z * z / n;
  const double centre = (p + z * z / (2 * n)) / scale;
  const double half = z / scale * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return {centre - half, centre + half};
}

Interval clopper_pearson(double k, double n, double alpha) {
  Interval result;
  if (k > 0) result.low = boost::math::ibeta_inv(k, n - k + 1, alpha / 2);
  if (k < n) result.high = boost::math::ibetac_inv(k + 1, n - k, alpha / 2);
  return result;
}

Interval jeffreys(double k, double n, double alpha) {
  return {boost::math::ibeta_inv(k + 0.5, n - k + 0.5, alpha / 2),
          boost::math::ibetac_inv(k + 0.5, n - k + 0.5, alpha / 2)};
}

/// @param z  quantile for Wilson; the others work from alpha = 1 - confidence
Interval binomial_interval(IntervalMethod method, double k, double n, double z, double alpha) {
  Interval result;
  switch (method) {
    case IntervalMethod::wilson:
      result = wilson(k, n, z);
      break;
    case IntervalMethod::clopper_pearson:
      result = clopper_pearson(k, n, alpha);
      break;
    case IntervalMethod::jeffreys:
      result = jeffreys(k, n, alpha);
      break;
  }
  // Exact where rounding would leave 1e-17.
  if (k <= 0) result.low = 0;
  if (k >= n) result.high = 1;
  return {std::clamp(result.low, 0.0, 1.0), std::clamp(result.high, 0.0, 1.0)};
}

bool all_alike(const ClusterSums& sums) { return sums.k == 0 || sums.k == sums.n; }

double fraction(const ClusterSums& sums) {
  return static_cast<double>(sums.k) / static_cast<double>(sums.n);
}

/// Effective size when the trials of a cluster are copies of each other.
double size_of_copies(const ClusterSums& sums) {
  const auto n = static_cast<double>(sums.n);
  return n / static_cast<double>(sums.squares_n) * n;
}

/// Sum of (y - p m)^2 over the clusters.
double residual_squares(const ClusterSums& sums) {
  const double p = fraction(sums);
  return static_cast<double>(sums.squares_k) - 2 * p * static_cast<double>(sums.products) +
         p * p * static_cast<double>(sums.squares_n);
}

/// Sum of (y - p m)^4 over the clusters.
double residual_quartics(const ClusterSums& sums) {
  const double p = fraction(sums);
  const auto& q = sums.quartics;
  return q[0] - p * (4 * q[1] - p * (6 * q[2] - p * (4 * q[3] - p * q[4])));
}

/// Cluster-robust variance of the proportion over the binomial one.
double design_effect(const ClusterSums& sums) {
  const auto n = static_cast<double>(sums.n);
  const auto clusters = static_cast<double>(sums.clusters);
  const double p = fraction(sums);
  const double variance = clusters / (clusters - 1) * residual_squares(sums) / (n * n);
  return variance / (p * (1 - p) / n);
}

/// Degrees of freedom of the variance between clusters.
double degrees_of_freedom(const ClusterSums& sums) {
  const auto clusters = static_cast<double>(sums.clusters);
  if (all_alike(sums) || design_effect(sums) <= 1) return clusters - 1;
  const double squares = residual_squares(sums);
  const double kurtosis =
      std::clamp(clusters * residual_quartics(sums) / (squares * squares), 1.0, clusters);
  return std::min(clusters - 1, 2 * clusters / (kurtosis - (clusters - 3) / (clusters - 1)));
}

/// Binomial interval at an effective size, with Student's quantile.
Interval effective_interval(IntervalMethod method, const ClusterSums& sums, double size,
                            double degrees, double confidence) {
  const double z = normal_quantile(confidence);
  const double t = student_quantile(confidence, degrees);
  if (method != IntervalMethod::wilson) size *= (z / t) * (z / t);
  const double k = sums.k == sums.n ? size : size * fraction(sums);
  return binomial_interval(method, k, size, t, 1 - confidence);
}

}  // namespace

Interval interval(IntervalMethod method, std::uint64_t k, std::uint64_t n, double confidence) {
  assert(k <= n && confidence > 0 && confidence < 1);
  if (n == 0) return {};
  return binomial_interval(method, static_cast<double>(k), static_cast<double>(n),
                           normal_quantile(confidence), 1 - confidence);
}

void ClusterSums::add(std::uint64_t y, std::uint64_t m) {
  assert(m > 0 && y <= m);
  ++clusters;
  k += y;
  n += m;
  squares_k += y * y;
  products += y * m;
  squares_n += m * m;
  const auto hits = static_cast<double>(y), trials = static_cast<double>(m);
  const double hits2 = hits * hits, cross = hits * trials, trials2 = trials * trials;
  const std::array terms{hits2 * hits2, hits2 * cross, cross * cross, cross * trials2,
                         trials2 * trials2};
  for (std::size_t i = 0; i < terms.size(); ++i) quartics[i] += terms[i];
  const double rate = hits / trials;
  lowest = std::min(lowest, rate);
  highest = std::max(highest, rate);
}

std::optional<Interval> clustered_interval(IntervalMethod method, const ClusterSums& sums,
                                           double confidence) {
  assert(confidence > 0 && confidence < 1);
  if (sums.clusters < kMinClusters) return std::nullopt;
  const double size = all_alike(sums)
                          ? size_of_copies(sums)
                          : static_cast<double>(sums.n) / std::max(1.0, design_effect(sums));
  return effective_interval(method, sums, size, degrees_of_freedom(sums), confidence);
}

std::optional<Interval> two_way_interval(IntervalMethod method, const ClusterSums& by_sample,
                                         const ClusterSums& by_fault, double confidence) {
  assert(confidence > 0 && confidence < 1);
  assert(by_sample.n == by_fault.n && by_sample.k == by_fault.k);
  if (std::min(by_sample.clusters, by_fault.clusters) < kMinClusters) return std::nullopt;
  const auto n = static_cast<double>(by_sample.n);
  double size = 0;
  if (all_alike(by_sample)) {
    size = std::min(size_of_copies(by_sample), size_of_copies(by_fault));
  } else {
    const double samples = design_effect(by_sample), faults = design_effect(by_fault);
    // Single trials are the cells that both clusterings count; their robust variance is n / (n - 1)
    // times the binomial one.
    const double both = samples + faults - n / (n - 1);
    size = n / std::max({1.0, samples, faults, both});
  }
  const double degrees = std::min(degrees_of_freedom(by_sample), degrees_of_freedom(by_fault));
  return effective_interval(method, by_sample, size, degrees, confidence);
}

}  // namespace bitquake::metrics
