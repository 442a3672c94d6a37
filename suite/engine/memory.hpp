#pragma once

#include "suite/base/error.hpp"
#include "suite/engine/prepare.hpp"
#include "suite/model/execution.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace bitquake::engine {

/// How many work units may be live at once. A live unit holds its samples as network input, twice,
/// and what the model keeps of their golden runs, whose last batch is padded; the scenario's memory
/// budget is for all of them together.
struct MemoryPlan {
  std::uint64_t budget_bytes = 0;
  std::uint64_t input_bytes = 0;  ///< of one sample of a live unit, > 0
  model::KeptActivations kept;
  std::uint64_t unit_samples = 0;  ///< of the largest unit
  std::uint64_t units = 0;         ///< of the campaign
  unsigned threads = 1;

  /// Rows of the golden batches of a unit.
  std::uint64_t unit_rows() const;
  std::uint64_t unit_bytes() const {
    return unit_samples * input_bytes + unit_rows() * kept.row_bytes;
  }
  std::uint64_t fitting_units() const { return budget_bytes / unit_bytes(); }
  /// Twice as many units as workers, so that one unit's end does not wait for another's, where the
  /// budget lets them; at least 1.
  std::uint64_t live_units() const;

  /// What is wrong when not even one unit fits (Errc::scenario at `where`), with the values that
  /// would fit.
  std::optional<Error> error(const std::string& where) const;
  /// That threads idle for want of memory, and what would keep them busy; none when none does.
  std::optional<std::string> notice() const;
  /// For people, on one line.
  std::string text() const;
};

MemoryPlan plan_memory(const Inputs& inputs, unsigned threads,
                       const model::ExecutionOptions& execution);
/// The same for the execution of the scenario.
MemoryPlan plan_memory(const Inputs& inputs, unsigned threads);

}  // namespace bitquake::engine
