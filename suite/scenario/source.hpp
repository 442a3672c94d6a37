#pragma once

#include "suite/base/error.hpp"
#include "suite/base/text.hpp"

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

}  // namespace bitquake::scenario
