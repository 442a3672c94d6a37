#include "datasets/decode.hpp"

#include "datasets/codecs.hpp"

#include <fmt/format.h>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <optional>
#include <utility>

namespace bitquake::datasets {
namespace {

using Bytes = std::span<const std::uint8_t>;
using Header = Result<ImageHeader, std::string>;

constexpr const char* kTruncated = "is truncated";

/// Whether `bytes` hold `text` at `at`.
bool has_text(Bytes bytes, std::size_t at, std::string_view text) {
  if (text.empty()) return true;
  return at <= bytes.size() && text.size() <= bytes.size() - at &&
         std::equal(text.begin(), text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

enum class Endian : std::uint8_t { little, big };

/// The unsigned number in `count` bytes at `at`, which must be there.
std::uint32_t number(Bytes bytes, std::size_t at, std::size_t count, Endian endian) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t place = endian == Endian::big ? i : count - 1 - i;
    value = value << 8U | bytes[at + place];
  }
  return value;
}
std::uint32_t big(Bytes bytes, std::size_t at, std::size_t count) {
  return number(bytes, at, count, Endian::big);
}
std::uint32_t little(Bytes bytes, std::size_t at, std::size_t count) {
  return number(bytes, at, count, Endian::little);
}

/// Orientation in a TIFF structure, which is what Exif is; 1 when it says nothing valid.
int exif_orientation(Bytes tiff) {
  constexpr std::size_t kHeader = 8, kEntry = 12;
  constexpr std::uint32_t kOrientation = 0x0112, kShort = 3;
  const bool intel = has_text(tiff, 0, std::string_view("II*\0", 4));
  if (tiff.size() < kHeader || (!intel && !has_text(tiff, 0, std::string_view("MM\0*", 4)))) {
    return 1;
  }
  const Endian endian = intel ? Endian::little : Endian::big;
  const std::size_t directory = number(tiff, 4, 4, endian);
  if (directory > tiff.size() - 2) return 1;
  const std::size_t entries = number(tiff, directory, 2, endian);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + i * kEntry;
    if (at + kEntry > tiff.size()) return 1;
    if (number(tiff, at, 2, endian) != kOrientation) continue;
    const std::uint32_t value = number(tiff, at + 8, 2, endian);
    const bool valid = number(tiff, at + 2, 2, endian) == kShort && value >= 1 && value <= 8;
    return valid ? static_cast<int>(value) : 1;
  }
  return 1;
}

// --- JPEG ---

/// From inside entropy-coded data to the marker that ends it.
std::size_t skip_scan(Bytes bytes, std::size_t at) {
  while (at + 1 < bytes.size()) {
    const std::uint8_t next = bytes[at + 1];
    const bool data = bytes[at] != 0xFF || next == 0x00 || (next >= 0xD0 && next <= 0xD7);
    if (!data && next != 0xFF) return at;
    ++at;
  }
  return bytes.size();
}

Header jpeg_header(Bytes bytes) {
  ImageHeader header{.format = ImageFormat::jpeg};
  std::size_t at = 2;
  bool scanned = false;
  while (true) {
    while (at + 1 < bytes.size() && bytes[at] == 0xFF && bytes[at + 1] == 0xFF) ++at;  // padding
    if (at + 2 > bytes.size()) return std::string(kTruncated);
    if (bytes[at] != 0xFF) return std::string("is damaged: expected a JPEG marker");
    const std::uint8_t marker = bytes[at + 1];
    at += 2;
    if (marker == 0xD9) break;  // end of image
    const bool alone = marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8);
    if (alone) continue;
    if (at + 2 > bytes.size()) return std::string(kTruncated);
    const std::size_t length = big(bytes, at, 2);
    if (length < 2 || length > bytes.size() - at) return std::string(kTruncated);
    const Bytes segment = bytes.subspan(at + 2, length - 2);
    // C4, C8 and CC are tables, not frames.
    const bool frame =
        marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame) {
      if (segment.size() < 6) return std::string("is damaged: a JPEG frame without its header");
      if (segment[0] != 8) {
        return fmt::format("is a JPEG of {} bits; only those of 8 bits can be read", segment[0]);
      }
      header.height = big(segment, 1, 2);
      header.width = big(segment, 3, 2);
      header.cmyk = segment[5] == 4;
    } else if (marker == 0xE1 && has_text(segment, 0, std::string_view("Exif\0\0", 6))) {
      header.orientation = exif_orientation(segment.subspan(6));
    }
    at += length;
    if (marker != 0xDA) continue;
    scanned = true;
    at = skip_scan(bytes, at);
  }
  if (!scanned) return std::string("is a JPEG without an image");
  return header;
}

