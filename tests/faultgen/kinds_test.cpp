#include "faultgen/bit_choice.hpp"
#include "faultgen/bits.hpp"
#include "faultgen/sampler.hpp"
#include "tests/base/temp_directory.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

using namespace bitquake;
using namespace bitquake::faultgen;

namespace {

using Bits = std::vector<std::uint32_t>;

/// A convolution of 3 x 4 x 5 neurons and 3 x 2 x 2 x 2 weights, a linear layer of 6, and the
/// input.
std::vector<Site> sites() {
  return {{"input", 0, SiteKind::input, {}, {2, 6, 6}},
          {"features.conv", 0, SiteKind::conv2d, {3, 2, 2, 2}, {3, 4, 5}, {3}, {}, {2, 6, 6}},
          {"features.norm", 0, SiteKind::batch_norm, {3}, {3, 4, 5}, {3}, {3}, {3, 4, 5}},
          {"head", 0, SiteKind::linear, {6, 60}, {6}, {6}, {}, {60}}};
}

FaultEntry entry(Target target = Target::neuron) {
  FaultEntry made;
  made.target = target;
  made.bits.resize(32);
  std::iota(made.bits.begin(), made.bits.end(), 0U);
  made.sites = value_or_throw(select_sites(sites(), target, {}));
  return made;
}

FaultSet drawn(const FaultEntry& wanted, std::uint64_t samples = 200, std::uint32_t epochs = 1) {
  auto set = draw_faults(sites(), {{wanted}, {}, epochs, samples, 3});
  if (!set) FAIL(set.error().what);
  REQUIRE(check_consistent(*set, "set"));
  return *set;
}

Error refusal(const FaultEntry& wanted) {
  const auto set = draw_faults(sites(), {{wanted}, {}, 1, 10, 3});
  REQUIRE_FALSE(set);
  return set.error();
}

std::vector<bool> selected(const SiteSelection& selection, Target target = Target::neuron) {
  return value_or_throw(select_sites(sites(), target, selection));
}

}  // namespace

TEST_CASE("bits are named by fields, numbers and ranges", "[faultgen][kinds]") {
  const Storage fp32;
  REQUIRE(*bits_of({"sign"}, fp32) == Bits{31});
  REQUIRE(*bits_of({"exponent"}, fp32) == Bits{23, 24, 25, 26, 27, 28, 29, 30});
  REQUIRE(bits_of({"mantissa"}, fp32)->size() == 23);
  REQUIRE(bits_of({"all"}, fp32)->size() == 32);
  REQUIRE(*bits_of({"5", "3-4", "4"}, fp32) == Bits{3, 4, 5});
  const Storage bf16{.format = NumberFormat::bf16};
  REQUIRE(*bits_of({"exponent"}, bf16) == Bits{7, 8, 9, 10, 11, 12, 13, 14});
  const Storage int8{.format = NumberFormat::int8};
  REQUIRE(*bits_of({"sign"}, int8) == Bits{7});
  REQUIRE(bits_of({"exponent"}, int8).error().what == "int8 has no exponent");
  REQUIRE(bits_of({"8"}, int8).error().what == "'8': bit 8 is outside the 8 bits of int8");
  for (const char* wrong : {"x", "-", "3-", "-3", "4-3", "1.0", "", " 1", "99999999999"}) {
    REQUIRE_FALSE(bits_of({wrong}, fp32));
  }
  REQUIRE(*parse_mask("0x7f800000", fp32) == 0x7f800000);
  REQUIRE(*parse_mask("3", fp32) == 3);
  for (const char* wrong : {"0", "0x", "0x100000000", "-1", "x", ""}) {
    REQUIRE_FALSE(parse_mask(wrong, fp32));
  }
}

