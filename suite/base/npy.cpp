#include "suite/base/npy.hpp"

#include "suite/base/text.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace bitquake {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

/// Reads the header, which is a dictionary written in Python with three entries. Members return
/// whether the text was as expected.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : rest_(text) {}

  std::optional<NpyHeader> read() {
    NpyHeader header;
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

}  // namespace

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8U | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

Result<NpyHeader> take_npy_header(std::string_view& bytes, Errc code, const std::string& name) {
  constexpr std::size_t kVersionAt = 6, kLengthAt = 8;
  const auto damaged = [&](const std::string& why) {
    return Error{code, name, "no .npy file: " + why, "write it with numpy.save", ""};
  };
  if (bytes.starts_with("PK\x03\x04")) {
    return Error{
        code, name, "is a .npz archive of arrays, which is not read",
        "take one array out of it: numpy.save('images.npy', numpy.load('archive.npz')['images'])",
        ""};
  }
  if (!bytes.starts_with(kMagic)) return damaged("it does not begin as one");
  if (bytes.size() < kLengthAt) return damaged("it ends in its header");
  const auto version = static_cast<unsigned char>(bytes[kVersionAt]);
  if (version < 1 || version > 3 || bytes[kVersionAt + 1] != 0) {
    const auto minor = static_cast<unsigned char>(bytes[kVersionAt + 1]);
    return damaged("version " + std::to_string(version) + "." + std::to_string(minor));
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

}  // namespace bitquake
