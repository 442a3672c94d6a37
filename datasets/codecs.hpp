#pragma once

#include "suite/base/result.hpp"

#include <opencv2/core.hpp>

#include <cstdint>
#include <span>
#include <string>

/// Pixels by libjpeg and libpng themselves: OpenCV, which decodes with the same libraries, does not
/// say what is wrong with damaged data, or prints it. Thread-safe.
namespace bitquake::datasets {

/// Pixels of a JPEG: 8 bits; grey, RGB or, of four components, CMYK. What is wrong with it, a mere
/// warning of libjpeg included, else; empty when memory ends.
Result<cv::Mat, std::string> decode_jpeg(std::span<const std::uint8_t> bytes);

/// Pixels of a PNG as OpenCV has them: 8 or 16 bits; grey, RGB, or RGBA where there is an alpha
/// channel or, with colours, a transparent colour. What is wrong with it else; empty when memory
/// ends.
Result<cv::Mat, std::string> decode_png(std::span<const std::uint8_t> bytes);

}  // namespace bitquake::datasets
