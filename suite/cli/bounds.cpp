#include "suite/model/bounds.hpp"

#include "suite/base/durable.hpp"
#include "suite/base/text.hpp"
#include "suite/cli/command.hpp"
#include "suite/engine/measure_bounds.hpp"
#include "suite/engine/prepare.hpp"

#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::cli {
namespace {

/// Bounds files of PyTorchALFI have a line per activation function.
constexpr std::size_t kMostTextBytes = 1 << 20;

struct BoundsCommand {
  ScenarioOptions scenario;
  ThreadsOption threads;
  std::string from, output, csv;
  bool quiet = false;
};

/// A line on stderr every 10 %.
class TenthsPrinter {
 public:
  void operator()(std::uint64_t done, std::uint64_t all) {
    const std::uint64_t tenths = 10 * done / all;
    if (tenths == printed_) return;
    printed_ = tenths;
    std::cerr << fmt::format("samples {}/{}  {} %\n", with_commas(done), with_commas(all),
                             10 * tenths);
  }

 private:
  std::uint64_t printed_ = 0;
};

Result<model::Bounds> read_file(const std::string& path, const model::Model& model) {
  const auto bytes = read_text(path, Errc::model);
  if (!bytes) return bytes.error();
  if (!bytes->starts_with("\x89HDF\r\n")) {
    if (bytes->size() <= kMostTextBytes) {
      return model::parse_alfi_bounds(*bytes, path, model.sites(), model.sha256());
    }
    return Error{Errc::model, path, "is neither a bounds file (HDF5) nor a text of PyTorchALFI",
                 "give a file of `bitquake bounds -o`, or lines 'min , max'", ""};
  }
  auto bounds = model::read_bounds(path);
  if (!bounds) return bounds;
  const auto fits = model::check_fits(*bounds, model.sha256(), model.sites(), path);
  if (!fits) return fits.error();
  return bounds;
}

Result<model::Bounds> measure(const BoundsCommand& command, const scenario::Scenario& scenario,
                              const model::Model& model) {
  const auto threads = command.threads.read();
  if (!threads) return threads.error();
  const auto data = engine::open_data(scenario);
  if (!data) return data.error();
  TenthsPrinter print;
  auto measured = engine::measure_bounds(scenario, **data, model, *threads,
                                         [&](std::uint64_t done, std::uint64_t all) {
                                           if (!command.quiet) print(done, all);
                                         });
  for (const std::string& notice : measured.notices) std::cerr << "note: " << notice << "\n";
  return std::move(measured.value);
}

std::string table(const model::Bounds& bounds) {
  std::vector<std::vector<std::string>> rows{
      {"site", "kind", "low", "high", "p99.9", "channels", "NaN, Inf"}};
  const auto number = [](float x) { return fmt::format("{:.6g}", x); };
  constexpr std::size_t kP999 = 9;
  static_assert(model::kBoundPercentiles[kP999] == 99.9);
  for (const model::SiteBounds& site : bounds.sites) {
    const bool none = site.range.empty(), counted = bounds.origin == model::BoundsOrigin::measured;
    rows.push_back({site.site, std::string(faultgen::to_string(site.kind)),
                    none ? "" : number(site.range.low), none ? "" : number(site.range.high),
                    site.percentiles.empty() ? "" : number(site.percentiles[kP999]),
                    counted ? with_commas(site.channels.size()) : "",
                    counted ? with_commas(site.range.nonfinite) : ""});
  }
  return aligned_table(rows);
}

ExitCode bounds(const BoundsCommand& command) {
  const auto scenario = command.scenario.read();
  if (!scenario) return scenario.error();
  std::filesystem::path file;
  if (!command.output.empty()) {
    const auto checked = output_file(command.output, false);
    if (!checked) return report(checked.error());
    file = *checked;
  }
  if (!command.csv.empty()) {
    if (const auto checked = output_file(command.csv, true); !checked) {
      return report(checked.error());
    }
  }
  const auto model = torch_loader()(*scenario, {});
  if (!model) return report(model.error());
  const auto found = command.from.empty() ? measure(command, *scenario, **model)
                                          : read_file(command.from, **model);
  if (!found) return report(found.error());
  if (!command.csv.empty()) {
    const auto written = write_output(command.csv, model::bounds_csv(*found));
    if (!written) return report(written.error());
  }
  if (!file.empty()) {
    try {
      model::write_bounds(file, *found);
    } catch (const Exception& exception) {
      Error error = exception.error();
      if (error.code == Errc::results) error.code = Errc::usage;
      return report(error);
    }
  }
  std::cout << table(*found);
  if (found->samples > 0) {
    std::cout << "\nof " << counted(found->samples, "sample") << " without faults\n";
  }
  return ExitCode::ok;
}

}  // namespace

void add_bounds(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("bounds",
                                 "measure between which values the outputs of a model's sites lie");
  auto command = std::make_shared<BoundsCommand>();
  command->scenario.add_to(*sub);
  sub->add_option("-o,--output", command->output,
                  "HDF5 file to write: per site and channel low, high and counts, per site\n"
                  "percentiles")
      ->type_name("FILE")
      ->check(not_empty());
  sub->add_option("--csv", command->csv, "CSV file to write: a row per site")
      ->type_name("FILE")
      ->check(not_empty());
  sub->add_option("--from", command->from,
                  "nothing is measured: show or convert FILE, an HDF5 file of -o or a text of\n"
                  "PyTorchALFI, lines 'min , max' in the order of the activation functions")
      ->type_name("FILE")
      ->check(not_empty());
  command->threads.add_to(*sub);
  sub->add_flag("-q,--quiet", command->quiet, "no progress on stderr");
  sub->footer(
      "Runs the scenario's model without faults on the scenario's samples, as they are: what "
      "augment\n"
      "says is left out. Take samples other than those of the campaign, such as training data. "
      "Percentiles\n"
      "are within 1/256 of themselves. The file is the same for any number of threads.\n"
      "Examples:\n"
      "  bitquake bounds suite/scenarios/quickstart.yaml --samples 1000 -o bounds.h5\n"
      "  bitquake bounds scenario.yaml --from bounds.h5 --csv bounds.csv\n"
      "  bitquake bounds scenario.yaml --from alexnet_bounds.txt -o bounds.h5");
  sub->callback([command, &action] { action = [command] { return bounds(*command); }; });
}

}  // namespace bitquake::cli
