#pragma once

#include "suite/base/error.hpp"

#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bitquake::scenario {

/// A place in a text, counted from 0. The column counts bytes.
struct Position {
  std::size_t line = 0;
  std::size_t column = 0;
  auto operator<=>(const Position&) const = default;
};

/// The text of a scenario and how to point at places in it.
class Source {
 public:
  /// A byte order mark is dropped and CRLF becomes LF; no other byte is changed.
  /// @param name  stands in messages, usually the file's path
  /// @param text  the whole file
  Source(std::string name, std::string_view text);

  const std::string& text() const { return text_; }

  /// "name:line:column", counted from 1; the column counts characters.
  std::string where(Position position) const;

  /// Error at a place, with the source line and a caret below the place.
  Error error(Position position, std::string what, std::string hint = "") const;

  /// The first byte that no scenario may hold: one that is not UTF-8, a control character other
  /// than tab and line feed, a tab that indents.
  std::optional<Error> malformed() const;

 private:
  std::string_view line(std::size_t index) const;

  std::string name_;
  std::string text_;
  std::vector<std::size_t> line_starts_;
};

/// `text` with what cannot be shown on one line replaced by '?': bytes that are not UTF-8, control
/// characters other than tab.
std::string printable(std::string_view text);

/// `text` in quotes for a message: long ones are cut, what is not printable becomes '?'.
std::string in_quotes(std::string_view text);

/// Length in bytes of the UTF-8 character that `text` starts with; 0 when it is not valid UTF-8
/// (overlong forms, surrogates and values above U+10FFFF included).
/// Source: RFC 3629, section 4.
std::size_t utf8_length(std::string_view text);

}  // namespace bitquake::scenario
