#include "suite/base/rng.hpp"

#include <Random123/philox.h>

#include <cmath>

namespace bitquake {

std::array<std::uint32_t, 4> philox(std::uint64_t seed, Stream stream, std::uint64_t id,
                                    std::uint32_t block) {
  const r123::Philox4x32::ctr_type counter = {{static_cast<std::uint32_t>(stream),
                                               static_cast<std::uint32_t>(id),
                                               static_cast<std::uint32_t>(id >> 32), block}};
  const r123::Philox4x32::key_type key = {
      {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}};
  const auto words = r123::Philox4x32{}(counter, key);
  return {words[0], words[1], words[2], words[3]};
}

std::uint32_t Draws::next32() {
  if (used_ == words_.size()) {
    words_ = philox(seed_, stream_, id_, block_++);
    used_ = 0;
  }
  return words_[used_++];
}

std::uint64_t Draws::next64() {
  const std::uint64_t low = next32();
  return low | (static_cast<std::uint64_t>(next32()) << 32);
}

std::uint64_t Draws::below(std::uint64_t bound) {
  __extension__ using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(next64()) * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = -bound % bound;
    while (static_cast<std::uint64_t>(product) < threshold) {
      product = static_cast<Wide>(next64()) * bound;
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Draws::uniform() { return static_cast<double>(next64() >> 11) * 0x1p-53; }

namespace {

/// Natural logarithm for x > 0, to about 1e-16 of itself or better: libraries differ in last bits.
/// ln x = e ln 2 + 2 atanh((m - 1) / (m + 1)) for x = m 2^e, m in [1/sqrt 2, sqrt 2).
double portable_log(double x) {
  constexpr double kLn2 = 0x1.62e42fefa39efp-1, kHalfSqrt2 = 0x1.6a09e667f3bcdp-1;
  int exponent = 0;
  double m = std::frexp(x, &exponent);  // exact
  if (m < kHalfSqrt2) {
    m *= 2;
    --exponent;
  }
  const double t = (m - 1) / (m + 1), square = t * t;
  double sum = 0;
  for (int k = 23; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
  return 2 * t * sum + exponent * kLn2;
}

}  // namespace

double Draws::normal() {
  while (true) {
    const double u = 2 * uniform() - 1, v = 2 * uniform() - 1;
    const double s = u * u + v * v;
    if (s > 0 && s < 1) return u * std::sqrt(-2 * portable_log(s) / s);
  }
}

}  // namespace bitquake
