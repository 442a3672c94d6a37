#pragma once

#include "faultgen/fault_model.hpp"
#include "faultgen/fault_set.hpp"
#include "faultgen/fault_space.hpp"
#include "faultgen/schedule.hpp"
#include "suite/base/named.hpp"
#include "suite/base/result.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace bitquake::faultgen {

/// How several bits of one value lie.
enum class Arrangement : std::uint8_t { independent, adjacent };

inline constexpr std::array kArrangements{
    Named<Arrangement>{Arrangement::independent, "independent", "any of the chosen bits, distinct"},
    Named<Arrangement>{Arrangement::adjacent, "adjacent",
                       "neighbours, all of them chosen bits: a burst"},
};

/// Which words one event disturbs, all in the same bits: upsets of wider structures.
enum class Pattern : std::uint8_t { single, consecutive, strided, row, channel };

// Sources: faults along a bus or a memory line hit neighbours; a faulty lane of a vector unit hits
// every k-th word (arXiv 2605.04213: "warp-aligned periodic addresses"); a faulty row or column of
// a matrix unit spoils a row or channel (dos Santos et al., DSN 2021).
inline constexpr std::array kPatterns{
    Named<Pattern>{Pattern::single, "single", "one word"},
    Named<Pattern>{Pattern::consecutive, "consecutive",
                   "faults.pattern_length consecutive words of the tensor"},
    Named<Pattern>{Pattern::strided, "strided",
                   "faults.pattern_length words of the tensor, faults.pattern_stride apart"},
    Named<Pattern>{Pattern::row, "row", "the whole last dimension through the word drawn"},
    Named<Pattern>{
        Pattern::channel, "channel",
        "the whole channel, or filter of a weight, of the word drawn: all with its first "
        "index"},
};

/// How many events a group gets.
enum class Amount : std::uint8_t { fixed, fault_rate, bit_error_rate };

/// One kind of fault that groups are made of.
struct FaultEntry {
  Target target = Target::neuron;
  FaultModel model = FaultModel::bit_flip;
  bool either_stuck_at = false;  ///< stuck_at_0 or stuck_at_1, equally likely, in place of `model`
  std::vector<bool> sites;       ///< flags of the sites to hit; empty: all
  /// How values are held, for each site; empty: fp32.
  std::vector<Storage> storage;

  std::vector<std::uint32_t> bits;  ///< to draw from, ascending; for models of bits
  std::vector<double> bit_weights;  ///< one for each of `bits`, >= 0, one > 0; empty: equal
  std::uint32_t bits_per_fault = 1;
  Arrangement arrangement = Arrangement::independent;
  std::uint64_t mask = 0;  ///< these bits in place of drawn ones; 0: drawn

  std::uint32_t value = 0;   ///< fp32 bits, for ValueSource::given
  double low = 0, high = 0;  ///< for ValueSource::uniform, low <= high
  double sigma = 0;          ///< for ValueSource::normal, > 0

  Draw draw = Draw::elements;
  std::vector<double> site_weights;  ///< of each site, >= 0, for Draw::weighted_sites
  Pattern pattern = Pattern::single;
  std::uint64_t pattern_length = 1, pattern_stride = 1;

  Amount amount = Amount::fixed;
  std::uint32_t per_group = 1;  ///< events of a group, > 0, for Amount::fixed
  /// In (0, 1]: each element (fault_rate), or each chosen bit of each element (bit_error_rate), is
  /// hit with this probability, independently.
  double rate = 0;

  float active_probability = 1;  ///< Fault::active_probability
};

/// What to draw: everything that, with the sites and a seed, decides a fault set.
struct FaultPlan {
  std::vector<FaultEntry> entries;  ///< at least one; a group has the events of all, in this order
  Schedule schedule{};
  std::uint32_t epochs = 1;   ///< passes over the data, each with new faults, > 0
  std::uint64_t samples = 0;  ///< of the data; with the schedule they give the slots; > 0
  std::uint64_t seed = 0;
  /// Not empty: single faults are drawn from these without replacement, Stratum::size of each, in
  /// their order; `epochs` follows from their number. For one entry of single drawn bits, or whole
  /// values, with Draw::elements, Pattern::single, Amount::fixed and no weights.
  std::vector<Stratum> strata{};
};

/// How a fault space is divided.
enum class StrataBy : std::uint8_t { network, site, site_bit };

inline constexpr std::array kStrataBy{
    Named<StrataBy>{StrataBy::network, "network", "one stratum"},
    Named<StrataBy>{StrataBy::site, "site", "one for each site"},
    Named<StrataBy>{StrataBy::site_bit, "site_bit", "one for each bit of each site"},
};

/// The strata of an entry's space, each whole: size = population. Errc::fault_set when the entry
/// cannot be drawn without replacement (FaultPlan::strata) or its population does not fit 63 bits.
Result<std::vector<Stratum>> strata_of(const std::vector<Site>& sites, const FaultEntry& entry,
                                       StrataBy by);

/// Draws a group for each epoch and slot. Event i of a plan is a pure function of the plan, i and
/// the faults before it in its group, whatever the number of groups: a longer campaign starts with
/// the faults of a shorter one. An event that would hit a bit that its group hits already is drawn
/// again. With rates, what a group holds is a pure function of the plan and the group's number.
/// With strata, the last epoch has groups for its first slots only, when the faults do not fill it.
/// Streams: fault_order with the number of the stratum; fault_location, fault_bits, fault_value
/// with the number of the event; fault_count with (group, entry). Of the provenance, seed,
/// generator and schedule are filled in; the rest is the caller's. A row of the set has a sampling
/// weight of (probability under a uniform draw over the chosen elements and bits) / (probability
/// with which it was drawn).
/// @return Errc::fault_set when an entry's space is empty, a group cannot be filled with distinct
///         faults, a number of the plan is outside its range, bits are not those of the storage, or
///         there are over kMaxFaults faults
Result<FaultSet> draw_faults(const std::vector<Site>& sites, const FaultPlan& plan);

}  // namespace bitquake::faultgen
