#include "suite/engine/replay.hpp"

#include "datasets/preprocess.hpp"
#include "suite/cli/command.hpp"
#include "suite/model/fingerprint.hpp"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <iostream>
#include <memory>

namespace bitquake::cli {
namespace {

struct ReplayCommand {
  std::string directory, image;
  std::uint64_t trial = 0;
  BaseOption base;
};

/// The input as a PNG file; small ones are enlarged by a whole factor, pixels staying squares.
std::string png_of(const engine::Replay& replay, const scenario::Scenario& scenario) {
  constexpr int kEnlargeBelow = 224;
  cv::Mat image =
      datasets::to_image(replay.again.values, scenario.preprocess, scenario.model.input);
  const int factor = std::max(1, kEnlargeBelow / std::max(image.rows, image.cols));
  cv::resize(image, image, {}, factor, factor, cv::INTER_NEAREST);
  if (image.channels() == 3) cv::cvtColor(image, image, cv::COLOR_RGB2BGR);
  std::vector<unsigned char> bytes;
  cv::imencode(".png", image, bytes);
  return {bytes.begin(), bytes.end()};
}

ExitCode replay(const ReplayCommand& command) {
  const auto run = engine::open_run(command.directory, command.base.read());
  if (!run) return report(run.error());
  const auto inputs = engine::reopen(*run, torch_loader());
  if (!inputs) return report(inputs.error());
  const auto rows = engine::read_rows(*run);
  if (!rows) return report(rows.error());
  model::use_one_inner_thread();
  const auto result = engine::replay_trial(*run, *inputs, *rows, command.trial);
  if (!result) return report(result.error());
  std::cout << engine::replay_text(*result, *inputs);
  if (!command.image.empty()) {
    const auto written = write_output(command.image, png_of(*result, run->scenario));
    if (!written) return report(written.error());
  }
  if (result->differences.empty()) return ExitCode::ok;
  return result->stored_numerics == result->numerics ? ExitCode::audit_failed
                                                     : ExitCode::model_or_data;
}

}  // namespace

void add_replay(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("replay", "run one trial again and show what its faults did");
  auto command = std::make_shared<ReplayCommand>();
  sub->add_option("DIR", command->directory, "run directory, finished or not")
      ->required()
      ->type_name("");
  sub->add_option("TRIAL", command->trial, "number of the trial: column `trial` of its tables")
      ->required()
      ->type_name("")
      ->check(whole_number(0));
  sub->add_option("--image", command->image, "PNG file to write: the input as the network saw it")
      ->type_name("FILE")
      ->check(not_empty());
  command->base.add_to(*sub);
  sub->footer(
      "Prints the faults with the values before and after, the scores, the outcome, and how far\n"
      "each site is from golden; then compares the trial's rows with the stored ones. Exit code "
      "0:\n"
      "reproduced to the bit; 8: not; 4: not, but the campaign ran with other numerics (another "
      "CPU\n"
      "or library version), so that nothing follows from it; or model or data have changed.\n"
      "Example:\n"
      "  bitquake replay out/quickstart 17 --image trial17.png");
  sub->callback([command, &action] { action = [command] { return replay(*command); }; });
}

}  // namespace bitquake::cli
