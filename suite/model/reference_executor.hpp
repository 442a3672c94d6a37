#pragma once

#include "suite/model/load.hpp"
#include "suite/model/model.hpp"
#include "suite/model/program.hpp"

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bitquake::model {

/// No site: not a number of one.
inline constexpr std::uint32_t kNoSite = 0xffffffff;

/// A Program together with what is known about its sites and points at one input shape. Immutable
/// after load; shared by all executors.
struct PreparedModel {
  explicit PreparedModel(Program p) : program(std::move(p)) {}

  Program program;
  std::int64_t rows = 1;  ///< samples per inference
  std::vector<std::int64_t> input_shape;
  std::uint64_t input_elements = 0;
  std::size_t classes = 0;
  Monitor monitor = Monitor::all;

  std::vector<faultgen::Site> sites;
  std::vector<Point> points;
  /// Sites of an instruction by its executions within one inference (a loop runs it several times);
  /// kNoSite where an execution gives no fp32 values.
  std::unordered_map<const torch::jit::Node*, std::vector<std::uint32_t>> sites_of;
  std::vector<std::uint32_t> weight_register;  ///< by site; meaningful where the site has weights
  std::vector<std::uint32_t> parameter_point;  ///< by site, likewise
  std::vector<std::uint32_t> site_point;       ///< by site: point of the injected value
  std::unordered_map<std::uint32_t, std::uint32_t> point_of;  ///< register -> module output point
  std::uint32_t output_point = 0;
};

/// Which trials with weight faults share an inference.
enum class WeightTrials : std::uint8_t {
  alone,        ///< none: Execution::reference
  same_faults,  ///< those whose faults are equal, one row each: Execution::batched
};

/// Runs the whole network for every trial and applies the fault in place: slow, obviously right;
/// the oracle that other executors are compared with. Neuron trials share a batch, one trial per
/// row.
class ReferenceExecutor : public Executor {
 public:
  explicit ReferenceExecutor(std::shared_ptr<const PreparedModel> model,
                             WeightTrials weight_trials = WeightTrials::alone);
  std::unique_ptr<GoldenBlock> golden(std::span<const float> inputs) override;
  std::vector<TrialResult> trials(const GoldenBlock& block, std::span<const Trial> trials) override;
  Trace trace(const GoldenBlock& block, const Trial& trial) override;

 private:
  std::shared_ptr<const PreparedModel> model_;
  WeightTrials weight_trials_;
};

}  // namespace bitquake::model
