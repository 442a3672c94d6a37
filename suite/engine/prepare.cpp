#include "suite/engine/prepare.hpp"

#include "datasets/preprocess.hpp"
#include "faultgen/sampler.hpp"
#include "suite/base/build_info.hpp"
#include "suite/engine/unit.hpp"
#include "suite/scenario/fault_kinds.hpp"
#include "suite/scenario/yaml_writer.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace bitquake::engine {

Result<std::shared_ptr<const datasets::Dataset>> open_data(const scenario::Scenario& scenario) {
  std::optional<std::filesystem::path> labels;
  if (scenario.data.labels) labels = scenario.resolve(*scenario.data.labels);
  auto whole =
      datasets::open_idx(scenario.data.name, scenario.resolve(scenario.data.images), labels);
  if (!whole) return whole;
  if (!scenario.data.samples && scenario.data.order == datasets::Order::first) return whole;
  const std::uint64_t count = scenario.data.samples.value_or((*whole)->size());
  return datasets::subset(std::move(*whole), count, scenario.data.order, scenario.seed);
}

namespace {

/// Network input of the first samples. Throws Exception (data).
std::vector<float> first_inputs(const scenario::Scenario& scenario, const datasets::Dataset& data) {
  const std::uint64_t count = std::min(kCalibrationSamples, data.size());
  const std::uint64_t elements = faultgen::element_count(scenario.model.input);
  std::vector<float> inputs(count * elements);
  for (std::uint64_t i = 0; i < count; ++i) {
    value_or_throw(datasets::to_input(value_or_throw(data.get(i)), scenario.preprocess,
                                      scenario.model.input,
                                      std::span(inputs).subspan(i * elements, elements)));
  }
  return inputs;
}

/// Why a sample makes no network input under one of the perturbations.
std::optional<Error> unfit(const scenario::Scenario& scenario, const datasets::Sample& sample) try {
  for (std::uint32_t i = 0; i < scenario.perturbations.size(); ++i) {
    network_input(scenario, {&sample, 1}, {&i, 1});
  }
  return std::nullopt;
} catch (const Exception& exception) {
  return exception.error();
}

}  // namespace

Result<faultgen::FaultSet> draw_fault_set(const scenario::Scenario& scenario,
                                          const model::Model& model,
                                          const datasets::Dataset& data) try {
  const auto magnitudes = [&](faultgen::Target target) {
    const bool parameter = faultgen::is_parameter(target);
    return model.largest_magnitudes(
        target, parameter ? std::vector<float>() : first_inputs(scenario, data));
  };
  const auto parameter = [&](std::uint32_t site, faultgen::Target target) {
    return model.parameter(site, target);
  };
  const auto plan =
      scenario::fault_plan(scenario, model.sites(), data.size(), {magnitudes, parameter});
  if (!plan) return plan.error();
  auto set = faultgen::draw_faults(model.sites(), *plan);
  if (!set) return set;
  set->provenance = {scenario.seed,  "bitquake " + std::string(build_info().version),
                     model.sha256(), scenario.model.input,
                     plan->schedule, scenario::faults_yaml(scenario)};
  return set;
} catch (const Exception& exception) {
  if (exception.error().code != Errc::data) throw;
  return exception.error();
}

Result<Inputs> prepare(const scenario::Scenario& scenario, const ModelLoader& load_model) {
  auto data = open_data(scenario);
  if (!data) return data.error();
  auto model = load_model(scenario);
  if (!model) return model.error();

  auto first = (*data)->get(0);
  if (!first) return first.error();
  if (auto failed = unfit(scenario, *first)) return *std::move(failed);

  std::string where = "faults";
  std::optional<Result<faultgen::FaultSet>> faults;
  if (scenario.faults.file) {
    const auto path = scenario.resolve(*scenario.faults.file);
    where = path.string();
    faults = faultgen::read_fault_set(path);
    if (*faults) {
      auto same = faultgen::check_fits(**faults, (*model)->sha256(), scenario.model.input,
                                       (*model)->sites(), where);
      if (!same) return same.error();
    }
  } else {
    faults = draw_fault_set(scenario, **model, **data);
  }
  if (!*faults) return faults->error();
  auto plan = make_plan(**faults, (*data)->size(), scenario.unit_samples, where,
                        static_cast<std::uint32_t>(scenario.perturbations.size()));
  if (!plan) return plan.error();
  return Inputs{scenario, std::move(*data), std::move(*model), std::move(**faults), *plan};
}

}  // namespace bitquake::engine
