#include "faultgen/binomial.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

namespace bitquake::faultgen {
namespace {

constexpr std::uint64_t kMaxTrials = std::uint64_t{1} << 63;
constexpr std::uint64_t kCountedBits = 1024;
constexpr double kLn2 = 0x1.62e42fefa39efp-1;

/// atanh(y) for |y| <= 1/2 by its Taylor series: libm may round differently elsewhere.
double atanh_series(double y) {
  const double square = y * y;
  double power = y;
  double sum = y;
  for (double odd = 3;; odd += 2) {
    power *= square;
    const double longer = sum + power / odd;
    if (longer == sum) return sum;
    sum = longer;
  }
}

/// What Stirling's formula for ln(n!) lacks, n >= 256.
/// Source: Abramowitz and Stegun, 6.1.41.
double stirling_rest(double n) {
  const double square = n * n;
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / n;
}

/// -ln of Binomial(2h, 1/2) at h + j, divided by its value at h: ln((h+j)! (h-j)! / h!^2).
/// @pre 512 <= h, j <= h / 2
double surprise(double h, double j) {
  const double x = j / h;
  // (h + j + 1/2) ln(1 + x) + (h - j + 1/2) ln(1 - x), with ln(1 - x^2) = -2 atanh(x^2/(2 - x^2)).
  const double entropy = 2 * j * atanh_series(x) - (2 * h + 1) * atanh_series(x * x / (2 - x * x));
  return entropy + stirling_rest(h + j) + stirling_rest(h - j) - 2 * stirling_rest(h);
}

/// An event of probability exp(-x), 0 <= x <= 1.
bool happens_small(double x, Draws& draws) {
  // The uniform numbers stop the k-th time with probability x^(k-1) / (k-1)! - x^k / k!; the odd k
  // add to exp(-x).
  unsigned k = 1;
  while (draws.uniform() < x / k) ++k;
  return k % 2 == 1;
}

/// An event of probability exp(-x), x >= 0.
bool happens(double x, Draws& draws) {
  for (; x > 1; x -= 1) {
    if (!happens_small(1, draws)) return false;
  }
  return happens_small(x, draws);
}

/// Binomial(2h, 1/2) for h >= 512.
std::uint64_t long_split(std::uint64_t h, Draws& draws) {
  // At a distance j from the middle the probability is at most exp(-j^2 / (h + 1/2)) times that of
  // the middle: it is a product of (c - d) / (c + d) <= exp(-2 d / c) with c = h + 1/2 and d = i -
  // 1/2, i = 1 ... j. With this width it is at most 2^-(block^2) <= 2^-block.
  const auto half = static_cast<double>(h);
  const auto width = static_cast<std::uint64_t>(std::sqrt(kLn2 * (half + 0.5))) + 1;
  while (true) {
    const std::uint64_t word = draws.next64();
    const bool below = (word >> 63) != 0;
    const auto block = static_cast<std::uint64_t>(std::countr_one(word & (kMaxTrials - 1)));
    const std::uint64_t place = block * width + draws.below(width);
    const std::uint64_t distance = below ? place + 1 : place;
    // Farther out there is less than exp(-h / 4) <= exp(-128).
    if (distance > h / 2) continue;
    const double x =
        surprise(half, static_cast<double>(distance)) - kLn2 * static_cast<double>(block);
    if (happens(std::max(x, 0.0), draws)) return below ? h - distance : h + distance;
  }
}

/// Binomial(m, 1/2).
std::uint64_t fair_split(std::uint64_t m, Draws& draws) {
  std::uint64_t ones = 0;
  if (m > kCountedBits) {
    ones = long_split(m / 2, draws);
    m %= 2;
  }
  for (; m >= 32; m -= 32) ones += static_cast<std::uint64_t>(std::popcount(draws.next32()));
  if (m > 0) {
    ones += static_cast<std::uint64_t>(std::popcount(draws.next32() >> (32 - m)));
  }
  return ones;
}

/// A double in (0, 1) as significand * 2^-digits.
struct Binary {
  std::uint64_t significand;
  int digits;

  explicit Binary(double p) {
    const auto bits = std::bit_cast<std::uint64_t>(p);
    const auto exponent = static_cast<int>(bits >> 52);
    significand = bits & ((std::uint64_t{1} << 52) - 1);
    if (exponent > 0) significand |= std::uint64_t{1} << 52;
    digits = 1075 - std::max(exponent, 1);
    const int zeros = std::countr_zero(significand);
    significand >>= zeros;
    digits -= zeros;
  }
  /// The digit of weight 2^-i, i in [1, digits].
  bool digit(int i) const {
    const int place = digits - i;
    return place < 64 && ((significand >> place) & 1) != 0;
  }
};

/// k values drawn of [0, n) until they are distinct, ascending; quick for k <= n / 2.
std::vector<std::uint64_t> few_positions(std::uint64_t n, std::uint64_t k, Draws& draws) {
  std::vector<std::uint64_t> values;
  values.reserve(k);
  while (values.size() < k) {
    const auto known = static_cast<std::ptrdiff_t>(values.size());
    while (values.size() < k) values.push_back(draws.below(n));
    std::sort(values.begin() + known, values.end());
    std::inplace_merge(values.begin(), values.begin() + known, values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
  }
  return values;
}

}  // namespace

std::uint64_t binomial(std::uint64_t n, double p, Draws& draws) {
  assert(n <= kMaxTrials && p >= 0 && p <= 1);
  if (p <= 0) return 0;
  if (p >= 1) return n;
  const Binary binary(p);
  std::uint64_t successes = 0;
  std::uint64_t undecided = n;
  for (int i = 1; i <= binary.digits && undecided > 0; ++i) {
    const std::uint64_t ones = fair_split(undecided, draws);
    if (binary.digit(i)) {
      successes += undecided - ones;
      undecided = ones;
    } else {
      undecided -= ones;
    }
  }
  // Those still undecided have all the digits of p and are not below it.
  return successes;
}

std::vector<std::uint64_t> distinct_positions(std::uint64_t n, std::uint64_t k, Draws& draws) {
  assert(n <= kMaxTrials && k <= n);
  if (k <= n / 2) return few_positions(n, k, draws);
  const std::vector<std::uint64_t> others = few_positions(n, n - k, draws);
  std::vector<std::uint64_t> values;
  values.reserve(k);
  auto other = others.begin();
  for (std::uint64_t value = 0; value < n; ++value) {
    if (other != others.end() && *other == value) {
      ++other;
    } else {
      values.push_back(value);
    }
  }
  return values;
}

}  // namespace bitquake::faultgen
