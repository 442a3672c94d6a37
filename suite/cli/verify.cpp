#include "suite/engine/verify.hpp"

#include "suite/base/text.hpp"
#include "suite/cli/command.hpp"
#include "suite/model/fingerprint.hpp"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <iostream>
#include <memory>

namespace bitquake::cli {
namespace {

struct VerifyCommand {
  std::string directory;
  double fraction = 0.01;
  std::optional<std::uint64_t> seed;
  ThreadsOption threads;
  BaseOption base;
};

/// Accepts numbers from 0 to 1; CLI11's own Range lets NaN pass.
CLI::Validator fraction() {
  return CLI::Validator(
      [](const std::string& text) {
        double value = 0;
        const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool number = error == std::errc() && rest == text.data() + text.size();
        if (number && value >= 0 && value <= 1) return std::string();
        return fmt::format("expected a number from 0 to 1, got '{}'", text);
      },
      "");
}

/// A line on stderr every few seconds.
class ReplayProgress {
 public:
  void operator()(std::uint64_t done, std::uint64_t total) {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::seconds(5)) return;
    last_ = now;
    std::cerr << fmt::format("replayed {} of {} trials\n", with_commas(done), with_commas(total));
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

ExitCode verify(const VerifyCommand& command) {
  const auto threads = command.threads.read();
  if (!threads) return report(threads.error());
  const auto run = engine::open_run(command.directory, command.base.read());
  if (!run) return report(run.error());
  if (!run->finished() && run->manifest.status != "complete") {
    std::cerr << fmt::format(
        "note: the campaign is unfinished (run.json: {}); continue it with "
        "bitquake run\n",
        run->manifest.status);
  }
  model::use_one_inner_thread();
  const engine::Verification result = engine::verify_run(*run, torch_loader(),
                                                         {.fraction = command.fraction,
                                                          .seed = command.seed,
                                                          .threads = *threads,
                                                          .progress = ReplayProgress()});
  std::cout << engine::verification_text(result);
  return result.count(engine::CheckState::failed) == 0 ? ExitCode::ok : ExitCode::audit_failed;
}

}  // namespace

void add_verify(CLI::App& app, Action& action) {
  auto* sub =
      app.add_subcommand("verify", "check a run directory and run some of its trials again");
  auto command = std::make_shared<VerifyCommand>();
  sub->add_option("DIR", command->directory, "run directory, finished or not")
      ->required()
      ->type_name("");
  sub->add_option("--fraction", command->fraction,
                  "part of the trials to run again, 0 to 1; at least 20 trials (default: 0.01)")
      ->type_name("X")
      ->check(fraction());
  sub->add_option("--seed", command->seed,
                  "chooses the trials to run again (default: the campaign's)")
      ->type_name("N")
      ->check(whole_number(0));
  command->threads.add_to(*sub);
  command->base.add_to(*sub);
  sub->footer(
      "Hashes of scenario, model, data and faults; seals; every trial once; each fault applied to\n"
      "the bits it found; columns that agree; tables recomputed from the rows; trials run again.\n"
      "Exit code 0: no check failed (one that cannot be made here says why: replays, when the run\n"
      "had other numerics; tables, when it is unfinished); 8: a check failed; 4: no run "
      "directory.\n"
      "Example:\n"
      "  bitquake verify out/quickstart --fraction 0.05");
  sub->callback([command, &action] { action = [command] { return verify(*command); }; });
}

}  // namespace bitquake::cli