TEST_CASE("sites are chosen by kind, name and number", "[faultgen][kinds]") {
  using Flags = std::vector<bool>;
  REQUIRE(selected({}) == Flags{false, true, false, true});
  REQUIRE(selected({}, Target::running_mean) == Flags{false, false, true, false});
  REQUIRE(selected({}, Target::network_input) == Flags{true, false, false, false});
  REQUIRE(selected({{SiteKind::batch_norm, SiteKind::linear}, {}, {}, {}}) ==
          Flags{false, false, true, true});
  REQUIRE(selected({{}, {"features.*"}, {}, {}}) == Flags{false, true, false, false});
  REQUIRE(selected({{}, {"/conv|head/"}, {"h??d"}, {}}) == Flags{false, true, false, false});
  REQUIRE(selected({{}, {}, {}, {{2, 3}}}) == Flags{false, false, false, true});
  const auto what = [](const SiteSelection& selection, Target target = Target::neuron) {
    const auto chosen = select_sites(sites(), target, selection);
    REQUIRE_FALSE(chosen);
    return chosen.error().what;
  };
  REQUIRE(what({{}, {"faetures.*"}, {}, {}}) ==
          "faults.include 'faetures.*' names no site with neurons");
  REQUIRE(what({{}, {}, {"nothing"}, {}}) == "faults.exclude 'nothing' names no site with neurons");
  REQUIRE(what({{SiteKind::lstm}, {}, {}, {}}) == "faults.kinds 'lstm' names no site with neurons");
  REQUIRE(what({{}, {}, {}, {{0, 4}}}) == "faults.indices '0-4': the model has the sites 0 to 3");
  REQUIRE(what({{}, {"head"}, {}, {}}, Target::running_var) ==
          "faults.include 'head' names no site with running_vars");
}

TEST_CASE("globs match as a shell's", "[faultgen][kinds]") {
  REQUIRE(matches("*", ""));
  REQUIRE(matches("layer2.*", "layer2.0.conv1"));
  REQUIRE_FALSE(matches("layer2.*", "layer20.conv1"));
  REQUIRE(matches("*.conv?", "layer1.0.conv2"));
  REQUIRE(matches("a*b*c", "axxbyyc"));
  REQUIRE_FALSE(matches("a*b*c", "axxbyy"));
  REQUIRE(matches("a*b*c*", "abcbc"));
  REQUIRE_FALSE(matches("", "a"));
  REQUIRE(matches("/^layer[23]/", "layer3.conv"));
  REQUIRE_FALSE(matches("/^layer[23]$/", "layer3.conv"));
}

TEST_CASE("every target has the elements of its tensor", "[faultgen][kinds]") {
  const auto [target, site, elements] =
      GENERATE(table<Target, std::uint32_t, std::uint64_t>({{Target::neuron, 1U, 60U},
                                                            {Target::weight, 1U, 24U},
                                                            {Target::bias, 1U, 3U},
                                                            {Target::site_input, 1U, 72U},
                                                            {Target::running_mean, 2U, 3U},
                                                            {Target::running_var, 2U, 3U},
                                                            {Target::network_input, 0U, 72U}}));
  REQUIRE(site_elements(sites()[site], target) == elements);
  FaultEntry one = entry(target);
  one.sites.assign(4, false);
  one.sites[site] = true;
  std::set<std::uint64_t> hit;
  for (const Fault& fault : drawn(one, 2000).faults) {
    REQUIRE(fault.site == site);
    REQUIRE(fault.target == target);
    hit.insert(fault.element);
  }
  REQUIRE(hit.size() == elements);
  REQUIRE(*hit.rbegin() == elements - 1);
}

TEST_CASE("a repeated call has no parameters of its own, a recurrent weight no output",
          "[faultgen][kinds]") {
  Site site = sites()[1];
  site.call = 1;
  for (const Target target : {Target::weight, Target::bias}) {
    REQUIRE(site_elements(site, target) == 0);
  }
  REQUIRE(site_elements(site, Target::neuron) == 60);
  REQUIRE(site_elements({"l.weight_ih_l0", 0, SiteKind::recurrent_weight, {4, 2}, {}},
                        Target::neuron) == 0);
  REQUIRE(site_elements(sites()[0], Target::neuron) == 0);
}

