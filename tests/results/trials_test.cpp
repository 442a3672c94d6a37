#include "results/trials.hpp"

#include "results/columns.hpp"
#include "results/row_file.hpp"
#include "tests/results/tiny_campaign.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace bitquake;
using namespace bitquake::results;
using namespace bitquake::test;

TEST_CASE("trials.h5 reads back as it was written", "[results]") {
  const TempDirectory scratch;
  write_trials(scratch / "trials.h5", tiny_trials());
  auto read = read_trials(scratch / "trials.h5");
  REQUIRE(read);
  Trials expected = tiny_trials();
  for (Trials* trials : {&*read, &expected}) {  // NaN differs from itself
    for (TrialRow& row : trials->trials) {
      if (std::isnan(row.faulty_probability)) row.faulty_probability = -1;
    }
  }
  REQUIRE(*read == expected);
}

TEST_CASE("every column of trials.h5 carries its unit and meaning", "[results]") {
  const TempDirectory scratch;
  write_trials(scratch / "trials.h5", tiny_trials());
  const auto file = h5::File::open(scratch / "trials.h5", Errc::results);
  REQUIRE(file);
  const auto check = [&](const std::string& table, const auto& columns) {
    for (const auto& column : columns) {
      const h5::ColumnDoc doc = file->column_doc(table + "/" + std::string(column.name));
      REQUIRE(doc.units == column.units);
      REQUIRE(doc.doc == column.doc);
    }
  };
  check("trials", kTrialColumns);
  check("injections", kInjectionColumns);
  check("monitored", kMonitorColumns);
  check("deviations", kDeviationColumns);
  check("golden", kGoldenColumns);
}

TEST_CASE("trials.h5 has deviations when there are some", "[results]") {
  const TempDirectory scratch;
  Trials all = tiny_trials();
  all.observed.deviations = {};
  write_trials(scratch / "trials.h5", all);
  REQUIRE_FALSE(h5::File::open(scratch / "trials.h5", Errc::results)->has("deviations"));
  REQUIRE(read_trials(scratch / "trials.h5")->observed == all.observed);
}

TEST_CASE("what monitors saw is found by trial", "[results]") {
  const Trials all = tiny_trials();
  REQUIRE(all.monitors_of(all.trials[1]).size() == 2);
  REQUIRE(all.monitors_of(all.trials[2]).empty());
  REQUIRE(all.deviations_of(all.trials[1])[1].rel_l2 == 2);
  REQUIRE(all.deviations_of(all.trials[2]).size() == 1);
}

TEST_CASE("injections are found by trial", "[results]") {
  Trials all = tiny_trials();
  REQUIRE(all.injections_of(all.trials[3]).size() == 1);
  REQUIRE(all.injections_of(all.trials[3])[0].fault == 4);
  all.trials[3].n_faults = 2;
  all.injections.insert(all.injections.begin() + 4, {4, 5, 1, 1, 1, 2});
  REQUIRE(check_trials(all, ""));
  REQUIRE(all.injections_of(all.trials[3]).size() == 2);
  REQUIRE(all.injections_of(all.trials[3])[1].corrupted_bits == 2);
}

TEST_CASE("trials.h5 that contradicts itself is refused", "[results]") {
  const TempDirectory scratch;
  Trials all = tiny_trials();
  std::swap(all.trials[0], all.trials[1]);
  write_trials(scratch / "trials.h5", all);
  const auto read = read_trials(scratch / "trials.h5");
  REQUIRE_FALSE(read);
  REQUIRE(read.error().what == "trial 0 is there twice or misplaced");
  REQUIRE(read.error().where == (scratch / "trials.h5").string());
}

TEST_CASE("rows of several perturbations stand one after the other", "[results]") {
  const TempDirectory scratch;
  Trials all = tiny_trials();
  all.campaign.perturbations = {"clean", "fog/3"};
  REQUIRE(check_trials(all, "").error().what ==
          "/golden has 11 rows for 2 perturbations of 1 variants");
  for (std::uint64_t i = 0; i < 11; ++i) {
    all.golden.push_back(all.golden[i]);
    all.golden.back().perturbation = 1;
    all.golden.back().height = 7;
  }
  REQUIRE(check_trials(all, ""));
  REQUIRE(all.samples() == 11);
  REQUIRE(all.range_of({0, 0}) == std::pair<std::uint64_t, std::uint64_t>(0, 10));
  REQUIRE(all.range_of({0, 1}) == std::pair<std::uint64_t, std::uint64_t>(10, 10));
  all.trials[9].perturbation = 1;
  REQUIRE(all.golden_of(all.trials[9]).height == 7);
  REQUIRE(all.golden_of(all.trials[9]).sample == 10);
  REQUIRE(all.range_of({0, 1}) == std::pair<std::uint64_t, std::uint64_t>(9, 10));
  write_trials(scratch / "trials.h5", all);
  REQUIRE(read_trials(scratch / "trials.h5")->campaign == all.campaign);

  all.trials[8].perturbation = 1, all.trials[9].perturbation = 0;
  REQUIRE(check_trials(all, "").error().what == "trial 10 is misplaced");
  all.trials[8].perturbation = 0, all.trials[9].perturbation = 2;
  REQUIRE(check_trials(all, "").error().what == "trial 10 belongs to a sample that is not there");
  all.trials[9].perturbation = 1;
  std::swap(all.golden[3], all.golden[14]);
  REQUIRE(check_trials(all, "").error().what ==
          "/golden has sample 3 under perturbation 1 by variant 0 in row 3: a sample is missing or "
          "there twice");
}

TEST_CASE("trials.h5 without a seal, or with another one, is refused", "[results]") {
  const TempDirectory scratch;
  write_trials(scratch / "trials.h5", tiny_trials());
  std::string bytes = read_bytes(scratch / "trials.h5");
  const std::size_t seal = bytes.rfind("sha256:");
  REQUIRE(seal + 72 == bytes.size());
  bytes[seal + 7] = bytes[seal + 7] == '0' ? '1' : '0';
  for (const std::string& wrong : {bytes, bytes.substr(0, seal)}) {
    write_bytes(scratch / "wrong.h5", wrong);
    const auto read = read_trials(scratch / "wrong.h5");
    REQUIRE_FALSE(read);
    REQUIRE(read.error().what == "is damaged or truncated: its checksum does not fit");
  }
}

TEST_CASE("a truncated trials.h5 is refused", "[results]") {
  const TempDirectory scratch;
  write_trials(scratch / "trials.h5", tiny_trials());
  const std::string whole = read_bytes(scratch / "trials.h5");
  for (std::size_t length = 0; length < whole.size(); length += 211) {
    write_bytes(scratch / "cut.h5", whole.substr(0, length));
    REQUIRE_FALSE(read_trials(scratch / "cut.h5"));
  }
}
