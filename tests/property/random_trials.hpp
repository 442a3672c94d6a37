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

/// Guards of every kind at some sites, many of which fire without a fault, and codes of weights
/// that correct, notice and mistake what is wrong. May hold guards that do not fit their site.
model::Protection random_protection(std::span<const faultgen::Site> sites, Draws& draws);

/// Samples [n, elements]: ordinary ones, and constant, huge, tiny and non-finite ones among them.
std::vector<float> random_samples(std::size_t samples, std::size_t elements, Draws& draws);

}  // namespace bitquake::test
