#include "suite/base/text.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <limits>

using namespace bitquake;

TEST_CASE("shortest text reads back as the same number", "[base][text]") {
  REQUIRE(shortest(0.1) == "0.1");
  REQUIRE(shortest(1) == "1");
  REQUIRE(shortest(-0.0) == "-0");
  REQUIRE(shortest(1e100) == "1e+100");
  for (const double value : {1.0 / 3, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, 1e23}) {
    REQUIRE(std::strtod(shortest(value).c_str(), nullptr) == value);
  }
  REQUIRE(shortest(std::numeric_limits<double>::quiet_NaN()) == "nan");
  REQUIRE(shortest(std::numeric_limits<double>::infinity()) == "inf");
  REQUIRE(shortest(-std::numeric_limits<double>::infinity()) == "-inf");
}

TEST_CASE("CSV cells are quoted only where they must be", "[base][text]") {
  REQUIRE(csv_record({"a", "b c", ""}) == "a,b c,");
  REQUIRE(csv_record({"a,b", "say \"x\"", "two\nlines"}) ==
          "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"");
  REQUIRE(csv_record({}).empty());
}

TEST_CASE("thousands are separated by commas", "[base][text]") {
  REQUIRE(with_commas(0) == "0");
  REQUIRE(with_commas(999) == "999");
  REQUIRE(with_commas(1000) == "1,000");
  REQUIRE(with_commas(1234567) == "1,234,567");
  REQUIRE(with_commas(std::numeric_limits<std::uint64_t>::max()) == "18,446,744,073,709,551,615");
}

TEST_CASE("shapes are joined by x", "[base][text]") {
  REQUIRE(shape_text({6, 1, 5, 5}) == "6x1x5x5");
  REQUIRE(shape_text({10}) == "10");
  REQUIRE(shape_text({}).empty());
}

TEST_CASE("a table is aligned by characters, not bytes", "[base][text]") {
  REQUIRE(aligned_table({{"site", "n"}, {"conv1", "12"}, {"größe", "3"}}) ==
          "site    n\n"
          "---------\n"
          "conv1  12\n"
          "größe   3\n");
  REQUIRE(aligned_table({}).empty());
  REQUIRE(aligned_table({{"a", "b"}, {"long", ""}}) ==
          "a     b\n"
          "-------\n"
          "long\n");
}

TEST_CASE("UTF-8 is told from what only looks like it", "[base][text]") {
  REQUIRE(utf8_length("a") == 1);
  REQUIRE(utf8_length("\xC3\xA9") == 2);          // U+00E9
  REQUIRE(utf8_length("\xE2\x82\xAC") == 3);      // U+20AC
  REQUIRE(utf8_length("\xF0\x9F\x98\x80") == 4);  // U+1F600
  REQUIRE(utf8_length("\xF4\x8F\xBF\xBF") == 4);  // U+10FFFF, the last one
  const std::string bad = GENERATE(as<std::string>{}, "", "\x80", "\xC0\x80", "\xC3", "\xC3(",
                                   "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                                   "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE2\x82");
  REQUIRE(utf8_length(bad) == 0);
}

TEST_CASE("quoted text is short and printable", "[base][text]") {
  REQUIRE(in_quotes("abc") == "'abc'");
  REQUIRE(in_quotes("a\x1B[2J\n\t\xFF.") ==
          "'a?[2J?"
          "?"
          "?.'");
  REQUIRE(in_quotes(std::string(61, 'x')) == "'" + std::string(60, 'x') + "...'");
  REQUIRE(in_quotes(std::string(59, 'x') + "\xC3\xA9") == "'" + std::string(59, 'x') + "...'");
}

TEST_CASE("a number is all of its text or none", "[base][text]") {
  REQUIRE(to_number<std::uint32_t>("42") == 42U);
  REQUIRE(to_number<std::uint32_t>("007") == 7U);
  REQUIRE(to_number<std::int64_t>("-3") == -3);
  REQUIRE(to_number<float>("0.10000000149011612") == 0.1F);
  REQUIRE(to_number<double>("1e3") == 1000.0);
  for (const char* bad : {"", " 1", "1 ", "+1", "-1", "1.5", "4294967296", "0x1"}) {
    CAPTURE(bad);
    REQUIRE_FALSE(to_number<std::uint32_t>(bad));
  }
  REQUIRE_FALSE(to_number<float>("1e39"));
  REQUIRE_FALSE(to_number<double>("1,5"));
}
