#pragma once

#include "faultgen/fault.hpp"

#include <cstdint>
#include <vector>

/// What faults do to values, by the definitions of fault models and number formats alone: codes of
/// floating-point formats are looked up among all there are. Shares no code with faultgen.
namespace bitquake::test {

class PlainStorage {
 public:
  explicit PlainStorage(const faultgen::Storage& storage);

  unsigned bits() const;
  std::uint64_t code_of(float value) const;
  float value_of(std::uint64_t code) const;

 private:
  bool is_integer() const;
  double floating(std::uint64_t code) const;

  faultgen::Storage storage_;
  unsigned exponent_bits_ = 0, mantissa_bits_ = 0;  ///< of floating-point formats but fp32
  std::vector<double> values_;                      ///< by code: finite ones that are not negative
};

struct PlainInjection {
  std::uint64_t before = 0, after = 0;  ///< stored patterns
  bool found_nan = false;
};

/// Does to `value` what the fault's model and format say. Throws std::runtime_error for a model
/// that it does not know.
PlainInjection plain_inject(const faultgen::Fault& fault, float& value);

}  // namespace bitquake::test
