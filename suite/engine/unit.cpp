#include "suite/engine/unit.hpp"

#include "datasets/preprocess.hpp"
#include "metrics/outcome.hpp"
#include "suite/base/rng.hpp"
#include "suite/base/sha256.hpp"
#include "suite/engine/perturb.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

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

/// All NaNs count as one: which payload comes out where two meet depends on the order of operands
/// that a compiler chose.
std::uint64_t output_hash(std::vector<float> output) {
  if (output.empty()) return 0;
  for (float& x : output) {
    if (std::isnan(x)) x = std::numeric_limits<float>::quiet_NaN();
  }
  return hash64(std::as_bytes(std::span(output)));
}

std::uint32_t label_rank(const std::vector<float>& scores, std::int64_t label,
                         std::size_t classes) {
  if (label == results::kNoLabel) return 0;
  if (scores.empty()) return static_cast<std::uint32_t>(classes);
  return static_cast<std::uint32_t>(metrics::rank_of(scores, static_cast<std::size_t>(label)));
}

/// What is known of a sample whether it can be read or not.
results::GoldenRow sample_row(const results::Condition& condition, std::uint64_t position,
                              const datasets::Sample& sample) {
  results::GoldenRow row;
  row.variant = condition.variant;
  row.perturbation = condition.perturbation;
  row.sample = position;
  row.sample_index = sample.index;
  row.file = sample.file_number;
  row.id = sample.id;
  return row;
}

results::GoldenRow golden_row(const Inputs& inputs, const results::Condition& condition,
                              std::uint64_t position, const datasets::Sample& sample,
                              const model::GoldenRow& run) {
  results::GoldenRow row = sample_row(condition, position, sample);
  row.height = sample.height;
  row.width = sample.width;
  row.content_hash = sample.content_hash;
  row.label = sample.label.value_or(results::kNoLabel);
  row.top1 = metrics::top1(run.output);
  row.label_rank = label_rank(run.output, row.label, inputs.model->classes());
  row.skipped = static_cast<std::uint8_t>(
      run.output_finite ? results::SkipReason::none : results::SkipReason::golden_not_finite);
  row.top1_probability = row.top1 < 0
                             ? 0
                             : metrics::probability(run.output, static_cast<std::size_t>(row.top1),
                                                    inputs.scenario.model.output);
  row.alarms = static_cast<std::uint32_t>(run.alarms.size());
  if (!run.alarms.empty()) row.alarm = inputs.guard_row(condition.variant, run.alarms.front());
  row.output_hash = output_hash(run.output);
  return row;
}

/// Number of `text` in the dictionary; it is added when new.
std::uint32_t message_number(std::vector<std::string>& messages, const std::string& text) {
  const auto number = std::find(messages.begin(), messages.end(), text) - messages.begin();
  if (static_cast<std::size_t>(number) == messages.size()) messages.push_back(text);
  return static_cast<std::uint32_t>(number);
}

/// Appends the faults of a group.
void append_group(const faultgen::FaultSet& set, std::uint64_t number, TrialFaults& all) {
  const faultgen::FaultGroup& group = set.groups[number];
  for (std::uint64_t i = 0; i < group.n_faults; ++i) {
    all.ids.push_back(group.first_fault + i);
    all.faults.push_back(set.faults[group.first_fault + i]);
  }
}

/// Says which of the faults act on a sample.
void draw_activity(const faultgen::FaultSet& set, std::uint64_t sample, TrialFaults& present) {
  present.active.clear();
  for (const std::uint64_t id : present.ids) present.active.push_back(acts(set, id, sample));
}

/// Rows of the fault set: those listed, or where they follow each other the first of them.
struct FaultIds {
  std::uint64_t first = 0;
  std::span<const std::uint64_t> listed{};
  std::uint64_t operator[](std::size_t i) const { return listed.empty() ? first + i : listed[i]; }
};

