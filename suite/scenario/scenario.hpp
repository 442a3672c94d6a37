#pragma once

#include "datasets/dataset.hpp"
#include "datasets/preprocess.hpp"
#include "faultgen/fault_model.hpp"
#include "faultgen/sampler.hpp"
#include "faultgen/schedule.hpp"
#include "metrics/interval.hpp"
#include "metrics/outcome.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace bitquake::scenario {

enum class DataFormat : std::uint8_t { idx };
enum class Device : std::uint8_t { cpu };
enum class Execution : std::uint8_t { reference };
enum class MonitorScope : std::uint8_t { all, output };

inline constexpr std::array kDataFormats{
    Named<DataFormat>{DataFormat::idx, "idx", "MNIST-style idx files, gzip or plain"},
};
inline constexpr std::array kDevices{
    Named<Device>{Device::cpu, "cpu", "the CPU, in fp32"},
};
inline constexpr std::array kOrders{
    Named<datasets::Order>{datasets::Order::first, "first", "the first samples, in order"},
    Named<datasets::Order>{datasets::Order::random, "random",
                           "drawn by the seed without replacement, in drawn order"},
};
inline constexpr std::array kExecutions{
    Named<Execution>{Execution::reference, "reference", "the whole network is run for each trial"},
};
inline constexpr std::array kMonitorScopes{
    Named<MonitorScope>{MonitorScope::all, "all",
                        "the outputs of all module calls and the final output"},
    Named<MonitorScope>{MonitorScope::output, "output", "the final output only"},
};

/// What a scenario file says, defaults filled in. suite/scenario/schema.hpp holds the one table of
/// keys that ties these members to YAML. Paths are kept as written; resolve() makes them usable.
struct Scenario {
  std::uint64_t version = 1;
  std::uint64_t seed = 1;

  struct Model {
    std::string file;
    std::vector<std::int64_t> input;  ///< one sample: [channels, height, width]
    metrics::OutputKind output = metrics::OutputKind::logits;
    Device device = Device::cpu;
    bool operator==(const Model&) const = default;
  } model;

  struct Data {
    DataFormat format = DataFormat::idx;
    std::string name;
    std::string images;
    std::optional<std::string> labels;
    std::optional<std::uint64_t> samples;  ///< none: all
    datasets::Order order = datasets::Order::first;
    bool operator==(const Data&) const = default;
  } data;

  datasets::Preprocess preprocess;

  struct Faults {
    std::optional<std::string>
        file;  ///< an existing fault set; then the other members do not apply
    faultgen::Target target = faultgen::Target::neuron;
    faultgen::FaultModel model = faultgen::FaultModel::bit_flip;
    faultgen::BitRange bits;
    faultgen::Draw draw = faultgen::Draw::elements;
    faultgen::Policy policy = faultgen::Policy::per_image;
    std::optional<std::uint64_t> batch_size;  ///< given with per_batch and only then
    std::uint32_t per_group = 1;
    std::uint32_t epochs = 1;

    faultgen::Schedule schedule() const { return {policy, batch_size.value_or(1)}; }
    bool operator==(const Faults&) const = default;
  } faults;

  faultgen::RunType run_type = faultgen::RunType::single;
  Execution execution = Execution::reference;
  std::uint32_t padded_batch = 16;
  std::uint32_t unit_samples = 64;
  MonitorScope monitor = MonitorScope::all;

  struct Statistics {
    metrics::IntervalMethod interval = metrics::IntervalMethod::wilson;
    double confidence = 0.95;
    bool operator==(const Statistics&) const = default;
  } statistics;

  struct Expect {
    std::optional<double> golden_top1;  ///< fraction in [0, 1]
    bool operator==(const Expect&) const = default;
  } expect;

  std::filesystem::path directory;  ///< of the scenario file; not part of the text

  /// Absolute path of a path as written: relative ones start at the scenario file's directory.
  std::filesystem::path resolve(const std::string& written) const;

  bool operator==(const Scenario&) const = default;
};

}  // namespace bitquake::scenario
