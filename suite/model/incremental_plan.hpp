#pragma once

#include "suite/model/execution.hpp"
#include "suite/model/reference_executor.hpp"
#include "suite/model/region.hpp"
#include "suite/model/row_kernel.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace bitquake::model {

/// Registers of a convolution or linear layer whose parameters are constant.
struct Layer {
  std::uint32_t input = 0, weight = 0;
  std::optional<std::uint32_t> bias;
};

/// A two-dimensional convolution.
struct Convolution : Layer {
  std::vector<std::int64_t> stride, padding, dilation;
  std::int64_t groups = 1;
  Slide y, x;
  RowShape in, out;
};

/// A linear layer on vectors.
struct Linear : Layer {
  std::int64_t in = 0, out = 0;
};

/// One instruction as the incremental executor sees it.
struct WaveStep {
  enum class Kind : std::uint8_t {
    skip,    ///< gives the same for every row: nothing to do when a row differs from golden
    row,     ///< a row kernel
    join,    ///< concatenation of channels
    alias,   ///< the same values in another shape
    region,  ///< windows of a convolution, or of an element-wise operator, several rows at once
    dense,   ///< the operator on whole rows, several rows at once
    alarm,   ///< a guard looks at what has changed
  };
  Kind kind = Kind::dense;
  const Instruction* instruction = nullptr;
  std::vector<std::uint32_t> operands;  ///< registers that hold values of the batch
  std::vector<std::uint32_t> dead;      ///< registers that no later step reads
  std::unique_ptr<RowKernel> kernel;
  std::optional<Convolution> convolution;
  std::optional<Linear> linear;
  std::optional<std::uint32_t> site;
  std::uint64_t multiply_adds = 0;  ///< of one inference
  std::string reason;               ///< why dense

  /// The layer, when the step is one: convolution or linear must be there.
  const Layer& layer() const { return linear ? static_cast<const Layer&>(*linear) : *convolution; }
  std::int64_t output_channels() const { return linear ? linear->out : convolution->out.c; }
};

/// What is known of a register that depends on the batch.
struct RegisterInfo {
  bool data = false;
  std::optional<RowShape> shape;       ///< of a plain tensor; none: lists, other types or layouts
  bool kept = false;                   ///< the golden run keeps it
  std::uint64_t row_bytes = 0;         ///< of one row, all its tensors
  std::optional<std::uint32_t> point;  ///< monitored point
  std::optional<std::uint32_t> maker;  ///< the step that gives it
};

/// A Program prepared for incremental execution: what each step does to a difference, and which
/// kernels have been found bit-equal. Shared by all executors of a model; thread-safe.
class IncrementalPlan {
 public:
  /// Runs one batch and tries row kernels. Throws what operators throw.
  explicit IncrementalPlan(std::shared_ptr<const PreparedModel> model);

  const PreparedModel& model() const { return *model_; }
  const std::vector<WaveStep>& steps() const { return steps_; }
  const RegisterInfo& info(std::uint32_t index) const { return registers_[index]; }
  /// Why this model can only be run as a whole; empty otherwise.
  const std::string& obstacle() const { return obstacle_; }
  /// Registers with parameters and what is computed from them alone.
  const Registers& constants() const { return constants_; }
  /// Values that are no rows of the batch but depend on its shape.
  const Registers& example() const { return example_; }
  /// At most, of one row of a golden batch.
  std::uint64_t kept_bytes() const { return kept_bytes_; }
  std::uint64_t multiply_adds() const { return multiply_adds_; }

  std::optional<std::uint32_t> step_of_site(std::uint32_t site) const;
  /// Steps whose operators a fault in a parameter makes faulty: convolutions and linear layers that
  /// read it as their weight or bias. Empty when faults in it are left to the reference executor.
  const std::vector<std::uint32_t>& steps_of_parameter(std::uint32_t index) const;
  /// Whether faults in a register can begin a row: it has a shape, and its golden values are kept
  /// or golden_maker() gives them.
  bool can_start(std::uint32_t index) const { return registers_[index].shape.has_value(); }
  /// The step with an element-wise kernel that computes golden values of a register that is not
  /// kept from those of its operand.
  const WaveStep& golden_maker(std::uint32_t index) const {
    return steps_[registers_[index].maker.value()];
  }

  /// Whether windows of `size` outputs of a step give the bits of the whole. Tried at the first
  /// call.
  bool window_works(std::uint32_t step, std::int64_t size, bool prepared) const;
  /// Number of output channels computed together for faulty filters, found bit-equal; 0: none.
  std::int64_t channel_block(std::uint32_t step) const;
  /// Runs windows [rows, c, h, w], padding included, of a region step.
  at::Tensor run_window(std::uint32_t step, const at::Tensor& windows, bool prepared) const;
  /// Runs filters [k, …] with biases on whole inputs [rows, …] of a step.
  /// @param bias  undefined when the layer has none
  at::Tensor run_filters(std::uint32_t step, const at::Tensor& input, const at::Tensor& weight,
                         const at::Tensor& bias) const;
  std::vector<SiteExecution> explain(const IncrementalParts& parts) const;

 private:
  void classify(const Registers& after);
  void describe_convolution(WaveStep& step, const Registers& after) const;
  void describe_linear(WaveStep& step, const Registers& after) const;
  void choose_kind(WaveStep& step, const Registers& after);
  void find_dead();
  void find_kept();
  void keep_for_faults(std::uint32_t index);
  /// The operator of an instruction with one batch operand, on other values of it.
  at::Tensor run_on(const Instruction& instruction, const at::Tensor& batch) const;
  bool try_window(std::uint32_t step, std::int64_t size, bool prepared) const;
  bool try_channels(std::uint32_t step, std::int64_t block) const;

  std::shared_ptr<const PreparedModel> model_;
  std::vector<WaveStep> steps_;
  std::vector<RegisterInfo> registers_;
  Registers constants_, example_;
  std::string obstacle_;
  std::uint64_t kept_bytes_ = 0, multiply_adds_ = 0;
  std::map<std::uint32_t, std::uint32_t> step_of_site_;
  std::map<std::uint32_t, std::vector<std::uint32_t>> steps_of_parameter_;

  /// Experiments made so far, one lock for each step.
  struct Tried {
    std::mutex mutex;
    std::map<std::pair<std::int64_t, bool>, bool> windows;
    std::optional<std::int64_t> channels;
    at::Tensor prepared_weight;
  };
  mutable std::vector<std::unique_ptr<Tried>> tried_;
};

}  // namespace bitquake::model