/// The faults of a unit's trials. Where groups accumulate, those of a slot are gathered epoch by
/// epoch: a trial has the first of them.
class UnitFaults {
 public:
  UnitFaults(const Inputs& inputs, SampleRange samples) : inputs_(inputs) {
    if (inputs.scenario.run_type == faultgen::RunType::single) {
      prefetch(samples);
      return;
    }
    const faultgen::Schedule& schedule = inputs.plan.schedule();
    first_slot_ = schedule.slot_of(samples.first);
    const std::uint64_t slots = schedule.slot_of(samples.last - 1) - first_slot_ + 1;
    for (std::uint64_t slot = 0; slot < slots; ++slot) slots_.push_back(gather(first_slot_ + slot));
  }

  struct OfTrial {
    std::span<const faultgen::Fault> faults;
    FaultIds ids;
  };
  OfTrial of(std::uint32_t epoch, std::uint64_t sample) const {
    if (slots_.empty()) {
      const faultgen::FaultGroup& group = inputs_.faults.groups[inputs_.plan.group(epoch, sample)];
      return {inputs_.faults.faults_of(group), {group.first_fault}};
    }
    const Slot& slot = slots_[inputs_.plan.schedule().slot_of(sample) - first_slot_];
    const std::size_t last = slot.ends[epoch];
    return {std::span(slot.all.faults).first(last), {0, std::span(slot.all.ids).first(last)}};
  }

 private:
  struct Slot {
    TrialFaults all;
    std::vector<std::size_t> ends;  ///< of each epoch
  };

  /// Those of each epoch lie apart.
  void prefetch(SampleRange samples) const {
    const auto& groups = inputs_.faults.groups;
    if (!groups.in_file() && !inputs_.faults.faults.in_file()) return;
    const auto for_epochs = [&](auto call) {
      for (std::uint32_t epoch = 0; epoch < inputs_.plan.epochs(); ++epoch) {
        const std::uint64_t last = inputs_.plan.group(epoch, samples.last - 1);
        if (last < groups.size()) call(inputs_.plan.group(epoch, samples.first), last);
      }
    };
    for_epochs(
        [&](std::uint64_t first, std::uint64_t last) { groups.prefetch(first, last - first + 1); });
    for_epochs([&](std::uint64_t first, std::uint64_t last) {
      const std::uint64_t fault = groups[first].first_fault;
      inputs_.faults.faults.prefetch(fault,
                                     groups[last].first_fault + groups[last].n_faults - fault);
    });
  }

  Slot gather(std::uint64_t number) {
    Slot slot;
    for (std::uint64_t epoch = 0; epoch < inputs_.plan.epochs(); ++epoch) {
      const std::uint64_t group = epoch * inputs_.plan.slots() + number;
      if (group < inputs_.plan.groups()) append_group(inputs_.faults, group, slot.all);
      slot.ends.push_back(slot.all.ids.size());
    }
    return slot;
  }

  const Inputs& inputs_;
  std::uint64_t first_slot_ = 0;
  std::vector<Slot> slots_;  ///< empty: groups do not accumulate
};

/// Makes the rows of a unit's trials, behind those there are.
class RowMaker {
 public:
  /// @param golden  rows of `block`
  RowMaker(const Inputs& inputs, const model::GoldenBlock& block,
           std::span<const results::GoldenRow> golden, UnitRows& rows)
      : inputs_(inputs), block_(block), golden_(golden), rows_(rows), unchanged_(golden.size()) {}

  /// @param faults  number of those present
  /// @param ids     theirs
  /// @param active  which of them act, those that `result` is of; empty: all
  void append(std::uint32_t epoch, std::size_t sample, std::size_t faults, FaultIds ids,
              std::span<const std::uint8_t> active, const model::TrialResult& result) {
    rows_.trials.push_back(trial_row(epoch, sample, faults, result));
    const std::uint64_t trial = rows_.trials.back().trial;
    std::size_t next = 0;
    for (std::size_t i = 0; i < faults; ++i) {
      if (!active.empty() && active[i] == 0) {
        rows_.injections.push_back({trial, ids[i], 0, 0, 0, 0});
        continue;
      }
      const model::Injection& injection = result.injections[next++];
      rows_.injections.push_back(
          {trial, ids[i], 1, injection.reached, injection.original_bits, injection.corrupted_bits});
    }
    append_observed(trial, golden_[sample].variant, result);
  }

