#pragma once

#include <opencv2/core/mat.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace bitquake::datasets {

/// One sample and where it comes from.
struct Sample {
  std::string dataset;                ///< name of the data set
  std::string file;                   ///< file it was read from, as named in the scenario
  std::uint64_t index = 0;            ///< position in the data set (in the file, not in a subset)
  std::int64_t height = 0;            ///< pixels, as stored
  std::int64_t width = 0;             ///< pixels, as stored
  std::optional<std::int64_t> label;  ///< class, >= 0; none when the data set has no labels
  cv::Mat image;                      ///< height x width, CV_8UC1 or CV_8UC3 (RGB order)
};

}  // namespace bitquake::datasets
