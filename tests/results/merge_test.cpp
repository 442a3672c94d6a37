#include "results/merge.hpp"

#include "tests/results/tiny_campaign.hpp"

#include <catch2/catch.hpp>

#include <utility>

using namespace bitquake;
using namespace bitquake::results;
using namespace bitquake::test;

namespace {

using Paths = std::vector<std::filesystem::path>;

/// Writes a segment per {first unit, units} and returns their paths.
Paths write_segments(const TempDirectory& scratch,
                     const std::vector<std::pair<std::uint64_t, std::uint64_t>>& blocks) {
  Paths paths;
  for (const auto& [first, count] : blocks) {
    paths.push_back(scratch / (std::to_string(first) + "_" + std::to_string(count) + ".h5"));
    write_segment(paths.back(), tiny_segment(first, count));
  }
  return paths;
}

Error refusal(const Paths& paths, std::uint64_t n_units = 3) {
  const auto joined = join_segments(paths, tiny_header(), n_units);
  REQUIRE_FALSE(joined);
  REQUIRE(joined.error().code == Errc::results);
  return joined.error();
}

/// One unit's segment with something changed.
template <class Change>
std::filesystem::path changed(const TempDirectory& scratch, std::uint64_t unit, Change change) {
  Segment segment = tiny_segment(unit, 1);
  change(segment);
  const auto path = scratch / "changed.h5";
  write_segment(path, segment);
  return path;
}

}  // namespace

TEST_CASE("segments join to the whole campaign however units are grouped", "[results]") {
  const TempDirectory scratch;
  write_trials(scratch / "expected.h5", tiny_trials());
  const std::vector<std::vector<std::pair<std::uint64_t, std::uint64_t>>> groupings{
      {{0, 3}}, {{0, 1}, {1, 1}, {2, 1}}, {{2, 1}, {0, 2}}, {{1, 2}, {0, 1}}};
  for (const auto& blocks : groupings) {
    const auto joined = join_segments(write_segments(scratch, blocks), tiny_header(), 3);
    REQUIRE(joined);
    write_trials(scratch / "joined.h5", *joined);
    REQUIRE(read_bytes(scratch / "joined.h5") == read_bytes(scratch / "expected.h5"));
  }
}

TEST_CASE("messages are numbered by their first trial, whatever their dictionaries", "[results]") {
  const TempDirectory scratch;
  Segment first = tiny_segment(0, 1);   // trials 2, 1, 0
  Segment second = tiny_segment(1, 2);  // trials 10 … 4
  first.messages = {"", "unused", "late", "early"};
  first.trials[0].message = 2;  // trial 2
  first.trials[1].message = 3;  // trial 1
  second.messages = {"", "late", "later"};
  second.trials[0].message = 2;  // trial 10
  second.trials[5].message = 1;  // trial 5
  write_segment(scratch / "a.h5", first);
  write_segment(scratch / "b.h5", second);
  const auto joined = join_segments({scratch / "b.h5", scratch / "a.h5"}, tiny_header(), 3);
  REQUIRE(joined);
  REQUIRE(joined->messages == std::vector<std::string>{"", "early", "late", "later"});
  std::vector<std::uint32_t> numbers;
  for (const TrialRow& row : joined->trials) numbers.push_back(row.message);
  REQUIRE(numbers == std::vector<std::uint32_t>{0, 1, 2, 0, 2, 0, 0, 0, 0, 3});
}

TEST_CASE("missing units are named", "[results]") {
  const TempDirectory scratch;
  REQUIRE(refusal({}).what == "units 0 to 2 are missing");
  REQUIRE(refusal(write_segments(scratch, {{0, 1}, {2, 1}})).what == "unit 1 is missing");
  REQUIRE(refusal(write_segments(scratch, {{1, 2}})).what == "unit 0 is missing");
  REQUIRE(refusal(write_segments(scratch, {{0, 1}})).what == "units 1 to 2 are missing");
}

