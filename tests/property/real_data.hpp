#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

/// Real models and data beside the checkout, free of Torch.
namespace bitquake::test {

/// ../shared/data, seen from the root of the repository; it may be missing.
std::filesystem::path real_data();

/// Images of a CIFAR-10 binary file as the ResNet-20 beside it takes them: [count, 3, 32, 32],
/// (x / 255 - mean) / std.
std::vector<float> cifar10_inputs(const std::filesystem::path& file, std::size_t first,
                                  std::size_t count);

/// Photographs as MobileNetV2 takes them: [count, 3, 224, 224] RGB, short side 256 bilinear, centre
/// crop, x / 127.5 - 1; files in the order of their names.
std::vector<float> photograph_inputs(const std::filesystem::path& folder, std::size_t first,
                                     std::size_t count);

}  // namespace bitquake::test
