#include "suite/model/protect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace bitquake::model {
namespace {

using faultgen::Site;
using faultgen::SiteKind;
using faultgen::Target;
namespace jit = torch::jit;

/// One row of a batch as [c, y, x]: the shape that its site says, the middle dimensions in one.
RowShape guarded_shape(const at::Tensor& batch, std::int64_t rows) {
  std::vector<std::int64_t> sizes = batch.sizes().vec();
  if (sizes[0] == rows && sizes.size() > 1) {
    sizes.erase(sizes.begin());
  } else {
    sizes[0] /= rows;
  }
  RowShape shape{sizes[0], 1, 1};
  if (sizes.size() > 1) shape.w = sizes.back();
  for (std::size_t d = 1; d + 1 < sizes.size(); ++d) shape.h *= sizes[d];
  return shape;
}

Patch row_patch(const at::Tensor& contiguous, const RowShape& shape, std::int64_t row) {
  return {shape.whole(), contiguous.data_ptr<float>() + row * shape.elements()};
}

/// `values` in the memory layout of what a guard saw: later kernels choose by that.
at::Tensor in_layout_of(const at::Tensor& seen, const at::Tensor& values) {
  return values.strides() == seen.strides() ? values : copy_of(seen).copy_(values);
}

/// The batch after the guard.
at::Tensor corrected(const GuardRule& rule, const at::Tensor& batch, std::int64_t rows) {
  const at::Tensor in = batch.contiguous();
  at::Tensor out = at::empty_like(in);
  const RowShape shape = guarded_shape(in, rows);
  for (std::int64_t row = 0; row < rows; ++row) {
    correct(rule, row_patch(in, shape, row), shape.whole(),
            out.data_ptr<float>() + row * shape.elements());
  }
  return in_layout_of(batch, out);
}

using Says = std::function<bool(std::int64_t row)>;
at::Tensor flags(std::int64_t rows, const Says& says) {
  at::Tensor result = at::empty({rows}, at::kBool);
  for (std::int64_t row = 0; row < rows; ++row) result.data_ptr<bool>()[row] = says(row);
  return result;
}

at::Tensor outside_flags(const GuardRule& rule, const at::Tensor& batch, std::int64_t rows) {
  const at::Tensor in = batch.contiguous();
  const RowShape shape = guarded_shape(in, rows);
  return flags(rows, [&](std::int64_t row) {
    return any_outside(rule, row_patch(in, shape, row), shape.whole());
  });
}

at::Tensor difference_flags(const ChannelChoice* channels, const at::Tensor& first,
                            const at::Tensor& second, std::int64_t rows) {
  const at::Tensor a = first.contiguous(), b = second.contiguous();
  const RowShape shape = guarded_shape(a, rows);
  return flags(rows, [&](std::int64_t row) {
    return any_difference(channels, row_patch(a, shape, row), row_patch(b, shape, row),
                          shape.whole());
  });
}

/// `first` with the chosen channels of `again`, in the memory layout of `first`.
at::Tensor voted(const ChannelChoice& channels, const at::Tensor& first, const at::Tensor& again,
                 std::int64_t rows) {
  at::Tensor out = first.clone(at::MemoryFormat::Contiguous);
  const at::Tensor right = again.contiguous();
  const RowShape shape = guarded_shape(out, rows);
  for (std::int64_t row = 0; row < rows; ++row) {
    copy_channels(channels, row_patch(right, shape, row),
                  out.data_ptr<float>() + row * shape.elements());
  }
  return in_layout_of(first, out);
}

at::Tensor pop_tensor(jit::Stack& stack) {
  at::Tensor tensor = stack.back().toTensor();
  stack.pop_back();
  return tensor;
}

class Protector {
 public:
  Protector(PreparedModel& model, std::string where) : model_(model), where_(std::move(where)) {
    for (const auto& [node, executions] : model.sites_of) {
      for (const std::uint32_t site : executions) {
        if (site != kNoSite) nodes_[site] = executions.size() == 1 ? node : nullptr;
      }
    }
    for (const SiteInstruction& site : model.program.site_instructions()) found_[site.node] = &site;
  }

