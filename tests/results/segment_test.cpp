#include "results/segment.hpp"

#include "results/columns.hpp"
#include "results/row_file.hpp"
#include "suite/base/rng.hpp"
#include "suite/base/seal.hpp"
#include "tests/results/tiny_campaign.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace bitquake;
using namespace bitquake::results;
using namespace bitquake::test;

namespace {

/// Equality that takes NaN for equal to NaN.
bool same(Segment a, Segment b) {
  for (Segment* segment : {&a, &b}) {
    for (TrialRow& row : segment->trials) {
      if (std::isnan(row.faulty_probability)) row.faulty_probability = -1;
    }
  }
  return a == b;
}

/// A sealed segment file whose rows `spoil` may change.
template <class Spoil>
void write_raw(const std::filesystem::path& path, std::uint64_t version, Segment segment,
               Spoil spoil) {
  h5::File file = h5::File::create(path, Errc::results);
  file.set_attribute("content", "bitquake segment");
  file.set_attribute("format_version", version);
  file.set_attribute("first_unit", segment.first_unit);
  file.set_attribute("n_units", segment.n_units);
  file.set_attribute("campaign", segment.campaign);
  file.set_attribute("fingerprint", segment.fingerprint);
  spoil(segment);
  write_tables(file, segment.trials, segment.injections, segment.observed, segment.golden,
               segment.messages);
  file.close();
  seal_file(path);
}

/// An open segment file with its attributes and no table.
h5::File bare(const std::filesystem::path& path) {
  h5::File file = h5::File::create(path, Errc::results);
  write_format(file, "bitquake segment");
  for (const char* name : {"first_unit", "n_units"}) file.set_attribute(name, std::uint64_t{1});
  for (const char* name : {"campaign", "fingerprint"}) file.set_attribute(name, std::string());
  return file;
}

std::string refusal(const std::filesystem::path& path) {
  const auto read = read_segment(path);
  REQUIRE_FALSE(read);
  REQUIRE(read.error().code == Errc::results);
  REQUIRE(read.error().where == path.string());
  return read.error().what;
}

}  // namespace

TEST_CASE("a segment reads back as it was written", "[results]") {
  const TempDirectory scratch;
  const Segment written = tiny_segment(1, 2);
  write_segment(scratch / "a.h5", written);
  const auto read = read_segment(scratch / "a.h5");
  REQUIRE(read);
  REQUIRE(same(*read, written));
  REQUIRE_FALSE(std::filesystem::exists(scratch / "a.h5.tmp"));
}

TEST_CASE("an empty segment is legal", "[results]") {
  const TempDirectory scratch;
  Segment written;
  written.n_units = 1;
  write_segment(scratch / "a.h5", written);
  REQUIRE(*read_segment(scratch / "a.h5") == written);
}

TEST_CASE("equal segments are equal files", "[results]") {
  const TempDirectory scratch;
  write_segment(scratch / "a.h5", tiny_segment(0, 3));
  write_segment(scratch / "b.h5", tiny_segment(0, 3));
  REQUIRE(read_bytes(scratch / "a.h5") == read_bytes(scratch / "b.h5"));
}

TEST_CASE("writing a segment into a missing directory makes it", "[results]") {
  const TempDirectory scratch;
  write_segment(scratch / "segments/a.h5", tiny_segment(0, 1));
  REQUIRE(read_segment(scratch / "segments/a.h5"));
}

TEST_CASE("a segment that cannot be written throws and leaves nothing", "[results]") {
  const TempDirectory scratch;
  std::filesystem::create_directories(scratch / "a.h5/in the way");
  REQUIRE_THROWS_AS(write_segment(scratch / "a.h5", tiny_segment(0, 1)), Exception);
  REQUIRE_FALSE(std::filesystem::exists(scratch / "a.h5.tmp"));
}

TEST_CASE("a missing segment is an error", "[results]") {
  REQUIRE(refusal("/nonexistent/a.h5") == "cannot be read: No such file or directory");
}

TEST_CASE("a truncated segment is an error at every length", "[results]") {
  const TempDirectory scratch;
  write_segment(scratch / "a.h5", tiny_segment(0, 3));
  const std::string whole = read_bytes(scratch / "a.h5");
  for (std::size_t length = 0; length < whole.size(); length += 97) {
    write_bytes(scratch / "cut.h5", whole.substr(0, length));
    REQUIRE_FALSE(read_segment(scratch / "cut.h5"));
  }
}

