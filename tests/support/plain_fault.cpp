#include "tests/support/plain_fault.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <stdexcept>
#include <utility>

namespace bitquake::test {
namespace {

using faultgen::FaultModel;
using faultgen::NumberFormat;

std::uint32_t bits_of(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

float float_of(std::uint64_t bits) {
  const auto low = static_cast<std::uint32_t>(bits);
  float value = 0;
  std::memcpy(&value, &low, sizeof value);
  return value;
}

std::uint64_t power_of_two(unsigned exponent) { return std::uint64_t{1} << exponent; }

/// Made once for each storage.
const PlainStorage& plain_storage(const faultgen::Storage& storage) {
  static std::deque<std::pair<faultgen::Storage, PlainStorage>> known;
  for (const auto& [key, plain] : known) {
    if (key == storage) return plain;
  }
  return known.emplace_back(storage, PlainStorage(storage)).second;
}

std::uint64_t disturbed(const faultgen::Fault& fault, const PlainStorage& storage,
                        std::uint64_t before) {
  const float value = storage.value_of(before), given = float_of(fault.value);
  switch (fault.model) {
    case FaultModel::bit_flip:
    case FaultModel::stuck_at_0:
    case FaultModel::stuck_at_1: {
      std::uint64_t after = 0;
      for (unsigned bit = 0; bit < storage.bits(); ++bit) {
        const bool found = (before >> bit) % 2 == 1, hit = (fault.bit_mask >> bit) % 2 == 1;
        const bool flipped = fault.model == FaultModel::bit_flip;
        const bool left = !hit ? found : flipped ? !found : fault.model == FaultModel::stuck_at_1;
        if (left) after += power_of_two(bit);
      }
      return after;
    }
    case FaultModel::set_value:
    case FaultModel::random_value:
      return storage.code_of(given);
    case FaultModel::zero:
      return storage.code_of(0.0F);
    case FaultModel::sign_flip:
      return storage.code_of(-value);
    case FaultModel::gaussian:
      return storage.code_of(value + given);
    case FaultModel::nan:
      return storage.code_of(std::numeric_limits<float>::quiet_NaN());
    case FaultModel::inf:
      return storage.code_of(std::copysign(HUGE_VALF, value));
  }
  throw std::runtime_error("say here what the fault model does");
}

}  // namespace

PlainStorage::PlainStorage(const faultgen::Storage& storage) : storage_(storage) {
  if (storage.format == NumberFormat::fp16) exponent_bits_ = 5, mantissa_bits_ = 10;
  if (storage.format == NumberFormat::bf16) exponent_bits_ = 8, mantissa_bits_ = 7;
  if (storage.format == NumberFormat::fp8_e4m3) exponent_bits_ = 4, mantissa_bits_ = 3;
  if (storage.format == NumberFormat::fp8_e5m2) exponent_bits_ = 5, mantissa_bits_ = 2;
  if (mantissa_bits_ == 0) return;
  while (std::isfinite(floating(values_.size()))) values_.push_back(floating(values_.size()));
}

bool PlainStorage::is_integer() const {
  return storage_.format == NumberFormat::int8 || storage_.format == NumberFormat::fixed;
}

unsigned PlainStorage::bits() const {
  if (storage_.format == NumberFormat::fp32) return 32;
  if (storage_.format == NumberFormat::int8) return 8;
  if (storage_.format == NumberFormat::fixed) {
    return 1U + storage_.integer_bits + storage_.fraction_bits;
  }
  return 1 + exponent_bits_ + mantissa_bits_;
}

/// The value of a code without sign.
double PlainStorage::floating(std::uint64_t code) const {
  const auto field = static_cast<int>(code >> mantissa_bits_);
  const std::uint64_t mantissa = code % power_of_two(mantissa_bits_);
  const auto top = static_cast<int>(power_of_two(exponent_bits_) - 1);
  if (storage_.format == NumberFormat::fp8_e4m3) {
    if (field == top && mantissa == 7) return std::nan("");
  } else if (field == top) {
    return mantissa == 0 ? HUGE_VAL : std::nan("");
  }
  const std::uint64_t hidden = field == 0 ? 0 : power_of_two(mantissa_bits_);
  const int exponent = std::max(field, 1) - top / 2 - static_cast<int>(mantissa_bits_);
  return std::ldexp(static_cast<double>(hidden + mantissa), exponent);
}

std::uint64_t PlainStorage::code_of(float value) const {
  if (storage_.format == NumberFormat::fp32) return bits_of(value);
  if (is_integer()) {
    const bool affine = storage_.format == NumberFormat::int8;
    const double x = affine ? static_cast<double>(value / storage_.scale)
                            : std::ldexp(static_cast<double>(value), storage_.fraction_bits);
    const double zero = affine ? storage_.zero_point : 0, most = std::ldexp(1.0, bits() - 1) - 1;
    const double q = std::isnan(value) ? zero : std::nearbyint(x) + zero;
    const auto code = static_cast<std::int64_t>(std::min(std::max(q, -most - 1), most));
    return static_cast<std::uint64_t>(code) % power_of_two(bits());
  }
  const std::uint64_t sign = std::signbit(value) ? power_of_two(bits() - 1) : 0;
  const std::uint64_t first_not_finite = values_.size();
  if (std::isnan(value)) {  // as much of its payload as fits; something, so that it stays a NaN
    if (storage_.format == NumberFormat::fp8_e4m3) return sign + first_not_finite;
    const std::uint64_t payload = bits_of(value) % power_of_two(23) >> (23 - mantissa_bits_);
    return sign + first_not_finite + (payload != 0 ? payload : power_of_two(mantissa_bits_ - 1));
  }
  // The nearest, of two equally near ones the even one. The value that would come next, were there
  // one, stands for what is too large.
  const double size = std::abs(static_cast<double>(value));
  const auto next = std::lower_bound(values_.begin(), values_.end(), size);
  const auto above = static_cast<std::uint64_t>(next - values_.begin());
  if (above == 0) return sign;
  const double below = values_[above - 1];
  const double up = next != values_.end() ? *next : 2 * below - values_[above - 2];
  if (up - size != size - below) return sign + (up - size < size - below ? above : above - 1);
  return sign + (above % 2 == 0 ? above : above - 1);
}

float PlainStorage::value_of(std::uint64_t code) const {
  if (storage_.format == NumberFormat::fp32) return float_of(code);
  const std::uint64_t sign = code >> (bits() - 1), rest = code % power_of_two(bits() - 1);
  if (is_integer()) {
    const double q = static_cast<double>(rest) - static_cast<double>(sign << (bits() - 1));
    if (storage_.format == NumberFormat::int8) {
      return static_cast<float>(q - storage_.zero_point) * storage_.scale;
    }
    return static_cast<float>(std::ldexp(q, -storage_.fraction_bits));
  }
  const double value = floating(rest);
  if (std::isnan(value)) {
    const std::uint64_t payload = rest % power_of_two(mantissa_bits_) << (23 - mantissa_bits_);
    return float_of(sign << 31 | 0x7f800000U | payload);
  }
  return static_cast<float>(sign == 0 ? value : -value);
}

PlainInjection plain_inject(const faultgen::Fault& fault, float& value) {
  const PlainStorage& storage = plain_storage(fault.storage);
  PlainInjection injection;
  injection.before = storage.code_of(value);
  injection.after = disturbed(fault, storage, injection.before);
  injection.found_nan = std::isnan(storage.value_of(injection.before));
  if (injection.after != injection.before) value = storage.value_of(injection.after);
  return injection;
}

}  // namespace bitquake::test
