#include "suite/model/row_kernel.hpp"

#include "suite/base/rng.hpp"
#include "suite/model/row_loops.hpp"

#include <c10/util/strides.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <utility>

namespace bitquake::model {

namespace jit = torch::jit;

Axis::Axis(std::vector<Range> reads, std::int64_t in)
    : reads_(std::move(reads)), reached_(static_cast<std::size_t>(in)) {
  for (std::size_t o = 0; o < reads_.size(); ++o) {
    const Range output{static_cast<std::int64_t>(o), static_cast<std::int64_t>(o) + 1};
    for (std::int64_t i = reads_[o].low; i < reads_[o].high; ++i) {
      auto& reached = reached_[static_cast<std::size_t>(i)];
      reached = unite(reached, output);
    }
  }
}

Axis Axis::same(std::int64_t size) { return sliding({.in = size, .out = size}); }

Axis Axis::sliding(const Slide& slide) {
  std::vector<Range> reads;
  for (std::int64_t o = 0; o < slide.out; ++o) {
    const Range range = intersect(slide.reads({o, o + 1}), {0, slide.in});
    reads.push_back(range.empty() ? Range{} : range);
  }
  return Axis(std::move(reads), slide.in);
}

Range Axis::reads(const Range& outputs) const {
  Range all;
  for (std::int64_t o : {outputs.low, outputs.high - 1}) all = unite(all, read(o));
  return all;
}

Range Axis::reached(const Range& inputs) const {
  Range all;
  for (std::int64_t i = inputs.low; i < inputs.high; ++i) {
    all = unite(all, reached_[static_cast<std::size_t>(i)]);
  }
  return all;
}

namespace {

/// Elements one by one; `loop` works on contiguous values.
class Elementwise : public RowKernel {
 public:
  using Loop = std::function<void(const float* const*, float*, std::int64_t)>;
  Elementwise(const RowShape& shape, bool keeps_finite, Loop loop)
      : RowKernel(Axis::same(shape.h), Axis::same(shape.w)),
        keeps_finite_(keeps_finite),
        loop_(std::move(loop)) {}
  bool elementwise() const override { return true; }
  bool keeps_finite() const override { return keeps_finite_; }
  void run(std::span<const float* const> in, const Box&, const Box& out_box,
           float* out) const override {
    loop_(in.data(), out, out_box.elements());
  }

 private:
  bool keeps_finite_;
  Loop loop_;
};

/// Batch normalisation with fixed statistics: x * scale[c] + shift[c].
class ScaleShift : public RowKernel {
 public:
  ScaleShift(const RowShape& shape, std::vector<float> scale, std::vector<float> shift, bool fused)
      : RowKernel(Axis::same(shape.h), Axis::same(shape.w)),
        scale_(std::move(scale)),
        shift_(std::move(shift)),
        fused_(fused) {}
  bool elementwise() const override { return true; }
  void run(std::span<const float* const> in, const Box&, const Box& box,
           float* out) const override {
    const std::int64_t plane = box.y.size() * box.x.size();
    const auto loop = fused_ ? loops::scale_shift_fused : loops::scale_shift;
    const float* values = in[0];
    for (std::int64_t c = box.c.low; c < box.c.high; ++c, values += plane, out += plane) {
      const auto i = static_cast<std::size_t>(c);
      loop(values, scale_[i], shift_[i], out, plane);
    }
  }

 private:
  std::vector<float> scale_, shift_;
  bool fused_;
};

/// One output position from the range of inputs along both axes.
class Pool : public RowKernel {
 public:
  using RowKernel::RowKernel;
  void run(std::span<const float* const> in, const Box& in_box, const Box& box,
           float* out) const override {
    const std::int64_t width = in_box.x.size(), plane = in_box.y.size() * width;
    for (std::int64_t c = box.c.low; c < box.c.high; ++c) {
      const float* map = in[0] + (c - in_box.c.low) * plane;
      for (std::int64_t oy = box.y.low; oy < box.y.high; ++oy) {
        const Range ys = y().read(oy);
        for (std::int64_t ox = box.x.low; ox < box.x.high; ++ox) {
          const Range xs = x().read(ox);
          const float* first = map + (ys.low - in_box.y.low) * width + (xs.low - in_box.x.low);
          *out++ = pool(first, width, ys.size(), xs.size(), oy, ox);
        }
      }
    }
  }

