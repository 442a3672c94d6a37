#pragma once

#include "suite/engine/campaign.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

namespace spdlog {
class logger;
}

namespace bitquake::cli {

/// Shows a campaign's progress on stderr: a line that is rewritten twice a second on a terminal, a
/// plain line every 10 % elsewhere. Notices also go to log.txt of the run directory.
class ProgressBar : public engine::Observer {
 public:
  ProgressBar(const std::filesystem::path& directory, bool quiet);
  ~ProgressBar() override;
  void notice(const std::string& text) override;
  void progress(const engine::Progress& now) override;
  /// Removes the line from the terminal.
  void finish();
  /// A line for log.txt only.
  void log(const std::string& text);

 private:
  std::filesystem::path directory_;
  bool quiet_, terminal_;
  bool line_shown_ = false;
  unsigned tenths_ = 0;
  std::chrono::steady_clock::time_point last_{};
  std::shared_ptr<spdlog::logger> log_;
};

/// "trials 1,240/2,000  62 %  412/s  ETA 0:02  SDE 3.1 % [2.2, 4.2]  DUE 0.4 %"
std::string progress_text(const engine::Progress& now);

}  // namespace bitquake::cli
