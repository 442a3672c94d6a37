#pragma once

#include "suite/base/result.hpp"
#include "suite/cli/exit_code.hpp"
#include "suite/engine/torch_loader.hpp"
#include "suite/scenario/yaml_reader.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace bitquake::cli {

/// What a chosen subcommand does; called after the whole command line has been read.
using Action = std::function<ExitCode()>;

// One function per subcommand, each in a file of its own: declares options and sets `action` when
// the user chose it.
void add_init(CLI::App& app, Action& action);
void add_run(CLI::App& app, Action& action);
void add_check(CLI::App& app, Action& action);
void add_faults(CLI::App& app, Action& action);
void add_augment(CLI::App& app, Action& action);
void add_bounds(CLI::App& app, Action& action);
void add_model(CLI::App& app, Action& action);
void add_scenario(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);
void add_replay(CLI::App& app, Action& action);
void add_verify(CLI::App& app, Action& action);
void add_list(CLI::App& app, Action& action);
void add_selftest(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);

/// A scenario on the command line with the options that change it; the same words mean the same in
/// every subcommand.
struct ScenarioOptions {
  std::string file;
  std::vector<std::string> set;
  std::optional<std::uint64_t> seed, samples;
  std::string execution;

  void add_to(CLI::App& app);
  /// The effective scenario. All mistakes are printed to stderr; then the result is an exit code.
  Result<scenario::Scenario, ExitCode> read() const;
  /// These options as they can be typed again in a shell.
  std::string arguments() const;
};

/// Number of worker threads: -j, else BITQUAKE_THREADS, else all cores.
struct ThreadsOption {
  std::optional<unsigned> given;

  void add_to(CLI::App& app);
  /// Errc::usage when BITQUAKE_THREADS is used and is no number of threads.
  Result<unsigned> read() const;
};

/// Where a run's model and data are now: --base, for a run directory from elsewhere.
struct BaseOption {
  std::string given;

  void add_to(CLI::App& app);
  std::optional<std::filesystem::path> read() const;
};

/// A file to write that a campaign can read: one that exists is replaced with --force only. Tables
/// and pictures, which are made of other files, are written anew instead.
struct OutputOption {
  std::string given;
  bool force = false;

  CLI::Option* add_to(CLI::App& app, const std::string& doc);
  /// As output_file. Errc::usage when the file exists.
  Result<std::filesystem::path> read() const;
};

/// Errc::usage when `file` exists and may not be replaced.
std::optional<Error> exists_already(const std::filesystem::path& file, bool force);

/// Accepts whole decimal numbers from `low` to `high`. CLI11 alone takes -1 for the largest number.
CLI::Validator whole_number(std::uint64_t low,
                            std::uint64_t high = std::numeric_limits<std::uint64_t>::max());

/// Accepts the names of a registry.
template <class Registry>
CLI::Validator one_of(const Registry& registry) {
  std::vector<std::string> names;
  for (const auto& entry : registry) names.emplace_back(entry.name);
  return CLI::Validator(
      [names](const std::string& text) {
        if (std::find(names.begin(), names.end(), text) != names.end()) return std::string();
        return fmt::format("expected one of {}, got '{}'", fmt::join(names, ", "), text);
      },
      "");
}

/// Refuses an empty word: most often a shell variable that is not set.
CLI::Validator not_empty();

/// `word` as a shell reads it back: quoted where it must be.
std::string shell_word(const std::string& word);

/// "1 epoch", "2,000 epochs".
std::string counted(std::uint64_t count, const std::string& noun);

/// The value of --input: "1x28x28" -> {1, 28, 28}. Errc::usage.
Result<std::vector<std::int64_t>> parse_shape(const std::string& text);

/// Prints an error to stderr and gives its exit code.
ExitCode report(const Error& error);

using engine::torch_loader;

/// `path` with links followed, so that writing replaces a file and never a link or a device.
/// Errc::usage for a directory, and for a device or pipe unless `may_be_device`.
Result<std::filesystem::path> output_file(const std::string& path, bool may_be_device);

/// Writes `text` to stdout, or durably to `path` when it is not empty. Errc::usage.
Result<std::monostate> write_output(const std::string& path, const std::string& text);

}  // namespace bitquake::cli
