#include "tests/base/temp_directory.hpp"
#include "tests/fuzz/use_data.hpp"

using namespace bitquake;
using namespace bitquake::datasets;

/// One or two files of CIFAR-10 or CIFAR-100, with or without class names.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const test::TempDirectory directory;
  FuzzedDataProvider bytes(data, size);
  const auto labels = static_cast<CifarLabels>(bytes.ConsumeIntegralInRange<int>(0, 2));
  const std::size_t record = labels == CifarLabels::cifar10 ? kCifar10Record : kCifar100Record;
  const auto records = bytes.ConsumeIntegralInRange<std::size_t>(0, 3);
  const auto more = bytes.ConsumeIntegralInRange<std::size_t>(0, 15);  // mostly none
  std::string text(records * record + (more > 12 ? more - 12 : 0), '\x05');
  const bool twice = bytes.ConsumeBool(), named = bytes.ConsumeBool();
  if (named) test::write_bytes(directory / "names", bytes.ConsumeRandomLengthString(300));
  for (std::size_t at = 0; at < text.size() && bytes.remaining_bytes() > 0; at += record / 2) {
    text[at] = static_cast<char>(bytes.ConsumeIntegral<std::uint8_t>());
  }
  test::write_bytes(directory / "a", text);
  std::vector<std::filesystem::path> files{directory / "a"};
  if (twice) files.push_back(directory / "a");
  fuzz::use_data(
      open_cifar("fuzz", files, labels, named ? std::optional(directory / "names") : std::nullopt));
  return 0;
}
