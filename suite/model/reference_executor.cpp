#include "suite/model/reference_executor.hpp"

#include "faultgen/bits.hpp"
#include "suite/model/evidence.hpp"
#include "suite/model/fingerprint.hpp"
#include "suite/model/trace.hpp"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <new>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

namespace bitquake::model {
namespace {

using faultgen::Fault;
using faultgen::Target;

/// What is known of the watched tensors of one sample's golden run, keyed by (register, execution
/// of its instruction).
struct Watched {
  using Event = std::pair<std::uint32_t, std::uint32_t>;
  /// Which elements are non-finite. Hardly ever there: real networks are finite.
  std::map<Event, std::vector<bool>> nonfinite;
  std::map<Event, std::vector<float>> values;  ///< where deviations are wanted
  std::map<std::uint32_t, double> squares;     ///< then also their sums, by point
};

class Block : public GoldenBlock {
 public:
  std::size_t size() const override { return rows.size(); }
  const GoldenRow& row(std::size_t index) const override { return rows[index]; }

  std::vector<float> inputs;  ///< [n, input elements]
  std::vector<GoldenRow> rows;
  std::vector<Watched> watched;
};

bool any_nonfinite(std::span<const float> values) {
  constexpr std::uint32_t kExponent = 0x7f800000;
  std::uint32_t found = 0;
  for (const float value : values) {
    found |= static_cast<std::uint32_t>((faultgen::to_bits(value) & kExponent) == kExponent);
  }
  return found != 0;
}

/// A tensor of a site as the values that faults read.
at::Tensor site_values(const at::Tensor& tensor) {
  return tensor.is_quantized() ? tensor.dequantize() : tensor;
}

/// A watched tensor as contiguous floats that are finite where its values are; undefined for
/// integers, quantised or not, and for tensors without rows.
at::Tensor watched_values(const at::Tensor& tensor, std::int64_t rows) {
  if (!tensor.is_floating_point() || !has_rows(tensor, rows)) return {};
  // x - x is 0 where x is finite and NaN where it is not: a double too large for a float stays
  // finite.
  const at::Tensor values = tensor.scalar_type() == at::kDouble ? tensor - tensor : tensor;
  return values.contiguous().to(at::kFloat);
}

std::span<const float> row_values(const at::Tensor& values, std::int64_t rows, std::size_t row) {
  const auto elements = static_cast<std::size_t>(values.numel() / rows);
  return {values.data_ptr<float>() + row * elements, elements};
}

/// Place in memory of an element by its row-major position, whatever the memory layout: kernels
/// choose by layout, so a fault must not change it.
std::int64_t offset_of(const at::Tensor& tensor, std::uint64_t position) {
  std::int64_t rest = static_cast<std::int64_t>(position), offset = 0;
  for (std::int64_t d = tensor.dim() - 1; d >= 0; --d) {
    offset += rest % tensor.size(d) * tensor.stride(d);
    rest /= tensor.size(d);
  }
  return offset;
}

float* element_at(const at::Tensor& tensor, std::uint64_t position) {
  return tensor.data_ptr<float>() + offset_of(tensor, position);
}

/// Puts a value into a tensor of 8-bit steps: the nearest step of its scale, of two equally near
/// ones the even multiple of it; beyond the last step that one. NaN becomes 0: what
/// at::quantize_per_tensor makes of it depends on the machine.
void put_back(const at::Tensor& quantised, std::uint64_t position, float value) {
  const double scale = static_cast<float>(quantised.q_scale());  // as dequantising takes it
  const double low = quantised.scalar_type() == at::kQInt8 ? -128 : 0;
  const double multiple = std::isnan(value) ? 0 : std::nearbyint(value / scale);
  const double step =
      std::clamp(multiple + static_cast<double>(quantised.q_zero_point()), low, low + 255);
  static_cast<std::uint8_t*>(quantised.data_ptr())[offset_of(quantised, position)] =
      static_cast<std::uint8_t>(static_cast<std::int64_t>(step));
}

at::Tensor gather(const PreparedModel& model, std::span<const float> inputs,
                  std::span<const std::size_t> samples) {
  std::vector<std::int64_t> shape{model.rows};
  shape.insert(shape.end(), model.input_shape.begin(), model.input_shape.end());
  at::Tensor batch = at::empty(shape, at::kFloat);
  float* out = batch.data_ptr<float>();
  for (std::int64_t row = 0; row < model.rows; ++row) {
    const std::size_t sample =
        samples[static_cast<std::size_t>(row) < samples.size() ? static_cast<std::size_t>(row) : 0];
    const auto values = inputs.subspan(sample * model.input_elements, model.input_elements);
    std::copy(values.begin(), values.end(), out);
    out += model.input_elements;
  }
  return batch;
}

std::vector<float> output_row(const at::Tensor& output, std::int64_t row) {
  const at::Tensor values = output.select(0, row).contiguous();
  const float* data = values.data_ptr<float>();
  return {data, data + values.numel()};
}

/// One inference of up to `rows` trials (or golden samples): what happens after each watched step.
class Run {
 public:
  explicit Run(const PreparedModel& model) : model_(model) {}
  virtual ~Run() = default;

