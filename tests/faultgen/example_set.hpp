#pragma once

#include "faultgen/fault_set.hpp"

#include <cstdint>
#include <vector>

namespace bitquake::test {

/// A convolution called twice and a linear layer: 6 + 6 + 4 neurons, 4 + 8 weights.
inline std::vector<faultgen::Site> example_sites() {
  using faultgen::SiteKind;
  return {{"conv", 0, SiteKind::conv2d, {1, 1, 2, 2}, {1, 2, 3}},
          {"conv", 1, SiteKind::conv2d, {1, 1, 2, 2}, {1, 2, 3}},
          {"head.fc", 0, SiteKind::linear, {4, 2}, {4}}};
}

/// Three groups, one of them empty, with all fault models and both targets.
inline faultgen::FaultSet example_set() {
  using faultgen::FaultModel;
  using faultgen::Target;
  faultgen::FaultSet set;
  set.provenance = {42, "bitquake test", "00ff", {1, 3, 4}, {}, "version: 1\nseed: 42\n"};
  set.sites = example_sites();
  set.groups = {{0, 0, 0, 2}, {0, 1, 2, 0}, {1, 0, 2, 1}};
  set.faults = {{0, Target::neuron, FaultModel::bit_flip, 4, 1ULL << 30},
                {2, Target::weight, FaultModel::stuck_at_0, 5, (1ULL << 3) | (1ULL << 7)},
                {1, Target::neuron, FaultModel::stuck_at_1, 0, 1ULL << 31}};
  set.sampling_weight = {1.0, 0.75, 1.125};
  return set;
}

}  // namespace bitquake::test
