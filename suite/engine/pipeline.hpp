#pragma once

#include "suite/engine/unit.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

namespace bitquake::engine {

/// Runs `units` on `threads` workers: decode and inference in parallel, `write` one unit at a time
/// in the order given. Setting `stop` ends it early: units already begun are finished and written.
/// The first exception of any stage is rethrown once the others have come to rest.
void run_pipeline(const Inputs& inputs, const std::vector<std::uint64_t>& units, unsigned threads,
                  const std::atomic<bool>& stop, const std::function<void(UnitRows)>& write);

}  // namespace bitquake::engine
