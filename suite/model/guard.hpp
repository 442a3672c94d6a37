#pragma once

#include "faultgen/bits.hpp"
#include "suite/model/protection.hpp"
#include "suite/model/region.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

/// The arithmetic of guards on one row of a batch, seen as [c, y, x]. Free of Torch, thread-safe.
namespace bitquake::model {

/// A range guard with all it needs to know of the values it sees.
struct GuardRule {
  GuardKind kind = GuardKind::detector;
  std::vector<float> low{}, high{};  ///< one, or one for each channel
  bool sanitise = true;
  bool channels_last = false;  ///< channels are counted along x, not c
  bool maps = false;           ///< c are feature maps of several positions

  /// Place of the bounds of an element.
  std::size_t channel(std::int64_t c, std::int64_t x) const {
    return low.size() == 1 ? 0 : static_cast<std::size_t>(channels_last ? x : c);
  }
};

/// Some channels of a row.
struct ChannelChoice {
  std::vector<bool> chosen;    ///< by channel
  bool channels_last = false;  ///< channels are counted along x, not c

  bool has(std::int64_t c, std::int64_t x) const {
    return chosen[static_cast<std::size_t>(channels_last ? x : c)];
  }
};

/// NaN is outside. Without branches, so that loops over it become vector instructions.
inline bool is_outside(float x, float low, float high) {
  return (static_cast<unsigned>(x >= low) & static_cast<unsigned>(x <= high)) == 0;
}

/// The value of [low, high] that is nearest to 0.
inline float nearest_to_zero(float low, float high) { return std::clamp(0.0F, low, high); }

/// An element after clamp, clip or backflip, which look at it alone.
inline float guarded(GuardKind kind, bool sanitise, float x, float low, float high) {
  if (sanitise && std::isnan(x)) x = nearest_to_zero(low, high);
  if (kind == GuardKind::clip) {
    const bool reached = (static_cast<unsigned>(x >= high) | static_cast<unsigned>(x <= low)) != 0;
    return reached ? 0.0F : x;
  }
  if (kind == GuardKind::backflip) {
    if (x >= 0x1p64F * high) x = 0;
    if (x >= 2 * high) x = 2;
  }
  return x < low ? low : x > high ? high : x;
}

/// Bits differ; NaN equals NaN: payloads depend on the kernel.
inline bool differs(float a, float b) {
  return faultgen::to_bits(a) != faultgen::to_bits(b) && !(std::isnan(a) && std::isnan(b));
}

/// Whether an element of `box`, in one of the channels where those are chosen, has other bits in
/// `b` than in `a`.
bool any_difference(const ChannelChoice* channels, const Patch& a, const Patch& b, const Box& box);

/// Copies the chosen channels of a whole row.
void copy_channels(const ChannelChoice& channels, const Patch& from, float* to);

/// Whether an element of `box` is outside its bounds.
bool any_outside(const GuardRule& rule, const Patch& values, const Box& box);

/// What the guard makes of `in`, for `box` of it, densely. `in` holds `box`; for rescale the whole
/// maps (without maps the whole row), for average the whole row.
void correct(const GuardRule& rule, const Patch& in, const Box& box, float* out);

}  // namespace bitquake::model
