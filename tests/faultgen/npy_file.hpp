#pragma once

#include "faultgen/number_matrix.hpp"

#include <bit>
#include <cstdint>
#include <string>

namespace bitquake::test {

/// A .npy file of the text as header and the bytes as data.
inline std::string npy_bytes(const std::string& header, const std::string& data, int version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(version);
  bytes += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) {
    bytes += static_cast<char>(header.size() >> (8 * i));
  }
  return bytes + header + data;
}

/// A matrix as numpy.save writes it. @param type  "<i8", "<i4" or "<f8"
inline std::string npy_file(const faultgen::NumberMatrix& matrix, const std::string& type,
                            bool fortran_order, int version) {
  std::string data;
  const std::size_t count = matrix.rows * matrix.columns;
  for (std::size_t i = 0; i < count; ++i) {
    const double value = fortran_order ? matrix.at(i % matrix.rows, i / matrix.rows)
                                       : matrix.at(i / matrix.columns, i % matrix.columns);
    const auto bits = type == "<f8" ? std::bit_cast<std::uint64_t>(value)
                                    : static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
    for (unsigned byte = 0; byte < (type == "<i4" ? 4U : 8U); ++byte) {
      data += static_cast<char>(bits >> (8U * byte));
    }
  }
  const std::string header = "{'descr': '" + type +
                             "', 'fortran_order': " + (fortran_order ? "True" : "False") +
                             ", 'shape': (" + std::to_string(matrix.rows) + ", " +
                             std::to_string(matrix.columns) + "), }\n";
  return npy_bytes(header, data, version);
}

}  // namespace bitquake::test
