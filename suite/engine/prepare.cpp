#include "suite/engine/prepare.hpp"

#include "datasets/preprocess.hpp"
#include "faultgen/sampler.hpp"
#include "suite/base/build_info.hpp"
#include "suite/scenario/yaml_writer.hpp"

#include <optional>
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

Result<faultgen::FaultSet> draw_fault_set(const scenario::Scenario& scenario,
                                          const model::Model& model, std::uint64_t samples) {
  const auto& wanted = scenario.faults;
  auto set = faultgen::draw_faults(faultgen::FaultSpace(model.sites(), wanted.target),
                                   {.target = wanted.target,
                                    .model = wanted.model,
                                    .bits = wanted.bits,
                                    .draw = wanted.draw,
                                    .schedule = wanted.schedule(),
                                    .per_group = wanted.per_group,
                                    .epochs = wanted.epochs,
                                    .samples = samples,
                                    .seed = scenario.seed});
  if (!set) return set;
  set->provenance = {scenario.seed,     "bitquake " + std::string(build_info().version),
                     model.sha256(),    scenario.model.input,
                     wanted.schedule(), scenario::results_yaml(scenario)};
  return set;
}

Result<Inputs> prepare(const scenario::Scenario& scenario, const ModelLoader& load_model) {
  auto data = open_data(scenario);
  if (!data) return data.error();
  auto model = load_model(scenario);
  if (!model) return model.error();

  auto first = (*data)->get(0);
  if (!first) return first.error();
  std::vector<float> input(faultgen::element_count(scenario.model.input));
  auto fits = datasets::to_input(*first, scenario.preprocess, scenario.model.input, input);
  if (!fits) return fits.error();

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
    faults = draw_fault_set(scenario, **model, (*data)->size());
  }
  if (!*faults) return faults->error();
  auto plan = make_plan(**faults, (*data)->size(), scenario.unit_samples, where);
  if (!plan) return plan.error();
  return Inputs{scenario, std::move(*data), std::move(*model), std::move(**faults), *plan};
}

}  // namespace bitquake::engine
