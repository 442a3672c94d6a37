#pragma once

#include "suite/engine/unit.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace bitquake::engine {

/// What is done with each unit, on any worker: run_unit, or golden runs alone. Thread-safe.
using Work = std::function<UnitRows(const Inputs&, const UnitInput&, Executors&)>;

/// Makes the input of a unit: decode_unit, or samples chosen otherwise. Thread-safe.
using Decode = std::function<UnitInput(const Inputs&, std::uint64_t unit)>;

struct PipelineOptions {
  unsigned threads = 1;                                ///< workers
  std::optional<model::ExecutionOptions> execution{};  ///< none: the scenario's
};

/// Runs `units` on some workers: decode and work in parallel, `write` one unit at a time in the
/// order given. Not more units are live at once than the memory budget holds, but one always is.
/// Setting `stop` ends it early: units already begun are finished and written. The first exception
/// of any stage is rethrown once the others have come to rest.
void run_pipeline(const Inputs& inputs, const std::vector<std::uint64_t>& units,
                  const PipelineOptions& options, const Work& work, const std::atomic<bool>& stop,
                  const std::function<void(UnitRows)>& write,
                  const Decode& decode_input = decode_unit);

}  // namespace bitquake::engine
