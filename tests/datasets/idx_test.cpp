#include "datasets/dataset.hpp"
#include "suite/base/sha256.hpp"
#include "tests/base/temp_directory.hpp"

#include <catch2/catch.hpp>
#include <zlib.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <numeric>
#include <string>

using namespace bitquake;
using datasets::idx_sizes;
using datasets::open_idx;

namespace {

std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

/// Header of an idx file of unsigned bytes.
std::string header(const std::vector<std::uint32_t>& dims) {
  std::string bytes{'\0', '\0', '\x08', static_cast<char>(dims.size())};
  for (const std::uint32_t size : dims) bytes += big_endian(size);
  return bytes;
}

/// Three images of 2 x 4 pixels with the values 0, 1, 2, … 23.
std::string three_images() {
  std::string bytes = header({3, 2, 4});
  for (char value = 0; value < 24; ++value) bytes += value;
  return bytes;
}

std::string three_labels() { return header({3}) + std::string{'\x07', '\x00', '\xff'}; }

void write_gzip(const std::filesystem::path& path, const std::string& bytes) {
  gzFile file = gzopen(path.c_str(), "wb");
  REQUIRE(file != nullptr);
  REQUIRE(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())) ==
          static_cast<int>(bytes.size()));
  REQUIRE(gzclose(file) == Z_OK);
}

/// The error of opening `images`, and `labels` when there are any, written as plain files.
Error error_of(const std::string& images, const std::string& labels = "") {
  const test::TempDirectory directory;
  test::write_bytes(directory / "images", images);
  std::optional<std::filesystem::path> label_file;
  if (!labels.empty()) {
    label_file = directory / "labels";
    test::write_bytes(*label_file, labels);
  }
  const auto opened = open_idx("test", directory / "images", label_file);
  REQUIRE_FALSE(opened);
  REQUIRE(opened.error().code == Errc::data);
  REQUIRE(opened.error().where == (directory / (labels.empty() ? "images" : "labels")).string());
  REQUIRE_FALSE(opened.error().hint.empty());
  return opened.error();
}

