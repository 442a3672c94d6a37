#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace bitquake::test;

TEST_CASE("selftest passes, for people into a file and for programs on stdout", "[cli]") {
  const TempDirectory directory;
  const auto results = run_commands(
      directory.path(), {{"selftest", "-o", "selftest.txt", "-j", "2"}, {"selftest", "--json"}});
  for (const Finished& got : results) {
    CAPTURE(got.out, got.err);
    REQUIRE(got.exit_code == 0);
    REQUIRE(got.err.empty());
  }
  REQUIRE(results[0].out.empty());
  const std::string text = read_bytes(directory / "selftest.txt");
  REQUIRE(holds(text, "\nPASSED  9 of 9 checks ok, 13 of 13 planted defects caught, "));
  REQUIRE(holds(text, "numeric fingerprint: "));

  const auto json = nlohmann::json::parse(results[1].out);
  REQUIRE(json.at("passed") == true);
  REQUIRE(json.at("checks").size() == 9);
  REQUIRE(json.at("planted_defects").size() == 13);
  REQUIRE(json.at("host").contains("cpu"));
  REQUIRE(json.at("numeric_fingerprint").contains("libtorch"));
}

TEST_CASE("selftest says what to do without a place for its files", "[cli]") {
  const TempDirectory directory;
  const auto nowhere = (directory / "nowhere").string();
  const Finished got = Process(directory.path(), {"selftest"}, {}, {"TMPDIR=" + nowhere}).wait();
  REQUIRE(got.exit_code == 2);
  REQUIRE(holds(got.err, "TMPDIR: error: cannot hold a temporary directory"));
  REQUIRE(holds(got.err, "hint: set TMPDIR"));
}
