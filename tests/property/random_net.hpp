#pragma once

#include <torch/script.h>

#include <cstdint>
#include <string>
#include <vector>

namespace bitquake::test {

/// A small classifier that nobody designed.
struct RandomNet {
  torch::jit::Module module;
  std::string source;  ///< TorchScript of its layers and of the network, for people
  std::vector<std::int64_t> input_shape;  ///< [channels, height, width], 5..19 pixels
};

/// A network as a function of the seed: convolutions of all shapes (grouped, dilated, strided,
/// asymmetric), what stands between them in common architectures (residual, inception, U-net,
/// squeeze-excite, shuffle blocks), and some things that stand there seldom. Output: [n, classes]
/// with 2 to 12 classes. Layers are modules or written out, so that both kinds of sites are there.
RandomNet random_net(std::uint64_t seed);

}  // namespace bitquake::test
