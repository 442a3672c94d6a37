#include "faultgen/fault_space.hpp"

#include "suite/base/error.hpp"
#include "tests/faultgen/example_set.hpp"

#include <catch2/catch.hpp>

using namespace bitquake;
using namespace bitquake::faultgen;

using Shape = std::vector<std::int64_t>;

TEST_CASE("sites have names for people", "[faultgen][space]") {
  const auto sites = test::example_sites();
  REQUIRE(site_name(sites[0]) == "conv");
  REQUIRE(site_name(sites[1]) == "conv#1");
  REQUIRE(to_string(SiteKind::conv1d) == "conv1d");
  REQUIRE(to_string(SiteKind::conv2d) == "conv2d");
  REQUIRE(to_string(SiteKind::conv3d) == "conv3d");
  REQUIRE(to_string(SiteKind::linear) == "linear");
}

TEST_CASE("elements are counted without wrapping round", "[faultgen][space]") {
  REQUIRE(element_count({}) == 1);
  REQUIRE(element_count({6, 1, 5, 5}) == 150);
  REQUIRE(element_count({3, 0}) == 0);
  REQUIRE(element_count({1LL << 62, 2}) == 1ULL << 63);
  REQUIRE_THROWS_AS(element_count({1LL << 62, 4}), Exception);
  REQUIRE_THROWS_AS(element_count({-1, 2}), Exception);
}

TEST_CASE("a row-major position has its index tuple", "[faultgen][space]") {
  REQUIRE(element_index({2, 3, 4}, 0) == Shape{0, 0, 0});
  REQUIRE(element_index({2, 3, 4}, 3) == Shape{0, 0, 3});
  REQUIRE(element_index({2, 3, 4}, 4) == Shape{0, 1, 0});
  REQUIRE(element_index({2, 3, 4}, 23) == Shape{1, 2, 3});
  REQUIRE(element_index({6, 1, 5, 5}, 86) == Shape{3, 0, 2, 1});  // 3*25 + 2*5 + 1
  REQUIRE(element_index({10}, 7) == Shape{7});
  REQUIRE(element_index({}, 0).empty());
}

TEST_CASE("neurons: every call is a site of its own", "[faultgen][space]") {
  const FaultSpace space(test::example_sites(), Target::neuron);
  REQUIRE(space.total_elements() == 16);
  REQUIRE(space.elements(0) == 6);
  REQUIRE(space.elements(1) == 6);
  REQUIRE(space.elements(2) == 4);
  REQUIRE(space.active_sites() == std::vector<std::uint32_t>{0, 1, 2});
}

TEST_CASE("weights: a repeated call has none, its first call has them", "[faultgen][space]") {
  const FaultSpace space(test::example_sites(), Target::weight);
  REQUIRE(space.total_elements() == 12);
  REQUIRE(space.elements(0) == 4);
  REQUIRE(space.elements(1) == 0);
  REQUIRE(space.elements(2) == 8);
  REQUIRE(space.active_sites() == std::vector<std::uint32_t>{0, 2});
}

TEST_CASE("weights: a site whose weight is computed has none", "[faultgen][space]") {
  auto sites = test::example_sites();
  sites[2].weight_shape.clear();
  REQUIRE(FaultSpace(sites, Target::weight).total_elements() == 4);
  REQUIRE(FaultSpace(sites, Target::neuron).total_elements() == 16);
}

TEST_CASE("positions are located at the borders of sites", "[faultgen][space]") {
  const auto at = [](const FaultSpace& space, std::uint64_t position) {
    const auto [site, element] = space.locate(position);
    return std::pair{site, element};
  };
  using Place = std::pair<std::uint32_t, std::uint64_t>;
  const FaultSpace neurons(test::example_sites(), Target::neuron);
  REQUIRE(at(neurons, 0) == Place{0, 0});
  REQUIRE(at(neurons, 5) == Place{0, 5});
  REQUIRE(at(neurons, 6) == Place{1, 0});
  REQUIRE(at(neurons, 11) == Place{1, 5});
  REQUIRE(at(neurons, 12) == Place{2, 0});
  REQUIRE(at(neurons, 15) == Place{2, 3});
  const FaultSpace weights(test::example_sites(), Target::weight);
  REQUIRE(at(weights, 3) == Place{0, 3});
  REQUIRE(at(weights, 4) == Place{2, 0});  // site 1 has no weights of its own
  REQUIRE(at(weights, 11) == Place{2, 7});
}

TEST_CASE("every element of a space is located exactly once", "[faultgen][space]") {
  const Target target = GENERATE(Target::neuron, Target::weight);
  const FaultSpace space(test::example_sites(), target);
  std::vector<std::vector<int>> hits;
  for (std::uint32_t site = 0; site < space.sites().size(); ++site) {
    hits.emplace_back(space.elements(site));
  }
  for (std::uint64_t position = 0; position < space.total_elements(); ++position) {
    const auto [site, element] = space.locate(position);
    ++hits.at(site).at(element);
  }
  for (const auto& site : hits) {
    for (const int count : site) REQUIRE(count == 1);
  }
}

TEST_CASE("a space without sites is empty", "[faultgen][space]") {
  const FaultSpace space({}, Target::neuron);
  REQUIRE(space.total_elements() == 0);
  REQUIRE(space.active_sites().empty());
}

TEST_CASE("a space of 2^64 elements is refused", "[faultgen][space]") {
  const Site half{"a", 0, SiteKind::linear, {1}, {1LL << 62, 2}};
  REQUIRE(FaultSpace({half}, Target::neuron).total_elements() == 1ULL << 63);
  REQUIRE_THROWS_AS(FaultSpace({half, half}, Target::neuron), Exception);
}
