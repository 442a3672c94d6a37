#include "suite/bench/networks.hpp"

#include "faultgen/fault_space.hpp"
#include "suite/models/builder.hpp"

#include <fmt/format.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace bitquake::bench {
namespace {

using models::Builder;

constexpr std::uint64_t kSeed = 1;

/// ResNet-20 for CIFAR: three stages of three blocks.
/// Source: He et al., "Deep residual learning for image recognition", CVPR 2016, section 4.2, n = 3
/// (there: shortcuts without parameters).
void resnet20(Builder& net) {
  net.conv("conv1", {.in = 3, .out = 16, .kernel = 3, .padding = 1, .bias = false});
  net.batch_norm("bn1", 16);
  net.relu("relu1");
  std::int64_t in = 16;
  for (const std::int64_t out : {16, 32, 64}) {
    for (int block = 0; block < 3; ++block) {
      models::add_basic_block(net, fmt::format("layer{}_{}", out / 16, block), in, out,
                              in == out ? 1 : 2);
      in = out;
    }
  }
  net.average_pool("pool");
  net.flatten("flatten");
  net.linear("fc", 64, 10);
}

void bottleneck(Builder& net, const std::string& name, std::int64_t in, std::int64_t width,
                std::int64_t stride) {
  const std::int64_t out = 4 * width;
  Builder block = net.part("Bottleneck");
  block.branch();
  block.conv("conv1", {.in = in, .out = width, .bias = false});
  block.batch_norm("bn1", width);
  block.relu("relu1");
  block.conv(
      "conv2",
      {.in = width, .out = width, .kernel = 3, .stride = stride, .padding = 1, .bias = false});
  block.batch_norm("bn2", width);
  block.relu("relu2");
  block.conv("conv3", {.in = width, .out = out, .bias = false});
  block.batch_norm("bn3", out);
  if (in != out) {
    block.on_branch();
    block.conv("shortcut_conv", {.in = in, .out = out, .stride = stride, .bias = false});
    block.batch_norm("shortcut_bn", out);
  }
  block.add_branch();
  block.relu("relu3");
  net.add_part(name, std::move(block));
}

/// Source: He et al., table 1, 50 layers; the stride is that of the 3x3 convolution, as in
/// torchvision (there: of the first 1x1).
void resnet50(Builder& net) {
  net.conv("conv1", {.in = 3, .out = 64, .kernel = 7, .stride = 2, .padding = 3, .bias = false});
  net.batch_norm("bn1", 64);
  net.relu("relu1");
  net.max_pool("pool1", {.window = 3, .stride = 2, .padding = 1});
  constexpr std::array kBlocks{3, 4, 6, 3};
  std::int64_t in = 64;
  for (std::size_t stage = 0; stage < kBlocks.size(); ++stage) {
    const std::int64_t width = std::int64_t{64} << stage;
    for (int block = 0; block < kBlocks[stage]; ++block) {
      const std::int64_t stride = block == 0 && stage > 0 ? 2 : 1;
      bottleneck(net, fmt::format("layer{}_{}", stage + 1, block), in, width, stride);
      in = 4 * width;
    }
  }
  net.average_pool("pool");
  net.flatten("flatten");
  net.linear("fc", 2048, 1000);
}

void inverted_residual(Builder& net, const std::string& name, std::int64_t in, std::int64_t out,
                       std::int64_t stride, std::int64_t expansion) {
  const std::int64_t hidden = in * expansion;
  const bool residual = stride == 1 && in == out;
  Builder block = net.part("InvertedResidual");
  if (residual) block.branch();
  if (expansion != 1) {
    block.conv("expand", {.in = in, .out = hidden, .bias = false});
    block.batch_norm("expand_bn", hidden);
    block.relu6("expand_relu6");
  }
  block.conv("depthwise", {.in = hidden,
                           .out = hidden,
                           .kernel = 3,
                           .stride = stride,
                           .padding = 1,
                           .groups = hidden,
                           .bias = false});
  block.batch_norm("depthwise_bn", hidden);
  block.relu6("depthwise_relu6");
  block.conv("project", {.in = hidden, .out = out, .bias = false});
  block.batch_norm("project_bn", out);
  if (residual) block.add_branch();
  net.add_part(name, std::move(block));
}

/// Source: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018,
/// table 2.
void mobilenet_v2(Builder& net) {
  struct Row {
    std::int64_t expansion, out, repeats, stride;
  };
  constexpr std::array kRows{Row{1, 16, 1, 1}, Row{6, 24, 2, 2}, Row{6, 32, 3, 2},
                             Row{6, 64, 4, 2}, Row{6, 96, 3, 1}, Row{6, 160, 3, 2},
                             Row{6, 320, 1, 1}};
  net.conv("conv1", {.in = 3, .out = 32, .kernel = 3, .stride = 2, .padding = 1, .bias = false});
  net.batch_norm("bn1", 32);
  net.relu6("relu6_1");
  std::int64_t in = 32;
  int block = 0;
  for (const Row& row : kRows) {
    for (std::int64_t i = 0; i < row.repeats; ++i) {
      inverted_residual(net, fmt::format("block{}", block++), in, row.out, i == 0 ? row.stride : 1,
                        row.expansion);
      in = row.out;
    }
  }
  net.conv("conv2", {.in = in, .out = 1280, .bias = false});
  net.batch_norm("bn2", 1280);
  net.relu6("relu6_2");
  net.average_pool("pool");
  net.flatten("flatten");
  net.linear("fc", 1280, 1000);
}

/// Source: Simonyan, Zisserman, "Very deep convolutional networks for large-scale image
/// recognition", ICLR 2015, table 1, configuration D.
void vgg16(Builder& net) {
  constexpr std::array<std::array<std::int64_t, 2>, 5> kStages{
      {{64, 2}, {128, 2}, {256, 3}, {512, 3}, {512, 3}}};
  std::int64_t in = 3;
  int stage = 0;
  for (const auto& [out, convolutions] : kStages) {
    ++stage;
    for (std::int64_t i = 1; i <= convolutions; ++i) {
      net.conv(fmt::format("conv{}_{}", stage, i),
               {.in = in, .out = out, .kernel = 3, .padding = 1});
      net.relu(fmt::format("relu{}_{}", stage, i));
      in = out;
    }
    net.max_pool(fmt::format("pool{}", stage));
  }
  net.flatten("flatten");
  net.linear("fc6", 512 * 7 * 7, 4096);
  net.relu("relu6");
  net.linear("fc7", 4096, 4096);
  net.relu("relu7");
  net.linear("fc", 4096, 1000);
}

torch::jit::Module build(const Network& network) {
  static const std::map<std::string_view, void (*)(Builder&)> kLayers{
      {"resnet20", resnet20},
      {"mobilenet_v2", mobilenet_v2},
      {"resnet50", resnet50},
      {"vgg16", vgg16}};
  Builder net("Benchmark");
  net.set_momentum(1.0);
  kLayers.at(network.name)(net);
  torch::jit::Module module = net.finish();
  for (const torch::Tensor& parameter : module.parameters()) parameter.set_requires_grad(false);
  models::initialise(module, kSeed);
  return module;
}

Result<torch::Tensor> read_inputs(const Network& network, const datasets::Dataset& images) {
  const auto& shape = network.input;
  const auto n = static_cast<std::int64_t>(images.size());
  torch::Tensor inputs = torch::empty({n, shape[0], shape[1], shape[2]});
  const auto elements = static_cast<std::size_t>(shape[0] * shape[1] * shape[2]);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto sample = images.get(static_cast<std::uint64_t>(i));
    if (!sample) return sample.error();
    const std::span<float> out(inputs[i].data_ptr<float>(), elements);
    const auto fits = datasets::to_input(*sample, preprocess_of(network), shape, out);
    if (!fits) return fits.error();
  }
  return inputs;
}

