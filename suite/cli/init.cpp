#include "datasets/preprocess.hpp"
#include "metrics/interval.hpp"
#include "suite/base/text.hpp"
#include "suite/cli/command.hpp"
#include "suite/engine/find_data.hpp"
#include "suite/engine/golden_probe.hpp"
#include "suite/scenario/convert.hpp"
#include "suite/scenario/starter.hpp"

#include <fmt/format.h>

#include <atomic>
#include <iostream>
#include <map>
#include <memory>
#include <unistd.h>

namespace bitquake::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kFirstSamples = 1000;  ///< of the first campaign, and of the golden probe

struct InitCommand {
  std::string model;
  std::vector<std::string> data;
  std::string input, labels, output_kind, file;
  /// As given, by key of the scenario: --mean, --std, --divide-by.
  std::map<std::string, std::string> preprocess;
  bool force = false;

  bool to_stdout() const { return file == "-"; }
  fs::path target() const {
    return file.empty() ? fs::path(fs::path(model).stem().string() + ".yaml") : fs::path(file);
  }
  /// The scenario's directory: paths in it start there.
  fs::path directory() const {
    return to_stdout() ? fs::current_path() : fs::absolute(target()).parent_path();
  }
};

/// A scenario in the making, with what the file will say about it.
struct Draft {
  scenario::Scenario scenario;
  std::vector<scenario::Remark> remarks;
  bool normalisation_given = false;
};

/// Sets a key as a scenario file would: the table checks type and range. A list is separated by
/// commas. Errc::usage in the name of `option`.
std::optional<Error> set_key(scenario::Scenario& scenario, std::string_view name,
                             const std::string& text, const std::string& option) {
  const scenario::Key& key = *scenario::find_key(name);
  std::vector<scenario::Scalar> scalars{{text}};
  if (key.kind == scenario::Kind::reals) {
    scalars.clear();
    std::istringstream items(text);
    for (std::string item; std::getline(items, item, ',');) {
      scalars.push_back({item.substr(std::min(item.find_first_not_of(' '), item.size()))});
    }
  }
  const auto value = scenario::to_value(key, scalars);
  if (value) {
    key.member.set(scenario, *value);
    return std::nullopt;
  }
  return Error{Errc::usage, option, value.error().what, value.error().hint, ""};
}

/// A path as the scenario should have it: what was given relative stays so, from its directory.
std::string written_path(const std::string& given, const fs::path& directory) {
  if (fs::path(given).is_absolute()) return given;
  return fs::absolute(given).lexically_normal().lexically_relative(directory.lexically_normal());
}

std::optional<Error> set_files(Draft& draft, const InitCommand& command) {
  const bool search_labels = command.labels.empty();
  auto data = engine::find_data({command.data.begin(), command.data.end()}, search_labels);
  if (!data) return data.error();
  if (!search_labels && command.labels != "none") data->labels = command.labels;
  auto& s = draft.scenario;
  s.data = *data;
  s.directory = command.directory();
  const auto set_path = [&](std::string_view key, const std::string& path) {
    return set_key(s, key, written_path(path, s.directory), path);
  };
  if (auto failed = set_path("model.file", command.model)) return failed;
  if (auto failed = set_path("data.images", data->images)) return failed;
  for (std::string& file : s.data.more_images) file = written_path(file, s.directory);
  for (auto* file : {&s.data.annotations, &s.data.classes}) {
    if (*file) *file = written_path(**file, s.directory);
  }
  return data->labels ? set_path("data.labels", *data->labels) : std::nullopt;
}

/// Makes images fit an input shape that was given, and says so.
void shape_images(Draft& draft, const datasets::Sample& first) {
  auto& s = draft.scenario;
  const auto& input = s.model.input;
  if (input.size() != 3) return;
  if (first.image.channels() != input[0] && (input[0] == 1 || input[0] == 3)) {
    s.shaping.colour = input[0] == 1 ? datasets::Colour::grey : datasets::Colour::rgb;
    draft.remarks.push_back({"preprocess.colour", "chosen by init: must be as in training"});
  }
  using scenario::DataFormat;
  const DataFormat format = s.data.format;
  const bool image_files =
      format == DataFormat::image_folder || format == DataFormat::coco || format == DataFormat::voc;
  if (!image_files && first.image.rows == input[1] && first.image.cols == input[2]) return;
  s.shaping.resize = datasets::Resize::exact;
  s.shaping.resize_to = {static_cast<std::uint64_t>(input[1]),
                         static_cast<std::uint64_t>(input[2])};
  s.shaping.interpolation = datasets::Interpolation::bilinear;
  draft.remarks.push_back({"preprocess.resize", "chosen by init: must be as in training"});
}