// --- PNG ---

Header png_header(Bytes bytes) {
  constexpr std::size_t kFrame = 12;  ///< length, type and checksum
  ImageHeader header{.format = ImageFormat::png};
  std::size_t at = 8;
  bool first = true;
  while (true) {
    if (bytes.size() - at < kFrame) return std::string(kTruncated);
    const std::size_t length = big(bytes, at, 4);
    if (length > bytes.size() - at - kFrame) return std::string(kTruncated);
    const Bytes checked = bytes.subspan(at + 4, 4 + length);
    const auto sum = crc32(0, checked.data(), static_cast<uInt>(checked.size()));
    if (sum != big(bytes, at + 8 + length, 4)) {
      return fmt::format("is damaged: the checksum of a PNG chunk at byte {} is wrong", at);
    }
    const Bytes data = checked.subspan(4);
    if (first != has_text(checked, 0, "IHDR") || (first && length != 13)) {
      return std::string("is damaged: a PNG begins with its header, and has no second one");
    }
    if (first) {
      header.width = big(data, 0, 4);
      header.height = big(data, 4, 4);
      header.alpha = (data[9] & 4U) != 0;
      first = false;
    } else if (has_text(checked, 0, "tRNS")) {
      header.alpha = true;
    } else if (has_text(checked, 0, "eXIf")) {
      header.orientation = exif_orientation(data);
    } else if (has_text(checked, 0, "IEND")) {
      return header;
    }
    at += kFrame + length;
  }
}

// --- BMP, WebP, PNM ---

Header bmp_header(Bytes bytes) {
  constexpr std::size_t kSizeAt = 14;
  if (bytes.size() < 30) return std::string(kTruncated);
  ImageHeader header{.format = ImageFormat::bmp};
  const std::uint32_t kind = little(bytes, kSizeAt, 4);
  if (kind == 12) {  // OS/2
    header.width = little(bytes, 18, 2);
    header.height = little(bytes, 20, 2);
    return header;
  }
  // Negative: rows from the top.
  const auto height = static_cast<std::int32_t>(little(bytes, 22, 4));
  header.width = static_cast<std::int32_t>(little(bytes, 18, 4));
  header.height = height < 0 ? -std::int64_t{height} : height;
  header.alpha = little(bytes, 28, 2) == 32;
  return header;
}

Header webp_header(Bytes bytes) {
  if (bytes.size() < 30) return std::string(kTruncated);
  if (std::uint64_t{little(bytes, 4, 4)} + 8 > bytes.size()) return std::string(kTruncated);
  ImageHeader header{.format = ImageFormat::webp};
  if (has_text(bytes, 12, "VP8X")) {
    if ((bytes[20] & 2U) != 0) return std::string("is an animation");
    header.alpha = (bytes[20] & 16U) != 0;
    header.width = little(bytes, 24, 3) + std::int64_t{1};
    header.height = little(bytes, 27, 3) + std::int64_t{1};
    for (std::size_t at = 12; at + 8 <= bytes.size();) {
      const std::size_t length = little(bytes, at + 4, 4), left = bytes.size() - at - 8;
      if (length > left) return std::string(kTruncated);
      if (has_text(bytes, at, "EXIF")) {
        Bytes exif = bytes.subspan(at + 8, length);
        if (has_text(exif, 0, std::string_view("Exif\0\0", 6))) exif = exif.subspan(6);
        header.orientation = exif_orientation(exif);
      }
      at += 8 + length + length % 2;
    }
    return header;
  }
  if (has_text(bytes, 12, "VP8L")) {
    const std::uint32_t bits = little(bytes, 21, 4);
    header.width = (bits & 0x3FFFU) + std::int64_t{1};
    header.height = ((bits >> 14U) & 0x3FFFU) + std::int64_t{1};
    header.alpha = (bits >> 28U & 1U) != 0;
    return header;
  }
  if (!has_text(bytes, 12, "VP8 ")) return std::string("is damaged: no known kind of WebP");
  header.width = little(bytes, 26, 2) & 0x3FFFU;
  header.height = little(bytes, 28, 2) & 0x3FFFU;
  return header;
}

