#include "suite/models/architecture.hpp"

#include "suite/models/builder.hpp"

#include <array>

namespace bitquake::models {
namespace {

/// LeNet-5 with ReLU and max pooling, as it is commonly built today.
/// Source: LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE
/// 86(11), 1998, section II.B (sizes of the layers; there: tanh, subsampling, RBF output).
torch::jit::Module lenet5() {
  Builder net("LeNet5");
  net.conv("conv1", {.in = 1, .out = 6, .kernel = 5, .padding = 2});
  net.relu("relu1");
  net.max_pool("pool1");
  net.conv("conv2", {.in = 6, .out = 16, .kernel = 5});
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

/// The residual network for small images with one block in each of its three stages.
/// Source: He et al., section 4.2 (6n + 2 layers with n = 1; there: shortcuts without parameters).
torch::jit::Module resnet8() {
  Builder net("ResNet8");
  net.conv("conv1", {.in = 1, .out = 16, .kernel = 3, .padding = 1, .bias = false});
  net.batch_norm("bn1", 16);
  net.relu("relu1");
  add_basic_block(net, "stage1", 16, 16, 1);
  add_basic_block(net, "stage2", 16, 32, 2);
  add_basic_block(net, "stage3", 32, 64, 2);
  net.average_pool("pool");
  net.flatten("flatten");
  net.linear("fc", 64, 10);
  return net.finish();
}

}  // namespace

std::span<const Architecture> architectures() {
  static const std::array kAll{
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
      Architecture{.name = "resnet8",
                   .doc = "ResNet-8 for 1x28x28 images and 10 classes, 77,754 parameters",
                   .input_shape = {1, 28, 28},
                   .recipe = {.epochs = 8,
                              .batch = 128,
                              .learning_rate = 0.1,
                              .momentum = 0.9,
                              .weight_decay = 5e-4,
                              .flip = true,
                              .shift_pixels = 1},
                   .build = resnet8},
  };
  return kAll;
}

}  // namespace bitquake::models
