#pragma once

#include "results/segment.hpp"
#include "results/trials.hpp"
#include "suite/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace bitquake::results {

/// Gathers the rows of a campaign's segments, which come in any order. What it holds may be larger
/// than memory (BigVector). The result depends on the rows alone, not on how units were grouped
/// into segments.
class Gathering {
 public:
  explicit Gathering(const Campaign& campaign) { all_.campaign = campaign; }

  /// @param file  which holds the segment and which messages name
  /// @return Errc::results for a segment of another campaign or of another numeric fingerprint
  Result<std::monostate> add(const std::filesystem::path& file, Segment segment);

  /// Golden rows so far, in the order of the segments.
  const std::vector<GoldenRow>& golden() const { return all_.golden; }

  /// The rows, sorted and with one dictionary of messages, without proof that they are whole.
  Trials rows() &&;
  /// Rows that cover the work units [0, n_units) exactly once. Errc::results for a gap, an overlap
  /// or a damaged segment; the message names the files and units.
  Result<Trials> whole(std::uint64_t n_units) &&;

 private:
  /// The work units a segment file covers.
  struct Extent {
    std::uint64_t first = 0, end = 0;
    std::string file;
  };
  static Result<std::monostate> check_coverage(std::vector<Extent> extents, std::uint64_t n_units);
  /// Messages from many dictionaries; their numbers are provisional until `renumber`.
  std::uint32_t number_of(const std::string& text);
  void renumber();

  Trials all_;
  std::map<std::string, std::uint32_t> numbers_{{"", kNoMessage}};
  std::vector<Extent> extents_;
};

/// The rows of a campaign's segments, proven to be whole (Gathering).
Result<Trials> join_segments(const std::vector<std::filesystem::path>& segments,
                             const Campaign& campaign, std::uint64_t n_units);

/// The rows of some segments of a campaign, sorted and with one dictionary of messages, without
/// proof that they are whole: /golden holds the samples of these segments only, and a unit in two
/// segments is there twice.
Result<Trials> gather_segments(const std::vector<std::filesystem::path>& segments,
                               const Campaign& campaign);

}  // namespace bitquake::results
