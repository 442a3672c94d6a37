#pragma once

#include "faultgen/bits.hpp"
#include "faultgen/fault.hpp"
#include "faultgen/fault_model.hpp"
#include "faultgen/fault_space.hpp"
#include "faultgen/schedule.hpp"
#include "suite/base/big_vector.hpp"
#include "suite/base/result.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bitquake::faultgen {

/// The faults present together during one inference: faults [first_fault, first_fault + n_faults).
struct FaultGroup {
  std::uint32_t epoch = 0;
  std::uint64_t slot = 0;  ///< the samples it meets: Schedule::slot_of
  std::uint64_t first_fault = 0;
  std::uint32_t n_faults = 0;

  bool operator==(const FaultGroup&) const = default;
};

/// Where a fault set comes from and which model it is for.
struct Provenance {
  std::uint64_t seed = 0;
  std::string generator;     ///< program and version that drew it
  std::string model_sha256;  ///< hash of the model file
  std::vector<std::int64_t> input_shape;
  Schedule schedule{};
  std::string scenario;  ///< effective scenario text: the keys that decide results

  bool operator==(const Provenance&) const = default;
};

/// A part of the fault space from which faults are drawn without replacement.
struct Stratum {
  std::optional<std::uint32_t> site;  ///< none: all chosen sites
  std::optional<std::uint32_t> bit;   ///< none: all chosen bits
  std::uint64_t population = 0;       ///< single faults: elements x bits x levels
  std::uint64_t size = 0;             ///< faults drawn, <= population

  bool operator==(const Stratum&) const = default;
};

/// How Provenance::generator ends where faults come from a list.
inline constexpr std::string_view kFromList = " from a list";

/// All faults of a campaign. Groups are ordered by (epoch, slot) and faults by group.
struct FaultSet {
  Provenance provenance;
  std::vector<Site> sites;
  BigVector<FaultGroup> groups;
  BigVector<Fault> faults;
  /// How much each fault counts when a rate over uniformly drawn elements is estimated: (elements
  /// of its site / elements of the space) * active sites when sites were drawn first, else 1.
  BigVector<double> sampling_weight;
  /// Where faults were drawn without replacement: the strata, and for each fault its stratum. Else
  /// both are empty.
  std::vector<Stratum> strata;
  BigVector<std::uint32_t> stratum;

  std::span<const Fault> faults_of(const FaultGroup& group) const {
    return std::span(faults).subspan(group.first_fault, group.n_faults);
  }
  /// Whether the faults come from a list instead of being drawn.
  bool listed() const { return provenance.generator.ends_with(kFromList); }
  /// Whether all faults count alike.
  bool uniform() const {
    return std::all_of(sampling_weight.begin(), sampling_weight.end(),
                       [](double weight) { return weight == 1.0; });
  }
  bool operator==(const FaultSet&) const = default;
};

/// Version of the HDF5 layout below; a reader refuses a newer one.
inline constexpr std::uint64_t kFaultSetVersion = 2;

/// Most faults, and most groups, of one set: as many as the numbers that activity is drawn by
/// count.
inline constexpr std::uint64_t kMaxFaults = 1'000'000'000;

/// Writes `set` as HDF5: /faults/{site, target, element, bit_mask, fault_model, value, storage,
/// active_probability, sampling_weight}, /groups/{epoch, slot, first_fault, n_faults},
/// /strata/{site, bit, population, size} and /faults/stratum where there are
/// strata, /storages/{format, scale, zero_point, integer_bits, fraction_bits}, /sites/{path, call,
/// kind, weight_shape, bias_shape, stats_shape, input_shape, output_shape, neurons, weights},
/// provenance as root attributes. The attribute `doc` of fault_model maps its codes to names, and
/// readers go by the names. Equal sets give equal bytes. The file is sealed (suite/base/seal.hpp)
/// and appears whole or not at all (suite/base/durable.hpp). Throws Exception (results).
void write_fault_set(const FaultSet& set, const std::filesystem::path& path);

/// Reads and checks a whole set: the seal where there is one, columns of equal length, a batch
/// size and slots that go with the policy, groups contiguous and in ascending (epoch, slot), every
/// fault inside its tensor, at least one bit and all within its storage for a model of bits, no
/// (site, element, bit) twice in a group, weights of faults finite and above 0, probabilities in
/// (0, 1]. Columns that version 1 had not may be missing: values are 0, storage is fp32.
/// @return Errc::fault_set naming the file and the first thing that is wrong
/// @note A set without a seal, made with h5py for example, is accepted. Its container is then read
/// by
///       the HDF5 library unchecked, which is not proof against damaged metadata: sets of unknown
///       origin are as trustworthy as their source. Seal your own (results/README.md).
Result<FaultSet> read_fault_set(const std::filesystem::path& path);

/// The checks that read_fault_set makes on values once they are in memory. `where` is the set's
/// file name for the message.
Result<std::monostate> check_consistent(const FaultSet& set, const std::string& where);

/// Nothing when the set fits the model; otherwise Errc::fault_set with the reason: another model
/// hash, another input shape, other sites. `where` is the set's file name for the message.
Result<std::monostate> check_fits(const FaultSet& set, const std::string& model_sha256,
                                  const std::vector<std::int64_t>& input_shape,
                                  const std::vector<Site>& sites, const std::string& where);

/// One CSV row (RFC 4180, line end "\n") per fault, header first: fault, epoch, slot, site (module
/// path), call, target, element, index ("3;1;4": the element's place in its tensor), bits
/// (ascending, "3;7"; empty for models of whole values), fault_model, value (empty where the model
/// needs none), storage (storage_text), active_probability, sampling_weight.  @pre
/// check_consistent(set)
void write_csv(const FaultSet& set, std::ostream& out);

/// "fp32", "int8 scale 0.05 zero_point -3", "fixed Q3.12".
std::string storage_text(const Storage& storage);

/// Faults of one storage; int8 ones count together whatever their scales and zero points.
struct StorageSummary {
  Storage storage;  ///< without scale and zero point
  std::uint64_t faults = 0;
  std::uint64_t whole_values = 0;           ///< faults of whole values
  std::uint64_t scales = 0;                 ///< distinct (scale, zero point)
  std::array<std::uint64_t, 32> per_bit{};  ///< faults that touch the bit, LSB = 0

  bool operator==(const StorageSummary&) const = default;
};

/// What a set holds, counted.
struct FaultSummary {
  std::uint64_t faults = 0;
  std::uint64_t groups = 0;
  std::uint32_t epochs = 0;                                 ///< distinct epochs
  std::vector<std::uint64_t> per_site;                      ///< faults at each of FaultSet::sites
  std::array<std::uint64_t, 32> per_bit{};                  ///< faults that touch the bit, LSB = 0
  std::uint64_t whole_values = 0;                           ///< faults of whole values
  std::vector<std::uint64_t> per_model;                     ///< in the order of fault_models()
  std::array<std::uint64_t, kTargets.size()> per_target{};  ///< in the order of kTargets
  std::vector<StorageSummary> per_storage;                  ///< in the order of format and size

  bool operator==(const FaultSummary&) const = default;
};

/// @pre check_consistent(set)
FaultSummary summarise(const FaultSet& set);

}  // namespace bitquake::faultgen
