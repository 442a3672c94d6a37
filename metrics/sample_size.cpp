#include "metrics/sample_size.hpp"

#include <boost/math/distributions/normal.hpp>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace bitquake::metrics {
namespace {

/// To the nearest integer; the greatest one where there is none.
std::uint64_t nearest(double trials) {
  constexpr double kTooMany = 0x1p64;
  return trials < kTooMany ? static_cast<std::uint64_t>(std::round(trials))
                           : std::numeric_limits<std::uint64_t>::max();
}

/// Trials of an infinite population.
double unlimited(const Precision& wanted) {
  assert(wanted.margin > 0 && wanted.t > 0 && wanted.p >= 0 && wanted.p <= 1);
  const double quantiles = wanted.t / wanted.margin;
  return quantiles * quantiles * wanted.p * (1 - wanted.p);
}

}  // namespace

double normal_quantile(double confidence) {
  assert(confidence > 0 && confidence < 1);
  // The complement keeps digits that 1 - alpha / 2 would lose.
  return boost::math::quantile(
      boost::math::complement(boost::math::normal(), (1 - confidence) / 2));
}

std::uint64_t sample_size(std::uint64_t population, const Precision& wanted) {
  const double limit = unlimited(wanted);
  if (population == 0) return 0;
  std::uint64_t trials = 0;
  if (limit > 0) {
    const auto n = static_cast<double>(population);
    trials = nearest(n / (1 + (n - 1) / limit));
  }
  return std::min(std::max(trials, wanted.minimum), population);
}

std::uint64_t sample_size(const Precision& wanted) {
  return std::max(nearest(unlimited(wanted)), wanted.minimum);
}

std::uint64_t relative_sample_size(double p, double relative, double t) {
  assert(p > 0 && p < 1 && relative > 0 && t > 0);
  return nearest(t * t * (1 - p) / (relative * relative * p));
}

std::vector<double> data_aware_proportions(std::span<const double> distances) {
  double low = std::numeric_limits<double>::infinity();
  double high = 0;
  for (const double distance : distances) {
    assert(distance >= 0);
    if (std::isinf(distance)) continue;
    low = std::min(low, distance);
    high = std::max(high, distance);
  }
  std::vector<double> proportions;
  proportions.reserve(distances.size());
  for (const double distance : distances) {
    const bool outlier = std::isinf(distance) || high <= low;
    proportions.push_back(outlier ? 0.5 : 0.5 * ((distance - low) / (high - low)));
  }
  return proportions;
}

}  // namespace bitquake::metrics
