#include "suite/model/guard.hpp"

#include <limits>

namespace bitquake::model {
namespace {

template <class Function>
void for_each(const Box& box, const Function& function) {
  for (std::int64_t c = box.c.low; c < box.c.high; ++c) {
    for (std::int64_t y = box.y.low; y < box.y.high; ++y) {
      for (std::int64_t x = box.x.low; x < box.x.high; ++x) function(c, y, x);
    }
  }
}

/// Calls `function(value, low, high)` for the elements of `box`, line by line with constant bounds
/// where that is so: loops that a compiler can vectorise.
template <class Function>
void with_bounds(const GuardRule& rule, const Patch& values, const Box& box,
                 const Function& function) {
  const bool along_x = rule.channels_last && rule.low.size() > 1;
  for (std::int64_t c = box.c.low; c < box.c.high; ++c) {
    for (std::int64_t y = box.y.low; y < box.y.high; ++y) {
      const float* line = values.at(c, y, box.x.low);
      const float* low = &rule.low[rule.channel(c, box.x.low)];
      const float* high = &rule.high[rule.channel(c, box.x.low)];
      if (along_x) {
        for (std::int64_t i = 0; i < box.x.size(); ++i) function(line[i], low[i], high[i]);
      } else {
        const float lower = *low, upper = *high;
        for (std::int64_t i = 0; i < box.x.size(); ++i) function(line[i], lower, upper);
      }
    }
  }
}

template <GuardKind kind>
void correct_each(const GuardRule& rule, const Patch& in, const Box& box, float* out) {
  with_bounds(rule, in, box, [&, sanitise = rule.sanitise](float x, float low, float high) {
    *out++ = guarded(kind, sanitise, x, low, high);
  });
}

/// In double: as published where that does not overflow.
void rescale(const GuardRule& rule, const Patch& in, const Box& map, const Box& box, float* out) {
  const auto value = [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    const float v = *in.at(c, y, x);
    if (!rule.sanitise || std::isfinite(v)) return v;
    const float low = rule.low[rule.channel(c, x)], high = rule.high[rule.channel(c, x)];
    return std::isnan(v) ? nearest_to_zero(low, high) : v > 0 ? high : low;
  };
  double min = std::numeric_limits<double>::infinity(), max = -min;
  bool nan = false;
  for_each(map, [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    const double v = value(c, y, x);
    nan |= std::isnan(v);
    min = std::min(min, v);
    max = std::max(max, v);
  });
  for_each(box, [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    const float v = value(c, y, x);
    const float low = rule.low[rule.channel(c, x)], high = rule.high[rule.channel(c, x)];
    float result = v;
    if (!nan && v > high) {
      const double share = rule.sanitise && max == min ? 1 : (v - min) / (max - min);
      const double range = static_cast<double>(high) - low;
      result = static_cast<float>(share * range + low);
    } else if (!nan && v < low) {
      result = low;
    }
    *out++ = result;
  });
}

/// Sums in double, in the order of the maps.
void average(const GuardRule& rule, const Patch& in, const Box& box, float* out) {
  const Box& all = in.stored;
  std::vector<bool> healthy(static_cast<std::size_t>(all.c.size()), true);
  const auto outside = [&](std::int64_t c, float v) {
    const std::size_t channel = rule.channel(c, 0);
    return is_outside(v, rule.low[channel], rule.high[channel]);
  };
  bool nan = false;
  std::int64_t count = all.c.size();
  for (std::int64_t c = all.c.low; c < all.c.high; ++c) {
    bool sound = true;
    for_each({{c, c + 1}, all.y, all.x}, [&](std::int64_t, std::int64_t y, std::int64_t x) {
      const float v = *in.at(c, y, x);
      nan |= std::isnan(v);
      sound &= !outside(c, v);
    });
    healthy[static_cast<std::size_t>(c - all.c.low)] = sound;
    count -= sound ? 0 : 1;
  }
  const bool idle = nan && !rule.sanitise;
  const auto mean = [&](std::int64_t y, std::int64_t x) {
    double sum = 0;
    for (std::int64_t c = all.c.low; c < all.c.high; ++c) {
      const double v = *in.at(c, y, x);
      if (healthy[static_cast<std::size_t>(c - all.c.low)]) {
        sum += v;
      } else if (!rule.sanitise) {
        sum += 0 * v;
      }
    }
    return static_cast<float>(sum / static_cast<double>(count));
  };
  for_each(box, [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    const float v = *in.at(c, y, x);
    const std::size_t channel = rule.channel(c, 0);
    float result = v;
    if (!idle && outside(c, v)) {
      const bool none = rule.sanitise && count == 0;
      result = none ? nearest_to_zero(rule.low[channel], rule.high[channel]) : mean(y, x);
    }
    *out++ = result;
  });
}

}  // namespace

bool any_difference(const ChannelChoice* channels, const Patch& a, const Patch& b, const Box& box) {
  bool found = false;
  for_each(box, [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    if (channels != nullptr && !channels->has(c, x)) return;
    found |= differs(*a.at(c, y, x), *b.at(c, y, x));
  });
  return found;
}

void copy_channels(const ChannelChoice& channels, const Patch& from, float* to) {
  for_each(from.stored, [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    if (channels.has(c, x)) *to = *from.at(c, y, x);
    ++to;
  });
}

bool any_outside(const GuardRule& rule, const Patch& values, const Box& box) {
  unsigned found = 0;
  with_bounds(rule, values, box, [&](float x, float low, float high) {
    found |= static_cast<unsigned>(is_outside(x, low, high));
  });
  return found != 0;
}

void correct(const GuardRule& rule, const Patch& in, const Box& box, float* out) {
  switch (rule.kind) {
    case GuardKind::clip:
      return correct_each<GuardKind::clip>(rule, in, box, out);
    case GuardKind::backflip:
      return correct_each<GuardKind::backflip>(rule, in, box, out);
    case GuardKind::rescale:
      if (!rule.maps) return rescale(rule, in, in.stored, box, out);
      for (std::int64_t c = box.c.low; c < box.c.high; ++c) {
        const Range map{c, c + 1};
        rescale(rule, in, {map, in.stored.y, in.stored.x}, {map, box.y, box.x}, out);
        out += box.y.size() * box.x.size();
      }
      return;
    case GuardKind::average:
      return average(rule, in, box, out);
    default:
      return correct_each<GuardKind::clamp>(rule, in, box, out);
  }
}

}  // namespace bitquake::model
