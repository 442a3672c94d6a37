#pragma once

#include "faultgen/bits.hpp"
#include "suite/model/model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <span>
#include <vector>

namespace bitquake::model {

/// Outputs of the sites that ran, for one sample: by number of the site.
using SiteValues = std::map<std::uint32_t, std::vector<float>>;

/// Sums up how values differ from golden ones. Unchanged elements add nothing, so the order of the
/// changed ones alone decides the last bit.
struct Deviation {
  std::uint64_t differing = 0, nonfinite = 0;  ///< as in PointDeviation
  double max_abs = 0, squares = 0;

  /// @param golden, faulty  of equal size. Two NaNs are equal whatever their payload.
  void add(std::span<const float> golden, std::span<const float> faulty) {
    for (std::size_t i = 0; i < golden.size(); ++i) {
      const float a = golden[i], b = faulty[i];
      if (faultgen::to_bits(a) == faultgen::to_bits(b) || (std::isnan(a) && std::isnan(b))) {
        continue;
      }
      ++differing;
      if (!std::isfinite(a) || !std::isfinite(b)) {
        ++nonfinite;
        continue;
      }
      const double distance = std::abs(static_cast<double>(b) - static_cast<double>(a));
      max_abs = std::max(max_abs, distance);
      squares += distance * distance;
    }
  }
  /// @param golden  sum of the squares of the finite golden values
  double rel_l2(double golden) const {
    return squares == 0 ? 0 : std::sqrt(squares) / std::sqrt(golden);
  }
};

/// Sum of the squares of the finite values, in an order of its own that depends on their number
/// alone: several sums at a time.
inline double sum_of_squares(std::span<const float> values) {
  constexpr std::size_t kSums = 8;
  std::array<double, kSums> sums{};
  const auto square = [](float x) {
    return std::isfinite(x) ? static_cast<double>(x) * static_cast<double>(x) : 0.0;
  };
  std::size_t i = 0;
  for (; i + kSums <= values.size(); i += kSums) {
    for (std::size_t k = 0; k < kSums; ++k) sums[k] += square(values[i + k]);
  }
  for (; i < values.size(); ++i) sums[0] += square(values[i]);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

/// The deviation of a point; nothing when no element differs.
/// @param golden  sum of the squares of the finite golden values
inline void note_deviation(TrialResult& result, std::uint32_t point, const Deviation& sum,
                           double golden) {
  if (sum.differing == 0) return;
  result.deviations.push_back(
      {point, sum.differing, sum.nonfinite, sum.max_abs, sum.rel_l2(golden)});
}

/// How `faulty` differs from `golden`, of equal size.
inline SiteDeviation deviation(std::uint32_t site, std::span<const float> golden,
                               std::span<const float> faulty) {
  SiteDeviation result{.site = site, .elements = golden.size()};
  for (const float value : faulty) {
    result.nan += std::isnan(value) ? 1 : 0;
    result.inf += std::isinf(value) ? 1 : 0;
  }
  Deviation sum;
  sum.add(golden, faulty);
  result.differing = sum.differing;
  if (sum.differing == sum.nonfinite) return result;
  result.max_abs = sum.max_abs;
  result.rel_l2 = sum.rel_l2(sum_of_squares(golden));
  return result;
}

/// One for each of `sites` sites; a site that control flow ran in one of the two runs only, or with
/// another number of values, was not compared.
inline std::vector<SiteDeviation> deviations(std::size_t sites, const SiteValues& golden,
                                             const SiteValues& faulty) {
  std::vector<SiteDeviation> all;
  for (std::uint32_t site = 0; site < sites; ++site) {
    const auto a = golden.find(site), b = faulty.find(site);
    const bool both =
        a != golden.end() && b != faulty.end() && a->second.size() == b->second.size();
    all.push_back(both ? deviation(site, a->second, b->second) : SiteDeviation{.site = site});
  }
  return all;
}

}  // namespace bitquake::model