/// Input shape and number of samples.
std::optional<Error> set_sizes(Draft& draft, const InitCommand& command) {
  auto& s = draft.scenario;
  const auto data = engine::open_data(s);
  if (!data) return data.error();
  const auto first = (*data)->get(0);
  if (!first) return first.error();
  if (command.input.empty()) {
    s.model.input = {first->image.channels(), first->image.rows, first->image.cols};
    draft.remarks.push_back({"model.input", "that of the images"});
  } else {
    const auto shape = parse_shape(command.input);
    if (!shape) return shape.error();
    s.model.input = *shape;
    shape_images(draft, *first);
  }
  s.data.samples = std::min((*data)->size(), kFirstSamples);
  draft.remarks.push_back(
      {"data.samples", fmt::format("there are {}", with_commas((*data)->size()))});
  // The first samples of a sorted data set would be of one class.
  if (*s.data.samples < (*data)->size()) s.data.order = datasets::Order::random;
  return std::nullopt;
}

/// The answer to a question on the terminal; empty for the default.
std::string ask(const std::string& question) {
  std::cerr << question << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer;
}

/// Asks for the normalisation until each answer is good.
void ask_preprocess(scenario::Scenario& scenario) {
  std::cerr << "normalisation of the training, input = (pixel / divide_by - mean) / std;\n"
               "one number, or one per channel separated by commas; Enter takes the default\n";
  for (const char* name : {"preprocess.divide_by", "preprocess.mean", "preprocess.std"}) {
    const scenario::Key& key = *scenario::find_key(name);
    while (std::cin) {
      const std::string answer =
          ask(fmt::format("{} (default {}): ", key.leaf(), key.default_text));
      if (answer.empty()) break;
      const auto wrong = set_key(scenario, name, answer, std::string(key.leaf()));
      if (!wrong) break;
      report(*wrong);
    }
  }
}

std::optional<Error> set_preprocess(Draft& draft, const InitCommand& command) {
  for (const auto& [key, text] : command.preprocess) {
    const std::string option =
        key == "preprocess.divide_by" ? "--divide-by" : "--" + key.substr(11);
    if (auto wrong = set_key(draft.scenario, key, text, fmt::format("{} {}", option, text))) {
      return wrong;
    }
  }
  if (command.preprocess.empty() && isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1) {
    ask_preprocess(draft.scenario);
  }
  draft.normalisation_given =
      !command.preprocess.empty() || draft.scenario.preprocess != datasets::Preprocess{};
  if (!draft.normalisation_given) {
    draft.remarks.push_back({"preprocess.mean", "not given to init: must be as in training"});
  }
  return std::nullopt;
}

void set_output(Draft& draft, const engine::GoldenProbe& probe) {
  const bool probabilities = probe.all_distributions && probe.nonfinite < probe.samples;
  draft.scenario.model.output =
      probabilities ? metrics::OutputKind::probabilities : metrics::OutputKind::logits;
  draft.remarks.push_back(
      {"model.output", fmt::format("detected: {} {} golden outputs add up to 1",
                                   probabilities ? "all" : "not all", with_commas(probe.samples))});
}

metrics::Interval top1_interval(const engine::GoldenProbe& probe) {
  return metrics::interval(metrics::IntervalMethod::wilson, probe.right, probe.labelled, 0.95);
}

std::string top1_text(const engine::GoldenProbe& probe) {
  if (probe.labelled == 0) return "not known without labels: the golden run is the reference";
  const auto [low, high] = top1_interval(probe);
  return fmt::format("{:.1f} %  {} / {}  [{:.1f}, {:.1f}] %",
                     100.0 * static_cast<double>(probe.right) / static_cast<double>(probe.labelled),
                     with_commas(probe.right), with_commas(probe.labelled), 100 * low, 100 * high);
}

/// Says on stderr what may be wrong with the scenario.
void advise(const Draft& draft, const engine::Inputs& inputs, const engine::GoldenProbe& probe) {
  for (const std::string& notice : inputs.model->notices()) {
    std::cerr << "note: " << notice << "\n";
  }
  if (!draft.normalisation_given) {
    std::cerr << "note: no normalisation was given: input = pixel / 255 is assumed, golden_top1 "
                 "shows whether that is right\n"
                 "      (--mean, --std and --divide-by, as in training)\n";
  }
  const double chance = 1.0 / static_cast<double>(inputs.model->classes());
  if (probe.labelled > 0 && top1_interval(probe).low <= chance) {
    std::cerr << fmt::format(
        "warning: golden_top1 is no better than chance ({:.2g} % for {} classes): normalisation "
        "or labels are probably wrong,\n"
        "         and then the rates of a campaign say nothing about the model\n",
        100 * chance, inputs.model->classes());
  }
}

std::string summary(const Draft& draft, const engine::Inputs& inputs,
                    const engine::GoldenProbe& probe) {
  const auto& s = draft.scenario;
  std::string text =
      fmt::format("model        {}: {} classes, {}\n", s.model.file, inputs.model->classes(),
                  counted(inputs.model->sites().size(), "site")) +
      fmt::format("data         {}: {}, labels: {}\n", s.data.images,
                  counted(probe.samples, "sample"), s.data.labels.value_or("none")) +
      fmt::format("input        {}\n", shape_text(s.model.input)) +
      fmt::format("output       {}\n", name_of(metrics::kOutputKinds, s.model.output)) +
      fmt::format("golden_top1  {}\n", top1_text(probe));
  if (probe.nonfinite > 0) {
    text += fmt::format("no trials    {}: the golden output is not finite\n",
                        counted(probe.nonfinite, "sample"));
  }
  if (probe.unreadable > 0) {
    text += fmt::format("no trials    {}: the image cannot be read\n",
                        counted(probe.unreadable, "sample"));
  }
  return text;
}

