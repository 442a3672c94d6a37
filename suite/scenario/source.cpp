#include "suite/scenario/source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bitquake::scenario {

namespace {

constexpr std::size_t kExcerptBytes = 100;  // of a source line that is too long to show

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

/// The nearest start of a character at or before `at`.
std::size_t character_start(std::string_view text, std::size_t at) {
  while (at > 0 && at < text.size() && is_continuation(text[at])) --at;
  return at;
}

/// The line, or the part of a long one around `column`, and a caret below that column.
std::string excerpt(std::string_view line, std::size_t column) {
  column = std::min(column, line.size());
  const std::size_t first =
      column < kExcerptBytes ? 0 : character_start(line, column - kExcerptBytes / 2);
  const std::size_t last = character_start(line, std::min(line.size(), first + kExcerptBytes));
  const std::string before =
      (first > 0 ? "..." : "") + printable(line.substr(first, column - first));
  const std::string after =
      printable(line.substr(column, last - column)) + (last < line.size() ? "..." : "");
  std::string caret;
  for (const char c : before) {
    if (!is_continuation(c)) caret += c == '\t' ? '\t' : ' ';
  }
  return before + after + "\n" + caret + "^";
}

}  // namespace

Source::Source(std::string name, std::string_view text) : name_(std::move(name)) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  text_.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool crlf = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (!crlf) text_ += text[i];
  }
  line_starts_.push_back(0);
  for (std::size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] == '\n') line_starts_.push_back(i + 1);
  }
}

std::string_view Source::line(std::size_t index) const {
  if (index >= line_starts_.size()) return {};
  const std::size_t start = line_starts_[index];
  const std::size_t end =
      index + 1 < line_starts_.size() ? line_starts_[index + 1] - 1 : text_.size();
  return std::string_view(text_).substr(start, end - start);
}

std::string Source::where(Position position) const {
  const std::size_t column = characters(
      line(position.line).substr(0, std::min(position.column, line(position.line).size())));
  return fmt::format("{}:{}:{}", name_, position.line + 1, column + 1);
}

Error Source::error(Position position, std::string what, std::string hint) const {
  const std::string_view shown = line(position.line);
  return {.code = Errc::scenario,
          .where = where(position),
          .what = std::move(what),
          .hint = std::move(hint),
          .source = shown.empty() ? "" : excerpt(shown, position.column)};
}

std::optional<Error> Source::malformed() const {
  for (std::size_t number = 0; number < line_starts_.size(); ++number) {
    const std::string_view text = line(number);
    const std::size_t content = std::min(text.find_first_not_of(" \t"), text.size());
    const std::size_t tab = text.find('\t');
    if (tab < content && content < text.size() && text[content] != '#') {
      return error({number, tab}, "a tab indents this line", "indent with spaces");
    }
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t length = utf8_length(text.substr(i));
      const auto byte = static_cast<unsigned char>(text[i]);
      if (length == 0) {
        return error({number, i}, fmt::format("byte 0x{:02X} is not UTF-8 text", byte),
                     "save the file as UTF-8");
      }
      if (is_control(text[i]) && text[i] != '\t') {
        return error({number, i}, fmt::format("control character 0x{:02X}", byte), "remove it");
      }
      i += length;
    }
  }
  return std::nullopt;
}

}  // namespace bitquake::scenario
