#pragma once

#include "datasets/dataset.hpp"
#include "results/row.hpp"
#include "suite/engine/prepare.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bitquake::engine {

/// The samples of a work unit, not perturbed.
struct UnitInput {
  std::uint64_t unit = 0;
  std::vector<std::uint64_t> positions;  ///< of the samples in the subset
  std::uint32_t variant = 0;             ///< that is wanted; a whole unit runs through each
  /// What each sample is wanted under; empty for a whole unit, which runs under each perturbation.
  std::vector<std::uint32_t> perturbations;
  std::vector<datasets::Sample> samples;
  /// By sample: why its image cannot be read, and it has none; empty when it can. All are when the
  /// scenario says on_bad_sample: error.
  std::vector<std::string> unreadable;
};

/// The rows of a work unit. TrialRow::message refers to `messages` here; row 0 is empty.
struct UnitRows {
  std::uint64_t unit = 0;
  BigVector<results::TrialRow> trials;
  BigVector<results::InjectionRow> injections;
  results::Observed observed;
  std::vector<results::GoldenRow> golden;
  std::vector<std::string> messages{""};
  std::vector<std::string> notices;                  ///< of unreadable images
  double perturb_s = 0, golden_s = 0, faulty_s = 0;  ///< time spent
  /// The same by variant; of whole units.
  struct VariantTime {
    double golden_s = 0, faulty_s = 0;
  };
  std::vector<VariantTime> variant_times;
};

/// Reads and prepares a unit's samples. Throws Exception (data): a sample that cannot be read,
/// unless the scenario skips those, or has a label outside the model's classes. Thread-safe.
UnitInput decode_unit(const Inputs& inputs, std::uint64_t unit);

/// The same for any samples of the plan, given by their positions, each under one perturbation.
UnitInput decode_samples(const Inputs& inputs, std::vector<std::uint64_t> positions,
                         std::vector<std::uint32_t> perturbations, std::uint32_t variant = 0);

/// The executors of one worker, made when they are first wanted.
class Executors {
 public:
  Executors(const Inputs& inputs, const model::ExecutionOptions& options)
      : inputs_(inputs), options_(options), made_(inputs.plan.variants()) {}
  model::Executor& of(std::uint32_t variant) {
    auto& executor = made_[variant];
    if (!executor) executor = inputs_.variant(variant).make_executor(options_);
    return *executor;
  }

 private:
  const Inputs& inputs_;
  model::ExecutionOptions options_;
  std::vector<std::unique_ptr<model::Executor>> made_;
};

/// Perturbs and normalises samples: a pure function of scenario, samples and perturbations.
/// @param perturbations  of each sample
/// @return [samples, input elements]
/// Throws Exception (data): a sample of another size, or that a perturbation does not take.
/// Thread-safe.
std::vector<float> network_input(const scenario::Scenario& scenario,
                                 std::span<const datasets::Sample> samples,
                                 std::span<const std::uint32_t> perturbations);

/// Golden run of a unit's samples, given as network input. Throws Exception (model): the model
/// fails on a sample without any fault.
std::unique_ptr<model::GoldenBlock> run_golden(const UnitInput& input,
                                               const std::vector<float>& values,
                                               model::Executor& executor);

/// Golden run, faulty runs and verdicts of a unit under each perturbation by each variant, one
/// after the other: a pure function of (inputs, unit).
UnitRows run_unit(const Inputs& inputs, const UnitInput& input, Executors& executors);

/// The faults that are present together in a trial.
struct TrialFaults {
  std::vector<faultgen::Fault> faults;
  std::vector<std::uint64_t> ids;    ///< rows of the fault set
  std::vector<std::uint8_t> active;  ///< 0: an intermittent fault that does not act in the trial

  /// Those that act.
  std::vector<faultgen::Fault> acting() const;
};

/// Whether fault `id` of a set acts on a sample: a pure function of the set's seed, id and sample.
/// Of an intermittent fault it is drawn, with Stream::fault_activity.
bool acts(const faultgen::FaultSet& set, std::uint64_t id, std::uint64_t sample);

TrialFaults faults_of_trial(const faultgen::FaultSet& set, const Plan& plan,
                            faultgen::RunType run_type, std::uint32_t epoch, std::uint64_t sample);

/// A trial that is wanted on its own.
struct ChosenTrial {
  std::size_t sample = 0;  ///< of the UnitInput, which says its condition
  std::uint32_t epoch = 0;
};

/// Rows of chosen trials, in their order, and of the golden runs of all samples of `input`: the
/// same that run_unit gives for them. There is none for a sample that is skipped.
UnitRows run_chosen(const Inputs& inputs, const UnitInput& input,
                    std::span<const ChosenTrial> chosen, Executors& executors);

/// A trial of the only sample of a UnitInput, with what run_unit does not keep. There is no row of
/// it when the sample is skipped.
struct TracedTrial {
  UnitRows rows;
  TrialFaults faults;
  std::vector<float> values;  ///< what the network saw: [input elements]
  std::vector<float> golden_scores;
  model::Trace trace;
};
TracedTrial trace_trial(const Inputs& inputs, const UnitInput& input, std::uint32_t epoch,
                        Executors& executors);

}  // namespace bitquake::engine
