#include "suite/cli/command.hpp"

#include "results/durable.hpp"
#include "suite/model/load.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <thread>

namespace bitquake::cli {

void ScenarioOptions::add_to(CLI::App& app) {
  app.add_option("SCENARIO", file, "scenario file (YAML)")->required();
  app.add_option("--samples", samples, "number of samples; same as --set data.samples=N")
      ->type_name("N");
  app.add_option("--seed", seed, "campaign seed; same as --set seed=N")->type_name("N");
  app.add_option("--set", set,
                 "set a scenario key, such as faults.epochs=4; repeat for more (keys: bitquake "
                 "list keys)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

Result<scenario::Scenario, ExitCode> ScenarioOptions::read() const {
  std::vector<scenario::Override> overrides;
  for (const std::string& text : set) {
    const auto equals = text.find('=');
    if (equals == std::string::npos) {
      return report({Errc::usage, "--set " + text, "has no '='", "write --set KEY=VALUE", ""});
    }
    overrides.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  if (samples) overrides.emplace_back("data.samples", std::to_string(*samples));
  if (seed) overrides.emplace_back("seed", std::to_string(*seed));
  auto read = scenario::read_scenario(file, overrides);
  if (read) return std::move(*read);
  ExitCode code = ExitCode::scenario;
  for (std::size_t i = 0; i < read.error().size(); ++i) {
    const ExitCode reported = report(read.error()[i]);
    if (i == 0) code = reported;
  }
  return code;
}

void add_threads_option(CLI::App& app, unsigned& threads) {
  threads = std::max(1U, std::thread::hardware_concurrency());
  app.add_option("-j,--threads", threads, "worker threads; results do not depend on it")
      ->type_name("N")
      ->check(CLI::Range(1, 1024))
      ->envname("BITQUAKE_THREADS")
      ->capture_default_str();
}

ExitCode report(const Error& error) {
  std::cerr << to_string(error) << "\n";
  return exit_code(error.code);
}

engine::ModelLoader torch_loader() {
  return [](const scenario::Scenario& scenario) {
    return model::load({.file = scenario.resolve(scenario.model.file),
                        .input_shape = scenario.model.input,
                        .padded_batch = scenario.padded_batch,
                        .monitor = scenario.monitor == scenario::MonitorScope::all
                                       ? model::Monitor::all
                                       : model::Monitor::output});
  };
}

void write_output(const std::string& path, const std::string& text) {
  if (path.empty()) {
    std::cout << text;
    return;
  }
  try {
    results::write_text_durably(path, text);
  } catch (const Exception& exception) {
    Error error = exception.error();
    error.code = Errc::usage;
    throw Exception(error);
  }
}

}  // namespace bitquake::cli
