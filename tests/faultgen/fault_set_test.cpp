#include "faultgen/fault_set.hpp"

#include "tests/faultgen/example_set.hpp"

#include <catch2/catch.hpp>

#include <functional>
#include <limits>
#include <sstream>

using namespace bitquake;
using namespace bitquake::faultgen;

namespace {

/// The error of the example set after `damage`; empty when there is none.
std::string complaint(const std::function<void(FaultSet&)>& damage) {
  FaultSet set = test::example_set();
  damage(set);
  const auto checked = check_consistent(set, "set.h5");
  if (checked) return "";
  REQUIRE(checked.error().code == Errc::fault_set);
  REQUIRE(checked.error().where == "set.h5");
  return checked.error().what;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a consistent set is accepted", "[faultgen][set]") {
  REQUIRE(complaint([](FaultSet&) {}).empty());
}

TEST_CASE("a fault outside its tensor is refused", "[faultgen][set]") {
  REQUIRE(contains(complaint([](FaultSet& s) { s.faults[0].element = 6; }), "fault 0: element 6"));
  REQUIRE(contains(complaint([](FaultSet& s) { s.faults[1].element = 8; }), "fault 1: element 8"));
  REQUIRE(complaint([](FaultSet& s) { s.faults[1].element = 7; }).empty());
  REQUIRE(contains(complaint([](FaultSet& s) { s.faults[2].site = 3; }), "fault 2: site 3"));
}

TEST_CASE("a weight fault at a repeated call is refused", "[faultgen][set]") {
  REQUIRE(contains(complaint([](FaultSet& s) {
                     s.faults[2] = {1, Target::weight, FaultModel::bit_flip, 0, 1};
                   }),
                   "weights of conv#1, which has 0"));
}

TEST_CASE("bits outside fp32 are refused", "[faultgen][set]") {
  REQUIRE(contains(complaint([](FaultSet& s) { s.faults[0].bit_mask = 1ULL << 40; }), "fault 0"));
  REQUIRE(contains(complaint([](FaultSet& s) { s.faults[0].bit_mask = 1ULL << 32; }), "fault 0"));
  REQUIRE(contains(complaint([](FaultSet& s) { s.faults[0].bit_mask = 0; }), "fault 0"));
  REQUIRE(complaint([](FaultSet& s) { s.faults[0].bit_mask = 0xffffffff; }).empty());
}

TEST_CASE("unknown codes are refused", "[faultgen][set]") {
  REQUIRE(
      contains(complaint([](FaultSet& s) { s.faults[0].target = Target{9}; }), "unknown target 9"));
  REQUIRE(contains(complaint([](FaultSet& s) { s.faults[0].model = FaultModel{30}; }),
                   "unknown fault model 30"));
  REQUIRE(contains(complaint([](FaultSet& s) { s.provenance.schedule.batch_size = 2; }),
                   "batch size 2 does not go with policy per_image"));
  REQUIRE(contains(complaint([](FaultSet& s) {
                     s.provenance.schedule = {Policy::per_batch, 0};
                   }),
                   "batch size 0 does not go with policy per_batch"));
}

TEST_CASE("a batch size goes with policy per_batch only", "[faultgen][set]") {
  const Policy policy = GENERATE(Policy::per_image, Policy::per_epoch);
  const auto with = [&](Policy p, std::uint64_t batch_size) {
    return complaint([&](FaultSet& s) {
      s.provenance.schedule = {p, batch_size};
      for (std::size_t i = 0; i < s.groups.size(); ++i) {
        s.groups[i].epoch = static_cast<std::uint32_t>(i);
        s.groups[i].slot = 0;
      }
    });
  };
  REQUIRE(with(policy, 1).empty());
  REQUIRE(contains(with(policy, 2), "batch size 2 does not go with policy per_"));
  REQUIRE(contains(with(policy, 0), "batch size 0 does not go with policy per_"));
  REQUIRE(with(Policy::per_batch, 1).empty());
  REQUIRE(with(Policy::per_batch, std::numeric_limits<std::uint64_t>::max()).empty());
}

TEST_CASE("policy per_epoch has one slot", "[faultgen][set]") {
  // A set for single images or batches whose policy was overwritten: most groups would never be
  // met.
  REQUIRE(complaint([](FaultSet& s) { s.provenance.schedule.policy = Policy::per_epoch; }) ==
          "group 1 has slot 1, but policy per_epoch has only slot 0");
}

TEST_CASE("sampling weights must be finite and above 0", "[faultgen][set]") {
  const double bad = GENERATE(0.0, -1.0, std::numeric_limits<double>::infinity(),
                              std::numeric_limits<double>::quiet_NaN());
  REQUIRE(contains(complaint([&](FaultSet& s) { s.sampling_weight[1] = bad; }), "fault 1"));
  REQUIRE(
      contains(complaint([](FaultSet& s) { s.sampling_weight.pop_back(); }), "2 sampling weights"));
}

TEST_CASE("groups must hold all faults, without gap or overlap", "[faultgen][set]") {
  REQUIRE(contains(complaint([](FaultSet& s) { s.groups[2].first_fault = 1; }), "group 2"));
  REQUIRE(contains(complaint([](FaultSet& s) { s.groups[0].n_faults = 1; }), "group 1"));
  REQUIRE(contains(complaint([](FaultSet& s) { s.groups[2].n_faults = 2; }), "group 2"));
  REQUIRE(
      contains(complaint([](FaultSet& s) { s.groups[2].n_faults = 0; }), "groups hold 2 faults"));
  REQUIRE(contains(complaint([](FaultSet& s) { s.groups[0].n_faults = 0xffffffff; }), "group 0"));
  REQUIRE(contains(complaint([](FaultSet& s) { s.groups.clear(); }), "groups hold 0 faults"));
}

TEST_CASE("groups must be in order of epoch and slot", "[faultgen][set]") {
  REQUIRE(contains(complaint([](FaultSet& s) { s.groups[1].slot = 0; }), "group 1"));   // twice
  REQUIRE(contains(complaint([](FaultSet& s) { s.groups[2].epoch = 0; }), "group 2"));  // backwards
  REQUIRE(complaint([](FaultSet& s) { s.groups[1].slot = 5; }).empty());
}

TEST_CASE("a location twice in a group is refused", "[faultgen][set]") {
  const auto with_second = [](Fault second) {
    return complaint([&](FaultSet& s) { s.faults[1] = second; });
  };
  const Fault first = test::example_set().faults[0];
  REQUIRE(contains(with_second(first), "group 0 holds the same element and bit twice"));
  // Another model or a wider mask is still the same bit.
  Fault other = first;
  other.model = FaultModel::stuck_at_1;
  other.bit_mask |= 1;
  REQUIRE(contains(with_second(other), "twice"));
  // Another bit of the same element, and the same bit of another element, site or target are not.
  other.bit_mask = 1;
  REQUIRE(with_second(other).empty());
  REQUIRE(with_second({0, Target::neuron, FaultModel::bit_flip, 5, 1ULL << 30}).empty());
  REQUIRE(with_second({1, Target::neuron, FaultModel::bit_flip, 4, 1ULL << 30}).empty());
  REQUIRE(with_second({2, Target::weight, FaultModel::bit_flip, 4, 1ULL << 30}).empty());
}

TEST_CASE("a repetition is found among many faults", "[faultgen][set]") {
  FaultSet set = test::example_set();
  set.groups = {{0, 0, 0, 17}};
  set.faults.clear();
  for (std::uint64_t i = 0; i < 16; ++i) {
    set.faults.push_back({0, Target::neuron, FaultModel::bit_flip, i % 4, 1ULL << (i / 4)});
  }
  set.faults.push_back({0, Target::neuron, FaultModel::bit_flip, 3, 1ULL << 4});
  set.sampling_weight.assign(17, 1.0);
  REQUIRE(check_consistent(set, ""));
  set.faults.back().bit_mask = 1ULL << 2;
  REQUIRE_FALSE(check_consistent(set, ""));
}

TEST_CASE("shapes that cannot be counted are refused", "[faultgen][set]") {
  REQUIRE(contains(complaint([](FaultSet& s) { s.sites[1].output_shape = {-1}; }), "site 1"));
  REQUIRE(contains(complaint([](FaultSet& s) {
                     s.sites[1].weight_shape = {1LL << 62, 4};
                   }),
                   "site 1"));
  REQUIRE(contains(complaint([](FaultSet& s) {
                     s.sites[1].output_shape = {1LL << 62, 2};
                     s.sites[2].output_shape = {1LL << 62, 2};
                   }),
                   "site 2"));
}

TEST_CASE("a set fits the model it was drawn for and no other", "[faultgen][set]") {
  const FaultSet set = test::example_set();
  const auto sites = test::example_sites();
  REQUIRE(check_fits(set, "00ff", {1, 3, 4}, sites, "set.h5"));

  const auto refusal = [&](const std::string& hash, const std::vector<std::int64_t>& shape,
                           const std::vector<Site>& model_sites) {
    const auto fits = check_fits(set, hash, shape, model_sites, "set.h5");
    REQUIRE_FALSE(fits);
    REQUIRE(fits.error().code == Errc::fault_set);
    REQUIRE(fits.error().where == "set.h5");
    REQUIRE_FALSE(fits.error().hint.empty());
    return fits.error().what;
  };
  const std::string hash = refusal("1234", {1, 3, 4}, sites);
  REQUIRE(contains(hash, "another model"));
  REQUIRE(contains(hash, "00ff"));
  REQUIRE(contains(hash, "1234"));
  const std::string shape = refusal("00ff", {1, 4, 3}, sites);
  REQUIRE(contains(shape, "1x3x4"));
  REQUIRE(contains(shape, "1x4x3"));
  REQUIRE(
      contains(refusal("00ff", {1, 3, 4}, {sites[0], sites[1]}), "has 3 sites, the model has 2"));
  auto other = sites;
  other[1].path = "convolution";
  REQUIRE(contains(refusal("00ff", {1, 3, 4}, other), "site 1 is conv2d conv#1"));
  other = sites;
  other[2].weight_shape = {8, 1};
  REQUIRE(contains(refusal("00ff", {1, 3, 4}, other), "weight 8x1"));
}

TEST_CASE("the CSV of a set is pinned", "[faultgen][set]") {
  FaultSet set = test::example_set();
  set.sites[1].path = "odd,path";
  std::ostringstream out;
  write_csv(set, out);
  REQUIRE(out.str() ==
          "fault,epoch,slot,site,call,target,element,index,bits,fault_model,value,storage,"
          "active_probability,sampling_weight\n"
          "0,0,0,conv,0,neurons,4,0;1;1,30,bit_flip,,fp32,1,1\n"
          "1,0,0,head.fc,0,weights,5,2;1,3;7,stuck_at_0,,fp32,1,0.75\n"
          "2,1,0,\"odd,path\",1,neurons,0,0;0;0,31,stuck_at_1,,fp32,1,1.125\n");
}

TEST_CASE("a CSV longer than one buffer loses nothing", "[faultgen][set]") {
  FaultSet set = test::example_set();
  set.groups.clear();
  set.faults.clear();
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    set.groups.push_back({0, i, i, 1});
    set.faults.push_back({0, Target::neuron, FaultModel::bit_flip, i % 6, 1});
  }
  set.sampling_weight.assign(10'000, 1.0);
  std::ostringstream out;
  write_csv(set, out);
  std::istringstream lines(out.str());
  std::string line;
  std::getline(lines, line);
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    REQUIRE(std::getline(lines, line));
    REQUIRE(line.rfind(std::to_string(i) + ",0," + std::to_string(i) + ",conv,0,neurons,", 0) == 0);
  }
  REQUIRE_FALSE(std::getline(lines, line));
}

