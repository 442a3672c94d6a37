#pragma once

#include "results/row.hpp"
#include "suite/base/big_vector.hpp"
#include "suite/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace bitquake::results {

/// What a block of consecutive work units gave: the piece of a campaign that is written at once and
/// survives a crash. Rows in any order.
struct Segment {
  std::uint64_t first_unit = 0;
  std::uint64_t n_units = 0;  ///< > 0
  std::string campaign;       ///< identity of the campaign: a hash of all that decides its rows
  std::string fingerprint;    ///< numeric fingerprint, lines of "name=value"
  BigVector<TrialRow> trials;
  BigVector<InjectionRow> injections;
  Observed observed;
  std::vector<GoldenRow> golden;          ///< every sample of the units, skipped ones too
  std::vector<std::string> messages{""};  ///< what TrialRow::message refers to; row 0 is empty

  bool operator==(const Segment&) const = default;
};

/// Writes /trials, /injections, /monitored, /deviations, /golden (columns of results/columns.hpp),
/// /messages/text and the attributes content, format_version, first_unit, n_units, campaign,
/// fingerprint; then seals the file (suite/base/seal.hpp). It appears whole or not at all
/// (suite/base/durable.hpp). Throws Exception (results).
void write_segment(const std::filesystem::path& path, const Segment& segment);

/// Reads and checks a segment: seal, version, columns, types, lengths, codes in range.
/// Errc::results for any damage.
Result<Segment> read_segment(const std::filesystem::path& path);

}  // namespace bitquake::results
