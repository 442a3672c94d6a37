#include "suite/model/row_check.hpp"

#include "suite/base/rng.hpp"

#include <ATen/quantized/Quantizer.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

namespace bitquake::model {
namespace {

namespace prim = c10::prim;

/// A change to the rows of a batch: row i becomes row `source[i]`, or a row of extreme values.
struct Disturbance {
  static constexpr std::int64_t kExtreme = -1;
  std::vector<std::int64_t> source;
};

std::vector<Disturbance> disturbances(std::int64_t rows) {
  std::vector<std::int64_t> identity(static_cast<std::size_t>(rows));
  std::iota(identity.begin(), identity.end(), 0);
  const auto rotated = [&](std::int64_t by) {
    Disturbance d{identity};
    std::rotate(d.source.begin(), d.source.begin() + by, d.source.end());
    return d;
  };
  Disturbance reversed{identity};
  std::reverse(reversed.source.begin(), reversed.source.end());
  Disturbance odd_extreme{identity}, even_extreme{identity};
  for (std::size_t i = 0; i < identity.size(); ++i) {
    (i % 2 == 0 ? even_extreme : odd_extreme).source[i] = Disturbance::kExtreme;
  }
  return {rotated(1), rotated(rows / 2), reversed, odd_extreme, even_extreme};
}

at::Tensor extreme_like(const at::Tensor& row, std::size_t which) {
  static constexpr std::array kExtremes{1e38, -1e38, std::numeric_limits<double>::infinity(),
                                        -std::numeric_limits<double>::infinity(),
                                        std::numeric_limits<double>::quiet_NaN()};
  // Integers have no such values, and out-of-range ones would be invalid indices.
  if (!row.is_floating_point()) return row;
  return at::full_like(row, kExtremes[which % kExtremes.size()]);
}

/// A quantised tensor like another, with stored values `steps`, wrapped to 8 bits.
at::Tensor with_steps(const at::Tensor& tensor, const at::Tensor& steps) {
  const bool is_signed = tensor.scalar_type() == at::kQInt8;
  at::Tensor stored = steps.to(at::kInt).bitwise_and(255);
  if (is_signed) stored = stored - 128;
  stored = stored.to(at::toUnderlying(tensor.scalar_type()));
  return copy_of(tensor).copy_(
      at::_make_per_tensor_quantized_tensor(stored, tensor.q_scale(), tensor.q_zero_point()));
}

at::Tensor disturb(const at::Tensor& batch, std::int64_t rows, const Disturbance& how) {
  std::vector<at::Tensor> blocks;
  for (std::size_t i = 0; i < how.source.size(); ++i) {
    const std::int64_t source = how.source[i];
    blocks.push_back(source == Disturbance::kExtreme
                         ? extreme_like(one_row(batch, rows, static_cast<std::int64_t>(i)), i)
                         : one_row(batch, rows, source));
  }
  return join_rows(blocks);
}

/// Whether `disturbed` holds the rows of `original` where the disturbance moved them, bit by bit.
bool rows_kept(const at::Tensor& original, const at::Tensor& disturbed, std::int64_t rows,
               const Disturbance& how) {
  if (original.sizes() != disturbed.sizes()) return false;
  for (std::size_t i = 0; i < how.source.size(); ++i) {
    if (how.source[i] == Disturbance::kExtreme) continue;
    if (!same_bits(one_row(original, rows, how.source[i]),
                   one_row(disturbed, rows, static_cast<std::int64_t>(i)))) {
      return false;
    }
  }
  return true;
}

/// Equal up to rounding: the same function, computed in another order.
bool nearly_equal(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return false;
  if (a.is_quantized()) {  // one step of the scale is rounding, too
    const bool one_scale = a.quantizer()->equalTo(b.quantizer());
    const auto steps = [](const at::Tensor& tensor) { return tensor.int_repr().to(at::kDouble); };
    return one_scale && at::allclose(steps(a), steps(b), /*rtol=*/0, /*atol=*/1);
  }
  if (!a.is_floating_point()) return same_bits(a, b);
  const at::Tensor x = a.to(at::kDouble), y = b.to(at::kDouble);
  const double scale = x.numel() == 0 ? 0 : x.abs().max().item<double>();
  return at::allclose(x, y, /*rtol=*/1e-4, /*atol=*/1e-5 * scale, /*equal_nan=*/true);
}

enum class Verdict { independent, row_by_row, impossible };

bool is_mutable(const Instruction& step) {
  const auto* schema = step.node->maybeSchema();
  return schema != nullptr && schema->is_mutable();
}

bool yields_tensors(const Instruction& step) {
  return std::all_of(step.node->outputs().begin(), step.node->outputs().end(),
                     [](const auto* v) { return v->type()->isSubtypeOf(*c10::TensorType::get()); });
}

/// Whether an operator reads a value, be it out of a tuple.
bool is_read(const torch::jit::Value* value) {
  const auto reads = [](const torch::jit::Use& use) {
    if (use.user->kind() != prim::TupleConstruct) return true;
    const auto& tuple_uses = use.user->output()->uses();
    return std::any_of(tuple_uses.begin(), tuple_uses.end(), [&](const torch::jit::Use& next) {
      if (next.user->kind() == prim::TupleUnpack) return is_read(next.user->outputs()[use.offset]);
      if (next.user->kind() != prim::TupleIndex) return true;
      const auto index = torch::jit::toIValue(next.user->input(1));
      return !index || index->toInt() < 0 ||
             index->toInt() == static_cast<std::int64_t>(use.offset);
    });
  };
  return std::any_of(value->uses().begin(), value->uses().end(), reads);
}

/// Outputs that something reads: the last states of an LSTM are laid out otherwise than its output,
/// which matters to their readers only.
std::vector<std::size_t> used_outputs(const Instruction& step) {
  std::vector<std::size_t> used;
  for (std::size_t i = 0; i < step.outputs.size(); ++i) {
    if (is_read(step.node->outputs()[i])) used.push_back(i);
  }
  return used;
}

/// Examines instructions one after the other while the program runs.
class Examiner {
 public:
  Examiner(const Program& program, std::int64_t rows)
      : program_(program), rows_(rows), disturbances_(disturbances(rows)) {}