/// The next decimal number of a PNM header, past blanks and comments.
std::optional<std::int64_t> pnm_number(Bytes bytes, std::size_t& at) {
  constexpr std::int64_t kMost = 1'000'000'000;
  while (at < bytes.size() && (bytes[at] == '#' || std::isspace(bytes[at]) != 0)) {
    if (bytes[at] == '#') {
      while (at < bytes.size() && bytes[at] != '\n') ++at;
    } else {
      ++at;
    }
  }
  std::optional<std::int64_t> value;
  for (; at < bytes.size() && std::isdigit(bytes[at]) != 0; ++at) {
    value = value.value_or(0) * 10 + (bytes[at] - '0');
    if (*value > kMost) return std::nullopt;
  }
  return value;
}

Header pnm_header(Bytes bytes) {
  ImageHeader header{.format = ImageFormat::pnm};
  std::size_t at = 2;
  const auto width = pnm_number(bytes, at), height = pnm_number(bytes, at);
  const auto largest = pnm_number(bytes, at);
  if (!width || !height || !largest) return std::string("is damaged: no PNM header");
  if (*largest != 255 && *largest != 65'535) {
    return fmt::format("has a largest value of {}, expected 255 or 65535", *largest);
  }
  header.width = *width;
  header.height = *height;
  const std::int64_t pixel = std::int64_t{bytes[1] == '6' ? 3 : 1} * (*largest > 255 ? 2 : 1);
  const auto left = static_cast<std::int64_t>(bytes.size() - std::min(bytes.size(), at + 1));
  if (*width > 0 && *height > left / pixel / *width) return std::string(kTruncated);
  return header;
}

/// An image format, told by its first bytes.
struct Kind {
  std::string_view begin, at_8;
  Header (*read)(Bytes);
};
constexpr std::array<Kind, 6> kKinds{Kind{"\xFF\xD8\xFF", "", jpeg_header},
                                     Kind{"\x89PNG\r\n\x1A\n", "", png_header},
                                     Kind{"BM", "", bmp_header},
                                     Kind{"RIFF", "WEBP", webp_header},
                                     Kind{"P5", "", pnm_header},
                                     Kind{"P6", "", pnm_header}};

const Kind* kind_of(Bytes bytes) {
  for (const Kind& kind : kKinds) {
    if (has_text(bytes, 0, kind.begin) && has_text(bytes, 8, kind.at_8)) return &kind;
  }
  return nullptr;
}

/// How to turn an image of an EXIF orientation upright: transpose first, then mirror.
struct Turn {
  bool transpose = false;
  std::optional<int> flip;  ///< as in cv::flip
  const char* text = "";
};
constexpr std::array<Turn, 9> kTurns{
    Turn{},
    Turn{},
    Turn{false, 1, "mirror (EXIF 2)"},
    Turn{false, -1, "rotate 180 (EXIF 3)"},
    Turn{false, 0, "flip (EXIF 4)"},
    Turn{true, std::nullopt, "transpose (EXIF 5)"},
    Turn{true, 1, "rotate 90 (EXIF 6)"},
    Turn{true, -1, "transverse (EXIF 7)"},
    Turn{true, 0, "rotate 270 (EXIF 8)"},
};

void turn_upright(DecodedImage& decoded) {
  const Turn& turn = kTurns.at(static_cast<std::size_t>(decoded.header.orientation));
  if (turn.transpose) cv::transpose(decoded.image, decoded.image);
  if (turn.flip) cv::flip(decoded.image, decoded.image, *turn.flip);
  decoded.transforms = turn.text;
}

