#include "suite/base/big_vector.hpp"

#include "suite/base/result.hpp"
#include "tests/base/temp_directory.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

using namespace bitquake;

namespace {

/// Numbers enough to lie in a file.
constexpr std::uint64_t kMany = 6'000'000;

BigVector<std::uint64_t> squares(std::uint64_t count) {
  BigVector<std::uint64_t> values;
  for (std::uint64_t i = 0; i < count; ++i) values.push_back(i * i);
  return values;
}

/// Bytes of the process's memory that the values take now.
std::uint64_t resident(const BigVector<std::uint64_t>& values) {
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  bool inside = false;
  while (std::getline(maps, line)) {
    std::uint64_t begin = 0, end = 0, kib = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " ", &begin, &end) == 2) {
      const auto at = reinterpret_cast<std::uintptr_t>(values.data());
      inside = begin <= at && at < end;
    }
    if (inside && std::sscanf(line.c_str(), "Rss: %" SCNu64, &kib) == 1) return kib * 1024;
  }
  FAIL("the values are in no mapping");
  return 0;
}

/// Sets TMPDIR for the scope.
class Tmpdir {
 public:
  explicit Tmpdir(const std::string& path) {
    if (const char* was = std::getenv("TMPDIR")) old_ = was;
    ::setenv("TMPDIR", path.c_str(), 1);
  }
  Tmpdir(const Tmpdir&) = delete;
  Tmpdir& operator=(const Tmpdir&) = delete;
  ~Tmpdir() { old_.empty() ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", old_.c_str(), 1); }

 private:
  std::string old_;
};

}  // namespace

TEST_CASE("a few values lie on the heap, many in a file without a name", "[base][big_vector]") {
  const test::TempDirectory scratch;
  const Tmpdir tmpdir(scratch.path().string());
  REQUIRE_FALSE(squares(1000).in_file());
  const BigVector<std::uint64_t> many = squares(kMany);
  REQUIRE(many.in_file());
  REQUIRE(std::filesystem::is_empty(scratch.path()));
  std::uint64_t wrong = 0;
  for (std::uint64_t i = 0; i < kMany; ++i) wrong += many[i] != i * i ? 1 : 0;
  REQUIRE(wrong == 0);
}

TEST_CASE("pages of a large table are given back, and come back as they were",
          "[base][big_vector]") {
  constexpr std::uint64_t kLarge = 32'000'000;  // 244 MiB
  BigVector<std::uint64_t> values = squares(kLarge);
  for (int pass = 0; pass < 2; ++pass) {
    std::uint64_t wrong = 0;
    for (std::uint64_t i = 0; i < kLarge; ++i) wrong += values[i] != i * i ? 1 : 0;
    REQUIRE(wrong == 0);
  }
  using namespace std::chrono_literals;
  const auto patience = std::chrono::steady_clock::now() + 30s;
  while (resident(values) > kLarge * 8 / 2 && std::chrono::steady_clock::now() < patience) {
    std::this_thread::sleep_for(1ms);
  }
  REQUIRE(resident(values) <= kLarge * 8 / 2);
}

TEST_CASE("big vectors are copied, compared and moved", "[base][big_vector]") {
  for (const std::uint64_t count : {std::uint64_t{1000}, kMany}) {
    BigVector<std::uint64_t> values = squares(count);
    values[7] = 3;
    REQUIRE(values[7] == 3);
    REQUIRE(values.back() == (count - 1) * (count - 1));
    BigVector<std::uint64_t> copy = values;
    REQUIRE(copy == values);
    copy.back() = 0;
    REQUIRE_FALSE(copy == values);
    const BigVector<std::uint64_t> moved = std::move(copy);
    REQUIRE(moved.size() == count);
  }
}

TEST_CASE("a big vector is changed as a vector is", "[base][big_vector]") {
  BigVector<int> values{1, 2, 3};
  values.insert(values.begin() + 1, {8, 9});
  REQUIRE(values == BigVector<int>{1, 8, 9, 2, 3});
  values.erase(values.begin() + 2);
  values.push_back(values.front());
  values.append(std::vector<int>{5, 6});
  REQUIRE(values == BigVector<int>{1, 8, 2, 3, 1, 5, 6});
  erase_if(values, [](int value) { return value == 1; });
  values.resize(7);
  REQUIRE(values == BigVector<int>{8, 2, 3, 5, 6, 0, 0});
  values.assign(2, 4);
  REQUIRE(values == BigVector<int>{4, 4});
  values.clear();
  REQUIRE(values.empty());
  REQUIRE(values == BigVector<int>{});
}

TEST_CASE("no room for a file is an error that says where", "[base][big_vector]") {
  const test::TempDirectory scratch;
  const std::string nowhere = (scratch.path() / "none").string();
  const Tmpdir tmpdir(nowhere);
  try {
    squares(kMany);
    FAIL("a file was made in a directory that does not exist");
  } catch (const Exception& exception) {
    REQUIRE(exception.error().where == nowhere);
    REQUIRE(exception.error().what ==
            "cannot hold a temporary file of 64 MiB: No such file or directory");
    REQUIRE(exception.error().hint ==
            "name a directory with more room in the environment variable TMPDIR");
  }
}
