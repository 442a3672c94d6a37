#include "suite/model/incremental_plan.hpp"

#include "suite/base/rng.hpp"
#include "suite/model/row_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <set>
#include <utility>

namespace bitquake::model {
namespace {

namespace prim = c10::prim;

std::string name_of(const Instruction& step) { return step.node->kind().toQualString(); }

bool holds_tensor(const c10::IValue& value) {
  bool found = false;
  map_tensors(value, [&](const at::Tensor& tensor) {
    found = true;
    return tensor;
  });
  return found;
}

/// Operators whose result has the values of its input in the same order.
bool keeps_order(const std::string& name) {
  static const std::set<std::string> kNames{
      "aten::flatten", "aten::view",   "aten::reshape",   "aten::dropout", "aten::contiguous",
      "aten::squeeze", "aten::detach", "aten::unsqueeze", "aten::alias",   "aten::feature_dropout"};
  return kNames.count(name) > 0;
}

/// Operators that treat every element alike, so that windows of them make sense.
bool is_elementwise(const std::string& name) {
  static const std::set<std::string> kNames{
      "aten::sigmoid", "aten::tanh", "aten::silu",     "aten::gelu",        "aten::elu",
      "aten::exp",     "aten::sqrt", "aten::softplus", "aten::hardsigmoid", "aten::mish",
      "aten::selu",    "aten::celu", "aten::abs",      "aten::neg",         "aten::log",
      "aten::erf",     "aten::pow",  "aten::rsqrt",    "aten::square",      "aten::log_sigmoid"};
  return kNames.count(name) > 0;
}

std::vector<std::int64_t> two(const c10::IValue& value, std::int64_t standard) {
  std::vector<std::int64_t> list = value.isInt() ? std::vector{value.toInt()} : value.toIntVector();
  if (list.empty()) list.push_back(standard);
  if (list.size() == 1) list.push_back(list[0]);
  return list;
}

/// Odd rows become extreme: they must not reach their neighbours.
void make_odd_rows_extreme(const at::Tensor& batch) {
  static constexpr std::array kExtremes{1e38F, std::numeric_limits<float>::infinity(),
                                        std::numeric_limits<float>::quiet_NaN(), -1e38F};
  for (std::int64_t row = 1; row < batch.size(0); row += 2) {
    batch.select(0, row).fill_(kExtremes[static_cast<std::size_t>(row / 2) % kExtremes.size()]);
  }
}

bool equal_even_rows(const at::Tensor& a, const at::Tensor& b) {
  for (std::int64_t row = 0; row < a.size(0); row += 2) {
    if (!same_bits(a.select(0, row), b.select(0, row))) return false;
  }
  return true;
}

}  // namespace

IncrementalPlan::IncrementalPlan(std::shared_ptr<const PreparedModel> model)
    : model_(std::move(model)) {
  const Program& program = model_->program;
  Registers after = program.registers();
  constants_ = after;
  const at::Tensor input = check_input(model_->input_shape, model_->rows);
  after[program.input_register()] = input;
  const Program::Hook hook = [](const Instruction&, Registers&) {};
  for (const Instruction& step : program.code().code) {
    program.execute(step, after, model_->rows, hook);
    if (step.from_data) continue;
    for (const std::uint32_t index : step.outputs) constants_[index] = after[index];
  }
  registers_.resize(after.size());
  registers_[program.input_register()] = {
      true, row_shape(input, model_->rows), true, model_->input_elements * sizeof(float), {}, {}};
  if (!registers_[program.input_register()].shape) obstacle_ = "the input is no image or vector";
  example_.resize(after.size());
  classify(after);
  const auto& output = registers_[program.output_register()];
  if (obstacle_.empty() && (!output.data || !output.shape)) {
    obstacle_ = "the output is not laid out in rows";
  }
  find_dead();
  find_kept();
  for (std::size_t i = 0; i < steps_.size(); ++i) tried_.push_back(std::make_unique<Tried>());
}

void IncrementalPlan::classify(const Registers& after) {
  const Program& program = model_->program;
  if (program.values_steer()) obstacle_ = "values of the batch steer the program";
  std::set<std::uint32_t> parameters;
  for (const auto& [key, spot] : model_->spots) {
    if (faultgen::is_parameter(key.second)) parameters.insert(spot.index);
  }
  std::set<std::uint32_t> unreachable;  // those with a use in no plain layer
  for (const Instruction& instruction : program.code().code) {
    if (!instruction.from_data) {
      for (const std::uint32_t index : instruction.inputs) {
        if (parameters.count(index) > 0) unreachable.insert(index);
      }
      continue;
    }
    WaveStep step;
    step.instruction = &instruction;
    const auto number = static_cast<std::uint32_t>(steps_.size());
    for (std::size_t i = 0; i < instruction.inputs.size(); ++i) {
      if (registers_[instruction.inputs[i]].data) step.operands.push_back(instruction.inputs[i]);
    }
    bool tensors = false;
    for (const std::uint32_t index : instruction.outputs) tensors |= holds_tensor(after[index]);
    const auto sites = model_->sites_of.find(instruction.node);
    if (sites != model_->sites_of.end()) {
      if (sites->second.size() != 1) {
        obstacle_ = "a site runs several times";
      } else if (sites->second[0] != kNoSite) {
        step.site = sites->second[0];
        step_of_site_[*step.site] = number;
      }
    }
    const auto* schema = instruction.node->maybeSchema();
    if (schema != nullptr && schema->is_mutable()) {
      obstacle_ = fmt::format("{} writes to its input", name_of(instruction));
    }
    if (!instruction.blocks.empty() && tensors) {
      obstacle_ = "control flow computes values";
    }
    for (const std::uint32_t index : instruction.outputs) {
      if (instruction.alarm) break;  // alarms are no values
      map_tensors(after[index], [&](const at::Tensor& tensor) {
        if (tensor.is_quantized()) obstacle_ = "values are quantised";
        return tensor;
      });
      RegisterInfo& info = registers_[index];
      info.data = tensors && holds_tensor(after[index]);
      info.maker = number;
      if (info.data) info.shape = row_shape(after[index], model_->rows);
      const auto point = model_->point_of.find(index);
      if (point != model_->point_of.end()) info.point = point->second;
      if (!info.data) example_[index] = after[index];
      if (info.data) {
        map_tensors(after[index], [&](const at::Tensor& tensor) {
          info.row_bytes += tensor.nbytes() / static_cast<std::uint64_t>(model_->rows);
          return tensor;
        });
      }
      if (info.data && !info.shape) {
        map_tensors(after[index], [&](const at::Tensor& tensor) {
          if (!tensor.is_non_overlapping_and_dense() && tensor.numel() > 0) {
            for (std::int64_t d = 0; d < tensor.dim(); ++d) {
              if (tensor.size(d) > 1 && tensor.stride(d) == 0) {
                obstacle_ = fmt::format("{} repeats values in memory", name_of(instruction));
              }
            }
          }
          return tensor;
        });
      }
    }
    if (!tensors || step.operands.empty()) {
      step.kind = WaveStep::Kind::skip;
    } else if (instruction.alarm) {
      step.kind = WaveStep::Kind::alarm;
      for (const std::uint32_t index : step.operands) {
        if (!registers_[index].shape) obstacle_ = "a guard watches what is no row of values";
      }
    } else if (obstacle_.empty()) {
      choose_kind(step, after);
    }
    for (std::size_t i = 0; i < instruction.inputs.size(); ++i) {
      const std::uint32_t index = instruction.inputs[i];
      if (parameters.count(index) == 0) continue;
      const bool layer = step.convolution || step.linear;
      const bool plain = layer && ((step.layer().weight == index && i == 1) ||
                                   (step.layer().bias == index && i == 2));
      plain ? steps_of_parameter_[index].push_back(number) : void(unreachable.insert(index));
    }
    multiply_adds_ += step.multiply_adds;
    steps_.push_back(std::move(step));
  }
  for (const std::uint32_t index : unreachable) steps_of_parameter_.erase(index);
}

void IncrementalPlan::describe_convolution(WaveStep& step, const Registers& after) const {
  const Instruction& instruction = *step.instruction;
  const std::string name = name_of(instruction);
  const bool general = name == "aten::_convolution" || name == "aten::convolution";
  if (!general && name != "aten::conv2d") return;
  const auto value = [&](std::size_t i) -> const c10::IValue& {
    return after[instruction.inputs[i]];
  };
  const auto& in = registers_[instruction.inputs[0]];
  const auto& out = registers_[instruction.outputs[0]];
  if (!in.shape || !out.shape || value(0).toTensor().dim() != 4) return;
  if (!value(1).isTensor() || value(1).toTensor().dim() != 4) return;
  if (registers_[instruction.inputs[1]].data || registers_[instruction.inputs[2]].data) return;
  if (general && value(6).toBool()) return;
  if (!general && value(4).isString()) return;
  Convolution c;
  c.input = instruction.inputs[0];
  c.weight = instruction.inputs[1];
  if (value(2).isTensor() && value(2).toTensor().defined()) c.bias = instruction.inputs[2];
  c.stride = two(value(3), 1);
  c.padding = two(value(4), 0);
  c.dilation = two(value(5), 1);
  c.groups = value(general ? 8 : 6).toInt();
  c.in = *in.shape;
  c.out = *out.shape;
  const at::Tensor weight = value(1).toTensor();
  c.y = {weight.size(2), c.stride[0], c.padding[0], c.dilation[0], c.in.h, c.out.h};
  c.x = {weight.size(3), c.stride[1], c.padding[1], c.dilation[1], c.in.w, c.out.w};
  step.multiply_adds = static_cast<std::uint64_t>(c.out.elements() * weight.numel() / c.out.c);
  step.convolution = c;
}

void IncrementalPlan::describe_linear(WaveStep& step, const Registers& after) const {
  const Instruction& instruction = *step.instruction;
  const std::string name = name_of(instruction);
  if (name != "aten::linear" && name != "aten::addmm") return;
  const bool swapped = name == "aten::addmm";  // (bias, x, weight transposed)
  const std::uint32_t input = instruction.inputs[swapped ? 1 : 0];
  const std::uint32_t weight = instruction.inputs[swapped ? 2 : 1];
  if (!registers_[input].shape || !after[weight].isTensor() || registers_[weight].data) return;
  const auto& out = registers_[instruction.outputs[0]].shape;
  if (!out) return;
  const std::int64_t numel = after[weight].toTensor().numel();
  const std::int64_t last = after[instruction.outputs[0]].toTensor().size(-1);
  step.multiply_adds = static_cast<std::uint64_t>(out->elements() / last * numel);
  if (swapped || after[input].toTensor().dim() != 2) return;
  Linear l;
  l.input = input;
  l.weight = weight;
  const c10::IValue& bias = after[instruction.inputs[2]];
  if (registers_[instruction.inputs[2]].data) return;
  if (bias.isTensor() && bias.toTensor().dim() != 1) return;
  if (bias.isTensor() && bias.toTensor().defined()) l.bias = instruction.inputs[2];
  l.in = after[weight].toTensor().size(1);
  l.out = after[weight].toTensor().size(0);
  step.linear = l;
}

void IncrementalPlan::choose_kind(WaveStep& step, const Registers& after) {
  const Instruction& instruction = *step.instruction;
  const std::string name = name_of(instruction);
  const auto& first_out = registers_[instruction.outputs[0]];
  describe_convolution(step, after);
  describe_linear(step, after);
  if (instruction.row_by_row) {
    step.reason = "runs row by row";
    return;
  }
  if (step.convolution) {
    step.kind = WaveStep::Kind::region;
    return;
  }
  if (instruction.node->kind() == prim::ListConstruct) {
    // A list that only a concatenation reads needs no values of its own.
    const auto& uses = instruction.node->output()->uses();
    if (uses.size() == 1 && uses[0].user->kind() == c10::aten::cat) {
      step.kind = WaveStep::Kind::skip;
      return;
    }
  }
  if (name == "aten::cat") {
    const auto* list = instruction.node->input(0)->node();
    const auto made = std::find_if(steps_.begin(), steps_.end(), [&](const WaveStep& s) {
      return s.instruction->node == list && s.kind == WaveStep::Kind::skip;
    });
    if (made != steps_.end()) {
      const auto& parts = made->instruction->inputs;
      const bool fits = first_out.shape && after[instruction.inputs[1]].toInt() == 1 &&
                        std::all_of(parts.begin(), parts.end(), [&](std::uint32_t index) {
                          const RegisterInfo& part = registers_[index];
                          return part.data && part.shape && part.shape->h == first_out.shape->h &&
                                 part.shape->w == first_out.shape->w;
                        });
      if (fits) {
        step.kind = WaveStep::Kind::join;
        step.operands = parts;
        return;
      }
      // Then the list itself has to be made.
      made->kind = WaveStep::Kind::dense;
      registers_[made->instruction->outputs[0]].shape.reset();
    }
  }
  if (keeps_order(name) && step.operands.size() == 1 && first_out.shape &&
      registers_[step.operands[0]].shape &&
      same_bits(after[step.operands[0]].toTensor().reshape({-1}),
                after[instruction.outputs[0]].toTensor().reshape({-1}))) {
    step.kind = WaveStep::Kind::alias;
    return;
  }
  if (auto found = make_row_operation(instruction, after, model_->rows)) {
    step.kind = WaveStep::Kind::row;
    step.kernel = std::move(found->kernel);
    step.operands = std::move(found->operands);
    return;
  }
  if (is_elementwise(name) && step.operands.size() == 1 && instruction.outputs.size() == 1 &&
      first_out.shape && registers_[step.operands[0]].shape == first_out.shape &&
      after[instruction.outputs[0]].toTensor().dim() == 4) {
    step.kind = WaveStep::Kind::region;
    return;
  }
  step.reason = fmt::format("no rule for windows of {}", name);
}

void IncrementalPlan::find_dead() {
  std::map<std::uint32_t, std::size_t> last;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].kind == WaveStep::Kind::skip) continue;
    for (const std::uint32_t index : steps_[i].operands) last[index] = i;
    for (const std::uint32_t index : steps_[i].instruction->outputs) {
      if (registers_[index].data) last[index] = i;
    }
  }
  last.erase(model_->program.output_register());
  for (const auto& [index, step] : last) steps_[step].dead.push_back(index);
}

