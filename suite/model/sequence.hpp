#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace bitquake::model {

enum class LayerKind : std::uint8_t {
  conv2d,    ///< square kernel, zero padding, with bias
  linear,    ///< with bias
  relu,      ///< max(x, 0)
  max_pool,  ///< 2x2, stride 2
  flatten,   ///< [c, h, w] -> [c * h * w]
};

/// A layer of a Sequence. Layers with parameters are modules and need a name; the sizes below are
/// theirs alone.
struct Layer {
  LayerKind kind = LayerKind::relu;
  std::string name{};
  std::int64_t in = 0, out = 0;  ///< channels or features
  std::int64_t kernel = 1, stride = 1, padding = 0;
  std::vector<float> weight{};  ///< [out, in, kernel, kernel] or [out, in]
  std::vector<float> bias{};    ///< [out]

  bool has_parameters() const { return kind == LayerKind::conv2d || kind == LayerKind::linear; }
};

/// A network whose layers are called one after the other.
struct Sequence {
  std::vector<Layer> layers;
  std::vector<std::size_t> calls;  ///< layers in execution order; one may be called several times
};

/// Writes `sequence` as a TorchScript archive. Throws what LibTorch throws.
void save_sequence(const Sequence& sequence, const std::filesystem::path& path);

}  // namespace bitquake::model
