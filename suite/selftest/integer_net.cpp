#include "suite/selftest/integer_net.hpp"

#include "suite/base/rng.hpp"
#include "suite/selftest/exact_sum.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>

namespace bitquake::selftest {
namespace {

using faultgen::Fault;
using faultgen::FaultModel;
using faultgen::Target;
using model::Layer;
using model::LayerKind;

constexpr std::uint64_t kSeed = 1;

Layer with_parameters(Layer layer, std::uint64_t number) {
  constexpr std::array kWeights{-2.0F, -1.0F, -1.0F, 1.0F, 1.0F, 2.0F};
  Draws draws(kSeed, Stream::training, number);
  for (std::int64_t i = 0; i < layer.out * layer.in * layer.kernel * layer.kernel; ++i) {
    layer.weight.push_back(kWeights[draws.below(kWeights.size())]);
  }
  for (std::int64_t i = 0; i < layer.out; ++i) {
    const auto size = static_cast<float>(1 + draws.below(8));
    layer.bias.push_back(draws.below(2) == 0 ? size : -size);
  }
  return layer;
}

model::Sequence make_net() {
  model::Sequence net;
  net.layers = {{.kind = LayerKind::conv2d,
                 .name = "conv1",
                 .in = 1,
                 .out = 4,
                 .kernel = 3,
                 .stride = 2,
                 .padding = 1},
                {.kind = LayerKind::conv2d, .name = "mix", .in = 4, .out = 4},
                {.kind = LayerKind::conv2d,
                 .name = "conv2",
                 .in = 4,
                 .out = 6,
                 .kernel = 3,
                 .stride = 2,
                 .padding = 1},
                {.kind = LayerKind::linear, .name = "fc1", .in = 24, .out = 10},
                {.kind = LayerKind::linear, .name = "fc2", .in = 10, .out = kClasses},
                {.kind = LayerKind::relu},
                {.kind = LayerKind::max_pool},
                {.kind = LayerKind::flatten}};
  for (std::size_t i = 0; i < 5; ++i) net.layers[i] = with_parameters(net.layers[i], i);
  enum : std::size_t { conv1, mix, conv2, fc1, fc2, relu, max_pool, flatten };
  net.calls = {conv1, relu, mix, relu, mix, relu, max_pool, conv2, relu, flatten, fc1, relu, fc2};
  return net;
}

/// Activations of one image; a vector has height and width 1.
struct Tensor {
  std::int64_t channels = 1, side = 1;
  std::vector<float> values;

  float at(std::int64_t channel, std::int64_t y, std::int64_t x) const {
    return values[static_cast<std::size_t>((channel * side + y) * side + x)];
  }
  bool inside(std::int64_t y, std::int64_t x) const {
    return y >= 0 && x >= 0 && y < side && x < side;
  }
};

/// One output of a convolution; a linear layer is a 1x1 convolution of a 1x1 map. Padding counts as
/// zeros, which a kernel may or may not multiply.
std::optional<float> weighted_sum(const Tensor& input, const Layer& layer,
                                  std::span<const float> weight, std::int64_t out, std::int64_t y,
                                  std::int64_t x) {
  ExactSum sum;
  sum.add(layer.bias[static_cast<std::size_t>(out)], 1.0F);
  auto next = weight.begin() + out * layer.in * layer.kernel * layer.kernel;
  for (std::int64_t channel = 0; channel < layer.in; ++channel) {
    for (std::int64_t ky = 0; ky < layer.kernel; ++ky) {
      for (std::int64_t kx = 0; kx < layer.kernel; ++kx) {
        const std::int64_t from_y = y * layer.stride + ky - layer.padding;
        const std::int64_t from_x = x * layer.stride + kx - layer.padding;
        const bool inside = input.inside(from_y, from_x);
        sum.add(*next++, inside ? input.at(channel, from_y, from_x) : 0.0F);
      }
    }
  }
  return sum.value();
}

std::optional<Tensor> weighted_sums(const Tensor& input, const Layer& layer,
                                    std::span<const float> weight) {
  Tensor output{layer.out, (input.side + 2 * layer.padding - layer.kernel) / layer.stride + 1, {}};
  for (std::int64_t out = 0; out < layer.out; ++out) {
    for (std::int64_t y = 0; y < output.side; ++y) {
      for (std::int64_t x = 0; x < output.side; ++x) {
        const auto sum = weighted_sum(input, layer, weight, out, y, x);
        if (!sum) return std::nullopt;
        output.values.push_back(*sum);
      }
    }
  }
  return output;
}

Tensor max_pool(const Tensor& input) {
  Tensor output{input.channels, input.side / 2, {}};
  for (std::int64_t channel = 0; channel < input.channels; ++channel) {
    for (std::int64_t y = 0; y < input.side; y += 2) {
      for (std::int64_t x = 0; x < input.side; x += 2) {
        output.values.push_back(
            std::max({input.at(channel, y, x), input.at(channel, y, x + 1),
                      input.at(channel, y + 1, x), input.at(channel, y + 1, x + 1)}));
      }
    }
  }
  return output;
}

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

/// One inference, layer by layer.
class Run {
 public:
  explicit Run(std::span<const Fault> faults) : faults_(faults) {
    result_.injections.resize(faults.size());
    for (const Layer& layer : integer_net().layers) weights_.push_back(layer.weight);
  }