/// Values before an element-wise row kernel, or that a guard compares with its bounds, are never
/// looked up in the golden run, unless faults or other steps need them.
void IncrementalPlan::find_kept() {
  for (const WaveStep& step : steps_) {
    if (step.kind == WaveStep::Kind::skip) continue;
    const bool elementwise = step.kind == WaveStep::Kind::alarm ||
                             (step.kind == WaveStep::Kind::row && step.kernel->elementwise());
    const bool looks_up = !elementwise || step.operands.size() != 1;
    for (const std::uint32_t index : step.operands) registers_[index].kept |= looks_up;
  }
  registers_[model_->program.input_register()].kept = true;
  registers_[model_->program.output_register()].kept = true;
  for (const auto& [key, spot] : model_->spots) {
    if (!faultgen::is_parameter(key.second) && can_start(spot.index)) keep_for_faults(spot.index);
  }
  for (RegisterInfo& info : registers_) info.kept |= model_->deviation && info.point.has_value();
  for (std::uint32_t i = 0; i < registers_.size(); ++i) {
    const RegisterInfo& info = registers_[i];
    // Those that share memory count twice: an upper bound.
    if (info.data && info.kept) kept_bytes_ += info.row_bytes;
  }
}

/// Faults need the golden values of what they hit: kept, or computed again where that is cheap.
void IncrementalPlan::keep_for_faults(std::uint32_t index) {
  while (!registers_[index].kept) {
    const WaveStep& maker = golden_maker(index);
    const bool cheap = maker.kind == WaveStep::Kind::row && maker.kernel->elementwise() &&
                       maker.operands.size() == 1;
    if (!cheap) {
      registers_[index].kept = true;
      return;
    }
    index = maker.operands[0];
  }
}

