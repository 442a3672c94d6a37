#pragma once

#include "suite/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>

namespace bitquake {

/// SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(const std::string& text);

/// SHA-256 of a file's bytes, or of its first `most` ones. Read piece by piece. `code` is the kind
/// of error when the file cannot be read.
Result<std::string> sha256_file(const std::filesystem::path& path, Errc code,
                                std::uint64_t most = std::numeric_limits<std::uint64_t>::max());

/// First 8 bytes of SHA-256, big-endian: the hash that rows carry for output tensors.
std::uint64_t hash64(std::span<const std::byte> bytes);

}  // namespace bitquake