TEST_CASE("several bits are distinct, adjacent ones neighbours", "[faultgen][kinds]") {
  FaultEntry some = entry();
  some.bits = {0, 1, 2, 5, 6, 9};
  some.bits_per_fault = 2;
  std::set<std::uint64_t> masks;
  for (const Fault& fault : drawn(some, 3000).faults) {
    REQUIRE(std::popcount(fault.bit_mask) == 2);
    masks.insert(fault.bit_mask);
  }
  REQUIRE(masks.size() == 15);  // all pairs of 6
  some.arrangement = Arrangement::adjacent;
  masks.clear();
  for (const Fault& fault : drawn(some, 3000).faults) masks.insert(fault.bit_mask);
  REQUIRE(masks == std::set<std::uint64_t>{0b11, 0b110, 0b1100000});
  some.bits_per_fault = 4;
  REQUIRE(refusal(some).what ==
          "faults of 4 adjacent bits were asked for, the 6 chosen bits have none such");
}

TEST_CASE("a mask is taken as it is, and weights make bits likelier", "[faultgen][kinds]") {
  FaultEntry masked = entry();
  masked.mask = 0x7f800000;
  for (const Fault& fault : drawn(masked).faults) REQUIRE(fault.bit_mask == 0x7f800000);
  FaultEntry weighted = entry();
  weighted.bits = {3, 7, 8};
  weighted.bit_weights = {1, 0, 3};
  const FaultSet set = drawn(weighted, 4000);
  std::map<std::uint64_t, std::uint64_t> counts;
  double sum = 0;
  for (std::size_t i = 0; i < set.faults.size(); ++i) {
    ++counts[set.faults[i].bit_mask];
    // Uniform 1/3 against 1/4 and 3/4.
    REQUIRE(set.sampling_weight[i] == Approx(set.faults[i].bit_mask == 8 ? 4.0 / 3 : 4.0 / 9));
    sum += set.sampling_weight[i];
  }
  REQUIRE(counts.size() == 2);
  REQUIRE(counts[1U << 3] > 880);  // of 4,000 a quarter; standard deviation 27
  REQUIRE(counts[1U << 3] < 1120);
  REQUIRE(sum / 4000 == Approx(2.0 / 3).margin(0.03));  // bit 7 can never come
}

TEST_CASE("patterns hit the words they name, in the same bits", "[faultgen][kinds]") {
  FaultEntry wanted = entry();
  wanted.sites = {false, true, false, false};  // 3 x 4 x 5
  const auto elements = [&](Pattern pattern, std::uint64_t length, std::uint64_t stride) {
    wanted.pattern = pattern;
    wanted.pattern_length = length;
    wanted.pattern_stride = stride;
    const FaultSet set = drawn(wanted, 400);
    std::set<std::vector<std::uint64_t>> all;
    for (const FaultGroup& group : set.groups) {
      std::vector<std::uint64_t> words;
      for (const Fault& fault : set.faults_of(group)) {
        REQUIRE(fault.bit_mask == set.faults[group.first_fault].bit_mask);
        words.push_back(fault.element);
      }
      all.insert(words);
    }
    return all;
  };
  const auto three = elements(Pattern::consecutive, 3, 1);
  REQUIRE(three.size() == 60);
  REQUIRE(three.contains({10, 11, 12}));
  REQUIRE(three.contains({58, 59}));  // what lies behind belongs to another tensor
  REQUIRE(three.contains({59}));
  const auto strided = elements(Pattern::strided, 3, 20);
  REQUIRE(strided.contains({5, 25, 45}));
  REQUIRE(strided.contains({30, 50}));
  const auto rows = elements(Pattern::row, 1, 1);
  REQUIRE(rows.size() == 12);
  REQUIRE(rows.contains({5, 6, 7, 8, 9}));
  const auto channels = elements(Pattern::channel, 1, 1);
  REQUIRE(channels.size() == 3);
  for (const auto& channel : channels) REQUIRE(channel.size() == 20);
}

