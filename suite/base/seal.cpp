#include "suite/base/seal.hpp"

#include "suite/base/durable.hpp"
#include "suite/base/sha256.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>
#include <system_error>

namespace bitquake {
namespace {

constexpr std::string_view kMark = "sha256:";
constexpr std::size_t kDigits = 64;
constexpr std::size_t kSealSize = kMark.size() + kDigits + 1;

std::string seal_text(const std::string& sha256) { return std::string(kMark) + sha256 + "\n"; }

/// A seal that was cut short or has a byte damaged still looks like one: by its mark, or by its
/// digits.
bool looks_like_seal(std::string_view end) {
  if (end.find(kMark) != std::string_view::npos) return true;
  return end.size() == kSealSize && end.back() == '\n' &&
         end.substr(kMark.size(), kDigits).find_first_not_of("0123456789abcdef") ==
             std::string_view::npos;
}

/// The last bytes of a file, as many as a seal has where there are so many.
std::string end_of(const std::filesystem::path& path, std::uint64_t size) {
  std::string end(std::min<std::uint64_t>(size, kSealSize), '\0');
  std::ifstream in(path, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(size - end.size()));
  in.read(end.data(), static_cast<std::streamsize>(end.size()));
  end.resize(static_cast<std::size_t>(in.gcount()));
  return end;
}

}  // namespace

void seal_file(const std::filesystem::path& path) {
  const std::string seal = seal_text(value_or_throw(sha256_file(path, Errc::results)));
  errno = 0;
  std::ofstream out(path, std::ios::binary | std::ios::app);
  out << seal << std::flush;
  if (!out) {
    throw Exception({Errc::results, path.string(),
                     std::string("writing failed: ") + std::strerror(errno), kWriteHint, ""});
  }
}

Result<std::monostate> check_seal(const std::filesystem::path& path, SealRule rule, Errc code,
                                  const std::string& hint) {
  std::error_code failed;
  const std::uint64_t size = std::filesystem::file_size(path, failed);
  if (failed) {
    return Error{code, path.string(), "cannot be read: " + failed.message(), "check the path", ""};
  }
  const std::string end = end_of(path, size);
  if (rule == SealRule::optional && !looks_like_seal(end)) return std::monostate{};
  const auto sha256 = sha256_file(path, code, size - end.size());
  if (!sha256) return sha256.error();
  if (end == seal_text(*sha256)) return std::monostate{};
  return Error{code, path.string(), "is damaged or truncated: its checksum does not fit", hint, ""};
}

}  // namespace bitquake
