#pragma once

#include "suite/base/result.hpp"

#include <opencv2/core/mat.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// Image files: what their headers say, and their pixels.
namespace bitquake::datasets {

enum class ImageFormat : std::uint8_t { jpeg, png, bmp, webp, pnm };

/// What the header of an image file says.
struct ImageHeader {
  ImageFormat format = ImageFormat::jpeg;
  std::int64_t width = 0, height = 0;  ///< pixels, as stored
  bool alpha = false;                  ///< there is transparency
  bool cmyk = false;                   ///< a JPEG of four inks
  int orientation = 1;                 ///< EXIF: 1 upright, 2 to 8 otherwise
};

/// Reads the header and checks what can be checked without decoding: that the file is whole (JPEG:
/// up to the end marker; PNG: all chunks with their checksums; WebP: its length), and that it has
/// pixels. What is wrong otherwise, such as "is truncated".
/// Sources: ITU-T T.81, annex B (JPEG); W3C, PNG specification, section 5; RFC 9649 (WebP);
/// Netpbm, "pgm", "ppm"; Microsoft, "Bitmap Storage"; CIPA DC-008 (Exif), section 4.6.
/// @note thread-safe, no allocation that follows the header's numbers
Result<ImageHeader, std::string> read_image_header(std::span<const std::uint8_t> bytes);

/// Whether a file that begins like this can be an image of one of these formats.
bool looks_like_image(std::span<const std::uint8_t> begin);

struct DecodedImage {
  cv::Mat image;  ///< CV_8U or CV_16U; 1 channel, 3 (RGB order) or 4 (RGB and alpha); upright
  ImageHeader header;
  std::string transforms;  ///< what happened beyond decoding: "rotate 90 (EXIF 6)"
};

/// Decodes JPEG, PNG, BMP, WebP, PGM and PPM. 16 bits stay 16 bits, grey stays grey, palettes
/// become colours, the four inks of a JPEG become RGB (as libjpeg and OpenCV do it). EXIF's
/// orientation is applied. Damage inside the entropy-coded data of a JPEG, which has no checksum,
/// is found when it is no possible code (libjpeg warns); other values can pass.
/// @param where       for messages: the file
/// @param max_pixels  an image of more is refused by its header, before any memory is taken
/// @return Errc::data
/// @note thread-safe
Result<DecodedImage> decode_image(std::span<const std::uint8_t> bytes, const std::string& where,
                                  std::uint64_t max_pixels);

}  // namespace bitquake::datasets