TEST_CASE("sites are drawn with their weights", "[faultgen][kinds]") {
  FaultEntry wanted = entry();
  wanted.draw = Draw::weighted_sites;
  wanted.site_weights = {9, 1, 9, 3};  // those of sites that are not chosen do not count
  const FaultSet set = drawn(wanted, 4000);
  std::uint64_t conv = 0;
  for (std::size_t i = 0; i < set.faults.size(); ++i) {
    const bool is_conv = set.faults[i].site == 1;
    REQUIRE((is_conv || set.faults[i].site == 3));
    conv += is_conv ? 1 : 0;
    // 60 of 66 elements drawn with 1/4, 6 of 66 with 3/4.
    REQUIRE(set.sampling_weight[i] == Approx(is_conv ? 60.0 / 66 * 4 : 6.0 / 66 * 4 / 3));
  }
  REQUIRE(conv > 880);
  REQUIRE(conv < 1120);
  wanted.site_weights = {9, 0, 9, 0};
  REQUIRE(refusal(wanted).what == "no chosen site with neurons has a weight above 0");
}

TEST_CASE("rates hit each place with their probability", "[faultgen][kinds]") {
  FaultEntry wanted = entry();
  wanted.bits = {30, 31};
  wanted.amount = Amount::bit_error_rate;
  wanted.rate = 0.05;  // of 66 x 2 places: 6.6 in the mean, variance 6.27
  const FaultSet set = drawn(wanted, 2000);
  double sum = 0, squares = 0;
  std::uint64_t empty = 0;
  for (const FaultGroup& group : set.groups) {
    sum += group.n_faults;
    squares += static_cast<double>(group.n_faults) * group.n_faults;
    empty += group.n_faults == 0 ? 1 : 0;
    std::set<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>> places;
    for (const Fault& fault : set.faults_of(group)) {
      places.emplace(fault.site, fault.element, fault.bit_mask);
    }
    REQUIRE(places.size() == group.n_faults);
  }
  const double mean = sum / 2000, variance = squares / 2000 - mean * mean;
  REQUIRE(mean == Approx(6.6).margin(0.28));
  REQUIRE(variance == Approx(6.27).margin(1.0));
  wanted.rate = 0.001;
  REQUIRE(drawn(wanted, 50).groups.size() == 50);
  wanted.amount = Amount::fault_rate;
  wanted.rate = 1;
  for (const FaultGroup& group : drawn(wanted, 5).groups) REQUIRE(group.n_faults == 66);
  wanted.rate = 0;
  REQUIRE(refusal(wanted).what == "the rate 0 is no probability above 0");
}

TEST_CASE("drawn values are those of their distribution", "[faultgen][kinds]") {
  FaultEntry wanted = entry();
  wanted.model = FaultModel::random_value;
  wanted.bits.clear();
  wanted.low = -2;
  wanted.high = 6;
  double sum = 0;
  const FaultSet uniform = drawn(wanted, 4000);
  for (const Fault& fault : uniform.faults) {
    REQUIRE(fault.bit_mask == 0);
    const float value = from_bits(fault.value);
    REQUIRE(value >= -2);
    REQUIRE(value <= 6);
    sum += value;
  }
  REQUIRE(sum / 4000 == Approx(2).margin(0.15));  // standard error 0.037
  wanted.model = FaultModel::gaussian;
  wanted.sigma = 3;
  double square = 0, within = 0;
  for (const Fault& fault : drawn(wanted, 4000).faults) {
    const double value = from_bits(fault.value);
    square += value * value;
    within += std::abs(value) < 3 ? 1 : 0;
  }
  REQUIRE(square / 4000 == Approx(9).margin(0.8));  // standard error 0.2
  REQUIRE(within / 4000 == Approx(0.6827).margin(0.03));
}

