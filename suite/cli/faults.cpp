#include "faultgen/bits.hpp"
#include "faultgen/fault_set.hpp"
#include "suite/base/text.hpp"
#include "suite/cli/command.hpp"

#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <sstream>

namespace bitquake::cli {
namespace {

struct FaultsCommand {
  ScenarioOptions scenario;
  std::string file, output;
};

ExitCode generate(const FaultsCommand& command) {
  const auto scenario = command.scenario.read();
  if (!scenario) return scenario.error();
  if (scenario->faults.file) {
    return report({Errc::usage, "faults.file", "names an existing fault set: nothing to generate",
                   "remove the key, and describe the faults to draw", ""});
  }
  const auto file = output_file(command.output, false);
  if (!file) return report(file.error());
  const auto data = engine::open_data(*scenario);
  if (!data) return report(data.error());
  const auto model = torch_loader()(*scenario);
  if (!model) return report(model.error());
  const auto set = engine::draw_fault_set(*scenario, **model, **data);
  if (!set) return report(set.error());
  try {
    faultgen::write_fault_set(*set, *file);
  } catch (const Exception& exception) {
    Error error = exception.error();
    error.code = Errc::usage;
    return report(error);
  }
  std::cout << fmt::format("{}: {} in {}   next: bitquake faults show {}\n", command.output,
                           counted(set->faults.size(), "fault"),
                           counted(set->groups.size(), "group"), shell_word(command.output));
  return ExitCode::ok;
}

std::string share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? ""
                    : fmt::format("{:.2f} %",
                                  100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string site_table(const faultgen::FaultSet& set, const faultgen::FaultSummary& summary) {
  std::vector<std::vector<std::string>> rows{{"site", "kind", "faults", "share"}};
  for (std::size_t i = 0; i < set.sites.size(); ++i) {
    rows.push_back({faultgen::site_name(set.sites[i]),
                    std::string(faultgen::to_string(set.sites[i].kind)),
                    with_commas(summary.per_site[i]), share(summary.per_site[i], summary.faults)});
  }
  return aligned_table(rows);
}

std::string bit_table(const faultgen::FaultSummary& summary) {
  static constexpr std::array<const char*, 3> kFields{"mantissa", "exponent", "sign"};
  std::vector<std::vector<std::string>> rows{{"bit", "field", "faults", "share"}};
  for (unsigned bit = 0; bit < summary.per_bit.size(); ++bit) {
    rows.push_back(
        {std::to_string(bit), kFields[static_cast<std::size_t>(faultgen::fp32_field(bit))],
         with_commas(summary.per_bit[bit]), share(summary.per_bit[bit], summary.faults)});
  }
  return aligned_table(rows);
}

ExitCode show(const FaultsCommand& command) {
  const auto set = faultgen::read_fault_set(command.file);
  if (!set) return report(set.error());
  const faultgen::FaultSummary summary = faultgen::summarise(*set);
  std::cout << fmt::format("faults       {} in {}, {}, policy {}\n", with_commas(summary.faults),
                           counted(summary.groups, "group"), counted(summary.epochs, "epoch"),
                           name_of(faultgen::kPolicies, set->provenance.schedule.policy))
            << fmt::format("generator    {}, seed {}\n", set->provenance.generator,
                           set->provenance.seed)
            << fmt::format("model        sha256 {}\n", set->provenance.model_sha256)
            << fmt::format("input        {}\n", shape_text(set->provenance.input_shape));
  for (std::size_t i = 0; i < faultgen::kTargets.size(); ++i) {
    if (summary.per_target[i] == 0) continue;
    std::cout << fmt::format("target       {} {}\n", faultgen::kTargets[i].name,
                             with_commas(summary.per_target[i]));
  }
  for (const faultgen::FaultModelInfo& model : faultgen::fault_models()) {
    const std::uint64_t count = summary.per_model[static_cast<std::size_t>(model.value)];
    if (count == 0) continue;
    std::cout << fmt::format("fault model  {} {}\n", model.name, with_commas(count));
  }
  std::cout << "\n" << site_table(*set, summary) << "\n" << bit_table(summary);
  return ExitCode::ok;
}

ExitCode export_csv(const FaultsCommand& command) {
  const auto set = faultgen::read_fault_set(command.file);
  if (!set) return report(set.error());
  std::ostringstream text;
  faultgen::write_csv(*set, text);
  const auto written = write_output(command.output, text.str());
  return written ? ExitCode::ok : report(written.error());
}

}  // namespace

void add_faults(CLI::App& app, Action& action) {
  auto* faults = app.add_subcommand("faults", "generate, show or export a fault set");
  faults->require_subcommand(1);
  faults->footer(
      "Examples:\n"
      "  bitquake faults generate suite/scenarios/weights.yaml -o faults.h5\n"
      "  bitquake faults show faults.h5\n"
      "  bitquake faults export faults.h5 -o faults.csv");
  auto command = std::make_shared<FaultsCommand>();

  auto* generate_sub =
      faults->add_subcommand("generate", "draw the fault set of a scenario without running it");
  command->scenario.add_to(*generate_sub);
  generate_sub->add_option("-o,--output", command->output, "HDF5 file to write")
      ->required()
      ->type_name("FILE")
      ->check(not_empty());
  generate_sub->callback([command, &action] { action = [command] { return generate(*command); }; });

  auto* show_sub = faults->add_subcommand("show", "summarise a fault set per site and bit");
  show_sub->add_option("FILE", command->file, "fault set (HDF5)")->required()->type_name("");
  show_sub->callback([command, &action] { action = [command] { return show(*command); }; });

  auto* export_sub =
      faults->add_subcommand("export", "write a fault set as CSV, one row per fault");
  export_sub->add_option("FILE", command->file, "fault set (HDF5)")->required()->type_name("");
  export_sub->add_option("-o,--output", command->output, "CSV file to write (default: stdout)")
      ->type_name("FILE")
      ->check(not_empty());
  export_sub->callback([command, &action] { action = [command] { return export_csv(*command); }; });
}

}  // namespace bitquake::cli
