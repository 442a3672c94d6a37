#pragma once

#include "suite/base/result.hpp"
#include "suite/cli/exit_code.hpp"
#include "suite/engine/prepare.hpp"
#include "suite/scenario/yaml_reader.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace bitquake::cli {

/// What a chosen subcommand does; called after the whole command line has been read.
using Action = std::function<ExitCode()>;

// One function per subcommand, each in a file of its own: declares options and sets `action` when the
// user chose it.
void add_run(CLI::App& app, Action& action);
void add_check(CLI::App& app, Action& action);
void add_faults(CLI::App& app, Action& action);
void add_model(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);
void add_list(CLI::App& app, Action& action);

/// A scenario on the command line with the options that change it; the same words mean the same in
/// every subcommand.
struct ScenarioOptions {
  std::string file;
  std::vector<std::string> set;
  std::optional<std::uint64_t> seed, samples;

  void add_to(CLI::App& app);
  /// The effective scenario. All mistakes are printed to stderr; then the result is an exit code.
  Result<scenario::Scenario, ExitCode> read() const;
};

/// Threads from -j, else BITQUAKE_THREADS, else all cores.
void add_threads_option(CLI::App& app, unsigned& threads);

/// Prints an error to stderr and gives its exit code.
ExitCode report(const Error& error);

/// Loads TorchScript models for the engine.
engine::ModelLoader torch_loader();

/// Writes `text` to stdout, or durably to `path` when it is not empty. Throws Exception (usage).
void write_output(const std::string& path, const std::string& text);

}  // namespace bitquake::cli