/// Pixels in RGB order, by OpenCV; empty when it cannot.
cv::Mat decode(Bytes bytes, bool alpha) {
  const int flags = alpha
                        ? int{cv::IMREAD_UNCHANGED}
                        : cv::IMREAD_ANYCOLOR | cv::IMREAD_ANYDEPTH | cv::IMREAD_IGNORE_ORIENTATION;
  try {
    // OpenCV only reads what it takes as an array that could be written to.
    const cv::Mat view(1, static_cast<int>(bytes.size()), CV_8UC1,
                       const_cast<std::uint8_t*>(bytes.data()));  // NOLINT(*-const-cast)
    cv::Mat image = cv::imdecode(view, flags);
    if (image.channels() == 3) cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
    if (image.channels() == 4) cv::cvtColor(image, image, cv::COLOR_BGRA2RGBA);
    return image;
  } catch (const cv::Exception&) {
    return {};
  }
}

/// Pixels in RGB order; empty when they cannot be decoded for no known reason.
Result<cv::Mat, std::string> decode(Bytes bytes, const ImageHeader& header) {
  switch (header.format) {
    case ImageFormat::jpeg: {
      auto image = decode_jpeg(bytes);
      if (!image || !header.cmyk) return image;
      return decode(bytes, false);  // OpenCV's way from inks to colours
    }
    case ImageFormat::png:
      return decode_png(bytes);
    case ImageFormat::bmp:
    case ImageFormat::webp:
    case ImageFormat::pnm:
      break;
  }
  return decode(bytes, header.alpha);
}

}  // namespace

bool looks_like_image(std::span<const std::uint8_t> begin) { return kind_of(begin) != nullptr; }

Result<ImageHeader, std::string> read_image_header(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return std::string("is empty");
  const Kind* kind = kind_of(bytes);
  if (kind == nullptr) {
    const bool tiff = has_text(bytes, 0, std::string_view("II*\0", 4)) ||
                      has_text(bytes, 0, std::string_view("MM\0*", 4));
    if (tiff) return std::string("is a TIFF, which is not read: convert it to PNG");
    if (has_text(bytes, 0, "GIF8")) {
      return std::string("is a GIF, which is not read: convert its picture to PNG");
    }
    return std::string("is no image: it begins like no JPEG, PNG, BMP, WebP, PGM or PPM");
  }
  Header header = kind->read(bytes);
  if (!header || (header->width > 0 && header->height > 0)) return header;
  return fmt::format("is damaged: its header says {} x {} pixels", header->width, header->height);
}

Result<DecodedImage> decode_image(std::span<const std::uint8_t> bytes, const std::string& where,
                                  std::uint64_t max_pixels) {
  const auto error = [&](std::string what, std::string hint) {
    return Error{Errc::data, where, std::move(what), std::move(hint), ""};
  };
  constexpr const char* kHint =
      "fetch or convert the file again, leave it out, or set data.on_bad_sample: skip";
  constexpr std::size_t kMostBytes = std::size_t{1} << 30U;
  if (bytes.size() > kMostBytes) return error("has more than 1 GiB", kHint);
  const auto header = read_image_header(bytes);
  if (!header) return error(header.error(), kHint);
  const auto area =
      static_cast<std::uint64_t>(header->width) * static_cast<std::uint64_t>(header->height);
  if (area > max_pixels) {
    return error(
        fmt::format("has {} x {} pixels, more than {}", header->width, header->height, max_pixels),
        "raise data.max_pixels when the image is meant to be so large");
  }
  auto pixels = decode(bytes, *header);
  if (!pixels) return error(pixels.error(), kHint);
  DecodedImage decoded{*std::move(pixels), *header, ""};
  cv::Mat& image = decoded.image;
  if (image.empty()) return error("is damaged: its pixels cannot be decoded", kHint);
  if (image.cols != header->width || image.rows != header->height) {
    return error(fmt::format("is damaged: {} x {} pixels were decoded, its header says {} x {}",
                             image.cols, image.rows, header->width, header->height),
                 kHint);
  }
  const bool depth = image.depth() == CV_8U || image.depth() == CV_16U;
  if (!depth || (image.channels() != 1 && image.channels() != 3 && image.channels() != 4)) {
    return error("holds neither grey nor colour pixels of 8 or 16 bits", kHint);
  }
  turn_upright(decoded);
  if (header->cmyk) {
    decoded.transforms =
        decoded.transforms.empty() ? "CMYK to RGB" : "CMYK to RGB; " + decoded.transforms;
  }
  return decoded;
}

}  // namespace bitquake::datasets