  at::Tensor infer(Registers& registers, const at::Tensor& input) {
    c10::IValue batch = input;
    touch(kInputSite, Target::network_input, batch);
    const c10::IValue output = model_.program.run(
        registers, batch.toTensor(), model_.rows,
        [&](const Instruction& step, Registers& r) { after(step, r); },
        [&](const Instruction& step, Registers& r) { before(step, r); });
    watch(model_.output_point, {kFinalOutput, 0}, output);
    return output.toTensor();
  }

 protected:
  using Event = Watched::Event;
  /// The final output is watched once more, by a name no register has.
  static constexpr std::uint32_t kFinalOutput = 0xffffffff;

  /// What faults of a target at a site hit, as the network is about to read it; may be replaced.
  virtual void touch(std::uint32_t /*site*/, Target /*target*/, c10::IValue& /*value*/) {}
  /// Values of one row at a point where something is non-finite, tensors of a tuple joined.
  virtual void nonfinite(std::size_t row, std::uint32_t point, const Event& event,
                         const std::vector<std::span<const float>>& values) = 0;
  /// All values of one row at a point, where deviations are wanted; the fp32 ones.
  virtual void compare(std::size_t row, std::uint32_t point, const Event& event,
                       const std::vector<std::span<const float>>& values) = 0;
  /// A guard raises an alarm in one row.
  virtual void alarm(std::size_t row, std::uint32_t guard) = 0;
  /// What a guard is about to judge.
  virtual void judge(const Instruction& /*step*/, const Registers& /*registers*/) {}
  virtual std::size_t used_rows() const = 0;

  const PreparedModel& model_;

 private:
  /// Site of the execution of an instruction that is under way.
  std::optional<std::uint32_t> site_of(const Instruction& step) {
    const auto found = model_.sites_of.find(step.node);
    if (found == model_.sites_of.end()) return std::nullopt;
    const std::uint32_t execution = executions_[step.node];
    if (execution >= found->second.size() || found->second[execution] == kNoSite) {
      return std::nullopt;
    }
    return found->second[execution];
  }

  /// What a site reads is changed for it alone.
  void before(const Instruction& step, Registers& registers) {
    if (step.alarm) return judge(step, registers);
    const auto site = site_of(step);
    if (!site) return;
    const auto spot = model_.spots.find({*site, Target::site_input});
    if (spot == model_.spots.end()) return;
    c10::IValue& operand = registers[spot->second.index];
    held_.emplace(spot->second.index, operand);
    touch(*site, Target::site_input, operand);
  }

  void after(const Instruction& step, Registers& registers) {
    if (step.alarm) {
      const bool* raised = registers[step.outputs[0]].toTensor().data_ptr<bool>();
      for (std::size_t row = 0; row < used_rows(); ++row) {
        if (raised[row]) alarm(row, *step.alarm);
      }
      return;
    }
    if (const auto site = site_of(step)) {
      if (held_) registers[held_->first] = std::move(held_->second);
      held_.reset();
      touch(*site, Target::neuron, registers[step.outputs[0]]);
    }
    const std::uint32_t execution = executions_[step.node]++;
    for (const std::uint32_t index : step.outputs) {
      const auto point = model_.point_of.find(index);
      if (point != model_.point_of.end()) {
        watch(point->second, {index, execution}, registers[index]);
      }
    }
  }

