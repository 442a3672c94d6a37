#pragma once

#include "faultgen/bits.hpp"
#include "suite/model/model.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace bitquake::model {

/// Outputs of the sites that ran, for one sample: by number of the site.
using SiteValues = std::map<std::uint32_t, std::vector<float>>;

/// How `faulty` differs from `golden`, of equal size. Two NaNs are equal whatever their payload.
inline SiteDeviation deviation(std::uint32_t site, std::span<const float> golden,
                               std::span<const float> faulty) {
  SiteDeviation result{.site = site, .elements = golden.size()};
  for (std::size_t i = 0; i < golden.size(); ++i) {
    const float a = golden[i], b = faulty[i];
    result.nan += std::isnan(b) ? 1 : 0;
    result.inf += std::isinf(b) ? 1 : 0;
    if (faultgen::to_bits(a) == faultgen::to_bits(b) || (std::isnan(a) && std::isnan(b))) continue;
    ++result.differing;
    if (!std::isfinite(a) || !std::isfinite(b)) continue;
    const double distance = std::abs(static_cast<double>(b) - static_cast<double>(a));
    result.max_abs = std::max(result.max_abs.value_or(0), distance);
  }
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
