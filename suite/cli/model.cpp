#include "suite/base/text.hpp"
#include "suite/cli/command.hpp"
#include "suite/engine/execution.hpp"
#include "suite/model/load.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>

namespace bitquake::cli {
namespace {

struct ModelCommand {
  std::string file, input;
  std::uint32_t batch = 16;
  bool json = false, execution = false;
};

struct Totals {
  std::uint64_t neurons = 0, weights = 0;
};

std::uint64_t weights_of(const faultgen::Site& site) {
  return faultgen::site_elements(site, faultgen::Target::weight);
}

Totals totals_of(const std::vector<faultgen::Site>& sites) {
  Totals totals;
  for (const faultgen::Site& site : sites) {
    totals.neurons += faultgen::element_count(site.output_shape);
    totals.weights += weights_of(site);
  }
  return totals;
}

std::string as_table(const model::Model& model) {
  std::vector<std::vector<std::string>> rows{
      {"site", "kind", "weight", "output", "neurons", "weights"}};
  for (const faultgen::Site& site : model.sites()) {
    rows.push_back({faultgen::site_name(site), std::string(faultgen::to_string(site.kind)),
                    shape_text(site.weight_shape), shape_text(site.output_shape),
                    with_commas(faultgen::element_count(site.output_shape)),
                    site.call == 0 ? with_commas(weights_of(site)) : "(shared)"});
  }
  const Totals totals = totals_of(model.sites());
  rows.push_back({"total", "", "", "", with_commas(totals.neurons), with_commas(totals.weights)});
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

std::string as_json(const model::Model& model, bool execution) {
  Json sites = Json::array();
  for (const faultgen::Site& site : model.sites()) {
    sites.push_back({{"path", site.path},
                     {"call", site.call},
                     {"kind", faultgen::to_string(site.kind)},
                     {"weight_shape", site.weight_shape},
                     {"output_shape", site.output_shape},
                     {"neurons", faultgen::element_count(site.output_shape)},
                     {"weights", weights_of(site)}});
  }
  const Totals totals = totals_of(model.sites());
  Json points = Json::array();
  for (const model::Point& point : model.points()) {
    if (point.kind == model::PointKind::module_output || point.kind == model::PointKind::output) {
      points.push_back(point.path);
    }
  }
  Json json = {{"sha256", model.sha256()},
               {"classes", model.classes()},
               {"sites", sites},
               {"totals", {{"neurons", totals.neurons}, {"weights", totals.weights}}},
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
