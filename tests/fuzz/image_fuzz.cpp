#include "datasets/decode.hpp"
#include "tests/datasets/image_bytes.hpp"
#include "tests/fuzz/use_data.hpp"

#include <array>
#include <cstring>

using namespace bitquake;
using namespace bitquake::datasets;

namespace {

constexpr std::uint64_t kMost = 1U << 16U;  ///< pixels: larger images say nothing new

std::array<std::string, 10> examples() {
  cv::Mat noise(9, 11, CV_8UC3);
  cv::RNG(1).fill(noise, cv::RNG::UNIFORM, 0, 256);
  cv::Mat grey(5, 4, CV_16UC1, cv::Scalar(1234)), alpha(3, 3, CV_8UC4, cv::Scalar(1, 2, 3, 4));
  return {test::encoded(".png", noise),
          test::encoded(".png", grey),
          test::encoded(".png", alpha),
          test::encoded(".jpg", noise),
          test::with_orientation(test::encoded(".jpg", noise), 6),
          test::encoded(".bmp", noise),
          test::encoded(".webp", noise),
          test::encoded(".pgm", grey),
          test::encoded(".ppm", noise),
          test::png_claiming(100'000, 100'000)};
}

/// Gives each chunk of a PNG the checksum it should have, so that its content is looked at.
void mend_png(std::string& png) {
  for (std::size_t at = 8; png.size() - at >= 12;) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      length = length << 8U | static_cast<std::uint8_t>(png[at + i]);
    }
    if (length > png.size() - at - 12) return;
    const auto sum = crc32(0, reinterpret_cast<const Bytef*>(png.data() + at + 4),
                           static_cast<uInt>(length + 4));
    const std::string text = test::big_endian(static_cast<std::uint32_t>(sum), 4);
    std::memcpy(png.data() + at + 8 + length, text.data(), 4);
    at += 12 + length;
  }
}

}  // namespace

/// An image file: an example with some bytes changed, or any bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::array all = examples();
  FuzzedDataProvider bytes(data, size);
  const auto which = bytes.ConsumeIntegralInRange<std::size_t>(0, all.size());
  std::string image;
  if (which == all.size()) {
    image = bytes.ConsumeRemainingBytesAsString();
  } else {
    image = all[which];
    while (bytes.remaining_bytes() > 2 && !image.empty()) {
      image[bytes.ConsumeIntegralInRange<std::size_t>(0, image.size() - 1)] =
          static_cast<char>(bytes.ConsumeIntegral<std::uint8_t>());
    }
    if (bytes.ConsumeBool()) {
      image.resize(bytes.ConsumeIntegralInRange<std::size_t>(0, image.size()));
    }
    if (image.starts_with("\x89PNG") && image.size() >= 8) mend_png(image);
  }
  const std::span view(reinterpret_cast<const std::uint8_t*>(image.data()), image.size());
  const auto header = read_image_header(view);
  const auto decoded = decode_image(view, "fuzz", kMost);
  if (!decoded) {
    fuzz::check_refusal(decoded.error());
    return 0;
  }
  fuzz::require(header.ok(), "what is decoded has a header");
  fuzz::require(decoded->image.total() <= kMost, "an image is as large as allowed");
  fuzz::use_image(decoded->image);
  return 0;
}