  void examine(const Instruction& step, Registers& registers) {
    // In-place operators have overwritten their input by now; the check of the whole network covers
    // them, as it does list and tuple bookkeeping.
    if (step.kind != Instruction::Kind::operation || !step.from_data || is_mutable(step) ||
        builds_container(*step.node) || step.node->kind() == prim::TupleIndex ||
        !yields_tensors(step) || step.outputs.empty()) {
      return;
    }
    Verdict& verdict = verdicts_[step.node];
    verdict = std::max(verdict, judge(step, registers));
  }

  /// Sets the flags; the operator that cannot keep its rows apart, if there is one.
  std::optional<std::string> apply(CodeBlock& block, std::vector<std::string>& row_by_row) const {
    for (Instruction& step : block.code) {
      for (CodeBlock& inner : step.blocks) {
        if (auto culprit = apply(inner, row_by_row)) return culprit;
      }
      const auto found = verdicts_.find(step.node);
      if (found == verdicts_.end() || found->second == Verdict::independent) continue;
      if (found->second == Verdict::impossible) return step.node->kind().toQualString();
      step.row_by_row = true;
      step.batched = batched_.at(step.node);
      row_by_row.push_back(step.node->kind().toQualString());
    }
    return std::nullopt;
  }

 private:
  Verdict judge(const Instruction& step, const Registers& registers) {
    std::vector<bool> batched;
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      const c10::IValue& value = registers[step.inputs[i]];
      bool has_tensor = false, rows_everywhere = true;
      map_tensors(value, [&](const at::Tensor& tensor) {
        has_tensor = true;
        rows_everywhere &= has_rows(tensor, rows_);
        return tensor;
      });
      const bool data = has_tensor && from_data(step, i);
      if (data && !rows_everywhere) return Verdict::impossible;
      batched.push_back(data);
    }
    const std::vector<std::size_t> used = used_outputs(step);
    if (used.empty()) return Verdict::independent;
    for (const std::size_t i : used) {
      if (!has_rows(registers[step.outputs[i]].toTensor(), rows_)) return Verdict::impossible;
    }
    const Registers values = with_test_values(step, registers, batched);
    const std::vector<at::Tensor> original =
        rerun(step, values, batched, [](const at::Tensor& tensor) { return tensor; });
    const bool independent =
        std::all_of(disturbances_.begin(), disturbances_.end(), [&](const Disturbance& how) {
          const auto disturbed = rerun(step, values, batched, [&](const at::Tensor& tensor) {
            return disturb(tensor, rows_, how);
          });
          for (std::size_t i = 0; i < original.size(); ++i) {
            if (!rows_kept(original[i], disturbed[i], rows_, how)) return false;
          }
          return true;
        });
    if (independent && equal_rows_stay_equal(step, values, batched, original)) {
      return Verdict::independent;
    }
    return row_by_row_works(step, values, batched, original) ? Verdict::row_by_row
                                                             : Verdict::impossible;
  }

  static bool from_data(const Instruction& step, std::size_t input) {
    return step.data_inputs[input];
  }

