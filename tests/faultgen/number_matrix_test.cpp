#include "faultgen/number_matrix.hpp"

#include "tests/faultgen/npy_file.hpp"

#include <catch2/catch.hpp>

#include <limits>

using namespace bitquake;
using namespace bitquake::faultgen;

namespace {

const NumberMatrix kMatrix{2, 3, {1, 2, 3, -4, 5, 6}};

std::string refusal(const std::string& bytes) {
  const auto matrix = parse_npy(bytes, "a.npy");
  if (matrix) return "";
  REQUIRE(matrix.error().code == Errc::fault_set);
  REQUIRE(matrix.error().where == "a.npy");
  return matrix.error().what;
}

/// A file of 2 x 3 zeros with this header.
std::string with_header(const std::string& header) {
  return test::npy_bytes(header, std::string(48, '\0'));
}

}  // namespace

TEST_CASE("a file written by NumPy is read", "[faultgen][npy]") {
  // numpy.save of numpy.array([[1, 2, 3], [-4, 5, 6]]), NumPy 1.24.2, byte for byte.
  const std::string header =
      "{'descr': '<i8', 'fortran_order': False, 'shape': (2, 3), }" + std::string(58, ' ') + "\n";
  REQUIRE(header.size() == 118);
  std::string bytes = "\x93NUMPY";
  bytes += std::string("\x01\x00\x76\x00", 4) + header;
  for (const int value : {1, 2, 3, -4, 5, 6}) {
    bytes += static_cast<char>(value);
    bytes += std::string(7, value < 0 ? '\xFF' : '\0');
  }
  REQUIRE(bytes.size() == 176);
  const auto matrix = parse_npy(bytes, "a.npy");
  REQUIRE(matrix.ok());
  REQUIRE(*matrix == kMatrix);
}

TEST_CASE("all types, orders and header versions give the same matrix", "[faultgen][npy]") {
  const std::string type = GENERATE(as<std::string>{}, "<i8", "<i4", "<f8");
  const bool fortran = GENERATE(false, true);
  const int version = GENERATE(1, 2, 3);
  const auto matrix = parse_npy(test::npy_file(kMatrix, type, fortran, version), "a.npy");
  REQUIRE(matrix.ok());
  REQUIRE(*matrix == kMatrix);
}

TEST_CASE("the header's entries stand in any order, spaced as one likes", "[faultgen][npy]") {
  REQUIRE(refusal(with_header("{\"shape\":(2,3),'descr' : \"<i8\" ,\t'fortran_order':True}")) ==
          "");
  REQUIRE(refusal(with_header("{'descr': '<i8', 'fortran_order': False, 'shape': (2, 3,)}")) == "");
}

TEST_CASE("a header that is malformed is refused", "[faultgen][npy]") {
  const std::string header =
      GENERATE(as<std::string>{}, "", "{", "{}", "()", "{'descr': '<i8'}", "{'descr': '<i8'",
               "{'descr': '<i8', 'fortran_order': False, 'shape': (2, 3)} x",
               "{'descr': '<i8', 'fortran_order': 0, 'shape': (2, 3)}",
               "{'descr': '<i8', 'fortran_order': False, 'shape': [2, 3]}",
               "{'descr': '<i8', 'fortran_order': False, 'shape': (-2, 3)}",
               "{'descr': '<i8', 'fortran_order': False, 'shape': (2 3)}",
               "{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999999999999, 3)}",
               "{'descr': '<i8', 'descr': '<i8', 'fortran_order': False, 'shape': (2, 3)}",
               "{'descr': '<i8', 'order': False, 'shape': (2, 3)}",
               "{'descr': '<i8', 'fortran_order': False 'shape': (2, 3)}",
               "{'descr': [('a', '<i8')], 'fortran_order': False, 'shape': (2, 3)}");
  CAPTURE(header);
  REQUIRE(refusal(with_header(header)) == "no .npy file: its header is malformed");
}

TEST_CASE("a file that ends early or is another is refused", "[faultgen][npy]") {
  const std::string whole = test::npy_file(kMatrix, "<i8", false, 1);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    REQUIRE_FALSE(refusal(whole.substr(0, length)).empty());
  }
  REQUIRE(refusal(whole + '\0') ==
          "has 49 bytes of data, a matrix of 2 x 3 numbers has 8 bytes each");
  std::string other = whole;
  other[6] = 4;
  REQUIRE(refusal(other) == "no .npy file: version 4.0");
  other = test::npy_file(kMatrix, "<i8", false, 2);
  other[11] = '\xFF';  // a header of 4 GiB
  REQUIRE(refusal(other) == "no .npy file: it ends in its header");
}

TEST_CASE("other types and dimensions are refused", "[faultgen][npy]") {
  const auto header = [](const std::string& type, const std::string& shape) {
    return with_header("{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape +
                       ", }");
  };
  REQUIRE(refusal(header(">i8", "(2, 3)")) ==
          "holds numbers of type '>i8', expected int64, int32 or float64, little-endian");
  REQUIRE(refusal(header("|O", "(2, 3)")) ==
          "holds numbers of type '|O', expected int64, int32 or float64, little-endian");
  REQUIRE(refusal(header("<i8", "(6,)")) == "has 1 dimensions, expected 2");
  REQUIRE(refusal(header("<i8", "()")) == "has 0 dimensions, expected 2");
  REQUIRE(refusal(header("<i8", "(2, 3, 1)")) == "has 3 dimensions, expected 2");
  REQUIRE_THAT(refusal(header("<i8", "(4294967296, 4294967296)")), Catch::Contains("48 bytes"));
  REQUIRE_THAT(refusal(header("<i8", "(2, 4)")), Catch::Contains("48 bytes of data"));
}

TEST_CASE("numbers that a double does not hold exactly are refused", "[faultgen][npy]") {
  NumberMatrix matrix{1, 2, {0, 9007199254740992.0}};
  REQUIRE(refusal(test::npy_file(matrix, "<i8", false, 1)).empty());
  matrix.values[1] *= 2;
  REQUIRE(refusal(test::npy_file(matrix, "<i8", false, 1)) ==
          "row 0, column 1: not finite, or an integer beyond 2^53");
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    matrix.values[1] = bad;
    REQUIRE_FALSE(refusal(test::npy_file(matrix, "<f8", true, 1)).empty());
  }
}

TEST_CASE("a matrix is read from CSV", "[faultgen][npy]") {
  const auto matrix = parse_number_csv("1,2,3\r\n-4,5.0,6e0\n", "a.csv");
  REQUIRE(matrix.ok());
  REQUIRE(*matrix == kMatrix);
  const auto where_what = [](const std::string& text) {
    const auto read = parse_number_csv(text, "a.csv");
    REQUIRE_FALSE(read.ok());
    return read.error().where + " " + read.error().what;
  };
  REQUIRE(where_what("1,2\n3\n") == "a.csv:2:1 1 numbers, the first row has 2");
  REQUIRE(where_what("1,x\n") == "a.csv:1:3 expected a finite number, got 'x'");
  REQUIRE(where_what("1,\n") == "a.csv:1:3 expected a finite number, got ''");
  REQUIRE(where_what("nan\n") == "a.csv:1:1 expected a finite number, got 'nan'");
}
