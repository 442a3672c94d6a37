#include "suite/base/csv.hpp"

#include <utility>

namespace bitquake {

CsvReader::CsvReader(Errc code, std::string name, std::string_view text)
    : code_(code), name_(std::move(name)), rest_(text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
}

Error CsvReader::error(const CsvCell& at, std::string what, std::string hint) const {
  return {code_, name_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column),
          std::move(what), std::move(hint), ""};
}

bool CsvReader::at_line_end() const { return rest_.starts_with('\n') || rest_.starts_with("\r\n"); }

void CsvReader::advance() {
  const char c = rest_.front();
  rest_.remove_prefix(1);
  if (c == '\n') {
    ++line_;
    column_ = 1;
  } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {  // the first byte of a character
    ++column_;
  }
}

void CsvReader::skip_line_end() {
  if (rest_.starts_with('\r')) advance();
  advance();
}

Result<std::vector<CsvCell>> CsvReader::next() {
  while (at_line_end()) skip_line_end();
  std::vector<CsvCell> record;
  if (rest_.empty()) return record;
  while (true) {
    auto read = cell();
    if (!read) return read.error();
    record.push_back(std::move(*read));
    if (rest_.empty()) return record;
    if (at_line_end()) {
      skip_line_end();
      return record;
    }
    advance();  // the comma
  }
}

Result<CsvCell> CsvReader::cell() {
  if (rest_.starts_with('"')) return quoted_cell();
  CsvCell read = here();
  while (!rest_.empty() && rest_.front() != ',' && !at_line_end()) {
    if (rest_.front() == '"') {
      return error(here(), "a quote inside a cell without quotes",
                   R"(put the whole cell in quotes and write "" for a quote in it)");
    }
    if (rest_.front() == '\r') {
      return error(here(), "a carriage return that ends no line",
                   R"(end lines with "\n" or "\r\n")");
    }
    read.text += rest_.front();
    advance();
  }
  return read;
}

Result<CsvCell> CsvReader::quoted_cell() {
  CsvCell read = here();
  advance();
  while (!rest_.empty()) {
    const bool quote = rest_.front() == '"';
    if (!quote) read.text += rest_.front();
    advance();
    if (!quote) continue;
    if (rest_.starts_with('"')) {
      read.text += '"';
      advance();
    } else if (rest_.empty() || rest_.front() == ',' || at_line_end()) {
      return read;
    } else {
      return error(here(), "text behind a closing quote", R"(write "" for a quote in a cell)");
    }
  }
  return error(read, "a quoted cell without an end", "close it with a quote");
}

}  // namespace bitquake
