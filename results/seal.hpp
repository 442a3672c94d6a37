#pragma once

#include "suite/base/result.hpp"

#include <filesystem>

/// A checksum behind the last byte of a file: the line "sha256:<64 digits>". HDF5 ignores what
/// follows its data, but trusts its own metadata: libhdf5 1.10 crashes on some damaged files. A
/// seal that fits says that the bytes are those that were written, so it is checked before HDF5
/// sees the file.
namespace bitquake::results {

/// Appends the seal. Throws Exception (results) when the file cannot be read or written.
void seal_file(const std::filesystem::path& path);

/// Errc::results when the file is missing or its bytes do not fit the seal at its end.
Result<std::monostate> check_seal(const std::filesystem::path& path);

}  // namespace bitquake::results
