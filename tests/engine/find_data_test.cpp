#include "suite/engine/find_data.hpp"

#include "datasets/hdf5.hpp"
#include "tests/base/temp_directory.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>

using namespace bitquake;
using engine::find_data;
using Data = scenario::Scenario::Data;

namespace {

/// A directory `set` with idx files that consist of headers only.
class Files {
 public:
  Files() { std::filesystem::create_directory(path()); }
  std::filesystem::path path() const { return directory_ / "set"; }

  void idx(const std::string& name, const std::vector<std::uint32_t>& sizes) const {
    std::string bytes{'\0', '\0', '\x08', static_cast<char>(sizes.size())};
    for (const std::uint32_t size : sizes) {
      for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes += static_cast<char>(size >> shift);
    }
    test::write_bytes(path() / name, bytes);
  }
  void mnist() const {
    idx("t10k-images-idx3-ubyte", {10000, 28, 28});
    idx("t10k-labels-idx1-ubyte", {10000});
    idx("train-images-idx3-ubyte", {60000, 28, 28});
    idx("train-labels-idx1-ubyte", {60000});
  }
  Data data(const std::string& images, const std::optional<std::string>& labels) const {
    Data data;
    data.name = "set";
    data.images = (path() / images).string();
    if (labels) data.labels = (path() / *labels).string();
    return data;
  }

 private:
  test::TempDirectory directory_;
};

/// A .npy file of bytes. Source: NumPy enhancement proposal 1.
std::string npy(const std::string& shape, std::size_t bytes) {
  const std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': " + shape + "}\n";
  return std::string("\x93NUMPY\x01\0", 8) + static_cast<char>(header.size()) +
         std::string(1, '\0') + header + std::string(bytes, '\0');
}

constexpr const char* kPicture = "P5\n1 1\n255\nx";

Error refusal(const std::vector<std::filesystem::path>& given) {
  const auto found = find_data(given, true);
  REQUIRE_FALSE(found);
  REQUIRE(found.error().code == Errc::data);
  return found.error();
}

}  // namespace

TEST_CASE("in a directory the test set is preferred, with the labels of its size",
          "[engine][find_data]") {
  const Files files;
  files.mnist();
  test::write_bytes(files.path() / "README", "MNIST\n");
  std::filesystem::create_directory(files.path() / "more");
  const Data expected = files.data("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte");
  REQUIRE(value_or_throw(find_data({files.path()}, true)) == expected);
  REQUIRE(value_or_throw(find_data({files.path()}, false)) ==
          files.data("t10k-images-idx3-ubyte", std::nullopt));
}

TEST_CASE("an archive beside its unpacked file is the same file", "[engine][find_data]") {
  const Files files;
  files.mnist();
  files.idx("t10k-images-idx3-ubyte.gz", {10000, 28, 28});
  files.idx("t10k-labels-idx1-ubyte.gz", {10000});
  REQUIRE(value_or_throw(find_data({files.path()}, true)) ==
          files.data("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"));
}

TEST_CASE("files are told by what they hold, in any order", "[engine][find_data]") {
  const Files files;
  files.idx("a", {5});
  files.idx("b", {5, 4, 4});
  const Data both = files.data("b", "a");
  REQUIRE(value_or_throw(find_data({files.path() / "a", files.path() / "b"}, true)) == both);
  REQUIRE(value_or_throw(find_data({files.path() / "b", files.path() / "a"}, true)) == both);
  REQUIRE(value_or_throw(find_data({files.path()}, true)) == both);
  REQUIRE(value_or_throw(find_data({files.path() / "b"}, true)) == files.data("b", std::nullopt));
}

TEST_CASE("labels of another size do not belong to the images", "[engine][find_data]") {
  const Files files;
  files.idx("images", {5, 4, 4});
  files.idx("labels", {6});
  REQUIRE(value_or_throw(find_data({files.path()}, true)) == files.data("images", std::nullopt));
}

TEST_CASE("of several files of labels that with the images' name is taken", "[engine][find_data]") {
  const Files files;
  files.idx("digits-test-images-idx3-ubyte", {5, 4, 4});
  files.idx("digits-test-labels-idx1-ubyte", {5});
  files.idx("digits-test-writers-idx1-ubyte", {5});
  REQUIRE(value_or_throw(find_data({files.path()}, true)) ==
          files.data("digits-test-images-idx3-ubyte", "digits-test-labels-idx1-ubyte"));
}

TEST_CASE("a choice between several sets is left to the user, with what was found",
          "[engine][find_data][error]") {
  const Files files;
  files.idx("one", {5, 4, 4});
  files.idx("two", {1234, 8, 6});
  files.idx("three", {5});
  files.idx("four", {5});
  const Error images = refusal({files.path()});
  REQUIRE(images.where == files.path().string());
  REQUIRE(images.what ==
          "expected one file of images, found four: 5 labels; one: 5 images of 4x4; "
          "three: 5 labels; two: 1,234 images of 8x6");
  REQUIRE(images.hint == "name the files: --data IMAGES LABELS");
  std::filesystem::remove(files.path() / "two");
  REQUIRE(refusal({files.path()}).what.starts_with("expected one file of labels, found "));
  REQUIRE(refusal({files.path() / "one", files.path() / "three", files.path() / "four"})
              .what.starts_with("expected one file of labels, found "));
  for (int i = 0; i < 20; ++i) files.idx("x" + std::to_string(i), {5});
  REQUIRE(refusal({files.path()}).what.ends_with("; 11 more"));
}

