#include "suite/scenario/yaml_writer.hpp"

#include "suite/base/rng.hpp"
#include "suite/scenario/schema.hpp"
#include "tests/scenario/example.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace bitquake;
using namespace bitquake::scenario;

TEST_CASE("the effective scenario shows every value", "[scenario][golden]") {
  REQUIRE(to_yaml(parsed(kShortest + "preprocess: {mean: [0.2860]}\nfaults: {bits: [7]}\n")) ==
          "version: 1\n"
          "seed: 1\n"
          "model:\n"
          "  file: \"m.pt\"\n"
          "  input: [1, 28, 28]\n"
          "  output: logits\n"
          "  device: cpu\n"
          "data:\n"
          "  format: idx\n"
          "  name: \"digits\"\n"
          "  images: \"images.gz\"\n"
          "  order: first\n"
          "  on_bad_sample: error\n"
          "preprocess:\n"
          "  divide_by: 255\n"
          "  mean: [0.286]\n"
          "  std: [1]\n"
          "  channel_order: rgb\n"
          "augment: [clean]\n"
          "faults:\n"
          "  target: neurons\n"
          "  model: bit_flip\n"
          "  bits: [7]\n"
          "  bits_per_fault: 1\n"
          "  arrangement: independent\n"
          "  format: fp32\n"
          "  draw: elements\n"
          "  pattern: single\n"
          "  active_probability: 1\n"
          "  policy: per_image\n"
          "  epochs: 1\n"
          "sampling:\n"
          "  method: random\n"
          "run_type: single\n"
          "execution: incremental\n"
          "incremental:\n"
          "  prefix: on\n"
          "  masked_stop: on\n"
          "  noop: on\n"
          "  region: on\n"
          "  channel: on\n"
          "  prepared_weights: on\n"
          "padded_batch: 16\n"
          "unit_samples: 64\n"
          "audit: on\n"
          "monitor: all\n"
          "deviation: off\n"
          "statistics:\n"
          "  interval: wilson\n"
          "  confidence: 0.95\n");
}

TEST_CASE("keys that an existing fault set replaces are left out", "[scenario]") {
  const Scenario s = parsed(kShortest + "faults: {file: set.h5}\n");
  const std::string text = to_yaml(s);
  REQUIRE(text.find("faults:\n  file: \"set.h5\"\nsampling:") != std::string::npos);
  REQUIRE(parsed(text) == s);
}

TEST_CASE("keys that say only how results are computed are left out of what decides them",
          "[scenario]") {
  const Scenario s = parsed(kShortest);
  const std::string text = results_yaml(s);
  REQUIRE(text.find("run_type: single\npadded_batch: 16\nmonitor: all\ndeviation: off\n") !=
          std::string::npos);
  REQUIRE(parsed(text) == s);
  const Scenario other = parsed(kShortest, {{"execution", "incremental"},
                                            {"incremental.region", "off"},
                                            {"unit_samples", "3"},
                                            {"memory_budget_mib", "100"},
                                            {"audit", "off"}});
  REQUIRE(results_yaml(other) == text);
  REQUIRE(to_yaml(other) != to_yaml(s));
  REQUIRE(results_yaml(parsed(kShortest, {{"execution", "batched"}})) == text);
  for (const char* key : {"seed", "padded_batch", "faults.epochs"}) {
    REQUIRE(results_yaml(parsed(kShortest, {{key, "2"}})) != text);
  }
}

TEST_CASE("what a fault set says of its origin holds no perturbations", "[scenario]") {
  const Scenario clean = parsed(kShortest);
  const Scenario joint = parsed(kShortest + "augment: [clean, fog/1-2]\n");
  REQUIRE(results_yaml(joint).find("augment: [clean, \"fog/1\", \"fog/2\"]\n") !=
          std::string::npos);
  REQUIRE(results_yaml(joint) != results_yaml(clean));
  REQUIRE(faults_yaml(joint) == faults_yaml(clean));
  REQUIRE(parsed(faults_yaml(joint)) == clean);
  REQUIRE(faults_yaml(parsed(kShortest, {{"seed", "2"}})) != faults_yaml(clean));
}

