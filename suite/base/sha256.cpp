#include "suite/base/sha256.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <system_error>
#include <vector>

namespace bitquake {
namespace {

using Digest = std::array<unsigned char, 32>;

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    check(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  void update(const void* data, std::size_t size) {
    check(EVP_DigestUpdate(context_.get(), data, size) == 1);
  }
  Digest finish() {
    Digest digest{};
    check(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
    return digest;
  }

 private:
  static void check(bool ok) {
    if (!ok) throw Exception({Errc::internal, "", "SHA-256 of libcrypto failed", "", ""});
  }
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

std::string hex(const Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 sha;
  sha.update(bytes.data(), bytes.size());
  return hex(sha.finish());
}

std::string sha256_hex(const std::string& text) {
  return sha256_hex(std::as_bytes(std::span(text.data(), text.size())));
}

Result<std::string> sha256_file(const std::filesystem::path& path, Errc code, std::uint64_t most) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  const auto failed = [&] {
    const std::string reason = errno != 0 ? std::strerror(errno) : "not a readable file";
    return Error{code, path.string(), "cannot be read: " + reason, "check the path", ""};
  };
  std::error_code ignored;
  if (!file || std::filesystem::is_directory(path, ignored)) return failed();
  Sha256 sha;
  std::vector<char> buffer(1 << 20);
  while (most > 0 && file) {
    file.read(buffer.data(),
              static_cast<std::streamsize>(std::min<std::uint64_t>(most, buffer.size())));
    const auto got = static_cast<std::uint64_t>(file.gcount());
    sha.update(buffer.data(), got);
    most -= got;
  }
  if (file.bad()) return failed();
  return hex(sha.finish());
}

std::uint64_t hash64(std::span<const std::byte> bytes) {
  // One context per thread: setting one up costs more than hashing a classifier's output.
  thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      EVP_MD_CTX_new(), EVP_MD_CTX_free);
  Digest digest{};
  if (context == nullptr || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) {
    throw Exception({Errc::internal, "", "SHA-256 of libcrypto failed", "", ""});
  }
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = (value << 8) | digest[static_cast<std::size_t>(i)];
  return value;
}

}  // namespace bitquake