TEST_CASE("any damaged byte is noticed before HDF5 sees the file", "[results][property]") {
  const TempDirectory scratch;
  write_segment(scratch / "a.h5", tiny_segment(0, 3));
  const std::string whole = read_bytes(scratch / "a.h5");
  for (std::uint64_t run = 0; run < 300; ++run) {
    Draws draws(7, Stream::check_input, run);
    std::string damaged = whole;
    damaged[draws.below(damaged.size())] ^= static_cast<char>(1U << draws.below(8));
    write_bytes(scratch / "damaged.h5", damaged);
    REQUIRE(refusal(scratch / "damaged.h5") ==
            "is damaged or truncated: its checksum does not fit");
  }
}

TEST_CASE("HDF5 reads a sealed file", "[results]") {
  const TempDirectory scratch;
  write_segment(scratch / "a.h5", tiny_segment(0, 3));
  const auto file = h5::File::open(scratch / "a.h5", Errc::results);
  REQUIRE(file);
  REQUIRE(file->length("trials/trial") == 10);
}

TEST_CASE("a segment of another version or content is refused", "[results]") {
  const TempDirectory scratch;
  write_raw(scratch / "a.h5", kResultsVersion + 1, tiny_segment(0, 1), [](Segment&) {});
  REQUIRE(refusal(scratch / "a.h5") == "has format version 6, this program reads 5");
  write_trials(scratch / "b.h5", tiny_trials());
  REQUIRE(refusal(scratch / "b.h5") == "holds 'bitquake trials', wanted 'bitquake segment'");
}

TEST_CASE("a segment without a column, or with one too long, is refused", "[results]") {
  const TempDirectory scratch;
  h5::File file = bare(scratch / "a.h5");
  SECTION("nothing at all") {
    file.close();
    seal_file(scratch / "a.h5");
    REQUIRE(refusal(scratch / "a.h5") == "has no column 'trials/trial'");
  }
  SECTION("all but the first") {
    file.write_column<std::uint64_t>("trials/trial", std::vector<std::uint64_t>{}, {});
    file.close();
    seal_file(scratch / "a.h5");
    REQUIRE(refusal(scratch / "a.h5") == "has no column 'trials/variant'");
  }
  SECTION("of another length") {
    file.write_column<std::uint64_t>("trials/trial", std::vector<std::uint64_t>{1}, {});
    file.write_column<std::uint32_t>("trials/variant", std::vector<std::uint32_t>{1, 2}, {});
    file.close();
    seal_file(scratch / "a.h5");
    REQUIRE(refusal(scratch / "a.h5") ==
            "column 'trials/variant' has 2 rows, 'trials/trial' has 1");
  }
}

TEST_CASE("a column of another type is refused", "[results]") {
  const TempDirectory scratch;
  h5::File file = bare(scratch / "a.h5");
  for (const auto& column : kTrialColumns) {
    file.write_column<float>("trials/" + std::string(column.name), std::vector<float>{1}, {});
  }
  file.close();
  seal_file(scratch / "a.h5");
  REQUIRE(refusal(scratch / "a.h5") == "column 'trials/trial' has an unexpected number type");
}

TEST_CASE("a code that its column does not have is refused", "[results]") {
  const TempDirectory scratch;
  const auto path = scratch / "a.h5";
  const auto spoilt = [&](auto spoil) {
    write_raw(path, kResultsVersion, tiny_segment(0, 3), spoil);
    return refusal(path);
  };
  const std::string trial = "row 2 of /trials holds a code that its column does not have";
  REQUIRE(spoilt([](Segment& s) { s.trials[2].outcome = 4; }) == trial);
  REQUIRE(spoilt([](Segment& s) { s.trials[2].sdc10 = 2; }) == trial);
  REQUIRE(spoilt([](Segment& s) { s.trials[2].message = 2; }) == trial);
  REQUIRE(spoilt([](Segment& s) { s.trials[2].first_nonfinite = -2; }) == trial);
  REQUIRE(spoilt([](Segment& s) { s.injections[0].reached = 2; }) ==
          "row 0 of /injections holds a code that its column does not have");
  REQUIRE(spoilt([](Segment& s) { s.observed.monitors[1].monitor = 2; }) ==
          "row 1 of /monitored holds a code that its column does not have");
  REQUIRE(spoilt([](Segment& s) { s.observed.deviations[0].nonfinite = 99; }) ==
          "row 0 of /deviations holds a code that its column does not have");
  REQUIRE(spoilt([](Segment& s) { s.golden[1].label = -2; }) ==
          "row 1 of /golden holds a code that its column does not have");
  REQUIRE(spoilt([](Segment& s) { s.messages[0] = "x"; }) == "row 0 of /messages must be empty");
}

TEST_CASE("a segment of no or of too many units is refused", "[results]") {
  const TempDirectory scratch;
  Segment segment = tiny_segment(1, 1);
  segment.n_units = GENERATE(std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max());
  write_segment(scratch / "a.h5", segment);
  REQUIRE(refusal(scratch / "a.h5") ==
          "holds " + std::to_string(segment.n_units) + " units from unit 1 on");
}
