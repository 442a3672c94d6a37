#include "suite/model/sequence.hpp"

#include <fmt/format.h>
#include <torch/script.h>

#include <algorithm>
#include <memory>

namespace bitquake::model {
namespace {

class Writer {
 public:
  Writer() : network_(make("Sequence")) {}

  torch::jit::Module write(const Sequence& sequence) {
    for (const Layer& layer : sequence.layers) {
      if (layer.has_parameters()) add(layer);
    }
    std::string body = "def forward(self, x):\n";
    for (const std::size_t call : sequence.calls) {
      body += fmt::format("  x = {}\n", expression(sequence.layers[call]));
    }
    network_.define(body + "  return x\n");
    return network_;
  }

 private:
  torch::jit::Module make(const std::string& type) {
    torch::jit::Module module("__torch__.bitquake." + type, unit_, /*shouldMangle=*/true);
    module.register_attribute("training", c10::BoolType::get(), false);
    return module;
  }

  static at::Tensor tensor(const std::vector<float>& values,
                           const std::vector<std::int64_t>& shape) {
    at::Tensor result = at::empty(shape, at::kFloat);
    std::copy(values.begin(), values.end(), result.data_ptr<float>());
    return result;
  }

  void add(const Layer& layer) {
    const bool conv = layer.kind == LayerKind::conv2d;
    torch::jit::Module module = make(conv ? "Conv2d" : "Linear");
    const std::vector<std::int64_t> shape =
        conv ? std::vector{layer.out, layer.in, layer.kernel, layer.kernel}
             : std::vector{layer.out, layer.in};
    module.register_parameter("weight", tensor(layer.weight, shape), false);
    module.register_parameter("bias", tensor(layer.bias, {layer.out}), false);
    module.define(
        conv ? fmt::format("def forward(self, x):\n  return torch.conv2d(x, self.weight, "
                           "self.bias, [{0}, {0}], [{1}, {1}], [1, 1], 1)\n",
                           layer.stride, layer.padding)
             : "def forward(self, x):\n  return torch.linear(x, self.weight, self.bias)\n");
    network_.register_module(layer.name, module);
  }

  static std::string expression(const Layer& layer) {
    switch (layer.kind) {
      case LayerKind::relu:
        return "torch.relu(x)";
      case LayerKind::max_pool:
        return "torch.max_pool2d(x, [2, 2], [2, 2], [0, 0], [1, 1], False)";
      case LayerKind::flatten:
        return "torch.flatten(x, 1)";
      case LayerKind::conv2d:
      case LayerKind::linear:
        break;
    }
    return fmt::format("self.{}.forward(x)", layer.name);
  }

  std::shared_ptr<torch::jit::CompilationUnit> unit_ =
      std::make_shared<torch::jit::CompilationUnit>();
  torch::jit::Module network_;
};

}  // namespace

void save_sequence(const Sequence& sequence, const std::filesystem::path& path) {
  Writer().write(sequence).save(path.string());
}

}  // namespace bitquake::model
