#include "suite/model/region.hpp"

#include <array>
#include <cstring>

namespace bitquake::model {
namespace {

bool same(const float* a, const float* b, std::int64_t n) {
  return std::memcmp(a, b, static_cast<std::size_t>(n) * sizeof(float)) == 0;
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return a >= 0 ? (a + b - 1) / b : -(-a / b);
}
std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a >= 0 ? a / b : -((-a + b - 1) / b);
}

}  // namespace

void copy_box(const Patch& from, const Box& wanted, float* to) {
  paste_box(from, wanted, to, wanted);
}

void paste_box(const Patch& values, const Box& box, float* target, const Box& target_box) {
  const Patch into{target_box, target};
  const auto copy = [&](std::int64_t c, std::int64_t y, std::int64_t count) {
    const float* in = values.at(c, y, box.x.low);
    auto* out = const_cast<float*>(into.at(c, y, box.x.low));
    if (count < 16) {  // a call costs more than the copy
      for (std::int64_t i = 0; i < count; ++i) out[i] = in[i];
    } else {
      std::memcpy(out, in, static_cast<std::size_t>(count) * sizeof(float));
    }
  };
  // Lines, planes or all at once, where both sides hold them without gaps.
  const bool lines = box.x == values.stored.x && box.x == target_box.x;
  const bool planes = lines && box.y == values.stored.y && box.y == target_box.y;
  if (planes) return copy(box.c.low, box.y.low, box.elements());
  for (std::int64_t c = box.c.low; c < box.c.high; ++c) {
    if (lines) {
      copy(c, box.y.low, box.y.size() * box.x.size());
      continue;
    }
    for (std::int64_t y = box.y.low; y < box.y.high; ++y) copy(c, y, box.x.size());
  }
}

Box tighten(const Patch& values, const RowShape& shape, const float* golden, Box box) {
  const Patch sound{shape.whole(), golden};
  const auto equal = [&](const Box& part) {
    for (std::int64_t c = part.c.low; c < part.c.high; ++c) {
      for (std::int64_t y = part.y.low; y < part.y.high; ++y) {
        if (!same(values.at(c, y, part.x.low), sound.at(c, y, part.x.low), part.x.size())) {
          return false;
        }
      }
    }
    return true;
  };
  // Faces are peeled off while they equal the golden values.
  const auto peel = [&](Range Box::*axis) {
    while (!box.empty()) {
      Box face = box;
      (face.*axis).high = (face.*axis).low + 1;
      if (!equal(face)) break;
      ++(box.*axis).low;
    }
    while (!box.empty()) {
      Box face = box;
      (face.*axis).low = (face.*axis).high - 1;
      if (!equal(face)) break;
      --(box.*axis).high;
    }
  };
  peel(&Box::c);
  if (!box.empty()) peel(&Box::y);
  if (!box.empty()) peel(&Box::x);
  return box.empty() ? Box{} : box;
}

Range Slide::reached(const Range& inputs) const {
  const Range all{ceil_div(inputs.low + padding - dilation * (kernel - 1), stride),
                  floor_div(inputs.high - 1 + padding, stride) + 1};
  return intersect(all, {0, out});
}

std::int64_t window_size(std::int64_t size, std::int64_t limit) {
  static constexpr std::array<std::int64_t, 24> kSizes{
      1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 160};
  const auto found = std::lower_bound(kSizes.begin(), kSizes.end(), size);
  return found == kSizes.end() ? limit : std::min(*found, limit);
}

Range place(const Range& wanted, std::int64_t size, std::int64_t limit) {
  const std::int64_t low = std::clamp<std::int64_t>(wanted.low, 0, limit - size);
  return {low, low + size};
}

}  // namespace bitquake::model
