#pragma once

#include <string_view>

namespace bitquake {

/// What this program was built from and how, for run.json and `bitquake --version`.
struct BuildInfo {
  std::string_view version;  ///< semantic version of the project
  std::string_view
      commit;  ///< git commit, "-dirty" appended where the tree had changes; or "unknown"
  std::string_view compiler;  ///< name and version
  std::string_view flags;     ///< build type and compiler flags
};

const BuildInfo& build_info();

}  // namespace bitquake