  std::optional<Error> run(const Protection& protection) {
    std::map<std::uint32_t, std::pair<std::vector<const WeightGuard*>, std::vector<const Guard*>>>
        by_site;
    for (const WeightGuard& guard : protection.weights) by_site[guard.site].first.push_back(&guard);
    for (const Guard& guard : protection.guards) by_site[guard.site].second.push_back(&guard);
    for (const auto& [site, guards] : by_site) {
      for (const WeightGuard* guard : guards.first) {
        if (auto failed = place(*guard)) return failed;
      }
      if (auto failed = place(site, guards.second)) return failed;
    }
    return std::nullopt;
  }

 private:
  Error error(std::uint32_t site, std::string_view guard, const std::string& what,
              const std::string& hint) const {
    const std::string name = site < model_.sites.size() ? faultgen::site_name(model_.sites[site])
                                                        : fmt::format("site {}", site);
    return {Errc::scenario, where_, fmt::format("{} at {}: {}", guard, name, what), hint, ""};
  }
  Error error(const Guard& guard, const std::string& what, const std::string& hint) const {
    return error(guard.site, name_of(kGuardKinds, guard.kind), what, hint);
  }

  std::uint32_t next_number() const { return static_cast<std::uint32_t>(model_.guards.size()); }

  /// The number of a new guard.
  std::uint32_t number(std::uint32_t site, Target target, std::string name) {
    const std::uint32_t number = next_number();
    model_.guards.push_back({site, target, std::move(name)});
    return number;
  }

  std::optional<Error> place(const WeightGuard& guard) {
    const auto spot = model_.spots.find({guard.site, guard.target});
    if (!faultgen::is_parameter(guard.target) || spot == model_.spots.end()) {
      return error(guard.site, guard.code,
                   fmt::format("it has no {} to read", name_of(faultgen::kTargets, guard.target)),
                   "protect parameters that `bitquake model info` lists");
    }
    if ((guard.word_bits != 32 && guard.word_bits != 64) || !guard.read) {
      return error(
          guard.site, guard.code,
          fmt::format("words of {} bits{}", guard.word_bits, guard.read ? "" : " without a code"),
          "words have 32 or 64 bits");
    }
    auto& code = model_.codes[spot->second.index];
    if (code.guard.read) {
      return error(guard.site, guard.code, "the parameter has a code already", "give it one code");
    }
    code = {number(guard.site, guard.target, guard.code), guard};
    return std::nullopt;
  }

  std::optional<Error> place(std::uint32_t site, const std::vector<const Guard*>& guards) {
    if (guards.empty()) return std::nullopt;
    if (model_.quantised.count(site) > 0) {
      return error(*guards[0], "its output holds quantised values, guards are for fp32",
                   "choose other sites, or protect the network before it is quantised");
    }
    const auto node = nodes_.find(site);
    if (node == nodes_.end()) {
      return error(*guards[0], "there is no operator with an output",
                   "guard sites that `bitquake model info` lists with an output");
    }
    if (node->second == nullptr) {
      return error(*guards[0], "a loop runs the operator several times",
                   "export the model by tracing, which unrolls loops");
    }
    site_ = found_.at(node->second);
    steps_.clear();
    current_ = site_->output;
    for (const Guard* guard : guards) {
      if (auto failed = place(*guard)) return failed;
    }
    model_.program.insert_behind(site_->node, std::move(steps_), site_->output, current_);
    for (auto& [key, spot] : model_.spots) {
      const bool reads = key.second == Target::site_input && spot.index == site_->output;
      if (reads) spot.index = current_;
    }
    return std::nullopt;
  }

  std::optional<Error> place(const Guard& guard) {
    if (guard.kind == GuardKind::abft) return place_checksum(guard);
    if (guard.kind == GuardKind::duplicate || guard.kind == GuardKind::tmr)
      return place_copy(guard);
    return place_range(guard);
  }