/// Logits of all images, some at a time: early activations of large networks are many.
torch::Tensor forward(torch::jit::Module& module, const torch::Tensor& inputs) {
  constexpr std::int64_t kAtOnce = 4;
  std::vector<torch::Tensor> logits;
  for (std::int64_t first = 0; first < inputs.size(0); first += kAtOnce) {
    logits.push_back(module.forward({inputs.slice(0, first, first + kAtOnce)}).toTensor());
  }
  return torch::cat(logits);
}

/// Running statistics of batch norm become those of `inputs`, all in one batch; then the mean of
/// each logit over them is taken off by the bias of the last layer.
void calibrate(torch::jit::Module& module, const torch::Tensor& inputs) {
  constexpr std::int64_t kMostImages = 32;  // of 224x224 pixels they take a gigabyte
  const bool normalises = module.buffers().size() > 0;
  if (normalises) module.forward({inputs.slice(0, 0, kMostImages)});
  module.eval();
  torch::Tensor bias = module.attr("fc").toModule().attr("bias").toTensor();
  bias.sub_(forward(module, inputs).mean(0));
}

std::vector<std::int64_t> top1_of(torch::jit::Module& module, const torch::Tensor& inputs) {
  const torch::Tensor classes = forward(module, inputs).argmax(1).contiguous();
  const auto* first = classes.data_ptr<std::int64_t>();
  return {first, first + classes.numel()};
}

