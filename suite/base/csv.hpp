#pragma once

#include "suite/base/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace bitquake {

/// A cell of a CSV text and where it starts, counted from 1; columns count characters.
struct CsvCell {
  std::string text;
  std::size_t line = 1;
  std::size_t column = 1;
};

/// Reads the records of a CSV text one after the other.
/// Source: RFC 4180, section 2. Beyond it lines may end with "\n" alone, a byte order mark and
/// empty lines are skipped. A quote inside an unquoted cell, text behind a closing quote, a quoted
/// cell without an end and a carriage return that ends no line are refused.
class CsvReader {
 public:
  /// @param code  of the errors
  /// @param name  stands in messages, usually the file's path
  /// @param text  must outlive the reader
  CsvReader(Errc code, std::string name, std::string_view text);

  /// The next record: at least one cell, or no cells at the end of the text. After an error the
  /// reader is of no further use.
  Result<std::vector<CsvCell>> next();

  /// Error at a cell: "name:line:column".
  Error error(const CsvCell& at, std::string what, std::string hint = "") const;

 private:
  Result<CsvCell> cell();
  Result<CsvCell> quoted_cell();
  void advance();
  bool at_line_end() const;
  void skip_line_end();
  CsvCell here() const { return {"", line_, column_}; }

  Errc code_;
  std::string name_;
  std::string_view rest_;
  std::size_t line_ = 1, column_ = 1;
};

}  // namespace bitquake