  std::uint32_t add(const std::string& kind, std::vector<std::uint32_t> inputs,
                    std::function<void(jit::Stack&)> operation) {
    Instruction step;
    step.node = model_.program.make_node("bitquake::" + kind);
    step.operation = std::move(operation);
    step.from_data = true;
    step.data_inputs.assign(inputs.size(), true);
    step.inputs = std::move(inputs);
    step.outputs = {model_.program.add_register()};
    steps_.push_back(std::move(step));
    return steps_.back().outputs[0];
  }

  void add_alarm(const Guard& guard, std::vector<std::uint32_t> inputs,
                 std::shared_ptr<const GuardRule> rule,
                 std::shared_ptr<const ChannelChoice> channels = nullptr) {
    const std::int64_t rows = model_.rows;
    if (rule) {
      add("alarm", std::move(inputs), [rule, rows](jit::Stack& stack) {
        stack.push_back(outside_flags(*rule, pop_tensor(stack), rows));
      });
    } else {
      add("alarm", std::move(inputs), [channels, rows](jit::Stack& stack) {
        const at::Tensor second = pop_tensor(stack);
        stack.push_back(difference_flags(channels.get(), pop_tensor(stack), second, rows));
      });
    }
    steps_.back().guard = std::move(rule);
    steps_.back().compared = std::move(channels);
    steps_.back().watched = true;
    steps_.back().alarm =
        number(guard.site, Target::neuron, std::string(name_of(kGuardKinds, guard.kind)));
  }

  std::optional<Error> place_range(const Guard& guard) {
    const Site& site = model_.sites[guard.site];
    const std::size_t dimension = channel_axis(site);
    const auto channels = static_cast<std::size_t>(site.output_shape[dimension]);
    const bool maps = site.output_shape.size() > 1 && dimension == 0;
    if (guard.low.size() != guard.high.size() ||
        (guard.low.size() != 1 && guard.low.size() != channels)) {
      return error(guard,
                   fmt::format("{} lower and {} upper bounds for {} channels", guard.low.size(),
                               guard.high.size(), channels),
                   "give one bound or one for each channel");
    }
    for (std::size_t i = 0; i < guard.low.size(); ++i) {
      const float low = guard.low[i], high = guard.high[i];
      const bool flips = guard.kind == GuardKind::backflip && high < 0;
      if (std::isfinite(low) && std::isfinite(high) && low <= high && !flips) continue;
      return error(guard, fmt::format("bounds [{}, {}]", low, high),
                   flips ? "backflip compares with multiples of the upper bound: it must be >= 0"
                         : "bounds are finite, the lower one is not above the upper one");
    }
    if (guard.kind == GuardKind::average && !maps) {
      return error(guard, "its output has no feature maps", "average needs [channels, y, x]");
    }
    const auto rule = std::make_shared<const GuardRule>(
        GuardRule{guard.kind, guard.low, guard.high, guard.sanitise, dimension != 0, maps});
    add_alarm(guard, {current_}, rule);
    if (guard.kind == GuardKind::detector) return std::nullopt;
    current_ = add(std::string(name_of(kGuardKinds, guard.kind)), {current_},
                   [rule, rows = model_.rows](jit::Stack& stack) {
                     stack.push_back(corrected(*rule, pop_tensor(stack), rows));
                   });
    steps_.back().guard = rule;
    return std::nullopt;
  }

