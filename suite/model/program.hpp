#pragma once

#include "faultgen/fault_space.hpp"
#include "suite/model/guard.hpp"
#include "suite/model/lowering.hpp"

#include <torch/script.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::model {

/// Registers of one run; a worker owns its own, so a substituted weight is visible to it alone.
using Registers = std::vector<c10::IValue>;

struct CodeBlock;

/// One step of a Program.
struct Instruction {
  enum class Kind : std::uint8_t { operation, branch, loop, raise, copy };
  Kind kind = Kind::operation;
  const torch::jit::Node* node = nullptr;
  std::function<void(torch::jit::Stack&)> operation;
  std::vector<std::uint32_t> inputs;
  std::vector<std::uint32_t> outputs;
  std::vector<std::uint32_t> dead;  ///< registers without a later use; top level only
  std::vector<CodeBlock> blocks;
  bool from_data = false;         ///< an input depends on the sample batch
  std::vector<bool> data_inputs;  ///< which inputs depend on the sample batch
  bool watched = false;           ///< hooks are called after it
  bool row_by_row = false;        ///< its rows are not independent in a batch: run one by one
  std::vector<bool> batched;      ///< row_by_row: which inputs hold one block per row
  /// Of steps that a protection inserted: the bounds of the values in inputs[0].
  std::shared_ptr<const GuardRule> guard;
  /// Of those that compare inputs[0] with inputs[1]: the channels they look at; none: all.
  std::shared_ptr<const ChannelChoice> compared;
  /// Number of the guard for which this step says, in a bool tensor [rows], who raises an alarm.
  std::optional<std::uint32_t> alarm;
  /// Number of the guard that alone reads what this step gives.
  std::optional<std::uint32_t> computed_for;
};

struct CodeBlock {
  std::vector<Instruction> code;
  std::vector<std::uint32_t> inputs, outputs;
};

/// An operation a fault can be injected in, as found in the code: the site of each of its
/// executions.
struct SiteInstruction {
  const torch::jit::Node* node = nullptr;
  std::string path;
  faultgen::SiteKind kind = faultgen::SiteKind::conv2d;
  std::uint32_t output = 0;            ///< register
  std::optional<std::uint32_t> input;  ///< register it reads, when that depends on the batch
  std::map<faultgen::Target, std::uint32_t> parameters;  ///< registers, of those that are such
  struct Recurrent {
    std::string path;
    std::uint32_t weight = 0;  ///< register
  };
  std::vector<Recurrent> recurrent;  ///< weights of an LSTM or GRU
};

/// A TorchScript module as a straight list of instructions over registers. Parameters are registers
/// filled before the run: a weight fault is another tensor in one register of one worker. Immutable
/// once loaded; run() may be called from many threads with registers of their own.
/// Results are bit-equal to Module::forward as long as no instruction is row_by_row.
class Program {
 public:
  /// Called after each watched instruction with the registers it has just written, or before it;
  /// may replace them.
  using Hook = std::function<void(const Instruction&, Registers&)>;

  static Result<Program> build(LoweredGraph lowered, const std::string& where);

  /// Registers with parameters and constants in place.
  Registers registers() const { return initial_; }

  /// Runs the whole network. Exceptions of operators pass through.
  /// @param registers  of this worker; as registers() gave them, weights replaced at will
  /// @param input      [batch, …]
  /// @param rows       batch size, for row_by_row instructions
  /// @param hook       called after each watched instruction; not empty
  /// @param before     called before each of them, unless empty
  c10::IValue run(Registers& registers, const at::Tensor& input, std::int64_t rows,
                  const Hook& hook, const Hook& before = nullptr) const;

  /// The instruction of a node, in blocks too.
  /// @pre  the node has one
  const Instruction& instruction_of(const torch::jit::Node* node) const;
  std::uint32_t add_register();
  /// A node that is no part of the graph: gives an instruction a name, or another one like `node`.
  torch::jit::Node* make_node(const std::string& kind);
  torch::jit::Node* clone_node(const torch::jit::Node* node);
  /// Puts `steps` right behind the instruction of `node`; all else that reads register `from` reads
  /// `to` from now on.
  void insert_behind(const torch::jit::Node* node, std::vector<Instruction> steps,
                     std::uint32_t from, std::uint32_t to);

  CodeBlock& code() { return code_; }
  const CodeBlock& code() const { return code_; }
  const std::vector<SiteInstruction>& site_instructions() const { return sites_; }
  /// Module call that a register leaves, if any.
  const std::unordered_map<std::uint32_t, std::string>& module_outputs() const {
    return module_outputs_;
  }
  /// Parameters and buffers in use, by path.
  const std::vector<std::pair<std::string, at::Tensor>>& parameters() const { return parameters_; }
  /// Operators with matrices or kernels of their own in which no fault can be injected: those that
  /// are no sites, and those that are.
  const std::set<std::string>& operators_without_site() const { return operators_without_site_; }
  const std::set<std::string>& sites_without_weight() const { return sites_without_weight_; }
  std::uint32_t input_register() const { return input_; }
  std::uint32_t output_register() const { return code_.outputs.front(); }
  /// A control decision or a number is taken from the values of the batch: rows influence each
  /// other.
  bool values_steer() const { return values_steer_; }
  /// Some operators run on LibTorch's quantised engine.
  bool quantised() const { return quantised_; }

  /// Executes one instruction (blocks included) on `registers`.
  void execute(const Instruction& instruction, Registers& registers, std::int64_t rows,
               const Hook& hook, const Hook& before = nullptr) const;

  Program(Program&&) = default;
  Program& operator=(Program&&) = default;

 private:
  Program() = default;
  friend class ProgramBuilder;
  void find_dead();
  void run_block(const CodeBlock& block, Registers& registers, std::int64_t rows, const Hook& hook,
                 const Hook& before) const;

  std::shared_ptr<torch::jit::Graph> graph_;  ///< keeps the nodes alive
  Registers initial_;
  std::vector<std::pair<std::string, at::Tensor>> parameters_;
  CodeBlock code_;
  std::uint32_t input_ = 0;
  bool clone_input_ = false;
  bool values_steer_ = false;
  bool quantised_ = false;
  std::vector<SiteInstruction> sites_;
  std::set<std::string> operators_without_site_, sites_without_weight_;
  std::unordered_map<std::uint32_t, std::string> module_outputs_;
};

/// The value with `function` applied to each tensor in it: in lists, tuples and dictionaries,
/// however deep. Undefined tensors and other values are unchanged.
c10::IValue map_tensors(const c10::IValue& value,
                        const std::function<at::Tensor(const at::Tensor&)>& function);

/// Rows [row] of a batch tensor whose leading dimension is a multiple of `rows`, as a batch of one.
at::Tensor one_row(const at::Tensor& batch, std::int64_t rows, std::int64_t row);

/// Blocks of rows one behind the other. Unlike at::cat it copies quantised values as they are
/// stored. Throws std::runtime_error where their scales differ.
at::Tensor join_rows(const std::vector<at::Tensor>& blocks);

/// Equal shape, type, quantisation and bits; the memory layout does not count.
bool same_bits(const at::Tensor& a, const at::Tensor& b);

/// A copy in the same memory layout, which kernels choose by; contiguous where elements share
/// memory.
at::Tensor copy_of(const at::Tensor& tensor);

/// What an operator's exception says, without addresses.
std::string error_text(const std::exception& error);

/// Whether a tensor holds `rows` equal blocks along its leading dimension.
bool has_rows(const at::Tensor& tensor, std::int64_t rows);

}  // namespace bitquake::model
