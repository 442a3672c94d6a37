#pragma once

#include "datasets/dataset.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// Bitquake's own HDF5 form of a data set: images with their labels, boxes, provenance and what
/// they were made with. datasets/README.md describes the file.
namespace bitquake::datasets {

/// Version of the layout; a reader refuses another one.
inline constexpr std::uint64_t kHdf5Version = 1;

/// A number that each sample has, such as the severity it was made with.
struct Parameter {
  std::string name;   ///< letters, digits and underscores
  std::string units;  ///< "1" for none
  std::string doc;
  std::vector<double> values;  ///< one for each sample
  bool operator==(const Parameter&) const = default;
};

/// A data set as a whole. Of a sample everything is kept but `dataset` and `index`: those are the
/// name here and the place in the list.
struct EnrichedData {
  std::string name;
  std::vector<std::string> files;  ///< what Sample::file_number refers to
  std::vector<Sample> samples;
  std::vector<Category> categories;
  std::vector<Parameter> parameters;
  /// What each sample was perturbed by, as augment/ writes it: "fog/3"; empty: not said.
  std::vector<std::string> perturbations;
};

/// Writes a file for open_hdf5. The bytes depend on the values alone, and the file appears whole or
/// not at all; it ends with a seal (suite/base/seal.hpp). Throws Exception: data when the samples
/// do not go together (no samples, 8 and 16 bits mixed, a column of another length), results
/// when the file cannot be written.
void write_hdf5(const std::filesystem::path& path, const EnrichedData& data);

/// Whether a file ends with a seal that fits and says it is such a data set.
bool is_bitquake_hdf5(const std::filesystem::path& path);

/// Reads what write_hdf5 wrote. Errc::data.
Result<EnrichedData> read_hdf5(const std::filesystem::path& path);

}  // namespace bitquake::datasets
