#pragma once

#include "suite/engine/prepare.hpp"
#include "suite/model/load.hpp"

namespace bitquake::engine {

/// Loads the TorchScript model that a scenario names, for prepare(). Whoever calls it links
/// bitquake::model; it is defined here because the engine itself is free of Torch.
inline ModelLoader torch_loader() {
  return [](const scenario::Scenario& scenario, const model::Protection& protection) {
    return model::load({.file = scenario.resolve(scenario.model.file),
                        .input_shape = scenario.model.input,
                        .padded_batch = scenario.padded_batch,
                        .monitor = scenario.monitor == scenario::MonitorScope::all
                                       ? model::Monitor::all
                                       : model::Monitor::output,
                        .deviation = scenario.deviation,
                        .protection = protection});
  };
}

}  // namespace bitquake::engine