 private:
  void append_observed(std::uint64_t trial, std::uint32_t variant,
                       const model::TrialResult& result) {
    results::Observed& seen = rows_.observed;
    const auto note = [&](results::Monitor monitor, std::uint32_t place) {
      seen.monitors.push_back({trial, static_cast<std::uint8_t>(monitor), place});
    };
    for (const std::uint32_t point : result.nonfinite) note(results::Monitor::nonfinite, point);
    for (const std::uint32_t guard : result.alarms) {
      note(results::Monitor::alarm, static_cast<std::uint32_t>(inputs_.guard_row(variant, guard)));
    }
    for (const model::PointDeviation& at : result.deviations) {
      seen.deviations.push_back(
          {trial, at.point, at.differing, at.nonfinite, at.max_abs, at.rel_l2});
    }
  }

  /// What follows from the scores of a trial.
  struct Judged {
    metrics::Verdict verdict;
    std::uint32_t label_rank = 0;
    std::uint64_t output_hash = 0;
  };

  Judged judge(std::size_t sample, const std::vector<float>& scores, bool detected) const {
    return {
        metrics::judge(block_.row(sample).output, scores, inputs_.scenario.model.output, detected),
        label_rank(scores, golden_[sample].label, inputs_.model->classes()), output_hash(scores)};
  }

  /// Most trials change nothing: what comes of those is found once for each sample.
  const Judged& unchanged(std::size_t sample) {
    std::optional<Judged>& known = unchanged_[sample];
    if (known) return *known;
    const results::GoldenRow& golden = golden_[sample];
    const std::vector<float>& scores = block_.row(sample).output;
    return known.emplace(
        Judged{metrics::judge(scores, scores, inputs_.scenario.model.output, false),
               golden.label_rank, golden.output_hash});
  }

  results::TrialRow trial_row(std::uint32_t epoch, std::size_t sample, std::size_t faults,
                              const model::TrialResult& result) {
    const bool detected = result.first_nonfinite.has_value() || !result.failure.empty();
    const bool same = !detected && metrics::same_bits(block_.row(sample).output, result.output);
    const Judged judged = same ? unchanged(sample) : judge(sample, result.output, detected);
    const metrics::Verdict& verdict = judged.verdict;
    const results::Condition condition = golden_[sample].condition();
    const std::uint64_t position = golden_[sample].sample;
    results::TrialRow row;
    row.trial = inputs_.plan.trial({condition.perturbation, epoch, position, condition.variant});
    row.variant = condition.variant;
    row.perturbation = condition.perturbation;
    row.epoch = epoch;
    row.sample = position;
    row.group = inputs_.plan.group(epoch, position);
    row.first_fault = inputs_.faults.groups[row.group].first_fault;
    row.n_faults = static_cast<std::uint32_t>(faults);
    row.outcome = static_cast<std::uint8_t>(verdict.outcome);
    row.sdc5 = verdict.sdc5;
    row.sdc10 = verdict.sdc10;
    row.sdc20 = verdict.sdc20;
    row.faulty_top1 = verdict.faulty_top1;
    row.label_rank = judged.label_rank;
    row.golden_probability = verdict.golden_probability;
    row.faulty_probability = verdict.faulty_probability;
    if (result.first_nonfinite) {
      row.first_nonfinite = static_cast<std::int32_t>(*result.first_nonfinite);
    }
    row.nonfinite_points = static_cast<std::uint32_t>(result.nonfinite.size());
    row.any_nonfinite = result.any_nonfinite;
    row.alarms = static_cast<std::uint32_t>(result.alarms.size());
    if (result.first_alarm) {
      row.detected = 1;
      row.corrected = verdict.outcome == metrics::Outcome::masked ||
                      verdict.outcome == metrics::Outcome::benign;
      row.alarm = inputs_.guard_row(condition.variant, *result.first_alarm);
    }
    if (!result.failure.empty()) row.message = message_number(rows_.messages, result.failure);
    row.output_hash = judged.output_hash;
    return row;
  }

