#include "suite/model/row_loops.hpp"

#include <bit>
#include <cmath>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define BITQUAKE_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define BITQUAKE_CLONES
#endif

namespace bitquake::model::loops {

BITQUAKE_CLONES void relu(const float* in, float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = in[i] < 0.0F ? 0.0F : in[i];
}

BITQUAKE_CLONES void clamp(const float* in, float low, float high, float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float x = in[i] < low ? low : in[i];
    out[i] = x > high ? high : x;
  }
}

BITQUAKE_CLONES void leaky_relu(const float* in, float slope, float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = in[i] > 0.0F ? in[i] : in[i] * slope;
}

BITQUAKE_CLONES void hardswish(const float* in, float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    float x = in[i] + 3.0F;
    x = x < 0.0F ? 0.0F : x;
    x = x > 6.0F ? 6.0F : x;
    out[i] = in[i] * x / 6.0F;
  }
}

BITQUAKE_CLONES void scale_shift(const float* in, float scale, float shift, float* out,
                                 std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = in[i] * scale + shift;
}

BITQUAKE_CLONES void scale_shift_fused(const float* in, float scale, float shift, float* out,
                                       std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = std::fma(in[i], scale, shift);
}

BITQUAKE_CLONES void add(const float* a, const float* b, float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
}

BITQUAKE_CLONES void subtract(const float* a, const float* b, float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = a[i] - b[i];
}

BITQUAKE_CLONES void multiply(const float* a, const float* b, float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = a[i] * b[i];
}

BITQUAKE_CLONES void divide(const float* a, const float* b, float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = a[i] / b[i];
}

BITQUAKE_CLONES void add(const float* a, float b, float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = a[i] + b;
}

BITQUAKE_CLONES void multiply(const float* a, float b, float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = a[i] * b;
}

BITQUAKE_CLONES bool all_finite(const float* in, std::int64_t n) {
  constexpr std::uint32_t kExponent = 0x7f800000;
  std::uint32_t found = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    found |= (std::bit_cast<std::uint32_t>(in[i]) & kExponent) == kExponent ? 1U : 0U;
  }
  return found == 0;
}

}  // namespace bitquake::model::loops
