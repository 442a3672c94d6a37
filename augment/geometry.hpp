#pragma once

#include "augment/scene.hpp"
#include "suite/base/box.hpp"

#include <cstdint>
#include <functional>
#include <optional>

namespace bitquake::augment {

/// A place in an image, in the coordinates of Box: the middle of the upper left pixel is (0.5,
/// 0.5).
struct Point {
  double x = 0, y = 0;
};

using PointMap = std::function<Point(Point)>;

/// A change of where things are: `forward` says where a point goes, `backward`, its inverse, where
/// what is now at a point comes from.
struct Warp {
  PointMap forward, backward;
};

/// What lies around the image.
enum class Outside : std::uint8_t {
  constant,  ///< one value everywhere
  reflect,   ///< the image mirrored at its edges, the outermost pixel repeated
};

/// The box around what was in `box`: the hull of its mapped outline (corners and 63 points between
/// each two of them, exact for maps that keep lines straight), clipped to the image.
/// @param min_visibility  in [0, 1]
/// @return none if the hull does not touch the image, or if less than `min_visibility` of the
///         hull's area is inside
/// Source: albumentations (66212d7), boxes under affine maps and the filter by visibility.
std::optional<Box> moved_box(const Box& box, const PointMap& forward, cv::Size image,
                             double min_visibility);

/// The image under the map, of the same size and type: bilinear, places rounded to 1/1024 pixel,
/// integer arithmetic. It does not average: what shrinks a lot, aliases.
/// @param fill  value around the image, fraction of the range (Outside::constant)
cv::Mat warped(const cv::Mat& image, const PointMap& backward, Outside outside, double fill = 0);

/// Warps image and boxes; removes the objects that moved_box() has no box for. Parts of objects
/// that a reflecting border repeats get no boxes.
void warp(Scene& scene, const Warp& map, Outside outside, double fill, double min_visibility);

}  // namespace bitquake::augment