TEST_CASE("models of whole values leave what they say", "[faultgen][kinds]") {
  const auto after = [](FaultModel model, float value, const Storage& storage, float before) {
    Fault fault;
    fault.model = model;
    fault.value = to_bits(value);
    fault.storage = storage;
    return decode(storage, apply(fault, encode(storage, before)));
  };
  const Storage fp32, fp16{.format = NumberFormat::fp16},
      int8{.format = NumberFormat::int8, .scale = 0.5F, .zero_point = 3},
      fixed{.format = NumberFormat::fixed, .integer_bits = 3, .fraction_bits = 4};
  REQUIRE(after(FaultModel::set_value, 1.5F, fp32, 7) == 1.5F);
  REQUIRE(after(FaultModel::set_value, 1.52F, fixed, 7) == 1.5F);
  REQUIRE(after(FaultModel::random_value, 1e6F, fp16, 7) == std::numeric_limits<float>::infinity());
  REQUIRE(after(FaultModel::zero, 0, int8, 7) == 0);
  REQUIRE(after(FaultModel::sign_flip, 0, fp32, 7) == -7);
  REQUIRE(std::signbit(after(FaultModel::sign_flip, 0, fp16, 0.0F)));
  REQUIRE(after(FaultModel::sign_flip, 0, int8, 7) == -7);
  REQUIRE(after(FaultModel::sign_flip, 0, fixed, -8) == 7.9375F);  // saturates
  REQUIRE(after(FaultModel::gaussian, 0.25F, fp32, 7) == 7.25F);
  REQUIRE(after(FaultModel::gaussian, 0.6F, int8, 7) == 7.5F);
  REQUIRE(std::isnan(after(FaultModel::nan, 0, fp16, 7)));
  REQUIRE(after(FaultModel::nan, 0, int8, 7) == 0);  // what stands for NaN there
  REQUIRE(after(FaultModel::inf, 0, fp32, -7) == -std::numeric_limits<float>::infinity());
  REQUIRE(after(FaultModel::inf, 0, fixed, 7) == 7.9375F);
}

TEST_CASE("kinds of faults of one group share no bit", "[faultgen][kinds]") {
  FaultEntry a = entry(), b = entry(Target::weight);
  a.bits = b.bits = {31};
  a.sites = b.sites = {false, false, false, true};
  a.per_group = 4;  // of 6 neurons
  b.per_group = 3;
  FaultEntry c = a;
  c.per_group = 2;
  const FaultSet set =
      value_or_throw(draw_faults(sites(), {{a, b, c}, {Policy::per_epoch, 1}, 50, 10, 1}));
  REQUIRE(check_consistent(set, "set"));
  for (const FaultGroup& group : set.groups) {
    REQUIRE(group.n_faults == 9);
    REQUIRE(set.faults_of(group)[4].target == Target::weight);
  }
  c.per_group = 3;
  REQUIRE_FALSE(draw_faults(sites(), {{a, b, c}, {Policy::per_epoch, 1}, 1, 10, 1}));
}

TEST_CASE("strata hold what they say, each fault once", "[faultgen][kinds]") {
  FaultEntry wanted = entry(Target::weight);
  wanted.either_stuck_at = true;
  wanted.bits = {29, 30, 31};
  const auto by = GENERATE(StrataBy::network, StrataBy::site, StrataBy::site_bit);
  auto strata = value_or_throw(strata_of(sites(), wanted, by));
  std::uint64_t population = 0;
  for (const Stratum& stratum : strata) population += stratum.population;
  REQUIRE(population == (24 + 360) * 3 * 2);
  REQUIRE(strata.size() == (by == StrataBy::network ? 1U : by == StrataBy::site ? 2U : 6U));
  const auto faults = [&] {
    const FaultSet set =
        value_or_throw(draw_faults(sites(), {{wanted}, {Policy::per_epoch, 1}, 1, 10, 1, strata}));
    REQUIRE(check_consistent(set, "set"));
    std::set<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t, FaultModel>> distinct;
    for (const Fault& fault : set.faults) {
      distinct.emplace(fault.site, fault.element, fault.bit_mask, fault.model);
    }
    REQUIRE(distinct.size() == set.faults.size());
    return set;
  };
  REQUIRE(faults().faults.size() == population);
  for (Stratum& stratum : strata) stratum.size = 10;
  const FaultSet some = faults();
  REQUIRE(some.faults.size() == 10 * strata.size());
  REQUIRE(some.groups.size() == some.faults.size());
  strata[0].size = strata[0].population + 1;
  REQUIRE_FALSE(draw_faults(sites(), {{wanted}, {}, 1, 10, 1, strata}));
}

