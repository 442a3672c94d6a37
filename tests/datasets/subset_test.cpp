#include "datasets/dataset.hpp"

#include <catch2/catch.hpp>

#include <numeric>
#include <set>

using namespace bitquake;
using datasets::Order;

namespace {

/// `size` samples without an image; sample i has index i.
class Numbers final : public datasets::Dataset {
 public:
  explicit Numbers(std::uint64_t size) : size_(size) {}
  std::uint64_t size() const override { return size_; }
  Result<datasets::Sample> get(std::uint64_t i) const override {
    datasets::Sample sample;
    sample.index = i;
    return sample;
  }
  std::optional<cv::Size> fixed_size() const override { return cv::Size(3, 4); }
  const std::vector<std::pair<std::string, std::string>>& checksums() const override {
    return checksums_;
  }

 private:
  std::uint64_t size_;
  std::vector<std::pair<std::string, std::string>> checksums_{{"file", "hash"}};
};

std::vector<std::uint64_t> indices(const datasets::Dataset& data) {
  std::vector<std::uint64_t> found;
  for (std::uint64_t i = 0; i < data.size(); ++i) found.push_back(data.get(i)->index);
  return found;
}

std::vector<std::uint64_t> draw(std::uint64_t whole, std::uint64_t count, Order order,
                                std::uint64_t seed) {
  return indices(*value_or_throw(subset(std::make_shared<Numbers>(whole), count, order, seed)));
}

}  // namespace

TEST_CASE("the first samples come in order", "[datasets][subset]") {
  REQUIRE(draw(10, 3, Order::first, 1) == std::vector<std::uint64_t>{0, 1, 2});
  REQUIRE(draw(3, 3, Order::first, 1) == std::vector<std::uint64_t>{0, 1, 2});
}

TEST_CASE("a random subset is pinned", "[datasets][subset]") {
  // Fisher-Yates on a separate Philox in Python.
  REQUIRE(draw(10, 10, Order::random, 1) ==
          std::vector<std::uint64_t>{0, 1, 2, 9, 8, 6, 5, 3, 7, 4});
}

TEST_CASE("a random subset holds no sample twice", "[datasets][subset]") {
  const std::uint64_t count = GENERATE(1U, 500U, 1000U);
  const auto drawn = draw(1000, count, Order::random, 7);
  REQUIRE(drawn.size() == count);
  const std::set<std::uint64_t> distinct(drawn.begin(), drawn.end());
  REQUIRE(distinct.size() == count);
  REQUIRE(*distinct.rbegin() < 1000);
}

TEST_CASE("a smaller random subset begins a larger one", "[datasets][subset]") {
  const auto large = draw(1000, 1000, Order::random, 7);
  for (const std::uint64_t count : {1U, 2U, 17U, 999U}) {
    REQUIRE(draw(1000, count, Order::random, 7) ==
            std::vector<std::uint64_t>(large.begin(), large.begin() + static_cast<long>(count)));
  }
}

TEST_CASE("another seed draws another subset", "[datasets][subset]") {
  REQUIRE(draw(1000, 100, Order::random, 1) != draw(1000, 100, Order::random, 2));
  REQUIRE(draw(1000, 100, Order::random, 1) == draw(1000, 100, Order::random, 1));
}

TEST_CASE("each sample is drawn first equally often", "[datasets][subset]") {
  constexpr int kSeeds = 20'000;
  std::vector<int> first(5), last(5);
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto drawn = draw(5, 5, Order::random, seed);
    ++first[drawn.front()];
    ++last[drawn.back()];
  }
  // Chi-square with 4 degrees of freedom exceeds 33.4 once in a million.
  for (const auto& counts : {first, last}) {
    double chi_square = 0;
    for (const int count : counts) chi_square += (count - 4000.0) * (count - 4000.0) / 4000.0;
    REQUIRE(chi_square < 33.4);
  }
}

TEST_CASE("a subset of a subset keeps positions of the data set", "[datasets][subset]") {
  const auto whole = std::make_shared<Numbers>(100);
  const auto outer = value_or_throw(subset(whole, 50, Order::random, 1));
  const auto inner = value_or_throw(subset(outer, 10, Order::first, 1));
  auto expected = indices(*outer);
  expected.resize(10);
  REQUIRE(indices(*inner) == expected);
}

TEST_CASE("a subset passes on what belongs to the whole", "[datasets][subset]") {
  const auto part = value_or_throw(subset(std::make_shared<Numbers>(100), 5, Order::random, 1));
  REQUIRE(part->fixed_size() == cv::Size(3, 4));
  REQUIRE(part->checksums().at(0).second == "hash");
}

TEST_CASE("a subset of nothing or of too much is refused", "[datasets][subset]") {
  const std::uint64_t count = GENERATE(0U, 11U);
  const Order order = GENERATE(Order::first, Order::random);
  const auto drawn = subset(std::make_shared<Numbers>(10), count, order, 1);
  REQUIRE_FALSE(drawn);
  REQUIRE(drawn.error().code == Errc::data);
  REQUIRE(drawn.error().what.find(std::to_string(count)) != std::string::npos);
  REQUIRE(drawn.error().hint.find("10") != std::string::npos);
}
