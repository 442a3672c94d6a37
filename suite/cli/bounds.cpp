#include "suite/model/bounds.hpp"

#include "suite/base/durable.hpp"
#include "suite/base/text.hpp"
#include "suite/cli/command.hpp"
#include "suite/engine/measure_bounds.hpp"
#include "suite/engine/prepare.hpp"
#include "suite/engine/search_clip.hpp"

#include <fmt/format.h>

#include <array>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bitquake::cli {
namespace {

/// Bounds files of PyTorchALFI have a line per activation function.
constexpr std::size_t kMostTextBytes = 1 << 20;

struct BoundsCommand {
  ScenarioOptions scenario;
  ThreadsOption threads;
  OutputOption output;
  std::string from, csv;
  bool search = false, quiet = false;
  std::optional<std::string> rates;
  std::optional<std::uint32_t> steps, repetitions;
};

constexpr std::array kDefaultRates{1e-7, 1e-6, 1e-5, 1e-4};

/// Options that mean nothing beside others.
std::optional<Error> misplaced_option(const BoundsCommand& command) {
  const auto refuse = [](std::string option, std::string what, std::string hint) {
    return Error{Errc::usage, std::move(option), std::move(what), std::move(hint), ""};
  };
  if (!command.from.empty() && (command.scenario.samples || command.search)) {
    return refuse(command.search ? "--search-clip" : "--samples",
                  "means nothing with --from: no sample is run", "leave out one of the two");
  }
  if (command.search || !(command.rates || command.steps || command.repetitions)) {
    return std::nullopt;
  }
  return refuse(command.rates   ? "--rates"
                : command.steps ? "--steps"
                                : "--repetitions",
                "is of a search for thresholds only", "give --search-clip too");
}

/// The value of --rates.
Result<std::vector<double>> rates_of(const BoundsCommand& command) {
  std::vector<double> rates;
  if (!command.rates) return std::vector(kDefaultRates.begin(), kDefaultRates.end());
  std::string_view text = *command.rates;
  for (bool more = true; more;) {
    const auto comma = text.find(',');
    const auto rate = to_number<double>(text.substr(0, comma));
    const bool good = rate && *rate > 0 && *rate <= 1 && (rates.empty() || *rate > rates.back());
    if (good) rates.push_back(*rate);
    more = good && comma != std::string_view::npos;
    if (!good) rates.clear();
    if (more) text.remove_prefix(comma + 1);
  }
  if (rates.size() > 1) return rates;
  return Error{Errc::usage, "--rates " + shell_word(*command.rates),
               "is no list of fault rates: two or more, ascending, above 0 and at most 1",
               "write --rates 1e-7,1e-6,1e-5", ""};
}

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

/// Thresholds in place of measured bounds.
Result<model::Bounds> searched(const BoundsCommand& command, const scenario::Scenario& scenario,
                               const std::shared_ptr<const datasets::Dataset>& data,
                               const std::shared_ptr<const model::Model>& model,
                               const model::Bounds& measured, unsigned threads) {
  auto rates = rates_of(command);
  if (!rates) return rates.error();
  engine::ClipSearchOptions options{std::move(*rates)};
  options.repetitions = command.repetitions.value_or(scenario.faults.epochs);
  options.steps = command.steps.value_or(options.steps);
  options.threads = threads;
  return engine::search_clip(scenario, data, model, torch_loader(), measured, options,
                             [&](const engine::ClipSearchProgress& now) {
                               if (command.quiet) return;
                               std::cerr << fmt::format(
                                   "{} ({} of {})  step {}/{}  threshold {:.6g}  AUC {:.5f}\n",
                                   now.site, now.number, now.sites, now.step, options.steps,
                                   now.threshold, now.auc);
                             });
}

Result<model::Bounds> measure(const BoundsCommand& command, const scenario::Scenario& scenario,
                              const std::shared_ptr<const model::Model>& model) {
  const auto threads = command.threads.read();
  if (!threads) return threads.error();
  const auto data = engine::open_data(scenario);
  if (!data) return data.error();
  TenthsPrinter print;
  auto measured = engine::measure_bounds(scenario, **data, *model, *threads,
                                         [&](std::uint64_t done, std::uint64_t all) {
                                           if (!command.quiet) print(done, all);
                                         });
  for (const std::string& notice : measured.notices) std::cerr << "note: " << notice << "\n";
  if (!command.search) return std::move(measured.value);
  return searched(command, scenario, *data, model, measured.value, *threads);
}

/// Thresholds, and what they are worth where they were searched.
std::string search_table(const model::Bounds& bounds) {
  const model::ClipSearch& search = *bounds.search;
  std::vector<std::vector<std::string>> sites{{"site", "threshold", "act_max"}};
  for (const model::SiteBounds& site : bounds.sites) {
    sites.push_back({site.site, fmt::format("{:.6g}", site.range.high),
                     fmt::format("{:.6g}", site.act_max.value_or(site.range.high))});
  }
  std::vector<std::vector<std::string>> rows{
      {"fault rate", "unprotected", "clipped at act_max", "at threshold"}};
  const auto percent = [](double share) { return fmt::format("{:.2f} %", 100 * share); };
  for (std::size_t i = 0; i < search.rates.size(); ++i) {
    rows.push_back({shortest(search.rates[i]), percent(search.unprotected[i]),
                    percent(search.at_act_max[i]), percent(search.found[i])});
  }
  const auto area = [&](const std::vector<double>& accuracy) {
    return fmt::format("{:.5f}", engine::area_under(search.rates, accuracy));
  };
  rows.push_back({"AUC", area(search.unprotected), area(search.at_act_max), area(search.found)});
  return aligned_table(sites) +
         fmt::format("\nsearched: top-1 accuracies of {} each, {} for each sample\n",
                     counted(search.trials, "trial"), search.repetitions) +
         aligned_table(rows) +
         "AUC: mean over the orders of magnitude of the rate. Thresholds suit these very samples "
         "and\nfaults: what they are worth on others a campaign shows\n";
}

std::string table(const model::Bounds& bounds) {
  if (bounds.search) return search_table(bounds);
  std::vector<std::vector<std::string>> rows{
      {"site", "kind", "low", "high", "p99.9", "channels", "NaN, Inf"}};
  const auto number = [](float x) { return fmt::format("{:.6g}", x); };
  constexpr std::size_t kP999 = 9;
  static_assert(model::kBoundPercentiles[kP999] == 99.9);
  for (const model::SiteBounds& site : bounds.sites) {
    const bool none = site.range.empty(), counted = !site.channels.empty();
    rows.push_back({site.site, std::string(faultgen::to_string(site.kind)),
                    none ? "" : number(site.range.low), none ? "" : number(site.range.high),
                    site.percentiles.empty() ? "" : number(site.percentiles[kP999]),
                    counted ? with_commas(site.channels.size()) : "",
                    counted ? with_commas(site.range.nonfinite) : ""});
  }
  return aligned_table(rows);
}

ExitCode bounds(const BoundsCommand& command) {
  if (const auto misplaced = misplaced_option(command)) return report(*misplaced);
  if (const auto rates = rates_of(command); !rates) return report(rates.error());
  const auto scenario = command.scenario.read();
  if (!scenario) return scenario.error();
  std::filesystem::path file;
  if (!command.output.given.empty()) {
    const auto checked = command.output.read();
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
  const auto found =
      command.from.empty() ? measure(command, *scenario, *model) : read_file(command.from, **model);
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
  command->output.add_to(*sub,
                         "HDF5 file to write: per site and channel low, high and counts, per site\n"
                         "percentiles");
  sub->add_option("--csv", command->csv, "CSV file to write: a row per site")
      ->type_name("FILE")
      ->check(not_empty());
  sub->add_option("--from", command->from,
                  "nothing is measured: show or convert FILE, an HDF5 file of -o or a text of\n"
                  "PyTorchALFI, lines 'min , max' in the order of the activation functions")
      ->type_name("FILE")
      ->check(not_empty());
  sub->add_flag("--search-clip", command->search,
                "then search thresholds for protection clip: of each activation function the one\n"
                "with the largest area under accuracy over fault rate, at most its high");
  sub->add_option("--rates", command->rates,
                  "fault rates of the search, ascending: as faults.bit_error_rate, or\n"
                  "faults.fault_rate where the scenario gives that (default: 1e-7,1e-6,1e-5,1e-4)")
      ->type_name("LIST");
  sub->add_option(
         "--steps", command->steps,
         "of the search at each site: each leaves half of the interval, or less (default: 4)")
      ->type_name("N")
      ->check(whole_number(1, 32));
  sub->add_option("--repetitions", command->repetitions,
                  "fault groups that each sample meets at each rate (default: faults.epochs)")
      ->type_name("N")
      ->check(whole_number(1, 1'000'000));
  command->threads.add_to(*sub);
  sub->add_flag("-q,--quiet", command->quiet, "no progress on stderr");
  sub->footer(
      "Runs the scenario's model without faults on the scenario's samples, as they are: what "
      "augment\n"
      "says is left out. Take samples other than those of the campaign, such as training data. "
      "Percentiles\n"
      "are within 1/256 of themselves. The file is the same for any number of threads.\n"
      "--search-clip is the interval search of FT-ClipAct (arXiv 1912.00941): all thresholds meet "
      "the\n"
      "same samples and faults, those of the scenario at each of the rates. Of thresholds that "
      "are\n"
      "equally good it takes the largest. Samples need labels.\n"
      "Examples:\n"
      "  bitquake bounds suite/scenarios/quickstart.yaml --samples 1000 -o bounds.h5\n"
      "  bitquake bounds scenario.yaml --from bounds.h5 --csv bounds.csv\n"
      "  bitquake bounds scenario.yaml --from alexnet_bounds.txt -o bounds.h5\n"
      "  bitquake bounds scenario.yaml --samples 500 --search-clip --rates 1e-6,1e-5,1e-4 "
      "--repetitions 5 \\\n"
      "    -o clip.h5");
  sub->callback([command, &action] { action = [command] { return bounds(*command); }; });
}

}  // namespace bitquake::cli
