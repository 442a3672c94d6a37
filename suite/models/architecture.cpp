#include "suite/models/architecture.hpp"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

namespace bitquake::models {
namespace {

/// Puts a network together from named layers. Each layer is a submodule with its own forward, so
/// that its name is a module path; the network calls them in the order in which they were added.
class Sequence {
 public:
  explicit Sequence(const std::string& name) : network_(make(name)) {}

  void conv(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel,
            std::int64_t padding) {
    add(name, "Conv2d",
        fmt::format("torch.conv2d(x, self.weight, self.bias, [1, 1], [{0}, {0}], [1, 1], 1)",
                    padding),
        {{"weight", {out, in, kernel, kernel}}, {"bias", {out}}});
  }

  void linear(const std::string& name, std::int64_t in, std::int64_t out) {
    add(name, "Linear", "torch.linear(x, self.weight, self.bias)",
        {{"weight", {out, in}}, {"bias", {out}}});
  }

  void relu(const std::string& name) { add(name, "ReLU", "torch.relu(x)"); }

  void max_pool(const std::string& name) {
    add(name, "MaxPool2d", "torch.max_pool2d(x, [2, 2], [2, 2], [0, 0], [1, 1], False)");
  }

  void flatten(const std::string& name) { add(name, "Flatten", "torch.flatten(x, 1)"); }

  torch::jit::Module finish() {
    network_.define(forward_ + "  return x\n");
    return network_;
  }

 private:
  using Parameters = std::vector<std::pair<std::string, std::vector<std::int64_t>>>;

  /// Modules get the flag that TorchScript reads as "in train mode"; without it eval() has no
  /// effect.
  torch::jit::Module make(const std::string& type) {
    torch::jit::Module module("__torch__.bitquake." + type, unit_, /*shouldMangle=*/true);
    module.register_attribute("training", c10::BoolType::get(), true);
    return module;
  }

  void add(const std::string& name, const std::string& type, const std::string& expression,
           const Parameters& parameters = {}) {
    torch::jit::Module layer = make(type);
    for (const auto& [parameter, shape] : parameters) {
      layer.register_parameter(parameter, torch::zeros(shape, torch::requires_grad()), false);
    }
    layer.define(fmt::format("def forward(self, x):\n  return {}\n", expression));
    network_.register_module(name, layer);
    forward_ += fmt::format("  x = self.{}.forward(x)\n", name);
  }

  std::shared_ptr<torch::jit::CompilationUnit> unit_ =
      std::make_shared<torch::jit::CompilationUnit>();
  torch::jit::Module network_;
  std::string forward_ = "def forward(self, x):\n";
};

/// LeNet-5 with ReLU and max pooling, as it is commonly built today.
/// Source: LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE
/// 86(11), 1998, section II.B (sizes of the layers; there: tanh, subsampling, RBF output).
torch::jit::Module lenet5() {
  Sequence net("LeNet5");
  net.conv("conv1", 1, 6, 5, 2);
  net.relu("relu1");
  net.max_pool("pool1");
  net.conv("conv2", 6, 16, 5, 0);
  net.relu("relu2");
  net.max_pool("pool2");
  net.flatten("flatten");
  net.linear("fc1", 400, 120);
  net.relu("relu3");
  net.linear("fc2", 120, 84);
  net.relu("relu4");
  net.linear("fc3", 84, 10);
  return net.finish();
}

}  // namespace

std::span<const Architecture> architectures() {
  static const std::array all{
      Architecture{.name = "lenet5",
                   .doc = "LeNet-5 for 1x28x28 images and 10 classes, 61,706 parameters",
                   .input_shape = {1, 28, 28},
                   .recipe = {.epochs = 24,
                              .batch = 64,
                              .learning_rate = 0.03,
                              .momentum = 0.9,
                              .weight_decay = 5e-4,
                              .flip = true,
                              .shift_pixels = 1},
                   .build = lenet5},
  };
  return all;
}

}  // namespace bitquake::models
