#include "faultgen/sampler.hpp"

#include "tests/faultgen/example_set.hpp"
#include "tests/faultgen/simple_plan.hpp"

#include <boost/math/distributions/chi_squared.hpp>
#include <catch2/catch.hpp>

#include <bit>
#include <limits>
#include <set>
#include <tuple>

using namespace bitquake;
using namespace bitquake::faultgen;

namespace {

/// Sites of very different size: 16, 240, 3840 and 4 neurons.
FaultSpace uneven_space() {
  return FaultSpace({{"a", 0, SiteKind::linear, {16, 2}, {16}},
                     {"b", 0, SiteKind::conv2d, {4, 1, 3, 3}, {4, 6, 10}},
                     {"c", 0, SiteKind::conv2d, {6, 4, 3, 3}, {6, 20, 32}},
                     {"d", 0, SiteKind::linear, {4, 16}, {4}}},
                    Target::neuron);
}

unsigned bit_of(const Fault& fault) {
  REQUIRE(std::popcount(fault.bit_mask) == 1);
  return static_cast<unsigned>(std::countr_zero(fault.bit_mask));
}

/// Whether counts fit shares (which add to 1): Pearson's test, false alarms once in a million
/// seeds.
bool fits(const std::vector<std::uint64_t>& counts, const std::vector<double>& shares) {
  double total = 0;
  for (const auto count : counts) total += static_cast<double>(count);
  double chi_square = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double expected = shares[i] * total;
    REQUIRE(expected >= 5);
    const double distance = static_cast<double>(counts[i]) - expected;
    chi_square += distance * distance / expected;
  }
  const boost::math::chi_squared distribution(static_cast<double>(counts.size() - 1));
  return chi_square < boost::math::quantile(boost::math::complement(distribution, 1e-6));
}

std::vector<double> equal_shares(std::size_t cells) {
  return std::vector<double>(cells, 1.0 / static_cast<double>(cells));
}

using Drawn = std::vector<std::tuple<std::uint32_t, std::uint64_t, unsigned>>;

Drawn locations(const FaultSet& set) {
  Drawn drawn;
  for (const Fault& fault : set.faults)
    drawn.emplace_back(fault.site, fault.element, bit_of(fault));
  return drawn;
}

Error refusal(const FaultSpace& space, const test::SimplePlan& plan) {
  const auto set = test::draw_faults(space, plan);
  REQUIRE_FALSE(set);
  REQUIRE(set.error().code == Errc::fault_set);
  return set.error();
}

}  // namespace

TEST_CASE("first faults are pinned", "[faultgen][sampler]") {
  // From a separate Philox and Lemire in Python.
  const FaultSpace space(
      {{"a", 0, SiteKind::linear, {6, 1}, {6}}, {"b", 0, SiteKind::linear, {10, 6}, {10}}},
      Target::neuron);
  test::SimplePlan plan{.per_group = 2, .samples = 3, .seed = 3};
  REQUIRE(locations(*test::draw_faults(space, plan)) ==
          Drawn{{1, 2, 25}, {1, 3, 25}, {0, 3, 19}, {1, 1, 17}, {1, 2, 28}, {0, 0, 26}});
  plan.draw = Draw::sites;
  REQUIRE(locations(*test::draw_faults(space, plan)) ==
          Drawn{{1, 6, 25}, {1, 5, 25}, {0, 2, 19}, {0, 4, 17}, {1, 9, 28}, {0, 0, 26}});
}

TEST_CASE("a drawn set is complete and consistent", "[faultgen][sampler]") {
  const Draw draw = GENERATE(Draw::elements, Draw::sites);
  const auto set =
      value_or_throw(test::draw_faults(uneven_space(), {.model = FaultModel::stuck_at_1,
                                                        .draw = draw,
                                                        .per_group = 3,
                                                        .epochs = 2,
                                                        .samples = 5,
                                                        .seed = 9}));
  REQUIRE(check_consistent(set, "set"));
  REQUIRE(set.groups.size() == 10);
  REQUIRE(set.faults.size() == 30);
  REQUIRE(set.groups[0] == FaultGroup{0, 0, 0, 3});
  REQUIRE(set.groups[6] == FaultGroup{1, 1, 18, 3});
  REQUIRE(set.sites == uneven_space().sites());
  REQUIRE(set.provenance.seed == 9);
  REQUIRE(set.provenance.schedule == Schedule{});
  REQUIRE(set.provenance.generator.substr(0, 9) == "bitquake ");
  for (const Fault& fault : set.faults) {
    REQUIRE(fault.target == Target::neuron);
    REQUIRE(fault.model == FaultModel::stuck_at_1);
  }
}

