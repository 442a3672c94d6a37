#pragma once

#include "suite/engine/perturb.hpp"
#include "suite/model/bounds.hpp"
#include "suite/model/model.hpp"

#include <cstdint>
#include <functional>

namespace bitquake::engine {

/// Bounds of all sites with neurons, from fault-free runs of all samples of the data. Samples are
/// not perturbed: bounds are learned from clean data, and what they do on degraded data is a
/// question to a campaign. The result is the same for any number of threads.
/// @param data      as open_data gives it
/// @param progress  called with (samples done, all samples) after each inference, one call at a
/// time Throws Exception: data for a sample that cannot be read (unless the scenario skips those),
/// model where the network fails on one.
Readable<model::Bounds> measure_bounds(
    const scenario::Scenario& scenario, const datasets::Dataset& data, const model::Model& model,
    unsigned threads, const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace bitquake::engine
