#include "suite/cli/progress_bar.hpp"

#include "metrics/interval.hpp"
#include "metrics/outcome.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iostream>
#include <numeric>
#include <unistd.h>

namespace bitquake::cli {

std::string progress_text(const engine::Progress& now) {
  const std::uint64_t computed = now.trials_done - now.trials_resumed;
  const double rate = now.seconds > 0 ? static_cast<double>(computed) / now.seconds : 0;
  const std::uint64_t n =
      std::accumulate(now.outcomes.begin(), now.outcomes.end(), std::uint64_t{0});
  const std::uint64_t sde = now.outcomes[static_cast<std::size_t>(metrics::Outcome::sde)];
  const std::uint64_t due = now.outcomes[static_cast<std::size_t>(metrics::Outcome::due)];
  const auto percent = [&](std::uint64_t k) {
    return n == 0 ? 0.0 : 100.0 * static_cast<double>(k) / static_cast<double>(n);
  };
  std::string text = fmt::format(
      "trials {}/{}  {:.0f} %  {:.0f}/s", with_commas(now.trials_done),
      with_commas(now.trials_total),
      now.trials_total == 0
          ? 100.0
          : 100.0 * static_cast<double>(now.trials_done) / static_cast<double>(now.trials_total),
      rate);
  if (rate > 0) {
    const auto left = static_cast<std::uint64_t>(
        static_cast<double>(now.trials_total - now.trials_done) / rate + 0.5);
    text += left >= 3600
                ? fmt::format("  ETA {}:{:02}:{:02}", left / 3600, left / 60 % 60, left % 60)
                : fmt::format("  ETA {}:{:02}", left / 60, left % 60);
  }
  text += fmt::format("  SDE {:.2f} %", percent(sde));
  // Looking at an interval while it grows is no test; the tables at the end are. Dependent trials
  // need those tables to have one at all.
  if (now.independent) {
    const auto [low, high] = metrics::interval(metrics::IntervalMethod::wilson, sde, n, 0.95);
    text += fmt::format(" [{:.2f}, {:.2f}]", 100 * low, 100 * high);
  }
  return text + fmt::format("  DUE {:.2f} %", percent(due));
}

ProgressBar::ProgressBar(const std::filesystem::path& directory, bool quiet)
    : directory_(directory), quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() { finish(); }

void ProgressBar::log(const std::string& text) {
  if (log_ == nullptr) {
    try {
      log_ = std::make_shared<spdlog::logger>(
          "run",
          std::make_shared<spdlog::sinks::basic_file_sink_st>((directory_ / "log.txt").string()));
      log_->set_pattern("%Y-%m-%dT%H:%M:%S%z %v");
      log_->flush_on(spdlog::level::info);
    } catch (const spdlog::spdlog_ex&) {
      return;  // the log is a convenience; what cannot be written there is on stderr
    }
  }
  log_->info(text);
}

void ProgressBar::notice(const std::string& text) {
  log(text);
  if (quiet_) return;
  finish();
  std::cerr << "note: " << text << "\n";
}

void ProgressBar::progress(const engine::Progress& now) {
  if (quiet_) return;
  if (terminal_) {
    const auto time = std::chrono::steady_clock::now();
    if (time - last_ < std::chrono::milliseconds(500)) return;
    last_ = time;
    std::cerr << "\r\033[K" << progress_text(now) << std::flush;
    line_shown_ = true;
    return;
  }
  const auto tenths =
      static_cast<unsigned>(now.trials_total == 0 ? 10 : 10 * now.trials_done / now.trials_total);
  if (tenths > tenths_) {
    tenths_ = tenths;
    std::cerr << progress_text(now) << "\n";
  }
}

void ProgressBar::finish() {
  if (line_shown_) std::cerr << "\r\033[K" << std::flush;
  line_shown_ = false;
}

}  // namespace bitquake::cli
