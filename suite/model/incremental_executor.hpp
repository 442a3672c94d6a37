#pragma once

#include "suite/model/execution.hpp"
#include "suite/model/incremental_plan.hpp"
#include "suite/model/model.hpp"

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace bitquake::model {

/// Computes only what a fault changes, with the bits of the reference executor. A trial is a row:
/// the boxes of values in which it differs from the golden run of its sample. It starts at its
/// fault, walks through the steps of the plan by itself where a step is cheap, waits at the others
/// until enough rows are there for a batch, and ends when no value differs any more. Trials and
/// models that this cannot do exactly (see IncrementalPlan::obstacle) are left to the reference
/// executor.
class IncrementalExecutor : public Executor {
 public:
  IncrementalExecutor(std::shared_ptr<const IncrementalPlan> plan, const IncrementalParts& parts);
  ~IncrementalExecutor() override;
  std::unique_ptr<GoldenBlock> golden(std::span<const float> inputs) override;
  std::vector<TrialResult> trials(const GoldenBlock& block, std::span<const Trial> trials) override;
  Trace trace(const GoldenBlock& block, const Trial& trial) override;
  std::optional<Work> work() const override { return work_; }
  void count_work() override { work_.emplace(); }

 private:
  std::shared_ptr<const IncrementalPlan> plan_;
  IncrementalParts parts_;
  std::unique_ptr<Executor> reference_;
  std::optional<Work> work_;
};

}  // namespace bitquake::model
