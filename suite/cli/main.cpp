#include "suite/base/build_info.hpp"
#include "suite/cli/command.hpp"

#include <fmt/format.h>

#include <iostream>
#include <new>

namespace {

using namespace bitquake;
using cli::ExitCode;

/// Suggests the subcommand or option that a mistyped word is near to.
std::string suggestion(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(sub->get_name());
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  return std::string(did_you_mean(word, views));
}

/// CLI11's exit codes (105 and so on) are all "usage" here.
ExitCode usage_error(const CLI::App& app, const CLI::ParseError& error,
                     const std::vector<std::string>& arguments) {
  const CLI::App* chosen = &app;
  while (!chosen->get_subcommands().empty()) chosen = chosen->get_subcommands().front();
  std::string hint = fmt::format("{} --help", chosen->get_display_name());
  for (const CLI::App* parent = chosen->get_parent(); parent != nullptr;
       parent = parent->get_parent()) {
    hint = parent->get_display_name() + " " + hint;
  }
  for (const std::string& word : arguments) {
    if (std::string(error.what()).find(word) == std::string::npos) continue;
    const std::string near = suggestion(*chosen, word.substr(0, word.find('=')));
    if (!near.empty()) hint = fmt::format("'{}'?  See {}", near, hint);
    break;
  }
  return cli::report({Errc::usage, "", error.what(), hint, ""});
}

ExitCode run(int argc, char** argv) {
  CLI::App app("Bitquake: what happens to a neural network's answers when bits of the hardware are "
               "wrong?",
               "bitquake");
  app.set_version_flag("--version", fmt::format("bitquake {} ({}, {})", build_info().version,
                                                build_info().commit, build_info().compiler));
  app.set_help_all_flag("--help-all", "help for all subcommands");
  app.require_subcommand(1);
  app.footer(
      "Results go to stdout, everything else to stderr. Exit codes: bitquake list exit-codes\n"
      "Example:\n"
      "  bitquake run suite/scenarios/quickstart.yaml -o out/quickstart");
  cli::Action action;
  cli::add_run(app, action);
  cli::add_check(app, action);
  cli::add_faults(app, action);
  cli::add_model(app, action);
  cli::add_export(app, action);
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
    return usage_error(app, error, {argv + 1, argv + argc});
  }
  return action();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return static_cast<int>(run(argc, argv));
  } catch (const Exception& exception) {
    return static_cast<int>(cli::report(exception.error()));
  } catch (const std::bad_alloc&) {
    return static_cast<int>(cli::report({Errc::internal, "", "out of memory",
                                         "set a smaller padded_batch or unit_samples", ""}));
  } catch (const std::exception& exception) {
    return static_cast<int>(cli::report({Errc::internal, "", exception.what(),
                                         "this is a defect of Bitquake: please report it", ""}));
  }
}
