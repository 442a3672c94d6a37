/// Corruptions take as much accuracy from a real network as those of the published code do.
///
/// ../shared/data, beside the checkout, holds the model, the images and the published figures;
/// without it, skipped.

#include "suite/engine/golden_probe.hpp"
#include "suite/engine/torch_loader.hpp"
#include "tests/property/real_data.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <string>
#include <thread>

using namespace bitquake;

namespace {

/// Of the 1000 images, in percent: a mean over as many seeds as the perturbation needs.
double accuracy(engine::Inputs& inputs, const std::string& perturbation) {
  const augment::Pipeline pipeline = value_or_throw(augment::parse_pipeline(perturbation));
  inputs.scenario.perturbations = {pipeline};
  // One draw for 1000 images scatters by a point, and so do the published figures.
  const std::uint64_t seeds = augment::is_random(pipeline) ? 2 : 1;
  double right = 0;
  for (inputs.scenario.seed = 1; inputs.scenario.seed <= seeds; ++inputs.scenario.seed) {
    const auto probe = engine::probe_golden(inputs, std::thread::hardware_concurrency(), false);
    REQUIRE(probe.labelled == 1000);
    right += static_cast<double>(probe.right);
  }
  return 100 * right / (1000 * static_cast<double>(seeds));
}

}  // namespace

// Hidden from the plain run: it takes minutes.
TEST_CASE("ResNet-20 is as accurate as under the published corruptions of CIFAR-10",
          "[.][real][corruptions]") {
  const auto data = test::real_data();
  std::ifstream file(data / "corruptions/cifar10c_first1000_accuracy.json");
  if (!file) {
    WARN("skipped: no real models beside this checkout (../shared/data)");
    return;
  }
  scenario::Scenario scenario;
  scenario.model.file = (data / "models/cifar10_resnet20.pt").string();
  scenario.model.input = {3, 32, 32};
  scenario.data.format = scenario::DataFormat::cifar10;
  scenario.data.images = (data / "cifar10/test_batch.bin").string();
  scenario.data.samples = 1000;
  scenario.preprocess.mean = {0.485, 0.456, 0.406};
  scenario.preprocess.stddev = {0.229, 0.224, 0.225};
  engine::Inputs inputs = value_or_throw(engine::prepare(scenario, engine::torch_loader()));

  int cells = 0;
  std::string far;
  const auto published = nlohmann::json::parse(file);
  for (const auto& [name, figures] : published.items()) {
    const auto wanted = figures.at(0).get<double>();
    if (name == "clean") {
      REQUIRE(accuracy(inputs, "clean") == Approx(wanted));
      continue;
    }
    if (name.starts_with("frost_")) continue;  // photographs of ice there
    const std::string label = name.substr(0, name.size() - 2) + "/" + name.back();
    const double got = accuracy(inputs, label);
    ++cells;
    if (std::abs(got - wanted) > 3)
      far += fmt::format("{}: {} %, published {} %\n", label, got, wanted);
  }
  REQUIRE(far == "");
  REQUIRE(cells == 90);
}