TEST_CASE("units that are there twice are named with both files", "[results]") {
  const TempDirectory scratch;
  const Paths overlap = write_segments(scratch, {{0, 2}, {1, 2}});
  REQUIRE(refusal(overlap).what == "unit 1 is also in " + overlap[0].string());
  REQUIRE(refusal(overlap).where == overlap[1].string());
  const Paths inside = write_segments(scratch, {{0, 3}, {1, 1}});
  REQUIRE(refusal(inside).what == "unit 1 is also in " + inside[0].string());
  const Paths whole = write_segments(scratch, {{0, 3}});
  REQUIRE(refusal({whole[0], whole[0]}).what == "units 0 to 2 are also in " + whole[0].string());
}

TEST_CASE("units beyond the campaign are refused", "[results]") {
  const TempDirectory scratch;
  REQUIRE(refusal(write_segments(scratch, {{0, 3}}), 2).what ==
          "holds units 0 to 2, the campaign has 2");
}

TEST_CASE("a segment of another campaign is refused", "[results]") {
  const TempDirectory scratch;
  const auto path = changed(scratch, 0, [](Segment& s) { s.campaign = "decaf"; });
  REQUIRE(refusal({path}).what == "belongs to another campaign (decaf)");
}

TEST_CASE("a segment of other numerics is refused with the difference", "[results]") {
  const TempDirectory scratch;
  const auto path = changed(scratch, 0, [](Segment& s) { s.fingerprint = "batch=16\nblas=y"; });
  const Error error = refusal({path});
  REQUIRE(error.what == "was computed with other numerics: 'blas=y', wanted 'blas=x'");
  REQUIRE_THAT(error.hint, Catch::Contains("OPENBLAS_CORETYPE"));
  const auto shorter = changed(scratch, 0, [](Segment& s) { s.fingerprint = "batch=16"; });
  REQUIRE(refusal({shorter}).what == "was computed with other numerics: '', wanted 'blas=x'");
}

TEST_CASE("a damaged segment is refused by name", "[results]") {
  const TempDirectory scratch;
  write_bytes(scratch / "a.h5", "no HDF5");
  REQUIRE(refusal({scratch / "a.h5"}).where == (scratch / "a.h5").string());
}

TEST_CASE("rows that contradict each other are refused", "[results]") {
  const TempDirectory scratch;
  const Paths rest = write_segments(scratch, {{0, 1}, {2, 1}});
  const auto defect = [&](auto change) {
    return refusal({rest[0], changed(scratch, 1, change), rest[1]}).what;
  };
  REQUIRE(defect([](Segment& s) { s.golden.pop_back(); }) ==
          "/golden has sample 5 under perturbation 0 by variant 0 in row 4: a sample is missing or "
          "there twice");
  REQUIRE(defect([](Segment& s) { s.trials.push_back(s.trials[0]); }) ==
          "trial 7 is there twice or misplaced");
  REQUIRE(defect([](Segment& s) { s.trials[0].sample = 99; }) ==
          "trial 7 belongs to a sample that is not there");
  REQUIRE(defect([](Segment& s) { s.trials[0].sample = 3; }) ==
          "trial 7 belongs to a skipped sample");
  REQUIRE(defect([](Segment& s) { s.trials[0].first_nonfinite = 3; }) ==
          "trial 7 refers to a point that is not there");
  REQUIRE(defect([](Segment& s) { s.injections.push_back(s.injections[0]); }) ==
          "injection of fault 7 in trial 7 is there twice or misplaced");
  REQUIRE(defect([](Segment& s) { s.injections[0].fault = 8; }) ==
          "injection of fault 8 in trial 7: the fault is not one of the trial's");
  REQUIRE(defect([](Segment& s) { s.trials[0].nonfinite_points = 1; }) ==
          "trial 7 and its rows of /monitored disagree");
  REQUIRE(defect([](Segment& s) {
            s.observed.monitors.push_back({7, 0, 3});
          }) == "/monitored holds a wrong or misplaced row of trial 7");
  REQUIRE(defect([](Segment& s) {
            s.observed.monitors.push_back({3, 0, 0});
          }) == "/monitored has a row of trial 3, which is misplaced or not there");
  REQUIRE(defect([](Segment& s) {
            s.observed.deviations.push_back({7, 3, 1});
          }) == "/deviations holds a wrong or misplaced row of trial 7");
  REQUIRE(defect([](Segment& s) { s.trials.erase(s.trials.begin()); }) ==
          "injection of fault 7 in trial 7: no such trial");
}
