#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bitquake {

/// Shortest decimal text that reads back as the same number; "nan", "inf", "-inf" for the others.
std::string shortest(double value);

/// One CSV record (RFC 4180, without the line end): cells are quoted only where they must be.
std::string csv_record(const std::vector<std::string>& cells);

/// 1234567 -> "1,234,567".
std::string with_commas(std::uint64_t value);

/// Dimensions for people: {6, 1, 5, 5} -> "6x1x5x5"; empty for a scalar.
std::string shape_text(const std::vector<std::int64_t>& shape);

enum class Align { left, right };

/// Columns padded to equal width, two spaces between; the first column left-aligned, the others as
/// `align` says; a rule under the header (first row). No trailing blanks; ends with a newline.
std::string aligned_table(const std::vector<std::vector<std::string>>& rows,
                          Align align = Align::right);

}  // namespace bitquake
