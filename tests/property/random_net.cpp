#include "tests/property/random_net.hpp"

#include "suite/base/rng.hpp"
#include "tests/model/nets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace bitquake::test {
namespace {

/// Ids of draws of one seed; NetBuilder draws parameters with ids from 0.
constexpr std::uint64_t kStructure = 1ULL << 40;

constexpr std::int64_t kMaxChannels = 20;
constexpr std::int64_t kMaxSide = 21;
constexpr std::int64_t kMaxFeatures = 700;

/// A variable of the forward function: [n, c, h, w].
struct Value {
  std::string name;
  std::int64_t c = 0, h = 0, w = 0;
  bool same_shape(const Value& other) const { return c == other.c && h == other.h && w == other.w; }
};

struct Conv {
  std::int64_t out = 1, kh = 1, kw = 1, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;
  std::int64_t dilation = 1, groups = 1;
};

/// Side of the output of a window that moves over `side` elements; less than 1: does not fit.
std::int64_t moved(std::int64_t side, std::int64_t kernel, std::int64_t stride,
                   std::int64_t padding, std::int64_t dilation = 1) {
  const std::int64_t free = side + 2 * padding - dilation * (kernel - 1) - 1;
  return free < 0 ? 0 : free / stride + 1;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

class Generator {
 public:
  explicit Generator(std::uint64_t seed)
      : draws_(seed, Stream::check_input, kStructure), builder_("Net", seed) {}

  RandomNet make() {
    const Value input{"x", between(1, 4), between(5, 19), between(5, 19)};
    Value x = input;
    if (chance(15)) x = emit("x.contiguous(memory_format=2)", x);  // channels last
    if (chance(70)) x = conv(x);
    for (std::int64_t blocks = between(1, 4); blocks > 0; --blocks) x = block(x);
    // Kinds of sites that are rare in blocks; recurrent layers take long on large maps.
    if (x.h * x.w <= 100 && chance(40)) x = seldom(x, one_of<std::int64_t>({5, 11, 12, 13, 14}));
    const std::string output = head(x);
    const std::string body = body_ + "  return " + output + "\n";
    RandomNet net{builder_.finish(body),
                  layers_ + "def forward(self, x):\n" + body,
                  {input.c, input.h, input.w}};
    net.source = fmt::format("input {}x{}x{}\n", input.c, input.h, input.w) + net.source;
    return net;
  }

 private:
  using Parameters = NetBuilder::Parameters;

  // Choices

  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low +
           static_cast<std::int64_t>(draws_.below(static_cast<std::uint64_t>(high - low + 1)));
  }
  bool chance(std::int64_t percent) { return between(0, 99) < percent; }
  template <class T>
  T one_of(const std::vector<T>& choices) {
    return choices[draws_.below(choices.size())];
  }

  // Writing

  std::string assign(const std::string& expression) {
    std::string name = fmt::format("v{}", next_++);
    body_ += fmt::format("  {} = {}\n", name, expression);
    return name;
  }
  Value emit(const std::string& expression, const Value& shape) {
    return {assign(expression), shape.c, shape.h, shape.w};
  }

  std::string add_layer(const std::string& type, const std::string& expression,
                        const Parameters& parameters) {
    const std::string name = fmt::format("m{}", next_++);
    const std::string body = "  return " + replaced(expression, "@", "x") + "\n";
    torch::jit::Module layer = builder_.layer(type, body, parameters);
    const std::string zeros = chance(20) ? add_zeros(layer) : "";
    builder_.add(name, layer);
    layers_ += fmt::format("{} = {}", name, type);
    for (const auto& [parameter, shape] : parameters) {
      layers_ += fmt::format(" {} [{}]", parameter, fmt::join(shape, ", "));
    }
    layers_ += zeros + ":\n" + body;
    return name;
  }

  /// Pruned weights, and an output that is zero: the sign of a zero is a bit like any other.
  static std::string add_zeros(torch::jit::Module& layer) {
    if (!layer.hasattr("weight")) return "";
    at::Tensor weight = layer.attr("weight").toTensor();
    weight.relu_();
    weight[0].zero_();
    if (layer.hasattr("bias")) layer.attr("bias").toTensor().zero_();
    return ", negative and first weights and bias zero";
  }

  /// An operation on `input`, which its expression calls @: a module of its own or written out.
  std::string call(const std::string& type, std::string expression, const std::string& input,
                   const Parameters& parameters = {}) {
    if (chance(parameters.empty() ? 40 : 85)) {
      return assign(
          fmt::format("self.{}.forward({})", add_layer(type, expression, parameters), input));
    }
    const std::string prefix = fmt::format("p{}_", next_++);
    for (const auto& [parameter, shape] : parameters) {
      builder_.net().register_parameter(prefix + parameter, builder_.values(shape), false);
      expression = replaced(expression, "self." + parameter, "self." + prefix + parameter);
    }
    return assign(replaced(expression, "@", input));
  }
  Value apply(const std::string& type, const std::string& expression, const Value& x) {
    return {call(type, expression, x.name), x.c, x.h, x.w};
  }

  // Sites

  std::string conv_expression(const Conv& k, bool bias) {
    const std::string b = bias ? "self.bias" : "None";
    const std::string stride = fmt::format("[{}, {}]", k.stride_h, k.stride_w);
    const std::string padding = fmt::format("[{}, {}]", k.pad_h, k.pad_w);
    const std::string dilation = fmt::format("[{0}, {0}]", k.dilation);
    if (chance(15)) {  // as torch.jit.trace writes it
      return fmt::format(
          "torch._convolution(@, self.weight, {}, {}, {}, {}, False, [0, 0], {}, False, False, "
          "True, True)",
          b, stride, padding, dilation, k.groups);
    }
    const auto keeps_side = [&](std::int64_t kernel, std::int64_t side_padding) {
      return 2 * side_padding == k.dilation * (kernel - 1);
    };
    const bool same = k.stride_h == 1 && k.stride_w == 1 && keeps_side(k.kh, k.pad_h) &&
                      keeps_side(k.kw, k.pad_w);
    return fmt::format("torch.conv2d(@, self.weight, {}, {}, {}, {}, {})", b, stride,
                       same && chance(10) ? "\"same\"" : padding, dilation, k.groups);
  }

  static Value shape_after(const Value& x, const Conv& k) {
    return {"", k.out, moved(x.h, k.kh, k.stride_h, k.pad_h, k.dilation),
            moved(x.w, k.kw, k.stride_w, k.pad_w, k.dilation)};
  }

  Parameters conv_parameters(const Value& x, const Conv& k, bool bias) {
    Parameters parameters{{"weight", {k.out, x.c / k.groups, k.kh, k.kw}}};
    if (bias) parameters.push_back({"bias", {k.out}});
    return parameters;
  }

  Value conv(const Value& x, const Conv& k) {
    const bool bias = chance(60);
    Value y = shape_after(x, k);
    y.name = call("Conv2d", conv_expression(k, bias), x.name, conv_parameters(x, k, bias));
    return y;
  }

  /// A convolution that keeps height and width.
  Value conv_same(const Value& x, std::int64_t out, std::int64_t side, std::int64_t groups = 1) {
    return conv(x, {.out = out,
                    .kh = side,
                    .kw = side,
                    .pad_h = side / 2,
                    .pad_w = side / 2,
                    .groups = groups});
  }

  /// Any convolution that fits.
  Value conv(const Value& x) {
    for (int attempt = 0; attempt < 30; ++attempt) {
      Conv k;
      k.kh = k.kw = one_of<std::int64_t>({1, 1, 2, 3, 3, 3, 5});
      if (chance(15)) k.kw = one_of<std::int64_t>({1, 2, 3, 5});
      k.stride_h = k.stride_w = one_of<std::int64_t>({1, 1, 1, 1, 2, 2, 3});
      if (chance(8)) k.stride_w = between(1, 3);
      k.dilation = chance(20) ? 2 : 1;
      k.pad_h = chance(50) ? k.kh / 2 : between(0, k.kh);
      k.pad_w = k.kw == k.kh && chance(85) ? k.pad_h : between(0, k.kw);
      k.groups = chance(65) ? 1 : chance(60) ? x.c : one_of(divisors(x.c));
      k.out = k.groups * between(1, std::max<std::int64_t>(1, kMaxChannels / k.groups));
      if (chance(50)) k.out = x.c;
      const Value y = shape_after(x, k);
      if (y.h >= 1 && y.w >= 1 && y.h <= kMaxSide && y.w <= kMaxSide) return conv(x, k);
    }
    return conv_same(x, x.c, 1);
  }

  static std::vector<std::int64_t> divisors(std::int64_t n) {
    std::vector<std::int64_t> found;
    for (std::int64_t i = 1; i <= n; ++i) {
      if (n % i == 0) found.push_back(i);
    }
    return found;
  }

  std::string linear(const std::string& x, std::int64_t in, std::int64_t out) {
    const bool bias = chance(75);
    Parameters parameters{{"weight", {out, in}}};
    if (bias) parameters.push_back({"bias", {out}});
    const std::string expression =
        bias && chance(20)
            ? "torch.addmm(self.bias, @, torch.t(self.weight))"
            : fmt::format("torch.linear(@, self.weight, {})", bias ? "self.bias" : "None");
    return call("Linear", expression, x, parameters);
  }

  // What stands between sites

  Value batch_norm(const Value& x) {
    const std::string name = fmt::format("bn{}", next_++);
    builder_.batch_norm(name, x.c);
    layers_ += fmt::format("{} = BatchNorm2d [{}]\n", name, x.c);
    return emit(fmt::format("self.{}.forward({})", name, x.name), x);
  }

  Value activation(const Value& x) {
    static const std::vector<std::string> kCommon{"torch.relu(@)", "torch.relu_(@)"};
    static const std::vector<std::string> kAll{"torch.hardtanh(@, 0.0, 6.0)",
                                               "torch.hardtanh_(@, 0.0, 6.0)",
                                               "torch.relu6(@)",
                                               "torch.clamp(@, 0.0, 1.0)",
                                               "torch.leaky_relu(@, 0.1)",
                                               "torch.sigmoid(@)",
                                               "torch.tanh(@)",
                                               "torch.silu(@)",
                                               "torch.gelu(@)",
                                               "torch.hardswish(@)",
                                               "torch.hardswish_(@)",
                                               "torch.hardsigmoid(@)",
                                               "torch.elu(@)",
                                               "torch.abs(@)",
                                               "@ * torch.sigmoid(@)",
                                               "@ * 0.5",
                                               "@ + 0.25",
                                               "@ - 1.0",
                                               "1.0 - @",
                                               "@ / 3.0",
                                               "torch.neg(@)",
                                               "torch.dropout(@, 0.5, False)",
                                               "torch.feature_dropout(@, 0.5, False)",
                                               "torch.where(@ > 0.1, @, @ * 0.5)",
                                               "@ * @"};
    const Value y = apply("Activation", one_of(chance(45) ? kCommon : kAll), x);
    // Sums lose the sign of a zero: here it decides a value.
    return chance(10) ? apply("Signed", "@ + torch.copysign(torch.full_like(@, 0.5), @)", y) : y;
  }

  Value pool(const Value& x) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      const std::int64_t kernel = between(2, 3), stride = between(1, 3);
      const std::int64_t padding = between(0, kernel / 2);
      const bool max = chance(60), ceil = chance(25);
      std::int64_t h = moved(x.h, kernel, stride, padding);
      std::int64_t w = moved(x.w, kernel, stride, padding);
      if (h < 1 || w < 1) continue;
      const auto rounded_up = [&](std::int64_t side, std::int64_t out) {
        // One window more, provided that it starts inside the padded input.
        const bool rest = (side + 2 * padding - kernel) % stride != 0;
        return rest && out * stride < side + padding ? out + 1 : out;
      };
      if (ceil) h = rounded_up(x.h, h), w = rounded_up(x.w, w);
      const std::string window =
          fmt::format("[{0}, {0}], [{1}, {1}], [{2}, {2}]", kernel, stride, padding);
      const std::string ceil_mode = ceil ? "True" : "False";
      const std::string expression =
          max ? fmt::format("torch.max_pool2d(@, {}, [1, 1], {})", window, ceil_mode)
              : fmt::format("torch.avg_pool2d(@, {}, {}, {})", window, ceil_mode,
                            chance(50) ? "True" : "False");
      return {call("Pool", expression, x.name), x.c, h, w};
    }
    return x;
  }

  Value pad(const Value& x) {
    const std::int64_t left = between(0, 2), right = between(0, 2), top = between(0, 2);
    const std::int64_t bottom = chance(15) && x.h > 3 ? -1 : between(0, 2);
    Value y{"", x.c, x.h + top + bottom, x.w + left + right};
    if (y.h > kMaxSide || y.w > kMaxSide) return x;
    y.name = call("Pad",
                  fmt::format("torch.constant_pad_nd(@, [{}, {}, {}, {}], {})", left, right, top,
                              bottom, one_of<std::string>({"0.0", "0.0", "1.5"})),
                  x.name);
    return y;
  }

  Value seldom(const Value& x) { return seldom(x, between(0, 14)); }
  Value seldom(const Value& x, std::int64_t which) {
    switch (which) {
      case 10:
        return call_tokens("LayerNorm", x,
                           "torch.layer_norm(@, [CHANNELS], self.weight, self.bias)",
                           {{"weight", {x.c}}, {"bias", {x.c}}});
      case 11:
        return chance(25) ? transformer_layer(x) : attention(x);
      case 12:
        return recurrent(x);
      case 13: {
        const std::string index = assign(fmt::format(
            "torch.clamp(torch.nan_to_num(torch.mean({}, [2, 3])) * 4.0 + 4.0, 0.0, 7.0)", x.name));
        const std::string gate = call("Embedding", "torch.embedding(self.weight, @.long())", index,
                                      {{"weight", {8, 1}}});
        return emit(fmt::format("{} * torch.unsqueeze({}, 3)", x.name, gate), x);
      }
      case 14: {
        const std::string lines = assign(fmt::format("torch.flatten({}, 2)", x.name));
        const std::string kind = chance(50) ? "conv1d" : "conv_transpose1d";
        const std::string y =
            call("Conv1d", fmt::format("torch.{}(@, self.weight, self.bias, [1], [1])", kind),
                 lines, {{"weight", {x.c, x.c, 3}}, {"bias", {x.c}}});
        return emit(fmt::format("torch.reshape({}, [-1, {}, {}, {}])", y, x.c, x.h, x.w), x);
      }
      case 0:
        return apply("Softmax", "torch.softmax(@, 1)", x);
      case 1:
        return apply("LayerNorm", fmt::format("torch.layer_norm(@, [{}, {}, {}])", x.c, x.h, x.w),
                     x);
      case 2:
        return {assign(fmt::format("torch.transpose({}, 2, 3)", x.name)), x.c, x.w, x.h};
      case 3:
        return emit(fmt::format("{0} - torch.mean({0}, [2, 3], True)", x.name), x);
      case 4: {  // a linear layer at every pixel
        const std::string tokens =
            assign(fmt::format("torch.transpose(torch.flatten({}, 2), 1, 2)", x.name));
        const std::string mixed =
            call("Linear", "torch.linear(@, self.weight, None)", tokens, {{"weight", {x.c, x.c}}});
        return emit(fmt::format("torch.reshape(torch.transpose({}, 1, 2), [-1, {}, {}, {}])", mixed,
                                x.c, x.h, x.w),
                    x);
      }
      case 5:
        if (chance(50)) {  // channels as depth
          const std::string kind = chance(50) ? "conv3d" : "conv_transpose3d";
          return {call("Conv3d",
                       fmt::format("torch.squeeze(torch.{}(torch.unsqueeze(@, 1), self.weight, "
                                   "self.bias, [1, 1, 1], [1, 1, 1]), 1)",
                                   kind),
                       x.name, {{"weight", {1, 1, 3, 3, 3}}, {"bias", {1}}}),
                  x.c, x.h, x.w};
        }
        return {call("ConvTranspose2d", "torch.conv_transpose2d(@, self.weight)", x.name,
                     {{"weight", {x.c, x.c, 2, 2}}}),
                x.c, x.h + 1, x.w + 1};
      case 6:
        return emit(fmt::format("torch.flip({}, [3])", x.name), x);
      case 7:
        return emit(fmt::format("torch.roll({}, [1], [1])", x.name), x);
      case 8:
        return apply("Sign", "torch.copysign(torch.full_like(@, 0.5), @)", x);
      default:
        return apply("PReLU", fmt::format("torch.prelu(@, torch.full([{}], 0.25))", x.c), x);
    }
  }

  // Positions as tokens: [n, h * w, c].

  std::string tokens(const Value& x) {
    return assign(fmt::format("torch.transpose(torch.flatten({}, 2), 1, 2)", x.name));
  }
  Value from_tokens(const std::string& y, const Value& x) {
    return emit(
        fmt::format("torch.reshape(torch.transpose({}, 1, 2), [-1, {}, {}, {}])", y, x.c, x.h, x.w),
        x);
  }
  Value call_tokens(const std::string& type, const Value& x, const std::string& expression,
                    const Parameters& parameters) {
    const std::string with_size = replaced(expression, "CHANNELS", std::to_string(x.c));
    return from_tokens(call(type, with_size, tokens(x), parameters), x);
  }

  Value attention(const Value& x) {
    const std::string all = tokens(x);
    const auto projected = [&] {
      return call("Linear", "torch.linear(@, self.weight, self.bias)", all,
                  {{"weight", {x.c, x.c}}, {"bias", {x.c}}});
    };
    const std::string query = projected(), key = projected(), value = projected();
    if (chance(30)) {
      return from_tokens(assign(fmt::format("torch._scaled_dot_product_attention({}, {}, {})[0]",
                                            query, key, value)),
                         x);
    }
    const std::string product = chance(50) ? "bmm" : "matmul";
    const std::string scores =
        assign(fmt::format("torch.{}({}, torch.transpose({}, 1, 2)) * 0.5", product, query, key));
    const std::string weights = assign(fmt::format("torch.softmax({}, -1)", scores));
    return from_tokens(assign(fmt::format("torch.{}({}, {})", product, weights, value)), x);
  }

  Value transformer_layer(const Value& x) {
    return call_tokens(
        "Encoder", x,
        "torch._transformer_encoder_layer_fwd(@, CHANNELS, 1, self.in_weight, self.in_bias, "
        "self.out_weight, self.out_bias, False, False, 1e-5, self.norm1_weight, self.norm1_bias, "
        "self.norm2_weight, self.norm2_bias, self.up_weight, self.up_bias, self.down_weight, "
        "self.down_bias)",
        {{"in_weight", {3 * x.c, x.c}},
         {"in_bias", {3 * x.c}},
         {"out_weight", {x.c, x.c}},
         {"out_bias", {x.c}},
         {"norm1_weight", {x.c}},
         {"norm1_bias", {x.c}},
         {"norm2_weight", {x.c}},
         {"norm2_bias", {x.c}},
         {"up_weight", {5, x.c}},
         {"up_bias", {5}},
         {"down_weight", {x.c, 5}},
         {"down_bias", {x.c}}});
  }

  Value recurrent(const Value& x) {
    const bool lstm = chance(50);
    const std::int64_t gates = lstm ? 4 : 3;
    const std::string zeros = fmt::format("torch.zeros([1, @.size(0), {}])", x.c);
    return call_tokens(
        lstm ? "LSTM" : "GRU", x,
        fmt::format("torch.{}(@, {}, [self.weight_ih_l0, self.weight_hh_l0, "
                    "self.bias_ih_l0, self.bias_hh_l0], True, 1, 0.0, False, "
                    "False, True)[0]",
                    lstm ? "lstm" : "gru", lstm ? fmt::format("[{0}, {0}]", zeros) : zeros),
        {{"weight_ih_l0", {gates * x.c, x.c}},
         {"weight_hh_l0", {gates * x.c, x.c}},
         {"bias_ih_l0", {gates * x.c}},
         {"bias_hh_l0", {gates * x.c}}});
  }

  Value step(const Value& x) {
    const std::int64_t which = between(0, 99);
    if (which < 40) return conv(x);
    if (which < 55) return batch_norm(x);
    if (which < 80) return activation(x);
    if (which < 88) return pool(x);
    if (which < 91) return pad(x);
    return seldom(x);
  }

  // Blocks

  Value block(const Value& x) {
    switch (between(0, 8)) {
      case 0:
      case 1: {
        Value y = x;
        for (std::int64_t steps = between(1, 4); steps > 0; --steps) y = step(y);
        return y;
      }
      case 2:
        return residual(x);
      case 3:
        return inception(x);
      case 4:
        return u_net(x);
      case 5:
        return depthwise_separable(x);
      case 6:
        return squeeze_excite(x);
      case 7:
        return called_twice(x);
      default:
        return split(x);
    }
  }

  Value sum(const Value& a, const Value& b) {
    switch (between(0, 7)) {
      case 0:
        body_ += fmt::format("  {} += {}\n", a.name, b.name);
        return a;
      case 1:
        return emit(fmt::format("{}.add_({})", a.name, b.name), a);
      case 2:
        return emit(fmt::format("torch.add({}, {}, alpha=0.5)", a.name, b.name), a);
      case 3:
        return emit(fmt::format("{} * {}", a.name, b.name), a);
      case 4:
        return emit(fmt::format("{} - {}", a.name, b.name), a);
      case 5:
        return emit(fmt::format("torch.max({}, {})", a.name, b.name), a);
      default:
        return emit(fmt::format("{} + {}", b.name, a.name), a);
    }
  }

  Value residual(const Value& x) {
    const std::int64_t stride = between(1, 2);
    const std::int64_t out = chance(50) ? x.c : between(1, kMaxChannels);
    Value y = conv(x, {.out = out,
                       .kh = 3,
                       .kw = 3,
                       .stride_h = stride,
                       .stride_w = stride,
                       .pad_h = 1,
                       .pad_w = 1});
    if (chance(60)) y = batch_norm(y);
    y = activation(y);
    y = conv_same(y, out, 3);
    if (chance(60)) y = batch_norm(y);
    Value shortcut = x;
    if (!x.same_shape(y) || chance(10)) {
      shortcut = conv(x, {.out = out, .stride_h = stride, .stride_w = stride});
      if (chance(40)) shortcut = batch_norm(shortcut);
    }
    y = sum(y, shortcut);
    return chance(70) ? activation(y) : y;
  }

  Value branch(const Value& x) {
    const std::int64_t out = between(1, 6);
    switch (between(0, 6)) {
      case 0:
        return conv_same(x, out, 3);
      case 1:
        return conv_same(activation(conv_same(x, out, 1)), out, 5);
      case 2:
        return conv(conv(x, {.out = out, .kh = 1, .kw = 3, .pad_w = 1}),
                    {.out = out, .kh = 3, .kw = 1, .pad_h = 1});
      case 3:
        return conv_same(
            apply("Pool", "torch.max_pool2d(@, [3, 3], [1, 1], [1, 1], [1, 1], False)", x), out, 1);
      case 4:
        return apply("Pool", "torch.avg_pool2d(@, [3, 3], [1, 1], [1, 1], False, False)", x);
      case 5:
        return x;
      default:
        return conv_same(x, out, 1);
    }
  }

  Value concatenated(const std::vector<Value>& parts) {
    Value all = parts.front();
    std::vector<std::string> names;
    all.c = 0;
    for (const Value& part : parts) {
      names.push_back(part.name);
      all.c += part.c;
    }
    all.name = assign(fmt::format("torch.cat([{}], 1)", fmt::join(names, ", ")));
    return all.c > kMaxChannels ? conv_same(all, between(1, kMaxChannels), 1) : all;
  }

  Value inception(const Value& x) {
    std::vector<Value> parts;
    for (std::int64_t branches = between(2, 4); branches > 0; --branches) {
      parts.push_back(branch(x));
      if (chance(40)) parts.back() = activation(parts.back());
    }
    return concatenated(parts);
  }

  Value upsampled(const Value& y, const Value& to) {
    const bool doubles = to.h == 2 * y.h && to.w == 2 * y.w;
    const std::string expression =
        chance(20) ? fmt::format("torch.upsample_bilinear2d(@, [{}, {}], False)", to.h, to.w)
        : doubles && chance(60) ? "torch.upsample_nearest2d(@, None, [2.0, 2.0])"
                                : fmt::format("torch.upsample_nearest2d(@, [{}, {}])", to.h, to.w);
    return {call("Upsample", expression, y.name), y.c, to.h, to.w};
  }

  Value u_net(const Value& x) {
    const Value skip = activation(conv_same(x, between(1, 8), 3));
    if (skip.h < 2 || skip.w < 2) return skip;
    Value y = skip;
    if (chance(50)) {
      y = conv(y, {.out = between(1, 12),
                   .kh = 3,
                   .kw = 3,
                   .stride_h = 2,
                   .stride_w = 2,
                   .pad_h = 1,
                   .pad_w = 1});
    } else {
      const bool ceil = chance(50);
      y = {call("Pool",
                fmt::format("torch.max_pool2d(@, [2, 2], [2, 2], [0, 0], [1, 1], {})",
                            ceil ? "True" : "False"),
                y.name),
           y.c, (y.h + ceil) / 2, (y.w + ceil) / 2};
    }
    for (std::int64_t i = between(0, 2); i > 0; --i)
      y = activation(conv_same(y, between(1, 12), 3));
    y = upsampled(y, skip);
    if (chance(40)) y = conv_same(y, between(1, 8), 3);
    y = concatenated(chance(50) ? std::vector{y, skip} : std::vector{skip, y});
    return chance(60) ? activation(conv_same(y, between(1, 12), 3)) : y;
  }

  Value depthwise_separable(const Value& x) {
    const std::int64_t hidden = chance(50) ? x.c : std::min(kMaxChannels, 2 * x.c);
    const std::int64_t kernel = chance(75) ? 3 : 5, stride = between(1, 2);
    Value y = hidden == x.c ? x : activation(conv_same(x, hidden, 1));
    y = conv(y, {.out = hidden,
                 .kh = kernel,
                 .kw = kernel,
                 .stride_h = stride,
                 .stride_w = stride,
                 .pad_h = kernel / 2,
                 .pad_w = kernel / 2,
                 .groups = hidden});
    if (chance(50)) y = batch_norm(y);
    y = activation(y);
    y = conv_same(y, chance(60) ? x.c : between(1, kMaxChannels), 1);
    return y.same_shape(x) ? sum(y, x) : y;
  }

  Value squeeze_excite(const Value& x) {
    Value gate{call("Squeeze", "torch.adaptive_avg_pool2d(@, [1, 1])", x.name), x.c, 1, 1};
    gate = activation(conv_same(gate, between(1, 6), 1));
    gate = conv_same(gate, x.c, 1);
    gate =
        emit(fmt::format("torch.{}({})", chance(60) ? "sigmoid" : "hardsigmoid", gate.name), gate);
    return emit(chance(50) ? x.name + " * " + gate.name : gate.name + " * " + x.name, x);
  }

  Value called_twice(const Value& x) {
    const Conv k{
        .out = x.c, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1, .groups = chance(75) ? 1 : x.c};
    const std::string layer =
        add_layer("Conv2d", conv_expression(k, true), conv_parameters(x, k, true));
    Value y = emit(fmt::format("self.{}.forward({})", layer, x.name), x);
    y = activation(y);
    return emit(fmt::format("self.{}.forward({})", layer, y.name), y);
  }

  /// Channels part, one half goes through a convolution, and all are shuffled.
  Value split(const Value& x) {
    if (x.c < 2) return conv(x);
    const std::int64_t half = x.c / 2;
    Value a{"", half, x.h, x.w}, b{"", x.c - half, x.h, x.w};
    if (x.c % 2 == 0 && chance(50)) {
      a.name = fmt::format("v{}", next_++);
      b.name = fmt::format("v{}", next_++);
      body_ += fmt::format("  {}, {} = torch.chunk({}, 2, 1)\n", a.name, b.name, x.name);
    } else {
      a.name = assign(fmt::format("{}[:, 0:{}]", x.name, half));
      b.name = assign(fmt::format("{}[:, {}:]", x.name, half));
    }
    const std::int64_t groups = chance(50) ? b.c : 1;
    b = conv_same(b, b.c, one_of<std::int64_t>({1, 3}), groups);
    if (chance(50)) b = activation(b);
    const Value y = concatenated({a, b});
    if (y.c % 2 != 0 || chance(30)) return y;
    const std::string grouped =
        assign(fmt::format("torch.transpose({}.view([-1, 2, {}, {}, {}]), 1, 2).contiguous()",
                           y.name + ".contiguous()", y.c / 2, y.h, y.w));
    return emit(fmt::format("{}.view([-1, {}, {}, {}])", grouped, y.c, y.h, y.w), y);
  }

  // The end

  std::string head(Value x) {
    const std::int64_t classes = between(2, 12);
    std::string features;
    std::int64_t count = 0;
    if (chance(15)) {  // no linear layer at all
      x = conv_same(x, classes, 1);
      x.name = call("Squeeze", "torch.adaptive_avg_pool2d(@, [1, 1])", x.name);
      features = call("Flatten", "torch.flatten(@, 1)", x.name);
      return finished(features);
    }
    if (x.c * x.h * x.w > kMaxFeatures || chance(50)) {
      const std::int64_t side = chance(60) ? 1 : 2;
      if (side == 1 && chance(30)) {
        features = call("Mean", "torch.mean(@, [2, 3])", x.name);
        count = x.c;
      } else {
        x = {call("Squeeze", fmt::format("torch.adaptive_avg_pool2d(@, [{0}, {0}])", side), x.name),
             x.c, side, side};
      }
    }
    if (features.empty()) {
      count = x.c * x.h * x.w;
      features = call(
          "Flatten",
          chance(60) ? "torch.flatten(@, 1)" : fmt::format("torch.reshape(@, [-1, {}])", count),
          x.name);
    }
    if (chance(40)) {
      const std::int64_t hidden = between(2, 40);
      features = assign(fmt::format("torch.{}({})", chance(80) ? "relu" : "tanh",
                                    linear(features, count, hidden)));
      count = hidden;
    }
    return finished(linear(features, count, classes));
  }

  std::string finished(const std::string& logits) {
    if (chance(30)) return call("Softmax", "torch.softmax(@, 1)", logits);
    return chance(7) ? call("Softmax", "torch.log_softmax(@, 1)", logits) : logits;
  }

  Draws draws_;
  NetBuilder builder_;
  std::string layers_, body_;
  std::uint64_t next_ = 0;  ///< for names
};

}  // namespace

RandomNet random_net(std::uint64_t seed) { return Generator(seed).make(); }

}  // namespace bitquake::test