  /// The operator once more. A third computation would have the bits of the second: the same kernel
  /// on the same memory. So the second one is the majority. Where some channels are chosen all are
  /// computed and those compared: a kernel of fewer channels could round otherwise.
  std::optional<Error> place_copy(const Guard& guard) {
    const Site& site = model_.sites[guard.site];
    std::shared_ptr<ChannelChoice> channels;
    if (!guard.channels.empty()) {
      const std::size_t axis = channel_axis(site);
      const auto count = static_cast<std::uint32_t>(site.output_shape[axis]);
      channels =
          std::make_shared<ChannelChoice>(ChannelChoice{std::vector<bool>(count), axis != 0});
      for (const std::uint32_t channel : guard.channels) {
        if (channel >= count) {
          return error(guard, fmt::format("it has no channel {}, only 0 to {}", channel, count - 1),
                       "choose channels that all protected sites have, or protect fewer sites");
        }
        channels->chosen[channel] = true;
      }
    }
    const Instruction& original = model_.program.instruction_of(site_->node);
    const auto* schema = site_->node->maybeSchema();
    if (schema != nullptr && schema->is_mutable()) {
      return error(guard, "the operator writes to its input, which a copy can no longer read",
                   "export the model with out-of-place operators (inplace=False)");
    }
    Instruction copy = original;
    copy.node = model_.program.clone_node(site_->node);
    copy.watched = false;
    for (std::uint32_t& output : copy.outputs) output = model_.program.add_register();
    const std::uint32_t again = copy.outputs[0];
    if (guard.kind == GuardKind::duplicate) copy.computed_for = next_number();
    steps_.push_back(std::move(copy));
    add_alarm(guard, {current_, again}, nullptr, channels);
    if (guard.kind == GuardKind::tmr && channels) {
      current_ = add("tmr", {current_, again}, [channels, rows = model_.rows](jit::Stack& stack) {
        const at::Tensor second = pop_tensor(stack);
        stack.push_back(voted(*channels, pop_tensor(stack), second, rows));
      });
    } else if (guard.kind == GuardKind::tmr) {
      current_ = again;
    }
    return std::nullopt;
  }

  std::optional<Error> place_checksum(const Guard& guard) {
    const Site& site = model_.sites[guard.site];
    if (!(guard.tolerance >= 0)) {
      return error(guard, fmt::format("tolerance {}", guard.tolerance),
                   "take the largest deviation on fault-free data, times a safety factor");
    }
    const auto weight = site_->parameters.find(Target::weight);
    const bool convolution = site.kind < SiteKind::linear;
    const bool fits =
        weight != site_->parameters.end() &&
        (convolution ? jit::toIValue(site_->node->input(groups_argument())).has_value()
                     : site.kind == SiteKind::linear && plain_product());
    if (!fits) {
      return error(guard, "is no convolution or linear layer with a weight of its own",
                   "guard convolutions and linear layers with it");
    }
    const Registers parameters = model_.program.registers();
    const at::Tensor weights = parameters[weight->second].toTensor().to(at::kDouble);
    const auto bias = site_->parameters.find(Target::bias);
    const double bias_sum =
        bias == site_->parameters.end()
            ? 0
            : parameters[bias->second].toTensor().to(at::kDouble).sum().item<double>();
    const std::uint32_t deviation = convolution ? convolution_deviation(site, weights, bias_sum)
                                                : linear_deviation(weights, bias_sum);
    steps_.back().computed_for = next_number();
    add_alarm(guard, {deviation},
              std::make_shared<const GuardRule>(GuardRule{
                  guard.kind, {-std::numeric_limits<float>::infinity()}, {guard.tolerance}}));
    return std::nullopt;
  }

  std::size_t groups_argument() const {
    return static_cast<std::size_t>(site_->node->schema().argumentIndexWithName("groups").value());
  }
  std::string operator_name() const { return site_->node->kind().toQualString(); }
  bool is_linear() const { return operator_name() == "aten::linear"; }
  /// Place of the weight among the inputs of a linear layer; the data stand before it.
  std::size_t weight_place() const { return operator_name() == "aten::addmm" ? 2 : 1; }

  /// x * weight + bias, however it is written, with nothing else in it.
  bool plain_product() const {
    const Instruction& step = model_.program.instruction_of(site_->node);
    const std::size_t place = weight_place();
    if (!step.data_inputs[place - 1] || step.data_inputs[place]) return false;
    if (place == 1) return true;
    const bool has_bias = site_->parameters.contains(Target::bias);
    const auto one = [&](std::size_t i) {
      const auto factor = jit::toIValue(site_->node->input(i));
      return factor && factor->isScalar() && factor->toScalar().toDouble() == 1;
    };
    return has_bias && one(3) && one(4);
  }

