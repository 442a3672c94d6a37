#include "faultgen/number_matrix.hpp"

#include "suite/base/csv.hpp"
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

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::int64_t kLargestExact = std::int64_t{1} << 53U;  // of the integers in a double

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8U | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

/// What the header of a .npy file says.
struct Header {
  std::string type;
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;
};

/// Reads the header, which is a dictionary written in Python with three entries. Members return
/// whether the text was as expected.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : rest_(text) {}

  std::optional<Header> read() {
    Header header;
    bool type = false, order = false, shape = false;
    if (!take('{')) return std::nullopt;
    while (!take('}')) {
      std::string key;
      if (!word(key) || !take(':')) return std::nullopt;
      bool* const seen = key == "descr"           ? &type
                         : key == "fortran_order" ? &order
                         : key == "shape"         ? &shape
                                                  : nullptr;
      if (seen == nullptr || *seen) return std::nullopt;
      *seen = true;
      const bool read = key == "descr"           ? word(header.type)
                        : key == "fortran_order" ? truth(header.fortran_order)
                                                 : sizes(header.shape);
      if (!read) return std::nullopt;
      if (!take(',') && !next_is('}')) return std::nullopt;
    }
    skip_space();
    if (!rest_.empty() || !type || !order || !shape) return std::nullopt;
    return header;
  }

 private:
  void skip_space() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n"), rest_.size()));
  }
  bool next_is(char c) {
    skip_space();
    return rest_.starts_with(c);
  }
  bool take(char c) {
    if (!next_is(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool word(std::string& value) {
    const char quote = next_is('"') ? '"' : '\'';
    if (!take(quote)) return false;
    const auto end = rest_.find(quote);
    if (end == std::string_view::npos) return false;
    value = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return true;
  }
  bool truth(bool& value) {
    skip_space();
    for (const auto& [name, meaning] : {std::pair{"True", true}, std::pair{"False", false}}) {
      if (!rest_.starts_with(name)) continue;
      rest_.remove_prefix(std::string_view(name).size());
      value = meaning;
      return true;
    }
    return false;
  }
  bool sizes(std::vector<std::uint64_t>& value) {
    if (!take('(')) return false;
    while (!take(')')) {
      skip_space();
      const std::string_view digits =
          rest_.substr(0, std::min(rest_.find_first_not_of("0123456789"), rest_.size()));
      const auto size = to_number<std::uint64_t>(digits);
      if (!size) return false;
      value.push_back(*size);
      rest_.remove_prefix(digits.size());
      if (!take(',') && !next_is(')')) return false;
    }
    return true;
  }

  std::string_view rest_;
};

Error npy_error(const std::string& name, std::string what, std::string hint = "") {
  return {Errc::fault_set, name, std::move(what), std::move(hint), ""};
}

/// The header, and the data behind it in `bytes`.
Result<Header> take_header(std::string_view& bytes, const std::string& name) {
  constexpr std::size_t kVersionAt = 6, kLengthAt = 8;
  const auto damaged = [&](const std::string& why) {
    return npy_error(name, "no .npy file: " + why, "write it with numpy.save");
  };
  if (!bytes.starts_with(kMagic)) return damaged("it does not begin as one");
  if (bytes.size() < kLengthAt) return damaged("it ends in its header");
  const auto version = static_cast<unsigned char>(bytes[kVersionAt]);
  if (version < 1 || version > 3 || bytes[kVersionAt + 1] != 0) {
    return damaged(
        fmt::format("version {}.{}", version, static_cast<unsigned char>(bytes[kVersionAt + 1])));
  }
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  const std::size_t start = kLengthAt + length_bytes;
  if (bytes.size() < start) return damaged("it ends in its header");
  const std::uint64_t length = little_endian(bytes.substr(kLengthAt, length_bytes));
  if (length > bytes.size() - start) return damaged("it ends in its header");
  const auto header = HeaderReader(bytes.substr(start, length)).read();
  if (!header) return damaged("its header is malformed");
  bytes.remove_prefix(start + length);
  return *header;
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
  auto header = take_header(bytes, name);
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
