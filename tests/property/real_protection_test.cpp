/// Protections of real networks: what Ranger is worth against flips of the exponent's highest bit,
/// and the false alarms of bounds that clean data exceed.
///
/// ../shared/data, beside the checkout, holds the models and images; without it, skipped.

#include "suite/base/temp_directory.hpp"
#include "suite/engine/campaign.hpp"
#include "suite/engine/measure_bounds.hpp"
#include "suite/engine/torch_loader.hpp"
#include "tests/property/real_data.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

using namespace bitquake;

namespace {

bool missing(const char* file) {
  if (std::filesystem::exists(test::real_data() / file)) return false;
  WARN("skipped: no real models beside this checkout (../shared/data)");
  return true;
}

std::string shared(const char* file) { return (test::real_data() / file).string(); }

/// ResNet-20 on images of CIFAR-10.
scenario::Scenario resnet20() {
  scenario::Scenario scenario;
  scenario.model.file = shared("models/cifar10_resnet20.pt");
  scenario.model.input = {3, 32, 32};
  scenario.data.format = scenario::DataFormat::cifar10;
  scenario.data.images = shared("cifar10/test_batch.bin");
  scenario.data.samples = 1000;
  scenario.preprocess.mean = {0.485, 0.456, 0.406};
  scenario.preprocess.stddev = {0.229, 0.224, 0.225};
  return scenario;
}

/// The LeNet-5 that PyTorchALFI ships, on MNIST.
scenario::Scenario lenet5() {
  scenario::Scenario scenario;
  scenario.model.file = shared("models/mnist_lenet5_alfi.pt");
  scenario.model.input = {1, 32, 32};
  scenario.data.images = shared("mnist/t10k-images-idx3-ubyte.gz");
  scenario.data.labels = shared("mnist/t10k-labels-idx1-ubyte.gz");
  scenario.data.samples = 1000;
  scenario.shaping.resize = datasets::Resize::exact;
  scenario.shaping.resize_to = {32, 32};
  scenario.preprocess.mean = {0.1307};
  scenario.preprocess.stddev = {0.3081};
  return scenario;
}

model::Bounds measured(const scenario::Scenario& scenario) {
  const auto model = value_or_throw(engine::torch_loader()(scenario, {}));
  const auto data = value_or_throw(engine::open_data(scenario));
  return engine::measure_bounds(scenario, *data, *model, std::thread::hardware_concurrency(),
                                [](std::uint64_t, std::uint64_t) {})
      .value;
}

/// A campaign of the original and of it with clamped activations.
results::Summary clamped(scenario::Scenario scenario, const model::Bounds& bounds) {
  const TempDirectory directory;
  model::write_bounds(directory / "bounds.h5", bounds);
  scenario.variant.protection = scenario::Protection::clamp;
  scenario.variant.bounds = (directory / "bounds.h5").string();
  const auto inputs = value_or_throw(engine::prepare(scenario, engine::torch_loader()));
  const std::atomic<bool> stop{false};
  engine::Observer silent;
  const engine::RunOptions options{.directory = directory / "run",
                                   .threads = std::thread::hardware_concurrency()};
  return value_or_throw(engine::run_campaign(inputs, options, stop, silent)).summary;
}

std::uint64_t silent(const results::Tables& tables) {
  return std::find_if(tables.overall.begin(), tables.overall.end(),
                      [](const metrics::Rate& rate) { return rate.metric == "sde"; })
      ->k;
}

/// Faults in the last linear layer apart: nothing stands behind its output.
void check_ranger(scenario::Scenario scenario, const std::string& last_layer) {
  scenario.faults.bits = {"30"};
  const model::Bounds bounds = measured(scenario);
  scenario.faults.exclude = {last_layer};
  const results::Summary behind = clamped(scenario, bounds);
  const std::uint64_t without = silent(behind.tables[0]), with = silent(behind.tables[1]);
  CAPTURE(without, with);
  REQUIRE(without >= 30);
  REQUIRE(3 * with <= without);
  // The bounds are those of the same data.
  REQUIRE(behind.tables[1].score->rate("false_alarm").k == 0);
  REQUIRE(behind.tables[1].score->golden.first_only == 0);
  REQUIRE(behind.tables[1].score->golden.second_only == 0);

  scenario.faults.exclude.clear();
  scenario.faults.include = {last_layer};
  const results::Summary at_end = clamped(scenario, bounds);
  REQUIRE(silent(at_end.tables[0]) >= 30);
  REQUIRE(silent(at_end.tables[1]) == silent(at_end.tables[0]));
}

}  // namespace

TEST_CASE("Ranger takes two thirds of the silent errors from LeNet-5",
          "[.][real][real_protection]") {
  if (missing("models/mnist_lenet5_alfi.pt")) return;
  scenario::Scenario scenario = lenet5();
  scenario.faults.epochs = 4;
  check_ranger(scenario, "fc3");
}

TEST_CASE("Ranger takes two thirds of the silent errors from ResNet-20",
          "[.][real][real_protection]") {
  if (!missing("models/cifar10_resnet20.pt")) check_ranger(resnet20(), "linear");
}

TEST_CASE("bounds that clean data exceed give false alarms", "[.][real][real_protection]") {
  if (missing("models/mnist_lenet5_alfi_bounds.txt")) return;
  scenario::Scenario scenario = lenet5();
  const auto model = value_or_throw(engine::torch_loader()(scenario, {}));
  std::stringstream text;
  text << std::ifstream(shared("models/mnist_lenet5_alfi_bounds.txt")).rdbuf();
  const model::Bounds shipped = value_or_throw(
      model::parse_alfi_bounds(text.str(), "bounds", model->sites(), model->sha256()));
  const results::Summary summary = clamped(scenario, shipped);

  // Counted without any guard: images of which some activation is outside.
  std::uint64_t outside = 0;
  scenario::Scenario one = scenario;
  for (std::uint64_t id = 0; id < 1000; ++id) {
    one.data.samples.reset();
    one.data.ids = {id};
    const auto data = value_or_throw(engine::open_data(one));
    const model::Bounds own =
        engine::measure_bounds(one, *data, *model, 1, [](std::uint64_t, std::uint64_t) {}).value;
    bool exceeds = false;
    for (const model::SiteBounds& limit : shipped.sites) {
      for (const model::SiteBounds& site : own.sites) {
        exceeds |= site.site == limit.site &&
                   (site.range.low < limit.range.low || site.range.high > limit.range.high);
      }
    }
    outside += exceeds ? 1 : 0;
  }
  const metrics::Rate& alarms = summary.tables[1].score->rate("false_alarm");
  CAPTURE(alarms.k, alarms.n);
  REQUIRE(outside > 0);
  REQUIRE(alarms.k == outside);
  REQUIRE(alarms.n == 1000);
}
