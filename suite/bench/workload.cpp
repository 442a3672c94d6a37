#include "suite/bench/workload.hpp"

#include "suite/scenario/convert.hpp"
#include "suite/scenario/schema.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace bitquake::bench {
namespace {

constexpr std::string_view kAuditKey = "audit";

/// One fault of 32 possible bits in elements drawn uniformly. In a sweep a weight fault meets all
/// samples, as in a permanent-fault study: the case in which whole batches share a fault.
scenario::Scenario make_scenario(const Network& network, const Case& chosen, const Size& whole,
                                 const Size& part, std::uint32_t padded_batch) {
  scenario::Scenario s;
  s.model.file = std::string(network.name) + ".pt";
  s.model.input.assign(network.input.begin(), network.input.end());
  s.data.name = "fashion-mnist-test";
  s.data.images = "images";
  s.data.samples = part.samples;
  s.preprocess = preprocess_of(network);
  s.faults.target = chosen.target;
  s.faults.epochs = part.epochs;
  if (chosen.workload == Workload::sweep && chosen.target == faultgen::Target::weight) {
    s.faults.policy = faultgen::Policy::per_batch;
    s.faults.batch_size = whole.samples;
  }
  s.padded_batch = padded_batch;
  // Units are what workers share: at least two, whatever the number of threads.
  s.unit_samples = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(whole.samples / 2, 1, 64));
  return s;
}

void set_audit(scenario::Scenario& s, bool on) {
  const scenario::Key* key = scenario::find_key(kAuditKey);
  if (key == nullptr) return;
  for (const char* word : {on ? "on" : "off", on ? "true" : "false"}) {
    const auto value = scenario::to_value(*key, {{word}});
    if (value) return key->member.set(s, *value);
  }
}

}  // namespace

Effort effort_of(const Network& network, bool quick) {
  // With 64 epochs LeNet-5's trials take less time than making its files.
  static const std::map<std::string_view, Effort> kEfforts{
      {"lenet5",
       {.sweep = {64, 1024}, .quickstart = {10000, 1}, .reference_trials = 512, .repetitions = 5}},
      {"resnet20", {.sweep = {64, 64}, .quickstart = {256, 1}, .reference_trials = 64}},
      {"mobilenet_v2",
       {.sweep = {16, 16}, .quickstart = {32, 1}, .reference_trials = 8, .padded_batch = 8}},
      {"resnet50",
       {.sweep = {8, 8}, .quickstart = {8, 1}, .reference_trials = 4, .padded_batch = 4}},
      {"vgg16",
       {.sweep = {8, 8},
        .quickstart = {8, 1},
        .reference_trials = 2,
        .padded_batch = 4,
        .repetitions = 1}}};
  Effort effort = kEfforts.at(network.name);
  if (!quick) return effort;
  const auto small = [](const Size& size) {
    return Size{std::min<std::uint64_t>(size.samples, 16), std::min(size.epochs, 2U)};
  };
  effort.sweep = small(effort.sweep);
  effort.quickstart = small(effort.quickstart);
  effort.reference_trials = std::min<std::uint64_t>(effort.reference_trials, 16);
  effort.repetitions = 1;
  return effort;
}

Size beginning(const Size& whole, std::uint64_t most) {
  if (most < whole.samples) return {std::max<std::uint64_t>(most, 1), 1};
  const std::uint64_t epochs = most / whole.samples;
  return {whole.samples, static_cast<std::uint32_t>(std::min<std::uint64_t>(epochs, whole.epochs))};
}

Result<engine::Inputs> make_inputs(const Network& network, const Case& chosen, const Size& whole,
                                   const Size& part, std::uint32_t padded_batch, bool audit,
                                   std::shared_ptr<const datasets::Dataset> images,
                                   std::shared_ptr<const model::Model> model) {
  scenario::Scenario s = make_scenario(network, chosen, whole, part, padded_batch);
  set_audit(s, audit);
  auto data = datasets::subset(std::move(images), part.samples, datasets::Order::first, s.seed);
  if (!data) return data.error();
  auto faults = engine::draw_fault_set(s, *model, **data);
  if (!faults) return faults.error();
  auto plan = engine::plan_of(s, *faults, part.samples, std::string(network.name));
  if (!plan) return plan.error();
  return engine::Inputs{std::move(s), std::move(*data), std::move(model), std::move(*faults),
                        *plan};
}

bool has_audit() { return scenario::find_key(kAuditKey) != nullptr; }

}  // namespace bitquake::bench
