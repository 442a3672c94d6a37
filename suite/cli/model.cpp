#include "faultgen/fault_model.hpp"
#include "suite/base/text.hpp"
#include "suite/cli/command.hpp"
#include "suite/engine/execution.hpp"
#include "suite/model/load.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <iostream>
#include <memory>

namespace bitquake::cli {
namespace {

struct ModelCommand {
  std::string file, input;
  std::uint32_t batch = 16;
  bool json = false, execution = false;
};

/// Elements that faults can hit, by target in the order of kTargets.
using Counts = std::array<std::uint64_t, faultgen::kTargets.size()>;

Counts counts_of(const faultgen::Site& site) {
  Counts counts{};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] = faultgen::site_elements(site, faultgen::kTargets[i].value);
  }
  return counts;
}

Counts totals_of(const std::vector<faultgen::Site>& sites) {
  Counts totals{};
  for (const faultgen::Site& site : sites) {
    const Counts counts = counts_of(site);
    for (std::size_t i = 0; i < totals.size(); ++i) totals[i] += counts[i];
  }
  return totals;
}

/// What a later call reads is counted at the first.
std::string count_text(const faultgen::Site& site, std::size_t target) {
  const faultgen::Target value = faultgen::kTargets[target].value;
  const std::uint64_t count = faultgen::site_elements(site, value);
  if (count > 0) return with_commas(count);
  const bool shared = faultgen::is_parameter(value) && site.call > 0 &&
                      !faultgen::tensor_shape(site, value).empty();
  return shared ? "(shared)" : "";
}

/// A column for each target that the model has.
std::string as_table(const model::Model& model) {
  const Counts totals = totals_of(model.sites());
  std::vector<std::size_t> targets;
  std::vector<std::string> head{"site", "kind", "weight", "output"}, foot{"total", "", "", ""};
  for (std::size_t i = 0; i < totals.size(); ++i) {
    if (totals[i] == 0) continue;
    targets.push_back(i);
    head.emplace_back(faultgen::kTargets[i].name);
    foot.push_back(with_commas(totals[i]));
  }
  std::vector<std::vector<std::string>> rows{head};
  for (const faultgen::Site& site : model.sites()) {
    rows.push_back({faultgen::site_name(site), std::string(faultgen::to_string(site.kind)),
                    shape_text(site.weight_shape), shape_text(site.output_shape)});
    for (const std::size_t target : targets) rows.back().push_back(count_text(site, target));
  }
  rows.push_back(foot);
  return aligned_table(rows);
}

using Json = nlohmann::ordered_json;

Json execution_json(const model::Model& model) {
  Json sites = Json::array();
  for (const model::SiteExecution& how : model.explain()) {
    sites.push_back({{"site", faultgen::site_name(model.sites()[how.site])},
                     {"neuron_fault", how.neuron_fault},
                     {"weight_fault", how.weight_fault},
                     {"reason", how.reason}});
  }
  return sites;
}

Json counts_json(const Counts& counts) {
  Json json = Json::object();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    json[std::string(faultgen::kTargets[i].name)] = counts[i];
  }
  return json;
}

std::string as_json(const model::Model& model, bool execution) {
  Json sites = Json::array();
  for (const faultgen::Site& site : model.sites()) {
    sites.push_back({{"path", site.path},
                     {"call", site.call},
                     {"kind", faultgen::to_string(site.kind)},
                     {"weight_shape", site.weight_shape},
                     {"output_shape", site.output_shape},
                     {"bias_shape", site.bias_shape},
                     {"stats_shape", site.stats_shape},
                     {"input_shape", site.input_shape}});
    sites.back().update(counts_json(counts_of(site)));
  }
  Json points = Json::array();
  for (const model::Point& point : model.points()) {
    if (point.kind == model::PointKind::module_output || point.kind == model::PointKind::output) {
      points.push_back(point.path);
    }
  }
  Json json = {{"sha256", model.sha256()},
               {"classes", model.classes()},
               {"sites", sites},
               {"totals", counts_json(totals_of(model.sites()))},
               {"monitored_points", points},
               {"numeric_fingerprint", model.fingerprint()},
               {"notices", model.notices()}};
  if (execution) json["execution"] = execution_json(model);
  return json.dump(2) + "\n";
}

ExitCode info(const ModelCommand& command) {
  const auto shape = parse_shape(command.input);
  if (!shape) return report(shape.error());
  const auto model = model::load({.file = command.file,
                                  .input_shape = *shape,
                                  .padded_batch = command.batch,
                                  .monitor = model::Monitor::all});
  if (!model) return report(model.error());
  if (command.json) {
    std::cout << as_json(**model, command.execution);
    return ExitCode::ok;
  }
  std::cout << as_table(**model)
            << fmt::format("\ninput {}, {} classes, {} samples per inference\nsha256 {}\n",
                           shape_text(*shape), (*model)->classes(),
                           (*model)->fingerprint().at("rows_per_inference"), (*model)->sha256());
  if (command.execution) {
    std::cout << "\n" << engine::execution_text(**model, (*model)->explain());
  }
  for (const std::string& notice : (*model)->notices()) std::cout << "note: " << notice << "\n";
  return ExitCode::ok;
}

}  // namespace

void add_model(CLI::App& app, Action& action) {
  auto* model = app.add_subcommand("model", "look at a model");
  model->require_subcommand(1);
  model->footer(
      "Example:\n"
      "  bitquake model info suite/models/lenet5_fashion_mnist.pt --input 1x28x28");
  auto* sub = model->add_subcommand("info", "list the sites where faults can be injected");
  auto command = std::make_shared<ModelCommand>();
  sub->add_option("MODEL", command->file, "TorchScript file")->required()->type_name("");
  sub->add_option("--input", command->input, "shape of one sample: channels x height x width")
      ->required()
      ->type_name("CxHxW");
  sub->add_option("--batch", command->batch,
                  "rows of every inference, 1 to 4096: padded_batch of a scenario")
      ->type_name("N")
      ->check(whole_number(1, 4096))
      ->capture_default_str();
  sub->add_flag("--execution", command->execution,
                "say how incremental execution treats each site, and why;\n"
                "it tries out kernels, which takes a while");
  sub->add_flag("--json", command->json, "print JSON");
  sub->callback([command, &action] { action = [command] { return info(*command); }; });
}

}  // namespace bitquake::cli
