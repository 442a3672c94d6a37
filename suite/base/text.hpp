#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace bitquake {

/// Shortest decimal text that reads back as the same number; "nan", "inf", "-inf" for the others.
std::string shortest(double value);

/// The number that the whole text is; none when it is malformed or does not fit. "nan" and "inf"
/// are numbers of floating point.
template <class T>
std::optional<T> to_number(std::string_view text) {
  T value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// One CSV record (RFC 4180, without the line end): cells are quoted only where they must be.
std::string csv_record(const std::vector<std::string>& cells);

/// 1234567 -> "1,234,567".
std::string with_commas(std::uint64_t value);

/// Dimensions for people: {6, 1, 5, 5} -> "6x1x5x5"; empty for a scalar.
std::string shape_text(const std::vector<std::int64_t>& shape);

/// `text` with what cannot be shown on one line replaced by '?': bytes that are not UTF-8, control
/// characters other than tab.
std::string printable(std::string_view text);

/// `text` in quotes for a message: long ones are cut, what is not printable becomes '?'.
std::string in_quotes(std::string_view text);

/// Whether a name may stand in a registry that programs add to: 1 to 64 lower-case letters, digits
/// and '_', a letter first.
bool is_registry_name(std::string_view name);

/// Whether `text` is one line with something on it: no control characters.
bool is_one_line(std::string_view text);

/// Length in bytes of the UTF-8 character that `text` starts with; 0 when it is not valid UTF-8
/// (overlong forms, surrogates and values above U+10FFFF included).
/// Source: RFC 3629, section 4.
std::size_t utf8_length(std::string_view text);

enum class Align { left, right };

/// Columns padded to equal width, two spaces between; the first column left-aligned, the others as
/// `align` says; a rule under the header (first row). No trailing blanks; ends with a newline.
std::string aligned_table(const std::vector<std::vector<std::string>>& rows,
                          Align align = Align::right);

}  // namespace bitquake
