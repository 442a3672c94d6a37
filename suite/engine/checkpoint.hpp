#pragma once

#include "results/merge.hpp"
#include "suite/base/result.hpp"
#include "suite/engine/plan.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::engine {

/// A segment in memory and the file that holds it.
struct StoredSegment {
  std::filesystem::path file;
  results::Segment segment;
};

/// What finished segments of a run directory cover.
struct Finished {
  results::Gathering rows;           ///< of whole segments
  std::vector<StoredSegment> begun;  ///< segments that lack units
  std::vector<std::uint64_t> units;  ///< ascending
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
  Result<Finished> finished(const results::Campaign& campaign, const Plan& plan) const;

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
  /// @param campaign  what all segments share
  /// @param finished  what there is of an earlier run, of which rows and begun segments are used
  SegmentWriter(const RunDirectory& directory, const results::Campaign& campaign,
                std::uint64_t units_per_segment, Finished finished);

  void add(std::uint64_t unit, BigVector<results::TrialRow> trials,
           BigVector<results::InjectionRow> injections, results::Observed observed,
           std::vector<results::GoldenRow> golden, const std::vector<std::string>& messages);
  /// Writes what has been gathered, if anything.
  void flush();
  /// The rows of all segments there are now: what the files hold.  @pre flushed
  results::Gathering take() { return std::move(rows_); }

 private:
  void start(std::uint64_t unit);

  const RunDirectory& directory_;
  std::string campaign_, fingerprint_;
  std::uint64_t units_per_segment_;
  results::Gathering rows_;
  std::vector<StoredSegment> begun_;
  std::optional<StoredSegment> open_;
};

}  // namespace bitquake::engine
