#include "suite/base/sha256.hpp"

#include "tests/base/temp_directory.hpp"

#include <catch2/catch.hpp>

using namespace bitquake;

TEST_CASE("SHA-256 gives the examples of FIPS 180", "[base][sha256][published]") {
  REQUIRE(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  REQUIRE(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  REQUIRE(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("the hash of a file is the hash of its bytes", "[base][sha256]") {
  const test::TempDirectory directory;
  // FIPS 180: a million times 'a', more than one read buffer (1 MiB) once another 100,000 follow.
  test::write_bytes(directory / "million", std::string(1'000'000, 'a'));
  REQUIRE(*sha256_file(directory / "million", Errc::data) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  const std::string longer(1'100'000, 'a');
  test::write_bytes(directory / "longer", longer);
  REQUIRE(*sha256_file(directory / "longer", Errc::data) == sha256_hex(longer));
  REQUIRE(*sha256_file(directory / "longer", Errc::data, 1'048'577) ==
          sha256_hex(longer.substr(0, 1'048'577)));
  REQUIRE(*sha256_file(directory / "longer", Errc::data, 0) == sha256_hex(""));
  test::write_bytes(directory / "empty", "");
  REQUIRE(*sha256_file(directory / "empty", Errc::data) == sha256_hex(""));
}

TEST_CASE("a file that cannot be hashed is an error of the given kind", "[base][sha256]") {
  const test::TempDirectory directory;
  const auto missing = sha256_file(directory / "missing", Errc::model);
  REQUIRE_FALSE(missing);
  REQUIRE(missing.error().code == Errc::model);
  REQUIRE(missing.error().where == (directory / "missing").string());
  REQUIRE(missing.error().what.find("No such file") != std::string::npos);
  REQUIRE_FALSE(sha256_file(directory.path(), Errc::data));
}

TEST_CASE("hash64 is the first 8 bytes of SHA-256, big-endian", "[base][sha256]") {
  const std::string text = "abc";
  REQUIRE(hash64(std::as_bytes(std::span(text))) == 0xba7816bf8f01cfea);
  REQUIRE(hash64({}) == 0xe3b0c44298fc1c14);
  REQUIRE(hash64(std::as_bytes(std::span(text))) == 0xba7816bf8f01cfea);  // no state left over
}
