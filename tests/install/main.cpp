// A campaign with a fault model of one's own: a particle that upsets two neighbouring cells flips
// the bit that was drawn and the one above it. own_fault_model DIRECTORY
#include "faultgen/fault_model.hpp"
#include "results/trials.hpp"
#include "suite/engine/campaign.hpp"
#include "suite/engine/torch_loader.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

namespace {

using namespace bitquake;

/// The bits found at the fault's location in, the bits left behind out.
std::uint64_t flip_adjacent(std::uint64_t bit_mask, std::uint64_t bits) {
  return bits ^ (bit_mask | (bit_mask << 1));
}

/// Ten images of 28x28 random pixels in the format of MNIST: type 8 (bytes), 3 dimensions.
void write_images(const std::filesystem::path& path) {
  std::string bytes{0, 0, 8, 3, 0, 0, 0, 10, 0, 0, 0, 28, 0, 0, 0, 28};
  std::uint32_t state = 1;
  for (int i = 0; i < 10 * 28 * 28; ++i) {
    state = state * 1664525U + 1013904223U;  // Numerical Recipes, section 7.1
    bytes += static_cast<char>(state >> 24);
  }
  std::ofstream(path, std::ios::binary) << bytes;
}

/// What a YAML file would say, as a value.
scenario::Scenario make_scenario(const std::filesystem::path& directory, faultgen::FaultModel own) {
  scenario::Scenario scenario;
  scenario.model.file = MODELS "/lenet5_fashion_mnist.pt";
  scenario.model.input = {1, 28, 28};
  scenario.data.name = "noise";
  scenario.data.images = "images";
  scenario.directory = directory;
  scenario.faults.model = own;
  scenario.faults.bits = {"23-29"};  // with the bit above it: 23-30, the exponent
  scenario.faults.epochs = 5;
  return scenario;
}

int run(const std::filesystem::path& directory) {
  // Before anything else: scenarios, fault sets and tables know the model from then on.
  const auto own = value_or_throw(faultgen::register_fault_model(
      "flip_adjacent", "the bit and the one above it are inverted", flip_adjacent));
  std::filesystem::create_directories(directory);
  write_images(directory / "images");

  const auto inputs =
      value_or_throw(engine::prepare(make_scenario(directory, own), engine::torch_loader()));
  const std::atomic<bool> stop{false};
  engine::Observer silent;
  const auto result = value_or_throw(
      engine::run_campaign(inputs, {.directory = directory / "out", .threads = 2}, stop, silent));

  // Every injection inverted exactly the two bits.
  const auto trials = value_or_throw(results::read_trials(directory / "out" / "trials.h5"));
  for (const results::InjectionRow& row : trials.injections) {
    const std::uint64_t mask = inputs.faults.faults[row.fault].bit_mask;
    if ((row.original_bits ^ row.corrupted_bits) == (mask | (mask << 1))) continue;
    std::cerr << "injection " << row.trial << " changed other bits\n";
    return 1;
  }
  std::cout << trials.injections.size() << " injections, each of two adjacent bits\n"
            << "faults: " << result.summary.faults << "\n";
  for (const metrics::Rate& rate : result.summary.tables.front().overall) {
    if (rate.metric == "sde") std::cout << "sde " << rate.k << " of " << rate.n << " trials\n";
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : "out");
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
