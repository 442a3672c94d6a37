#pragma once

#include "datasets/sample.hpp"
#include "suite/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::datasets {

/// A finite, ordered collection of samples. Immutable; `get` is thread-safe and pure.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::uint64_t size() const = 0;
  /// Sample `i`, i < size().
  virtual Result<Sample> get(std::uint64_t i) const = 0;
  /// Height and width shared by all samples, when the format guarantees it.
  virtual std::optional<cv::Size> fixed_size() const = 0;
  /// SHA-256 of each file read, by file name as given: evidence for the manifest.
  virtual const std::vector<std::pair<std::string, std::string>>& checksums() const = 0;
};

/// A MNIST-style pair of idx files (unsigned bytes; images of rank 3, labels of rank 1), gzip or
/// plain, held in memory. Every header field is checked against the file's real length. `labels` is
/// optional. Names in samples and checksums are the paths' text as given.
/// Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", "FILE FORMATS".
/// @return Errc::data when a file cannot be read, is damaged, or the two do not belong together
Result<std::shared_ptr<const Dataset>> open_idx(const std::string& name,
                                                const std::filesystem::path& images,
                                                const std::optional<std::filesystem::path>& labels);

/// Sizes of the dimensions in the header of an idx file of unsigned bytes, gzip or plain; none when
/// the file does not begin with such a header. Errc::data when it cannot be read.
Result<std::optional<std::vector<std::uint64_t>>> idx_sizes(const std::filesystem::path& path);

enum class Order : std::uint8_t {
  first,   ///< the first n, in order
  random,  ///< n drawn without replacement, in drawn order
};

/// The first or `count` random samples of `whole`; Sample::index stays that of `whole`. With one
/// seed a smaller random subset is the beginning of a larger one.
/// @return Errc::data when count is 0 or exceeds the data set
Result<std::shared_ptr<const Dataset>> subset(std::shared_ptr<const Dataset> whole,
                                              std::uint64_t count, Order order, std::uint64_t seed);

}  // namespace bitquake::datasets
