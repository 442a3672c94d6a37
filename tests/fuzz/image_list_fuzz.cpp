#include "tests/base/temp_directory.hpp"
#include "tests/datasets/image_bytes.hpp"
#include "tests/fuzz/use_data.hpp"

using namespace bitquake;
using namespace bitquake::datasets;

/// A list of images and their labels, class names, and ids.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const test::TempDirectory directory;
  static const bool written = [] {
    test::write_bytes(directory / "a.png", test::encoded(".png", test::plain(2, 2)));
    return true;
  }();
  fuzz::require(written, "there is an image");
  FuzzedDataProvider bytes(data, size);
  const bool named = bytes.ConsumeBool(), selected = bytes.ConsumeBool();
  test::write_bytes(directory / "names", bytes.ConsumeRandomLengthString(200));
  test::write_bytes(directory / "ids", bytes.ConsumeRandomLengthString(200));
  test::write_bytes(directory / "list", fuzz::damaged("a.png 3\nno.png 0\nb c.png\t12\n", bytes));
  ImageFolder folder{directory.path(), directory / "list", std::nullopt};
  if (named) folder.classes = directory / "names";
  const auto opened = open_image_folder("fuzz", folder);
  fuzz::use_data(opened);
  if (opened && selected) fuzz::use_data(select(*opened, directory / "ids"));
  return 0;
}
