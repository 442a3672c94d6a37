#include "suite/base/durable.hpp"
#include "suite/cli/command.hpp"
#include "suite/scenario/import_alfi.hpp"
#include "suite/scenario/json_schema.hpp"

#include <iostream>
#include <memory>
#include <string>

namespace bitquake::cli {
namespace {

ExitCode import_scenario(const std::string& file) {
  constexpr std::size_t kMostBytes = 1U << 20U;
  const auto text = read_text(file, Errc::scenario, kMostBytes);
  if (!text) return report(text.error());
  const auto made = scenario::import_alfi(*text, file);
  if (!made) {
    for (const Error& error : made.error()) report(error);
    return ExitCode::scenario;
  }
  for (const std::string& note : made->notes) std::cerr << "note: " << note << "\n";
  std::cout << made->yaml;
  return ExitCode::ok;
}

}  // namespace

void add_scenario(CLI::App& app, Action& action) {
  auto* scenario = app.add_subcommand("scenario",
                                      "describe scenario files, or make one of another "
                                      "program's");
  scenario->require_subcommand(1);
  auto* schema_sub = scenario->add_subcommand("schema", "print the JSON Schema of scenario files");
  schema_sub->footer(
      "Editors complete and check a scenario that begins with the line\n"
      "  # yaml-language-server: $schema=scenario.schema.json\n"
      "Example:\n"
      "  bitquake scenario schema > scenario.schema.json");
  schema_sub->callback([&action] {
    action = [] {
      std::cout << scenario::json_schema();
      return ExitCode::ok;
    };
  });

  auto file = std::make_shared<std::string>();
  auto* import_sub =
      scenario->add_subcommand("import-alfi", "print a scenario of PyTorchALFI as one of Bitquake");
  import_sub->add_option("FILE", *file, "scenario of PyTorchALFI (YAML)")
      ->required()
      ->type_name("");
  import_sub->footer(
      "Keys mean what PyTorchALFI documents, whether or not it does that; comments say what "
      "differs\n"
      "and which keys have no meaning. Fill in the lines that say so: model and data.\n"
      "Example:\n"
      "  bitquake scenario import-alfi default.yml > scenario.yaml");
  import_sub->callback([file, &action] { action = [file] { return import_scenario(*file); }; });
  scenario->footer(
      "Examples:\n"
      "  bitquake scenario schema > scenario.schema.json\n"
      "  bitquake scenario import-alfi default.yml > scenario.yaml");
}

}  // namespace bitquake::cli