  const Inputs& inputs_;
  const model::GoldenBlock& block_;
  std::span<const results::GoldenRow> golden_;
  UnitRows& rows_;
  std::vector<std::optional<Judged>> unchanged_;  ///< by sample
};

/// Trials of a unit, run when there are many enough to fill batches: a unit of many epochs has more
/// than memory should hold at once.
class TrialSlice {
 public:
  /// @param golden  rows of `block`
  TrialSlice(const Inputs& inputs, const model::GoldenBlock& block,
             std::span<const results::GoldenRow> golden, model::Executor& executor, UnitRows& rows)
      : inputs_(inputs),
        block_(block),
        golden_(golden),
        executor_(executor),
        rows_(rows),
        maker_(inputs, block, golden, rows) {}

  /// @param sample  of the unit
  /// @param faults  that are present: what they refer to must outlive the slice
  void add(std::uint32_t epoch, std::size_t sample, const UnitFaults::OfTrial& faults) {
    Entry& entry = entries_.emplace_back();
    entry.epoch = epoch;
    entry.sample = sample;
    entry.present = faults;
    entry.acting = faults.faults;
    const bool permanent = std::all_of(faults.faults.begin(), faults.faults.end(),
                                       [](const auto& f) { return f.active_probability >= 1; });
    if (!permanent) draw_activity(entry);
    if (entries_.size() == kMost) run();
  }
  void run() {
    std::vector<model::Trial> trials;
    trials.reserve(entries_.size());
    for (const Entry& entry : entries_) trials.push_back({entry.sample, entry.acting});
    const Stopwatch time;
    const std::vector<model::TrialResult> results = executor_.trials(block_, trials);
    rows_.faulty_s += time.seconds();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      maker_.append(entry.epoch, entry.sample, entry.present.faults.size(), entry.present.ids,
                    entry.active, results[i]);
    }
    entries_.clear();
  }

 private:
  struct Entry {
    std::uint32_t epoch = 0;
    std::size_t sample = 0;
    UnitFaults::OfTrial present;
    std::span<const faultgen::Fault> acting;
    std::vector<std::uint8_t> active;     ///< which of those present act; empty: all
    std::vector<faultgen::Fault> chosen;  ///< then these
  };

  void draw_activity(Entry& entry) const {
    const std::uint64_t position = golden_[entry.sample].sample;
    for (std::size_t i = 0; i < entry.present.faults.size(); ++i) {
      entry.active.push_back(acts(inputs_.faults, entry.present.ids[i], position));
      if (entry.active.back() != 0) entry.chosen.push_back(entry.present.faults[i]);
    }
    entry.acting = entry.chosen;
  }

  static constexpr std::size_t kMost = 16384;

  const Inputs& inputs_;
  const model::GoldenBlock& block_;
  std::span<const results::GoldenRow> golden_;
  model::Executor& executor_;
  UnitRows& rows_;
  RowMaker maker_;
  std::vector<Entry> entries_;
};

/// Appends the golden rows of a block and gives them.
std::span<const results::GoldenRow> add_golden(const Inputs& inputs, const UnitInput& input,
                                               std::uint32_t variant,
                                               std::span<const std::uint32_t> perturbations,
                                               const model::GoldenBlock& block, UnitRows& rows) {
  for (std::size_t i = 0; i < input.samples.size(); ++i) {
    const results::Condition condition{variant, perturbations[i]};
    if (!input.unreadable[i].empty()) {
      rows.golden.push_back(sample_row(condition, input.positions[i], input.samples[i]));
      rows.golden.back().skipped = static_cast<std::uint8_t>(results::SkipReason::unreadable);
      continue;
    }
    rows.golden.push_back(
        golden_row(inputs, condition, input.positions[i], input.samples[i], block.row(i)));
  }
  return std::span(rows.golden).last(input.samples.size());
}

/// Stands for a sample whose image cannot be read.
datasets::Sample unread_sample(const datasets::Dataset& data, std::uint64_t position) {
  const datasets::Entry entry = data.entry(position);
  datasets::Sample sample;
  sample.file_number = entry.file_number;
  sample.index = entry.index;
  sample.id = entry.id;
  return sample;
}

}  // namespace