std::vector<std::string> heading(const InitCommand& command) {
  const std::string file = command.to_stdout() ? "FILE" : shell_word(command.target().filename());
  return {
      "Faults in " + fs::path(command.model).filename().string() + ", written by bitquake init.",
      "",
      "  bitquake check " + file,
      "  bitquake run " + file,
      "",
      "Paths are relative to this file. `bitquake list keys` explains every key; those left out",
      "here have the defaults shown there."};
}

std::optional<Error> check_target(const InitCommand& command) {
  if (command.to_stdout()) return std::nullopt;
  return exists_already(command.target(), command.force);
}

std::optional<Error> make_draft(Draft& draft, const InitCommand& command) {
  if (auto failed = set_files(draft, command)) return failed;
  if (auto failed = set_sizes(draft, command)) return failed;
  if (auto failed = set_preprocess(draft, command)) return failed;
  if (command.output_kind.empty()) return std::nullopt;
  return set_key(draft.scenario, "model.output", command.output_kind,
                 "--output-kind " + command.output_kind);
}

ExitCode init(const InitCommand& command) {
  if (const auto failed = check_target(command)) return report(*failed);
  Draft draft;
  if (const auto failed = make_draft(draft, command)) return report(*failed);
  const auto inputs = engine::prepare(draft.scenario, torch_loader());
  if (!inputs) return report(inputs.error());
  const auto threads = ThreadsOption{}.read();
  if (!threads) return report(threads.error());
  const std::atomic<bool> stop = false;
  const engine::GoldenProbe probe = engine::probe_golden(*inputs, *threads, stop);
  if (command.output_kind.empty()) set_output(draft, probe);
  const std::string text =
      scenario::to_starter_yaml(draft.scenario, heading(command), draft.remarks);
  // Names of files can hold what no scenario may, such as bytes that are not UTF-8.
  const auto reread = scenario::parse_scenario(text, command.target(), draft.scenario.directory);
  if (!reread) return report(reread.error().front());
  const auto written = write_output(command.to_stdout() ? "" : command.target().string(), text);
  if (!written) return report(written.error());

  std::ostream& out = command.to_stdout() ? std::cerr : std::cout;
  out << summary(draft, *inputs, probe);
  advise(draft, *inputs, probe);
  const std::string file = command.to_stdout() ? "FILE" : shell_word(command.target());
  out << "OK  next: bitquake check " << file << ", then bitquake run " << file << "\n";
  return ExitCode::ok;
}

}  // namespace

void add_init(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("init", "write a first scenario for a model and its data");
  auto command = std::make_shared<InitCommand>();
  const auto option = [&](const char* name, std::string& value, const char* type, const char* doc) {
    return sub->add_option(name, value, doc)->type_name(type)->check(not_empty());
  };
  const auto preprocess = [&](const char* name, const char* key, const char* doc) {
    sub->add_option_function<std::string>(
           name, [command, key](const std::string& text) { command->preprocess[key] = text; }, doc)
        ->type_name("NUMBERS");
  };
  sub->add_option("MODEL", command->model, "TorchScript file")->required()->type_name("");
  sub->add_option(
         "--data", command->data,
         "a directory (class folders, COCO, VOC, or files), or files: idx, CIFAR, .npy, .h5")
      ->required()
      ->type_name("DIR|FILE...");
  option("--labels", command->labels, "FILE|none", "labels, or none (default: those found)");
  option("--input", command->input, "CxHxW", "shape of one sample (default: that of the images)");
  option("--output-kind", command->output_kind, "WORD",
         "logits or probabilities (default: what the model's outputs look like)");
  preprocess("--mean", "preprocess.mean", "normalisation of the training: 0.5, or 0.5,0.4,0.3");
  preprocess("--std", "preprocess.std", "as --mean");
  preprocess("--divide-by", "preprocess.divide_by",
             "pixels are divided by this first (default: 255)");
  option("-o,--output", command->file, "FILE",
         "scenario to write, - for stdout (default: MODEL's name with .yaml, here)");
  sub->add_flag("-f,--force", command->force, "replace a file that exists");
  sub->footer(
      "Runs the model without faults on up to 1000 samples: a low golden_top1 tells that\n"
      "normalisation or labels are wrong. On a terminal it asks for the normalisation.\n"
      "Example:\n"
      "  bitquake init suite/models/lenet5_fashion_mnist.pt --mean 0.286 --std 0.353 \\\n"
      "    --data /usr/share/datasets/fashion-mnist -o my.yaml");
  sub->callback([command, &action] { action = [command] { return init(*command); }; });
}

}  // namespace bitquake::cli
