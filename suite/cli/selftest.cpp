#include "suite/selftest/selftest.hpp"

#include "suite/cli/command.hpp"

#include <memory>

namespace bitquake::cli {
namespace {

struct SelftestCommand {
  ThreadsOption threads;
  std::string file;
  bool json = false;
};

ExitCode selftest(const SelftestCommand& command) {
  const auto threads = command.threads.read();
  if (!threads) return report(threads.error());
  const selftest::Report result = selftest::run_selftest(*threads);
  const auto written = write_output(
      command.file, command.json ? selftest::report_json(result) : selftest::report_text(result));
  if (!written) return report(written.error());
  return result.passed() ? ExitCode::ok : ExitCode::audit_failed;
}

}  // namespace

void add_selftest(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand(
      "selftest", "prove on this machine that faults hit what they should and are counted right");
  auto command = std::make_shared<SelftestCommand>();
  command->threads.add_to(*sub);
  sub->add_flag("--json", command->json, "print JSON");
  sub->add_option("-o,--output", command->file, "file for the report (default: stdout)")
      ->type_name("FILE")
      ->check(not_empty());
  sub->footer(
      "Takes some seconds and needs no files. What it proves: suite/selftest/README.md\n"
      "Example:\n"
      "  bitquake selftest -o selftest.txt");
  sub->callback([command, &action] { action = [command] { return selftest(*command); }; });
}

}  // namespace bitquake::cli
