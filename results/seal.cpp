#include "results/seal.hpp"

#include "suite/base/sha256.hpp"

#include <algorithm>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

namespace bitquake::results {
namespace {

constexpr std::size_t kSealSize = 7 + 64 + 1;

std::string seal_of(std::string_view bytes) {
  return "sha256:" + sha256_hex(std::as_bytes(std::span(bytes))) + "\n";
}

Result<std::string> read_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return Error{Errc::results, path.string(), "cannot be opened", "check the path", ""};
  std::string bytes(static_cast<std::size_t>(std::max<std::streamoff>(in.tellg(), 0)), '\0');
  in.seekg(0);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!in) return Error{Errc::results, path.string(), "cannot be read", "check the disk", ""};
  return bytes;
}

}  // namespace

void seal_file(const std::filesystem::path& path) {
  const std::string bytes = value_or_throw(read_bytes(path));
  std::ofstream out(path, std::ios::binary | std::ios::app);
  out << seal_of(bytes) << std::flush;
  if (!out) {
    throw Exception(
        {Errc::results, path.string(), "cannot be written", "check that the disk has room", ""});
  }
}

Result<std::monostate> check_seal(const std::filesystem::path& path) {
  const Result<std::string> file = read_bytes(path);
  if (!file) return file.error();
  const std::string_view bytes = *file;
  const std::size_t length = bytes.size() - std::min(bytes.size(), kSealSize);
  if (bytes.substr(length) == seal_of(bytes.substr(0, length))) return std::monostate{};
  return Error{Errc::results, path.string(), "is damaged or truncated: its checksum does not fit",
               "remove it and run the campaign on: its units are computed again", ""};
}

}  // namespace bitquake::results
