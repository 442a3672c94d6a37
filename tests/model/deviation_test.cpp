#include "faultgen/bits.hpp"
#include "suite/model/execution.hpp"
#include "tests/model/loaded.hpp"
#include "tests/model/nets.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

using namespace bitquake;
using namespace bitquake::test;
using faultgen::Fault;
using faultgen::FaultModel;
using faultgen::Target;
using model::PointDeviation;

namespace {

/// Golden run of x = (1, 1): first [[1, 2], [3, 4]] gives (3, 7), relu the same, last
/// [[1, 0], [1, 1]] gives (3, 10), which is the output.
std::shared_ptr<const model::Model> by_hand(model::Monitor monitor = model::Monitor::all,
                                            bool deviation = true) {
  NetBuilder net;
  net.linear("first", 2, 2);
  net.relu("relu");
  net.linear("last", 2, 2);
  const auto set = [&](const char* name, const std::vector<float>& values) {
    auto module = net.net().attr(name).toModule();
    module.setattr("weight", torch::tensor(values).view({2, 2}));
    module.setattr("bias", torch::zeros({2}));
  };
  set("first", {1, 2, 3, 4});
  set("last", {1, 0, 1, 1});
  return value_or_throw(
      save_and_load(net.finish("  x = self.first.forward(torch.flatten(x, 1))\n"
                               "  return self.last.forward(self.relu.forward(x))\n"),
                    {2, 1, 1}, 4, monitor, {}, deviation));
}

std::vector<model::ExecutionOptions> executions() {
  model::IncrementalParts none;
  none.prefix = none.masked_stop = none.region = none.channel = none.noop = false;
  return {{model::Execution::reference, {}},
          {model::Execution::batched, {}},
          {model::Execution::incremental, {}},
          {model::Execution::incremental, none}};
}

std::vector<model::TrialResult> run(const model::Model& model,
                                    const model::ExecutionOptions& options,
                                    const std::vector<float>& inputs, std::size_t samples,
                                    const std::vector<Fault>& faults) {
  std::vector<model::Trial> trials;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    trials.push_back({i % samples, std::span(faults).subspan(i, 1)});
  }
  const auto executor = model.make_executor(options);
  return executor->trials(*executor->golden(inputs), trials);
}

/// As "path differing nonfinite max_abs".
std::vector<std::string> seen(const model::Model& model, const model::TrialResult& result) {
  std::vector<std::string> lines;
  for (const PointDeviation& at : result.deviations) {
    lines.push_back(model.points()[at.point].path + " " + std::to_string(at.differing) + " " +
                    std::to_string(at.nonfinite) + " " +
                    std::to_string(static_cast<int>(at.max_abs)));
  }
  return lines;
}

Fault set_to(const model::Model& model, const char* site, Target target, std::uint64_t element,
             float value) {
  return {site_of(model, site),    target, FaultModel::set_value, element, 0,
          faultgen::to_bits(value)};
}

}  // namespace

TEST_CASE("deviations are what one computes by hand", "[model][deviation]") {
  const auto model = by_hand();
  const std::vector<Fault> faults{
      set_to(*model, "first", Target::neuron, 0, 6),  // (6, 7), then (6, 13)
      set_to(*model, "last", Target::weight, 3, 2),   // (3, 17)
      set_to(*model, "first", Target::neuron, 0, 3),  // as it was
      set_to(*model, "first", Target::neuron, 1, std::numeric_limits<float>::infinity()),
  };
  using Lines = std::vector<std::string>;
  for (const model::ExecutionOptions& options : executions()) {
    const auto results = run(*model, options, {1, 1}, 1, faults);
    CAPTURE(static_cast<int>(options.execution));
    REQUIRE(seen(*model, results[0]) ==
            Lines{"first 1 0 3", "relu 1 0 3", "last 2 0 3", "output 2 0 3"});
    REQUIRE(results[0].deviations[0].rel_l2 == 3 / std::sqrt(58.0));
    REQUIRE(results[0].deviations[2].rel_l2 == std::sqrt(18.0) / std::sqrt(109.0));
    REQUIRE(seen(*model, results[1]) == Lines{"last 1 0 7", "output 1 0 7"});
    REQUIRE(results[1].deviations[0].rel_l2 == 7 / std::sqrt(109.0));
    REQUIRE(results[2].deviations.empty());
    REQUIRE(results[2].nonfinite.empty());
    // 0 * Inf is NaN: both elements behind it are lost, and nothing finite differs.
    REQUIRE(seen(*model, results[3]) ==
            Lines{"first 1 1 0", "relu 1 1 0", "last 2 2 0", "output 2 2 0"});
    for (const PointDeviation& at : results[3].deviations) REQUIRE(at.rel_l2 == 0);
    Lines nonfinite;
    for (const std::uint32_t point : results[3].nonfinite) {
      nonfinite.push_back(model->points()[point].path);
    }
    REQUIRE(nonfinite == Lines{"first", "relu", "last", "output"});
    REQUIRE(results[3].first_nonfinite == results[3].nonfinite.front());
  }
}

