#include "metrics/interval.hpp"

#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace bitquake::metrics {
namespace {

double normal_quantile(double confidence) {
  // The complement keeps digits that 1 - alpha / 2 would lose.
  return boost::math::quantile(
      boost::math::complement(boost::math::normal(), (1 - confidence) / 2));
}

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

double effective_size(const ClusterSums& sums) {
  const auto n = static_cast<double>(sums.n);
  const auto squares_n = static_cast<double>(sums.squares_n);
  if (sums.k == 0 || sums.k == sums.n) return n / squares_n * n;
  const auto clusters = static_cast<double>(sums.clusters);
  const double p = static_cast<double>(sums.k) / n;
  const double residuals = static_cast<double>(sums.squares_k) -
                           2 * p * static_cast<double>(sums.products) + p * p * squares_n;
  const double variance = clusters / (clusters - 1) * residuals / (n * n);
  const double design_effect = std::max(1.0, variance / (p * (1 - p) / n));
  return n / design_effect;
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
}

std::optional<Interval> clustered_interval(IntervalMethod method, const ClusterSums& sums,
                                           double confidence) {
  assert(confidence > 0 && confidence < 1);
  if (sums.clusters < kMinClusters) return std::nullopt;
  const double z = normal_quantile(confidence);
  const double t = student_quantile(confidence, static_cast<double>(sums.clusters - 1));
  double n = effective_size(sums);
  if (method != IntervalMethod::wilson) n *= (z / t) * (z / t);
  const double k =
      sums.k == sums.n ? n : n * (static_cast<double>(sums.k) / static_cast<double>(sums.n));
  return binomial_interval(method, k, n, t, 1 - confidence);
}

}  // namespace bitquake::metrics
