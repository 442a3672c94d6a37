#pragma once

#include "results/manifest.hpp"
#include "results/trials.hpp"
#include "suite/base/result.hpp"
#include "suite/engine/prepare.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace bitquake::engine {

/// A run directory opened for reading: what it says it was made from. Nothing in it is changed.
struct RunFiles {
  std::filesystem::path directory;
  results::Manifest manifest;
  scenario::Scenario scenario;

  std::filesystem::path operator/(const char* name) const { return directory / name; }
  bool finished() const { return std::filesystem::exists(directory / "trials.h5"); }
};

/// Reads run.json and scenario.yaml.
/// @param directory  where the run left its files
/// @param base       where the scenario's relative paths start; none: at the run's scenario file
/// @return Errc::results when `directory` is no run directory or one of the two is damaged
Result<RunFiles> open_run(const std::filesystem::path& directory,
                          const std::optional<std::filesystem::path>& base);

/// The campaign as it was run: data and model of the scenario, the fault set of the directory.
/// @return Errc::model, data or results, naming the file, when one has changed since the run
Result<Inputs> reopen(const RunFiles& run, const ModelLoader& load_model);

/// Nothing when the files of a role have the hashes of run.json; otherwise an error that names the
/// first that has not.
/// @param manifest  run.json
/// @param role      "model", "data" or "faults"
/// @param code      kind of the error
/// @param now       SHA-256 by file, in the order of run.json
Result<std::monostate> check_unchanged(const results::Manifest& manifest, const std::string& role,
                                       Errc code,
                                       const std::vector<std::pair<std::string, std::string>>& now);

/// Segment files of a run directory, sorted by name.
std::vector<std::filesystem::path> segment_files(const std::filesystem::path& directory);

/// All rows there are: those of trials.h5, or of an unfinished run's segments, whose /golden holds
/// only the samples that are done.
Result<results::Trials> read_rows(const RunFiles& run);

/// Nothing when the files of the scenario's variants are those of the run (check_unchanged).
Result<std::monostate> check_variants(const RunFiles& run);

/// Golden row of a sample under a condition, null when there is none.  @pre `rows` as read_rows
/// gives them
const results::GoldenRow* find_golden(const results::Trials& rows,
                                      const results::Condition& condition, std::uint64_t sample);
/// Row of a trial, null when there is none.
const results::TrialRow* find_trial(const results::Trials& rows, std::uint64_t trial);

}  // namespace bitquake::engine
