#pragma once

#include "datasets/dataset.hpp"
#include "faultgen/fault_set.hpp"
#include "suite/base/result.hpp"
#include "suite/engine/plan.hpp"
#include "suite/model/model.hpp"
#include "suite/scenario/scenario.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bitquake::engine {

/// How a scenario's model is loaded, with or without a protection: suite/cli passes the TorchScript
/// loader, tests a toy model.
using ModelLoader = std::function<Result<std::shared_ptr<const model::Model>>(
    const scenario::Scenario&, const model::Protection&)>;

/// A modified network of a campaign.
struct Modified {
  std::shared_ptr<const model::Model> model;
  std::int32_t first_guard = 0;  ///< row of /guards that its guards begin at
};

/// Everything a campaign works on, opened and checked against each other.
struct Inputs {
  scenario::Scenario scenario;
  std::shared_ptr<const datasets::Dataset> data;
  std::shared_ptr<const model::Model> model;
  faultgen::FaultSet faults;
  Plan plan;
  /// Variants 1, 2, … of the plan; variant 0 is `model`. All have its sites and points.
  std::vector<Modified> modified{};

  const model::Model& variant(std::uint32_t number) const {
    return number == 0 ? *model : *modified[number - 1].model;
  }
  /// Row of /guards in trials.h5.
  std::int32_t guard_row(std::uint32_t number, std::uint32_t guard) const {
    return (number == 0 ? 0 : modified[number - 1].first_guard) + static_cast<std::int32_t>(guard);
  }
};

/// The data set of a scenario, subset applied. Errc::data.
Result<std::shared_ptr<const datasets::Dataset>> open_data(const scenario::Scenario& scenario);

/// A sample of the data, its image prepared (datasets/geometry.hpp). None when the image cannot be
/// read and the scenario skips such samples: then `unreadable` says why, "file: reason". Throws
/// Exception (data). Thread-safe.
std::optional<datasets::Sample> read_sample(const scenario::Scenario& scenario,
                                            const datasets::Dataset& data, std::uint64_t position,
                                            std::string& unreadable);

/// Samples from the start of the data by which int8 scales of activations and tolerances of
/// checksums are calibrated, not perturbed.
inline constexpr std::uint64_t kCalibrationSamples = 64;

/// Network input of those samples. Throws Exception (data).
std::vector<float> first_inputs(const scenario::Scenario& scenario, const datasets::Dataset& data);

/// Draws the fault set a scenario describes, for a model and the data's samples. Errc::fault_set;
/// Errc::data when samples are needed and cannot be read.
Result<faultgen::FaultSet> draw_fault_set(const scenario::Scenario& scenario,
                                          const model::Model& model, const datasets::Dataset& data);

/// make_plan with what a scenario says.
/// @param where  names the fault set in messages
Result<Plan> plan_of(const scenario::Scenario& scenario, const faultgen::FaultSet& faults,
                     std::uint64_t samples, const std::string& where);

/// Opens data and model, reads or draws the fault set, and checks that they fit: corruptions
/// against their baseline, first sample against the perturbations and the input shape, fault set
/// against model and number of samples.
Result<Inputs> prepare(const scenario::Scenario& scenario, const ModelLoader& load_model);

}  // namespace bitquake::engine
