#pragma once

#include "datasets/dataset.hpp"
#include "datasets/preprocess.hpp"
#include "faultgen/fault_model.hpp"
#include "faultgen/sampler.hpp"
#include "metrics/interval.hpp"
#include "metrics/outcome.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace bitquake::scenario {

enum class DataFormat : std::uint8_t { idx };
enum class Execution : std::uint8_t { reference };
enum class MonitorScope : std::uint8_t { all, output };

/// What a scenario file says, defaults filled in. suite/scenario/schema.hpp holds the one table of
/// keys that ties these members to YAML. Paths are kept as written; resolve() makes them usable.
struct Scenario {
  std::uint64_t version = 1;
  std::uint64_t seed = 1;

  struct {
    std::string file;
    std::vector<std::int64_t> input;  ///< one sample: [channels, height, width]
    metrics::OutputKind output = metrics::OutputKind::logits;
  } model;

  struct {
    DataFormat format = DataFormat::idx;
    std::string name;
    std::string images;
    std::optional<std::string> labels;
    std::optional<std::uint64_t> samples;  ///< none: all
    datasets::Order order = datasets::Order::first;
  } data;

  datasets::Preprocess preprocess;

  struct {
    std::optional<std::string> file;  ///< an existing fault set; then the other members do not apply
    faultgen::Target target = faultgen::Target::neuron;
    faultgen::FaultModel model = faultgen::FaultModel::bit_flip;
    faultgen::BitRange bits;
    faultgen::Draw draw = faultgen::Draw::elements;
    faultgen::Policy policy = faultgen::Policy::per_image;
    std::uint32_t per_group = 1;
    std::uint32_t epochs = 1;
  } faults;

  Execution execution = Execution::reference;
  std::uint32_t padded_batch = 16;
  std::uint32_t unit_samples = 64;
  MonitorScope monitor = MonitorScope::all;

  struct {
    metrics::IntervalMethod interval = metrics::IntervalMethod::wilson;
    double confidence = 0.95;
  } statistics;

  std::filesystem::path directory;  ///< of the scenario file; not part of the text

  /// Absolute path of a path as written: relative ones start at the scenario file's directory.
  std::filesystem::path resolve(const std::string& written) const;
};

}  // namespace bitquake::scenario
