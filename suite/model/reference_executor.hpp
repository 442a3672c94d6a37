#pragma once

#include "suite/model/load.hpp"
#include "suite/model/model.hpp"
#include "suite/model/program.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bitquake::model {

/// No site: not a number of one.
inline constexpr std::uint32_t kNoSite = 0xffffffff;
/// The site of kind `input`.
inline constexpr std::uint32_t kInputSite = 0;

/// Where faults of one target go at one site.
struct Spot {
  std::uint32_t index = 0;  ///< register
  std::uint32_t point = 0;  ///< monitored point of the values they leave behind
};

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
  bool deviation = false;         ///< TrialResult::deviations are wanted
  std::uint64_t point_bytes = 0;  ///< values of module outputs and the final output, of a sample

  std::vector<faultgen::Site> sites;
  std::vector<Point> points;
  /// Sites of an instruction by its executions within one inference (a loop runs it several times);
  /// kNoSite where an execution gives no fp32 values.
  std::unordered_map<const torch::jit::Node*, std::vector<std::uint32_t>> sites_of;
  /// By site and target, where the site has elements of the target.
  std::map<std::pair<std::uint32_t, faultgen::Target>, Spot> spots;
  std::set<std::uint32_t> quantised;  ///< sites whose output holds quantised values
  std::unordered_map<std::uint32_t, std::uint32_t> point_of;  ///< register -> module output point
  std::uint32_t output_point = 0;

  std::vector<PlacedGuard> guards;  ///< by number
  struct Code {
    std::uint32_t number = 0;  ///< of the guard
    WeightGuard guard;
  };
  std::map<std::uint32_t, Code> codes;  ///< by register of the parameter

  /// @pre  require_hittable() has found nothing
  const Spot& spot(const faultgen::Fault& fault) const {
    return spots.at({fault.site, fault.target});
  }
};

/// Throws Exception (internal) where a fault has nothing to hit: no such site, no tensor of its
/// target there, or no such element. A set that faultgen::check_fits accepts has no such fault.
void require_hittable(const PreparedModel& model, std::span<const faultgen::Fault> faults);

/// Which trials with faults in parameters share an inference.
enum class WeightTrials : std::uint8_t {
  alone,        ///< none: Execution::reference
  same_faults,  ///< those whose faults are equal, one row each: Execution::batched
};

/// Model::observe of a prepared model.
void observe(const PreparedModel& model, faultgen::Target target, std::span<const float> inputs,
             const Watcher& watch);

/// Model::largest_deviations of a prepared model.
std::vector<float> largest_deviations(const PreparedModel& model, std::span<const float> inputs);

/// Runs the whole network for every trial and applies the fault in place: slow, obviously right;
/// the oracle that other executors are compared with. Trials with sound parameters share a batch,
/// one trial per row.
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
