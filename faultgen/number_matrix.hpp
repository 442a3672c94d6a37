#pragma once

#include "suite/base/result.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace bitquake::faultgen {

/// A matrix of finite numbers, row-major.
struct NumberMatrix {
  std::size_t rows = 0, columns = 0;
  std::vector<double> values;

  double at(std::size_t row, std::size_t column) const { return values[row * columns + column]; }
  bool operator==(const NumberMatrix&) const = default;
};

/// A matrix in NumPy's .npy format: header versions 1 to 3, two dimensions, little-endian int64,
/// int32 or float64, in C or Fortran order, all of its data and nothing behind it.
/// Source: NumPy, numpy.lib.format ("Format Version 1.0", "2.0", "3.0").
/// @param name  of the file, for messages
/// @return Errc::fault_set for anything else, and for numbers that are not finite or, as integers,
///         beyond 2^53
Result<NumberMatrix> parse_npy(std::string_view bytes, const std::string& name);

/// A matrix of numbers as CSV without a header, a row on each line. Errc::fault_set with line and
/// column.
Result<NumberMatrix> parse_number_csv(std::string_view text, const std::string& name);

}  // namespace bitquake::faultgen
