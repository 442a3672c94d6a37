#include "suite/cli/command.hpp"
#include "suite/scenario/json_schema.hpp"

#include <iostream>

namespace bitquake::cli {

void add_scenario(CLI::App& app, Action& action) {
  auto* scenario = app.add_subcommand("scenario", "describe scenario files to other programs");
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
  scenario->footer("Example:\n  bitquake scenario schema > scenario.schema.json");
}

}  // namespace bitquake::cli
