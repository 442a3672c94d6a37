#include "datasets/hdf5.hpp"
#include "suite/base/text.hpp"
#include "suite/cli/command.hpp"
#include "suite/engine/perturb.hpp"
#include "suite/engine/prepare.hpp"

#include <fmt/format.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace bitquake::cli {
namespace {

constexpr std::uint64_t kSheetSamples = 4;

struct AugmentCommand {
  ScenarioOptions scenario;
  ThreadsOption threads;
  std::string sheet;
  OutputOption output;
};

void print_notices(const std::vector<std::string>& notices) {
  for (const std::string& notice : notices) std::cerr << "note: " << notice << "\n";
}

ExitCode write_sheet(const AugmentCommand& command, const scenario::Scenario& scenario,
                     const datasets::Dataset& data) {
  const std::uint64_t count = command.scenario.samples.value_or(kSheetSamples);
  const auto rows = engine::sheet_rows(scenario, data, count);
  print_notices(rows.notices);
  const auto sheet = augment::contact_sheet(rows.value, scenario.perturbations, scenario.seed);
  if (!sheet) return report(sheet.error());
  cv::Mat bgr;
  cv::cvtColor(*sheet, bgr, cv::COLOR_RGB2BGR);
  std::vector<unsigned char> png;
  cv::imencode(".png", bgr, png);
  const auto written = write_output(command.sheet, std::string(png.begin(), png.end()));
  if (!written) return report(written.error());
  std::cout << fmt::format("{}: {} under {}\n", command.sheet, counted(rows.value.size(), "sample"),
                           counted(scenario.perturbations.size(), "perturbation"));
  return ExitCode::ok;
}

ExitCode write_data(const AugmentCommand& command, const scenario::Scenario& scenario,
                    const datasets::Dataset& data, const std::filesystem::path& file) {
  const auto threads = command.threads.read();
  if (!threads) return report(threads.error());
  const auto enriched = engine::enrich(scenario, data, *threads);
  print_notices(enriched.notices);
  try {
    datasets::write_hdf5(file, enriched.value);
  } catch (const Exception& exception) {
    Error error = exception.error();
    if (error.code == Errc::results) error.code = Errc::usage;
    return report(error);
  }
  std::cout << fmt::format(
      "{}: {} ({} under {})   read it with data: {{format: hdf5, images: {}}}\n",
      command.output.given, counted(enriched.value.samples.size(), "image"),
      with_commas(enriched.value.samples.size() / scenario.perturbations.size()),
      counted(scenario.perturbations.size(), "perturbation"), command.output.given);
  return ExitCode::ok;
}

ExitCode augment_data(const AugmentCommand& command) {
  if (command.sheet.empty() && command.output.given.empty()) {
    return report({Errc::usage, "bitquake augment", "nothing to write was named",
                   "give --sheet FILE to look at the images, -o FILE to keep them", ""});
  }
  const auto scenario = command.scenario.read();
  if (!scenario) return scenario.error();
  std::filesystem::path file;
  if (!command.output.given.empty()) {
    const auto checked = command.output.read();
    if (!checked) return report(checked.error());
    file = *checked;
    if (command.sheet == command.output.given) {
      return report({Errc::usage, command.sheet, "is named by --sheet and by -o",
                     "give each a file of its own", ""});
    }
  }
  const auto data = engine::open_data(*scenario);
  if (!data) return report(data.error());
  if (!command.sheet.empty()) {
    if (const ExitCode code = write_sheet(command, *scenario, **data); code != ExitCode::ok) {
      return code;
    }
  }
  return command.output.given.empty() ? ExitCode::ok : write_data(command, *scenario, **data, file);
}

}  // namespace

void add_augment(CLI::App& app, Action& action) {
  auto* sub =
      app.add_subcommand("augment", "show or write a scenario's images under its perturbations");
  auto command = std::make_shared<AugmentCommand>();
  command->scenario.add_to(*sub);
  sub->add_option("--sheet", command->sheet,
                  "PNG file to write: a row for each of the first samples (--samples, default 4),\n"
                  "a column for each perturbation, with boxes")
      ->type_name("FILE")
      ->check(not_empty());
  command->output.add_to(
      *sub,
      "HDF5 file to write: all samples under the first perturbation, then all under\n"
      "the next, with labels, boxes and where they come from");
  command->threads.add_to(*sub);
  sub->footer(
      "The perturbations are those of the key augment (bitquake list perturbations). A campaign\n"
      "sees the very same images. To run on a file of -o, name it as data: {format: hdf5, images: "
      "FILE},\n"
      "without augment and without preprocess.resize and crop: both are done. data.perturbation\n"
      "chooses the images of one.\n"
      "Examples:\n"
      "  bitquake augment suite/scenarios/quickstart.yaml --set augment='[clean, fog/1-5]' "
      "--sheet sheet.png\n"
      "  bitquake augment suite/scenarios/quickstart.yaml --set augment=fog/3 -o fog.h5");
  sub->callback([command, &action] { action = [command] { return augment_data(*command); }; });
}

}  // namespace bitquake::cli
