#pragma once

#include <torch/script.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace bitquake::models {

/// How an architecture is trained: SGD with Nesterov momentum on the cross-entropy, a learning rate
/// that falls along half a cosine from its first value to 0, and augmented images. All of it was
/// chosen on training images held out (`--holdout`), never on the test images.
struct Recipe {
  std::int64_t epochs;        ///< passes over the training images
  std::int64_t batch;         ///< images of one step; the last step of an epoch may have fewer
  double learning_rate;       ///< of the first step
  double momentum;            ///< in (0, 1)
  double weight_decay;        ///< factor of the L2 penalty
  bool flip;                  ///< mirror every second image, drawn anew in each epoch
  std::int64_t shift_pixels;  ///< move each image by -shift .. shift pixels in x and in y
};

/// A network that can be trained here.
struct Architecture {
  std::string_view name;
  std::string_view doc;
  std::vector<std::int64_t> input_shape;  ///< [channels, height, width]
  Recipe recipe;
  /// Makes the module as builder.hpp leaves it; `forward` maps [n, input_shape] to logits
  /// [n, classes].
  torch::jit::Module (*build)();
};

/// All of them, in the order of `bitquake_train --help`.
std::span<const Architecture> architectures();

}  // namespace bitquake::models
