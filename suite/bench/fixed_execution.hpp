#pragma once

#include "suite/model/model.hpp"

#include <memory>
#include <optional>

namespace bitquake::bench {

/// Work summed over executors; from one thread at a time.
struct WorkTotal {
  std::optional<model::Work> work;  ///< none: nobody counted
};

/// A model whose trials are computed in one way, whatever the scenario says: so that all ways run
/// the same scenario and must leave the same bytes. Only the reference executor is handed out when
/// it is asked for: the audit does.
/// @param inner    the model
/// @param options  the way
/// @param total    none, or where the executors add the work they counted when they end; then they
///                 are slower, and may not end at the same time
std::shared_ptr<const model::Model> fix_execution(std::shared_ptr<const model::Model> inner,
                                                  const model::ExecutionOptions& options,
                                                  WorkTotal* total = nullptr);

}  // namespace bitquake::bench
