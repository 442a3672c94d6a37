/// Every executor gives the same results on real networks with real images.
///
///     property_test [real]                   some hundred trials
///     BITQUAKE_FULL=1 property_test [real]   20,000 of neurons and 20,000 of weights in ResNet-20,
///                                            2,000 and 2,000 in MobileNetV2; 500 of each against
///                                            the reference
///
/// ../shared/data, beside the checkout, holds the models and images; without it, skipped.

#include "faultgen/fault_space.hpp"
#include "suite/base/result.hpp"
#include "suite/base/rng.hpp"
#include "suite/model/load.hpp"
#include "tests/property/compare.hpp"
#include "tests/property/real_data.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace bitquake;
using faultgen::Fault;
using faultgen::Target;
using model::Execution;

bool full() { return std::getenv("BITQUAKE_FULL") != nullptr; }

struct Campaign {
  std::string model;  ///< file
  std::vector<std::int64_t> input_shape;
  std::function<std::vector<float>(std::size_t first, std::size_t count)> images;
  std::size_t block = 0;  ///< samples whose golden runs are kept at a time
  std::size_t blocks = 0;
  std::size_t trials = 0;           ///< of neurons, and as many of weights, in each block
  std::size_t samples_a_fault = 0;  ///< that each faulty weight meets
  std::size_t reference = 0;        ///< trials of each target in each block against the reference
};

/// One bit, anywhere, uniformly.
std::vector<Fault> draw_faults(const faultgen::FaultSpace& space, std::size_t count, Draws& draws) {
  std::vector<Fault> faults;
  for (std::size_t i = 0; i < count; ++i) {
    const auto [site, element] = space.locate(draws.below(space.total_elements()));
    faults.push_back(
        {site, space.target(), faultgen::FaultModel::bit_flip, element, 1ULL << draws.below(32)});
  }
  return faults;
}

/// Faults one after the other, each met by some samples in turn.
std::vector<model::Trial> trials_of(const std::vector<Fault>& faults, std::size_t samples_a_fault,
                                    std::size_t samples) {
  std::vector<model::Trial> trials;
  for (std::size_t i = 0; i < faults.size() * samples_a_fault; ++i) {
    trials.push_back({i % samples, {&faults[i / samples_a_fault], 1}});
  }
  return trials;
}

struct Tally {
  std::size_t trials = 0, references = 0, masked = 0;
};

/// Differences of results at the places given by `every`, for people.
std::string differences(const std::vector<model::Trial>& trials,
                        const std::vector<model::TrialResult>& expected,
                        const std::vector<model::TrialResult>& results,
                        const std::vector<faultgen::Site>& sites) {
  for (std::size_t i = 0; i < trials.size(); ++i) {
    const std::string differs = test::difference(trials[i], expected[i], results[i]);
    if (differs.empty()) continue;
    return fmt::format("trial {}: {} ({})\n", i, differs, test::describe(trials[i], sites));
  }
  return "";
}

class Comparison {
 public:
  explicit Comparison(const model::Model& model)
      : model_(model),
        incremental_(model.make_executor({Execution::incremental, {}})),
        batched_(model.make_executor({Execution::batched, {}})),
        reference_(model.make_executor({Execution::reference, {}})) {}

  void check(const std::vector<float>& images, const std::vector<model::Trial>& trials,
             std::size_t with_reference) {
    const auto block = incremental_->golden(images);
    const auto results = incremental_->trials(*block, trials);
    const auto golden = batched_->golden(images);
    for (std::size_t row = 0; row < golden->size(); ++row) {
      REQUIRE(block->row(row).output == golden->row(row).output);
    }
    const auto expected = batched_->trials(*golden, trials);
    INFO("batched: " << differences(trials, expected, results, model_.sites()));
    REQUIRE(differences(trials, expected, results, model_.sites()).empty());

    // Spread over all trials, so over all sites.
    std::vector<model::Trial> some;
    std::vector<model::TrialResult> theirs;
    for (std::size_t i = 0; i < with_reference; ++i) {
      const std::size_t place = i * trials.size() / with_reference;
      some.push_back(trials[place]);
      theirs.push_back(results[place]);
    }
    const auto oracle = reference_->trials(*reference_->golden(images), some);
    INFO("reference: " << differences(some, oracle, theirs, model_.sites()));
    REQUIRE(differences(some, oracle, theirs, model_.sites()).empty());
    tally.trials += trials.size();
    tally.references += some.size();
    for (std::size_t i = 0; i < trials.size(); ++i) {
      tally.masked += expected[i].output == golden->row(trials[i].golden_row).output;
    }
  }

  Tally tally;

 private:
  const model::Model& model_;
  std::unique_ptr<model::Executor> incremental_, batched_, reference_;
};

void run(const Campaign& campaign) {
  const auto model =
      value_or_throw(model::load({.file = campaign.model, .input_shape = campaign.input_shape}));
  Comparison comparison(*model);
  for (std::size_t i = 0; i < campaign.blocks; ++i) {
    const auto images = campaign.images(i * campaign.block, campaign.block);
    for (const Target target : {Target::neuron, Target::weight}) {
      Draws draws(i, Stream::fault_location, static_cast<std::uint64_t>(target));
      const std::size_t times = target == Target::weight ? campaign.samples_a_fault : 1;
      const faultgen::FaultSpace space(model->sites(), target);
      const auto faults = draw_faults(space, campaign.trials / times, draws);
      INFO("block " << i << (target == Target::weight ? ", weights" : ", neurons"));
      comparison.check(images, trials_of(faults, times, campaign.block), campaign.reference);
    }
  }
  const Tally& tally = comparison.tally;
  REQUIRE(tally.trials == campaign.blocks * campaign.trials * 2);
  REQUIRE(tally.references == campaign.blocks * campaign.reference * 2);
  REQUIRE(tally.masked > 0);
  REQUIRE(tally.masked < tally.trials);
}

/// Says so where there is nothing to run.
bool missing() {
  if (std::filesystem::exists(test::real_data())) return false;
  WARN("skipped: no real models beside this checkout (../shared/data)");
  return true;
}

}  // namespace

// Hidden from the plain run, which ctest has under another name: they take minutes.
TEST_CASE("every executor gives the results of the reference on ResNet-20 with CIFAR-10",
          "[.][real][executors]") {
  if (missing()) return;
  const auto data = test::real_data();
  run({.model = (data / "models/cifar10_resnet20.pt").string(),
       .input_shape = {3, 32, 32},
       .images =
           [&](std::size_t first, std::size_t count) {
             return test::cifar10_inputs(data / "cifar10/test_batch.bin", first, count);
           },
       .block = 32,
       .blocks = full() ? 100U : 3U,
       .trials = 200,
       .samples_a_fault = 8,
       .reference = full() ? 5U : 20U});
}

TEST_CASE("every executor gives the results of the reference on MobileNetV2 with photographs",
          "[.][real][executors]") {
  if (missing()) return;
  const auto data = test::real_data();
  run({.model = (data / "models/imagenet_mobilenet_v2.pt").string(),
       .input_shape = {3, 224, 224},
       .images =
           [&](std::size_t first, std::size_t count) {
             return test::photograph_inputs(data / "imagenet_samples", first, count);
           },
       .block = full() ? 12U : 6U,
       .blocks = full() ? 5U : 1U,
       .trials = full() ? 400U : 48U,
       .samples_a_fault = 4,
       .reference = full() ? 100U : 8U});
}