std::optional<std::uint32_t> IncrementalPlan::step_of_site(std::uint32_t site) const {
  const auto found = step_of_site_.find(site);
  return found == step_of_site_.end() ? std::nullopt : std::optional(found->second);
}

const std::vector<std::uint32_t>& IncrementalPlan::steps_of_parameter(std::uint32_t index) const {
  static const std::vector<std::uint32_t> kNone;
  const auto found = steps_of_parameter_.find(index);
  return found == steps_of_parameter_.end() ? kNone : found->second;
}

at::Tensor IncrementalPlan::run_on(const Instruction& instruction, const at::Tensor& batch) const {
  torch::jit::Stack stack;
  for (const std::uint32_t index : instruction.inputs) {
    stack.push_back(registers_[index].data       ? c10::IValue(batch)
                    : constants_[index].isNone() ? example_[index]
                                                 : constants_[index]);
  }
  instruction.operation(stack);
  return stack[0].toTensor();
}

at::Tensor IncrementalPlan::run_window(std::uint32_t number, const at::Tensor& windows,
                                       bool prepared) const {
  const WaveStep& step = steps_[number];
  if (!step.convolution) {
    return run_on(*step.instruction, windows);
  }
  const Convolution& c = *step.convolution;
  const at::Tensor bias = c.bias ? constants_[*c.bias].toTensor() : at::Tensor();
  const at::Tensor& weight = constants_[c.weight].toTensor();
  const std::vector<std::int64_t> none{0, 0};
  if (prepared) {
    Tried& tried = *tried_[number];
    // Made before the first window that uses it, under the lock of window_works().
    return at::mkldnn_convolution(windows, tried.prepared_weight, bias, none, c.stride, c.dilation,
                                  c.groups);
  }
  return at::convolution(windows, weight, bias, c.stride, none, c.dilation, false, {0, 0},
                         c.groups);
}

