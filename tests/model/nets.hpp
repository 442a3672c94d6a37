#pragma once

#include "suite/base/rng.hpp"

#include <torch/script.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::test {

/// Builds TorchScript modules for tests: layers are submodules with a forward of their own, so that
/// their names are module paths.
class NetBuilder {
 public:
  using Parameters = std::vector<std::pair<std::string, std::vector<std::int64_t>>>;

  /// @param seed  of the parameters' values
  explicit NetBuilder(const std::string& name = "Net", std::uint64_t seed = 7)
      : net_(make(name)), seed_(seed) {}

  torch::jit::Module make(const std::string& type) {
    torch::jit::Module module("__torch__.test." + type, unit_, /*shouldMangle=*/true);
    module.register_attribute("training", c10::BoolType::get(), false);
    return module;
  }

  /// A module with parameters of small random values and this forward body.
  torch::jit::Module layer(const std::string& type, const std::string& body,
                           const Parameters& parameters = {}) {
    torch::jit::Module module = make(type);
    for (const auto& [name, shape] : parameters) {
      module.register_parameter(name, values(shape), false);
    }
    module.define("def forward(self, x):\n" + body);
    return module;
  }

  void add(const std::string& name, const torch::jit::Module& module) {
    net_.register_module(name, module);
  }

  void conv(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel,
            std::int64_t stride = 1, std::int64_t padding = 0, std::int64_t groups = 1) {
    const std::string s = std::to_string(stride), p = std::to_string(padding);
    add(name, layer("Conv2d",
                    "  return torch.conv2d(x, self.weight, self.bias, [" + s + ", " + s + "], [" +
                        p + ", " + p + "], [1, 1], " + std::to_string(groups) + ")\n",
                    {{"weight", {out, in / groups, kernel, kernel}}, {"bias", {out}}}));
  }

  void linear(const std::string& name, std::int64_t in, std::int64_t out) {
    add(name, layer("Linear", "  return torch.linear(x, self.weight, self.bias)\n",
                    {{"weight", {out, in}}, {"bias", {out}}}));
  }

  void batch_norm(const std::string& name, std::int64_t channels) {
    torch::jit::Module module = make("BatchNorm2d");
    module.register_parameter("weight", values({channels}) + 1.0, false);
    module.register_parameter("bias", values({channels}), false);
    module.register_parameter("mean", values({channels}), true);
    module.register_parameter("var", values({channels}).abs() + 0.5, true);
    // As exporters write it: the branch on `training` must fold away.
    module.define(
        "def forward(self, x):\n"
        "  if self.training:\n"
        "    return torch.batch_norm(x, self.weight, self.bias, None, None, True, 0.1, 1e-5, "
        "True)\n"
        "  else:\n"
        "    return torch.batch_norm(x, self.weight, self.bias, self.mean, self.var, False, 0.1, "
        "1e-5, True)\n");
    add(name, module);
  }

  void relu(const std::string& name) { add(name, layer("ReLU", "  return torch.relu(x)\n")); }

  /// The network, with this body of `forward(self, x)`.
  torch::jit::Module finish(const std::string& body) {
    net_.define("def forward(self, x):\n" + body);
    return net_;
  }

  torch::jit::Module& net() { return net_; }

  at::Tensor values(const std::vector<std::int64_t>& shape) {
    at::Tensor tensor = at::empty(shape, at::kFloat);
    Draws draws(seed_, Stream::check_input, next_++);
    // Fan-in scaling keeps activations near 1.
    const double scale =
        tensor.dim() > 1 ? 1.5 / std::sqrt(static_cast<double>(tensor.numel() / shape[0])) : 0.3;
    float* data = tensor.data_ptr<float>();
    for (std::int64_t i = 0; i < tensor.numel(); ++i) {
      data[i] = static_cast<float>((draws.uniform() * 2 - 1) * scale);
    }
    return tensor;
  }