TEST_CASE("deviations are there when asked for, at the points that are monitored",
          "[model][deviation]") {
  const std::vector<Fault> faults{set_to(*by_hand(), "first", Target::neuron, 0, 6)};
  for (const model::ExecutionOptions& options : executions()) {
    const auto plain = by_hand(model::Monitor::all, false);
    REQUIRE(run(*plain, options, {1, 1}, 1, faults)[0].deviations.empty());
    const auto narrow = by_hand(model::Monitor::output);
    REQUIRE(seen(*narrow, run(*narrow, options, {1, 1}, 1, faults)[0]) ==
            std::vector<std::string>{"output 2 0 3"});
  }
}

TEST_CASE("a golden run of zeros gives an infinite relative deviation", "[model][deviation]") {
  const auto model = by_hand();
  const std::vector<Fault> faults{set_to(*model, "first", Target::neuron, 0, 6)};
  for (const model::ExecutionOptions& options : executions()) {
    const auto result = run(*model, options, {0, 0}, 1, faults)[0];
    REQUIRE(std::isinf(result.deviations.at(0).rel_l2));
    REQUIRE(result.deviations[0].max_abs == 6);
  }
}

TEST_CASE("all executors give the same deviations to the last bit", "[model][deviation]") {
  const auto [module, shape] = GENERATE(
      table<torch::jit::Module (*)(), std::vector<std::int64_t>>({{lenet, {1, 28, 28}},
                                                                  {residual_net, {3, 16, 16}},
                                                                  {concat_net, {4, 12, 12}},
                                                                  {scripted_net, {3, 6, 6}}}));
  const auto model = value_or_throw(
      save_and_load(module(), shape, 16, model::Monitor::all, {}, /*deviation=*/true));
  constexpr std::size_t kSamples = 5;
  Draws draws(8, Stream::check_input, 11);
  std::vector<float> inputs(kSamples * static_cast<std::size_t>(faultgen::element_count(shape)));
  for (float& value : inputs) value = static_cast<float>(draws.uniform() * 2 - 1);
  std::vector<Fault> faults;
  for (std::uint32_t site = 0; site < model->sites().size(); ++site) {
    for (const Target target : {Target::neuron, Target::weight, Target::site_input}) {
      const std::uint64_t elements = faultgen::site_elements(model->sites()[site], target);
      for (std::size_t i = 0; i < 25 && elements > 0; ++i) {
        faults.push_back(
            {site, target, FaultModel::bit_flip, draws.below(elements), 1ULL << (31 - i % 20)});
      }
    }
  }
  const auto expected = run(*model, executions()[0], inputs, kSamples, faults);
  const auto executor = model->make_executor();
  const auto golden = executor->golden(inputs);
  std::size_t deviating = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    // The final output is known here too.
    const std::vector<float>& sound = golden->row(i % kSamples).output;
    double difference = 0, whole = 0;
    for (std::size_t k = 0; k < sound.size(); ++k) {
      whole += static_cast<double>(sound[k]) * sound[k];
      const double d = static_cast<double>(expected[i].output[k]) - sound[k];
      if (std::isfinite(d)) difference += d * d;
    }
    if (expected[i].output == sound) continue;
    const PointDeviation& last = expected[i].deviations.back();
    REQUIRE(model->points()[last.point].path == "output");
    REQUIRE(last.rel_l2 == Approx(std::sqrt(difference / whole)));
    ++deviating;
  }
  REQUIRE(deviating > 50);
  for (const model::ExecutionOptions& options : executions()) {
    const auto results = run(*model, options, inputs, kSamples, faults);
    for (std::size_t i = 0; i < faults.size(); ++i) {
      CAPTURE(i, faultgen::site_name(model->sites()[faults[i].site]));
      REQUIRE((results[i].deviations == expected[i].deviations));
      REQUIRE(results[i].nonfinite == expected[i].nonfinite);
    }
  }
}
