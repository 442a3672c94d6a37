#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

/// Geometry of what differs from the golden run: boxes in a tensor seen as [c, y, x], and how an
/// operator maps them. Free of Torch.
namespace bitquake::model {

/// Half-open range of positions.
struct Range {
  std::int64_t low = 0, high = 0;
  std::int64_t size() const { return high - low; }
  bool empty() const { return high <= low; }
  bool contains(const Range& other) const { return low <= other.low && other.high <= high; }
  bool operator==(const Range&) const = default;
};

inline Range unite(const Range& a, const Range& b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  return {std::min(a.low, b.low), std::max(a.high, b.high)};
}
inline Range intersect(const Range& a, const Range& b) {
  return {std::max(a.low, b.low), std::min(a.high, b.high)};
}

/// Half-open box of elements of one row of a batch.
struct Box {
  Range c, y, x;
  std::int64_t elements() const { return empty() ? 0 : c.size() * y.size() * x.size(); }
  bool empty() const { return c.empty() || y.empty() || x.empty(); }
  bool contains(const Box& o) const {
    return c.contains(o.c) && y.contains(o.y) && x.contains(o.x);
  }
  bool operator==(const Box&) const = default;
};

inline Box unite(const Box& a, const Box& b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  return {unite(a.c, b.c), unite(a.y, b.y), unite(a.x, b.x)};
}
inline Box intersect(const Box& a, const Box& b) {
  return {intersect(a.c, b.c), intersect(a.y, b.y), intersect(a.x, b.x)};
}

/// One row of a tensor as three dimensions: [c, h, w] of images, [features, 1, 1] of vectors.
struct RowShape {
  std::int64_t c = 0, h = 0, w = 0;
  std::int64_t elements() const { return c * h * w; }
  Box whole() const { return {{0, c}, {0, h}, {0, w}}; }
  bool operator==(const RowShape&) const = default;
};

/// Values of a box of a row, stored densely: [c, y, x] of `stored`.
struct Patch {
  Box stored;
  const float* data = nullptr;
  const float* at(std::int64_t c, std::int64_t y, std::int64_t x) const {
    return data + ((c - stored.c.low) * stored.y.size() + (y - stored.y.low)) * stored.x.size() +
           (x - stored.x.low);
  }
};

/// Copies `wanted` from a patch that holds all of it.
void copy_box(const Patch& from, const Box& wanted, float* to);

/// Copies the part of `values` in `box` into `target` (values of `target_box`, stored densely).
void paste_box(const Patch& values, const Box& box, float* target, const Box& target_box);

/// The smallest box outside which `values` equals `golden` (a whole row of `shape`), inside `box`,
/// bit by bit; empty when there is no difference. Stops early where everything differs.
Box tighten(const Patch& values, const RowShape& shape, const float* golden, Box box);

/// How a sliding window reads along one axis: output o reads o*stride - padding + dilation*k for k
/// in [0, kernel).
struct Slide {
  std::int64_t kernel = 1, stride = 1, padding = 0, dilation = 1, in = 1, out = 1;

  /// Input positions between the first and the last one that `outputs` read; may reach outside.
  Range reads(const Range& outputs) const {
    return {outputs.low * stride - padding,
            (outputs.high - 1) * stride - padding + dilation * (kernel - 1) + 1};
  }
  /// Outputs that may read one of `inputs`.
  Range reached(const Range& inputs) const;
  bool operator==(const Slide&) const = default;
};

/// Window sizes that are computed: 1 to 8, then in steps of a quarter to a half, so that few
/// kernels need to be checked. The smallest one that is >= size; `limit` when that is larger.
std::int64_t window_size(std::int64_t size, std::int64_t limit);

/// A range of `size` positions inside [0, limit) around `wanted`; size <= limit.
Range place(const Range& wanted, std::int64_t size, std::int64_t limit);

}  // namespace bitquake::model