  void watch(std::uint32_t point, const Event& event, const c10::IValue& value) {
    std::vector<at::Tensor> tensors;
    std::vector<bool> plain;
    map_tensors(value, [&](const at::Tensor& tensor) {
      const at::Tensor values = watched_values(tensor, model_.rows);
      if (!values.defined()) return tensor;
      tensors.push_back(values);
      plain.push_back(tensor.scalar_type() == at::kFloat);
      return tensor;
    });
    for (std::size_t row = 0; row < used_rows(); ++row) {
      std::vector<std::span<const float>> parts, compared;
      bool found = false;
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        parts.push_back(row_values(tensors[i], model_.rows, row));
        found |= any_nonfinite(parts.back());
        if (plain[i]) compared.push_back(parts.back());
      }
      if (found) nonfinite(row, point, event, parts);
      if (model_.deviation) compare(row, point, event, compared);
    }
  }

  std::unordered_map<const torch::jit::Node*, std::uint32_t> executions_;
  std::optional<std::pair<std::uint32_t, c10::IValue>> held_;  ///< what others read, and where
};

std::vector<bool> mask_of(const std::vector<std::span<const float>>& parts) {
  std::vector<bool> mask;
  for (const auto& part : parts) {
    for (const float value : part) mask.push_back(!std::isfinite(value));
  }
  return mask;
}

class GoldenRun : public Run {
 public:
  GoldenRun(const PreparedModel& model, std::span<Watched> watched)
      : Run(model), alarms(watched.size()), watched_(watched) {}

  std::vector<std::vector<std::uint32_t>> alarms;  ///< of each row, ascending

 protected:
  std::size_t used_rows() const override { return watched_.size(); }

 private:
  void nonfinite(std::size_t row, std::uint32_t, const Event& event,
                 const std::vector<std::span<const float>>& values) override {
    watched_[row].nonfinite[event] = mask_of(values);
  }
  void compare(std::size_t row, std::uint32_t point, const Event& event,
               const std::vector<std::span<const float>>& values) override {
    std::vector<float>& joined = watched_[row].values[event];
    double& squares = watched_[row].squares[point];
    for (const auto& part : values) {
      joined.insert(joined.end(), part.begin(), part.end());
      squares += sum_of_squares(part);
    }
  }
  void alarm(std::size_t row, std::uint32_t guard) override { alarms[row].push_back(guard); }

  std::span<Watched> watched_;
};

class FaultyRun : public Run {
 public:
  FaultyRun(const PreparedModel& model, const Block& block, std::span<const Trial> trials,
            std::span<TrialResult> results)
      : Run(model),
        block_(block),
        trials_(trials),
        results_(results),
        seen_(trials.size()),
        deviations_(trials.size()) {}

  /// Puts a faulty copy of each parameter a fault names into the registers, once for all rows.
  /// @pre the trials have the same faults, if one of them has a fault in a parameter
  void inject_parameters(Registers& registers) {
    const std::span<const Fault> faults = trials_[0].faults;
    TrialResult& result = results_[0];
    std::map<std::uint32_t, at::Tensor> copies;
    for (std::size_t i = 0; i < faults.size(); ++i) {
      const Fault& fault = faults[i];
      if (!faultgen::is_parameter(fault.target)) continue;
      c10::IValue& slot = registers[model_.spot(fault).index];
      at::Tensor& copy = copies[model_.spot(fault).index];
      if (!copy.defined()) {
        copy = slot.toTensor().clone();
        slot = copy;
      }
      model::inject(fault, element_at(copy, fault.element), result.injections[i]);
    }
    for (const auto& [index, copy] : copies) read_coded(index, copy, result);
    for (const Fault& fault : faults) {
      if (!faultgen::is_parameter(fault.target)) continue;
      const auto& [index, point] = model_.spot(fault);
      const at::Tensor& copy = copies[index];
      // The first in execution order, whatever the order of the faults.
      if (became_nonfinite(0, fault, *element_at(copy, fault.element))) {
        result.first_nonfinite = std::min(result.first_nonfinite.value_or(point), point);
        insert_once(result.nonfinite, point);
      }
    }
    for (TrialResult& other : results_.subspan(1)) {
      other.injections = result.injections;
      other.first_nonfinite = result.first_nonfinite;
      other.nonfinite = result.nonfinite;
      other.first_alarm = result.first_alarm;
      other.alarms = result.alarms;
    }
  }

