#include "tests/support/toy_model.hpp"

#include "faultgen/bits.hpp"
#include "suite/model/evidence.hpp"
#include "suite/model/guard.hpp"
#include "suite/model/trace.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <optional>
#include <set>
#include <utility>

namespace bitquake::test {
namespace {

using faultgen::Fault;
using faultgen::Target;
using model::Injection;

template <std::size_t N>
using Values = std::array<float, N>;

struct Activations {
  Values<kToyHidden> fc1{}, clamp{};
  Values<kToyClasses> fc2{}, output{};
  std::vector<std::uint32_t> alarms;  ///< ascending
};

/// Guards with their numbers: by site, those of its weight first.
struct ToyGuards {
  std::vector<model::PlacedGuard> all;
  std::vector<std::pair<std::uint32_t, model::Guard>> outputs;
  std::vector<std::pair<std::uint32_t, model::WeightGuard>> weights;

  explicit ToyGuards(const model::Protection& protection) {
    for (std::uint32_t site = 0; site < 2; ++site) {
      const auto number = [&](Target target, std::string name) {
        all.push_back({site, target, std::move(name)});
        return static_cast<std::uint32_t>(all.size() - 1);
      };
      for (const model::WeightGuard& guard : protection.weights) {
        if (guard.site == site) weights.emplace_back(number(Target::weight, guard.code), guard);
      }
      for (const model::Guard& guard : protection.guards) {
        if (guard.site != site) continue;
        const std::string name(name_of(model::kGuardKinds, guard.kind));
        outputs.emplace_back(number(Target::neuron, name), guard);
      }
    }
  }

  /// What later layers get of the output of a site.
  template <std::size_t N>
  Values<N> after(std::uint32_t site, Values<N> values, std::vector<std::uint32_t>& alarms) const {
    for (const auto& [number, guard] : outputs) {
      if (guard.site != site) continue;
      bool alarm = false;
      for (std::size_t i = 0; i < N; ++i) {
        const float low = guard.low[guard.low.size() == 1 ? 0 : i];
        const float high = guard.high[guard.high.size() == 1 ? 0 : i];
        alarm |= model::is_outside(values[i], low, high);
        if (guard.kind == model::GuardKind::detector) continue;
        values[i] = model::guarded(guard.kind, guard.sanitise, values[i], low, high);
      }
      if (alarm) alarms.push_back(number);
    }
    return values;
  }
};

template <std::size_t Out, std::size_t In>
Values<Out> linear(std::span<const float, In> input, const std::array<float, Out * In>& weight,
                   const Values<Out>& bias) {
  Values<Out> output = bias;
  for (std::size_t o = 0; o < Out; ++o) {
    for (std::size_t i = 0; i < In; ++i) output[o] += weight[o * In + i] * input[i];
    if (std::isnan(output[o])) output[o] = std::numeric_limits<float>::quiet_NaN();
  }
  return output;
}

/// As torch.clamp: comparisons with NaN are false, so NaN stays.
float clamp(float x) { return x < 0 ? 0 : x > 6 ? 6 : x; }

bool is_pixel(float input, std::uint8_t pixel) {
  return input == static_cast<float>(pixel / 255.0);
}

/// Changes an activation between two layers.
using Hook = std::function<void(std::uint32_t site, std::span<float> output)>;

Activations forward(const ToyParameters& parameters, const ToyGuards& guards,
                    std::span<const float, kToyInputs> input, const Hook& after_site) {
  Activations run;
  run.fc1 = linear<kToyHidden, kToyInputs>(input, parameters.weight1, parameters.bias1);
  if (is_pixel(input[0], kInfiniteNeuronPixel)) {
    run.fc1[0] = std::numeric_limits<float>::infinity();
  }
  after_site(0, run.fc1);
  const auto hidden = guards.after(0, run.fc1, run.alarms);
  std::transform(hidden.begin(), hidden.end(), run.clamp.begin(), clamp);
  run.fc2 = linear<kToyClasses, kToyHidden>(run.clamp, parameters.weight2, parameters.bias2);
  if (is_pixel(input[0], kNanOutputPixel)) run.fc2[0] = std::numeric_limits<float>::quiet_NaN();
  after_site(1, run.fc2);
  run.output = guards.after(1, run.fc2, run.alarms);
  return run;
}

class ToyBlock : public model::GoldenBlock {
 public:
  std::size_t size() const override { return rows.size(); }
  const model::GoldenRow& row(std::size_t index) const override { return rows[index]; }

