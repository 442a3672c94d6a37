#include "suite/scenario/source.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace bitquake::scenario;

TEST_CASE("a place counts lines and characters from 1 and is shown with a caret", "[scenario]") {
  const Source source("f.yaml", "one\n\xC3\xA9\xC3\xA9\tx\n");
  const bitquake::Error error = source.error({1, 5}, "bad", "fix it");
  REQUIRE(error.where == "f.yaml:2:4");
  REQUIRE(error.source == "\xC3\xA9\xC3\xA9\tx\n  \t^");
  REQUIRE(error.what == "bad");
  REQUIRE(error.hint == "fix it");
}

TEST_CASE("places outside the text are shown without a source line", "[scenario]") {
  const Source source("f.yaml", "one\n");
  REQUIRE(source.error({7, 3}, "bad").where == "f.yaml:8:1");
  REQUIRE(source.error({7, 3}, "bad").source.empty());
  REQUIRE(source.error({0, 99}, "bad").source == "one\n   ^");
}

TEST_CASE("a long line is cut around the place", "[scenario]") {
  const Source source("f.yaml", std::string(200, 'a') + "X" + std::string(200, 'b'));
  REQUIRE(source.error({0, 200}, "bad").source == "..." + std::string(50, 'a') + "X" +
                                                      std::string(49, 'b') + "...\n" +
                                                      std::string(53, ' ') + "^");
}

TEST_CASE("byte order mark and CRLF do not reach YAML", "[scenario]") {
  REQUIRE(Source("f",
                 "\xEF\xBB\xBF"
                 "a: 1\r\nb: 2\r\n")
              .text() == "a: 1\nb: 2\n");
  REQUIRE(Source("f", "a\rb").text() == "a\rb");
}

TEST_CASE("bytes that no scenario may hold are named", "[scenario]") {
  const auto what = [](const std::string& text) {
    const auto error = Source("f", text).malformed();
    return error ? error->where + " " + error->what : "";
  };
  REQUIRE(what("a: \xC3\xA9 # \t tab\n\t\n\t# comment\n").empty());
  REQUIRE(what("a: 1\nb: \xE9\n") == "f:2:4 byte 0xE9 is not UTF-8 text");
  REQUIRE(what(std::string("a: \0\n", 5)) == "f:1:4 control character 0x00");
  REQUIRE(what("a\rb\n") == "f:1:2 control character 0x0D");
  REQUIRE(what("a: \x7F\n") == "f:1:4 control character 0x7F");
  REQUIRE(what("a:\n \tb: 1\n") == "f:2:2 a tab indents this line");
}
