#pragma once

#include "datasets/dataset.hpp"
#include "results/row.hpp"
#include "suite/engine/prepare.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace bitquake::engine {

/// The samples of a work unit as network input.
struct UnitInput {
  std::uint64_t unit = 0;
  std::vector<datasets::Sample> samples;
  std::vector<float> values;  ///< [samples, input elements]
};

/// The rows of a work unit. TrialRow::message refers to `messages` here; row 0 is empty.
struct UnitRows {
  std::uint64_t unit = 0;
  std::vector<results::TrialRow> trials;
  std::vector<results::InjectionRow> injections;
  std::vector<results::GoldenRow> golden;
  std::vector<std::string> messages{""};
  double golden_s = 0, faulty_s = 0;  ///< time spent
};

/// Reads and normalises a unit's samples. Throws Exception (data): a sample that cannot be read,
/// has another size, or a label outside the model's classes. Thread-safe.
UnitInput decode_unit(const Inputs& inputs, std::uint64_t unit);

/// Golden run, faulty runs and verdicts of a unit: a pure function of (inputs, unit).
UnitRows run_unit(const Inputs& inputs, const UnitInput& input, model::Executor& executor);

}  // namespace bitquake::engine