  std::vector<float> inputs;
  std::vector<Activations> runs;
  mutable std::vector<model::GoldenRow> rows;  ///< mutable for Defect::golden_polluted alone

  std::span<const float, kToyInputs> input(std::size_t index) const {
    return std::span<const float, kToyInputs>(inputs.data() + index * kToyInputs, kToyInputs);
  }
};

/// One faulty inference.
class ToyRun {
 public:
  ToyRun(std::span<const Fault> faults, const ToySettings& settings, const ToyGuards& guards)
      : defect_(settings.defect), deviation_(settings.deviation), guards_(guards) {
    faults_.assign(faults.begin(), faults.end());
    result_.injections.resize(faults.size());
  }

  /// Faults to apply besides the trial's own, unrecorded.
  void also(const std::vector<Fault>& more) {
    faults_.insert(faults_.end(), more.begin(), more.end());
  }

  model::TrialResult run(std::span<const float, kToyInputs> input, const Activations& golden) {
    ToyParameters parameters = toy_parameters();
    inject(Target::weight, 0, parameters.weight1);
    inject(Target::weight, 1, parameters.weight2);
    read_coded(parameters);
    const Activations faulty =
        forward(parameters, guards_, input, [&](std::uint32_t site, std::span<float> output) {
          inject(Target::neuron, site, output);
          values[site].assign(output.begin(), output.end());
        });
    watch_weights(0, kFc1Weight, parameters.weight1);
    watch(kFc1Output, golden.fc1, faulty.fc1);
    watch(kClampOutput, golden.clamp, faulty.clamp);
    watch_weights(1, kFc2Weight, parameters.weight2);
    watch(kFc2Output, golden.fc2, faulty.fc2);
    watch(kFinalOutput, golden.output, faulty.output);
    for (const std::uint32_t guard : faulty.alarms) {
      const auto& known = golden.alarms;
      if (std::find(known.begin(), known.end(), guard) == known.end()) {
        model::note_alarm(result_, guard);
      }
    }
    result_.output.assign(faulty.output.begin(), faulty.output.end());
    return std::move(result_);
  }

  model::SiteValues values;  ///< of the sites, faults included

 private:
  void inject(Target target, std::uint32_t site, std::span<float> tensor) {
    for (std::size_t i = 0; i < faults_.size(); ++i) {
      if (faults_[i].target != target || faults_[i].site != site) continue;
      if (defect_ == Defect::first_fault_only && i > 0) continue;
      const Injection injection = apply(faults_[i], tensor);
      if (i < result_.injections.size()) result_.injections[i] = injection;
      if (defect_ == Defect::applied_twice) apply(faults_[i], tensor);
    }
  }

  void read_coded(ToyParameters& faulty) {
    const ToyParameters sound = toy_parameters();
    for (const auto& [number, guard] : guards_.weights) {
      std::set<std::uint64_t> elements;
      for (const Fault& fault : faults_) {
        const bool here = fault.target == Target::weight && fault.site == guard.site;
        if (here) elements.insert(fault.element);
      }
      const bool first = guard.site == 0;
      const std::span<const float> before =
          first ? std::span<const float>(sound.weight1) : std::span<const float>(sound.weight2);
      const std::span<float> after =
          first ? std::span<float>(faulty.weight1) : std::span<float>(faulty.weight2);
      const bool alarm = model::read_through(
          guard, elements, before.size(), [&](std::uint64_t i) { return before[i]; },
          [&](std::uint64_t i) -> float& { return after[i]; });
      if (alarm) model::note_alarm(result_, number);
    }
  }

  Injection apply(const Fault& fault, std::span<float> tensor) const {
    const std::size_t shift = defect_ == Defect::wrong_element ? 1 : 0;
    Fault applied = fault;
    const auto mask = static_cast<std::uint32_t>(fault.bit_mask);
    if (defect_ == Defect::wrong_bit) applied.bit_mask = (mask << 1U) | (mask >> 31U);
    Injection injection;
    model::inject(applied, &tensor[(fault.element + shift) % tensor.size()], injection);
    return injection;
  }

