#pragma once

#include "suite/base/box.hpp"

#include <opencv2/core/mat.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bitquake::datasets {

/// One sample and where it comes from.
struct Sample {
  std::string dataset;                ///< name of the data set
  std::string file;                   ///< file it was read from, for messages
  std::uint32_t file_number = 0;      ///< of that file: row of Dataset::files
  std::uint64_t index = 0;            ///< position in the data set (in the file, not in a subset)
  std::uint64_t id = 0;               ///< COCO's image id; `index` where the format numbers nothing
  std::int64_t height = 0;            ///< pixels, as stored
  std::int64_t width = 0;             ///< pixels, as stored
  std::uint64_t content_hash = 0;     ///< hash64 of the bytes it was read from
  std::optional<std::int64_t> label;  ///< class, >= 0; none when the data set has no labels
  std::vector<Object> objects;        ///< boxes in pixels of `image`
  std::string transforms;             ///< what was done to the stored pixels, steps joined by "; "
  cv::Mat image;  ///< CV_8U or CV_16U; 1 channel (grey), 3 (RGB order) or 4 (RGB and alpha)
};

/// Adds a step to Sample::transforms.
inline void note_transform(Sample& sample, const std::string& step) {
  if (!sample.transforms.empty()) sample.transforms += "; ";
  sample.transforms += step;
}

}  // namespace bitquake::datasets