TEST_CASE("any text survives writing and reading", "[scenario]") {
  Scenario s = parsed(kShortest);
  s.data.name =
      GENERATE(as<std::string>{}, "~", "null", "5", "# no comment", "'", "\"", "\\", "a: b", "*x",
               "&x", " lead and trail ", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "[a, b]",
               "C:\\new\\table", "%YAML", "---");
  REQUIRE(parsed(to_yaml(s)) == s);
}

TEST_CASE("random scenarios survive writing and reading", "[scenario][property]") {
  for (std::uint64_t run = 0; run < 500; ++run) {
    Draws draws(7, Stream::check_input, run);
    const auto count = [&](std::uint64_t high) { return 1 + draws.below(high); };
    const auto pick = [&](const auto& registry) {
      return registry[draws.below(registry.size())].value;
    };
    const auto real = [&] { return (draws.uniform() - 0.5) * 1e3; };
    Scenario s = parsed(kShortest);
    s.seed = draws.next64();
    s.model.input = {3, static_cast<std::int64_t>(count(65536)), 1};
    s.model.output = pick(metrics::kOutputKinds);
    if (draws.below(2) == 0) s.data.labels = "l";
    if (draws.below(2) == 0) s.data.samples = count(1U << 31);
    s.data.order = pick(kOrders);
    if (s.data.order == datasets::Order::stratified) s.data.labels = "l";
    s.shaping.crop.assign(draws.below(2) * 2, count(65536));
    s.preprocess.channel_order = pick(datasets::kChannelOrders);
    if (draws.below(2) == 0) {
      s.shaping.resize = datasets::Resize::letterbox;
      s.shaping.resize_to = {count(65536), count(65536)};
      s.shaping.interpolation = pick(datasets::kInterpolations);
      s.shaping.pad_value = static_cast<std::uint16_t>(draws.below(65536));
    }
    s.preprocess.divide_by = draws.uniform() + 1e-9;
    s.preprocess.mean = {real(), real(), real()};
    s.preprocess.stddev = {draws.uniform() + 1e-30};
    s.perturbations.resize(draws.below(2));
    for (std::uint64_t i = 0; i < 3; ++i) {
      const auto step = augment::make_step("fog", static_cast<int>(i), {},
                                           static_cast<augment::Table>(draws.below(3)));
      s.perturbations.push_back({std::vector(1 + draws.below(2), *step)});
    }
    s.faults.target = pick(faultgen::kTargets);
    s.faults.model = {
        pick(std::array{faultgen::kBuiltInFaultModels[0], faultgen::kBuiltInFaultModels[1],
                        faultgen::kBuiltInFaultModels[2]}),
        false};
    const std::uint64_t low = draws.below(32);
    s.faults.bits = {std::to_string(low) + "-" + std::to_string(low + draws.below(32 - low))};
    s.faults.draw = draws.below(2) == 0 ? faultgen::Draw::elements : faultgen::Draw::sites;
    s.faults.kinds.assign(draws.below(3), pick(faultgen::kSiteKinds));
    s.faults.include.assign(draws.below(3), "a*: #'\"b");
    s.faults.exclude.assign(draws.below(3), "/c|d/");
    s.faults.indices.assign(draws.below(2), "0-3");
    s.faults.per_group = static_cast<std::uint32_t>(count(1'000'000));
    s.faults.epochs = static_cast<std::uint32_t>(count(1'000'000'000));
    s.padded_batch = static_cast<std::uint32_t>(count(4096));
    s.unit_samples = static_cast<std::uint32_t>(count(1'000'000));
    s.monitor = pick(kMonitorScopes);
    if (draws.below(2) == 0) s.memory_budget_mib = count(1'000'000'000);
    s.audit = pick(kSwitches);
    s.execution = pick(kExecutions);
    for (const IncrementalPart& part : kIncrementalParts) {
      if (s.execution == Execution::incremental) s.incremental.*part.member = pick(kSwitches);
    }
    s.statistics.interval = pick(metrics::kIntervalMethods);
    s.statistics.confidence = 0.5 + draws.uniform() * 0.4999;
    REQUIRE(parsed(to_yaml(s)) == s);
  }
}
