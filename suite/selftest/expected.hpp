#pragma once

#include "faultgen/fault_set.hpp"
#include "results/trials.hpp"

#include <cstdint>
#include <vector>

namespace bitquake::selftest {

inline constexpr std::uint64_t kSamples = 24;
inline constexpr std::uint32_t kEpochs = 12;

/// The campaign of the self-test: its faults, and every row it must have.
struct Expected {
  /// Groups of one to three faults, of neurons and weights in turn, at every site, drawn by Philox
  /// from a fixed seed and kept where the results are the same on every CPU (infer()) and the
  /// outcome is one of those wanted in turn, so that no outcome is rare. Of the provenance only the
  /// policy and the seed are filled in.
  faultgen::FaultSet faults;
  /// Computed by infer() and the definitions of the columns. Of the campaign's description only
  /// the points are filled in.
  results::Trials trials;
  std::vector<bool> output_known;  ///< by trial: Inference::output exists and holds no NaN
};

/// @param sites  those of the loaded model
Expected make_expected(const std::vector<faultgen::Site>& sites);

}  // namespace bitquake::selftest
