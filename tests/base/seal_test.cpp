#include "suite/base/seal.hpp"

#include "tests/base/temp_directory.hpp"

#include <catch2/catch.hpp>

using namespace bitquake;

namespace {

/// What checking says; empty when the file is accepted.
std::string complaint(const std::filesystem::path& path, SealRule rule) {
  const auto checked = check_seal(path, rule, Errc::data, "draw it again");
  if (checked) return "";
  REQUIRE(checked.error().code == Errc::data);
  REQUIRE(checked.error().where == path.string());
  return checked.error().what;
}

const std::string kUnfit = "is damaged or truncated: its checksum does not fit";

}  // namespace

TEST_CASE("a seal is the line of sha256sum behind the last byte", "[base][seal]") {
  const test::TempDirectory directory;
  test::write_bytes(directory / "a", "abc");
  seal_file(directory / "a");
  // The hash of "abc" is an example of FIPS 180.
  REQUIRE(test::read_bytes(directory / "a") ==
          "abcsha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n");
  REQUIRE(complaint(directory / "a", SealRule::mandatory).empty());
  REQUIRE(complaint(directory / "a", SealRule::optional).empty());
}

TEST_CASE("a seal with any byte changed does not fit", "[base][seal]") {
  const test::TempDirectory directory;
  test::write_bytes(directory / "a", "abc");
  seal_file(directory / "a");
  const std::string whole = test::read_bytes(directory / "a");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = '?';
    test::write_bytes(directory / "a", damaged);
    REQUIRE(complaint(directory / "a", SealRule::mandatory) == kUnfit);
    REQUIRE(complaint(directory / "a", SealRule::optional) == kUnfit);
  }
}

TEST_CASE("a seal that is cut short does not fit", "[base][seal]") {
  const test::TempDirectory directory;
  test::write_bytes(directory / "a", "abc");
  seal_file(directory / "a");
  const std::string whole = test::read_bytes(directory / "a");
  for (std::size_t size = 10; size < whole.size(); ++size) {  // from the mark on
    test::write_bytes(directory / "a", whole.substr(0, size));
    REQUIRE(complaint(directory / "a", SealRule::optional) == kUnfit);
  }
}

TEST_CASE("a file without a seal passes only where seals are optional", "[base][seal]") {
  const test::TempDirectory directory;
  const std::string text = GENERATE(as<std::string>{}, "", "abc", "sha256", std::string(72, 'x'),
                                    std::string(500, '\n'));
  test::write_bytes(directory / "a", text);
  REQUIRE(complaint(directory / "a", SealRule::mandatory) == kUnfit);
  REQUIRE(complaint(directory / "a", SealRule::optional).empty());
}

TEST_CASE("the seal of an empty file is a seal", "[base][seal]") {
  const test::TempDirectory directory;
  test::write_bytes(directory / "a", "");
  seal_file(directory / "a");
  REQUIRE(complaint(directory / "a", SealRule::mandatory).empty());
  REQUIRE(complaint(directory / "a", SealRule::optional).empty());
}

TEST_CASE("what cannot be sealed or checked is named", "[base][seal]") {
  const test::TempDirectory directory;
  REQUIRE(complaint(directory / "none", SealRule::optional) ==
          "cannot be read: No such file or directory");
  REQUIRE(complaint(directory.path(), SealRule::optional) == "cannot be read: Is a directory");
  REQUIRE_FALSE(complaint("/dev/zero", SealRule::optional).empty());
  REQUIRE_THROWS_AS(seal_file(directory / "none"), Exception);
}
