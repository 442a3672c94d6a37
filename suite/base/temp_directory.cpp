#include "suite/base/temp_directory.hpp"

#include "suite/base/error.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace bitquake {

TempDirectory::TempDirectory() {
  std::error_code failed;
  const auto parent = std::filesystem::temp_directory_path(failed);
  std::string pattern = (parent / "bitquake_XXXXXX").string();
  if (failed || mkdtemp(pattern.data()) == nullptr) {
    throw Exception({Errc::usage, failed ? "TMPDIR" : parent.string(),
                     std::string("cannot hold a temporary directory: ") +
                         (failed ? failed.message() : std::strerror(errno)),
                     "set TMPDIR to a directory that can be written", ""});
  }
  path_ = pattern;
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace bitquake