 protected:
  virtual float pool(const float* first, std::int64_t width, std::int64_t height_read,
                     std::int64_t width_read, std::int64_t oy, std::int64_t ox) const = 0;
};

class MaxPool : public Pool {
 public:
  using Pool::Pool;
  bool keeps_finite() const override { return true; }

 private:
  float pool(const float* first, std::int64_t width, std::int64_t h, std::int64_t w, std::int64_t,
             std::int64_t) const override {
    float best = -std::numeric_limits<float>::infinity();
    for (std::int64_t i = 0; i < h; ++i) {
      for (std::int64_t j = 0; j < w; ++j) {
        const float value = first[i * width + j];
        if (value > best || std::isnan(value)) best = value;
      }
    }
    return best;
  }
};

class AveragePool : public Pool {
 public:
  /// What the sum is divided by: first by `first`, then by `second`.
  struct Divisor {
    float first = 1, second = 1;
  };
  using Divide = std::function<Divisor(std::int64_t oy, std::int64_t ox)>;
  AveragePool(Axis y, Axis x, Divide divide)
      : Pool(std::move(y), std::move(x)), divide_(std::move(divide)) {}

 private:
  float pool(const float* first, std::int64_t width, std::int64_t h, std::int64_t w,
             std::int64_t oy, std::int64_t ox) const override {
    float sum = 0;
    for (std::int64_t i = 0; i < h; ++i) {
      for (std::int64_t j = 0; j < w; ++j) sum += first[i * width + j];
    }
    const Divisor divisor = divide_(oy, ox);
    return sum / divisor.first / divisor.second;
  }

  Divide divide_;
};

/// Copies input positions; where an output reads none it is `fill`.
class Move : public Pool {
 public:
  Move(Axis y, Axis x, float fill) : Pool(std::move(y), std::move(x)), fill_(fill) {}
  bool keeps_finite() const override { return std::isfinite(fill_); }

 private:
  float pool(const float* first, std::int64_t, std::int64_t h, std::int64_t w, std::int64_t,
             std::int64_t) const override {
    return h > 0 && w > 0 ? *first : fill_;
  }
  float fill_;
};

/// A range guard. Rescaling reads the whole map.
class GuardKernel : public RowKernel {
 public:
  GuardKernel(const RowShape& shape, std::shared_ptr<const GuardRule> rule)
      : RowKernel(axis(shape.h, rule->kind), axis(shape.w, rule->kind)), rule_(std::move(rule)) {}
  bool elementwise() const override { return is_elementwise(rule_->kind); }
  bool keeps_finite() const override { return elementwise(); }
  void run(std::span<const float* const> in, const Box& in_box, const Box& box,
           float* out) const override {
    correct(*rule_, {in_box, in[0]}, box, out);
  }
  static bool is_elementwise(GuardKind kind) { return kind < GuardKind::rescale; }

 private:
  static Axis axis(std::int64_t size, GuardKind kind) {
    if (is_elementwise(kind)) return Axis::same(size);
    return Axis(std::vector<Range>(static_cast<std::size_t>(size), {0, size}), size);
  }

  std::shared_ptr<const GuardRule> rule_;
};

/// Reads an instruction's arguments after a run.
class Arguments {
 public:
  Arguments(const Instruction& step, const Registers& registers)
      : step_(step), registers_(registers) {}
  const c10::IValue& value(std::size_t i) const { return registers_[step_.inputs[i]]; }
  std::size_t count() const { return step_.inputs.size(); }
  double number(std::size_t i) const { return value(i).toScalar().toDouble(); }
  bool is_number(std::size_t i) const { return value(i).isScalar(); }
  std::vector<std::int64_t> ints(std::size_t i) const {
    return value(i).isNone() ? std::vector<std::int64_t>{} : value(i).toIntVector();
  }

 private:
  const Instruction& step_;
  const Registers& registers_;
};

/// A pair of values for both axes from a list of one or two.
std::pair<std::int64_t, std::int64_t> both(const std::vector<std::int64_t>& list) {
  return {list.front(), list.back()};
}

using Candidates = std::vector<std::unique_ptr<RowKernel>>;

class Finder {
 public:
  Finder(const Instruction& step, const Registers& registers, std::int64_t rows)
      : step_(step), registers_(registers), arguments_(step, registers), rows_(rows) {}

