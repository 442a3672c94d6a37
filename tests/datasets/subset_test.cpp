#include "datasets/dataset.hpp"
#include "tests/base/temp_directory.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
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

namespace {

/// Samples with these labels; sample i has id 100 + i and a file of its own.
class Labelled final : public datasets::Dataset {
 public:
  explicit Labelled(std::vector<std::int64_t> labels) : labels_(std::move(labels)) {}
  std::uint64_t size() const override { return labels_.size(); }
  Result<datasets::Sample> get(std::uint64_t i) const override {
    datasets::Sample sample;
    sample.index = i;
    sample.id = 100 + i;
    sample.file_number = static_cast<std::uint32_t>(i);
    sample.label = labels_[i];
    return sample;
  }
  std::optional<cv::Size> fixed_size() const override { return std::nullopt; }
  const std::vector<std::pair<std::string, std::string>>& checksums() const override {
    return checksums_;
  }
  std::vector<std::string> files() const override {
    std::vector<std::string> names;
    for (std::uint64_t i = 0; i < size(); ++i) names.push_back("f" + std::to_string(i));
    return names;
  }

 private:
  std::vector<std::int64_t> labels_;
  std::vector<std::pair<std::string, std::string>> checksums_{{"file", "hash"}};
};

std::vector<int> per_class(const datasets::Dataset& data, std::size_t classes) {
  std::vector<int> count(classes);
  for (std::uint64_t i = 0; i < data.size(); ++i) {
    ++count[static_cast<std::size_t>(*data.get(i)->label)];
  }
  return count;
}

}  // namespace

TEST_CASE("a stratified subset has each class's share", "[datasets][subset]") {
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 100; ++i) labels.push_back(i % 10 < 5 ? 0 : i % 10 < 8 ? 1 : 2);
  const auto whole = std::make_shared<Labelled>(labels);  // 50, 30, 20
  const auto drawn = [&](std::uint64_t count, std::uint64_t seed) {
    return value_or_throw(subset(whole, count, Order::stratified, seed));
  };
  REQUIRE(per_class(*drawn(10, 1), 3) == std::vector<int>{5, 3, 2});
  REQUIRE(per_class(*drawn(100, 1), 3) == std::vector<int>{50, 30, 20});
  // 3.5, 2.1, 1.4: the one left over goes to the largest remainder.
  REQUIRE(per_class(*drawn(7, 1), 3) == std::vector<int>{4, 2, 1});
  // 0.5, 0.3, 0.2
  REQUIRE(per_class(*drawn(1, 1), 3) == std::vector<int>{1, 0, 0});
  const auto chosen = indices(*drawn(10, 1));
  REQUIRE(std::is_sorted(chosen.begin(), chosen.end()));
  REQUIRE(indices(*drawn(10, 1)) == chosen);
  REQUIRE(indices(*drawn(10, 2)) != chosen);
  const auto unlabelled = subset(std::make_shared<Numbers>(10), 5, Order::stratified, 1);
  REQUIRE_FALSE(unlabelled);
  REQUIRE(unlabelled.error().what.find("needs labels") != std::string::npos);
}

TEST_CASE("samples are selected by their ids, in that order", "[datasets][subset]") {
  const auto whole = std::make_shared<Labelled>(std::vector<std::int64_t>{0, 1, 2, 3, 4});
  const auto part = value_or_throw(select(whole, std::vector<std::uint64_t>{104, 101}));
  REQUIRE(indices(*part) == std::vector<std::uint64_t>{4, 1});
  REQUIRE(part->files() == std::vector<std::string>{"f4", "f1"});
  REQUIRE(part->get(1)->file_number == 1);
  REQUIRE(part->entry(0).file_number == 0);
  const auto what = [&](const std::vector<std::uint64_t>& ids) {
    const auto refused = select(whole, ids);
    REQUIRE_FALSE(refused);
    return refused.error().what;
  };
  REQUIRE(what({4}) == "the data set has no sample 4");
  REQUIRE(what({101, 101}) == "sample 101 is given twice");
  REQUIRE(what({}) == "no ids were given");

  const test::TempDirectory directory;
  test::write_bytes(directory / "ids", " 103\n\n100\r\n");
  const auto listed = value_or_throw(select(whole, directory / "ids"));
  REQUIRE(indices(*listed) == std::vector<std::uint64_t>{3, 0});
  REQUIRE(listed->checksums().size() == 2);
  test::write_bytes(directory / "ids", "103\nx\n");
  REQUIRE(select(whole, directory / "ids").error().where == (directory / "ids").string() + ":2");
  REQUIRE_FALSE(select(whole, directory / "none"));
}
