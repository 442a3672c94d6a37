#include "faultgen/fault_set.hpp"
#include "results/csv.hpp"
#include "results/trials.hpp"
#include "suite/cli/command.hpp"

#include <memory>
#include <sstream>

namespace bitquake::cli {
namespace {

struct ExportCommand {
  std::string directory, output;
};

ExitCode export_trials(const ExportCommand& command) {
  const std::filesystem::path directory = command.directory;
  if (!std::filesystem::exists(directory / "trials.h5")) {
    return report({Errc::usage, command.directory, "holds no finished campaign (trials.h5)",
                   "name the directory given to bitquake run -o", ""});
  }
  const auto trials = results::read_trials(directory / "trials.h5");
  if (!trials) return report(trials.error());
  const auto faults = faultgen::read_fault_set(directory / "faults.h5");
  if (!faults) return report(faults.error());
  const auto fit = results::check_faults(*trials, *faults);
  if (!fit) return report(fit.error());
  std::ostringstream text;
  results::write_trials_csv(*trials, *faults, text);
  const auto written = write_output(command.output, text.str());
  return written ? ExitCode::ok : report(written.error());
}

}  // namespace

void add_export(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("export", "write all trials of a campaign as CSV");
  auto command = std::make_shared<ExportCommand>();
  sub->add_option("DIR", command->directory, "run directory")->required()->type_name("");
  sub->add_option("-o,--output", command->output, "CSV file to write (default: stdout)")
      ->type_name("FILE")
      ->check(not_empty());
  sub->footer(
      "One row per trial: what was injected, what came out, the golden run of its sample.\n"
      "Example:\n"
      "  bitquake export out/quickstart -o trials.csv");
  sub->callback([command, &action] { action = [command] { return export_trials(*command); }; });
}

}  // namespace bitquake::cli