  /// |sum over the last dimension of y - (x * summed weights + summed bias)|, row by row, so that
  /// no row depends on its place in the batch.
  std::uint32_t linear_deviation(const at::Tensor& weights, double bias) {
    const Instruction& step = model_.program.instruction_of(site_->node);
    const std::size_t place = weight_place();
    const bool transposed = site_->node->input(place)->node()->kind() != c10::prim::GetAttr;
    const at::Tensor sum = weights.sum(is_linear() != transposed ? 0 : 1);
    return add("checksum", {current_, step.inputs[place - 1]},
               [sum, bias, rows = model_.rows](jit::Stack& stack) {
                 const at::Tensor x = pop_tensor(stack), y = pop_tensor(stack);
                 std::vector<at::Tensor> all;
                 for (std::int64_t row = 0; row < rows; ++row) {
                   const at::Tensor expected =
                       (one_row(x, rows, row).to(at::kDouble) * sum).sum(-1, true) + bias;
                   const at::Tensor got = one_row(y, rows, row).to(at::kDouble).sum(-1, true);
                   all.push_back((got - expected).abs().to(at::kFloat).contiguous());
                 }
                 stack.push_back(at::cat(all, 0));
               });
  }

  /// The same at each place of the map, by the operator itself with one output channel.
  std::uint32_t convolution_deviation(const Site& site, const at::Tensor& weights, double bias) {
    const Instruction& step = model_.program.instruction_of(site_->node);
    const bool transposed = site.kind >= SiteKind::conv_transpose1d;
    const std::size_t groups_place = groups_argument();
    const std::int64_t groups = jit::toIValue(site_->node->input(groups_place))->toInt();
    // Stored: [out, in / groups, ...], transposed ones [in, out / groups, ...]. With all groups'
    // input channels side by side one ungrouped channel sums over all of them.
    std::vector<std::int64_t> shape = weights.sizes().vec();
    at::Tensor sum;
    if (transposed) {
      sum = weights.sum(1, /*keepdim=*/true);
    } else {
      std::vector<std::int64_t> grouped = shape;
      grouped[0] /= groups;
      grouped.insert(grouped.begin(), groups);
      shape[0] = 1;
      shape[1] *= groups;
      sum = weights.reshape(grouped).sum(1).reshape(shape);
    }
    std::vector<std::uint32_t> inputs{current_, step.inputs[0]};
    for (std::size_t i = 3; i < step.inputs.size(); ++i) inputs.push_back(step.inputs[i]);
    const std::uint32_t output = add(
        "checksum", inputs,
        [sum, bias, groups_place, operation = step.operation, settings = inputs.size() - 2,
         rows = model_.rows](jit::Stack& stack) {
          jit::Stack call{c10::IValue(), sum, c10::IValue()};
          call.insert(call.end(), stack.end() - static_cast<std::ptrdiff_t>(settings), stack.end());
          call[groups_place] = std::int64_t{1};
          stack.resize(stack.size() - settings);
          const at::Tensor x = pop_tensor(stack), y = pop_tensor(stack);
          std::vector<at::Tensor> all;
          for (std::int64_t row = 0; row < rows; ++row) {
            jit::Stack one = call;
            one[0] = one_row(x, rows, row).to(at::kDouble);
            operation(one);
            const at::Tensor got = one_row(y, rows, row).to(at::kDouble).sum(1, true);
            const at::Tensor deviation = (got - (one[0].toTensor() + bias)).abs();
            all.push_back(deviation.to(at::kFloat).contiguous());
          }
          stack.push_back(at::cat(all, 0));
        });
    std::fill(steps_.back().data_inputs.begin() + 2, steps_.back().data_inputs.end(), false);
    return output;
  }

  PreparedModel& model_;
  std::string where_;
  std::unordered_map<std::uint32_t, const jit::Node*> nodes_;  ///< nullptr: several sites have it
  std::unordered_map<const jit::Node*, const SiteInstruction*> found_;
  /// Of the site whose guards are placed: what is put behind it, and the register they give.
  const SiteInstruction* site_ = nullptr;
  std::vector<Instruction> steps_;
  std::uint32_t current_ = 0;
};

}  // namespace

std::optional<Error> protect(PreparedModel& model, const Protection& protection,
                             const std::string& where) {
  return Protector(model, where).run(protection);
}

}  // namespace bitquake::model
