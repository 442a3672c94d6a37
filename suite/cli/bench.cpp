#include "suite/bench/ablation.hpp"
#include "suite/cli/command.hpp"

#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <sstream>
#include <thread>

namespace bitquake::cli {
namespace {

namespace fs = std::filesystem;

struct BenchCommand {
  std::vector<std::string> networks, targets, workloads;
  std::vector<unsigned> threads;
  std::optional<unsigned> repetitions;
  std::string json, markdown, data = "/usr/share/datasets/fashion-mnist", models;
  bool quick = false, quiet = false;
};

/// Shipped models of this program: beside an installed one, else in the source it was built from.
fs::path shipped_models() {
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  const fs::path installed = program.parent_path().parent_path() / "share/bitquake/models";
  if (!failed && fs::is_directory(installed, failed)) return installed;
  return BITQUAKE_MODELS_DIR;
}

/// The values of a registry that were named, in its order; all when none was.
template <class Registry>
auto chosen_of(const Registry& registry, const std::vector<std::string>& names) {
  std::vector<std::remove_cvref_t<decltype(registry.begin()->value)>> values;
  for (const auto& entry : registry) {
    const bool named = std::find(names.begin(), names.end(), entry.name) != names.end();
    if (names.empty() || named) values.push_back(entry.value);
  }
  return values;
}

std::vector<const bench::Network*> networks_of(const BenchCommand& command) {
  std::vector<std::string> names = command.networks;
  if (names.empty() && command.quick) names = {"lenet5", "resnet20"};
  std::vector<const bench::Network*> networks;
  for (const bench::Network& network : bench::kNetworks) {
    const bool named = std::find(names.begin(), names.end(), network.name) != names.end();
    if (names.empty() || named) networks.push_back(&network);
  }
  return networks;
}

std::vector<unsigned> threads_of(const BenchCommand& command) {
  if (!command.threads.empty()) return command.threads;
  if (std::thread::hardware_concurrency() < 2) return {1};
  return {1, 2};
}

ExitCode bench_campaigns(const BenchCommand& command) {
  const fs::path models = command.models.empty() ? shipped_models() : fs::path(command.models);
  const bench::AblationOptions options{
      .networks = networks_of(command),
      .targets = chosen_of(faultgen::kTargets, command.targets),
      .workloads = chosen_of(bench::kWorkloads, command.workloads),
      .threads = threads_of(command),
      .repetitions = command.repetitions,
      .quick = command.quick,
      .images = fs::path(command.data) / "t10k-images-idx3-ubyte.gz",
      .lenet5 = models / "lenet5_fashion_mnist.pt"};
  // Minutes of measuring for a file that cannot be written would be a pity.
  for (const std::string& file : {command.json, command.markdown}) {
    if (file.empty()) continue;
    if (const auto target = output_file(file, true); !target) return report(target.error());
  }
  std::ostringstream json;
  const auto result = bench::run_ablation(options, command.json.empty() ? nullptr : &json,
                                          [&](const std::string& text) {
                                            if (!command.quiet)
                                              std::cerr << "bench: " << text << "\n";
                                          });
  if (!result) return report(result.error());
  const std::string table = bench::ablation_markdown(*result);
  std::cout << table;
  if (!command.json.empty()) {
    if (const auto written = write_output(command.json, json.str()); !written) {
      return report(written.error());
    }
  }
  if (!command.markdown.empty()) {
    if (const auto written = write_output(command.markdown, table); !written) {
      return report(written.error());
    }
  }
  if (result->differences.empty()) return ExitCode::ok;
  report({Errc::internal, "bench",
          fmt::format("rows differ from those of the other ways: {}",
                      fmt::join(result->differences, ", ")),
          "this is a defect of Bitquake: please report it", ""});
  return ExitCode::audit_failed;
}

template <class Registry>
std::vector<std::string> names_of(const Registry& registry) {
  std::vector<std::string> names;
  for (const auto& entry : registry) names.emplace_back(entry.name);
  return names;
}

std::string network_list() {
  std::string text = "Networks:\n";
  for (const bench::Network& network : bench::kNetworks) {
    text += fmt::format("  {:<13} {}\n", network.name, network.doc);
  }
  return text + "Ways, each beside those before it:\n" + [] {
    std::string ways;
    for (const bench::Step& step : bench::steps()) {
      ways += fmt::format("  {:<15} {}\n", step.name, step.doc);
    }
    return ways;
  }();
}

void add_choice(CLI::App& app, const std::string& flag, std::vector<std::string>& chosen,
                const std::vector<std::string>& names, const std::string& doc) {
  app.add_option(flag, chosen, fmt::format("{}: {}", doc, fmt::join(names, ", ")))
      ->type_name("N")
      ->check(CLI::Validator(
          [names](const std::string& word) {
            if (std::find(names.begin(), names.end(), word) != names.end()) return std::string();
            const std::vector<std::string_view> known(names.begin(), names.end());
            const auto near = did_you_mean(word, known);
            return fmt::format("unknown name '{}'{}", word,
                               near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
          },
          ""));
}

void add_files(CLI::App& app, BenchCommand& command) {
  app.add_option("-o,--output", command.json, "file for Google Benchmark's JSON")
      ->type_name("FILE")
      ->check(not_empty());
  app.add_option("--markdown", command.markdown, "file for the table, beside stdout")
      ->type_name("FILE")
      ->check(not_empty());
  app.add_option("--data", command.data, "directory with Fashion-MNIST's test images")
      ->type_name("DIR")
      ->capture_default_str()
      ->check(not_empty());
  app.add_option("--models", command.models,
                 "directory of the shipped models\n(default: that of this program)")
      ->type_name("DIR")
      ->check(not_empty());
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand(
      "bench", "measure campaigns on this machine, one way of execution after the other");
  auto command = std::make_shared<BenchCommand>();
  add_choice(*sub, "--network", command->networks, names_of(bench::kNetworks),
             "networks (default: all)");
  add_choice(*sub, "--target", command->targets, names_of(faultgen::kTargets),
             "faults (default: all)");
  add_choice(*sub, "--workload", command->workloads, names_of(bench::kWorkloads),
             "campaigns (default: all)");
  sub->add_option("-j,--threads", command->threads, "numbers of worker threads (default: 1 2)")
      ->type_name("N")
      ->check(whole_number(1, 1024));
  sub->add_option("--repetitions", command->repetitions,
                  "of each measurement (default: 5 for lenet5, 1 for vgg16, else 3)")
      ->type_name("N")
      ->check(whole_number(1, 1000));
  sub->add_flag("--quick", command->quick,
                "a glance: one repetition of small campaigns, of lenet5 and resnet20 unless named");
  sub->add_flag("-q,--quiet", command->quiet, "do not say what is measured");
  add_files(*sub, *command);
  sub->footer(network_list() +
              "Every way must leave the same rows; exit code 8 when one does not.\n"
              "All of it takes half an hour, a gigabyte of memory and as much of TMPDIR.\n"
              "Examples:\n"
              "  bitquake bench --quick\n"
              "  bitquake bench --network resnet50 --target weights -j 1 -o resnet50.json");
  sub->callback([command, &action] { action = [command] { return bench_campaigns(*command); }; });
}

}  // namespace bitquake::cli
