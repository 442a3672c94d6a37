#include "suite/models/builder.hpp"

#include "suite/base/rng.hpp"

#include <fmt/format.h>

#include <cmath>
#include <span>

namespace bitquake::models {
namespace {

torch::Tensor zeros(const std::vector<std::int64_t>& shape) {
  return torch::zeros(shape, torch::requires_grad());
}

}  // namespace

Builder::Builder(const std::string& type)
    : Builder(type, std::make_shared<torch::jit::CompilationUnit>()) {}

Builder::Builder(const std::string& type, std::shared_ptr<torch::jit::CompilationUnit> unit)
    : unit_(std::move(unit)), network_(make(type)) {}

void Builder::conv(const std::string& name, const Conv& conv) {
  Tensors parameters{
      {"weight", zeros({conv.out, conv.in / conv.groups, conv.kernel, conv.kernel})}};
  if (conv.bias) parameters.emplace_back("bias", zeros({conv.out}));
  add(name, "Conv2d",
      fmt::format("torch.conv2d(x, self.weight, {0}, [{1}, {1}], [{2}, {2}], [1, 1], {3})",
                  conv.bias ? "self.bias" : "None", conv.stride, conv.padding, conv.groups),
      parameters);
}

void Builder::linear(const std::string& name, std::int64_t in, std::int64_t out) {
  add(name, "Linear", "torch.linear(x, self.weight, self.bias)",
      {{"weight", zeros({out, in})}, {"bias", zeros({out})}});
}

void Builder::batch_norm(const std::string& name, std::int64_t channels) {
  add(name, "BatchNorm2d",
      fmt::format("torch.batch_norm(x, self.weight, self.bias, self.running_mean, "
                  "self.running_var, self.training, {:.1f}, 1e-5, False)",
                  momentum_),
      {{"weight", torch::ones({channels}, torch::requires_grad())}, {"bias", zeros({channels})}},
      {{"running_mean", torch::zeros({channels})}, {"running_var", torch::ones({channels})}});
}

void Builder::relu(const std::string& name) { add(name, "ReLU", "torch.relu(x)"); }

void Builder::relu6(const std::string& name) { add(name, "ReLU6", "torch.clamp(x, 0., 6.)"); }

void Builder::max_pool(const std::string& name, const Pool& pool) {
  add(name, "MaxPool2d",
      fmt::format("torch.max_pool2d(x, [{0}, {0}], [{1}, {1}], [{2}, {2}], [1, 1], False)",
                  pool.window, pool.stride, pool.padding));
}

void Builder::average_pool(const std::string& name) {
  add(name, "AdaptiveAvgPool2d", "torch.adaptive_avg_pool2d(x, [1, 1])");
}

void Builder::flatten(const std::string& name) { add(name, "Flatten", "torch.flatten(x, 1)"); }

void Builder::branch() { forward_ += "  b = x\n"; }

void Builder::on_branch() { value_ = "b"; }

void Builder::add_branch() {
  value_ = "x";
  forward_ += "  x = torch.add(x, b)\n";
}

Builder Builder::part(const std::string& type) const {
  Builder part(type, unit_);
  part.momentum_ = momentum_;
  return part;
}

void Builder::add_part(const std::string& name, Builder part) {
  network_.register_module(name, part.finish());
  call(name);
}

torch::jit::Module Builder::finish() {
  network_.define(forward_ + "  return x\n");
  return network_;
}

/// Modules get the flag that TorchScript reads as "in train mode"; without it eval() has no effect.
torch::jit::Module Builder::make(const std::string& type) const {
  torch::jit::Module module("__torch__.bitquake." + type, unit_, /*shouldMangle=*/true);
  module.register_attribute("training", c10::BoolType::get(), true);
  return module;
}

void Builder::add(const std::string& name, const std::string& type, const std::string& expression,
                  const Tensors& parameters, const Tensors& buffers) {
  torch::jit::Module layer = make(type);
  for (const auto& [parameter, value] : parameters) {
    layer.register_parameter(parameter, value, false);
  }
  for (const auto& [buffer, value] : buffers) layer.register_buffer(buffer, value);
  layer.define(fmt::format("def forward(self, x):\n  return {}\n", expression));
  network_.register_module(name, layer);
  call(name);
}

void Builder::call(const std::string& name) {
  forward_ += fmt::format("  {0} = self.{1}.forward({0})\n", value_, name);
}

void add_basic_block(Builder& net, const std::string& name, std::int64_t in, std::int64_t out,
                     std::int64_t stride) {
  Builder block = net.part("BasicBlock");
  block.branch();
  block.conv("conv1",
             {.in = in, .out = out, .kernel = 3, .stride = stride, .padding = 1, .bias = false});
  block.batch_norm("bn1", out);
  block.relu("relu1");
  block.conv("conv2", {.in = out, .out = out, .kernel = 3, .padding = 1, .bias = false});
  block.batch_norm("bn2", out);
  if (in != out || stride != 1) {
    block.on_branch();
    block.conv("shortcut_conv", {.in = in, .out = out, .stride = stride, .bias = false});
    block.batch_norm("shortcut_bn", out);
  }
  block.add_branch();
  block.relu("relu2");
  net.add_part(name, std::move(block));
}

void initialise(const torch::jit::Module& module, std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  std::uint64_t id = 0;
  for (const torch::Tensor& parameter : module.parameters()) {
    Draws draws(seed, Stream::training, id++);
    if (parameter.dim() < 2) continue;
    const std::int64_t fan_in = parameter.numel() / parameter.size(0);
    const double bound = std::sqrt(6.0 / static_cast<double>(fan_in));
    const std::span<float> values(parameter.data_ptr<float>(),
                                  static_cast<std::size_t>(parameter.numel()));
    for (float& value : values) value = static_cast<float>(bound * (2.0 * draws.uniform() - 1.0));
  }
}

}  // namespace bitquake::models
