#include "faultgen/alfi_matrix.hpp"
#include "faultgen/fault_check.hpp"
#include "faultgen/fault_list.hpp"
#include "faultgen/fault_report.hpp"
#include "faultgen/fault_set.hpp"
#include "suite/base/build_info.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/text.hpp"
#include "suite/cli/command.hpp"
#include "suite/engine/plan.hpp"
#include "suite/engine/prepare.hpp"
#include "suite/scenario/yaml_writer.hpp"

#include <fmt/format.h>

#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::cli {
namespace {

struct FaultsCommand {
  ScenarioOptions scenario;
  std::string file, table;
  OutputOption output;
  std::string alfi;
  std::vector<std::string> layers;
  std::optional<std::uint64_t> alfi_batch;
  bool strict = false;
};

ExitCode show(const FaultsCommand& command) {
  const auto set = faultgen::read_fault_set(command.file);
  if (!set) return report(set.error());
  std::cout << faultgen::summary_text(*set);
  return ExitCode::ok;
}

/// Writes a set and says what to do with it.
ExitCode write_set(const faultgen::FaultSet& set, const FaultsCommand& command,
                   const std::filesystem::path& file, const std::string& next) {
  try {
    faultgen::write_fault_set(set, file);
  } catch (const Exception& exception) {
    Error error = exception.error();
    error.code = Errc::usage;
    return report(error);
  }
  std::cout << fmt::format("{}: {} in {}   next: bitquake faults {}\n", command.output.given,
                           counted(set.faults.size(), "fault"), counted(set.groups.size(), "group"),
                           next);
  return ExitCode::ok;
}

ExitCode generate(const FaultsCommand& command) {
  const auto scenario = command.scenario.read();
  if (!scenario) return scenario.error();
  if (scenario->faults.file) {
    return report({Errc::usage, "faults.file", "names an existing fault set: nothing to generate",
                   "remove the key, and describe the faults to draw", ""});
  }
  const auto file = command.output.read();
  if (!file) return report(file.error());
  const auto data = engine::open_data(*scenario);
  if (!data) return report(data.error());
  const auto model = torch_loader()(*scenario, {});
  if (!model) return report(model.error());
  const auto set = engine::draw_fault_set(*scenario, **model, **data);
  if (!set) return report(set.error());
  return write_set(*set, command, *file, "show " + shell_word(command.output.given));
}

/// The kinds of sites that --layers names.
std::vector<faultgen::SiteKind> layer_kinds(const std::vector<std::string>& names) {
  std::vector<faultgen::SiteKind> kinds;
  for (const std::string& name : names) {
    kinds.push_back(value_of(faultgen::kAlfiLayers, name).value());
  }
  return kinds;
}

/// Options that mean nothing without --alfi.
std::optional<Error> misplaced_alfi_option(const FaultsCommand& command) {
  if (!command.alfi.empty() || (command.layers.empty() && !command.alfi_batch)) {
    return std::nullopt;
  }
  return Error{Errc::usage, command.layers.empty() ? "--alfi-batch" : "--layers",
               "is for matrices of PyTorchALFI only", "give --alfi neurons or --alfi weights too",
               ""};
}

Result<faultgen::FaultSet> imported_set(const FaultsCommand& command,
                                        const scenario::Scenario& scenario,
                                        const faultgen::ListContext& context) {
  const auto text = read_text(command.file, Errc::fault_set, faultgen::kMaxListBytes);
  if (!text) return text.error();
  if (command.alfi.empty()) {
    if (!text->starts_with("\x93NUMPY") && !text->starts_with('\x80')) {
      return faultgen::parse_fault_list(*text, command.file, context);
    }
    return Error{Errc::usage, command.file, "is no CSV but data of NumPy or Python",
                 "of a fault matrix of PyTorchALFI say what it is about: --alfi neurons or --alfi "
                 "weights",
                 ""};
  }
  const auto matrix = faultgen::parse_alfi_matrix(*text, command.file);
  if (!matrix) return matrix.error();
  faultgen::AlfiOptions options;
  options.mode = value_of(faultgen::kAlfiModes, command.alfi).value();
  if (!command.layers.empty()) options.layers = layer_kinds(command.layers);
  options.faults_per_group = scenario.faults.per_group.value_or(1);
  options.batch_size = command.alfi_batch;
  return faultgen::from_alfi(*matrix, options, context, command.file);
}

ExitCode import_list(const FaultsCommand& command) {
  if (const auto misplaced = misplaced_alfi_option(command)) return report(*misplaced);
  const auto scenario = command.scenario.read();
  if (!scenario) return scenario.error();
  if (scenario->faults.file) {
    return report({Errc::usage, "faults.file", "names an existing fault set: nothing to import",
                   "remove the key; faults.policy and faults.batch_size say how the list meets "
                   "samples",
                   ""});
  }
  const auto file = command.output.read();
  if (!file) return report(file.error());
  const auto data = engine::open_data(*scenario);
  if (!data) return report(data.error());
  const auto model = torch_loader()(*scenario, {});
  if (!model) return report(model.error());
  const faultgen::ListContext context{
      (*model)->sites(),
      {scenario->seed, fmt::format("bitquake {}{}", build_info().version, faultgen::kFromList),
       (*model)->sha256(), scenario->model.input, scenario->faults.schedule(),
       scenario::faults_yaml(*scenario)},
      (*data)->size()};
  const auto set = imported_set(command, *scenario, context);
  if (!set) return report(set.error());
  if (command.alfi == "weights") {
    std::cerr
        << "note: layers are counted in the order of calls; PyTorchALFI counts weights in the "
           "order of definition\n";
  }
  return write_set(
      *set, command, *file,
      fmt::format("verify {} {}", shell_word(command.output.given), command.scenario.arguments()));
}

ExitCode verify_set(const FaultsCommand& command) {
  const auto scenario = command.scenario.read();
  if (!scenario) return scenario.error();
  const auto set = faultgen::read_fault_set(command.file);
  if (!set) return report(set.error());
  const auto data = engine::open_data(*scenario);
  if (!data) return report(data.error());
  const auto model = torch_loader()(*scenario, {});
  if (!model) return report(model.error());
  const auto fits = faultgen::check_fits(*set, (*model)->sha256(), scenario->model.input,
                                         (*model)->sites(), command.file);
  if (!fits) return report(fits.error());
  const auto plan = engine::plan_of(*scenario, *set, (*data)->size(), command.file);
  if (!plan) return report(plan.error());
  std::map<std::pair<std::uint32_t, faultgen::Target>, std::vector<float>> parameters;
  const auto value = [&](std::uint32_t site, faultgen::Target target,
                         std::uint64_t element) -> std::optional<float> {
    const auto [found, missing] = parameters.try_emplace({site, target});
    if (missing) found->second = (*model)->parameter(site, target);
    return element < found->second.size() ? std::optional(found->second[element]) : std::nullopt;
  };
  const auto effects = faultgen::effects_of(*set, value);
  std::cout << fmt::format("faults       {} in {} fit the model, its input and {}\n",
                           with_commas(set->faults.size()), counted(set->groups.size(), "group"),
                           counted((*data)->size(), "sample"))
            << faultgen::effects_text(*set, effects);
  if (!command.strict || effects.idle == 0) return ExitCode::ok;
  return report({Errc::fault_set, command.file,
                 fmt::format("{} can change nothing", counted(effects.idle, "fault")),
                 "leave them out of the list, or do without --strict", ""});
}

ExitCode export_csv(const FaultsCommand& command) {
  const auto set = faultgen::read_fault_set(command.file);
  if (!set) return report(set.error());
  std::ostringstream text;
  faultgen::write_csv(*set, text);
  const auto written = write_output(command.table, text.str());
  return written ? ExitCode::ok : report(written.error());
}

}  // namespace

