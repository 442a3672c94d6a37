#include "results/summary.hpp"
#include "suite/base/text.hpp"
#include "suite/cli/command.hpp"
#include "suite/cli/progress_bar.hpp"
#include "suite/engine/campaign.hpp"
#include "suite/model/fingerprint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <iostream>
#include <memory>

namespace bitquake::cli {
namespace {

std::atomic<bool> stop_requested{false};

/// The first signal ends the campaign in order; a second one ends the process.
extern "C" void request_stop(int signal) {
  stop_requested.store(true);
  std::signal(signal, SIG_DFL);
}

struct RunCommand {
  ScenarioOptions scenario;
  std::string directory;
  ThreadsOption threads;
  bool quiet = false, json = false;

  std::filesystem::path output() const {
    return directory.empty()
               ? std::filesystem::path("out") / std::filesystem::path(scenario.file).stem()
               : std::filesystem::path(directory);
  }
};

const metrics::Rate* find_rate(const std::vector<metrics::Rate>& rates, const char* name) {
  for (const metrics::Rate& rate : rates) {
    if (rate.metric == name) return &rate;
  }
  return nullptr;
}

/// The last line for people: whether the numbers can be used, the headline, and what to do next.
std::string verdict(const engine::CampaignResult& result, const std::filesystem::path& directory) {
  const results::Summary& summary = result.summary;
  const std::string next =
      fmt::format("tables: {}   trials: bitquake export {}", (directory / "kpi").string(),
                  shell_word(directory.string()));
  if (summary.trials == 0) {
    return "INVALID  no trials: every sample's golden output is non-finite; see " +
           (directory / "skipped.csv").string();
  }
  if (result.audit.state == engine::AuditState::failed) {
    return fmt::format("INVALID  {} of {} came out otherwise in the audit   {}",
                       with_commas(result.audit.differing.size()),
                       counted(result.audit.audited, "trial"), next);
  }
  if (summary.failed > 0) {
    return fmt::format("INVALID  the inference of {} of {} trials failed (counted as DUE)   {}",
                       with_commas(summary.failed), with_commas(summary.trials), next);
  }
  const auto with_trials = std::find_if(summary.tables.begin(), summary.tables.end(),
                                        [](const auto& tables) { return tables.trials > 0; });
  const metrics::Rate* sde = find_rate(with_trials->overall, "sde");
  const std::string under = summary.tables.size() > 1 ? " under " + with_trials->perturbation : "";
  const double percent = 100.0 * static_cast<double>(sde->k) / static_cast<double>(sde->n);
  std::string interval = "(" + sde->method + ")";
  if (sde->interval) {
    interval = fmt::format("[{:.2f}, {:.2f}]", 100 * sde->interval->low, 100 * sde->interval->high);
  }
  return fmt::format("VALID  SDE {:.2f} % {}  {} of {}{}   {}", percent, interval,
                     with_commas(sde->k), counted(sde->n, "trial"), under, next);
}

/// What a campaign throws comes back as its error, so that both are reported alike.
Result<engine::CampaignResult> run_campaign(const engine::Inputs& inputs,
                                            const engine::RunOptions& options,
                                            engine::Observer& observer) {
  try {
    return engine::run_campaign(inputs, options, stop_requested, observer);
  } catch (const Exception& exception) {
    return exception.error();
  }
}

ExitCode failed(const Error& error, const std::filesystem::path& directory, ProgressBar& bar) {
  const ExitCode code = report(error);
  // A directory that is not ours to write to gets no log either, nor is one made for it.
  std::error_code missing;
  if (error.code == Errc::usage || error.code == Errc::scenario ||
      !std::filesystem::exists(directory, missing))
    return code;
  bar.log(to_string(error));
  if (std::filesystem::exists(directory / "segments", missing)) {
    std::cerr << fmt::format(
        "finished work is kept in {}; once the cause is mended, the same command continues\n",
        directory.string());
  }
  return code;
}

/// Tables, audit and verdict of a campaign that came to its end.
ExitCode conclude(const RunCommand& command, const engine::CampaignResult& result,
                  const std::filesystem::path& directory, ProgressBar& bar) {
  const std::string audited = engine::audit_text(result.audit);
  const std::string line = verdict(result, directory);
  bar.log(audited);
  bar.log(line);
  if (command.json) {
    std::cout << results::summary_json(result.summary);
  } else {
    std::cout << results::summary_text(result.summary) << "\n" << audited << "\n" << line << "\n";
  }
  if (result.audit.state == engine::AuditState::failed) {
    const Error error = engine::audit_error(result.audit, directory);
    bar.log(to_string(error));
    report(error);
    return ExitCode::audit_failed;
  }
  if (result.summary.trials == 0) return ExitCode::model_or_data;
  return result.summary.failed > 0 ? ExitCode::trials_crashed : ExitCode::ok;
}

ExitCode run(const RunCommand& command) {
  const auto scenario = command.scenario.read();
  if (!scenario) return scenario.error();
  const auto threads = command.threads.read();
  if (!threads) return report(threads.error());
  const auto inputs = engine::prepare(*scenario, torch_loader());
  if (!inputs) return report(inputs.error());

  const std::filesystem::path directory = command.output();
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  ProgressBar bar(directory, command.quiet);
  model::use_one_inner_thread();
  const auto result =
      run_campaign(*inputs,
                   {.directory = directory,
                    .threads = *threads,
                    .scenario_file = std::filesystem::absolute(command.scenario.file),
                    .inner_threads = static_cast<unsigned>(model::inner_threads())},
                   bar);
  bar.finish();
  if (!result) return failed(result.error(), directory, bar);
  if (result->interrupted) {
    bar.log("interrupted");
    std::cerr << fmt::format(
        "interrupted: {} of {} trials are done and kept in {}\n"
        "the same command continues from there: bitquake run {} -o {}\n",
        with_commas(result->progress.trials_done), with_commas(result->progress.trials_total),
        directory.string(), command.scenario.arguments(), shell_word(directory.string()));
    return ExitCode::interrupted;
  }
  return conclude(command, *result, directory, bar);
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("run", "run a campaign and print its KPI tables");
  auto command = std::make_shared<RunCommand>();
  command->scenario.add_to(*sub);
  sub->add_option("-o,--output", command->directory,
                  "run directory (default: out/ and the scenario's name);\n"
                  "an unfinished run of this scenario there is continued")
      ->type_name("DIR")
      ->check(not_empty());
  command->threads.add_to(*sub);
  sub->add_flag("-q,--quiet", command->quiet, "no progress and no notes on stderr");
  sub->add_flag("--json", command->json, "print summary.json instead of tables");
  sub->footer(
      "Examples:\n"
      "  bitquake run suite/scenarios/quickstart.yaml -o out/quickstart\n"
      "  bitquake run my.yaml --samples 500 --set faults.target=weights -o out/try");
  sub->callback([command, &action] { action = [command] { return run(*command); }; });
}

}  // namespace bitquake::cli
