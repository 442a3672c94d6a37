#include "suite/engine/unit.hpp"

#include "datasets/preprocess.hpp"
#include "metrics/outcome.hpp"
#include "suite/base/sha256.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <span>

namespace bitquake::engine {
namespace {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

std::uint64_t output_hash(const std::vector<float>& output) {
  return output.empty() ? 0 : hash64(std::as_bytes(std::span(output)));
}

std::uint32_t label_rank(const std::vector<float>& scores, std::int64_t label,
                         std::size_t classes) {
  if (label == results::kNoLabel) return 0;
  if (scores.empty()) return static_cast<std::uint32_t>(classes);
  return static_cast<std::uint32_t>(metrics::rank_of(scores, static_cast<std::size_t>(label)));
}

results::GoldenRow golden_row(const Inputs& inputs, std::uint64_t position,
                              const datasets::Sample& sample, const model::GoldenRow& run) {
  results::GoldenRow row;
  row.sample = position;
  row.sample_index = sample.index;
  row.height = sample.height;
  row.width = sample.width;
  row.label = sample.label.value_or(results::kNoLabel);
  row.top1 = metrics::top1(run.output);
  row.label_rank = label_rank(run.output, row.label, inputs.model->classes());
  row.skipped = run.output_finite ? 0 : 1;
  row.top1_probability = row.top1 < 0
                             ? 0
                             : metrics::probability(run.output, static_cast<std::size_t>(row.top1),
                                                    inputs.scenario.model.output);
  row.output_hash = output_hash(run.output);
  return row;
}

/// Number of `text` in the dictionary; it is added when new.
std::uint32_t message_number(std::vector<std::string>& messages, const std::string& text) {
  const auto number = std::find(messages.begin(), messages.end(), text) - messages.begin();
  if (static_cast<std::size_t>(number) == messages.size()) messages.push_back(text);
  return static_cast<std::uint32_t>(number);
}

results::TrialRow trial_row(const Inputs& inputs, std::uint32_t epoch,
                            const results::GoldenRow& golden, const model::GoldenRow& golden_run,
                            const model::TrialResult& result, std::vector<std::string>& messages) {
  const metrics::Verdict verdict =
      metrics::judge(golden_run.output, result.output, inputs.scenario.model.output,
                     result.first_nonfinite.has_value() || !result.failure.empty());
  results::TrialRow row;
  row.trial = inputs.plan.trial(epoch, golden.sample);
  row.epoch = epoch;
  row.sample = golden.sample;
  row.group = inputs.plan.group(epoch, golden.sample);
  const faultgen::FaultGroup& group = inputs.faults.groups[row.group];
  row.first_fault = group.first_fault;
  row.n_faults = group.n_faults;
  row.outcome = static_cast<std::uint8_t>(verdict.outcome);
  row.sdc5 = verdict.sdc5;
  row.sdc10 = verdict.sdc10;
  row.sdc20 = verdict.sdc20;
  row.faulty_top1 = verdict.faulty_top1;
  row.label_rank = label_rank(result.output, golden.label, inputs.model->classes());
  row.golden_probability = verdict.golden_probability;
  row.faulty_probability = verdict.faulty_probability;
  if (result.first_nonfinite) {
    row.first_nonfinite = static_cast<std::int32_t>(*result.first_nonfinite);
  }
  row.any_nonfinite = result.any_nonfinite;
  if (!result.failure.empty()) row.message = message_number(messages, result.failure);
  row.output_hash = output_hash(result.output);
  return row;
}

void append_injections(const results::TrialRow& trial, const model::TrialResult& result,
                       std::vector<results::InjectionRow>& rows) {
  for (std::size_t i = 0; i < result.injections.size(); ++i) {
    const model::Injection& injection = result.injections[i];
    rows.push_back({trial.trial, trial.first_fault + i, injection.reached, injection.original_bits,
                    injection.corrupted_bits});
  }
}

std::unique_ptr<model::GoldenBlock> golden_block(const UnitInput& input,
                                                 model::Executor& executor) {
  try {
    return executor.golden(input.values);
  } catch (const model::GoldenFailure& failure) {
    const datasets::Sample& sample = input.samples[failure.row()];
    throw Exception({Errc::model, sample.file,
                     fmt::format("the model fails on sample {} without any fault: {}", sample.index,
                                 failure.what()),
                     "leave the sample out, or mend the model", ""});
  }
}

}  // namespace

UnitInput decode_unit(const Inputs& inputs, std::uint64_t unit) {
  const SampleRange range = inputs.plan.samples_of(unit);
  const std::uint64_t elements = faultgen::element_count(inputs.scenario.model.input);
  UnitInput input{unit, {}, std::vector<float>((range.last - range.first) * elements)};
  for (std::uint64_t i = range.first; i < range.last; ++i) {
    input.samples.push_back(value_or_throw(inputs.data->get(i)));
    const datasets::Sample& sample = input.samples.back();
    if (sample.label && *sample.label >= static_cast<std::int64_t>(inputs.model->classes())) {
      throw Exception({Errc::data, sample.file,
                       fmt::format("sample {} has label {}, but the model has {} classes",
                                   sample.index, *sample.label, inputs.model->classes()),
                       "use the labels the model was trained with", ""});
    }
    value_or_throw(datasets::to_input(
        sample, inputs.scenario.preprocess, inputs.scenario.model.input,
        std::span(input.values).subspan((i - range.first) * elements, elements)));
  }
  return input;
}

UnitRows run_unit(const Inputs& inputs, const UnitInput& input, model::Executor& executor) {
  UnitRows rows;
  rows.unit = input.unit;
  const std::uint64_t first = inputs.plan.samples_of(input.unit).first;

  const Stopwatch golden_time;
  const auto block = golden_block(input, executor);
  rows.golden_s = golden_time.seconds();
  for (std::size_t i = 0; i < input.samples.size(); ++i) {
    rows.golden.push_back(golden_row(inputs, first + i, input.samples[i], block->row(i)));
  }

  std::vector<model::Trial> trials;
  std::vector<std::uint32_t> epochs;
  for (std::uint32_t epoch = 0; epoch < inputs.plan.epochs(); ++epoch) {
    for (std::size_t i = 0; i < input.samples.size(); ++i) {
      if (rows.golden[i].skipped != 0) continue;
      const auto& group = inputs.faults.groups[inputs.plan.group(epoch, first + i)];
      trials.push_back({i, inputs.faults.faults_of(group)});
      epochs.push_back(epoch);
    }
  }
  const Stopwatch faulty_time;
  const std::vector<model::TrialResult> results = executor.trials(*block, trials);
  rows.faulty_s = faulty_time.seconds();
  for (std::size_t i = 0; i < trials.size(); ++i) {
    const std::size_t sample = trials[i].golden_row;
    rows.trials.push_back(trial_row(inputs, epochs[i], rows.golden[sample], block->row(sample),
                                    results[i], rows.messages));
    append_injections(rows.trials.back(), results[i], rows.injections);
  }
  return rows;
}

}  // namespace bitquake::engine
