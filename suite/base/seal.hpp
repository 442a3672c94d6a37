#pragma once

#include "suite/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>

/// A checksum behind the last byte of a file: the line "sha256:<64 digits>". HDF5 ignores what
/// follows its data, but trusts its own metadata: libhdf5 1.10 crashes on some damaged files. A
/// seal that fits says that the bytes are those that were written, so it is checked before HDF5
/// sees the file. `sha256sum` over all but the last 72 bytes gives the same digits;
/// results/README.md shows how to seal a file by hand.
namespace bitquake {

/// Whether a file without a seal is accepted.
enum class SealRule : std::uint8_t {
  mandatory,
  optional,  ///< files that other programs make; one that ends like a seal must fit it
};

/// Appends the seal. Throws Exception (results) when the file cannot be read or written.
void seal_file(const std::filesystem::path& path);

/// An error of kind `code` when the file is no readable file or its bytes do not fit its seal; then
/// `hint` is the remedy. The file is read once, piece by piece.
Result<std::monostate> check_seal(const std::filesystem::path& path, SealRule rule, Errc code,
                                  const std::string& hint);

}  // namespace bitquake
