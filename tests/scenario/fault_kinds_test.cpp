#include "suite/scenario/fault_kinds.hpp"

#include "tests/scenario/example.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace bitquake;
using namespace bitquake::scenario;

namespace {

using faultgen::Site;
using faultgen::SiteKind;

/// The weights of ResNet-20 for CIFAR-10, layer by layer.
std::vector<Site> resnet20() {
  std::vector<std::int64_t> sizes{432};
  sizes.insert(sizes.end(), 6, 2304);
  sizes.push_back(4608);
  sizes.insert(sizes.end(), 5, 9216);
  sizes.push_back(18432);
  sizes.insert(sizes.end(), 5, 36864);
  sizes.push_back(640);
  std::vector<Site> sites;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    sites.push_back({"layer" + std::to_string(i), 0, SiteKind::conv2d, {sizes[i]}, {1}});
  }
  return sites;
}

faultgen::FaultPlan plan_of(const std::string& text, const std::vector<Site>& sites,
                            const ModelFacts& facts = {}) {
  return value_or_throw(fault_plan(parsed(kShortest + text), sites, 100, facts));
}

std::uint64_t drawn(const faultgen::FaultPlan& plan) {
  std::uint64_t total = 0;
  for (const auto& stratum : plan.strata) total += stratum.size;
  return total;
}

}  // namespace

// Ruospo et al., "Assessing convolutional neural networks reliability through statistical fault
// injections", DATE 2023: the counts of ResNet-20. The paper's own are 1 and 128 more, of a layer
// with 10 more weights.
TEST_CASE("statistical samples have the published sizes", "[scenario][sampling]") {
  const auto [strata, expected] = GENERATE(table<std::string, std::uint64_t>(
      {{"network", 16'625}, {"site", 307'649}, {"site_bit", 4'885'632}}));
  const auto plan = plan_of(
      "faults: {target: weights, model: stuck_at, policy: per_epoch}\n"
      "sampling: {method: statistical, t: 2.58, strata: " +
          strata + "}\n",
      resnet20());
  std::uint64_t population = 0;
  for (const auto& stratum : plan.strata) population += stratum.population;
  REQUIRE(population == 17'173'504);
  REQUIRE(drawn(plan) == expected);
}

TEST_CASE("an exhaustive plan has every fault, one without replacement as many as trials",
          "[scenario][sampling]") {
  const std::vector<Site> sites{{"a", 0, SiteKind::linear, {3, 2}, {3}},
                                {"b", 0, SiteKind::linear, {2, 3}, {2}}};
  REQUIRE(drawn(plan_of("faults: {bits: exponent}\nsampling: {method: exhaustive}\n", sites)) ==
          5 * 8);
  REQUIRE(drawn(plan_of("faults: {epochs: 3, per_group: 2, policy: per_epoch}\n"
                        "sampling: {method: without_replacement}\n",
                        sites)) == 6);
}

TEST_CASE("data-aware sizes go by how far a flip moves the weights", "[scenario][sampling]") {
  const std::vector<Site> sites{{"a", 0, SiteKind::linear, {1000}, {1}}};
  ModelFacts facts;
  facts.parameter = [](std::uint32_t, faultgen::Target) { return std::vector<float>(1000, 0.5F); };
  const auto plan = plan_of(
      "faults: {target: weights, policy: per_epoch}\n"
      "sampling: {method: statistical, strata: site_bit, data_aware: on, minimum: 2}\n",
      sites, facts);
  REQUIRE(plan.strata.size() == 32);
  REQUIRE(plan.strata[0].size == 2);    // the least distance: assumed harmless, tested all the same
  REQUIRE(plan.strata[30].size > 900);  // 0.5 becomes 2^127: the most that is asked for
  REQUIRE(plan.strata[22].size == 2);
}

TEST_CASE("distances of flips are means over all values", "[scenario][sampling]") {
  const auto distances = flip_distances({{1.0F, 2.0F}, {-4.0F}});
  REQUIRE(distances[31] == (2.0 + 4.0 + 8.0) / 3);
  REQUIRE(distances[22] == (0.5 + 1.0 + 2.0) / 3);
  // 1 and 2: the exponent's lowest bit doubles or halves; -4 (exponent 129) becomes -2.
  REQUIRE(distances[23] == (0.5 + 2.0 + 2.0) / 3);
  REQUIRE(std::isinf(distances[30]));  // 1.0 becomes infinite
}

TEST_CASE("an int8 scale is given or follows from the largest magnitude", "[scenario][kinds]") {
  const std::vector<Site> sites{{"a", 0, SiteKind::linear, {3, 2}, {3}},
                                {"b", 0, SiteKind::linear, {2, 3}, {2}}};
  ModelFacts facts;
  facts.magnitudes = [](faultgen::Target target) {
    REQUIRE(target == faultgen::Target::weight);
    return std::vector<float>{2.54F, 0.0F};
  };
  const auto entry =
      plan_of("faults: {target: weights, format: int8}\n", sites, facts).entries.front();
  REQUIRE(entry.storage[0].scale == Approx(0.02));
  REQUIRE(entry.storage[1].scale == 1);  // of nothing but zeros any will do
  REQUIRE(entry.bits.size() == 8);
  const auto given =
      plan_of("faults: {format: int8, scale: 0.5, zero_point: -3}\n", sites).entries.front();
  REQUIRE(given.storage[1].scale == 0.5F);
  REQUIRE(given.storage[1].zero_point == -3);
}

TEST_CASE("weights of sites are patterns, the last that fits holds", "[scenario][kinds]") {
  const std::vector<Site> sites{{"a.conv", 0, SiteKind::linear, {3, 2}, {3}},
                                {"a.fc", 0, SiteKind::linear, {2, 3}, {2}},
                                {"b", 0, SiteKind::linear, {2, 3}, {2}}};
  const auto entry =
      plan_of("faults: {draw: weighted_sites, site_weights: [a.*=2, '*fc=0.5']}\n", sites)
          .entries.front();
  REQUIRE(entry.site_weights == std::vector<double>{2, 0.5, 0});
}

TEST_CASE("each kind of faults has its own entry", "[scenario][kinds]") {
  const std::vector<Site> sites{{"a", 0, SiteKind::linear, {3, 2}, {3}, {3}}};
  const auto plan = plan_of(
      "faults:\n"
      "  - {target: weights, bits: sign, policy: per_epoch, epochs: 4}\n"
      "  - {target: biases, model: set_value, value: 1.5, per_group: 2}\n",
      sites);
  REQUIRE(plan.epochs == 4);
  REQUIRE(plan.entries.size() == 2);
  REQUIRE(plan.entries[0].bits == std::vector<std::uint32_t>{31});
  REQUIRE(plan.entries[1].target == faultgen::Target::bias);
  REQUIRE(plan.entries[1].bits.empty());
  REQUIRE(plan.entries[1].value == 0x3fc00000);
  REQUIRE(plan.entries[1].per_group == 2);
}
