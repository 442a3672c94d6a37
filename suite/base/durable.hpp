#pragma once

#include "suite/base/result.hpp"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

namespace bitquake {

/// Ending of the temporary names below; a reader of a run directory ignores such files.
inline constexpr std::string_view kTemporaryEnding = ".tmp";

/// What to do when a file cannot be written.
inline constexpr const char* kWriteHint =
    "check that the disk has room and the directory is writable";

/// Writes a file so that a crash or power cut leaves the old file or the whole new one, never a
/// part: `write` makes `path` + ".tmp", which is then synced, renamed over `path`, and the
/// directory synced. Missing directories are made. `write` must close what it opened. Throws
/// Exception (results) and whatever `write` throws; the temporary file is then removed.
void write_durably(const std::filesystem::path& path,
                   const std::function<void(const std::filesystem::path& temporary)>& write);

/// The same for a text at hand.
void write_text_durably(const std::filesystem::path& path, std::string_view text);

/// A whole file. An error of kind `code` when it cannot be read or has more than `most_bytes`.
Result<std::string> read_text(const std::filesystem::path& path, Errc code,
                              std::size_t most_bytes = std::numeric_limits<std::size_t>::max());

}  // namespace bitquake