TEST_CASE("a summary counts faults by site, bit, model and target", "[faultgen][set]") {
  const FaultSummary summary = summarise(test::example_set());
  FaultSummary expected;
  expected.faults = 3;
  expected.groups = 3;
  expected.epochs = 2;
  expected.per_site = {1, 1, 1};
  expected.per_bit[3] = expected.per_bit[7] = expected.per_bit[30] = expected.per_bit[31] = 1;
  expected.per_model = {1, 1, 1};
  expected.per_model.resize(fault_models().size());  // other tests register models of their own
  expected.per_target = {2, 1};
  expected.per_storage = {{{}, 3, 0, 1, expected.per_bit}};
  REQUIRE(summary == expected);
}

TEST_CASE("a summary counts the fault models that exist, used or not", "[faultgen][set]") {
  FaultSummary empty;
  empty.per_model.resize(fault_models().size());
  REQUIRE(summarise(FaultSet{}) == empty);
}

TEST_CASE("a summary counts faults by storage, int8 ones whatever their scales",
          "[faultgen][set]") {
  FaultSet set = test::example_set();
  const Storage small{.format = NumberFormat::int8, .scale = 0.5F};
  const Storage large{.format = NumberFormat::int8, .scale = 2.0F, .zero_point = 3};
  set.faults = {{0, Target::neuron, FaultModel::bit_flip, 0, 1 << 7, 0, large},
                {0, Target::neuron, FaultModel::zero, 1, 0, 0, small},
                {0, Target::neuron, FaultModel::bit_flip, 2, 1 << 7, 0, small},
                {0, Target::neuron, FaultModel::bit_flip, 3, 1 << 9, 0, {NumberFormat::fp16}}};
  set.groups = {{0, 0, 0, 4}};
  set.sampling_weight.assign(4, 1.0);
  const FaultSummary summary = summarise(set);
  REQUIRE(summary.whole_values == 1);
  REQUIRE(summary.per_storage.size() == 2);
  const StorageSummary& fp16 = summary.per_storage[0];
  REQUIRE(fp16.storage == Storage{NumberFormat::fp16});
  REQUIRE(fp16.faults == 1);
  REQUIRE(fp16.per_bit[9] == 1);
  const StorageSummary& int8 = summary.per_storage[1];
  REQUIRE(int8.storage == Storage{NumberFormat::int8});
  REQUIRE(int8.faults == 3);
  REQUIRE(int8.whole_values == 1);
  REQUIRE(int8.scales == 2);
  REQUIRE(int8.per_bit[7] == 2);
}
