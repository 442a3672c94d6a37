#include "suite/base/h5.hpp"

#include "tests/base/temp_directory.hpp"

#include <catch2/catch.hpp>

#include <bit>
#include <limits>
#include <numeric>

using namespace bitquake;

namespace {

constexpr auto kCode = Errc::fault_set;

template <class T>
void write(h5::File& file, const std::string& name, const std::vector<T>& values) {
  file.write_column<T>(name, values, {"1", "numbers"});
}

/// A file with a bit of everything.
void write_example(const std::filesystem::path& path) {
  auto file = h5::File::create(path, kCode);
  std::vector<std::uint64_t> numbers(40'000);  // three chunks
  std::iota(numbers.begin(), numbers.end(), std::uint64_t{1} << 40);
  file.set_attribute("text", std::string("two\nlines, größer"));
  file.set_attribute("number", std::uint64_t{1} << 63);
  file.write_column<std::uint64_t>("table/numbers", numbers, {"pixel", "where it is"});
  file.write_strings("table/names", {"a", "", "größer"}, {"1", "names"});
  file.write_column<double>("empty", {}, {"1", "no rows"});
  file.close();
}

/// Runs `read` on an opened file and returns the error it throws.
template <class Read>
Error error_of(const std::filesystem::path& path, Read read) {
  const auto file = value_or_throw(h5::File::open(path, kCode));
  try {
    read(file);
  } catch (const Exception& exception) {
    return exception.error();
  }
  FAIL("nothing was thrown");
  return {};
}

bool mentions(const Error& error, const std::string& text) {
  return error.what.find(text) != std::string::npos;
}

}  // namespace

TEMPLATE_TEST_CASE("a column of each number type survives the file", "[base][h5]", std::uint8_t,
                   std::uint16_t, std::uint32_t, std::uint64_t, std::int32_t, std::int64_t, float,
                   double) {
  using Limits = std::numeric_limits<TestType>;
  const test::TempDirectory directory;
  const std::vector<TestType> values{Limits::lowest(), TestType{0}, TestType{1}, Limits::max()};
  auto file = h5::File::create(directory / "a.h5", kCode);
  write(file, "group/column", values);
  file.close();
  const auto read = value_or_throw(h5::File::open(directory / "a.h5", kCode));
  REQUIRE(read.length("group/column") == values.size());
  REQUIRE(read.read_column<TestType>("group/column") == values);
  REQUIRE(read.read_column<TestType>("group/column", 1, 2) ==
          std::vector<TestType>{TestType{0}, TestType{1}});
}

TEST_CASE("NaN payloads and signed zeros survive", "[base][h5]") {
  const test::TempDirectory directory;
  const std::vector<std::uint32_t> bits{0x7fa12345, 0xffc00001, 0x80000000, 0x7f800000};
  std::vector<float> values;
  for (const auto b : bits) values.push_back(std::bit_cast<float>(b));
  auto file = h5::File::create(directory / "a.h5", kCode);
  write(file, "column", values);
  file.close();
  const auto read = value_or_throw(h5::File::open(directory / "a.h5", kCode));
  const auto back = read.read_column<float>("column");
  for (std::size_t i = 0; i < bits.size(); ++i) {
    REQUIRE(std::bit_cast<std::uint32_t>(back[i]) == bits[i]);
  }
}

TEST_CASE("strings, attributes and column docs survive", "[base][h5]") {
  const test::TempDirectory directory;
  write_example(directory / "a.h5");
  const auto file = value_or_throw(h5::File::open(directory / "a.h5", kCode));
  REQUIRE(file.read_strings("table/names") == std::vector<std::string>{"a", "", "größer"});
  REQUIRE(file.string_attribute("text") == "two\nlines, größer");
  REQUIRE(file.integer_attribute("number") == std::uint64_t{1} << 63);
  REQUIRE(file.column_doc("table/numbers").units == "pixel");
  REQUIRE(file.column_doc("table/numbers").doc == "where it is");
  REQUIRE(file.has("table/names"));
  REQUIRE_FALSE(file.has("table/other"));
  REQUIRE_FALSE(file.has("nowhere/other"));
  REQUIRE(file.length("empty") == 0);
  REQUIRE(file.read_column<double>("empty").empty());
}

TEST_CASE("rows can be read across chunks", "[base][h5]") {
  const test::TempDirectory directory;
  write_example(directory / "a.h5");
  const auto file = value_or_throw(h5::File::open(directory / "a.h5", kCode));
  const auto part = file.read_column<std::uint64_t>("table/numbers", 16'380, 10);
  REQUIRE(part.front() == (std::uint64_t{1} << 40) + 16'380);
  REQUIRE(part.back() == (std::uint64_t{1} << 40) + 16'389);
  REQUIRE(file.read_column<std::uint64_t>("table/numbers", 40'000, 0).empty());
}

TEST_CASE("a signed attribute, as Python writes it, is read unless it is negative", "[base][h5]") {
  const test::TempDirectory directory;
  const auto write_signed = [&](std::int64_t value) {
    const auto path = (directory / "a.h5").string();
    const h5::Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
                          H5Fclose);
    const h5::Handle space(H5Screate(H5S_SCALAR), H5Sclose);
    const h5::Handle attribute(
        H5Acreate2(file, "n", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
    REQUIRE(H5Awrite(attribute, H5T_NATIVE_INT64, &value) >= 0);
  };
  const auto read = [&] {
    return value_or_throw(h5::File::open(directory / "a.h5", kCode)).integer_attribute("n");
  };
  write_signed(std::numeric_limits<std::int64_t>::max());
  REQUIRE(read() == 9223372036854775807U);
  write_signed(-1);
  REQUIRE_THROWS_WITH(read(), Catch::Matchers::Contains("'n' is -1"));
}

TEST_CASE("a long text fits an attribute", "[base][h5]") {
  const test::TempDirectory directory;
  const std::string text(300'000, 'x');
  auto file = h5::File::create(directory / "a.h5", kCode);
  file.set_attribute("scenario", text);
  file.close();
  REQUIRE(value_or_throw(h5::File::open(directory / "a.h5", kCode)).string_attribute("scenario") ==
          text);
}

TEST_CASE("equal contents give equal bytes", "[base][h5]") {
  const test::TempDirectory directory;
  write_example(directory / "a.h5");
  write_example(directory / "b.h5");
  REQUIRE(test::read_bytes(directory / "a.h5") == test::read_bytes(directory / "b.h5"));
}

TEST_CASE("a file that is missing or something else is an error", "[base][h5]") {
  const test::TempDirectory directory;
  const auto missing = h5::File::open(directory / "missing.h5", Errc::results);
  REQUIRE_FALSE(missing);
  REQUIRE(missing.error().code == Errc::results);
  REQUIRE(missing.error().where == (directory / "missing.h5").string());
  test::write_bytes(directory / "text.h5", "not HDF5 at all");
  REQUIRE_FALSE(h5::File::open(directory / "text.h5", kCode));
  REQUIRE_FALSE(h5::File::open(directory.path(), kCode));
}

TEST_CASE("a truncated file is refused, wherever it ends", "[base][h5]") {
  const test::TempDirectory directory;
  write_example(directory / "a.h5");
  const std::string bytes = test::read_bytes(directory / "a.h5");
  for (std::size_t size = 0; size < bytes.size(); size += 97) {
    test::write_bytes(directory / "b.h5", bytes.substr(0, size));
    REQUIRE_FALSE(h5::File::open(directory / "b.h5", kCode));
  }
}

TEST_CASE("what is missing or of another type is named", "[base][h5]") {
  const test::TempDirectory directory;
  const auto path = directory / "a.h5";
  write_example(path);
  const auto column =
      error_of(path, [](const auto& f) { f.template read_column<float>("no/such"); });
  REQUIRE(column.code == kCode);
  REQUIRE(column.where == path.string());
  REQUIRE(mentions(column, "no/such"));
  REQUIRE(mentions(
      error_of(path, [](const auto& f) { f.template read_column<float>("table/numbers"); }),
      "number type"));
  REQUIRE(
      mentions(error_of(path, [](const auto& f) { f.template read_column<float>("table/names"); }),
               "number type"));
  REQUIRE(
      mentions(error_of(path, [](const auto& f) { f.read_strings("table/numbers"); }), "strings"));
  REQUIRE(mentions(error_of(path, [](const auto& f) { f.string_attribute("none"); }), "none"));
  REQUIRE(mentions(error_of(path, [](const auto& f) { f.string_attribute("number"); }), "number"));
  REQUIRE(mentions(error_of(path, [](const auto& f) { f.integer_attribute("text"); }), "text"));
  error_of(path, [](const auto& f) { f.length("table"); });  // a group, not a column
}

TEST_CASE("rows past the end are refused", "[base][h5]") {
  const test::TempDirectory directory;
  write_example(directory / "a.h5");
  const auto read = [&](std::uint64_t offset, std::uint64_t count) {
    return error_of(directory / "a.h5", [&](const auto& f) {
      f.template read_column<std::uint64_t>("table/numbers", offset, count);
    });
  };
  REQUIRE(mentions(read(39'999, 2), "40000 rows"));
  REQUIRE(mentions(read(40'001, 0), "40000 rows"));
  REQUIRE(mentions(read(1, std::numeric_limits<std::uint64_t>::max()), "40000 rows"));
}

TEST_CASE("a file that cannot be created is an exception of the given kind", "[base][h5]") {
  const test::TempDirectory directory;
  try {
    h5::File::create(directory / "nowhere" / "a.h5", Errc::results);
    FAIL("nothing was thrown");
  } catch (const Exception& exception) {
    REQUIRE(exception.error().code == Errc::results);
    REQUIRE(exception.error().where == (directory / "nowhere" / "a.h5").string());
  }
}

TEST_CASE("a column that claims more than the file can hold is refused", "[base][h5]") {
  const test::TempDirectory directory;
  const auto path = directory / "huge.h5";
  {
    // Chunks that were never written take no space, so a tiny file can claim 2^50 rows.
    const h5::Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
                          H5Fclose);
    const hsize_t dims[1] = {hsize_t{1} << 50};
    const hsize_t chunk[1] = {1024};
    const h5::Handle space(H5Screate_simple(1, dims, nullptr), H5Sclose);
    const h5::Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    REQUIRE(H5Pset_chunk(properties, 1, chunk) >= 0);
    const h5::Handle numbers(
        H5Dcreate2(file, "numbers", H5T_STD_U64LE, space, H5P_DEFAULT, properties, H5P_DEFAULT),
        H5Dclose);
    const h5::Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
    REQUIRE(H5Tset_size(type, 1U << 16) >= 0);
    const h5::Handle names(
        H5Dcreate2(file, "names", type, space, H5P_DEFAULT, properties, H5P_DEFAULT), H5Dclose);
    REQUIRE(numbers >= 0);
    REQUIRE(names >= 0);
  }
  REQUIRE(mentions(
      error_of(path, [](const auto& f) { f.template read_column<std::uint64_t>("numbers"); }),
      "numbers"));
  REQUIRE(mentions(error_of(path, [](const auto& f) { f.read_strings("names"); }), "names"));
}