UnitInput decode_unit(const Inputs& inputs, std::uint64_t unit) {
  const SampleRange range = inputs.plan.samples_of(unit);
  std::vector<std::uint64_t> positions(range.last - range.first);
  std::iota(positions.begin(), positions.end(), range.first);
  UnitInput input = decode_samples(inputs, std::move(positions), {});
  input.unit = unit;
  return input;
}

UnitInput decode_samples(const Inputs& inputs, std::vector<std::uint64_t> positions,
                         std::vector<std::uint32_t> perturbations, std::uint32_t variant) {
  UnitInput input{0, std::move(positions), variant, std::move(perturbations), {}, {}};
  for (const std::uint64_t position : input.positions) {
    auto read =
        read_sample(inputs.scenario, *inputs.data, position, input.unreadable.emplace_back());
    if (!read) {
      input.samples.push_back(unread_sample(*inputs.data, position));
      continue;
    }
    input.samples.push_back(*std::move(read));
    const datasets::Sample& sample = input.samples.back();
    if (sample.label && *sample.label >= static_cast<std::int64_t>(inputs.model->classes())) {
      throw Exception({Errc::data, sample.file,
                       fmt::format("sample {} has label {}, but the model has {} classes",
                                   sample.index, *sample.label, inputs.model->classes()),
                       "use the labels the model was trained with", ""});
    }
  }
  return input;
}

std::vector<float> network_input(const scenario::Scenario& scenario,
                                 std::span<const datasets::Sample> samples,
                                 std::span<const std::uint32_t> perturbations) {
  const std::uint64_t elements = faultgen::element_count(scenario.model.input);
  std::vector<float> values(samples.size() * elements);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (samples[i].image.empty()) continue;  // unreadable
    value_or_throw(datasets::to_input(perturbed(scenario, samples[i], perturbations[i]),
                                      scenario.preprocess, scenario.model.input,
                                      std::span(values).subspan(i * elements, elements)));
  }
  return values;
}

std::unique_ptr<model::GoldenBlock> run_golden(const UnitInput& input,
                                               const std::vector<float>& values,
                                               model::Executor& executor) {
  try {
    return executor.golden(values);
  } catch (const model::GoldenFailure& failure) {
    const datasets::Sample& sample = input.samples[failure.row()];
    throw Exception({Errc::model, sample.file,
                     fmt::format("the model fails on sample {} without any fault: {}", sample.index,
                                 failure.what()),
                     "leave the sample out, or mend the model", ""});
  }
}

UnitRows run_unit(const Inputs& inputs, const UnitInput& input, Executors& executors) {
  UnitRows rows;
  rows.unit = input.unit;
  rows.golden.reserve(input.samples.size() * inputs.plan.conditions());
  rows.variant_times.resize(inputs.plan.variants());
  const SampleRange range = inputs.plan.samples_of(input.unit);
  for (std::size_t i = 0; i < input.samples.size(); ++i) {
    if (input.unreadable[i].empty()) continue;
    rows.notices.push_back(
        fmt::format("sample {} is skipped: {}", input.positions[i], input.unreadable[i]));
  }
  const UnitFaults faults(inputs, range);
  for (std::uint32_t perturbation = 0; perturbation < inputs.plan.perturbations(); ++perturbation) {
    const std::vector<std::uint32_t> perturbations(input.samples.size(), perturbation);
    const Stopwatch perturb_time;
    const auto values = network_input(inputs.scenario, input.samples, perturbations);
    rows.perturb_s += perturb_time.seconds();
    for (std::uint32_t variant = 0; variant < inputs.plan.variants(); ++variant) {
      model::Executor& executor = executors.of(variant);
      const Stopwatch golden_time;
      const auto block = run_golden(input, values, executor);
      UnitRows::VariantTime& time = rows.variant_times[variant];
      time.golden_s += golden_time.seconds();
      const auto golden = add_golden(inputs, input, variant, perturbations, *block, rows);

      TrialSlice slice(inputs, *block, golden, executor, rows);
      for (std::uint32_t epoch = 0; epoch < inputs.plan.epochs(); ++epoch) {
        for (std::size_t i = 0; i < input.samples.size(); ++i) {
          const std::uint64_t sample = range.first + i;
          if (golden[i].skipped != 0 || !inputs.plan.has_trial(epoch, sample)) continue;
          slice.add(epoch, i, faults.of(epoch, sample));
        }
      }
      slice.run();
      time.faulty_s += std::exchange(rows.faulty_s, 0);
    }
  }
  for (const UnitRows::VariantTime& time : rows.variant_times) {
    rows.golden_s += time.golden_s;
    rows.faulty_s += time.faulty_s;
  }
  return rows;
}