TEST_CASE("elements are drawn uniformly over the model", "[faultgen][sampler][statistics]") {
  const FaultSpace space = uneven_space();
  const auto set = value_or_throw(test::draw_faults(space, {.samples = 200'000, .seed = 1}));
  std::vector<std::uint64_t> sites(4), elements(100), bits(32);
  for (const Fault& fault : set.faults) {
    ++sites[fault.site];
    const std::uint64_t starts[] = {0, 16, 256, 4096};
    ++elements[(starts[fault.site] + fault.element) / 41];  // 4100 elements in 100 bins
    ++bits[bit_of(fault)];
  }
  REQUIRE(fits(sites, {16 / 4100.0, 240 / 4100.0, 3840 / 4100.0, 4 / 4100.0}));
  REQUIRE(fits(elements, equal_shares(100)));
  REQUIRE(fits(bits, equal_shares(32)));
  REQUIRE(set.sampling_weight == std::vector<double>(200'000, 1.0));
}

TEST_CASE("sites are drawn uniformly, then their elements", "[faultgen][sampler][statistics]") {
  const FaultSpace space = uneven_space();
  const auto set = value_or_throw(
      test::draw_faults(space, {.draw = Draw::sites, .samples = 200'000, .seed = 1}));
  std::vector<std::uint64_t> sites(4), bits(32);
  std::vector<std::vector<std::uint64_t>> elements{
      std::vector<std::uint64_t>(16), std::vector<std::uint64_t>(240),
      std::vector<std::uint64_t>(3840), std::vector<std::uint64_t>(4)};
  for (const Fault& fault : set.faults) {
    ++sites[fault.site];
    ++elements[fault.site][fault.element];
    ++bits[bit_of(fault)];
  }
  REQUIRE(fits(sites, equal_shares(4)));
  REQUIRE(fits(bits, equal_shares(32)));
  for (const auto& counts : elements) REQUIRE(fits(counts, equal_shares(counts.size())));
}

TEST_CASE("sampling weights undo the draw of sites", "[faultgen][sampler][statistics]") {
  const FaultSpace space = uneven_space();
  const auto set =
      value_or_throw(test::draw_faults(space, {.draw = Draw::sites, .samples = 20'000, .seed = 1}));
  double mean = 0;
  for (std::size_t i = 0; i < set.faults.size(); ++i) {
    // elements of the site / 4100 * 4 sites
    const double by_hand[] = {64 / 4100.0, 960 / 4100.0, 15360 / 4100.0, 16 / 4100.0};
    REQUIRE(set.sampling_weight[i] == Approx(by_hand[set.faults[i].site]).epsilon(1e-14));
    mean += set.sampling_weight[i] / 20'000;
  }
  // Weights average to 1: standard deviation of one weight 1.58, of the mean 0.011.
  REQUIRE(mean == Approx(1.0).margin(0.06));
}

TEST_CASE("element and bit are independent", "[faultgen][sampler][statistics]") {
  const FaultSpace space({{"a", 0, SiteKind::linear, {8, 1}, {8}}}, Target::neuron);
  const auto set = value_or_throw(test::draw_faults(space, {.samples = 200'000, .seed = 2}));
  std::vector<std::uint64_t> cells(8 * 32);
  for (const Fault& fault : set.faults) ++cells[fault.element * 32 + bit_of(fault)];
  REQUIRE(fits(cells, equal_shares(cells.size())));
}

TEST_CASE("bits stay within their range", "[faultgen][sampler]") {
  const auto [low, high] =
      GENERATE(table<std::uint32_t, std::uint32_t>({{0, 0}, {31, 31}, {23, 30}}));
  const auto set = value_or_throw(
      test::draw_faults(uneven_space(), {.bits = {low, high}, .samples = 1000, .seed = 1}));
  std::set<unsigned> seen;
  for (const Fault& fault : set.faults) seen.insert(bit_of(fault));
  REQUIRE(*seen.begin() == low);
  REQUIRE(*seen.rbegin() == high);
  REQUIRE(seen.size() == high - low + 1);
}

TEST_CASE("weights of a repeated call are drawn at its first call", "[faultgen][sampler]") {
  const Draw draw = GENERATE(Draw::elements, Draw::sites);
  const FaultSpace space(test::example_sites(), Target::weight);
  const auto set = value_or_throw(test::draw_faults(
      space, {.target = Target::weight, .draw = draw, .samples = 1000, .seed = 1}));
  REQUIRE(check_consistent(set, "set"));
  for (const Fault& fault : set.faults) REQUIRE(fault.site != 1);
  const double expected = draw == Draw::elements ? 1.0 : 4 / 12.0 * 2;  // 4 of 12 elements, 2 sites
  for (std::size_t i = 0; i < set.faults.size(); ++i) {
    if (set.faults[i].site == 0) REQUIRE(set.sampling_weight[i] == Approx(expected));
  }
}

TEST_CASE("a longer campaign starts with the faults of a shorter one", "[faultgen][sampler]") {
  const Draw draw = GENERATE(Draw::elements, Draw::sites);
  const std::uint32_t per_group = GENERATE(1U, 5U);
  test::SimplePlan plan{
      .draw = draw, .per_group = per_group, .epochs = 1, .samples = 40, .seed = 11};
  const auto short_set = value_or_throw(test::draw_faults(uneven_space(), plan));
  plan.epochs = 3;
  const auto long_set = value_or_throw(test::draw_faults(uneven_space(), plan));
  REQUIRE(std::equal(short_set.faults.begin(), short_set.faults.end(), long_set.faults.begin()));
  REQUIRE(std::equal(short_set.groups.begin(), short_set.groups.end(), long_set.groups.begin()));
  REQUIRE(value_or_throw(test::draw_faults(uneven_space(), plan)) == long_set);
  plan.seed = 12;
  REQUIRE(value_or_throw(test::draw_faults(uneven_space(), plan)).faults != long_set.faults);
}

TEST_CASE("a policy decides how many groups there are, not what is in them",
          "[faultgen][sampler]") {
  // 3 epochs of 10 samples: 10, 4 (of 3, 3, 3 and 1 samples), 1 and 1 groups in each.
  const auto [schedule, slots] =
      GENERATE(table<Schedule, std::uint64_t>({{Schedule{}, 10},
                                               {Schedule{Policy::per_batch, 3}, 4},
                                               {Schedule{Policy::per_batch, 11}, 1},
                                               {Schedule{Policy::per_epoch, 1}, 1}}));
  test::SimplePlan plan{.per_group = 2, .epochs = 30, .samples = 1, .seed = 4};
  const auto reference = value_or_throw(test::draw_faults(uneven_space(), plan));
  plan.schedule = schedule;
  plan.epochs = 3;
  plan.samples = 10;
  const auto set = value_or_throw(test::draw_faults(uneven_space(), plan));
  REQUIRE(check_consistent(set, "set"));
  REQUIRE(set.provenance.schedule == schedule);
  REQUIRE(set.groups.size() == 3 * slots);
  for (std::uint64_t i = 0; i < set.groups.size(); ++i) {
    const auto epoch = static_cast<std::uint32_t>(i / slots);
    REQUIRE(set.groups[i] == FaultGroup{epoch, i % slots, 2 * i, 2});
  }
  REQUIRE(std::equal(set.faults.begin(), set.faults.end(), reference.faults.begin()));
}

TEST_CASE("permanent faults do not depend on the number of samples", "[faultgen][sampler]") {
  test::SimplePlan plan{.schedule = {Policy::per_epoch, 1}, .epochs = 5, .samples = 1, .seed = 8};
  const auto one = value_or_throw(test::draw_faults(uneven_space(), plan));
  plan.samples = std::numeric_limits<std::uint64_t>::max();
  REQUIRE(value_or_throw(test::draw_faults(uneven_space(), plan)) == one);
  // The samples of a last, partial batch change nothing either.
  plan.schedule = {Policy::per_batch, 8};
  plan.samples = 17;
  const auto partial = value_or_throw(test::draw_faults(uneven_space(), plan));
  plan.samples = 24;
  REQUIRE(value_or_throw(test::draw_faults(uneven_space(), plan)) == partial);
}

TEST_CASE("no location comes twice in a group, however tight", "[faultgen][sampler]") {
  const Draw draw = GENERATE(Draw::elements, Draw::sites);
  // 16 neurons, 2 bits: 32 locations, all of which the largest group takes.
  const std::uint32_t per_group = GENERATE(2U, 31U, 32U);
  const FaultSpace space(test::example_sites(), Target::neuron);
  const auto set = value_or_throw(test::draw_faults(
      space, {.bits = {22, 23}, .draw = draw, .per_group = per_group, .samples = 50, .seed = 5}));
  for (const FaultGroup& group : set.groups) {
    std::set<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>> distinct;
    for (const Fault& fault : set.faults_of(group)) {
      distinct.emplace(fault.site, fault.element, fault.bit_mask);
    }
    REQUIRE(distinct.size() == per_group);
  }
  REQUIRE(check_consistent(set, "set"));
}

TEST_CASE("groups may repeat what other groups hold", "[faultgen][sampler]") {
  const FaultSpace space({{"a", 0, SiteKind::linear, {1, 1}, {1}}}, Target::neuron);
  const auto set = test::draw_faults(space, {.bits = {7, 7}, .samples = 3});
  REQUIRE(set);
  REQUIRE(set->faults[0] == set->faults[1]);
  REQUIRE(set->faults[1] == set->faults[2]);
}

TEST_CASE("a group that cannot be filled is refused", "[faultgen][sampler]") {
  const FaultSpace space(test::example_sites(), Target::neuron);
  const Error error = refusal(space, {.bits = {22, 23}, .per_group = 33, .samples = 1});
  REQUIRE(error.what.find("33") != std::string::npos);
  REQUIRE(error.what.find("32 distinct locations") != std::string::npos);
}

TEST_CASE("an empty space is refused", "[faultgen][sampler]") {
  REQUIRE(refusal(FaultSpace({}, Target::weight), {.target = Target::weight, .samples = 1})
              .what.find("no weights") != std::string::npos);
}

TEST_CASE("a plan of nothing is refused", "[faultgen][sampler]") {
  refusal(uneven_space(), {.per_group = 0, .samples = 1});
  refusal(uneven_space(), {.epochs = 0, .samples = 1});
  refusal(uneven_space(), {.samples = 0});
  refusal(uneven_space(), {.schedule = {Policy::per_epoch, 1}, .samples = 0});
  REQUIRE(refusal(uneven_space(), {.schedule = {Policy::per_batch, 0}, .samples = 3})
              .what.find("batches of 0 samples") != std::string::npos);
}

TEST_CASE("bits that are no range of fp32 are refused", "[faultgen][sampler]") {
  refusal(uneven_space(), {.bits = {5, 4}, .samples = 1});
  refusal(uneven_space(), {.bits = {0, 32}, .samples = 1});
}

TEST_CASE("counts that overflow or exceed memory are refused", "[faultgen][sampler]") {
  constexpr std::uint32_t kMost32 = std::numeric_limits<std::uint32_t>::max();
  // 2^32 * 2^32 wraps to 0, and (2^32 - 1) * 2^63 to a small number on the way.
  refusal(uneven_space(), {.epochs = 1U << 31, .samples = std::uint64_t{1} << 33});
  refusal(uneven_space(), {.epochs = kMost32, .samples = std::uint64_t{1} << 63});
  refusal(uneven_space(), {.per_group = 1U << 31, .epochs = 2, .samples = std::uint64_t{1} << 32});
  refusal(uneven_space(), {.samples = kMaxFaults + 1});
  refusal(uneven_space(), {.schedule = {Policy::per_batch, 2}, .samples = 2 * kMaxFaults + 1});
}
