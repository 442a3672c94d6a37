#pragma once

#include "faultgen/sampler.hpp"

#include <numeric>

namespace bitquake::test {

/// Inclusive range of bits.
struct BitRange {
  std::uint32_t low = 0, high = 31;
};

/// A plan with one kind of single-bit faults.
struct SimplePlan {
  faultgen::Target target = faultgen::Target::neuron;
  faultgen::FaultModel model = faultgen::FaultModel::bit_flip;
  BitRange bits{};
  faultgen::Draw draw = faultgen::Draw::elements;
  faultgen::Schedule schedule{};
  std::uint32_t per_group = 1, epochs = 1;
  std::uint64_t samples = 0, seed = 0;

  faultgen::FaultPlan plan() const {
    faultgen::FaultEntry entry;
    entry.target = target;
    entry.model = model;
    if (bits.high >= bits.low) entry.bits.resize(bits.high - bits.low + 1);
    std::iota(entry.bits.begin(), entry.bits.end(), bits.low);
    entry.draw = draw;
    entry.per_group = per_group;
    return {{entry}, schedule, epochs, samples, seed};
  }
};

inline Result<faultgen::FaultSet> draw_faults(const faultgen::FaultSpace& space,
                                              const SimplePlan& plan) {
  return faultgen::draw_faults(space.sites(), plan.plan());
}

}  // namespace bitquake::test