void add_faults(CLI::App& app, Action& action) {
  auto* faults =
      app.add_subcommand("faults", "generate, import, verify, show or export a fault set");
  faults->require_subcommand(1);
  faults->footer(
      "Examples:\n"
      "  bitquake faults generate suite/scenarios/weights.yaml -o faults.h5\n"
      "  bitquake faults import list.csv scenario.yaml -o faults.h5\n"
      "  bitquake faults verify faults.h5 scenario.yaml\n"
      "  bitquake faults show faults.h5\n"
      "  bitquake faults export faults.h5 -o faults.csv");
  auto command = std::make_shared<FaultsCommand>();

  auto* generate_sub =
      faults->add_subcommand("generate", "draw the fault set of a scenario without running it");
  command->scenario.add_to(*generate_sub);
  command->output.add_to(*generate_sub, "HDF5 file to write")->required();
  generate_sub->callback([command, &action] { action = [command] { return generate(*command); }; });

  auto* import_sub = faults->add_subcommand("import", "make a fault set of a list from elsewhere");
  import_sub
      ->add_option("LIST", command->file,
                   "CSV of `bitquake faults export`; with --alfi a matrix, .npy or CSV")
      ->required()
      ->type_name("");
  command->scenario.add_to(*import_sub);
  command->output.add_to(*import_sub, "HDF5 file to write")->required();
  import_sub
      ->add_option("--alfi", command->alfi,
                   "LIST is a 7 x n matrix of PyTorchALFI: neurons, weights")
      ->type_name("MODE")
      ->check(one_of(faultgen::kAlfiModes));
  import_sub
      ->add_option("--layers", command->layers,
                   "its layer_types: conv2d, conv3d, fcc (default: conv2d)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("LIST")
      ->check(one_of(faultgen::kAlfiLayers));
  import_sub
      ->add_option("--alfi-batch", command->alfi_batch,
                   "its ptf_batch_size (default: faults.batch_size, else as the matrix shows)")
      ->type_name("N")
      ->check(whole_number(1));
  import_sub->footer(
      "LIST is a CSV file as `bitquake faults export` writes it or, with --alfi, a fault matrix\n"
      "of PyTorchALFI. The scenario gives the model, the data and how faults meet samples: "
      "faults.policy,\n"
      "faults.batch_size and, for --alfi, faults.per_group.\n"
      "PyTorchALFI stores a Python pickle; this makes faults.npy of it:\n"
      "  python3 -c \"import pickle,numpy,sys; numpy.save('faults.npy', "
      "pickle.load(open(sys.argv[1],'rb')))\" fault_locs.bin\n"
      "Examples:\n"
      "  bitquake faults import list.csv scenario.yaml -o faults.h5\n"
      "  bitquake faults import faults.npy scenario.yaml --alfi weights --layers conv2d,fcc "
      "-o faults.h5");
  import_sub->callback(
      [command, &action] { action = [command] { return import_list(*command); }; });

  auto* verify_sub = faults->add_subcommand(
      "verify", "check that a fault set fits a scenario's model and data, and what it can change");
  verify_sub->add_option("FILE", command->file, "fault set (HDF5)")->required()->type_name("");
  command->scenario.add_to(*verify_sub);
  verify_sub->add_flag("--strict", command->strict, "fail when a fault can change nothing");
  verify_sub->footer(
      "Faults of parameters are compared with the model: a stuck-at on a bit that has the level, "
      "a\n"
      "value that is there already and so on are idle. What faults of activations change, a run\n"
      "shows. Exit code 4 when the set does not fit, or with --strict when a fault is idle.\n"
      "Example:\n"
      "  bitquake faults verify faults.h5 scenario.yaml");
  verify_sub->callback([command, &action] { action = [command] { return verify_set(*command); }; });

  auto* show_sub = faults->add_subcommand(
      "show", "summarise a fault set per site, bit, model, target and storage");
  show_sub->add_option("FILE", command->file, "fault set (HDF5)")->required()->type_name("");
  show_sub->callback([command, &action] { action = [command] { return show(*command); }; });

  auto* export_sub =
      faults->add_subcommand("export", "write a fault set as CSV, one row per fault");
  export_sub->add_option("FILE", command->file, "fault set (HDF5)")->required()->type_name("");
  export_sub->add_option("-o,--output", command->table, "CSV file to write (default: stdout)")
      ->type_name("FILE")
      ->check(not_empty());
  export_sub->callback([command, &action] { action = [command] { return export_csv(*command); }; });
}

}  // namespace bitquake::cli
