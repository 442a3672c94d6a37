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