TEST_CASE("where there is no data set, the reason is said", "[engine][find_data][error]") {
  const std::string kNone =
      "expected images of format idx, cifar10, cifar100, npy, voc, coco, image_folder, hdf5, found "
      "none";
  const Files files;
  REQUIRE(refusal({files.path()}).what == kNone);
  files.idx("labels", {5});
  REQUIRE(refusal({files.path()}).what == kNone);
  REQUIRE(refusal({files.path() / "none"}).what == "no such file or directory");
  REQUIRE(refusal({files.path() / "labels", files.path()}).what == "is a directory");
  files.idx("images", {5, 4, 4});
  test::write_bytes(files.path() / "text", "a");
  REQUIRE(refusal({files.path() / "images", files.path() / "text"})
              .what.starts_with("expected images and labels in idx files, nothing else"));
}

TEST_CASE("CIFAR is found with its names of classes, the test files first", "[engine][find_data]") {
  const Files files;
  using scenario::DataFormat;
  const std::string record = std::string(1, '\x09') + std::string(3072, '\0');
  test::write_bytes(files.path() / "data_batch_1.bin", record + record);
  test::write_bytes(files.path() / "readme.html", record);
  Data expected = files.data("data_batch_1.bin", std::nullopt);
  expected.format = DataFormat::cifar10;
  REQUIRE(value_or_throw(find_data({files.path()}, true)) == expected);
  test::write_bytes(files.path() / "test_batch.bin", record);
  test::write_bytes(files.path() / "batches.meta.txt", "airplane\n");
  expected.images = (files.path() / "test_batch.bin").string();
  expected.classes = (files.path() / "batches.meta.txt").string();
  REQUIRE(value_or_throw(find_data({files.path()}, true)) == expected);
  // Named files are all taken, in their order.
  expected.more_images = {(files.path() / "data_batch_1.bin").string()};
  REQUIRE(value_or_throw(find_data(
              {files.path() / "test_batch.bin", files.path() / "data_batch_1.bin"}, true)) ==
          expected);
  // Class 10 is none of CIFAR-10.
  test::write_bytes(files.path() / "test_batch.bin", std::string(3073, '\x0A'));
  REQUIRE(value_or_throw(find_data({files.path()}, true)).images ==
          (files.path() / "data_batch_1.bin").string());

  const Files hundred;
  test::write_bytes(hundred.path() / "test.bin", std::string("\x13\x63") + std::string(3072, 'a'));
  Data fine = hundred.data("test.bin", std::nullopt);
  fine.format = DataFormat::cifar100;
  fine.label_set = scenario::LabelSet::fine;
  REQUIRE(value_or_throw(find_data({hundred.path()}, true)) == fine);
}

TEST_CASE("NumPy arrays are told apart by their shapes", "[engine][find_data]") {
  const Files files;
  test::write_bytes(files.path() / "a.npy", npy("(5,)", 5));
  test::write_bytes(files.path() / "b.npy", npy("(5, 2, 2, 3)", 60));
  Data expected = files.data("b.npy", "a.npy");
  expected.format = scenario::DataFormat::npy;
  REQUIRE(value_or_throw(find_data({files.path()}, true)) == expected);
  expected.labels.reset();
  REQUIRE(value_or_throw(find_data({files.path()}, false)) == expected);
  test::write_bytes(files.path() / "c.npy", npy("(5, 2, 2)", 20));
  REQUIRE(refusal({files.path()}).what.starts_with("expected one .npy file of images, found "));
}

TEST_CASE("folders of images are told by what is beside them", "[engine][find_data]") {
  using scenario::DataFormat;
  const Files files;
  std::filesystem::create_directories(files.path() / "images");
  Data expected;
  expected.name = "set";
  expected.images = files.path().string();

  expected.format = DataFormat::image_folder;
  test::write_bytes(files.path() / "images/text", "none");
  REQUIRE_FALSE(find_data({files.path()}, true));
  test::write_bytes(files.path() / "images/1.pgm", kPicture);
  REQUIRE(value_or_throw(find_data({files.path()}, true)) == expected);

  test::write_bytes(files.path() / "a.json", "{}");
  Data coco = expected;
  coco.format = DataFormat::coco;
  coco.images = (files.path() / "images").string();
  coco.annotations = (files.path() / "a.json").string();
  REQUIRE(value_or_throw(find_data({files.path()}, true)) == coco);
  test::write_bytes(files.path() / "b.json", "{}");
  REQUIRE(refusal({files.path()}).what.starts_with("expected one JSON file of annotations, "));

  expected.format = DataFormat::voc;
  std::filesystem::create_directories(files.path() / "Annotations");
  REQUIRE_FALSE(find_data({files.path()}, true));
  std::filesystem::create_directories(files.path() / "JPEGImages");
  REQUIRE(value_or_throw(find_data({files.path()}, true)) == expected);
}

TEST_CASE("HDF5 is found when Bitquake wrote it", "[engine][find_data]") {
  const Files files;
  datasets::EnrichedData data;
  data.files = {"a"};
  data.samples.resize(1);
  data.samples[0].image = cv::Mat(2, 2, CV_8UC1, cv::Scalar(1));
  datasets::write_hdf5(files.path() / "a.h5", data);
  test::write_bytes(files.path() / "other.h5", "\x89HDF\r\n\x1A\n");
  Data expected = files.data("a.h5", std::nullopt);
  expected.name = "a";
  expected.format = scenario::DataFormat::hdf5;
  REQUIRE(value_or_throw(find_data({files.path()}, true)) == expected);
  datasets::write_hdf5(files.path() / "b.h5", data);
  REQUIRE(refusal({files.path()}).what == "expected one HDF5 data set, found several");
}
