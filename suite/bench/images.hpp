#pragma once

#include "datasets/dataset.hpp"
#include "suite/base/result.hpp"

#include <cstdint>
#include <memory>
#include <span>

namespace bitquake::bench {

/// The first `count` images of `whole`, held in memory: resized bilinearly to the height and width
/// of `shape`, grey ones repeated into its channels. Labels, indices and checksums stay those of
/// `whole`.
/// @param shape  [channels, height, width], 1 or 3 channels
/// @return Errc::data when there are fewer images, or one cannot be read
Result<std::shared_ptr<const datasets::Dataset>> resize(const datasets::Dataset& whole,
                                                        std::uint64_t count,
                                                        std::span<const std::int64_t> shape);

}  // namespace bitquake::bench