  /// Gives the results their deviations, once the inference has ended.
  void note_deviations() {
    for (std::size_t row = 0; row < trials_.size(); ++row) {
      const Watched& golden = block_.watched[trials_[row].golden_row];
      for (const auto& [point, sum] : deviations_[row]) {
        note_deviation(results_[row], point, sum, golden.squares.at(point));
      }
    }
  }

 protected:
  void touch(std::uint32_t site, Target target, c10::IValue& value) override {
    at::Tensor tensor, values;
    for (std::size_t row = 0; row < trials_.size(); ++row) {
      const auto here = [&](const Fault& fault) {
        return fault.site == site && fault.target == target;
      };
      if (!std::any_of(trials_[row].faults.begin(), trials_[row].faults.end(), here)) continue;
      if (!tensor.defined()) {
        tensor = value.toTensor();
        // Others read what a site reads. Where elements share memory each needs its own.
        if (target == Target::site_input || !tensor.is_non_overlapping_and_dense()) {
          tensor = copy_of(tensor);
        }
        value = tensor;
        values = site_values(tensor);
      }
      const std::uint64_t first = row * static_cast<std::uint64_t>(tensor.numel() / model_.rows);
      for (std::size_t i = 0; i < trials_[row].faults.size(); ++i) {
        const Fault& fault = trials_[row].faults[i];
        if (here(fault)) {
          model::inject(fault, element_at(values, first + fault.element),
                        results_[row].injections[i]);
        }
      }
      if (tensor.is_quantized()) {  // finite, whatever the faults left behind
        for (std::size_t i = 0; i < trials_[row].faults.size(); ++i) {
          const std::uint64_t place = first + trials_[row].faults[i].element;
          const Injection& done = results_[row].injections[i];
          if (here(trials_[row].faults[i]) && done.corrupted_bits != done.original_bits) {
            put_back(tensor, place, *element_at(values, place));
          }
        }
        continue;
      }
      for (const Fault& fault : trials_[row].faults) {
        if (here(fault) &&
            became_nonfinite(row, fault, *element_at(tensor, first + fault.element))) {
          turned_nonfinite(row, model_.spot(fault).point);
        }
      }
    }
  }

 private:
  /// What the network reads of a faulty parameter that has a code.
  void read_coded(std::uint32_t index, const at::Tensor& copy, TrialResult& result) const {
    const auto code = model_.codes.find(index);
    if (code == model_.codes.end()) return;
    std::set<std::uint64_t> elements;
    for (const Fault& fault : trials_[0].faults) {
      const bool here = faultgen::is_parameter(fault.target) && model_.spot(fault).index == index;
      if (here) elements.insert(fault.element);
    }
    const at::Tensor sound = model_.program.registers()[index].toTensor();
    const bool alarm = read_through(
        code->second.guard, elements, static_cast<std::uint64_t>(copy.numel()),
        [&](std::uint64_t element) { return *element_at(sound, element); },
        [&](std::uint64_t element) -> float& { return *element_at(copy, element); });
    if (alarm) note_alarm(result, code->second.number);
  }

  void alarm(std::size_t row, std::uint32_t guard) override {
    if (raises_falsely(block_.rows[trials_[row].golden_row], guard)) return;
    note_alarm(results_[row], guard);
  }

  bool became_nonfinite(std::size_t row, const Fault& fault, float value) const {
    return model::became_nonfinite(trials_[row].faults, results_[row].injections, fault, value);
  }

  void nonfinite(std::size_t row, std::uint32_t point, const Event& event,
                 const std::vector<std::span<const float>>& values) override {
    results_[row].any_nonfinite = true;
    const auto& golden = block_.watched[trials_[row].golden_row].nonfinite;
    const auto mask = golden.find(event);
    if (mask == golden.end()) {
      turned_nonfinite(row, point);
      return;
    }
    const std::vector<bool> now = mask_of(values);
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (now[i] && !(i < mask->second.size() && mask->second[i])) {
        turned_nonfinite(row, point);
        return;
      }
    }
  }