  /// Activations of the run may hide everything: behind a dead ReLU all of them are zero.
  static Registers with_test_values(const Instruction& step, const Registers& registers,
                                    const std::vector<bool>& batched) {
    Registers values = registers;
    std::uint32_t salt = 0;
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      if (!batched[i]) continue;
      values[step.inputs[i]] =
          map_tensors(registers[step.inputs[i]], [&](const at::Tensor& tensor) {
            // Integers may be indices.
            if (!tensor.is_floating_point() && !tensor.is_quantized()) return tensor;
            const at::Tensor test = at::empty(tensor.sizes(), at::kFloat);
            fill_test_values(test, ++salt);
            return tensor.is_quantized() ? with_steps(tensor, (test + 2) * 64)
                                         : copy_of(tensor).copy_(test);
          });
    }
    return values;
  }

  std::vector<at::Tensor> rerun(const Instruction& step, const Registers& registers,
                                const std::vector<bool>& batched,
                                const std::function<at::Tensor(const at::Tensor&)>& change) const {
    torch::jit::Stack stack;
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      const c10::IValue& value = registers[step.inputs[i]];
      stack.push_back(batched[i] ? map_tensors(value, change) : value);
    }
    step.operation(stack);
    std::vector<at::Tensor> outputs;
    for (const std::size_t i : used_outputs(step)) outputs.push_back(stack[i].toTensor());
    return outputs;
  }

  /// Products of matrices add in an order that can depend on the row; with few outputs and short
  /// sums few values show it.
  static bool is_small_product(const Instruction& step, const at::Tensor& output) {
    constexpr std::int64_t kSmall = 16384;
    static const std::set<std::string> kProducts{
        "aten::linear",      "aten::addmm",           "aten::matmul", "aten::mm",
        "aten::bmm",         "aten::baddbmm",         "aten::lstm",   "aten::gru",
        "quantized::linear", "quantized::linear_relu"};
    return output.numel() <= kSmall && kProducts.count(step.node->kind().toQualString()) > 0;
  }

  /// Few values of few elements show that what a vector leaves is computed by another function
  /// (kLargestStride), so many are tried.
  bool equal_rows_stay_equal(const Instruction& step, const Registers& registers,
                             const std::vector<bool>& batched,
                             const std::vector<at::Tensor>& original) const {
    constexpr int kValues = 64;
    const auto first =
        static_cast<std::size_t>(std::find(batched.begin(), batched.end(), true) - batched.begin());
    if (first == batched.size() || !registers[step.inputs[first]].isTensor()) return true;
    const at::Tensor input = registers[step.inputs[first]].toTensor();
    const bool leaves_rest =
        input.sizes() == original[0].sizes() && input.numel() % kLargestStride != 0;
    const bool has_values = input.is_floating_point() || input.is_quantized();
    if (!has_values || !(leaves_rest || is_small_product(step, original[0]))) return true;
    for (int value = 0; value < kValues; ++value) {
      const std::int64_t row = value % rows_;
      // Beyond the range of steps kernels convert as they like.
      const bool far = original[0].is_quantized() && value % 2 == 1;
      const double scale = far ? std::ldexp(1.0, 2 * value) : 1.0 + value / 32.0;
      const auto outputs = rerun(step, registers, batched, [&](const at::Tensor& tensor) {
        const at::Tensor one = one_row(tensor, rows_, row);
        const at::Tensor other = one.is_quantized() ? with_steps(one, one.int_repr() + 4 * value)
                                 : one.is_floating_point() ? one * scale
                                                           : one;
        return join_rows(std::vector<at::Tensor>(static_cast<std::size_t>(rows_), other));
      });
      for (const at::Tensor& output : outputs) {
        for (std::int64_t i = 1; i < rows_; ++i) {
          if (!same_bits(one_row(output, rows_, 0), one_row(output, rows_, i))) return false;
        }
      }
    }
    return true;
  }

  bool row_by_row_works(const Instruction& step, const Registers& registers,
                        const std::vector<bool>& batched, const std::vector<at::Tensor>& original) {
    Instruction single = step;
    single.row_by_row = true;
    single.batched = batched;
    single.watched = false;
    Registers copy = registers;
    try {
      program_.execute(single, copy, rows_, nullptr);
    } catch (const std::exception&) {
      return false;  // the operation does not take a batch of one
    }
    const std::vector<std::size_t> used = used_outputs(step);
    for (std::size_t i = 0; i < original.size(); ++i) {
      if (!nearly_equal(original[i], copy[step.outputs[used[i]]].toTensor())) return false;
    }
    batched_[step.node] = batched;
    return true;
  }

  const Program& program_;
  std::int64_t rows_;
  std::vector<Disturbance> disturbances_;
  std::map<const torch::jit::Node*, Verdict> verdicts_;
  std::map<const torch::jit::Node*, std::vector<bool>> batched_;
};

