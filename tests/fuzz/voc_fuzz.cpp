#include "tests/base/temp_directory.hpp"
#include "tests/datasets/image_bytes.hpp"
#include "tests/fuzz/use_data.hpp"

using namespace bitquake;
using namespace bitquake::datasets;

/// An annotation in PASCAL VOC's format, with or without a list and class names.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const test::TempDirectory directory;
  static const std::string right =
      "<annotation><filename>a.png</filename><size><width>2</width><height>2</height></size>"
      "<object><name>dog</name><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>1</ymin>"
      "<xmax>2</xmax><ymax>2.0</ymax></bndbox></object></annotation>";
  static const bool written = [] {
    std::filesystem::create_directories(directory / "Annotations");
    std::filesystem::create_directories(directory / "JPEGImages");
    test::write_bytes(directory / "JPEGImages/a.png", test::encoded(".png", test::plain(2, 2)));
    return true;
  }();
  fuzz::require(written, "there is an image");
  FuzzedDataProvider bytes(data, size);
  ImageFolder folder{directory.path(), std::nullopt, std::nullopt};
  if (bytes.ConsumeBool()) folder.classes = directory / "names";
  if (bytes.ConsumeIntegralInRange<unsigned>(0, 7) == 7) {
    folder.list = directory / "list";
    test::write_bytes(directory / "list", bytes.ConsumeRandomLengthString(100));
  }
  test::write_bytes(directory / "names", bytes.ConsumeBool() ? "dog\ncat\n" : "x\n");
  test::write_bytes(directory / "Annotations/1.xml", fuzz::damaged(right, bytes));
  fuzz::use_data(open_voc("fuzz", folder));
  return 0;
}
