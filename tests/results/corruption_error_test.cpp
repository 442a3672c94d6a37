#include "results/corruption_error.hpp"

#include "results/summary.hpp"
#include "tests/base/temp_directory.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <initializer_list>
#include <tuple>

using namespace bitquake;
using namespace bitquake::results;

namespace {

/// Perturbations of 10 images each: label, right golden answers, right faulty ones.
Summary summary_of(std::initializer_list<std::tuple<const char*, int, int>> perturbations) {
  Summary summary;
  for (const auto& [label, golden, faulty] : perturbations) {
    Tables& tables = summary.tables.emplace_back();
    tables.perturbation = label;
    tables.overall = {{"golden_top1", static_cast<std::uint64_t>(golden), 10, {}, "", "sample"},
                      {"faulty_top1", static_cast<std::uint64_t>(faulty), 10, {}, "", "trial"}};
  }
  return summary;
}

void require_error(const CorruptionError& error, const char* corruption, const char* severity,
                   double golden, double faulty) {
  REQUIRE(error.corruption == corruption);
  REQUIRE(error.severity == severity);
  REQUIRE(*error.golden == Approx(golden));
  REQUIRE(*error.faulty == Approx(faulty));
}

Result<CorruptionBaseline> baseline_of(const std::string& text) {
  const test::TempDirectory scratch;
  std::ofstream(scratch / "baseline.csv") << text;
  return read_corruption_baseline(scratch / "baseline.csv");
}

}  // namespace

TEST_CASE("corruption errors are means over severities, then over corruptions", "[results]") {
  const Summary summary = summary_of({{"clean", 9, 9},
                                      {"fog/1", 8, 7},
                                      {"fog/5", 4, 2},
                                      {"rotate/3", 0, 0},
                                      {"jpeg_compression/2", 5, 5}});
  REQUIRE(corruption_errors(summary, {}).empty());
  const std::vector<std::optional<Corruption>> none(5);
  REQUIRE(corruption_errors(summary, {.perturbations = none}).empty());
  const Corruptions corruptions{.perturbations = {std::nullopt, Corruption{"fog", 1},
                                                  Corruption{"fog", 5}, std::nullopt,
                                                  Corruption{"jpeg_compression", 2}}};
  const auto errors = corruption_errors(summary, corruptions);
  REQUIRE(errors.size() == 6);
  require_error(errors[0], "fog", "1", 0.2, 0.3);
  require_error(errors[1], "fog", "5", 0.6, 0.8);
  require_error(errors[2], "fog", "mean", 0.4, 0.55);
  require_error(errors[3], "jpeg_compression", "2", 0.5, 0.5);
  require_error(errors[5], "mean", "mean", 0.45, 0.525);
  for (const CorruptionError& error : errors) {
    REQUIRE_FALSE(error.golden_relative);
    REQUIRE_FALSE(error.faulty_relative);
  }
}

TEST_CASE("relative errors are quotients of sums over severities, then means over corruptions",
          "[results]") {
  const Summary summary =
      summary_of({{"fog/1", 8, 7}, {"fog/5", 4, 2}, {"jpeg_compression/2", 5, 5}});
  Corruptions corruptions{.perturbations = {Corruption{"fog", 1}, Corruption{"fog", 5},
                                            Corruption{"jpeg_compression", 2}},
                          .baseline = CorruptionBaseline{{{"fog", 1}, 0.1},
                                                         {{"fog", 5}, 0.9},
                                                         {{"jpeg_compression", 2}, 0.25},
                                                         {{"snow", 1}, 0.5}}};
  const auto errors = corruption_errors(summary, corruptions);
  const auto require_relative = [&](std::size_t i, double golden, double faulty) {
    REQUIRE(*errors[i].golden_relative == Approx(golden));
    REQUIRE(*errors[i].faulty_relative == Approx(faulty));
  };
  require_relative(0, 2, 3);              // 0.2 / 0.1, 0.3 / 0.1
  require_relative(1, 2 / 3.0, 8 / 9.0);  // 0.6 / 0.9, 0.8 / 0.9
  require_relative(2, 0.8, 1.1);          // (0.2 + 0.6) / (0.1 + 0.9), (0.3 + 0.8) / 1
  require_relative(4, 2, 2);              // 0.5 / 0.25
  require_relative(5, 1.4, 1.55);         // (0.8 + 2) / 2, (1.1 + 2) / 2
  require_error(errors[5], "mean", "mean", 0.45, 0.525);

  // Nothing is related to a sum of 0, and no mean leaves it out.
  corruptions.baseline->at({"jpeg_compression", 2}) = 0;
  const auto undefined = corruption_errors(summary, corruptions);
  REQUIRE(undefined[2].golden_relative);
  REQUIRE_FALSE(undefined[4].golden_relative);
  REQUIRE_FALSE(undefined[5].golden_relative);
  REQUIRE(undefined[5].golden);
}

