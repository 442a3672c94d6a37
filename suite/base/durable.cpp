#include "suite/base/durable.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <system_error>
#include <unistd.h>

namespace bitquake {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& action,
                       const std::string& reason) {
  throw Exception({Errc::results, path.string(), action + " failed: " + reason, kWriteHint, ""});
}

/// Waits until a file or directory is on the disk.
void sync(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(path, "opening", std::strerror(errno));
  const int status = ::fsync(descriptor);
  const int error = errno;
  ::close(descriptor);
  if (status != 0) fail(path, "syncing", std::strerror(error));
}

}  // namespace

void write_durably(const std::filesystem::path& path,
                   const std::function<void(const std::filesystem::path& temporary)>& write) {
  const std::filesystem::path directory = std::filesystem::absolute(path).parent_path();
  const std::filesystem::path temporary = path.string() + std::string(kTemporaryEnding);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) fail(path, "making its directory", error.message());
  try {
    write(temporary);
    sync(temporary);
    std::filesystem::rename(temporary, path, error);
    if (error) fail(path, "renaming the finished file", error.message());
  } catch (...) {
    std::filesystem::remove(temporary, error);
    throw;
  }
  sync(directory);
}

void write_text_durably(const std::filesystem::path& path, std::string_view text) {
  write_durably(path, [&](const std::filesystem::path& temporary) {
    errno = 0;
    std::ofstream out(temporary, std::ios::binary);
    out << text << std::flush;
    if (!out) fail(path, "writing", std::strerror(errno));
  });
}

Result<std::string> read_text(const std::filesystem::path& path, Errc code,
                              std::size_t most_bytes) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::error_code ignored;
  const bool directory = std::filesystem::is_directory(path, ignored);
  if (!file || directory) {
    const std::string reason = errno != 0 ? std::strerror(errno) : "not a readable file";
    return Error{code, path.string(), "cannot be read: " + reason, "check the path", ""};
  }
  std::string text;
  constexpr std::size_t kStep = 1U << 18U;
  while (file) {
    const std::size_t before = text.size();
    text.resize(before + kStep);
    file.read(text.data() + before, kStep);
    text.resize(before + static_cast<std::size_t>(file.gcount()));
    if (text.size() > most_bytes) {
      return Error{code, path.string(),
                   "cannot be read: it has more than " + std::to_string(most_bytes) + " bytes",
                   "check the path", ""};
    }
  }
  return text;
}

}  // namespace bitquake
