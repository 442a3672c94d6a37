#include "datasets/hdf5.hpp"
#include "tests/base/temp_directory.hpp"
#include "tests/datasets/image_bytes.hpp"
#include "tests/fuzz/any_file.hpp"
#include "tests/fuzz/use_data.hpp"

using namespace bitquake;
using namespace bitquake::datasets;

namespace {

/// A data set of two images as a file, and as values.
struct Example {
  test::TempDirectory directory;
  fuzz::AnyFile file;

  Example() {
    EnrichedData data;
    data.name = "example";
    data.files = {"a.png", "b.png"};
    data.categories = {{1, "dog"}, {90, "cat"}};
    data.parameters = {{"severity", "1", "strength", {1, 2}}};
    for (int i = 0; i < 2; ++i) {
      Sample sample;
      sample.file_number = static_cast<std::uint32_t>(i);
      sample.label = i;
      sample.objects = {{{0, 0, 1, 1}, 90, false, 3}};
      sample.image = test::plain(1 + i, 2);
      data.samples.push_back(sample);
    }
    data.perturbations = {"clean", "fog/3"};
    write_hdf5(directory / "a.h5", data);
    file = fuzz::read_any(directory / "a.h5");
  }
};

}  // namespace

/// A data set that Bitquake wrote, with any values, and read by names as one of others.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Example example;
  FuzzedDataProvider bytes(data, size);
  const bool foreign = bytes.ConsumeBool(), one = bytes.ConsumeBool();
  fuzz::AnyFile file = example.file;
  fuzz::edit(file, bytes);
  const auto path = example.directory / "b.h5";
  fuzz::write_any(file, path);
  if (foreign) {
    const Hdf5Names names{"pixels", "labels", Layout::nhwc};
    fuzz::use_data(open_hdf5("fuzz", path, names, std::nullopt));
    return 0;
  }
  std::optional<std::string> perturbation;
  if (one) perturbation = "fog/3";
  fuzz::use_data(open_hdf5("fuzz", path, std::nullopt, std::nullopt, perturbation));
  const auto read = read_hdf5(path);
  if (!read) {
    fuzz::check_refusal(read.error());
    return 0;
  }
  write_hdf5(example.directory / "c.h5", *read);
  const auto again = read_hdf5(example.directory / "c.h5");
  fuzz::require(again.ok() && again->files == read->files && again->categories == read->categories,
                "a data set written again reads as the same");
  return 0;
}
