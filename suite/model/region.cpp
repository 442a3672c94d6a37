#include "suite/model/region.hpp"

#include <array>
#include <cstring>

namespace bitquake::model {
namespace {

/// Equal bits. Of short runs two integers at a time: most are shorter than a call takes.
inline bool same(const float* a, const float* b, std::int64_t n) {
  if (n > 24) return std::memcmp(a, b, static_cast<std::size_t>(n) * sizeof(float)) == 0;
  std::uint64_t differs = 0;
  std::int64_t i = 0;
  for (; i + 2 <= n; i += 2) {
    std::uint64_t x = 0, y = 0;
    std::memcpy(&x, a + i, sizeof x);
    std::memcpy(&y, b + i, sizeof y);
    differs |= x ^ y;
  }
  if (i < n) {
    std::uint32_t x = 0, y = 0;
    std::memcpy(&x, a + i, sizeof x);
    std::memcpy(&y, b + i, sizeof y);
    differs |= x ^ y;
  }
  return differs == 0;
}

/// Short runs by two overlapping moves of fixed size: most are shorter than a call takes.
inline void copy_run(const float* in, float* out, std::int64_t n) {
  constexpr std::size_t kFour = 4 * sizeof(float), kEight = 8 * sizeof(float);
  if (n > 16) {
    std::memcpy(out, in, static_cast<std::size_t>(n) * sizeof(float));
  } else if (n >= 8) {
    std::memcpy(out, in, kEight);
    std::memcpy(out + n - 8, in + n - 8, kEight);
  } else if (n >= 4) {
    std::memcpy(out, in, kFour);
    std::memcpy(out + n - 4, in + n - 4, kFour);
  } else {
    for (std::int64_t i = 0; i < n; ++i) out[i] = in[i];
  }
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
  const float* in = values.at(box.c.low, box.y.low, box.x.low);
  auto* out = const_cast<float*>(into.at(box.c.low, box.y.low, box.x.low));
  // Lines, planes or all at once, where both sides hold them without gaps.
  const bool lines = box.x == values.stored.x && box.x == target_box.x;
  if (lines && box.y == values.stored.y && box.y == target_box.y) {
    return copy_run(in, out, box.elements());
  }
  const std::int64_t in_line = values.stored.x.size(), out_line = target_box.x.size();
  const std::int64_t in_plane = in_line * values.stored.y.size(),
                     out_plane = out_line * target_box.y.size();
  const std::int64_t height = lines ? 1 : box.y.size();
  const std::int64_t run = lines ? box.y.size() * box.x.size() : box.x.size();
  for (std::int64_t c = box.c.low; c < box.c.high; ++c, in += in_plane, out += out_plane) {
    for (std::int64_t y = 0; y < height; ++y) {
      copy_run(in + y * in_line, out + y * out_line, run);
    }
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
