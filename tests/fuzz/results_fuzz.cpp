#include "results/columns.hpp"
#include "results/segment.hpp"
#include "results/trials.hpp"
#include "tests/fuzz/any_file.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/results/tiny_campaign.hpp"

#include <algorithm>
#include <cstring>

using namespace bitquake;
using namespace bitquake::results;
using fuzz::require;

namespace {

/// The tiny campaign as files, and as values.
struct Example {
  test::TempDirectory directory;
  fuzz::AnyFile segment, trials;
  std::string segment_bytes;

  Example() {
    write_segment(directory / "segment.h5", test::tiny_segment(0, 3));
    write_trials(directory / "trials.h5", test::tiny_trials());
    segment = fuzz::read_any(directory / "segment.h5");
    trials = fuzz::read_any(directory / "trials.h5");
    segment_bytes = test::read_bytes(directory / "segment.h5");
  }
};

/// Equal bit for bit: NaN is equal to itself.
template <class Rows, class Row, std::size_t N>
bool same_rows(const Rows& a, const Rows& b, const std::array<Column<Row>, N>& columns) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const Row& x, const Row& y) {
    return std::all_of(columns.begin(), columns.end(), [&](const Column<Row>& column) {
      return std::visit(
          [&](auto member) {
            return std::memcmp(&(x.*member), &(y.*member), sizeof(x.*member)) == 0;
          },
          column.member);
    });
  });
}

template <class Tables>
bool same_tables(const Tables& a, const Tables& b) {
  return same_rows(a.trials, b.trials, kTrialColumns) &&
         same_rows(a.injections, b.injections, kInjectionColumns) &&
         same_rows(a.observed.monitors, b.observed.monitors, kMonitorColumns) &&
         same_rows(a.observed.deviations, b.observed.deviations, kDeviationColumns) &&
         same_rows(a.golden, b.golden, kGoldenColumns) && a.messages == b.messages;
}

void check_refusal(const Error& error) {
  require(error.code == Errc::results && !error.what.empty(),
          "a refusal is of its kind and says why");
}

void try_segment(const Example& example, const std::filesystem::path& path) {
  const auto segment = read_segment(path);
  if (!segment) return check_refusal(segment.error());
  write_segment(example.directory / "again.h5", *segment);
  const auto again = read_segment(example.directory / "again.h5");
  require(again.ok(), "a segment written again can be read");
  require(again->first_unit == segment->first_unit && again->n_units == segment->n_units &&
              again->campaign == segment->campaign && again->fingerprint == segment->fingerprint &&
              same_tables(*again, *segment),
          "a segment written again reads as the same");
}

void try_trials(const Example& example, const std::filesystem::path& path) {
  const auto trials = read_trials(path);
  if (!trials) return check_refusal(trials.error());
  require(check_trials(*trials, "").ok(), "trials that were read are consistent");
  std::size_t injections = 0;
  for (const TrialRow& row : trials->trials) {
    injections += trials->injections_of(row).size();
    require(trials->golden_of(row).sample == row.sample, "a trial finds its golden run");
  }
  require(injections == trials->injections.size(), "each injection belongs to one trial");
  write_trials(example.directory / "again.h5", *trials);
  const auto again = read_trials(example.directory / "again.h5");
  require(again.ok(), "trials written again can be read");
  require(again->campaign == trials->campaign && same_tables(*again, *trials),
          "trials written again read as the same");
}

/// Any other bytes than those that were written are refused before HDF5 sees them.
void try_damaged(const Example& example, FuzzedDataProvider& bytes,
                 const std::filesystem::path& path) {
  const auto length = bytes.ConsumeIntegralInRange<std::size_t>(0, example.segment_bytes.size());
  std::string damaged = example.segment_bytes.substr(0, length);
  while (bytes.remaining_bytes() > 8 && !damaged.empty()) {
    damaged[bytes.ConsumeIntegralInRange<std::size_t>(0, damaged.size() - 1)] ^=
        static_cast<char>(bytes.ConsumeIntegralInRange<unsigned>(1, 255));
  }
  damaged += bytes.ConsumeRemainingBytesAsString();
  test::write_bytes(path, damaged);
  require(read_segment(path).ok() == (damaged == example.segment_bytes),
          "a segment is read when its bytes are those that were written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Example example;
  const auto path = example.directory / "fuzzed.h5";
  FuzzedDataProvider bytes(data, size);
  const auto mode = bytes.ConsumeIntegralInRange<unsigned>(0, 8);
  if (mode == 8) {
    try_damaged(example, bytes, path);
    return 0;
  }
  const bool segment = mode % 2 == 0;
  fuzz::AnyFile file = segment ? example.segment : example.trials;
  fuzz::edit(file, bytes);
  fuzz::write_any(file, path);
  segment ? try_segment(example, path) : try_trials(example, path);
  return 0;
}
