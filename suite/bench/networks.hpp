#pragma once

#include "datasets/dataset.hpp"
#include "datasets/preprocess.hpp"
#include "suite/base/result.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

/// Networks to measure with. Except for the shipped LeNet-5 they are not trained: their sizes are
/// the published ones, their weights are drawn. How many faults are masked depends on the values
/// that flow, so those are made life-like: weights after He et al., running statistics of batch
/// norm from a forward pass on the images, logits centred by the bias of the last layer so that no
/// class wins everywhere.
namespace bitquake::bench {

struct Network {
  std::string_view name;
  std::string_view doc;
  std::array<std::int64_t, 3> input;  ///< [channels, height, width]
};

inline constexpr std::array kNetworks{
    Network{"lenet5", "the shipped LeNet-5, trained on Fashion-MNIST, 28x28", {1, 28, 28}},
    Network{"resnet20", "ResNet-20 for CIFAR, 32x32, 10 classes", {3, 32, 32}},
    Network{"mobilenet_v2", "MobileNetV2, 224x224, 1000 classes", {3, 224, 224}},
    Network{"resnet50", "ResNet-50, 224x224, 1000 classes", {3, 224, 224}},
    Network{"vgg16", "VGG-16, 224x224, 1000 classes", {3, 224, 224}},
};

/// The network of a name; null when there is none.
const Network* find_network(std::string_view name);

/// How its images become input: for one channel as the shipped model was trained, for three by mean
/// and deviation of ImageNet's channels.
datasets::Preprocess preprocess_of(const Network& network);

/// Writes a network as a TorchScript archive in eval mode.
/// @param network  which
/// @param images   of its input size (bench::resize): statistics and centring are of these
/// @param lenet5   the shipped archive, copied when `network` is lenet5
/// @param file     where to
/// @return Errc::model when the network cannot be read or check_diverse refuses it
Result<std::monostate> make_network(const Network& network, const datasets::Dataset& images,
                                    const std::filesystem::path& lenet5,
                                    const std::filesystem::path& file);

/// Errc::model when one class is top-1 for over half of the images: decisions of such a network
/// hardly change, so its rates say nothing.
/// @param top1   class of each image, not empty
/// @param where  name of the network, for the message
Result<std::monostate> check_diverse(const std::vector<std::int64_t>& top1, std::string_view where);

}  // namespace bitquake::bench
