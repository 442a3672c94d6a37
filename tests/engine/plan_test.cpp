#include "suite/engine/plan.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <vector>

using namespace bitquake;
using engine::make_plan;
using engine::Plan;

namespace {

/// A group of one fault for every epoch and slot.
faultgen::FaultSet full_set(std::uint32_t epochs, std::uint64_t slots,
                            faultgen::Schedule schedule = {}) {
  faultgen::FaultSet set;
  set.provenance.schedule = schedule;
  for (std::uint32_t epoch = 0; epoch < epochs; ++epoch) {
    for (std::uint64_t slot = 0; slot < slots; ++slot) {
      set.groups.push_back({epoch, slot, set.groups.size(), 1});
    }
  }
  return set;
}

Error refusal(const faultgen::FaultSet& set, std::uint64_t samples) {
  const auto plan = make_plan(set, samples, 4, "set.h5", 1);
  REQUIRE_FALSE(plan);
  REQUIRE(plan.error().code == Errc::fault_set);
  REQUIRE(plan.error().where == "set.h5");
  REQUIRE_FALSE(plan.error().hint.empty());
  return plan.error();
}

}  // namespace

TEST_CASE("units cover all samples once, the last one what is left", "[engine][plan]") {
  const Plan plan(10, 2, 10, 4);
  REQUIRE(plan.units() == 3);
  REQUIRE(plan.samples_of(0).first == 0);
  REQUIRE(plan.samples_of(0).last == 4);
  REQUIRE(plan.samples_of(2).first == 8);
  REQUIRE(plan.samples_of(2).last == 10);

  REQUIRE(Plan(8, 1, 8, 4).units() == 2);
  REQUIRE(Plan(8, 1, 8, 4).samples_of(1).last == 8);
  REQUIRE(Plan(1, 1, 1, 64).units() == 1);
  REQUIRE(Plan(1, 1, 1, 64).samples_of(0).last == 1);
}

