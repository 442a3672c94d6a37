#pragma once

#include "datasets/sample.hpp"
#include "suite/base/named.hpp"
#include "suite/base/result.hpp"

#include <array>
#include <cstdint>
#include <optional>

/// The part of pre-processing that works on the image: it comes before perturbations, and
/// normalisation (datasets/preprocess.hpp) after them.
namespace bitquake::datasets {

enum class Colour : std::uint8_t { grey, rgb };
enum class Resize : std::uint8_t { short_side, exact, letterbox };
enum class Interpolation : std::uint8_t {
  nearest,
  bilinear,
  bicubic,
  lanczos,
  area,
  bilinear_antialias,
  bicubic_antialias
};

inline constexpr std::array kColours{
    Named<Colour>{Colour::grey, "grey",
                  "one channel: 0.299 R + 0.587 G + 0.114 B; alpha is dropped"},
    Named<Colour>{Colour::rgb, "rgb", "three channels: grey is repeated; alpha is dropped"},
};
inline constexpr std::array kResizes{
    Named<Resize>{
        Resize::short_side, "short_side",
        "the shorter side becomes resize_to: [N], the other keeps the ratio, rounded down"},
    Named<Resize>{Resize::exact, "exact", "resize_to: [height, width], whatever the ratio"},
    Named<Resize>{
        Resize::letterbox, "letterbox",
        "as large as fits into resize_to: [height, width], centred, the rest is pad_value"},
};
/// Without "antialias" what OpenCV's resize does; bilinear and nearest are its bit-exact forms.
inline constexpr std::array kInterpolations{
    Named<Interpolation>{Interpolation::nearest, "nearest", "the nearest pixel"},
    Named<Interpolation>{Interpolation::bilinear, "bilinear",
                         "of 2 x 2 pixels, without smoothing before"},
    Named<Interpolation>{Interpolation::bicubic, "bicubic",
                         "of 4 x 4 pixels (a = -0.75), without smoothing before"},
    Named<Interpolation>{Interpolation::lanczos, "lanczos",
                         "of 8 x 8 pixels, without smoothing before"},
    Named<Interpolation>{Interpolation::area, "area",
                         "mean of the pixels that a new one covers; for shrinking"},
    Named<Interpolation>{Interpolation::bilinear_antialias, "bilinear_antialias",
                         "as Pillow and torchvision: smooths as far as it shrinks"},
    Named<Interpolation>{Interpolation::bicubic_antialias, "bicubic_antialias",
                         "as Pillow and torchvision (a = -0.5): smooths as far as it shrinks"},
};

/// Height and width in pixels.
struct Extent {
  std::int64_t height = 0, width = 0;
  bool operator==(const Extent&) const = default;
};

/// Steps in this order; those that have no value are left out.
struct Geometry {
  std::optional<Colour> colour;
  std::optional<Resize> resize;
  Extent resize_to;  ///< of short_side: `height` is the length, `width` is not used
  Interpolation interpolation = Interpolation::bilinear;
  std::uint16_t pad_value = 0;  ///< of letterbox, in every channel
  std::optional<Extent> crop;   ///< from the centre; offsets are rounded half to even
  bool operator==(const Geometry&) const = default;
};

/// Applies the steps to the image, in its 8 or 16 bits. Boxes follow: they are scaled and moved
/// with their pixels; at a crop they are cut, and objects of which nothing is left are dropped.
/// Sample::transforms says what was done. Nothing to do: the sample as it was.
/// @return Errc::data when the image is smaller than the crop, or would pass 65,536 pixels a side
/// @note thread-safe, pure
Result<Sample> prepare_image(Sample sample, const Geometry& how);

}  // namespace bitquake::datasets
