#pragma once

#include <algorithm>
#include <cstdint>

namespace bitquake {

/// An axis-aligned box in an image. Pixels; x to the right, y down; the pixel in row i and column j
/// covers [j, j + 1) x [i, i + 1).
struct Box {
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;  ///< left, top, right, bottom edge

  double width() const { return x1 - x0; }
  double height() const { return y1 - y0; }
  double area() const { return std::max(width(), 0.0) * std::max(height(), 0.0); }
  bool operator==(const Box&) const = default;
};

/// What is said to be seen in a box.
struct Object {
  Box box;
  std::int64_t category = 0;  ///< as the data set numbers them
  bool crowd = false;         ///< one box around many: COCO's iscrowd
  std::uint64_t id = 0;       ///< of the annotation in its data set
  bool operator==(const Object&) const = default;
};

}  // namespace bitquake