  std::optional<RowOperation> find() {
    if (step_.kind != Instruction::Kind::operation || step_.row_by_row ||
        step_.outputs.size() != 1 || (step_.node->maybeSchema() == nullptr && !step_.guard)) {
      return std::nullopt;
    }
    const auto out = row_shape(registers_[step_.outputs[0]], rows_);
    if (!out) return std::nullopt;
    out_ = *out;
    for (std::size_t i = 0; i < step_.inputs.size(); ++i) {
      if (!step_.data_inputs[i]) continue;
      const auto shape = row_shape(registers_[step_.inputs[i]], rows_);
      if (!shape) return std::nullopt;
      if (!operands_.empty() && *shape != in_) return std::nullopt;
      if (registers_[step_.inputs[i]].toTensor().dim() !=
          registers_[step_.outputs[0]].toTensor().dim()) {
        return std::nullopt;
      }
      in_ = *shape;
      operands_.push_back(step_.inputs[i]);
    }
    if (operands_.empty()) return std::nullopt;
    Candidates candidates;
    try {
      candidates = make(step_.node->kind().toQualString());
    } catch (const c10::Error&) {
      return std::nullopt;  // arguments of a form that is not expected here
    }
    for (auto& kernel : candidates) {
      if (equals(*kernel)) return RowOperation{std::move(kernel), operands_};
    }
    return std::nullopt;
  }

 private:
  template <class Loop>
  Candidates elementwise(bool keeps_finite, Loop loop) {
    Candidates list;
    if (in_ == out_) list.push_back(std::make_unique<Elementwise>(out_, keeps_finite, loop));
    return list;
  }

  Candidates make(const std::string& name) {
    const bool maps = registers_[step_.outputs[0]].toTensor().dim() == 4;
    if (step_.guard) return guard();
    if (operands_.size() == 2) return binary(name);
    if (operands_.size() != 1) return {};
    if (name == "aten::relu") {
      return elementwise(true, [](const float* const* in, float* out, std::int64_t n) {
        loops::relu(in[0], out, n);
      });
    }
    if (name == "aten::hardtanh" || name == "aten::clamp" || name == "aten::relu6")
      return clamp(name);
    if (name == "aten::leaky_relu") {
      const auto slope = static_cast<float>(arguments_.number(1));
      return elementwise(false, [=](const float* const* in, float* out, std::int64_t n) {
        loops::leaky_relu(in[0], slope, out, n);
      });
    }
    if (name == "aten::hardswish") {
      return elementwise(false, [](const float* const* in, float* out, std::int64_t n) {
        loops::hardswish(in[0], out, n);
      });
    }
    if (name == "aten::add" || name == "aten::sub" || name == "aten::mul" || name == "aten::div") {
      return with_number(name);
    }
    if (name == "aten::batch_norm") return batch_norm();
    if (!maps) return {};
    if (name == "aten::max_pool2d") return max_pool();
    if (name == "aten::avg_pool2d") return average_pool();
    if (name == "aten::adaptive_avg_pool2d") return adaptive_average_pool();
    if (name == "aten::upsample_nearest2d") return upsample();
    if (name == "aten::constant_pad_nd" || name == "aten::pad") return pad();
    return {};
  }

  Candidates guard() const {
    const GuardRule& rule = *step_.guard;
    const bool in_maps = rule.kind == GuardKind::rescale && rule.maps;
    Candidates list;
    if (GuardKernel::is_elementwise(rule.kind) || in_maps) {
      list.push_back(std::make_unique<GuardKernel>(out_, step_.guard));
    }
    return list;
  }

  Candidates binary(const std::string& name) {
    using Loop = void (*)(const float*, const float*, float*, std::int64_t);
    Loop loop = nullptr;
    const bool plain =
        arguments_.count() < 3 || (arguments_.is_number(2) && arguments_.number(2) == 1);
    if (name == "aten::add" && plain) loop = loops::add;
    if (name == "aten::sub" && plain) loop = loops::subtract;
    if (name == "aten::mul") loop = loops::multiply;
    if (name == "aten::div" && arguments_.count() == 2) loop = loops::divide;
    if (loop == nullptr) return {};
    return elementwise(false, [=](const float* const* in, float* out, std::int64_t n) {
      loop(in[0], in[1], out, n);
    });
  }

