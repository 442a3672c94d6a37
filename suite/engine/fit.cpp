#include "suite/engine/fit.hpp"

#include "faultgen/bit_choice.hpp"
#include "suite/scenario/fault_kinds.hpp"

namespace bitquake::engine {

Result<results::FitInputs> fit_inputs(const scenario::Scenario& scenario,
                                      const std::vector<faultgen::Site>& sites) {
  results::FitInputs fit;
  if (!scenario.fit.raw_fit_per_mbit) return fit;
  fit.raw_fit_per_mbit = *scenario.fit.raw_fit_per_mbit;
  fit.derating = scenario.fit.derating.value_or(1);
  const scenario::Scenario::Faults& faults = scenario.faults;
  const auto indices = scenario::index_ranges(faults.indices);
  const auto chosen = faultgen::select_sites(
      sites, faults.target, {faults.kinds, faults.include, faults.exclude, indices.value()});
  if (!chosen) return chosen.error();
  const auto bits = faultgen::bits_of(faults.bits, scenario::storage_of(faults));
  if (!bits) return bits.error();
  const faultgen::FaultSpace space(sites, faults.target, *chosen);
  for (std::uint32_t site = 0; site < sites.size(); ++site) {
    const std::uint64_t elements = space.elements(site);
    if (elements > 0) fit.exposures.push_back({site, faults.target, elements * bits->size()});
  }
  return fit;
}

}  // namespace bitquake::engine
