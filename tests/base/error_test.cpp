#include "suite/base/error.hpp"

#include "suite/base/build_info.hpp"
#include "suite/base/result.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace bitquake;

TEST_CASE("an error reads: where, what, source excerpt, hint", "[base][error]") {
  REQUIRE(to_string(Error{Errc::scenario, "a.yaml:9:11", "unknown fault model 'bitflp'",
                          "did you mean 'bit_flip'?", "  model: bitflp\n         ^"}) ==
          "a.yaml:9:11: error: unknown fault model 'bitflp'\n"
          "  model: bitflp\n"
          "         ^\n"
          "hint: did you mean 'bit_flip'?");
  REQUIRE(to_string(Error{Errc::usage, "", "no scenario given", "", ""}) ==
          "error: no scenario given");
}

TEST_CASE("an exception carries its error and shows it", "[base][error]") {
  const Exception exception({Errc::data, "images.gz", "is truncated", "fetch it again", ""});
  REQUIRE(exception.error().code == Errc::data);
  REQUIRE(std::string(exception.what()) == "images.gz: error: is truncated\nhint: fetch it again");
}

TEST_CASE("did_you_mean finds the nearest candidate", "[base][error]") {
  const std::vector<std::string_view> models{"bit_flip", "stuck_at_0", "stuck_at_1"};
  REQUIRE(did_you_mean("bitflip", models) == "bit_flip");   // one insertion
  REQUIRE(did_you_mean("bit_flop", models) == "bit_flip");  // one substitution
  REQUIRE(did_you_mean("stuck_at1", models) == "stuck_at_1");
  REQUIRE(did_you_mean("bit_flip", models) == "bit_flip");
  REQUIRE(did_you_mean("modle", {"model"}) == "model");  // a swap is one edit
  REQUIRE(did_you_mean("omdle", {"model"}).empty());     // two swaps are two
}

TEST_CASE("did_you_mean gives ties to the earlier candidate", "[base][error]") {
  REQUIRE(did_you_mean("stuck_at_2", {"stuck_at_0", "stuck_at_1"}) == "stuck_at_0");
  REQUIRE(did_you_mean("stuck_at_2", {"stuck_at_1", "stuck_at_0"}) == "stuck_at_1");
}

TEST_CASE("did_you_mean stays silent when nothing is near", "[base][error]") {
  REQUIRE(did_you_mean("zebra", {"bit_flip", "stuck_at_0"}).empty());
  REQUIRE(did_you_mean("anything", {}).empty());
  // A third of the length, at least 1: six letters allow two edits, not three.
  REQUIRE(did_you_mean("abcdef", {"abcdxy"}) == "abcdxy");
  REQUIRE(did_you_mean("abcdef", {"abcxyz"}).empty());
  REQUIRE(did_you_mean("ab", {"ac"}) == "ac");
  REQUIRE(did_you_mean("ab", {"xy"}).empty());
}

TEST_CASE("a result is a value or an error", "[base][error]") {
  const Result<int> good = 7;
  REQUIRE(good.ok());
  REQUIRE(*good == 7);
  const Result<int> bad = Error{Errc::model, "m.pt", "is no model", "", ""};
  REQUIRE_FALSE(bad);
  REQUIRE(bad.error().where == "m.pt");
  REQUIRE(value_or_throw(good) == 7);
  REQUIRE_THROWS_AS(value_or_throw(bad), Exception);
}

TEST_CASE("the build says what it is", "[base]") {
  REQUIRE_FALSE(build_info().version.empty());
  REQUIRE_FALSE(build_info().commit.empty());
  REQUIRE(build_info().flags.find("-ffp-contract=off") != std::string_view::npos);
}