Result<std::monostate> write(const Network& network, const torch::Tensor& inputs,
                             const std::filesystem::path& lenet5,
                             const std::filesystem::path& file) {
  const torch::NoGradGuard no_grad;
  // Plain execution: the optimising executor would profile, then compile.
  torch::jit::setGraphExecutorOptimize(false);
  const bool shipped = network.name == "lenet5";
  torch::jit::Module module = shipped ? torch::jit::load(lenet5.string()) : build(network);
  if (!shipped) calibrate(module, inputs);
  auto diverse = check_diverse(top1_of(module, inputs), network.name);
  if (diverse) module.save(file.string());
  return diverse;
}

}  // namespace

const Network* find_network(std::string_view name) {
  const auto* found = std::ranges::find(kNetworks, name, &Network::name);
  return found == kNetworks.end() ? nullptr : found;
}

datasets::Preprocess preprocess_of(const Network& network) {
  if (network.input[0] == 1) return {.divide_by = 255.0, .mean = {0.2860}, .stddev = {0.3530}};
  // Source: torchvision's models, transforms of the ImageNet weights.
  return {.divide_by = 255.0, .mean = {0.485, 0.456, 0.406}, .stddev = {0.229, 0.224, 0.225}};
}

Result<std::monostate> make_network(const Network& network, const datasets::Dataset& images,
                                    const std::filesystem::path& lenet5,
                                    const std::filesystem::path& file) {
  const auto inputs = read_inputs(network, images);
  if (!inputs) return inputs.error();
  const bool shipped = network.name == "lenet5";
  if (shipped && !std::filesystem::is_regular_file(lenet5)) {
    return Error{Errc::model, lenet5.string(), "no such model file",
                 "the shipped models lie in suite/models, or share/bitquake/models once installed",
                 ""};
  }
  try {
    return write(network, *inputs, lenet5, file);
  } catch (const c10::Error& error) {
    return Error{Errc::model, std::string(network.name), error.what_without_backtrace(), "", ""};
  }
}

Result<std::monostate> check_diverse(const std::vector<std::int64_t>& top1,
                                     std::string_view where) {
  std::map<std::int64_t, std::size_t> counts;
  for (const std::int64_t decision : top1) ++counts[decision];
  const auto most =
      std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; });
  if (2 * most->second <= top1.size()) return std::monostate{};
  return Error{
      Errc::model, std::string(where),
      fmt::format("class {} is top-1 for {} of {} images", most->first, most->second, top1.size()),
      "faults hardly change such decisions: use more images, or another seed", ""};
}

}  // namespace bitquake::bench
