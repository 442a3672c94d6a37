#include "tests/base/temp_directory.hpp"
#include "tests/datasets/image_bytes.hpp"
#include "tests/fuzz/use_data.hpp"

using namespace bitquake;
using namespace bitquake::datasets;

/// An annotation file in COCO's format.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const test::TempDirectory directory;
  static const std::string right =
      R"({"images": [{"id": 7, "file_name": "a.png", "height": 2, "width": 2}],)"
      R"("categories": [{"id": 90, "name": "cat"}, {"id": 1, "name": "dog"}],)"
      R"("annotations": [{"id": 5, "image_id": 7, "category_id": 90, "bbox": [0, 0.5, 1, 1e0],)"
      R"("iscrowd": 0, "segmentation": [[1, 2]]}]})";
  static const bool written = [] {
    test::write_bytes(directory / "a.png", test::encoded(".png", test::plain(2, 2)));
    return true;
  }();
  fuzz::require(written, "there is an image");
  FuzzedDataProvider bytes(data, size);
  test::write_bytes(directory / "a.json", fuzz::damaged(right, bytes));
  const auto opened =
      open_coco("fuzz", directory / "a.json", {directory.path(), std::nullopt, std::nullopt});
  fuzz::use_data(opened);
  return 0;
}