TEST_CASE("a baseline is read by its columns' names", "[results]") {
  const CorruptionBaseline expected{{{"fog", 1}, 0.25}, {{"fog", 5}, 1}, {{"snow", 2}, 0}};
  REQUIRE(*baseline_of("corruption,severity,error\nfog,1,0.25\nfog,5,1\nsnow,2,0\n") == expected);
  REQUIRE(*baseline_of("severity,model,error,corruption\n1,x,2.5e-1,fog\n5,,1.0,fog\n2,,0,snow") ==
          expected);
  // As Bitquake writes it.
  REQUIRE(*baseline_of("corruption,severity,golden_error,faulty_error,golden_relative,"
                       "faulty_relative\nfog,1,0.25,0.5,,\nfog,5,1,1,,\nfog,mean,0.625,0.75,,\n"
                       "snow,2,0,0,,\nsnow,mean,0,0,,\nmean,mean,0.3125,0.375,,\n") == expected);
}

TEST_CASE("a baseline that is none is refused at its line", "[results]") {
  const std::string head = "corruption,severity,error\nfog,1,0.5\n";
  const auto [text, where, what] = GENERATE_COPY(table<std::string, std::string, std::string>(
      {{"", ":1:1", "has no column 'corruption'"},
       {"corruption,error\nfog,0.5\n", ":1:1", "has no column 'severity'"},
       {"corruption,severity,faulty_error\nfog,1,0.5\n", ":1:1", "has no column 'error'"},
       {head + "fog,2\n", ":3:1", "a line of 2 cells, the first has 3"},
       {head + "fog,0,0.5\n", ":3:5", "severity is '0'"},
       {head + "fog,6,0.5\n", ":3:5", "severity is '6'"},
       {head + "fog,two,0.5\n", ":3:5", "severity is 'two'"},
       {head + "fog,2,much\n", ":3:7", "error is 'much'"},
       {head + "fog,2,\n", ":3:7", "error is ''"},
       {head + "fog,2,0.5x\n", ":3:7", "error is '0.5x'"},
       {head + "fog,2,1.01\n", ":3:7", "error is '1.01'"},
       {head + "fog,2,88.6\n", ":3:7", "error is '88.6'"},
       {head + "fog,2,-0.1\n", ":3:7", "error is '-0.1'"},
       {head + "fog,2,nan\n", ":3:7", "error is 'nan'"},
       {head + "fog,1,0.6\n", ":3:1", "'fog/1' comes twice"},
       {head + "\"fog,2,0.5\n", ":3:1", "a quoted cell without an end"}}));
  const auto baseline = baseline_of(text);
  REQUIRE_FALSE(baseline);
  REQUIRE(baseline.error().code == Errc::data);
  REQUIRE_THAT(baseline.error().where, Catch::EndsWith("baseline.csv" + where));
  REQUIRE(baseline.error().what == what);
  REQUIRE_FALSE(baseline.error().hint.empty());
  REQUIRE_FALSE(read_corruption_baseline("/no/such/file.csv"));
}
