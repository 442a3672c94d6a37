#pragma once

#include <filesystem>
#include <string>

namespace bitquake {

/// A new empty directory under the system's directory for temporary files (TMPDIR), removed with
/// everything in it at the end of the scope. Throws Exception (usage) when it cannot be made.
class TempDirectory {
 public:
  TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  ~TempDirectory();

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace bitquake