TEST_CASE("trials are numbered by epoch, then sample", "[engine][plan]") {
  const Plan plan(10, 3, 12, 4);
  REQUIRE(plan.trials() == 30);
  REQUIRE(plan.trial({0, 0, 0}) == 0);
  REQUIRE(plan.trial({0, 0, 9}) == 9);
  REQUIRE(plan.trial({0, 1, 0}) == 10);
  REQUIRE(plan.trial({0, 2, 9}) == 29);
  // The fault set holds two more groups per epoch than there are samples.
  REQUIRE(plan.group(0, 9) == 9);
  REQUIRE(plan.group(1, 0) == 12);
  REQUIRE(plan.group(2, 9) == 33);
  // Beyond 32 bits.
  REQUIRE(Plan(3'000'000'000, 4, 3'000'000'000, 64).trial({0, 3, 1}) == 9'000'000'001);
}

TEST_CASE("a segment holds about a 64th of the campaign, within bounds", "[engine][plan]") {
  // 100 units of 8 trials: a segment has at least 1,024 trials.
  REQUIRE(Plan(400, 2, 400, 4).units_per_segment() == 128);
  // 10,000 units of 64 trials: 157 units make 64 segments.
  REQUIRE(Plan(640'000, 1, 640'000, 64).units_per_segment() == 157);
  // 1,000,000 units of 64 trials: at most 65,536 trials.
  REQUIRE(Plan(64'000'000, 1, 64'000'000, 64).units_per_segment() == 1024);
  // A unit of more than that is a segment of its own.
  REQUIRE(Plan(6'400, 2'000, 6'400, 64).units_per_segment() == 1);
  REQUIRE(Plan(100, 700, 100, 1).units_per_segment() == 2);
}

TEST_CASE("a plan takes its epochs and slots from the fault set", "[engine][plan]") {
  const Plan plan = value_or_throw(make_plan(full_set(3, 5), 4, 2, "set.h5", 1));
  REQUIRE(plan.samples() == 4);
  REQUIRE(plan.epochs() == 3);
  REQUIRE(plan.units() == 2);
  REQUIRE(plan.trials() == 12);
  REQUIRE(plan.group(2, 3) == 13);
}

TEST_CASE("samples of a slot meet the same group, another one in each epoch", "[engine][plan]") {
  using faultgen::Policy;
  const auto groups_of = [](const Plan& plan) {
    std::vector<std::uint64_t> groups;
    for (std::uint32_t epoch = 0; epoch < plan.epochs(); ++epoch) {
      for (std::uint64_t i = 0; i < plan.samples(); ++i) groups.push_back(plan.group(epoch, i));
    }
    return groups;
  };
  using Groups = std::vector<std::uint64_t>;
  const auto planned = [&](std::uint64_t slots, faultgen::Schedule schedule) {
    return groups_of(value_or_throw(make_plan(full_set(2, slots, schedule), 5, 2, "set.h5", 1)));
  };
  REQUIRE(planned(5, {}) == Groups{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  REQUIRE(planned(3, {Policy::per_batch, 2}) == Groups{0, 0, 1, 1, 2, 3, 3, 4, 4, 5});
  REQUIRE(planned(1, {Policy::per_epoch, 1}) == Groups{0, 0, 0, 0, 0, 1, 1, 1, 1, 1});
  // A set for more samples: the groups of batches 3 and 4 are left over in each epoch.
  REQUIRE(planned(5, {Policy::per_batch, 2}) == Groups{0, 0, 1, 1, 2, 5, 5, 6, 6, 7});
  // Trials are numbered alike under every policy.
  const Plan plan(5, 2, 1, 2, {Policy::per_epoch, 1});
  REQUIRE(plan.trials() == 10);
  REQUIRE(plan.trial({0, 1, 4}) == 9);
}

TEST_CASE("a fault set offers its batches' samples, a permanent one any number", "[engine][plan]") {
  using faultgen::Policy;
  const faultgen::FaultSet batches = full_set(2, 3, {Policy::per_batch, 4});
  REQUIRE(make_plan(batches, 12, 4, "set.h5", 1));
  REQUIRE(make_plan(batches, 9, 4, "set.h5", 1));
  const Error error = refusal(batches, 13);
  REQUIRE(error.what == "holds faults for 12 samples, but the scenario has 13");
  REQUIRE(error.hint.find("at most 12") != std::string::npos);
  REQUIRE(make_plan(full_set(2, 1, {Policy::per_epoch, 1}), 1'000'000'000, 4, "set.h5", 1));
}

TEST_CASE("a fault set with too few groups for the samples is refused", "[engine][plan]") {
  const Error error = refusal(full_set(3, 5), 6);
  REQUIRE(error.what == "holds faults for 5 samples, but the scenario has 6");
  REQUIRE(error.hint.find("at most 5") != std::string::npos);
}

TEST_CASE("the last epoch may have groups for its first slots only", "[engine][plan]") {
  faultgen::FaultSet set = full_set(3, 4);
  set.groups.resize(10);  // slots 0 and 1 of epoch 2
  const Plan plan = value_or_throw(make_plan(set, 4, 2, "set.h5", 1));
  REQUIRE(plan.epochs() == 3);
  REQUIRE(plan.groups() == 10);
  REQUIRE(plan.trials() == 10);
  REQUIRE(plan.has_trial(2, 1));
  REQUIRE_FALSE(plan.has_trial(2, 2));
  REQUIRE(plan.trials_of(1) == 3);
  REQUIRE(plan.trials_of(2) == 2);
  // A partial group of samples, and a group that no sample meets.
  const Plan batches(5, 2, 2, 8, {faultgen::Policy::per_batch, 3}, 1);
  REQUIRE(batches.trials() == 5 + 3);
  REQUIRE(Plan(5, 2, 4, 8, {}, 4).trials() == 5 + 4);
  REQUIRE(Plan(3, 2, 4, 8, {}, 3).trials() == 6);
}

TEST_CASE("a fault set that lacks a group is refused", "[engine][plan]") {
  REQUIRE(refusal({}, 1).what == "holds no fault group");
  const std::size_t missing = GENERATE(0U, 2U, 4U, 5U);
  faultgen::FaultSet set = full_set(3, 3);
  set.groups.erase(set.groups.begin() + static_cast<std::ptrdiff_t>(missing));
  REQUIRE(refusal(set, 2).what.find("one group for every epoch and slot") != std::string::npos);
}

TEST_CASE("epochs and slots that no plan can have are refused", "[engine][plan]") {
  const auto largest = std::numeric_limits<std::uint64_t>::max();
  faultgen::FaultSet set = full_set(1, 1);
  SECTION("largest slot") { set.groups.push_back({0, largest, 1, 1}); }
  SECTION("largest epoch") { set.groups.push_back({0xffffffff, 0, 1, 1}); }
  SECTION("an epoch left out") { set.groups.push_back({2, 0, 1, 1}); }
  REQUIRE(refusal(set, 1).what.find("one group for every epoch and slot") != std::string::npos);
}