bool IncrementalPlan::window_works(std::uint32_t number, std::int64_t size, bool prepared) const {
  Tried& tried = *tried_[number];
  const std::lock_guard lock(tried.mutex);
  const auto [found, is_new] = tried.windows.try_emplace({size, prepared}, false);
  if (is_new) {
    try {
      const WaveStep& step = steps_[number];
      if (prepared && !tried.prepared_weight.defined() && step.convolution) {
        const Convolution& c = *step.convolution;
        const std::vector<std::int64_t> none{0, 0};
        tried.prepared_weight = at::mkldnn_reorder_conv2d_weight(
            constants_[c.weight].toTensor().to_mkldnn(), none, c.stride, c.dilation, c.groups);
      }
      found->second = !(prepared && !step.convolution) && try_window(number, size, prepared);
    } catch (const std::exception&) {
      found->second = false;  // the operator refuses this shape
    }
  }
  return found->second;
}

bool IncrementalPlan::try_window(std::uint32_t number, std::int64_t size, bool prepared) const {
  const WaveStep& step = steps_[number];
  const Instruction& instruction = *step.instruction;
  const RowShape in = *registers_[step.operands[0]].shape;
  const RowShape out = *registers_[instruction.outputs[0]].shape;
  const std::int64_t rows = model_->rows;
  constexpr std::int64_t kEnough = 8192, kMostPlaces = 1024;
  if (!step.convolution) {
    // The elements that a vector leaves over (kLargestStride) differ in the last bit of few values
    // only: too few to be found by trying.
    const std::int64_t window = rows * out.c * std::min(size, out.h) * std::min(size, out.w);
    if (rows * out.elements() % kLargestStride != 0 || window % kLargestStride != 0) return false;
  }
  const Slide sy = step.convolution ? step.convolution->y : Slide{.in = in.h, .out = out.h};
  const Slide sx = step.convolution ? step.convolution->x : Slide{.in = in.w, .out = out.w};
  const std::int64_t wy = std::min(size, out.h), wx = std::min(size, out.w);
  at::Tensor input = at::empty({rows, in.c, in.h, in.w});
  for (std::uint32_t round = 0; round < 2; ++round) {
    fill_test_values(input, number * 64 + round);
    if (round == 1) make_odd_rows_extreme(input);
    const at::Tensor whole = run_on(instruction, input);
    // Corners, edges and inside, each row another place; then anywhere, because a narrow layer has
    // few values in a window, and at an edge they may come from padding alone.
    Draws draws(0, Stream::check_input, (std::uint64_t{2} << 40) + number * 8 + round);
    std::int64_t places = 0;
    for (std::int64_t compared = 0; places < 9 || (compared < kEnough && places < kMostPlaces);
         places += rows, compared += rows * out.c * wy * wx) {
      std::vector<at::Tensor> windows, wanted;
      for (std::int64_t row = 0; row < rows; ++row) {
        const std::int64_t place = places + row;
        const auto pick = [&](std::int64_t last, std::int64_t third) {
          if (place >= 18)
            return static_cast<std::int64_t>(draws.below(static_cast<std::uint64_t>(last + 1)));
          return std::array<std::int64_t, 3>{0, last, last / 2}[static_cast<std::size_t>(third)];
        };
        const std::int64_t y = pick(out.h - wy, place % 3), x = pick(out.w - wx, place / 3 % 3);
        const Range ry = sy.reads({y, y + wy}), rx = sx.reads({x, x + wx});
        const Range iy = intersect(ry, {0, in.h}), ix = intersect(rx, {0, in.w});
        at::Tensor window = at::zeros({1, in.c, ry.size(), rx.size()});
        if (!iy.empty() && !ix.empty()) {
          window.slice(2, iy.low - ry.low, iy.high - ry.low)
              .slice(3, ix.low - rx.low, ix.high - rx.low)
              .copy_(input.narrow(0, row, 1).slice(2, iy.low, iy.high).slice(3, ix.low, ix.high));
        }
        windows.push_back(window);
        wanted.push_back(whole.narrow(0, row, 1).slice(2, y, y + wy).slice(3, x, x + wx));
      }
      const at::Tensor got = run_window(number, at::cat(windows, 0), prepared);
      const at::Tensor want = at::cat(wanted, 0);
      if (!got.is_contiguous()) return false;
      if (round == 0 ? !same_bits(got, want) : !equal_even_rows(got, want)) return false;
    }
  }
  return true;
}

