#include "results/estimates.hpp"

#include "results/summary.hpp"
#include "tests/results/tiny_campaign.hpp"

#include <catch2/catch.hpp>

using namespace bitquake;
using namespace bitquake::results;
using namespace bitquake::test;

namespace {

constexpr auto kSde = static_cast<std::uint8_t>(metrics::Outcome::sde);

/// Faults 0, 1, … of one group each; fault i meets `samples` samples.
struct Made {
  Trials trials;
  faultgen::FaultSet faults;

  Made(std::uint64_t n_faults, std::uint64_t samples) {
    faults = tiny_faults();
    faults.groups.clear();
    faults.faults.clear();
    faults.sampling_weight.assign(n_faults, 1.0);
    faults.provenance.schedule = {faultgen::Policy::per_epoch, 1};
    trials.campaign = tiny_header();
    for (std::uint64_t sample = 0; sample < samples; ++sample) {
      trials.golden.push_back(tiny_golden(0));
      trials.golden.back().sample = sample;
    }
    for (std::uint64_t i = 0; i < n_faults; ++i) {
      faults.groups.push_back({static_cast<std::uint32_t>(i), 0, i, 1});
      faults.faults.push_back({0, faultgen::Target::neuron, faultgen::FaultModel::bit_flip, i, 1});
      for (std::uint64_t sample = 0; sample < samples; ++sample) {
        TrialRow row;
        row.trial = i * samples + sample;
        row.epoch = static_cast<std::uint32_t>(i);
        row.sample = sample;
        row.group = row.first_fault = i;
        row.n_faults = 1;
        row.outcome = static_cast<std::uint8_t>(metrics::Outcome::masked);
        trials.trials.push_back(row);
        trials.injections.push_back({row.trial, i, 1, 1, 0, 1});
      }
    }
  }
  void sde(std::uint64_t fault, std::uint64_t sample) {
    trials.trials[fault * trials.golden.size() + sample].outcome = kSde;
  }
};

}  // namespace

TEST_CASE("strata are weighed by their populations", "[results][estimates]") {
  Made campaign(6, 3);
  campaign.faults.strata = {{0U, std::nullopt, 40, 4}, {1U, std::nullopt, 10, 2}};
  campaign.faults.stratum = {0, 0, 0, 0, 1, 1};
  campaign.sde(1, 0);
  campaign.sde(1, 2);  // the same fault: harmful once
  campaign.sde(5, 1);
  const auto estimates = estimate(campaign.trials, campaign.faults, {}, 0.95);
  REQUIRE(estimates.size() == 2);
  REQUIRE(estimates[0].metric == "due");
  REQUIRE(estimates[0].value == 0);
  REQUIRE(estimates[0].interval->high > 0);  // nothing was hit, which does not mean nothing can be
  REQUIRE(estimates[1].metric == "sde");
  REQUIRE(estimates[1].value == Approx(40.0 / 50 * 1 / 4 + 10.0 / 50 * 1 / 2));
  REQUIRE(estimates[1].interval->low > 0);
  REQUIRE(estimates[1].interval->low < 0.3);
  REQUIRE(estimates[1].interval->high > 0.3);
  REQUIRE(estimates[1].unit == "fault");
  REQUIRE(estimates[1].n == 6);
  REQUIRE(estimates[1].population == 50U);
}

TEST_CASE("unequal draws are weighed", "[results][estimates]") {
  Made campaign(4, 1);
  campaign.faults.sampling_weight = {3, 1, 1, 1};
  campaign.sde(0, 0);
  auto estimates = estimate(campaign.trials, campaign.faults, {}, 0.95);
  REQUIRE(estimates.size() == 4);
  REQUIRE(estimates[3].metric == "sde");
  REQUIRE(estimates[3].value == Approx(3.0 / 6));
  REQUIRE(estimates[1].value == Approx(3.0 / 6));  // masked
  // Four trials of one sample depend on each other.
  REQUIRE_FALSE(estimates[3].interval);
  REQUIRE(estimates[3].method ==
          "hajek (effective size 3); no interval: trials share samples or faults");
  // The same four trials, each of a sample of its own.
  Made alone(4, 4);
  alone.faults.provenance.schedule = {};
  alone.faults.sampling_weight = {3, 1, 1, 1};
  std::vector<TrialRow> own;
  for (std::uint64_t i = 0; i < 4; ++i) own.push_back(alone.trials.trials[i * 4 + i]);
  own[0].outcome = kSde;
  alone.trials.trials = own;
  estimates = estimate(alone.trials, alone.faults, {}, 0.95);
  REQUIRE(estimates[3].value == Approx(3.0 / 6));
  REQUIRE(estimates[3].interval);
  REQUIRE(estimates[3].interval->low < 0.5);
  REQUIRE(estimates[3].interval->high > 0.5);
}

TEST_CASE("there is nothing to estimate where rates are those of the fault space",
          "[results][estimates]") {
  REQUIRE(estimate(Made(4, 2).trials, Made(4, 2).faults, {}, 0.95).empty());
  Made several(4, 2);
  several.faults.sampling_weight = {3, 1, 1, 1};
  several.faults.groups[0].n_faults = 2;
  REQUIRE(estimate(several.trials, several.faults, {}, 0.95).empty());
  Made gathering(4, 2);
  gathering.faults.sampling_weight = {3, 1, 1, 1};
  gathering.trials.campaign.run_type = "accumulate";
  REQUIRE(estimate(gathering.trials, gathering.faults, {}, 0.95).empty());
}