  void watch_weights(std::uint32_t site, std::uint32_t point, std::span<const float> weights) {
    for (const Fault& fault : faults_) {
      if (fault.target != Target::weight || fault.site != site) continue;
      if (!std::isfinite(weights[fault.element])) note(point);
    }
  }

  void watch(std::uint32_t point, std::span<const float> golden, std::span<const float> faulty) {
    for (std::size_t i = 0; i < faulty.size(); ++i) {
      if (std::isfinite(faulty[i])) continue;
      result_.any_nonfinite = true;
      if (std::isfinite(golden[i])) note(point);
    }
    if (!deviation_) return;
    model::Deviation sum;
    sum.add(golden, faulty);
    model::note_deviation(result_, point, sum, model::sum_of_squares(golden));
  }

  void note(std::uint32_t point) {
    if (!result_.first_nonfinite) result_.first_nonfinite = point;
    model::insert_once(result_.nonfinite, point);
  }

  Defect defect_;
  bool deviation_;
  const ToyGuards& guards_;
  std::vector<Fault> faults_;
  model::TrialResult result_;
};

class ToyExecutor : public model::Executor {
 public:
  ToyExecutor(const ToySettings& settings, const model::ExecutionOptions& options)
      : settings_(settings),
        guards_(settings.protection),
        reference_(options.execution == model::Execution::reference) {}

  std::unique_ptr<model::GoldenBlock> golden(std::span<const float> inputs) override {
    auto block = std::make_unique<ToyBlock>();
    block->inputs.assign(inputs.begin(), inputs.end());
    for (std::size_t i = 0; i < inputs.size() / kToyInputs; ++i) {
      const Activations run =
          forward(toy_parameters(), guards_, block->input(i), [](auto, auto) {});
      block->runs.push_back(run);
      const bool finite = std::all_of(run.output.begin(), run.output.end(),
                                      [](float value) { return std::isfinite(value); });
      block->rows.push_back({{run.output.begin(), run.output.end()}, finite, run.alarms});
    }
    return block;
  }

  std::vector<model::TrialResult> trials(const model::GoldenBlock& block,
                                         std::span<const model::Trial> trials) override {
    const auto& golden = dynamic_cast<const ToyBlock&>(block);
    std::vector<model::TrialResult> results;
    for (const model::Trial& trial : trials) results.push_back(trace(golden, trial).result);
    return results;
  }

  model::Trace trace(const model::GoldenBlock& block, const model::Trial& trial) override {
    const auto& golden = dynamic_cast<const ToyBlock&>(block);
    ToyRun toy(trial.faults, settings_, guards_);
    model::Trace trace;
    trace.result = run(toy, golden, trial);
    const Activations& sound = golden.runs[trial.golden_row];
    const model::SiteValues known{{0, {sound.fc1.begin(), sound.fc1.end()}},
                                  {1, {sound.fc2.begin(), sound.fc2.end()}}};
    const std::size_t sites = known.size() + settings_.more_sites.size();
    trace.sites = model::deviations(sites, known, toy.values);
    return trace;
  }

 private:
  model::TrialResult run(ToyRun& run, const ToyBlock& golden, const model::Trial& trial) {
    if (settings_.defect == Defect::left_behind) {
      run.also(left_behind_);
      left_behind_.assign(trial.faults.begin(), trial.faults.end());
    }
    std::size_t sample = trial.golden_row;
    if (settings_.defect == Defect::wrong_sample) sample = (sample + 1) % golden.size();
    try {
      if (settings_.before_inference) settings_.before_inference(trial.faults);
      model::TrialResult result = run.run(golden.input(sample), golden.runs[sample]);
      if (!reference_ && settings_.wrong_unless_reference &&
          settings_.wrong_unless_reference(trial.faults)) {
        result.output[0] = faultgen::from_bits(faultgen::to_bits(result.output[0]) ^ 1U);
      }
      if (settings_.defect == Defect::golden_polluted) {
        golden.rows[trial.golden_row].output = result.output;
        std::replace_if(
            golden.rows[trial.golden_row].output.begin(),
            golden.rows[trial.golden_row].output.end(), [](float x) { return std::isnan(x); },
            0.0F);
      }
      return result;
    } catch (const std::exception& error) {
      model::TrialResult failed;
      failed.injections.resize(trial.faults.size());
      failed.failure = error.what();
      return failed;
    }
  }