  /// An execution that only one of the runs has is not compared.
  void compare(std::size_t row, std::uint32_t point, const Event& event,
               const std::vector<std::span<const float>>& values) override {
    const auto& golden = block_.watched[trials_[row].golden_row].values;
    const auto known = golden.find(event);
    if (known == golden.end()) return;
    std::span<const float> rest = known->second;
    std::size_t elements = 0;
    for (const auto& part : values) elements += part.size();
    if (elements != rest.size()) return;
    for (const auto& part : values) {
      deviations_[row][point].add(rest.first(part.size()), part);
      rest = rest.subspan(part.size());
    }
  }

  /// The first time in an inference decides, except that a faulty weight, which is known before,
  /// counts where its site is.
  void turned_nonfinite(std::size_t row, std::uint32_t point) {
    insert_once(results_[row].nonfinite, point);
    if (seen_[row]) return;
    seen_[row] = true;
    std::optional<std::uint32_t>& first = results_[row].first_nonfinite;
    first = std::min(first.value_or(point), point);
  }

  std::size_t used_rows() const override { return trials_.size(); }

  const Block& block_;
  std::span<const Trial> trials_;
  std::span<TrialResult> results_;
  std::vector<bool> seen_;  ///< by row: something turned non-finite in the inference itself
  std::vector<std::map<std::uint32_t, Deviation>> deviations_;  ///< by row and point
};

bool has_parameter_fault(const Trial& trial) {
  return std::any_of(trial.faults.begin(), trial.faults.end(),
                     [](const Fault& fault) { return faultgen::is_parameter(fault.target); });
}

void reset(std::span<const Trial> trials, std::span<TrialResult> results) {
  for (std::size_t i = 0; i < trials.size(); ++i) {
    results[i] = {};
    results[i].injections.resize(trials[i].faults.size());
  }
}

/// The inference of `run`, whose trials and results these are. Throws what the model throws.
void infer_trials(FaultyRun& run, const PreparedModel& model, const Block& block,
                  std::span<const Trial> trials, std::span<TrialResult> results) {
  reset(trials, results);
  std::vector<std::size_t> samples;
  for (const Trial& trial : trials) samples.push_back(trial.golden_row);
  Registers registers = model.program.registers();
  if (has_parameter_fault(trials[0])) run.inject_parameters(registers);
  const at::Tensor output = run.infer(registers, gather(model, block.inputs, samples));
  for (std::size_t i = 0; i < trials.size(); ++i) {
    results[i].output = output_row(output, static_cast<std::int64_t>(i));
  }
  run.note_deviations();
}

void mark_failed(TrialResult& result, const std::exception& error) {
  result.output.clear();
  result.failure = error_text(error);
}

/// Runs `trials` (at most `rows`; those with faults in parameters have the same faults) as one
/// inference.
void run_batch(const PreparedModel& model, const Block& block, std::span<const Trial> trials,
               std::span<TrialResult> results) {
  FaultyRun run(model, block, trials, results);
  try {
    infer_trials(run, model, block, trials, results);
  } catch (const std::bad_alloc&) {
    throw;  // the machine's failure, not the trial's
  } catch (const std::exception& error) {
    if (trials.size() == 1) {
      mark_failed(results[0], error);
      return;
    }
    // One of the rows made the inference fail: find out which by running each alone.
    for (std::size_t i = 0; i < trials.size(); ++i) {
      run_batch(model, block, trials.subspan(i, 1), results.subspan(i, 1));
    }
  }
}

/// Trials that will share an inference, and where their results go.
struct Batch {
  std::vector<Trial> trials;
  std::vector<std::size_t> places;
};

/// Orders fault lists by what they hold, wherever that is kept.
struct FaultsOrder {
  static auto key(const Fault& fault) {
    const faultgen::Storage& s = fault.storage;
    return std::tuple(faultgen::place_of(fault), fault.model, fault.bit_mask, fault.value, s.format,
                      s.scale, s.zero_point, s.integer_bits, s.fraction_bits,
                      fault.active_probability);
  }
  bool operator()(std::span<const Fault> a, std::span<const Fault> b) const {
    return std::lexicographical_compare(
        a.begin(), a.end(), b.begin(), b.end(),
        [](const Fault& x, const Fault& y) { return key(x) < key(y); });
  }
};

