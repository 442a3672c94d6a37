#pragma once

#include "results/merge.hpp"
#include "suite/base/result.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::engine {

/// What finished segments of a run directory cover.
struct Finished {
  std::vector<results::StoredSegment> segments;  ///< in the order of their units
  std::vector<std::uint64_t> units;              ///< ascending
  std::uint64_t trials = 0;
  std::array<std::uint64_t, 4> outcomes{};  ///< by metrics::Outcome
};

/// A run directory held by this process: made when missing, locked against a second run.
class RunDirectory {
 public:
  /// Errc::usage when it cannot be made, is not writable, is in use by another run, or holds
  /// another campaign than `scenario` (text of scenario.yaml).
  static Result<RunDirectory> claim(const std::filesystem::path& path, const std::string& scenario);

  const std::filesystem::path& path() const { return path_; }

  /// Files of finished segments, in the order of their units.
  std::vector<std::filesystem::path> segments() const;

  /// Finished segments, checked: Errc::results for a damaged one, or one that belongs to another
  /// campaign, was computed under another numeric fingerprint or is not named after its first unit.
  Result<Finished> finished(const std::string& campaign, const std::string& fingerprint) const;

  std::filesystem::path segment_path(std::uint64_t first_unit) const;

  RunDirectory(RunDirectory&& other) noexcept;
  RunDirectory& operator=(RunDirectory&&) = delete;
  ~RunDirectory();

 private:
  RunDirectory(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::filesystem::path path_;
  int lock_;
};

/// Gathers units into segments and writes each when it is complete. Units must come in ascending
/// order. A segment always starts at a multiple of `units_per_segment`: one that an interrupted run
/// left unfinished is completed, so that the files are the same in the end.
class SegmentWriter {
 public:
  /// @param finished  segments of an earlier run, as RunDirectory::finished() gives them
  SegmentWriter(const RunDirectory& directory, std::string campaign, std::string fingerprint,
                std::uint64_t units_per_segment, std::vector<results::StoredSegment> finished);

  void add(std::uint64_t unit, std::vector<results::TrialRow> trials,
           std::vector<results::InjectionRow> injections, std::vector<results::GoldenRow> golden,
           const std::vector<std::string>& messages);
  /// Writes what has been gathered, if anything.
  void flush();
  /// All segments there are now: what the files hold.  @pre flushed
  std::vector<results::StoredSegment> take() { return std::move(finished_); }

 private:
  void start(std::uint64_t unit);

  const RunDirectory& directory_;
  std::string campaign_, fingerprint_;
  std::uint64_t units_per_segment_;
  std::vector<results::StoredSegment> finished_;
  std::optional<results::StoredSegment> open_;
};

}  // namespace bitquake::engine
