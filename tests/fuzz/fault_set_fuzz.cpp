#include "faultgen/fault_set.hpp"
#include "tests/base/temp_directory.hpp"
#include "tests/faultgen/example_set.hpp"
#include "tests/fuzz/any_file.hpp"
#include "tests/fuzz/require.hpp"

#include <sstream>

using namespace bitquake;
using namespace bitquake::faultgen;
using fuzz::require;

namespace {

/// The example set as a file, and as values.
struct Example {
  test::TempDirectory directory;
  std::string bytes;
  fuzz::AnyFile file;

  Example() {
    write_fault_set(test::example_set(), directory / "example.h5");
    bytes = test::read_bytes(directory / "example.h5");
    file = fuzz::read_any(directory / "example.h5");
  }
};

/// A file that is no HDF5, or the example cut short. Damaged HDF5 without a seal is left out: it is
/// libhdf5 that parses it, and crashes on some.
bool write_raw(const Example& example, FuzzedDataProvider& bytes,
               const std::filesystem::path& path) {
  if (bytes.ConsumeBool()) {
    const auto length = bytes.ConsumeIntegralInRange<std::size_t>(0, example.bytes.size());
    test::write_bytes(path, example.bytes.substr(0, length));
    return true;
  }
  const std::string text = bytes.ConsumeRemainingBytesAsString();
  if (text.find("\x89HDF") != std::string::npos) return false;
  test::write_bytes(path, text);
  return true;
}

/// What may be done with a set that was read.
void use(const FaultSet& set, const Example& example) {
  require(check_consistent(set, "").ok(), "a set that was read is consistent");
  require(summarise(set).faults == set.faults.size(), "a summary counts every fault");
  std::ostringstream csv;
  write_csv(set, csv);
  write_fault_set(set, example.directory / "again.h5");
  const auto again = read_fault_set(example.directory / "again.h5");
  require(again.ok() && *again == set, "a set written again reads as the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Example example;
  const auto path = example.directory / "set.h5";
  FuzzedDataProvider bytes(data, size);
  if (bytes.ConsumeIntegralInRange<unsigned>(0, 7) == 7) {
    if (!write_raw(example, bytes, path)) return -1;
  } else {
    fuzz::AnyFile file = example.file;
    fuzz::edit(file, bytes);
    fuzz::write_any(file, path);
  }
  const auto set = read_fault_set(path);
  if (set) {
    use(*set, example);
  } else {
    require(set.error().code == Errc::fault_set && !set.error().what.empty(),
            "a refusal is of its kind and says why");
  }
  return 0;
}