TrialFaults faults_of_trial(const faultgen::FaultSet& set, const Plan& plan,
                            faultgen::RunType run_type, std::uint32_t epoch, std::uint64_t sample) {
  TrialFaults present;
  const bool single = run_type == faultgen::RunType::single;
  for (std::uint32_t e = single ? epoch : 0; e <= epoch; ++e) {
    append_group(set, plan.group(e, sample), present);
  }
  draw_activity(set, sample, present);
  return present;
}

std::vector<faultgen::Fault> TrialFaults::acting() const {
  std::vector<faultgen::Fault> chosen;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    if (active[i] != 0) chosen.push_back(faults[i]);
  }
  return chosen;
}

bool acts(const faultgen::FaultSet& set, std::uint64_t id, std::uint64_t sample) {
  const double probability = set.faults[id].active_probability;
  if (probability >= 1) return true;
  // Faults and samples are fewer than 2^30 and 2^34: each pair has a number of its own.
  constexpr unsigned kSampleBits = 34;
  const std::uint64_t pair = (id << kSampleBits) | sample;
  return Draws(set.provenance.seed, Stream::fault_activity, pair).uniform() < probability;
}

UnitRows run_chosen(const Inputs& inputs, const UnitInput& input,
                    std::span<const ChosenTrial> chosen, Executors& executors) {
  model::Executor& executor = executors.of(input.variant);
  UnitRows rows;
  rows.unit = input.unit;
  const auto values = network_input(inputs.scenario, input.samples, input.perturbations);
  const auto block = run_golden(input, values, executor);
  const auto golden = add_golden(inputs, input, input.variant, input.perturbations, *block, rows);
  std::vector<TrialFaults> faults;  // what the slice refers to
  faults.reserve(chosen.size());
  TrialSlice slice(inputs, *block, golden, executor, rows);
  for (const ChosenTrial& trial : chosen) {
    if (golden[trial.sample].skipped != 0) continue;
    const TrialFaults& present =
        faults.emplace_back(faults_of_trial(inputs.faults, inputs.plan, inputs.scenario.run_type,
                                            trial.epoch, input.positions[trial.sample]));
    slice.add(trial.epoch, trial.sample, {present.faults, {0, present.ids}});
  }
  slice.run();
  return rows;
}

TracedTrial trace_trial(const Inputs& inputs, const UnitInput& input, std::uint32_t epoch,
                        Executors& executors) {
  model::Executor& executor = executors.of(input.variant);
  TracedTrial traced;
  traced.values = network_input(inputs.scenario, input.samples, input.perturbations);
  const auto block = run_golden(input, traced.values, executor);
  const auto golden =
      add_golden(inputs, input, input.variant, input.perturbations, *block, traced.rows);
  traced.golden_scores = block->row(0).output;
  traced.faults = faults_of_trial(inputs.faults, inputs.plan, inputs.scenario.run_type, epoch,
                                  input.positions[0]);
  if (golden[0].skipped != 0) return traced;
  const std::vector<faultgen::Fault> acting = traced.faults.acting();
  traced.trace = executor.trace(*block, {0, acting});
  RowMaker(inputs, *block, golden, traced.rows)
      .append(epoch, 0, traced.faults.ids.size(), {0, traced.faults.ids}, traced.faults.active,
              traced.trace.result);
  return traced;
}

}  // namespace bitquake::engine
