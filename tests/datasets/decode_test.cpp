#include "datasets/decode.hpp"

#include "datasets/dataset.hpp"
#include "tests/base/temp_directory.hpp"
#include "tests/datasets/image_bytes.hpp"

#include <catch2/catch.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <zlib.h>

using namespace bitquake;
using namespace bitquake::test;
using datasets::decode_image;

namespace {

auto decode(const std::string& bytes, std::uint64_t most = datasets::kMaxPixels) {
  return decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, "a.img",
                      most);
}

std::string refusal(const std::string& bytes) {
  const auto decoded = decode(bytes);
  REQUIRE_FALSE(decoded);
  REQUIRE(decoded.error().code == Errc::data);
  REQUIRE(decoded.error().where == "a.img");
  REQUIRE_FALSE(decoded.error().hint.empty());
  return decoded.error().what;
}

/// As a zlib stream.
std::string deflated(const std::string& bytes) {
  uLongf length = compressBound(bytes.size());
  std::string packed(length, '\0');
  REQUIRE(compress(reinterpret_cast<Bytef*>(packed.data()), &length,
                   reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()) == Z_OK);
  packed.resize(length);
  return packed;
}

/// 2 rows, 3 columns: 0 1 2 / 10 11 12.
cv::Mat numbered() { return (cv::Mat_<std::uint8_t>(2, 3) << 0, 1, 2, 10, 11, 12); }

}  // namespace

TEST_CASE("colours come in RGB order, grey stays grey", "[datasets][decode]") {
  for (const char* extension : {".png", ".bmp", ".ppm", ".webp", ".jpg"}) {
    INFO(extension);
    const auto decoded = decode(encoded(extension, plain(8, 16)));
    REQUIRE(decoded);
    REQUIRE(decoded->image.type() == CV_8UC3);
    REQUIRE(decoded->image.size() == cv::Size(16, 8));
    const auto pixel = decoded->image.at<cv::Vec3b>(3, 3);
    REQUIRE(std::abs(pixel[0] - 10) <= 3);  // JPEG and WebP lose a little
    REQUIRE(std::abs(pixel[1] - 20) <= 3);
    REQUIRE(std::abs(pixel[2] - 200) <= 3);
    REQUIRE(decoded->transforms.empty());
  }
  for (const char* extension : {".png", ".pgm", ".jpg"}) {
    const auto decoded = decode(encoded(extension, cv::Mat(4, 4, CV_8UC1, cv::Scalar(77))));
    REQUIRE(decoded->image.type() == CV_8UC1);
    REQUIRE(decoded->image.at<std::uint8_t>(1, 1) == 77);
  }
}