TEST_CASE("a smaller sample without replacement is the beginning of a larger one",
          "[faultgen][kinds][property]") {
  REQUIRE(rc::check([](std::uint32_t seed, std::uint16_t one, std::uint16_t other) {
    FaultEntry wanted = entry(*rc::gen::element(Target::weight, Target::neuron, Target::bias));
    wanted.bits = {3, 30};
    const auto by = *rc::gen::element(StrataBy::network, StrataBy::site, StrataBy::site_bit);
    auto strata = value_or_throw(strata_of(sites(), wanted, by));
    const auto draw = [&](std::uint64_t size) {
      for (Stratum& stratum : strata) stratum.size = size % (stratum.population + 1);
      std::vector<std::vector<Fault>> faults(strata.size());
      if (std::all_of(strata.begin(), strata.end(), [](auto& s) { return s.size == 0; })) {
        return faults;
      }
      const FaultSet set = value_or_throw(
          draw_faults(sites(), {{wanted}, {Policy::per_epoch, 1}, 1, 10, seed, strata}));
      for (std::size_t i = 0; i < set.faults.size(); ++i) {
        faults[set.stratum[i]].push_back(set.faults[i]);
      }
      return faults;
    };
    const auto a = draw(one), b = draw(other);
    for (std::size_t i = 0; i < a.size(); ++i) {
      const auto shorter = std::min(a[i].size(), b[i].size());
      RC_ASSERT(std::equal(a[i].begin(), a[i].begin() + static_cast<std::ptrdiff_t>(shorter),
                           b[i].begin()));
      for (std::size_t j = 0; j < a[i].size(); ++j) {
        for (std::size_t k = 0; k < j; ++k) RC_ASSERT(a[i][j] != a[i][k]);
      }
    }
  }));
}

TEST_CASE("a fault is the same whatever the number of faults asked for",
          "[faultgen][kinds][property]") {
  REQUIRE(rc::check([](std::uint32_t seed) {
    const auto choice = [](std::uint32_t n) { return *rc::gen::inRange<std::uint32_t>(0, n); };
    std::vector<FaultEntry> entries;
    for (std::uint32_t i = 0; i <= choice(2); ++i) {
      FaultEntry wanted = entry(kTargets[choice(kTargets.size())].value);
      wanted.model = kBuiltInFaultModels[choice(kBuiltInFaultModels.size())].value;
      if (fault_model_info(wanted.model).bits == nullptr) wanted.bits.clear();
      wanted.low = -1, wanted.high = 1, wanted.sigma = 0.5;
      wanted.draw = choice(2) == 0 ? Draw::elements : Draw::sites;
      wanted.pattern = kPatterns[choice(kPatterns.size())].value;
      wanted.pattern_length = wanted.pattern_stride = 1 + choice(3);
      if (!wanted.bits.empty()) {
        wanted.bits_per_fault = 1 + choice(3);
        wanted.arrangement = kArrangements[choice(2)].value;
      }
      wanted.amount = choice(2) == 0 ? Amount::fixed : Amount::fault_rate;
      wanted.rate = 0.02;
      entries.push_back(wanted);
    }
    const auto draw = [&](std::uint32_t epochs) {
      return draw_faults(sites(), {entries, {}, epochs, 5, seed});
    };
    const auto few = draw(1), many = draw(4);
    if (!few || !many) RC_DISCARD("a group cannot be filled with distinct faults");
    RC_ASSERT(few->groups.size() == 5U);
    RC_ASSERT(std::equal(few->groups.begin(), few->groups.end(), many->groups.begin()));
    RC_ASSERT(few->faults.size() <= many->faults.size());
    RC_ASSERT(std::equal(few->faults.begin(), few->faults.end(), many->faults.begin()));
  }));
}