/// A run of one sample, with or without faults, that keeps what each site gave.
template <class Base>
class Traced : public Base {
 public:
  using Base::Base;
  SiteValues values;

 private:
  void touch(std::uint32_t site, Target target, c10::IValue& value) override {
    Base::touch(site, target, value);
    if (target == Target::site_input) return;
    const at::Tensor tensor = watched_values(site_values(value.toTensor()), this->model_.rows);
    if (!tensor.defined()) return;
    const std::span<const float> row = row_values(tensor, this->model_.rows, 0);
    values[site].assign(row.begin(), row.end());
  }
};

/// A run without faults that shows what faults of one target would hit.
class WatchedRun : public GoldenRun {
 public:
  /// @param first  the sample of row 0
  WatchedRun(const PreparedModel& model, Target target, std::size_t first,
             std::span<Watched> watched, const Watcher& watch)
      : GoldenRun(model, watched), target_(target), first_(first), watch_(watch) {}

 private:
  void touch(std::uint32_t site, Target target, c10::IValue& value) override {
    if (target != target_) return;
    const at::Tensor values = site_values(value.toTensor()).contiguous();
    for (std::size_t row = 0; row < used_rows(); ++row) {
      watch_(site, first_ + row, row_values(values, model_.rows, row));
    }
  }

  Target target_;
  std::size_t first_;
  const Watcher& watch_;
};

/// A run without faults that looks for the largest deviation of each guard of kind abft.
class DeviationRun : public GoldenRun {
 public:
  DeviationRun(const PreparedModel& model, std::span<Watched> watched, std::vector<float>& largest)
      : GoldenRun(model, watched), largest_(largest) {}

 private:
  void judge(const Instruction& step, const Registers& registers) override {
    if (!step.guard || step.guard->kind != GuardKind::abft) return;
    const at::Tensor values = registers[step.inputs[0]].toTensor().contiguous();
    const float* data = values.data_ptr<float>();
    float& largest = largest_[*step.alarm];
    for (std::int64_t i = 0; i < values.numel(); ++i) {
      if (data[i] > largest) largest = data[i];
    }
  }

  std::vector<float>& largest_;
};

/// The output of a run without faults. Throws GoldenFailure.
at::Tensor golden_output(const PreparedModel& model, std::span<const float> inputs,
                         std::span<const std::size_t> samples, GoldenRun& run) {
  Registers registers = model.program.registers();
  try {
    return run.infer(registers, gather(model, inputs, samples));
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const Exception&) {
    throw;
  } catch (const std::exception& error) {
    // One of the samples made the inference fail: find out which.
    for (std::size_t i = 0; samples.size() > 1 && i < samples.size(); ++i) {
      Watched unused;
      GoldenRun alone(model, std::span(&unused, 1));
      golden_output(model, inputs, samples.subspan(i, 1), alone);
    }
    throw GoldenFailure(samples[0], error_text(error));
  }
}

/// Calls `batch` with the samples of one inference after the other.
template <class Batch>
void for_each_batch(const PreparedModel& model, std::span<const float> inputs, Batch batch) {
  const std::size_t count = inputs.size() / model.input_elements;
  const auto rows = static_cast<std::size_t>(model.rows);
  for (std::size_t start = 0; start < count; start += rows) {
    std::vector<std::size_t> samples(std::min(rows, count - start));
    std::iota(samples.begin(), samples.end(), start);
    batch(samples);
  }
}

}  // namespace

void observe(const PreparedModel& model, Target target, std::span<const float> inputs,
             const Watcher& watch) {
  const c10::InferenceMode inference;
  use_one_inner_thread();
  for_each_batch(model, inputs, [&](std::span<const std::size_t> samples) {
    std::vector<Watched> watched(samples.size());
    WatchedRun run(model, target, samples[0], watched, watch);
    golden_output(model, inputs, samples, run);
  });
}

std::vector<float> largest_deviations(const PreparedModel& model, std::span<const float> inputs) {
  const c10::InferenceMode inference;
  use_one_inner_thread();
  std::vector<float> largest(model.guards.size());
  for_each_batch(model, inputs, [&](std::span<const std::size_t> samples) {
    std::vector<Watched> watched(samples.size());
    DeviationRun run(model, watched, largest);
    golden_output(model, inputs, samples, run);
  });
  return largest;
}

