#pragma once

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace bitquake::test {

/// An image file in memory; `image` in OpenCV's order (BGR).
inline std::string encoded(const std::string& extension, const cv::Mat& image) {
  std::vector<std::uint8_t> bytes;
  if (!cv::imencode(extension, image, bytes)) throw std::runtime_error("cannot encode");
  return {bytes.begin(), bytes.end()};
}

/// height x width pixels of one colour: red 10, green 20, blue 200 + `shade`.
inline cv::Mat plain(int height, int width, int shade = 0) {
  return {height, width, CV_8UC3, cv::Scalar(200 + shade, 20, 10)};
}

inline std::string big_endian(std::uint32_t value, unsigned bytes) {
  std::string text;
  for (unsigned i = bytes; i-- > 0;) text += static_cast<char>(value >> (8 * i));
  return text;
}

/// A PNG chunk. Source: W3C, PNG specification, section 5.3.
inline std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string checked = type + data;
  const auto sum =
      crc32(0, reinterpret_cast<const Bytef*>(checked.data()), static_cast<uInt>(checked.size()));
  return big_endian(static_cast<std::uint32_t>(data.size()), 4) + checked +
         big_endian(static_cast<std::uint32_t>(sum), 4);
}

/// A whole PNG of few bytes whose header claims any size.
inline std::string png_claiming(std::uint32_t width, std::uint32_t height) {
  using namespace std::string_literals;
  return "\x89PNG\r\n\x1A\n"s +
         png_chunk("IHDR", big_endian(width, 4) + big_endian(height, 4) + "\x08\x02\0\0\0"s) +
         png_chunk("IDAT", "x\x9c\x03\0\0\0\0\x01"s) + png_chunk("IEND", "");
}

/// A JPEG with an Exif segment that says only the orientation. Source: CIPA DC-008, section 4.5.
inline std::string with_orientation(const std::string& jpeg, char orientation) {
  using namespace std::string_literals;
  const std::string tiff =
      "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"s + orientation + "\0\0\0\0\0\0"s;
  const std::string body = "Exif\0\0"s + tiff;
  return jpeg.substr(0, 2) + "\xFF\xE1"s +
         big_endian(static_cast<std::uint32_t>(body.size() + 2), 2) + body + jpeg.substr(2);
}

/// A .npy file of version 1.0.
inline std::string npy(const std::string& type, const std::string& shape, const std::string& data) {
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header += std::string(63 - (header.size() + 10) % 64, ' ') + "\n";
  return std::string("\x93NUMPY\x01\0", 8) + static_cast<char>(header.size() % 256) +
         static_cast<char>(header.size() / 256) + header + data;
}

}  // namespace bitquake::test
