#pragma once

#include "datasets/dataset.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::datasets {

/// Images of one size that lie in memory, one record after the other.
struct HeldImages {
  struct File {
    std::string path;       ///< for messages
    std::uint64_t samples;  ///< that come from it
  };
  std::string name;
  std::vector<File> files;           ///< in the order of the samples
  std::uint64_t first_index = 0;     ///< Sample::index of sample 0
  int height = 0, width = 0;         ///< pixels
  int channels = 1;                  ///< 1 (grey) or 3 (RGB)
  int depth = CV_8U;                 ///< CV_8U or CV_16U
  bool planar = false;               ///< channel by channel, as in CIFAR; else pixel by pixel
  std::size_t record_bytes = 0;      ///< distance of two images
  std::size_t pixels_at = 0;         ///< where pixels begin in a record
  std::vector<std::uint8_t> bytes;   ///< all records; 16-bit values as the machine has them
  std::vector<std::int64_t> labels;  ///< one for each sample; empty: none
  std::vector<Category> categories;
  std::vector<std::pair<std::string, std::string>> checksums;

  std::size_t image_bytes() const {
    return static_cast<std::size_t>(height) * static_cast<std::size_t>(width) *
           static_cast<std::size_t>(channels) * (depth == CV_8U ? 1 : 2);
  }
};

/// The data set of held images; there must be `record_bytes` for each sample of `files`.
std::shared_ptr<const Dataset> hold(HeldImages images);

/// SHA-256 of a file as an entry of Dataset::checksums. Errc::data.
Result<std::pair<std::string, std::string>> checksum_of(const std::filesystem::path& path);

/// Lines of a text file without their ends (LF, CR LF); the file must be UTF-8 of at most 256 MiB.
Result<std::vector<std::string>> read_lines(const std::filesystem::path& path);

/// Names of classes 0, 1, … from a text file, one a line; blank lines at the end are passed over.
Result<std::vector<Category>> read_categories(const std::filesystem::path& path);

/// Reads class names into `held`, when there is a file of them, and checks that each label has one.
/// @param count  how many names there must be; none: as many as labels need
std::optional<Error> add_categories(HeldImages& held,
                                    const std::optional<std::filesystem::path>& classes,
                                    std::optional<std::uint64_t> count);

}  // namespace bitquake::datasets
