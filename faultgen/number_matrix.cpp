#include "faultgen/number_matrix.hpp"

#include "suite/base/csv.hpp"
#include "suite/base/npy.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

namespace bitquake::faultgen {
namespace {

constexpr std::int64_t kLargestExact = std::int64_t{1} << 53U;  // of the integers in a double

Error npy_error(const std::string& name, std::string what, std::string hint = "") {
  return {Errc::fault_set, name, std::move(what), std::move(hint), ""};
}

/// One number; none when it is not finite or not exact as a double.
std::optional<double> number_of(std::string_view bytes, const std::string& type) {
  const std::uint64_t bits = little_endian(bytes);
  if (type == "<f8") {
    const auto value = std::bit_cast<double>(bits);
    return std::isfinite(value) ? std::optional(value) : std::nullopt;
  }
  const auto value = type == "<i4" ? std::bit_cast<std::int32_t>(static_cast<std::uint32_t>(bits))
                                   : std::bit_cast<std::int64_t>(bits);
  if (value > kLargestExact || value < -kLargestExact) return std::nullopt;
  return static_cast<double>(value);
}

}  // namespace

Result<NumberMatrix> parse_npy(std::string_view bytes, const std::string& name) {
  auto header = take_npy_header(bytes, Errc::fault_set, name);
  if (!header) return header.error();
  const std::string& type = header->type;
  if (type != "<i8" && type != "<i4" && type != "<f8") {
    return npy_error(name,
                     "holds numbers of type " + in_quotes(type) +
                         ", expected int64, int32 or float64, little-endian",
                     "save matrix.astype('<f8')");
  }
  if (header->shape.size() != 2) {
    return npy_error(name, fmt::format("has {} dimensions, expected 2", header->shape.size()));
  }
  const std::uint64_t rows = header->shape[0], columns = header->shape[1];
  const std::size_t width = type == "<i4" ? 4 : 8;
  std::uint64_t count = 0, size = 0;
  if (__builtin_mul_overflow(rows, columns, &count) ||
      __builtin_mul_overflow(count, std::uint64_t{width}, &size) || size != bytes.size()) {
    return npy_error(name,
                     fmt::format("has {} bytes of data, a matrix of {} x {} numbers has {} "
                                 "bytes each",
                                 bytes.size(), rows, columns, width),
                     "the file is damaged; write it again");
  }
  NumberMatrix matrix{static_cast<std::size_t>(rows), static_cast<std::size_t>(columns), {}};
  matrix.values.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = number_of(bytes.substr(i * width, width), type);
    const std::size_t row = header->fortran_order ? i % rows : i / columns;
    const std::size_t column = header->fortran_order ? i / rows : i % columns;
    if (!value) {
      return npy_error(name, fmt::format("row {}, column {}: not finite, or an integer beyond 2^53",
                                         row, column));
    }
    matrix.values[row * matrix.columns + column] = *value;
  }
  return matrix;
}

Result<NumberMatrix> parse_number_csv(std::string_view text, const std::string& name) {
  CsvReader reader(Errc::fault_set, name, text);
  NumberMatrix matrix;
  while (true) {
    const auto record = reader.next();
    if (!record) return record.error();
    if (record->empty()) return matrix;
    if (matrix.rows > 0 && record->size() != matrix.columns) {
      return reader.error(record->front(), fmt::format("{} numbers, the first row has {}",
                                                       record->size(), matrix.columns));
    }
    for (const CsvCell& cell : *record) {
      const auto value = to_number<double>(cell.text);
      if (!value || !std::isfinite(*value)) {
        return reader.error(cell, "expected a finite number, got " + in_quotes(cell.text),
                            matrix.rows == 0 ? "a matrix of numbers has no header" : "");
      }
      matrix.values.push_back(*value);
    }
    matrix.columns = record->size();
    ++matrix.rows;
  }
}

}  // namespace bitquake::faultgen
