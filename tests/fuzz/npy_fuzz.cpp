#include "tests/base/temp_directory.hpp"
#include "tests/datasets/image_bytes.hpp"
#include "tests/fuzz/use_data.hpp"

using namespace bitquake;
using namespace bitquake::datasets;

/// Images and labels as .npy files.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const test::TempDirectory directory;
  static const std::string images = test::npy("|u1", "(5, 2, 3, 3)", std::string(90, '\x07'));
  static const std::string labels = test::npy("<i8", "(5,)", std::string(40, '\0'));
  FuzzedDataProvider bytes(data, size);
  const bool labelled = bytes.ConsumeBool();
  const auto severity = bytes.ConsumeIntegralInRange<unsigned>(0, 5);
  const std::string edits = bytes.ConsumeRandomLengthString();
  FuzzedDataProvider of_images(reinterpret_cast<const std::uint8_t*>(edits.data()), edits.size());
  test::write_bytes(directory / "images", fuzz::damaged(images, of_images));
  test::write_bytes(directory / "labels", fuzz::damaged(labels, bytes));
  fuzz::use_data(open_npy("fuzz", directory / "images",
                          labelled ? std::optional(directory / "labels") : std::nullopt,
                          severity == 0 ? std::nullopt : std::optional(severity), std::nullopt));
  (void)npy_sizes(directory / "images");
  return 0;
}