  Candidates with_number(const std::string& name) {
    if (!step_.data_inputs[0] || !arguments_.is_number(1)) return {};
    if (arguments_.count() > 2 && !(arguments_.is_number(2) && arguments_.number(2) == 1))
      return {};
    auto number = static_cast<float>(arguments_.number(1));
    const bool sum = name == "aten::add" || name == "aten::sub";
    if (name == "aten::sub") number = -number;
    if (name == "aten::div") number = 1.0F / number;  // LibTorch multiplies by the reciprocal
    return elementwise(false, [=](const float* const* in, float* out, std::int64_t n) {
      sum ? loops::add(in[0], number, out, n) : loops::multiply(in[0], number, out, n);
    });
  }

  Candidates clamp(const std::string& name) {
    float low = 0, high = 6;
    if (name != "aten::relu6") {
      constexpr float kInf = std::numeric_limits<float>::infinity();
      low = arguments_.value(1).isNone() ? -kInf : static_cast<float>(arguments_.number(1));
      high = arguments_.value(2).isNone() ? kInf : static_cast<float>(arguments_.number(2));
    }
    return elementwise(true, [=](const float* const* in, float* out, std::int64_t n) {
      loops::clamp(in[0], low, high, out, n);
    });
  }

  /// Scale and shift as the operator computes them, read off its answers to 0 and to 2^100, beside
  /// which the shift is rounded away.
  Candidates batch_norm() {
    for (std::size_t i = 1; i < step_.inputs.size(); ++i) {
      if (step_.data_inputs[i]) return {};
    }
    constexpr float kHuge = 0x1p100F;
    std::vector<std::vector<float>> answers;
    for (const float probe : {0.0F, kHuge}) {
      const at::Tensor& like = registers_[step_.inputs[0]].toTensor();
      const at::Tensor out = rerun({at::full_like(like, probe)});
      std::vector<float> values;
      const std::int64_t plane = out_.h * out_.w;
      for (std::int64_t c = 0; c < out_.c; ++c) values.push_back(out.data_ptr<float>()[c * plane]);
      answers.push_back(std::move(values));
    }
    std::vector<float> scale;
    for (const float value : answers[1]) scale.push_back(value / kHuge);
    Candidates list;
    for (const bool fused : {true, false}) {
      list.push_back(std::make_unique<ScaleShift>(out_, scale, answers[0], fused));
    }
    return list;
  }

  std::optional<std::pair<Axis, Axis>> sliding(std::size_t dilation_argument) {
    const auto kernel = both(arguments_.ints(1)), padding = both(arguments_.ints(3));
    const auto strides = arguments_.ints(2);
    const auto stride = strides.empty() ? kernel : both(strides);
    if (dilation_argument > 0 &&
        both(arguments_.ints(dilation_argument)) != std::pair<std::int64_t, std::int64_t>{1, 1}) {
      return std::nullopt;
    }
    return std::pair{
        Axis::sliding({kernel.first, stride.first, padding.first, 1, in_.h, out_.h}),
        Axis::sliding({kernel.second, stride.second, padding.second, 1, in_.w, out_.w})};
  }

  Candidates max_pool() {
    Candidates list;
    if (auto axes = sliding(4)) {
      list.push_back(std::make_unique<MaxPool>(std::move(axes->first), std::move(axes->second)));
    }
    return list;
  }

  Candidates average_pool() {
    // (input, kernel, stride, padding, ceil_mode, count_include_pad, divisor)
    auto axes = sliding(0);
    if (!arguments_.value(6).isNone()) return {};
    const auto kernel = both(arguments_.ints(1)), padding = both(arguments_.ints(3));
    const auto strides = arguments_.ints(2);
    const auto stride = strides.empty() ? kernel : both(strides);
    const bool with_padding = arguments_.value(5).toBool();
    const RowShape in = in_;
    const auto covered = [](std::int64_t o, std::int64_t k, std::int64_t s, std::int64_t p,
                            std::int64_t size, bool padded) {
      const Range wide{o * s - p, std::min(o * s - p + k, size + p)};
      return padded ? wide.size() : intersect(wide, {0, size}).size();
    };
    Candidates list;
    list.push_back(std::make_unique<AveragePool>(
        std::move(axes->first), std::move(axes->second), [=](std::int64_t oy, std::int64_t ox) {
          const std::int64_t elements =
              covered(oy, kernel.first, stride.first, padding.first, in.h, with_padding) *
              covered(ox, kernel.second, stride.second, padding.second, in.w, with_padding);
          return AveragePool::Divisor{static_cast<float>(elements), 1};
        }));
    return list;
  }

