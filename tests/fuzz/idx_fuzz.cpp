#include "datasets/dataset.hpp"
#include "tests/base/temp_directory.hpp"
#include "tests/fuzz/require.hpp"

#include <zlib.h>

#include <algorithm>
#include <fuzzer/FuzzedDataProvider.h>
#include <limits>

using namespace bitquake;
using fuzz::require;

namespace {

std::uint32_t any_size(FuzzedDataProvider& bytes) {
  constexpr std::uint32_t kEdges[] = {0,          65'535,     65'536,    65'537,
                                      0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
  return bytes.ConsumeIntegralInRange<unsigned>(0, 15) == 15
             ? bytes.PickValueInArray(kEdges)
             : bytes.ConsumeIntegralInRange<std::uint32_t>(1, 6);
}

/// Mostly a right file: magic number, sizes and as many values as they promise.
std::string any_idx(FuzzedDataProvider& bytes, std::size_t rank) {
  std::string file{'\0', '\0', '\x08', static_cast<char>(rank)};
  std::uint64_t values = 1;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::uint32_t size = any_size(bytes);
    values = std::min<std::uint64_t>(values * size, 1000);
    for (const unsigned shift : {24U, 16U, 8U, 0U}) file += static_cast<char>(size >> shift);
  }
  const auto given = bytes.ConsumeBytesAsString(values);
  file += given + std::string(values - given.size(), '\x55');
  if (bytes.ConsumeIntegralInRange<unsigned>(0, 7) == 7) {
    file.resize(bytes.ConsumeIntegralInRange<std::size_t>(0, file.size() + 2));
  }
  return file;
}

std::string gzipped(const std::string& text, const std::filesystem::path& path) {
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
  return test::read_bytes(path);
}

void damage(std::string& file, FuzzedDataProvider& bytes) {
  while (bytes.remaining_bytes() > 0 && !file.empty()) {
    file[bytes.ConsumeIntegralInRange<std::size_t>(0, file.size() - 1)] =
        static_cast<char>(bytes.ConsumeIntegral<std::uint8_t>());
  }
}

/// Every sample can be had, and is as large as the data set says.
void use(const datasets::Dataset& data, bool labelled) {
  require(data.size() > 0, "a data set has samples");
  require(data.checksums().size() == (labelled ? 2U : 1U), "each file has a checksum");
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(data.size(), 100'000); ++i) {
    const auto sample = data.get(i);
    require(sample.ok() && sample->index == i, "every sample can be had");
    require(sample->image.size() == data.fixed_size(), "samples have the size of the data set");
    require(sample->label.has_value() == labelled, "labels are there when their file is");
    const auto* pixels = sample->image.ptr();
    for (std::size_t p = 0; p < sample->image.total(); ++p) sum += pixels[p];
  }
  require(sum < std::numeric_limits<std::uint64_t>::max(), "all pixels are readable");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const test::TempDirectory directory;
  FuzzedDataProvider bytes(data, size);
  const bool gzip = bytes.ConsumeBool();
  const bool labelled = bytes.ConsumeBool();
  const bool raw = bytes.ConsumeIntegralInRange<unsigned>(0, 7) == 7;
  std::string images = raw ? bytes.ConsumeRandomLengthString() : any_idx(bytes, 3);
  std::string labels = labelled ? any_idx(bytes, 1) : "";
  if (gzip) images = gzipped(images, directory / "gzip");
  damage(images, bytes);
  test::write_bytes(directory / "images", images);
  test::write_bytes(directory / "labels", labels);
  const auto opened = datasets::open_idx(
      "fuzz", directory / "images", labelled ? std::optional(directory / "labels") : std::nullopt);
  if (opened) {
    use(**opened, labelled);
  } else {
    require(opened.error().code == Errc::data && !opened.error().what.empty(),
            "a refusal is of its kind and says why");
  }
  return 0;
}
