#include "suite/selftest/exact_sum.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace bitquake::selftest {
namespace {

constexpr double kSmallestUnit = 0x1p-100, kLargestSum = 0x1p126;

/// Value of the lowest bit set in `value`: a product of two fp32 values other than 0, so a normal
/// double, and so is its lowest bit.
double lowest_bit(double value) {
  constexpr int kMantissaBits = 52;
  const auto bits = std::bit_cast<std::uint64_t>(std::abs(value));
  const std::uint64_t digits = bits | std::uint64_t{1} << kMantissaBits;
  const auto above = static_cast<std::uint64_t>(kMantissaBits - std::countr_zero(digits));
  return std::bit_cast<double>(((bits >> kMantissaBits) - above) << kMantissaBits);
}

bool is_subnormal(float value) { return std::fpclassify(value) == FP_SUBNORMAL; }

}  // namespace

void ExactSum::add(float a, float b) {
  if (!std::isfinite(a) || !std::isfinite(b)) {
    if (a == 0 || b == 0) {
      open_ = true;
    } else if (std::isnan(a) || std::isnan(b)) {
      nan_ = true;
    } else {
      (std::signbit(a) == std::signbit(b) ? plus_infinity_ : minus_infinity_) = true;
    }
    return;
  }
  const double term = static_cast<double>(a) * static_cast<double>(b);
  if (term == 0) return;
  if ((is_subnormal(a) || is_subnormal(b)) && std::abs(term) >= kSmallestUnit) open_ = true;
  terms_.push_back(term);
}

std::optional<float> ExactSum::value() const {
  if (open_) return std::nullopt;
  if (nan_ || plus_infinity_ || minus_infinity_) return nonfinite_value();
  std::vector<double> terms = terms_;
  std::sort(terms.begin(), terms.end(),
            [](double a, double b) { return std::abs(a) > std::abs(b); });
  std::vector<double> rest(terms.size() + 1, 0);  // absolute sum from a term on
  for (std::size_t i = terms.size(); i-- > 0;) rest[i] = rest[i + 1] + std::abs(terms[i]);

  double large = 0, total = 0, unit = kLargestSum;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    large += std::abs(terms[i]);
    total += terms[i];
    unit = std::min(unit, lowest_bit(terms[i]));
    if (unit < kSmallestUnit || large > 0x1p24 * unit || large >= kLargestSum) return std::nullopt;
    if (rest[i + 1] > 0x1p-27 * unit) continue;
    if (total == 0 && rest[i + 1] != 0) return std::nullopt;
    return static_cast<float>(total);
  }
  return std::nullopt;
}

std::optional<float> ExactSum::nonfinite_value() const {
  double finite = 0;
  for (const double term : terms_) finite += std::abs(term);
  if (finite >= kLargestSum) return std::nullopt;  // could overflow to the other infinity
  if (nan_ || (plus_infinity_ && minus_infinity_)) return std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  return plus_infinity_ ? infinity : -infinity;
}

}  // namespace bitquake::selftest
