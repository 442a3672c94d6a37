#pragma once

#include "suite/base/rng.hpp"
#include "suite/model/model.hpp"

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

namespace bitquake::test {

/// Trials and the faults they point to.
struct RandomTrials {
  std::deque<std::vector<faultgen::Fault>> groups;
  std::vector<model::Trial> trials;
};

/// Faults of every target, model and number format (single and several bits, exponents and signs,
/// stuck bits that change nothing, whole values, corners of the map, groups of up to four in
/// several sites or one element), each met by one to five samples, in mixed order.
RandomTrials random_trials(std::span<const faultgen::Site> sites, std::size_t samples,
                           Draws& draws);

/// Samples [n, elements]: ordinary ones, and constant, huge, tiny and non-finite ones among them.
std::vector<float> random_samples(std::size_t samples, std::size_t elements, Draws& draws);

}  // namespace bitquake::test