  Candidates adaptive_average_pool() {
    if (out_.h == 1 && out_.w == 1) return {};  // LibTorch takes another way there
    const auto ranges = [](std::int64_t in, std::int64_t out) {
      std::vector<Range> reads;
      for (std::int64_t o = 0; o < out; ++o) {
        reads.push_back({o * in / out, ((o + 1) * in + out - 1) / out});
      }
      return reads;
    };
    const auto ys = ranges(in_.h, out_.h), xs = ranges(in_.w, out_.w);
    Candidates list;
    list.push_back(std::make_unique<AveragePool>(
        Axis(ys, in_.h), Axis(xs, in_.w), [=](std::int64_t oy, std::int64_t ox) {
          return AveragePool::Divisor{static_cast<float>(ys[static_cast<std::size_t>(oy)].size()),
                                      static_cast<float>(xs[static_cast<std::size_t>(ox)].size())};
        }));
    return list;
  }

  Candidates upsample() {
    const auto nearest = [](std::int64_t in, std::int64_t out) {
      std::vector<Range> reads;
      for (std::int64_t o = 0; o < out; ++o) {
        const float scale = static_cast<float>(in) / static_cast<float>(out);
        const auto i = std::min(static_cast<std::int64_t>(static_cast<float>(o) * scale), in - 1);
        reads.push_back({i, i + 1});
      }
      return Axis(std::move(reads), in);
    };
    Candidates list;
    list.push_back(std::make_unique<Move>(nearest(in_.h, out_.h), nearest(in_.w, out_.w), 0.0F));
    return list;
  }

  Candidates pad() {
    const bool named = step_.node->kind().toQualString() == std::string("aten::pad");
    if (named && arguments_.value(2).toStringRef() != "constant") return {};
    const auto pads = arguments_.ints(1);
    if (pads.size() != 2 && pads.size() != 4) return {};
    const c10::IValue& fill = arguments_.value(named ? 3 : 2);
    const auto moved = [](std::int64_t in, std::int64_t out, std::int64_t before) {
      return Axis::sliding({.padding = before, .in = in, .out = out});
    };
    Candidates list;
    list.push_back(std::make_unique<Move>(
        moved(in_.h, out_.h, pads.size() == 4 ? pads[2] : 0), moved(in_.w, out_.w, pads[0]),
        fill.isNone() ? 0.0F : static_cast<float>(fill.toScalar().toDouble())));
    return list;
  }

  /// The operator on other data.
  at::Tensor rerun(const std::vector<at::Tensor>& operands) const {
    jit::Stack stack;
    std::size_t next = 0;
    for (std::size_t i = 0; i < step_.inputs.size(); ++i) {
      stack.push_back(step_.data_inputs[i] ? c10::IValue(operands[next++])
                                           : registers_[step_.inputs[i]]);
    }
    step_.operation(stack);
    return stack[0].toTensor();
  }

  bool equals(const RowKernel& kernel) const {
    std::vector<at::Tensor> plain;
    for (const std::uint32_t index : operands_) plain.push_back(registers_[index].toTensor());
    if (!equals_on(kernel, plain, registers_[step_.outputs[0]].toTensor())) return false;
    for (std::uint64_t round = 0; round < 2; ++round) {
      const auto hard = with_extremes(plain, round);
      if (!equals_on(kernel, hard, rerun(hard))) return false;
    }
    return true;
  }

