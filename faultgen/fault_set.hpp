#pragma once

#include "faultgen/fault.hpp"
#include "faultgen/fault_space.hpp"
#include "suite/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace bitquake::faultgen {

/// The faults present together during one inference: faults [first_fault, first_fault + n_faults).
struct FaultGroup {
  std::uint32_t epoch = 0;
  std::uint64_t slot = 0;  ///< per_image: position of the sample in the subset
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
  std::string policy;        ///< name in kPolicies
  std::string scenario;      ///< effective scenario text

  bool operator==(const Provenance&) const = default;
};

/// All faults of a campaign. Groups are ordered by (epoch, slot) and faults by group.
struct FaultSet {
  Provenance provenance;
  std::vector<Site> sites;
  std::vector<FaultGroup> groups;
  std::vector<Fault> faults;
  /// How much each fault counts when a rate over uniformly drawn elements is estimated: (elements of
  /// its site / elements of the space) * active sites when sites were drawn first, else 1.
  std::vector<double> sampling_weight;

  std::span<const Fault> faults_of(const FaultGroup& group) const {
    return std::span(faults).subspan(group.first_fault, group.n_faults);
  }
  bool operator==(const FaultSet&) const = default;
};

/// Version of the HDF5 layout below; a reader refuses a newer one.
inline constexpr std::uint64_t kFaultSetVersion = 1;

/// Writes `set` as HDF5: /faults/{site, target, element, bit_mask, fault_model, sampling_weight},
/// /groups/{epoch, slot, first_fault, n_faults}, /sites/{path, call, kind, weight_shape,
/// output_shape, neurons, weights}, provenance as root attributes. Throws Exception (results).
void write_fault_set(const FaultSet& set, const std::filesystem::path& path);

/// Reads and checks a whole set: columns of equal length, groups contiguous and ordered, every fault
/// inside its tensor, bits within fp32, no location twice in a group. Errc::fault_set otherwise.
Result<FaultSet> read_fault_set(const std::filesystem::path& path);

/// Nothing when the set fits the model; otherwise the reason: another model hash, another input
/// shape, other sites. `where` is the set's file name for the message.
Result<std::monostate> check_fits(const FaultSet& set, const std::string& model_sha256,
                                  const std::vector<std::int64_t>& input_shape,
                                  const std::vector<Site>& sites, const std::string& where);

/// One CSV row per fault, header first: fault, epoch, slot, site, call, target, element, index,
/// bits, fault_model, sampling_weight.
void write_csv(const FaultSet& set, std::ostream& out);

}  // namespace bitquake::faultgen