TEST_CASE("what cannot be listed has no strata", "[faultgen][kinds]") {
  const auto why = [](const FaultEntry& wanted) {
    const auto strata = strata_of(sites(), wanted, StrataBy::network);
    REQUIRE_FALSE(strata);
    return strata.error().what;
  };
  const std::string head = "single faults cannot be listed: the scenario has ";
  FaultEntry wanted = entry();
  wanted.pattern = Pattern::row;
  REQUIRE(why(wanted) == head + "a pattern of several words");
  wanted = entry();
  wanted.bits_per_fault = 2;
  REQUIRE(why(wanted) == head + "faults of several bits");
  wanted = entry();
  wanted.model = FaultModel::gaussian;
  wanted.sigma = 1;
  REQUIRE(why(wanted) == head + "drawn values");
  wanted = entry();
  wanted.draw = Draw::sites;
  REQUIRE(why(wanted) == head + "a draw of sites first");
}

TEST_CASE("a set with all that version 1 had not survives its file", "[faultgen][kinds][h5]") {
  const test::TempDirectory directory;
  const auto survives = [&](const FaultSet& set) {
    write_fault_set(set, directory / "set.h5");
    return value_or_throw(read_fault_set(directory / "set.h5")) == set;
  };
  FaultEntry wanted = entry(Target::weight);
  wanted.storage.assign(4, {.format = NumberFormat::int8, .scale = 0.25F, .zero_point = -3});
  wanted.storage[3].scale = 0.125F;
  wanted.bits = {0, 7};
  wanted.active_probability = 0.5F;
  const auto strata = value_or_throw(strata_of(sites(), wanted, StrataBy::site_bit));
  REQUIRE(survives(value_or_throw(draw_faults(sites(), {{wanted}, {}, 1, 10, 1, strata}))));

  FaultEntry whole = entry();
  whole.model = FaultModel::set_value;
  whole.bits.clear();
  whole.value = 0x7fa00001;  // a NaN whose payload must survive
  REQUIRE(survives(drawn(whole)));
}

TEST_CASE("a set whose strata or values are damaged is refused", "[faultgen][kinds]") {
  FaultEntry wanted = entry();
  wanted.bits = {0, 7};
  const auto strata = value_or_throw(strata_of(sites(), wanted, StrataBy::site_bit));
  const FaultSet good = value_or_throw(draw_faults(sites(), {{wanted}, {}, 1, 10, 1, strata}));
  REQUIRE(check_consistent(good, "set"));
  const auto complaint = [&](auto damage) {
    FaultSet set = good;
    damage(set);
    const auto checked = check_consistent(set, "set");
    return checked ? std::string() : checked.error().what;
  };
  REQUIRE(complaint([](FaultSet& s) { s.stratum.pop_back(); }) != "");
  REQUIRE(complaint([](FaultSet& s) { s.stratum[0] = 99; }) ==
          "fault 0: stratum 99 does not exist, there are 4");
  REQUIRE(complaint([](FaultSet& s) { s.stratum[0] = 1; }) == "fault 0 is not of stratum 1");
  REQUIRE(complaint([](FaultSet& s) { --s.strata[2].size; }) != "");
  REQUIRE(complaint([](FaultSet& s) { s.strata[2].site = 7; }) != "");
  REQUIRE(complaint([](FaultSet& s) { s.faults[3].storage.scale = 2; }) != "");
  REQUIRE(complaint([](FaultSet& s) { s.faults[3].active_probability = 0; }) != "");
  REQUIRE(complaint([](FaultSet& s) { s.faults[3].model = FaultModel::zero; }) ==
          "fault 3: bit mask 0x1 does not go with model zero, which acts on values");
}