  /// Every third element of one operand is special, so that it meets ordinary values.
  std::vector<at::Tensor> with_extremes(const std::vector<at::Tensor>& plain,
                                        std::uint64_t round) const {
    static constexpr std::array kSpecial{0.0F,
                                         -0.0F,
                                         1e38F,
                                         -1e38F,
                                         3.4028235e38F,
                                         1e-45F,
                                         -1e-40F,
                                         1.1754944e-38F,
                                         std::numeric_limits<float>::infinity(),
                                         -std::numeric_limits<float>::infinity(),
                                         std::numeric_limits<float>::quiet_NaN()};
    std::vector<at::Tensor> operands;
    Draws draws(0, Stream::check_input, 1 + round);
    for (std::size_t k = 0; k < plain.size(); ++k) {
      at::Tensor copy = plain[k].clone();
      float* values = copy.data_ptr<float>();
      for (std::int64_t i = static_cast<std::int64_t>(k); i < copy.numel(); i += 3) {
        values[i] = kSpecial[draws.below(kSpecial.size())];
      }
      operands.push_back(copy);
    }
    return operands;
  }

  /// Whole maps of all rows, and single positions and corners of one.
  bool equals_on(const RowKernel& kernel, const std::vector<at::Tensor>& operands,
                 const at::Tensor& expected) const {
    if (!row_shape(expected, rows_) || *row_shape(expected, rows_) != out_) return false;
    const std::int64_t h = out_.h, w = out_.w;
    std::vector<Box> boxes{out_.whole()};
    for (const auto& [y, x] : {std::pair{std::int64_t{0}, std::int64_t{0}}, std::pair{h - 1, w - 1},
                               std::pair{h / 2, w / 2}}) {
      boxes.push_back({{out_.c / 2, out_.c / 2 + 1}, {y, y + 1}, {x, x + 1}});
    }
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (const Box& box : boxes) {
        if (!equals_in(kernel, operands, expected, row, box)) return false;
        if (row > 0) break;
      }
    }
    return true;
  }

  bool equals_in(const RowKernel& kernel, const std::vector<at::Tensor>& operands,
                 const at::Tensor& expected, std::int64_t row, const Box& box) const {
    const Box needed = kernel.needs(box);
    std::vector<std::vector<float>> values;
    std::vector<const float*> in;
    for (const at::Tensor& operand : operands) {
      const Patch patch{in_.whole(), operand.data_ptr<float>() + row * in_.elements()};
      values.emplace_back(static_cast<std::size_t>(needed.elements()) + 1);
      if (!needed.empty()) copy_box(patch, needed, values.back().data());
    }
    for (const auto& v : values) in.push_back(v.data());
    std::vector<float> out(static_cast<std::size_t>(box.elements())), want(out.size());
    kernel.run(in, needed, box, out.data());
    copy_box({out_.whole(), expected.data_ptr<float>() + row * out_.elements()}, box, want.data());
    return std::memcmp(out.data(), want.data(), out.size() * sizeof(float)) == 0;
  }

  const Instruction& step_;
  const Registers& registers_;
  Arguments arguments_;
  std::int64_t rows_;
  RowShape in_, out_;
  std::vector<std::uint32_t> operands_;
};

/// Contiguous with the very strides of a new tensor. Where a side is 1, others are contiguous too,
/// such as those of channels last with one channel, and LibTorch chooses kernels by them.
bool is_laid_out_as_new(const at::Tensor& tensor) {
  return tensor.strides() == at::IntArrayRef(c10::contiguous_strides(tensor.sizes()));
}

}  // namespace

std::optional<RowShape> row_shape(const c10::IValue& value, std::int64_t rows) {
  if (!value.isTensor() || !value.toTensor().defined()) return std::nullopt;
  const at::Tensor& tensor = value.toTensor();
  if (tensor.scalar_type() != at::kFloat || !is_laid_out_as_new(tensor) || tensor.dim() < 2 ||
      tensor.size(0) != rows || tensor.numel() == 0) {
    return std::nullopt;
  }
  RowShape shape{tensor.size(1), 1, 1};
  if (tensor.dim() > 2) shape.w = tensor.size(-1);
  for (std::int64_t d = 2; d + 1 < tensor.dim(); ++d) shape.h *= tensor.size(d);
  return shape;
}

std::optional<RowOperation> make_row_operation(const Instruction& step, const Registers& registers,
                                               std::int64_t rows) {
  return Finder(step, registers, rows).find();
}

}  // namespace bitquake::model
