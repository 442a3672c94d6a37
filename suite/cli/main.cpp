#include "suite/base/build_info.hpp"
#include "suite/cli/command.hpp"

#include <fmt/format.h>
#include <opencv2/core/utility.hpp>

#include <csignal>
#include <iostream>
#include <new>

namespace {

using namespace bitquake;
using cli::ExitCode;

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(sub->get_name());
  }
  return names;
}

/// The command or long option that a mistyped word is near to; may be empty.
std::string nearest(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names = command_names(app);
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  return std::string(did_you_mean(word.substr(0, word.find('=')), views));
}

/// A word that `app` (called `name`) has no use for.
Error stray_word(const CLI::App& app, const std::string& name, const std::string& word) {
  const bool option = word.starts_with('-');
  const bool command = !option && app.get_require_subcommand_min() > 0;
  const char* kind = option    ? "unknown option"
                     : command ? "unknown command"
                               : "unexpected argument";
  std::string hint = fmt::format("see {} --help", name);
  const bool takes_keys = app.get_option_no_throw("--set") != nullptr;
  if (!option && takes_keys && word.find('=') != std::string::npos) {
    hint = fmt::format("each key needs an option of its own: --set {}", cli::shell_word(word));
  } else if (const std::string near = nearest(app, word); (option || command) && !near.empty()) {
    hint = fmt::format("did you mean '{}'? {}", near, hint);
  } else if (command) {
    hint = fmt::format("one of: {}", fmt::join(command_names(app), ", "));
  }
  return {Errc::usage, name, fmt::format("{} '{}'", kind, word), hint, ""};
}

/// CLI11's exit codes (105 and so on) are all "usage" here.
ExitCode usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* chosen = &app;
  std::string name = app.get_name();
  while (chosen->remaining().empty() && !chosen->get_subcommands().empty()) {
    chosen = chosen->get_subcommands().front();
    name += " " + chosen->get_name();
  }
  // A mistyped word explains what is missing; CLI11 only says that something is.
  if (!chosen->remaining().empty()) {
    return cli::report(stray_word(*chosen, name, chosen->remaining().front()));
  }
  if (chosen->get_require_subcommand_min() > 0 && chosen->get_subcommands().empty()) {
    return cli::report({Errc::usage, name, "a command is required",
                        fmt::format("one of: {}", fmt::join(command_names(*chosen), ", ")), ""});
  }
  std::string what = error.what();
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    what = what.substr(0, what.find(':')) + ": expected exactly one value";
  }
  const std::string_view flag_value = "Could not convert: ";
  if (what.starts_with(flag_value)) {  // every option checks its value: only a flag comes here
    what = what.substr(flag_value.size());
    what = what.substr(0, what.find(" = ")) + ": takes no value";
  }
  return cli::report({Errc::usage, name, what, fmt::format("see {} --help", name), ""});
}

/// Results that were not written, to a full disk for example, are no success.
ExitCode flushed(ExitCode code) {
  if (std::cout.flush()) return code;
  const ExitCode failed =
      cli::report({Errc::usage, "stdout", "cannot be written", "is the disk full?", ""});
  return code == ExitCode::ok ? failed : code;
}

ExitCode run(int argc, char** argv) {
  CLI::App app(
      "Bitquake: what happens to a neural network's answers when bits of the hardware are "
      "wrong?",
      "bitquake");
  app.set_help_flag("-h,--help", "print this help and exit");
  app.set_help_all_flag("--help-all", "print the help of all subcommands and exit");
  app.set_version_flag("--version",
                       fmt::format("bitquake {} ({}, {})", build_info().version,
                                   build_info().commit, build_info().compiler),
                       "print version, commit and compiler and exit");
  app.require_subcommand(1);
  app.footer(
      "Results go to stdout, everything else to stderr. Exit codes: bitquake list exit-codes\n"
      "Example:\n"
      "  bitquake run suite/scenarios/quickstart.yaml -o out/quickstart");
  cli::Action action;
  cli::add_init(app, action);
  cli::add_run(app, action);
  cli::add_check(app, action);
  cli::add_faults(app, action);
  cli::add_augment(app, action);
  cli::add_bounds(app, action);
  cli::add_model(app, action);
  cli::add_scenario(app, action);
  cli::add_export(app, action);
  cli::add_replay(app, action);
  cli::add_verify(app, action);
  cli::add_selftest(app, action);
  cli::add_bench(app, action);
  cli::add_list(app, action);
  if (argc == 1) {
    std::cout << app.help();
    return ExitCode::ok;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    app.exit(success);
    return ExitCode::ok;
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  return action();
}

}  // namespace

int main(int argc, char** argv) {
  // A limit on the size of files is an error like a full disk, not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  // Work is shared out by sample: a pool of OpenCV's own would only compete with those threads.
  cv::setNumThreads(1);
  try {
    return static_cast<int>(flushed(run(argc, argv)));
  } catch (const Exception& exception) {
    return static_cast<int>(cli::report(exception.error()));
  } catch (const std::bad_alloc&) {
    return static_cast<int>(
        cli::report({Errc::internal, "", "out of memory",
                     "set a smaller memory_budget_mib, padded_batch or unit_samples", ""}));
  } catch (const std::exception& exception) {
    return static_cast<int>(cli::report({Errc::internal, "", exception.what(),
                                         "this is a defect of Bitquake: please report it", ""}));
  }
}