  std::optional<Inference> run(std::span<const std::uint8_t> pixels) {
    inject_weights();
    Tensor values{1, kImageSide, {pixels.begin(), pixels.end()}};
    for (const std::size_t call : integer_net().calls) {
      auto next = layer(call, values);
      if (!next) return without_output();
      values = std::move(*next);
    }
    watch({"output", model::PointKind::output}, values.values);
    result_.output = std::move(values.values);
    return result_;
  }

 private:
  /// Changes the bits of a value one by one.
  void inject(std::size_t number, float& value) {
    const Fault& fault = faults_[number];
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    result_.injections[number] = {true, bits, bits};
    for (unsigned bit = 0; bit < 32; ++bit) {
      const std::uint32_t one = std::uint32_t{1} << bit;
      if ((fault.bit_mask & one) == 0) continue;
      const bool set = fault.model == FaultModel::bit_flip ? (bits & one) == 0
                                                           : fault.model == FaultModel::stuck_at_1;
      bits = set ? (bits | one) : (bits & ~one);
    }
    std::memcpy(&value, &bits, sizeof bits);
    result_.injections[number].corrupted_bits = bits;
  }

  /// A weight is hit at the first call of its module, and wrong in all.
  void inject_weights() {
    std::uint32_t site = 0;
    for (const std::size_t call : integer_net().calls) {
      if (!integer_net().layers[call].has_parameters()) continue;
      inject_at(site++, Target::weight, weights_[call]);
      if (!all_finite(weights_[call])) {
        note({integer_net().layers[call].name + ".weight", model::PointKind::parameter});
      }
    }
  }

  void inject_at(std::uint32_t site, Target target, std::vector<float>& values) {
    for (std::size_t i = 0; i < faults_.size(); ++i) {
      if (faults_[i].site == site && faults_[i].target == target) {
        inject(i, values[faults_[i].element]);
      }
    }
  }

  std::optional<Tensor> layer(std::size_t call, const Tensor& input) {
    const Layer& layer = integer_net().layers[call];
    if (layer.has_parameters()) return module(call, input);
    if (layer.kind == LayerKind::flatten) {
      return Tensor{static_cast<std::int64_t>(input.values.size()), 1, input.values};
    }
    for (const float value : input.values) {
      if (std::isnan(value)) return std::nullopt;
    }
    if (layer.kind == LayerKind::max_pool) return max_pool(input);
    Tensor output = input;
    for (float& value : output.values) value = std::max(value, 0.0F);
    return output;
  }

  std::optional<Tensor> module(std::size_t call, const Tensor& input) {
    const Layer& layer = integer_net().layers[call];
    auto output = weighted_sums(input, layer, weights_[call]);
    if (!output) return std::nullopt;
    inject_at(site_++, Target::neuron, output->values);
    const unsigned earlier = calls_[call]++;
    const std::string number = earlier == 0 ? "" : "#" + std::to_string(earlier);
    watch({layer.name + number, model::PointKind::module_output}, output->values);
    return output;
  }

  void watch(const model::Point& point, std::span<const float> values) {
    if (all_finite(values)) return;
    result_.any_nonfinite = true;
    note(point);
  }

  void note(const model::Point& point) {
    if (!result_.first_nonfinite) result_.first_nonfinite = point;
  }

  /// The result when the values behind a layer are open: everything else must be settled.
  std::optional<Inference> without_output() const {
    const bool all_reached =
        std::all_of(result_.injections.begin(), result_.injections.end(),
                    [](const model::Injection& injection) { return injection.reached; });
    if (!result_.any_nonfinite || !all_reached) return std::nullopt;
    return result_;
  }

  std::span<const Fault> faults_;
  std::vector<std::vector<float>> weights_;  ///< by layer
  std::array<unsigned, 8> calls_{};          ///< by layer
  std::uint32_t site_ = 0;
  Inference result_;
};

}  // namespace

const model::Sequence& integer_net() {
  static const model::Sequence net = make_net();
  return net;
}

std::vector<std::uint8_t> integer_image(std::uint64_t sample) {
  Draws draws(kSeed, Stream::check_input, sample);
  std::vector<std::uint8_t> pixels(kImageSide * kImageSide);
  for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(1 + draws.below(8));
  return pixels;
}

std::optional<Inference> infer(std::span<const std::uint8_t> pixels,
                               std::span<const Fault> faults) {
  return Run(faults).run(pixels);
}

}  // namespace bitquake::selftest