void watch_all(CodeBlock& block, bool watched) {
  for (Instruction& step : block.code) {
    step.watched = watched;
    for (CodeBlock& inner : step.blocks) watch_all(inner, watched);
  }
}

void clear_row_by_row(CodeBlock& block) {
  for (Instruction& step : block.code) {
    step.row_by_row = false;
    for (CodeBlock& inner : step.blocks) clear_row_by_row(inner);
  }
}

at::Tensor run_once(const Program& program, const at::Tensor& input, std::int64_t rows,
                    const Program::Hook& hook = nullptr) {
  Registers registers = program.registers();
  const c10::IValue output = program.run(registers, input, rows, hook);
  return output.isTensor() ? output.toTensor() : at::Tensor();
}

/// The whole network under every disturbance of its input.
bool whole_is_independent(const Program& program, const at::Tensor& input, std::int64_t rows) {
  const at::Tensor original = run_once(program, input, rows);
  if (!original.defined() || !has_rows(original, rows)) return false;
  for (const Disturbance& how : disturbances(rows)) {
    const at::Tensor disturbed = run_once(program, disturb(input, rows, how), rows);
    if (!rows_kept(original, disturbed, rows, how)) return false;
  }
  return true;
}

/// First line: scripted models add an excerpt of their source.
std::string message(const std::exception& error) {
  const std::string text = error_text(error);
  return text.substr(0, text.find('\n'));
}

}  // namespace

at::Tensor check_input(const std::vector<std::int64_t>& input_shape, std::int64_t rows) {
  std::vector<std::int64_t> shape{rows};
  shape.insert(shape.end(), input_shape.begin(), input_shape.end());
  at::Tensor input = at::empty(shape, at::kFloat);
  const std::int64_t elements = input.numel() / rows;
  float* out = input.data_ptr<float>();
  for (std::int64_t row = 0; row < rows; ++row) {
    Draws draws(0, Stream::check_input, static_cast<std::uint64_t>(row));
    for (std::int64_t i = 0; i < elements; ++i) {
      *out++ = static_cast<float>(draws.uniform() * 4.0 - 2.0);
    }
  }
  return input;
}

void fill_test_values(const at::Tensor& tensor, std::uint32_t salt) {
  float* out = tensor.data_ptr<float>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    std::uint32_t h = static_cast<std::uint32_t>(i) * 0x9E3779B9U + salt;
    h ^= h >> 15;
    h *= 0x85EBCA6BU;
    h ^= h >> 13;
    h *= 0xC2B2AE35U;
    h ^= h >> 16;
    out[i] = static_cast<float>(h >> 8) * 0x1p-22F - 2.0F;
  }
}

Result<Batching> choose_batching(Program& program, const std::vector<std::int64_t>& input_shape,
                                 std::int64_t padded_batch, const std::string& where) {
  const auto single = [&](std::string reason) -> Result<Batching> {
    clear_row_by_row(program.code());
    try {
      run_once(program, check_input(input_shape, 1), 1);
    } catch (const std::exception& error) {
      return Error{
          Errc::model, where,
          fmt::format("does not run on an input of shape 1x{}: {}", fmt::join(input_shape, "x"),
                      message(error)),
          "check the input shape (channels, height, width) the model was made for; the input of "
          "this check has values in [-2, 2)",
          ""};
    }
    return Batching{1, std::move(reason), {}};
  };
  if (padded_batch == 1) return single("");
  if (program.values_steer()) {
    return single("the model decides by values of the batch, so rows influence each other");
  }
  const at::Tensor input = check_input(input_shape, padded_batch);
  Examiner examiner(program, padded_batch);
  watch_all(program.code(), true);
  try {
    run_once(program, input, padded_batch, [&](const Instruction& step, Registers& registers) {
      examiner.examine(step, registers);
    });
  } catch (const std::exception& error) {
    watch_all(program.code(), false);
    return single("the batch dimension is baked into the model: " + message(error));
  }
  watch_all(program.code(), false);
  Batching batching{padded_batch, "", {}};
  if (const auto culprit = examiner.apply(program.code(), batching.row_by_row)) {
    return single("rows of a batch are mixed or laid out differently by " + *culprit);
  }
  if (!whole_is_independent(program, input, padded_batch)) {
    return single("rows of a batch influence each other");
  }
  return batching;
}

}  // namespace bitquake::model