 private:
  std::shared_ptr<torch::jit::CompilationUnit> unit_ =
      std::make_shared<torch::jit::CompilationUnit>();
  torch::jit::Module net_;
  std::uint64_t seed_;
  std::uint64_t next_ = 0;
};

/// LeNet-5 for 1x28x28, ten classes.
inline torch::jit::Module lenet() {
  NetBuilder b("LeNet");
  b.conv("conv1", 1, 6, 5, 1, 2);
  b.relu("relu1");
  b.conv("conv2", 6, 16, 5);
  b.linear("fc1", 400, 120);
  b.linear("fc2", 120, 84);
  b.linear("fc3", 84, 10);
  return b.finish(
      "  x = torch.max_pool2d(self.relu1.forward(self.conv1.forward(x)), [2, 2], [2, 2], [0, 0], "
      "[1, 1], False)\n"
      "  x = torch.max_pool2d(torch.relu(self.conv2.forward(x)), [2, 2], [2, 2], [0, 0], [1, 1], "
      "False)\n"
      "  x = torch.flatten(x, 1)\n"
      "  x = torch.relu(self.fc1.forward(x))\n"
      "  x = torch.relu(self.fc2.forward(x))\n"
      "  return self.fc3.forward(x)\n");
}

/// Two residual blocks with batch norm, one with a strided shortcut, for 3x16x16.
inline torch::jit::Module residual_net() {
  NetBuilder b("Residual");
  b.conv("stem", 3, 8, 3, 1, 1);
  b.batch_norm("bn0", 8);
  b.conv("conv1", 8, 8, 3, 1, 1);
  b.batch_norm("bn1", 8);
  b.conv("conv2", 8, 16, 3, 2, 1);
  b.batch_norm("bn2", 16);
  b.conv("shortcut", 8, 16, 1, 2);
  b.linear("head", 16, 10);
  return b.finish(
      "  x = torch.relu_(self.bn0.forward(self.stem.forward(x)))\n"
      "  y = self.bn1.forward(self.conv1.forward(x))\n"
      "  y += x\n"
      "  x = torch.relu_(y)\n"
      "  y = self.bn2.forward(self.conv2.forward(x)) + self.shortcut.forward(x)\n"
      "  y = torch.relu(y)\n"
      "  y = torch.flatten(torch.adaptive_avg_pool2d(y, [1, 1]), 1)\n"
      "  return self.head.forward(y)\n");
}

/// Depthwise convolution and concatenation of branches, for 4x12x12.
inline torch::jit::Module concat_net() {
  NetBuilder b("Concat");
  b.conv("depthwise", 4, 4, 3, 1, 1, 4);
  b.conv("pointwise", 4, 8, 1);
  b.conv("branch", 4, 8, 3, 1, 1);
  b.linear("head", 16, 7);
  return b.finish(
      "  a = torch.relu(self.pointwise.forward(self.depthwise.forward(x)))\n"
      "  b = torch.sigmoid(self.branch.forward(x))\n"
      "  y = torch.cat([a, b], 1)\n"
      "  y = torch.mean(y, [2, 3])\n"
      "  return self.head.forward(y)\n");
}

/// Scripted control flow that does not depend on values: a loop, a branch on a shape, a function.
inline torch::jit::Module scripted_net() {
  NetBuilder b("Scripted");
  b.conv("conv", 3, 3, 3, 1, 1);
  b.linear("head", 3, 6);
  b.net().register_attribute("repeats", c10::IntType::get(), std::int64_t{3});
  return b.finish(
      "  for i in range(self.repeats):\n"
      "    x = torch.relu(self.conv.forward(x)) + float(i)\n"
      "  if x.size(1) == 3:\n"
      "    y = torch.mean(x, [2, 3])\n"
      "  else:\n"
      "    y = torch.flatten(x, 1)\n"
      "  assert y.dim() == 2, \"not a batch of vectors\"\n"
      "  return self.head.forward(y)\n");
}

}  // namespace bitquake::test