bool mentions(const Error& error, const std::string& text) {
  return error.what.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("an idx pair gives its images and labels", "[datasets][idx]") {
  const bool gzip = GENERATE(false, true);
  const test::TempDirectory directory;
  const auto write = [&](const std::string& name, const std::string& bytes) {
    gzip ? write_gzip(directory / name, bytes) : test::write_bytes(directory / name, bytes);
  };
  write("images", three_images());
  write("labels", three_labels());
  const auto data = value_or_throw(open_idx("test", directory / "images", directory / "labels"));
  REQUIRE(data->size() == 3);
  REQUIRE(data->fixed_size() == cv::Size(4, 2));

  const datasets::Sample sample = *data->get(1);
  REQUIRE(sample.dataset == "test");
  REQUIRE(sample.file == (directory / "images").string());
  REQUIRE(sample.index == 1);
  REQUIRE(sample.height == 2);
  REQUIRE(sample.width == 4);
  REQUIRE(sample.image.type() == CV_8UC1);
  REQUIRE(sample.image.rows == 2);
  REQUIRE(sample.image.cols == 4);
  REQUIRE(sample.image.at<std::uint8_t>(0, 0) == 8);
  REQUIRE(sample.image.at<std::uint8_t>(0, 3) == 11);
  REQUIRE(sample.image.at<std::uint8_t>(1, 0) == 12);
  REQUIRE(data->get(0)->label == 7);
  REQUIRE(data->get(1)->label == 0);
  REQUIRE(data->get(2)->label == 255);

  REQUIRE(data->checksums().size() == 2);
  REQUIRE(data->checksums()[0].first == (directory / "images").string());
  REQUIRE(data->checksums()[0].second == sha256_hex(test::read_bytes(directory / "images")));
  REQUIRE(data->checksums()[1].first == (directory / "labels").string());
  REQUIRE(data->checksums()[1].second == sha256_hex(test::read_bytes(directory / "labels")));
}

TEST_CASE("classes of idx can have names", "[datasets][idx]") {
  const test::TempDirectory directory;
  test::write_bytes(directory / "images", three_images());
  test::write_bytes(directory / "labels", three_labels());
  std::string names;
  for (int i = 0; i < 255; ++i) names += "class " + std::to_string(i) + "\n";
  test::write_bytes(directory / "names", names);
  const auto few =
      open_idx("test", directory / "images", directory / "labels", directory / "names");
  REQUIRE_FALSE(few);
  REQUIRE(few.error().what == "has 255 class names, the data set has 256 classes");
  test::write_bytes(directory / "names", names + "last\n");
  const auto data = value_or_throw(
      open_idx("test", directory / "images", directory / "labels", directory / "names"));
  REQUIRE(data->categories().size() == 256);
  REQUIRE(data->categories()[255] == datasets::Category{255, "last"});
  REQUIRE(data->checksums().size() == 3);
}

TEST_CASE("labels are optional", "[datasets][idx]") {
  const test::TempDirectory directory;
  test::write_bytes(directory / "images", three_images());
  const auto data = value_or_throw(open_idx("test", directory / "images", std::nullopt));
  REQUIRE_FALSE(data->get(0)->label.has_value());
  REQUIRE(data->checksums().size() == 1);
}

TEST_CASE("changing a sample does not change the data set", "[datasets][idx]") {
  const test::TempDirectory directory;
  test::write_bytes(directory / "images", three_images());
  const auto data = value_or_throw(open_idx("test", directory / "images", std::nullopt));
  data->get(0)->image.setTo(99);
  REQUIRE(data->get(0)->image.at<std::uint8_t>(0, 1) == 1);
}

TEST_CASE("each byte of the magic number is checked", "[datasets][idx]") {
  const std::size_t position = GENERATE(0U, 1U, 2U, 3U);
  std::string images = three_images();
  images[position] = '\x0d';
  const Error error = error_of(images);
  REQUIRE(mentions(error, "begins with 00 00 08 03"));
  REQUIRE(mentions(error, "0d"));
}

TEST_CASE("swapped images and labels are noticed", "[datasets][idx]") {
  const Error error = error_of(three_labels());
  REQUIRE(mentions(error, "00 00 08 01"));
  REQUIRE(error.hint.find("swapped") != std::string::npos);
  REQUIRE(mentions(error_of(three_images(), three_images()), "00 00 08 03"));
}

TEST_CASE("a file that ends within its header is truncated", "[datasets][idx]") {
  REQUIRE(mentions(error_of(""), "an empty file"));
  REQUIRE(mentions(error_of(three_images().substr(0, 3)), "got 00 00 08"));
  for (std::size_t size = 4; size < 16; ++size) {
    const Error error = error_of(three_images().substr(0, size));
    REQUIRE(mentions(error, "header of 16 bytes, got " + std::to_string(size)));
  }
}

TEST_CASE("dimensions of zero are refused", "[datasets][idx]") {
  REQUIRE(mentions(error_of(header({0, 2, 4})), "number of items 0"));
  REQUIRE(mentions(error_of(header({3, 0, 4})), "height 0"));
  REQUIRE(mentions(error_of(header({3, 2, 0})), "width 0"));
  REQUIRE(mentions(error_of(three_images(), header({0})), "number of items 0"));
}

TEST_CASE("dimensions no image has are refused", "[datasets][idx]") {
  constexpr std::uint32_t kLargest = 0xffffffff;
  REQUIRE(mentions(error_of(header({3, 65'537, 4})), "height 65537, expected 1 to 65536"));
  REQUIRE(mentions(error_of(header({3, 2, kLargest})), "width 4294967295"));
  // The product passes 2^64: it must not wrap round to something small.
  REQUIRE(mentions(error_of(header({kLargest, 65'536, 65'536}) + "x"), "more than 2^62 bytes"));
}

TEST_CASE("the data must be as long as the header says", "[datasets][idx]") {
  const std::string images = three_images();
  REQUIRE(mentions(error_of(images.substr(0, images.size() - 1)), "24 bytes of data, got 23"));
  REQUIRE(mentions(error_of(images.substr(0, 16)), "24 bytes of data, got 0"));
  REQUIRE(mentions(error_of(images + "x"), "24 bytes of data, got more"));
  // A header that promises terabytes costs no memory: the file is short.
  REQUIRE(
      mentions(error_of(header({0xffffffff, 32, 32}) + "x"), "4398046510080 bytes of data, got 1"));
}

TEST_CASE("there must be one label per image", "[datasets][idx]") {
  const Error error = error_of(three_images(), header({2}) + "ab");
  REQUIRE(mentions(error, "2 labels"));
  REQUIRE(mentions(error, "3 images"));
}

TEST_CASE("a damaged or truncated gzip file is refused", "[datasets][idx]") {
  const test::TempDirectory directory;
  // Values that do not compress, so that a cut falls into the data.
  std::string images = header({100, 8, 8});
  std::uint32_t state = 1;
  for (int i = 0; i < 6400; ++i)
    images += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  write_gzip(directory / "whole.gz", images);
  REQUIRE(open_idx("test", directory / "whole.gz", std::nullopt));
  const std::string bytes = test::read_bytes(directory / "whole.gz");

  // Cut anywhere behind the gzip header: in the data, and in the checksum and length at the end.
  for (const std::size_t size : {bytes.size() / 2, bytes.size() - 8, bytes.size() - 1}) {
    test::write_bytes(directory / "cut.gz", bytes.substr(0, size));
    const auto opened = open_idx("test", directory / "cut.gz", std::nullopt);
    REQUIRE_FALSE(opened);
    REQUIRE(opened.error().code == Errc::data);
  }
  for (const std::size_t position : {bytes.size() / 2, bytes.size() - 6}) {
    std::string damaged = bytes;
    damaged[position] = static_cast<char>(damaged[position] ^ 0x10);
    test::write_bytes(directory / "damaged.gz", damaged);
    REQUIRE_FALSE(open_idx("test", directory / "damaged.gz", std::nullopt));
  }
}

TEST_CASE("a file that is missing or a directory is named", "[datasets][idx]") {
  const test::TempDirectory directory;
  const auto missing = open_idx("test", directory / "missing", std::nullopt);
  REQUIRE_FALSE(missing);
  REQUIRE(missing.error().where == (directory / "missing").string());
  REQUIRE(mentions(missing.error(), "No such file"));
  const auto folder = open_idx("test", directory.path(), std::nullopt);
  REQUIRE_FALSE(folder);
  REQUIRE(mentions(folder.error(), "is a directory"));
}

namespace {

const std::filesystem::path kFashion = "/usr/share/datasets/fashion-mnist";

/// Fashion-MNIST of the Debian package, or nothing when it is not installed.
std::shared_ptr<const datasets::Dataset> fashion(const std::string& part) {
  if (!std::filesystem::exists(kFashion / (part + "-images-idx3-ubyte.gz"))) {
    WARN("skipped: package dataset-fashion-mnist is not installed");
    return nullptr;
  }
  return value_or_throw(open_idx("fashion-mnist", kFashion / (part + "-images-idx3-ubyte.gz"),
                                 kFashion / (part + "-labels-idx1-ubyte.gz")));
}

std::uint64_t pixel_sum(const cv::Mat& image) {
  return std::accumulate(image.begin<std::uint8_t>(), image.end<std::uint8_t>(), std::uint64_t{0});
}

std::uint64_t pixel_sum(const datasets::Dataset& data) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < data.size(); ++i) sum += pixel_sum(data.get(i)->image);
  return sum;
}

}  // namespace

TEST_CASE("Fashion-MNIST's test part is as published", "[datasets][idx][real]") {
  const auto start = std::chrono::steady_clock::now();
  const auto data = fashion("t10k");
  if (data == nullptr) return;
  const std::chrono::duration<double> elapsed_s = std::chrono::steady_clock::now() - start;
  // Target: under 0.2 s on an idle machine; the slack is for sanitizers and busy machines.
  REQUIRE(elapsed_s.count() < 5.0);

  REQUIRE(data->size() == 10'000);
  REQUIRE(data->fixed_size() == cv::Size(28, 28));
  std::array<int, 10> per_class{};
  for (std::uint64_t i = 0; i < data->size(); ++i) {
    ++per_class[static_cast<std::size_t>(*data->get(i)->label)];
  }
  for (const int count : per_class) REQUIRE(count == 1000);
  REQUIRE(data->get(0)->label == 9);
  REQUIRE(data->get(9'999)->label == 5);
  // Sums and checksum from Python's gzip and hashlib.
  REQUIRE(pixel_sum(data->get(0)->image) == 33'456);
  REQUIRE(pixel_sum(data->get(9'999)->image) == 24'390);
  REQUIRE(pixel_sum(*data) == 573'469'082);
  REQUIRE(data->checksums()[1].second ==
          "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05");
}

TEST_CASE("Fashion-MNIST's training part is as published", "[datasets][idx][real]") {
  const auto data = fashion("train");
  if (data == nullptr) return;
  REQUIRE(data->size() == 60'000);
  REQUIRE(data->get(0)->label == 9);
  REQUIRE(pixel_sum(data->get(0)->image) == 76'247);
  REQUIRE(pixel_sum(*data) == 3'431'114'169);
}

TEST_CASE("the sizes of an idx file are read from its header alone", "[datasets][idx]") {
  const test::TempDirectory directory;
  using Sizes = std::vector<std::uint64_t>;
  const auto file = directory / "file";
  write_gzip(file, header({60000, 28, 28}));
  REQUIRE(value_or_throw(idx_sizes(file)) == Sizes{60000, 28, 28});
  test::write_bytes(file, three_labels());
  REQUIRE(value_or_throw(idx_sizes(file)) == Sizes{3});
}

TEST_CASE("a file without an idx header has no sizes, one that cannot be read is an error",
          "[datasets][idx][error]") {
  const test::TempDirectory directory;
  const auto file = directory / "file";
  std::string floats = header({3, 2, 4});
  floats[2] = '\x0d';
  for (const std::string& bytes :
       {std::string(), std::string("\0\0\x08", 3), header({3, 2, 4}).substr(0, 15), floats,
        std::string("\0\0\x08\0", 4), std::string("PK\x03\x04 something else")}) {
    test::write_bytes(file, bytes);
    REQUIRE_FALSE(value_or_throw(idx_sizes(file)));
  }
  REQUIRE(idx_sizes(directory / "none").error().code == Errc::data);
}