void require_hittable(const PreparedModel& model, std::span<const Fault> faults) {
  for (const Fault& fault : faults) {
    const bool known = model.spots.count({fault.site, fault.target}) > 0;
    const std::uint64_t elements =
        known ? faultgen::site_elements(model.sites[fault.site], fault.target) : 0;
    if (fault.element < elements) continue;
    const std::string site = fault.site < model.sites.size()
                                 ? faultgen::site_name(model.sites[fault.site])
                                 : fmt::format("site {}", fault.site);
    throw Exception({Errc::internal, "fault at " + site,
                     fmt::format("element {} of its {} does not exist, there are {}", fault.element,
                                 name_of(faultgen::kTargets, fault.target), elements),
                     "check fault sets with faultgen::check_fits before running them", ""});
  }
}

ReferenceExecutor::ReferenceExecutor(std::shared_ptr<const PreparedModel> model,
                                     WeightTrials weight_trials)
    : model_(std::move(model)), weight_trials_(weight_trials) {}

std::unique_ptr<GoldenBlock> ReferenceExecutor::golden(std::span<const float> inputs) {
  const c10::InferenceMode inference;
  use_one_inner_thread();
  auto block = std::make_unique<Block>();
  block->inputs.assign(inputs.begin(), inputs.end());
  block->watched.resize(inputs.size() / model_->input_elements);
  for_each_batch(*model_, inputs, [&](std::span<const std::size_t> samples) {
    GoldenRun run(*model_, std::span(block->watched).subspan(samples[0], samples.size()));
    const at::Tensor output = golden_output(*model_, inputs, samples, run);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      std::vector<float> values = output_row(output, static_cast<std::int64_t>(i));
      const bool finite = !any_nonfinite(values);
      block->rows.push_back({std::move(values), finite, std::move(run.alarms[i])});
    }
  });
  return block;
}

std::vector<TrialResult> ReferenceExecutor::trials(const GoldenBlock& block,
                                                   std::span<const Trial> trials) {
  const c10::InferenceMode inference;
  use_one_inner_thread();
  for (const Trial& trial : trials) require_hittable(*model_, trial.faults);
  const auto& golden = dynamic_cast<const Block&>(block);
  std::vector<TrialResult> results(trials.size());
  const auto run = [&](Batch& batch) {
    std::vector<TrialResult> done(batch.trials.size());
    run_batch(*model_, golden, batch.trials, done);
    for (std::size_t i = 0; i < done.size(); ++i) results[batch.places[i]] = std::move(done[i]);
    batch = {};
  };
  // Trials with sound parameters share a batch whatever their faults are: the one without faults.
  std::map<std::span<const Fault>, Batch, FaultsOrder> batches;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    const bool parameters = has_parameter_fault(trials[i]);
    Batch& batch = batches[parameters ? trials[i].faults : std::span<const Fault>()];
    batch.trials.push_back(trials[i]);
    batch.places.push_back(i);
    const bool alone = parameters && weight_trials_ == WeightTrials::alone;
    if (alone || static_cast<std::int64_t>(batch.trials.size()) == model_->rows) run(batch);
  }
  for (auto& [faults, batch] : batches) {
    if (!batch.trials.empty()) run(batch);
  }
  return results;
}

Trace ReferenceExecutor::trace(const GoldenBlock& block, const Trial& trial) {
  const c10::InferenceMode inference;
  use_one_inner_thread();
  require_hittable(*model_, trial.faults);
  const auto& known = dynamic_cast<const Block&>(block);
  Watched watched;
  Traced<GoldenRun> golden(*model_, std::span(&watched, 1));
  Registers registers = model_->program.registers();
  golden.infer(registers, gather(*model_, known.inputs, std::span(&trial.golden_row, 1)));

  Trace trace;
  const std::span trials(&trial, 1);
  const std::span results(&trace.result, 1);
  Traced<FaultyRun> faulty(*model_, known, trials, results);
  try {
    infer_trials(faulty, *model_, known, trials, results);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    mark_failed(trace.result, error);
  }
  trace.sites = deviations(model_->sites.size(), golden.values, faulty.values);
  return trace;
}

}  // namespace bitquake::model