TEST_CASE("16 bits stay 16 bits, transparency stays", "[datasets][decode]") {
  const auto grey = decode(encoded(".png", cv::Mat(4, 4, CV_16UC1, cv::Scalar(60'001))));
  REQUIRE(grey->image.type() == CV_16UC1);
  REQUIRE(grey->image.at<std::uint16_t>(0, 0) == 60'001);
  const auto colour = decode(encoded(".png", cv::Mat(4, 4, CV_16UC3, cv::Scalar(1, 2, 30'000))));
  const bool red_first = colour->image.at<cv::Vec3w>(0, 0) == cv::Vec3w(30'000, 2, 1);
  REQUIRE(red_first);
  const auto alpha = decode(encoded(".png", cv::Mat(4, 4, CV_8UC4, cv::Scalar(1, 2, 3, 9))));
  const bool rgba = alpha->image.at<cv::Vec4b>(0, 0) == cv::Vec4b(3, 2, 1, 9);
  REQUIRE(rgba);
}

TEST_CASE("EXIF orientation is applied", "[datasets][decode]") {
  struct Case {
    char orientation;
    cv::Mat upright;
    std::string text;
  };
  // Where row 0 and column 0 of the stored image belong. Source: CIPA DC-008, table of Orientation.
  const std::vector<Case> cases{
      {1, numbered(), ""},
      {2, (cv::Mat_<std::uint8_t>(2, 3) << 2, 1, 0, 12, 11, 10), "mirror (EXIF 2)"},
      {3, (cv::Mat_<std::uint8_t>(2, 3) << 12, 11, 10, 2, 1, 0), "rotate 180 (EXIF 3)"},
      {4, (cv::Mat_<std::uint8_t>(2, 3) << 10, 11, 12, 0, 1, 2), "flip (EXIF 4)"},
      {5, (cv::Mat_<std::uint8_t>(3, 2) << 0, 10, 1, 11, 2, 12), "transpose (EXIF 5)"},
      {6, (cv::Mat_<std::uint8_t>(3, 2) << 10, 0, 11, 1, 12, 2), "rotate 90 (EXIF 6)"},
      {7, (cv::Mat_<std::uint8_t>(3, 2) << 12, 2, 11, 1, 10, 0), "transverse (EXIF 7)"},
      {8, (cv::Mat_<std::uint8_t>(3, 2) << 2, 12, 1, 11, 0, 10), "rotate 270 (EXIF 8)"},
  };
  const std::string png = encoded(".png", numbered());
  for (const Case& item : cases) {
    using namespace std::string_literals;
    const std::string exif =
        "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"s + item.orientation + "\0\0\0\0\0\0\0"s;
    const auto decoded = decode(png.substr(0, 33) + png_chunk("eXIf", exif) + png.substr(33));
    REQUIRE(decoded);
    INFO(item.text);
    REQUIRE(decoded->transforms == item.text);
    REQUIRE(decoded->header.height == 2);  // as stored
    REQUIRE(decoded->image.size() == item.upright.size());
    REQUIRE(cv::countNonZero(decoded->image != item.upright) == 0);
  }
  const auto jpeg = decode(with_orientation(encoded(".jpg", plain(8, 16)), 6));
  REQUIRE(jpeg->image.size() == cv::Size(8, 16));
  REQUIRE(jpeg->transforms == "rotate 90 (EXIF 6)");
}

TEST_CASE("a file that is cut anywhere is refused", "[datasets][decode][error]") {
  const std::string extension = GENERATE(as<std::string>{}, ".png", ".jpg", ".webp", ".ppm");
  cv::Mat noise(16, 16, CV_8UC3);
  cv::RNG(1).fill(noise, cv::RNG::UNIFORM, 0, 256);
  const std::string whole = encoded(extension, noise);
  REQUIRE(decode(whole));
  for (std::size_t size = 0; size < whole.size(); size += extension == ".ppm" ? 1 : 7) {
    INFO(extension << " " << size);
    REQUIRE_FALSE(refusal(whole.substr(0, size)).empty());
  }
}

TEST_CASE("a JPEG has the pixels that OpenCV gives", "[datasets][decode]") {
  cv::Mat image(37, 53, CV_8UC3);
  cv::RNG(1).fill(image, cv::RNG::UNIFORM, 0, 256);
  cv::GaussianBlur(image, image, {}, 2);
  cv::Mat grey;
  cv::cvtColor(image, grey, cv::COLOR_BGR2GRAY);
  std::vector<std::string> files{encoded(".jpg", image), encoded(".jpg", grey)};
  std::vector<std::uint8_t> progressive;
  cv::imencode(".jpg", image, progressive, {cv::IMWRITE_JPEG_PROGRESSIVE, 1});
  files.emplace_back(progressive.begin(), progressive.end());
  const std::filesystem::path shared =
      std::filesystem::path(BITQUAKE_SOURCE_DIR) / "../shared/data";
  for (const char* folder : {"imagenet_samples", "coco_val50/images"}) {
    if (!std::filesystem::exists(shared / folder)) {
      WARN("skipped: ../shared/data/" << folder << " is missing");
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(shared / folder)) {
      const std::string bytes = read_bytes(entry.path());
      if (bytes.starts_with("\xFF\xD8")) files.push_back(bytes);
    }
  }
  for (const std::string& bytes : files) {
    const std::vector<char> copy(bytes.begin(), bytes.end());
    cv::Mat expected = cv::imdecode(copy, cv::IMREAD_ANYCOLOR | cv::IMREAD_IGNORE_ORIENTATION);
    if (expected.channels() == 3) cv::cvtColor(expected, expected, cv::COLOR_BGR2RGB);
    const auto got = decode(bytes);
    REQUIRE(got);
    if (!got->transforms.empty()) continue;  // turned
    REQUIRE(got->image.type() == expected.type());
    REQUIRE(cv::norm(got->image, expected, cv::NORM_INF) == 0);
  }
}

TEST_CASE("damage in the compressed data of a JPEG is said, and nothing printed",
          "[datasets][decode][error]") {
  cv::Mat noise(64, 64, CV_8UC3);
  cv::RNG(1).fill(noise, cv::RNG::UNIFORM, 0, 256);
  const std::string whole = encoded(".jpg", noise);
  const std::size_t scan = whole.find("\xFF\xDA") + 14;
  REQUIRE(whole.size() > scan + 1000);
  // Data that end early: the end marker comes where the rest of a block should.
  REQUIRE(refusal(whole.substr(0, scan + 500) + "\xFF\xD9") ==
          "is damaged: Corrupt JPEG data: premature end of data segment");
  // All ones are no Huffman code (T.81, annex C); the zeros after FF are stuffed.
  std::string ones = whole;
  for (std::size_t i = scan + 400; i < scan + 480; i += 2)
    ones.replace(i, 2, std::string("\xFF\0", 2));
  REQUIRE(refusal(ones).starts_with("is damaged: Corrupt JPEG data: "));
  // A header that libjpeg gives up on: no quantisation table.
  std::string tables = whole;
  tables[tables.find("\xFF\xDB") + 1] = '\xEC';  // an application's segment in its place
  tables[tables.find("\xFF\xDB") + 1] = '\xEC';
  REQUIRE(refusal(tables).starts_with("is damaged: Quantization table 0x0"));
}

TEST_CASE("chunks of a PNG that decide no pixel do not matter", "[datasets][decode]") {
  // libpng would print about this profile.
  const std::string png = encoded(".png", numbered());
  const auto decoded = decode(png.substr(0, 33) + png_chunk("iCCP", "x") + png.substr(33));
  REQUIRE(decoded);
  REQUIRE(cv::countNonZero(decoded->image != numbered()) == 0);
  // The colour that is transparent does: red 10, green 20, blue 200.
  const std::string blue = encoded(".png", plain(4, 4));
  const std::string clear = png_chunk("tRNS", std::string("\0\x0A\0\x14\0\xC8", 6));
  const auto alpha = decode(blue.substr(0, 33) + clear + blue.substr(33));
  REQUIRE(alpha->image.type() == CV_8UC4);
  REQUIRE(alpha->image.at<cv::Vec4b>(1, 1)[3] == 0);
  // One that is critical and unknown does.
  REQUIRE_FALSE(decode(png.substr(0, 33) + png_chunk("XXXX", "x") + png.substr(33)));
}

TEST_CASE("every kind of PNG has the pixels that OpenCV reads", "[datasets][decode]") {
  struct Kind {
    char depth, colour;
    std::size_t bits;  ///< of a pixel
    int type;
  };
  // Grey, colours, palette, grey with alpha, colours with alpha (PNG specification, table 11.1).
  const Kind kind =
      GENERATE(Kind{1, 0, 1, CV_8UC1}, Kind{2, 0, 2, CV_8UC1}, Kind{4, 0, 4, CV_8UC1},
               Kind{8, 0, 8, CV_8UC1}, Kind{16, 0, 16, CV_16UC1}, Kind{8, 2, 24, CV_8UC3},
               Kind{16, 2, 48, CV_16UC3}, Kind{1, 3, 1, CV_8UC3}, Kind{4, 3, 4, CV_8UC3},
               Kind{8, 3, 8, CV_8UC3}, Kind{8, 4, 16, CV_8UC4}, Kind{16, 4, 32, CV_16UC4},
               Kind{8, 6, 32, CV_8UC4}, Kind{16, 6, 64, CV_16UC4});
  const bool transparent = GENERATE(false, true);  // palette entries
  constexpr std::uint32_t kWidth = 9, kHeight = 5;
  INFO("depth " << int{kind.depth} << ", colour " << int{kind.colour} << ", " << transparent);
  std::string rows, palette;
  std::uint32_t next = 12345;
  const auto draw = [&] { return static_cast<char>((next = next * 1664525 + 1013904223) >> 24U); };
  for (std::uint32_t y = 0; y < kHeight; ++y) {
    rows += '\0';  // no filter
    for (std::size_t i = 0; i < (kWidth * kind.bits + 7) / 8; ++i) rows += draw();
  }
  const std::size_t colours = std::size_t{1} << std::min<std::size_t>(8, kind.bits);
  for (std::size_t i = 0; i < 3 * colours; ++i) palette += draw();
  std::string png =
      "\x89PNG\r\n\x1A\n" + png_chunk("IHDR", big_endian(kWidth, 4) + big_endian(kHeight, 4) +
                                                  kind.depth + kind.colour + std::string(3, '\0'));
  if (kind.colour == 3) png += png_chunk("PLTE", palette);
  if (kind.colour == 3 && transparent) png += png_chunk("tRNS", "\x07");
  if (kind.colour == 0 && transparent) png += png_chunk("tRNS", std::string("\0\1", 2));
  png += png_chunk("IDAT", deflated(rows)) + png_chunk("IEND", "");

  const auto decoded = decode(png);
  REQUIRE(decoded);
  const bool clear_palette = kind.colour == 3 && transparent;
  REQUIRE(decoded->image.type() == (clear_palette ? CV_8UC4 : kind.type));
  cv::Mat theirs =
      cv::imdecode(cv::Mat(1, static_cast<int>(png.size()), CV_8UC1, png.data()),
                   decoded->image.channels() == 4 ? int{cv::IMREAD_UNCHANGED}
                                                  : cv::IMREAD_ANYCOLOR | cv::IMREAD_ANYDEPTH);
  if (theirs.channels() == 3) cv::cvtColor(theirs, theirs, cv::COLOR_BGR2RGB);
  if (theirs.channels() == 4) cv::cvtColor(theirs, theirs, cv::COLOR_BGRA2RGBA);
  REQUIRE(theirs.type() == decoded->image.type());
  REQUIRE(cv::norm(theirs, decoded->image, cv::NORM_INF) == 0);
}

TEST_CASE("a PNG whose compressed data are damaged is refused in the library's words",
          "[datasets][decode][error]") {
  const auto with_data = [](const std::string& data) {
    return "\x89PNG\r\n\x1A\n" +
           png_chunk("IHDR", big_endian(2, 4) + big_endian(2, 4) + std::string("\x08\0\0\0\0", 5)) +
           png_chunk("IDAT", data) + png_chunk("IEND", "");
  };
  const std::string data = deflated(std::string("\0\1\2\0\3\4", 6));
  REQUIRE(decode(with_data(data)));
  REQUIRE(refusal(with_data(data.substr(0, data.size() / 2))).starts_with("is damaged: "));
  std::string wrong = data;
  wrong[0] = '\x79';  // no method of compression
  REQUIRE(refusal(with_data(wrong)) == "is damaged: IDAT: incorrect header check");
}

TEST_CASE("each damaged byte of a PNG is noticed", "[datasets][decode][error]") {
  const std::string whole = encoded(".png", plain(4, 4));
  for (std::size_t at = 8; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    REQUIRE_FALSE(refusal(damaged).empty());
  }
}

TEST_CASE("an image that claims too many pixels is refused by its header",
          "[datasets][decode][error]") {
  REQUIRE(refusal(png_claiming(60'000, 60'000)) == "has 60000 x 60000 pixels, more than 100000000");
  const std::string small = encoded(".png", plain(10, 10));
  REQUIRE(decode(small, 100));
  REQUIRE(decode(small, 99).error().what == "has 10 x 10 pixels, more than 99");
  REQUIRE(decode(small, 99).error().hint.find("data.max_pixels") != std::string::npos);
  REQUIRE(refusal(png_claiming(0, 5)) == "is damaged: its header says 0 x 5 pixels");
  // A header that promises more than the file has.
  REQUIRE(refusal(png_claiming(100, 100)).starts_with("is damaged"));
}

TEST_CASE("what is no image is said to be none", "[datasets][decode][error]") {
  REQUIRE(refusal("") == "is empty");
  using namespace std::string_literals;
  REQUIRE(refusal("GIF89a") == "is a GIF, which is not read: convert its picture to PNG");
  REQUIRE(refusal("II*\0...."s) == "is a TIFF, which is not read: convert it to PNG");
  REQUIRE(refusal("MM\0*...."s) == "is a TIFF, which is not read: convert it to PNG");
  for (const std::string& text :
       {std::string("hello"), std::string("\xFF"), std::string("P4 1 1 1"),
        std::string("RIFF....WAVEfmt "), std::string("<svg/>")}) {
    REQUIRE(refusal(text) == "is no image: it begins like no JPEG, PNG, BMP, WebP, PGM or PPM");
  }
}