at::Tensor IncrementalPlan::run_filters(std::uint32_t number, const at::Tensor& input,
                                        const at::Tensor& weight, const at::Tensor& bias) const {
  const WaveStep& step = steps_[number];
  if (step.linear) return at::linear(input, weight, bias);
  const Convolution& c = *step.convolution;
  return at::convolution(input, weight, bias, c.stride, c.padding, c.dilation, false, {0, 0},
                         c.groups);
}

std::int64_t IncrementalPlan::channel_block(std::uint32_t number) const {
  const WaveStep& step = steps_[number];
  if (step.instruction->row_by_row || (!step.linear && !step.convolution)) return 0;
  if (step.convolution && step.convolution->groups != 1) return 0;
  const std::int64_t channels = step.output_channels();
  Tried& tried = *tried_[number];
  const std::lock_guard lock(tried.mutex);
  if (!tried.channels) {
    tried.channels = 0;
    for (const std::int64_t block : {16, 32, 64, 128, 256}) {
      if (2 * block > channels && block != 16) break;
      if (block >= channels) break;
      if (try_channels(number, block)) {
        tried.channels = block;
        break;
      }
    }
  }
  return *tried.channels;
}

bool IncrementalPlan::try_channels(std::uint32_t number, std::int64_t block) const {
  const WaveStep& step = steps_[number];
  const Layer& layer = step.layer();
  const at::Tensor& weight = constants_[layer.weight].toTensor();
  const at::Tensor bias = layer.bias ? constants_[*layer.bias].toTensor() : at::Tensor();
  std::vector<std::int64_t> shape{model_->rows};
  const RowShape in = *registers_[step.operands[0]].shape;
  if (step.linear) {
    shape.push_back(in.c);
  } else {
    shape.insert(shape.end(), {in.c, in.h, in.w});
  }
  at::Tensor input = at::empty(shape);
  for (std::uint32_t round = 0; round < 3; ++round) {
    fill_test_values(input, number * 64 + 32 + round);
    if (round == 1) make_odd_rows_extreme(input);
    const at::Tensor whole = run_filters(number, input, weight, bias);
    Draws draws(0, Stream::check_input, (std::uint64_t{1} << 40) + number * 8 + round);
    std::vector<std::int64_t> picks;
    for (std::int64_t i = 0; i < block; ++i) {
      picks.push_back(
          static_cast<std::int64_t>(draws.below(static_cast<std::uint64_t>(weight.size(0)))));
    }
    const at::Tensor chosen = at::tensor(picks, at::kLong);
    const at::Tensor biases = bias.defined() ? bias.index_select(0, chosen) : at::Tensor();
    const at::Tensor got = run_filters(number, input, weight.index_select(0, chosen), biases);
    const at::Tensor want = whole.index_select(1, chosen);
    if (round == 1 ? !equal_even_rows(got, want) : !same_bits(got, want)) return false;
  }
  return true;
}

