#pragma once

#include <array>
#include <cstdint>

namespace bitquake {

/// What a random number is for. Streams never share a counter, so adding a use changes no other.
/// Values are part of the fault-set and subset formats: never renumber.
enum class Stream : std::uint32_t {
  fault_location = 1,   ///< site and element of a fault; id = fault id
  fault_bits = 2,       ///< bits of a fault; id = fault id
  subset = 3,           ///< random subset of a data set; id = 0
  check_input = 4,      ///< inputs of the checks a model goes through at load; id = row
  training = 5,         ///< trainer of the shipped models; id = epoch or parameter
  verification = 6,     ///< trials that bitquake verify replays; id = 0
  audit = 7,            ///< trials that the audit of a campaign runs again; id = 0
  fault_value = 8,      ///< value that a fault sets or adds; id = event
  fault_count = 9,      ///< how many faults a group has and where; id = (group, entry)
  fault_activity = 10,  ///< whether an intermittent fault acts; id = (fault, sample)
  fault_order = 11,     ///< permutation of a fault space; id = stratum
  perturbation = 12,    ///< what a perturbation draws; augment::DrawKey makes seed and id
};

/// Philox4x32-10 block of 128 random bits, a pure function of its arguments.
/// Key = seed; counter = (stream, id low, id high, block).
/// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Random123).
std::array<std::uint32_t, 4> philox(std::uint64_t seed, Stream stream, std::uint64_t id,
                                    std::uint32_t block);

/// Sequence of draws that belong to one (seed, stream, id). Cheap to make; not for sharing.
class Draws {
 public:
  Draws(std::uint64_t seed, Stream stream, std::uint64_t id)
      : seed_(seed), stream_(stream), id_(id) {}

  std::uint32_t next32();
  std::uint64_t next64();  ///< the earlier 32-bit draw is the low half

  /// Uniform in [0, bound), bound > 0, without bias.
  /// Source: Lemire, "Fast random integer generation in an interval", ACM TOMACS 29(1), 2019.
  std::uint64_t below(std::uint64_t bound);

  /// Uniform in [0, 1): a multiple of 2^-53.
  double uniform();

  /// Standard normal. Only IEEE arithmetic, so that it is the same everywhere.
  /// Source: Marsaglia, Bray, "A convenient method for generating normal variables", SIAM Review
  /// 6(3), 1964 (the polar method).
  double normal();

 private:
  std::uint64_t seed_;
  Stream stream_;
  std::uint64_t id_;
  std::uint32_t block_ = 0;
  unsigned used_ = 4;
  std::array<std::uint32_t, 4> words_{};
};

}  // namespace bitquake