  const ToySettings& settings_;
  const ToyGuards guards_;
  bool reference_;
  std::vector<Fault> left_behind_;
};

class ToyModel : public model::Model {
 public:
  explicit ToyModel(ToySettings settings) : settings_(std::move(settings)) {
    sites_.insert(sites_.end(), settings_.more_sites.begin(), settings_.more_sites.end());
  }

  const std::vector<faultgen::Site>& sites() const override { return sites_; }
  const std::vector<model::Point>& points() const override { return points_; }
  std::size_t classes() const override { return kToyClasses; }
  std::string sha256() const override { return settings_.sha256; }
  const std::vector<std::string>& notices() const override { return notices_; }
  std::map<std::string, std::string> fingerprint() const override { return settings_.fingerprint; }
  std::vector<model::PlacedGuard> guards() const override {
    return ToyGuards(settings_.protection).all;
  }
  std::unique_ptr<model::Executor> make_executor(
      const model::ExecutionOptions& options) const override {
    if (settings_.on_executor) settings_.on_executor(options);
    return std::make_unique<ToyExecutor>(settings_, options);
  }
  model::KeptActivations kept_activations(const model::ExecutionOptions&) const override {
    return settings_.kept;
  }
  std::vector<float> parameter(std::uint32_t site, Target target) const override {
    const ToyParameters all = toy_parameters();
    if (target != Target::weight) return {};
    return site == 0 ? std::vector<float>(all.weight1.begin(), all.weight1.end())
                     : std::vector<float>(all.weight2.begin(), all.weight2.end());
  }
  void observe(Target target, std::span<const float> inputs,
               const model::Watcher& watch) const override {
    const ToyParameters parameters = toy_parameters();
    for (std::size_t i = 0; target == Target::neuron && i < inputs.size(); i += kToyInputs) {
      const std::span<const float, kToyInputs> input(inputs.data() + i, kToyInputs);
      forward(parameters, ToyGuards({}), input, [&](std::uint32_t site, std::span<float> output) {
        watch(site, i / kToyInputs, output);
      });
    }
  }
  std::vector<model::SiteExecution> explain(const model::ExecutionOptions&) const override {
    return settings_.explanation;
  }

 private:
  const ToySettings settings_;
  std::vector<faultgen::Site> sites_{
      {"fc1", 0, faultgen::SiteKind::linear, {kToyHidden, kToyInputs}, {kToyHidden}},
      {"fc2", 0, faultgen::SiteKind::linear, {kToyClasses, kToyHidden}, {kToyClasses}}};
  const std::vector<model::Point> points_{
      {"fc1", model::PointKind::parameter},       {"fc1", model::PointKind::module_output},
      {"clamp", model::PointKind::module_output}, {"fc2", model::PointKind::parameter},
      {"fc2", model::PointKind::module_output},   {"output", model::PointKind::output}};
  const std::vector<std::string> notices_{"is a toy"};
};

/// In (-1, 1), irregular, never 0.
float parameter(std::size_t tensor, std::size_t element) {
  const std::size_t mixed = (1'009 * (element + 1) + 7'919 * (tensor + 1)) % 1'999;
  return (static_cast<float>(mixed) + 0.5F) / 1'000.0F - 1.0F;
}

}  // namespace

ToyParameters toy_parameters() {
  ToyParameters parameters;
  const auto fill = [](std::span<float> values, std::size_t tensor) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = parameter(tensor, i);
  };
  fill(parameters.weight1, 0);
  fill(parameters.bias1, 1);
  fill(parameters.weight2, 2);
  fill(parameters.bias2, 3);
  return parameters;
}

std::shared_ptr<const model::Model> make_toy_model(ToySettings settings) {
  return std::make_shared<const ToyModel>(std::move(settings));
}

}  // namespace bitquake::test
