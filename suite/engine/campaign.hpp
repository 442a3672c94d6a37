#pragma once

#include "results/summary.hpp"
#include "suite/base/result.hpp"
#include "suite/engine/audit.hpp"
#include "suite/engine/prepare.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>

namespace bitquake::engine {

/// How far a campaign is.
struct Progress {
  std::uint64_t trials_done = 0, trials_total = 0;
  std::uint64_t trials_resumed = 0;         ///< of those done, found finished at the start
  std::array<std::uint64_t, 4> outcomes{};  ///< by metrics::Outcome
  double seconds = 0;                       ///< since this run began
  bool independent = true;                  ///< no two trials share a sample or a fault
};

/// Hears what a campaign has to say; called from one thread at a time.
class Observer {
 public:
  virtual ~Observer() = default;
  /// Something worth knowing, once.
  virtual void notice(const std::string& /*text*/) {}
  /// After each work unit.
  virtual void progress(const Progress& /*now*/) {}
};

struct RunOptions {
  std::filesystem::path directory;        ///< run directory; continued when it holds this campaign
  unsigned threads = 1;                   ///< workers; results do not depend on it
  std::filesystem::path scenario_file{};  ///< for the manifest and messages, absolute
  unsigned inner_threads = 1;             ///< for the manifest: intra-op threads of each worker
};

struct CampaignResult {
  /// Stopped early: finished segments are kept, and `summary` is empty unless it was the audit.
  bool interrupted = false;
  results::Summary summary;
  Audit audit;  ///< what the run is worth: a failed one keeps every file
  Progress progress;
};

/// Runs the campaign into its directory (layout: results/README.md): fault set first, then
/// segments, at the end trials.h5, kpi/*.csv, summary.json, skipped.csv, timings.csv; then the
/// audit (suite/engine/audit.hpp). The same campaign in the same directory goes on where it
/// stopped; the audit is done again. Every file but run.json, timings.csv and log.txt depends on
/// `inputs` alone.
/// @param inputs    what prepare() gave
/// @param options   where to, and how many workers
/// @param stop      set it (a signal handler may) to end early without losing finished units
/// @param observer  hears notices and progress
/// @return Errc::scenario when the memory budget does not hold one work unit;
///         Errc::usage for an unusable directory or one of another scenario, Errc::results for
///         a fault set or segments that do not belong here, Errc::expectation before anything is
///         written when the golden runs are not what the scenario expects
/// Throws Exception: Errc::data for a sample that cannot be read or does not fit the model,
/// Errc::results when a file cannot be written, and what a golden run throws. What is in finished
/// segments is kept.
Result<CampaignResult> run_campaign(const Inputs& inputs, const RunOptions& options,
                                    const std::atomic<bool>& stop, Observer& observer);

}  // namespace bitquake::engine
