#pragma once

#include "datasets/dataset.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::datasets {

/// A sample whose image is a file of its own.
struct ImageFile {
  std::string name;  ///< relative to the root
  std::uint64_t id = 0;
  std::optional<std::int64_t> label{};
  std::vector<Object> objects{};
  std::optional<cv::Size> size{};  ///< that the annotations promise, upright
};

struct ImageFiles {
  std::string name;
  std::filesystem::path root;
  std::vector<ImageFile> files;
  std::vector<Category> categories;
  std::vector<std::pair<std::string, std::string>> checksums;
  std::uint64_t max_pixels = kMaxPixels;
};

/// The data set of image files. Each is read and decoded by `get`: Errc::data when that fails, or
/// when its size is not the promised one.
std::shared_ptr<const Dataset> image_files(ImageFiles files);

/// An error for a box that no image can have; none when it is good. A box may have no area, and may
/// reach one pixel out of its image: coordinates in files are rounded.
/// @param where  for messages: the file, and the annotation in it
std::optional<Error> check_box(const Box& box, cv::Size image, const std::string& where);

}  // namespace bitquake::datasets