std::vector<SiteExecution> IncrementalPlan::explain(const IncrementalParts& parts) const {
  std::vector<SiteExecution> all;
  for (std::uint32_t site = 0; site < model_->sites.size(); ++site) {
    const auto spot = [&](faultgen::Target target) -> const Spot* {
      const auto found = model_->spots.find({site, target});
      return found == model_->spots.end() ? nullptr : &found->second;
    };
    const Spot* neuron = spot(faultgen::Target::neuron);
    const Spot* weight = spot(faultgen::Target::weight);
    SiteExecution entry{site, neuron != nullptr ? "reference" : "", "", obstacle_};
    if (weight != nullptr) entry.weight_fault = "reference";
    const auto number = step_of_site(site);
    if (obstacle_.empty() && number && neuron != nullptr && can_start(neuron->index)) {
      const WaveStep& step = steps_[*number];
      entry.neuron_fault = step.kind == WaveStep::Kind::row ? "row" : "dense";
      entry.reason = step.reason;
      if (parts.region && step.kind == WaveStep::Kind::region) {
        const RowShape out = *registers_[step.instruction->outputs[0]].shape;
        const std::int64_t limit = std::max(out.h, out.w);
        std::int64_t widest = 0;
        for (std::int64_t size = 1; size < limit && size <= 64; ++size) {
          if (window_size(size, limit) != size) continue;
          if (!window_works(*number, size, false)) {
            entry.reason = fmt::format("windows of {} are not bit-equal", size);
            continue;
          }
          widest = size;
        }
        if (widest > 0)
          entry.neuron_fault =
              fmt::format("region to {}x{} of {}x{}", widest, widest, out.h, out.w);
      }
      if (weight != nullptr && !steps_of_parameter(weight->index).empty()) {
        const std::int64_t block = parts.channel ? channel_block(*number) : 0;
        entry.weight_fault = block > 0 ? fmt::format("channel, {} at once", block) : "layer";
      }
    }
    all.push_back(std::move(entry));
  }
  return all;
}

}  // namespace bitquake::model
