#include "suite/engine/campaign.hpp"
#include "tests/engine/oracle.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <tuple>

using namespace bitquake;
using namespace bitquake::test;

// Mistakes that fault-injection programs have made; each test says what must hold instead.

namespace {

struct Outcome {
  results::Trials trials;
  faultgen::FaultSet faults;  ///< as stored in the run directory

  const faultgen::Fault& fault_of(const results::InjectionRow& row) const {
    return faults.faults[row.fault];
  }
};

Outcome outcome_of(const ToyCampaign& campaign, const std::string& name = "out") {
  run(campaign.inputs(), campaign / name);
  return {value_or_throw(results::read_trials(campaign / name / "trials.h5")),
          value_or_throw(faultgen::read_fault_set(campaign / name / "faults.h5"))};
}

bool bit_is_set(std::uint64_t bits, std::uint64_t mask) { return (bits & mask) != 0; }

}  // namespace

TEST_CASE("every epoch injects its own faults, those the stored fault set lists for it",
          "[engine][defect]") {
  ToyCampaign campaign(1);
  campaign.scenario.faults.epochs = 50;
  const Outcome outcome = outcome_of(campaign);
  REQUIRE(outcome.trials.injections.size() == 50);
  std::set<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>> distinct;
  for (std::uint64_t epoch = 0; epoch < 50; ++epoch) {
    const auto& row = outcome.trials.injections[epoch];
    REQUIRE(row.trial == epoch);
    REQUIRE(row.fault == epoch);
    REQUIRE((row.original_bits ^ row.corrupted_bits) == outcome.fault_of(row).bit_mask);
    const faultgen::Fault& fault = outcome.fault_of(row);
    distinct.emplace(fault.site, fault.element, fault.bit_mask);
  }
  REQUIRE(distinct.size() > 30);  // of 14 * 32 places, 50 draws repeat few
}

TEST_CASE("groups of several faults share no fault and lose none", "[engine][defect]") {
  ToyCampaign campaign(10);  // an even number, and a partial last unit
  campaign.scenario.unit_samples = 4;
  campaign.scenario.faults.per_group = 3;
  campaign.scenario.faults.target = GENERATE(faultgen::Target::neuron, faultgen::Target::weight);
  const Outcome outcome = outcome_of(campaign);
  REQUIRE(outcome.trials.trials.size() == 20);
  REQUIRE(outcome.trials.injections.size() == 60);
  for (std::uint64_t i = 0; i < 60; ++i) {
    const auto& row = outcome.trials.injections[i];
    REQUIRE(row.trial == i / 3);
    REQUIRE(row.fault == i);
    REQUIRE(row.reached == 1);
  }
}

TEST_CASE("a fault in a linear layer's output hits its own sample, once", "[engine][defect]") {
  // Even numbers of samples in a unit would make flips that hit each other's samples cancel.
  ToyCampaign campaign(20);
  campaign.scenario.unit_samples = GENERATE(1U, 2U, 20U);
  campaign.scenario.faults.bits = {"31"};
  const Outcome outcome = outcome_of(campaign);
  std::uint64_t at_output = 0;
  for (const auto& row : outcome.trials.trials) {
    const auto injection = outcome.trials.injections_of(row)[0];
    REQUIRE((injection.original_bits ^ injection.corrupted_bits) == 1ULL << 31U);
    if (outcome.fault_of(injection).site != 1) continue;
    ++at_output;
    REQUIRE(row.output_hash != outcome.trials.golden_of(row).output_hash);
  }
  REQUIRE(at_output > 5);
}

TEST_CASE("stuck-at faults set a bit to a level; where it has that level nothing happens",
          "[engine][defect]") {
  ToyCampaign campaign(100);
  const bool level = GENERATE(false, true);
  campaign.scenario.faults.model =
      level ? faultgen::FaultModel::stuck_at_1 : faultgen::FaultModel::stuck_at_0;
  const Outcome outcome = outcome_of(campaign);
  std::uint64_t without_effect = 0;
  for (const auto& row : outcome.trials.trials) {
    const auto injection = outcome.trials.injections_of(row)[0];
    const std::uint64_t mask = outcome.fault_of(injection).bit_mask;
    REQUIRE(bit_is_set(injection.corrupted_bits, mask) == level);
    REQUIRE((injection.original_bits & ~mask) == (injection.corrupted_bits & ~mask));
    if (bit_is_set(injection.original_bits, mask) != level) continue;
    ++without_effect;
    REQUIRE(row.outcome == static_cast<std::uint8_t>(metrics::Outcome::masked));
  }
  REQUIRE(without_effect > 50);
  REQUIRE(without_effect < 150);
}

TEST_CASE("a weight fault is gone in the next trial and never reaches a golden run",
          "[engine][defect]") {
  ToyCampaign campaign(60);
  const Outcome neurons = outcome_of(campaign, "neurons");
  campaign.scenario.faults.target = faultgen::Target::weight;
  const Outcome weights = outcome_of(campaign, "weights");
  REQUIRE(weights.trials.golden == neurons.trials.golden);
  const ToyParameters parameters = toy_parameters();
  for (const auto& row : weights.trials.injections) {
    const faultgen::Fault& fault = weights.fault_of(row);
    const float original =
        fault.site == 0 ? parameters.weight1[fault.element] : parameters.weight2[fault.element];
    REQUIRE(row.original_bits == faultgen::to_bits(original));
  }
}

TEST_CASE("each image has as many trials as there are epochs, a partial last unit included",
          "[engine][defect]") {
  ToyCampaign campaign(10);
  campaign.scenario.unit_samples = 4;
  campaign.scenario.faults.epochs = 3;
  const Outcome outcome = outcome_of(campaign);
  REQUIRE(outcome.faults.groups.size() == 30);
  std::array<int, 10> trials{};
  for (const auto& row : outcome.trials.trials) ++trials[row.sample];
  for (const int n : trials) REQUIRE(n == 3);
}
