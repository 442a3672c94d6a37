#pragma once

#include "results/segment.hpp"
#include "results/trials.hpp"
#include "suite/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace bitquake::results {

/// A segment in memory and the file that holds it, which messages name.
struct StoredSegment {
  std::filesystem::path file;
  Segment segment;
};

/// Joins the segments of a campaign, in any order, and proves that they cover the work units
/// [0, n_units) exactly once. The result depends on the rows alone, not on how units were grouped
/// into segments. Errc::results for a gap, an overlap, a segment of another campaign or of another
/// numeric fingerprint, or a damaged one; the message names the files and units.
Result<Trials> join_segments(const std::vector<std::filesystem::path>& segments,
                             const Campaign& campaign, std::uint64_t n_units);

/// The same for segments that are in memory.
Result<Trials> join_segments(std::vector<StoredSegment> segments, const Campaign& campaign,
                             std::uint64_t n_units);

/// The rows of some segments of a campaign, sorted and with one dictionary of messages, without
/// proof that they are whole: /golden holds the samples of these segments only, and a unit in two
/// segments is there twice.
Result<Trials> gather_segments(const std::vector<std::filesystem::path>& segments,
                               const Campaign& campaign);

}  // namespace bitquake::results
