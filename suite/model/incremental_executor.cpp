#include "suite/model/incremental_executor.hpp"

#include "faultgen/bits.hpp"
#include "suite/model/evidence.hpp"
#include "suite/model/fingerprint.hpp"
#include "suite/model/row_loops.hpp"
#include "suite/model/trace.hpp"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <set>
#include <utility>

namespace bitquake::model {
namespace {

using faultgen::Fault;
using faultgen::Target;

/// Golden values of some samples, `rows` at a time.
class Block : public GoldenBlock {
 public:
  std::size_t size() const override { return rows.size(); }
  const GoldenRow& row(std::size_t index) const override { return rows[index]; }

  std::vector<float> inputs;  ///< [n, input elements]
  std::vector<GoldenRow> rows;
  std::vector<Registers> batches;            ///< kept registers, of samples [i * B, (i + 1) * B)
  std::vector<std::vector<double>> squares;  ///< by sample and point, where deviations are wanted
  std::vector<bool> left_to_reference;  ///< by sample: something is not finite without any fault
  mutable std::unique_ptr<GoldenBlock> reference;  ///< made when a trial needs it
};

/// How a register of a row differs from the golden run.
struct Change {
  std::uint32_t index = 0;  ///< register
  Patch values;             ///< of a plain register
  Box box;                  ///< differs nowhere outside; inside values.stored
  std::shared_ptr<const void> owner;
  bool finite = false;  ///< known to hold no NaN or Inf
  c10::IValue other;    ///< of other registers: the whole row
};

/// Faults of a trial that take effect at one step.
struct Event {
  std::uint32_t step = 0;
  bool inputs = false;
  bool filters = false;
  bool neurons = false;
};

/// A faulty part of a parameter: what one output channel reads of a weight or bias.
struct Slice {
  std::int64_t channel = 0;
  std::vector<float> values;
};
using Slices = std::map<std::uint32_t, std::vector<Slice>>;  ///< by register

/// A faulty filter: output channel of a layer, its weights and bias.
struct Filter {
  std::int64_t channel = 0;
  std::vector<float> values;
  float bias = 0;  ///< of layers that have one
};

/// A trial on its way.
struct Row {
  std::size_t trial = 0;
  std::size_t sample = 0;
  std::uint32_t step = 0;
  std::size_t next_event = 0;
  std::vector<Event> events;
  std::map<std::uint32_t, std::vector<Filter>> filters;  ///< by step
  std::vector<Change> changes;
  /// What the readers behind this step see of the register it reads, while that is faulty for it.
  std::optional<std::uint32_t> held_index;
  std::optional<Change> held;
  std::optional<std::uint32_t> parameter;  ///< first point of a faulty parameter not finite
  bool failed = false;

  Change* find(std::uint32_t index) {
    for (Change& change : changes) {
      if (change.index == index) return &change;
    }
    return nullptr;
  }
  void drop(std::uint32_t index) {
    std::erase_if(changes, [&](const Change& change) { return change.index == index; });
  }
  bool event_here() const { return next_event < events.size() && events[next_event].step == step; }
};

std::shared_ptr<float[]> make_values(std::int64_t count) {
  return std::shared_ptr<float[]>(new float[static_cast<std::size_t>(count) + 1]);
}

bool any_nonfinite(const c10::IValue& value) {
  bool found = false;
  map_tensors(value, [&](const at::Tensor& tensor) {
    if (tensor.is_floating_point() && tensor.dim() > 0) {
      // x - x is 0 where x is finite and NaN where it is not.
      found |= (tensor - tensor).isnan().any().item<bool>();
    }
    return tensor;
  });
  return found;
}

bool same_value(const c10::IValue& a, const c10::IValue& b) {
  std::vector<at::Tensor> left, right;
  map_tensors(a, [&](const at::Tensor& t) { return left.push_back(t), t; });
  map_tensors(b, [&](const at::Tensor& t) { return right.push_back(t), t; });
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), same_bits);
}

/// Rows of a value as a batch in the memory layout of `golden`, which kernels choose by.
c10::IValue join_rows(const c10::IValue& golden, const std::vector<c10::IValue>& rows,
                      std::int64_t batch) {
  std::vector<std::vector<at::Tensor>> parts(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    map_tensors(rows[i], [&](const at::Tensor& t) { return parts[i].push_back(t), t; });
  }
  std::size_t place = 0;
  return map_tensors(golden, [&](const at::Tensor& like) {
    const std::size_t here = place++;
    if (!has_rows(like, batch)) return like;
    at::Tensor joined = at::empty_strided(like.sizes(), like.strides(), like.options());
    for (std::int64_t row = 0; row < batch; ++row) {
      const auto source = std::min(static_cast<std::size_t>(row), rows.size() - 1);
      one_row(joined, batch, row).copy_(parts[source][here]);
    }
    return joined;
  });
}

c10::IValue row_of(const c10::IValue& batch, std::int64_t rows, std::int64_t row) {
  return map_tensors(batch, [&](const at::Tensor& tensor) {
    return has_rows(tensor, rows) ? one_row(tensor, rows, row) : tensor;
  });
}

/// The trials of one call on their way through the plan.
class Wave {
 public:
  Wave(const IncrementalPlan& plan, const IncrementalParts& parts, const Block& block,
       std::span<const Trial> trials, std::span<TrialResult> results, std::optional<Work>& work)
      : plan_(plan),
        parts_(parts),
        block_(block),
        trials_(trials),
        results_(results),
        work_(work),
        rows_(plan.model().rows),
        scratch_(plan.constants()) {
    for (std::size_t i = 0; i < scratch_.size(); ++i) {
      if (scratch_[i].isNone()) scratch_[i] = plan.example()[i];
    }
  }

  /// Trials that are left to the reference executor.
  std::vector<std::size_t> run() {
    for (std::size_t i = 0; i < trials_.size(); ++i) {
      if (block_.left_to_reference[trials_[i].golden_row] || !admit(i)) left_.push_back(i);
      if (flight_bytes_ > kMostFlightBytes) drain();
    }
    drain();
    return std::move(left_);
  }

 private:
  static constexpr std::int64_t kMostFlightBytes = std::int64_t{256} << 20;
  /// A window that covers more than this share of the map costs as much as the whole.
  static constexpr double kMostWindowShare = 0.7;

  const WaveStep& step_of(const Row& row) const { return plan_.steps()[row.step]; }

  const float* golden(std::uint32_t index, std::size_t sample) const {
    const at::Tensor& batch = block_.batches[sample / batch_size()][index].toTensor();
    return batch.data_ptr<float>() +
           static_cast<std::int64_t>(sample % batch_size()) * (batch.numel() / rows_);
  }
  std::size_t batch_size() const { return static_cast<std::size_t>(rows_); }

  // --- beginning and end of a row ---

  /// False when the reference executor has to do it.
  bool admit(std::size_t trial) {
    TrialResult& result = results_[trial];
    const std::span<const Fault> faults = trials_[trial].faults;
    auto row = std::make_unique<Row>();
    row->trial = trial;
    row->sample = trials_[trial].golden_row;
    result = {};
    result.injections.resize(faults.size());
    std::map<std::uint32_t, Event> events;
    for (const Fault& fault : faults) {
      const std::uint32_t index = plan_.model().spot(fault).index;
      if (faultgen::is_parameter(fault.target)) {
        const auto& steps = plan_.steps_of_parameter(index);
        if (steps.empty()) return false;
        for (const std::uint32_t step : steps) events[step].filters = true;
        continue;
      }
      if (!plan_.can_start(index)) return false;
      if (fault.target == Target::network_input) continue;
      const auto step = plan_.step_of_site(fault.site);
      if (!step) return false;
      (fault.target == Target::neuron ? events[*step].neurons : events[*step].inputs) = true;
    }
    const Slices slices = make_slices(*row, faults, result);
    for (auto& [step, event] : events) {
      event.step = step;
      if (event.filters) make_filters(*row, step, slices);
      if (event.filters && !filters_of(*row, step) && parts_.noop) event.filters = false;
      if (event.filters || event.neurons || event.inputs) row->events.push_back(event);
    }
    if (work_) work_->full += plan_.multiply_adds();
    if (!parts_.prefix) start_from_input(*row);
    inject(*row, kInputSite, Target::network_input);
    advance(std::move(row));
    return true;
  }

  static const std::vector<Filter>* filters_of(const Row& row, std::uint32_t step) {
    const auto found = row.filters.find(step);
    return found == row.filters.end() ? nullptr : &found->second;
  }

  at::Tensor parameter_slice(std::uint32_t index, std::int64_t channel) const {
    return plan_.constants()[index].toTensor().select(0, channel).contiguous();
  }

  /// Faulty copies of the slices that faults in parameters hit; those that come out as they were
  /// are left out when no-op faults are not run.
  Slices make_slices(Row& row, std::span<const Fault> faults, TrialResult& result) {
    Slices all;
    const auto value = [&](std::uint32_t index, std::uint64_t place) -> float& {
      const at::Tensor& parameter = plan_.constants()[index].toTensor();
      const std::int64_t length = parameter.numel() / parameter.size(0);
      const auto element = static_cast<std::int64_t>(place);
      std::vector<Slice>& slices = all[index];
      auto found = std::find_if(slices.begin(), slices.end(), [&](const Slice& slice) {
        return slice.channel == element / length;
      });
      if (found == slices.end()) {
        const at::Tensor values = parameter_slice(index, element / length);
        const float* data = values.data_ptr<float>();
        slices.push_back({element / length, {data, data + length}});
        found = slices.end() - 1;
      }
      return found->values[static_cast<std::size_t>(element % length)];
    };
    const auto at = [&](const Fault& fault) -> float& {
      return value(plan_.model().spot(fault).index, fault.element);
    };
    for (std::size_t i = 0; i < faults.size(); ++i) {
      if (!faultgen::is_parameter(faults[i].target)) continue;
      model::inject(faults[i], &at(faults[i]), result.injections[i]);
    }
    for (const auto& [index, code] : plan_.model().codes) {
      if (all.count(index) == 0) continue;
      std::set<std::uint64_t> elements;
      for (const Fault& fault : faults) {
        const bool parameter = faultgen::is_parameter(fault.target);
        if (parameter && plan_.model().spot(fault).index == index) elements.insert(fault.element);
      }
      const at::Tensor sound = plan_.constants()[index].toTensor().contiguous();
      const bool alarm = read_through(
          code.guard, elements, static_cast<std::uint64_t>(sound.numel()),
          [&](std::uint64_t element) { return sound.data_ptr<float>()[element]; },
          [&](std::uint64_t element) -> float& { return value(index, element); });
      if (alarm) note_alarm(result, code.number);
    }
    for (const Fault& fault : faults) {
      if (!faultgen::is_parameter(fault.target)) continue;
      if (!became_nonfinite(row.trial, fault, at(fault))) continue;
      const std::uint32_t point = plan_.model().spot(fault).point;
      row.parameter = std::min(row.parameter.value_or(point), point);
      insert_once(result.nonfinite, point);
    }
    if (!parts_.noop) return all;
    for (auto& [index, slices] : all) {
      std::erase_if(slices, [&, index = index](const Slice& slice) {
        const at::Tensor sound = parameter_slice(index, slice.channel);
        return std::memcmp(sound.data_ptr<float>(), slice.values.data(),
                           slice.values.size() * sizeof(float)) == 0;
      });
    }
    return all;
  }

  /// The filters of a layer that have a faulty slice.
  void make_filters(Row& row, std::uint32_t step, const Slices& all) const {
    const Layer& layer = plan_.steps()[step].layer();
    std::map<std::int64_t, Filter> filters;
    const auto filter = [&](std::int64_t channel) -> Filter& {
      const auto [found, is_new] = filters.try_emplace(channel);
      if (is_new) {
        const at::Tensor weight = parameter_slice(layer.weight, channel);
        const float* data = weight.data_ptr<float>();
        found->second = {channel, {data, data + weight.numel()}, 0};
        if (layer.bias) {
          found->second.bias = *parameter_slice(*layer.bias, channel).data_ptr<float>();
        }
      }
      return found->second;
    };
    if (const auto found = all.find(layer.weight); found != all.end()) {
      for (const Slice& slice : found->second) filter(slice.channel).values = slice.values;
    }
    const auto found = layer.bias ? all.find(*layer.bias) : all.end();
    if (found != all.end()) {
      for (const Slice& slice : found->second) filter(slice.channel).bias = slice.values[0];
    }
    for (auto& [channel, made] : filters) row.filters[step].push_back(std::move(made));
  }

  bool became_nonfinite(std::size_t trial, const Fault& fault, float value) const {
    return model::became_nonfinite(trials_[trial].faults, results_[trial].injections, fault, value);
  }

  /// Without prefix reuse the whole network runs, from a copy of the input.
  void start_from_input(Row& row) {
    const std::uint32_t index = plan_.model().program.input_register();
    const RowShape shape = *plan_.info(index).shape;
    Change change{index, {shape.whole(), golden(index, row.sample)}, shape.whole(), nullptr, true,
                  {}};
    row.changes.push_back(std::move(change));
  }

  void finish(Row& row) {
    TrialResult& result = results_[row.trial];
    const std::uint32_t index = plan_.model().program.output_register();
    result.output = block_.rows[row.sample].output;
    if (const Change* change = row.find(index)) {
      const RowShape shape = *plan_.info(index).shape;
      paste_box(change->values, change->box, result.output.data(), shape.whole());
      const std::uint32_t point = plan_.model().output_point;
      if (!loops::all_finite(result.output.data(), shape.elements())) note_nonfinite(row, point);
      if (plan_.model().deviation) {
        Deviation sum;
        sum.add(block_.rows[row.sample].output, result.output);
        note_deviation(result, point, sum, block_.squares[row.sample][point]);
      }
    }
    std::ranges::sort(result.deviations, {}, &PointDeviation::point);
    // A faulty parameter is known before the inference, but counts where its site is.
    if (row.parameter) {
      result.first_nonfinite =
          std::min(result.first_nonfinite.value_or(*row.parameter), *row.parameter);
    }
  }

  void note_nonfinite(Row& row, std::uint32_t point) {
    TrialResult& result = results_[row.trial];
    result.any_nonfinite = true;
    if (!result.first_nonfinite) result.first_nonfinite = point;
    insert_once(result.nonfinite, point);
  }

  // --- the way of a row ---

  void advance(std::unique_ptr<Row> row) {
    while (true) {
      if (row->changes.empty()) {
        if (row->next_event == row->events.size()) return finish(*row);
        row->step = row->events[row->next_event].step;
      }
      if (row->step == plan_.steps().size()) return finish(*row);
      const WaveStep& step = step_of(*row);
      const bool event = row->event_here();
      if (event && row->events[row->next_event].inputs) inject_input(*row, *step.site);
      const bool changed =
          step.kind != WaveStep::Kind::skip && has_changed(*row, step) && is_wanted(*row, step);
      if (event && row->events[row->next_event].filters) {
        return enqueue_filters(std::move(row), changed);
      }
      if (changed) {
        switch (step.kind) {
          case WaveStep::Kind::row:
            run_row_kernel(*row, step);
            break;
          case WaveStep::Kind::alias:
            run_alias(*row, step);
            break;
          case WaveStep::Kind::join:
            run_join(*row, step);
            break;
          case WaveStep::Kind::alarm:
            look_for_alarm(*row, step);
            break;
          default:
            return enqueue(std::move(row));
        }
      }
      if (changed || event) after(*row);
      leave_step(*row);
    }
  }

  bool has_changed(Row& row, const WaveStep& step) const {
    return std::any_of(step.operands.begin(), step.operands.end(),
                       [&](std::uint32_t index) { return row.find(index) != nullptr; });
  }

  /// What a guard alone reads is not computed where its alarm is known or would earn nothing.
  bool is_wanted(const Row& row, const WaveStep& step) const {
    const auto guard = step.instruction->computed_for;
    if (!guard) return true;
    return !std::ranges::binary_search(results_[row.trial].alarms, *guard) &&
           !raises_falsely(block_.rows[row.sample], *guard);
  }

  void leave_step(Row& row) {
    for (const std::uint32_t index : step_of(row).dead) row.drop(index);
    ++row.step;
  }

  /// What happens once a step has given its outputs: injection, comparison, monitoring.
  void after(Row& row) {
    const WaveStep& step = step_of(row);
    if (row.event_here()) {
      if (row.held_index) release_input(row);
      if (row.events[row.next_event].neurons) inject(row, *step.site, Target::neuron);
      ++row.next_event;
    }
    for (const std::uint32_t index : step.instruction->outputs) {
      Change* change = row.find(index);
      if (change == nullptr) continue;
      if (!compare(row, *change)) {
        row.drop(index);
        continue;
      }
      watch(row, *change);
      if (plan_.model().deviation && plan_.info(index).point) measure(row, *change);
    }
  }

  /// Shrinks the box to what differs; false when nothing does.
  bool compare(const Row& row, Change& change) const {
    const RegisterInfo& info = plan_.info(change.index);
    const bool before_fault = !parts_.prefix && row.next_event < row.events.size();
    if (!parts_.masked_stop || !info.kept || before_fault) return true;
    if (!info.shape) {
      const c10::IValue& batch = block_.batches[row.sample / batch_size()][change.index];
      return !same_value(
          change.other, row_of(batch, rows_, static_cast<std::int64_t>(row.sample % batch_size())));
    }
    const Box box =
        tighten(change.values, *info.shape, golden(change.index, row.sample), change.box);
    if (box.empty()) return false;
    if (parts_.region) change.box = box;
    return true;
  }

  void watch(Row& row, Change& change) {
    const RegisterInfo& info = plan_.info(change.index);
    if (!info.point || change.finite) return;
    bool finite = true;
    if (!info.shape) {
      finite = !any_nonfinite(change.other);
    } else {
      finite = all_finite(change.values, change.box);
    }
    change.finite = finite;
    if (!finite) note_nonfinite(row, *info.point);
  }

  /// How far a change at a monitored point is from golden: a look at the changed elements, in the
  /// order of their positions.
  void measure(const Row& row, const Change& change) {
    const RegisterInfo& info = plan_.info(change.index);
    const std::uint32_t point = *info.point;
    Deviation sum;
    if (info.shape) {
      const Patch sound{info.shape->whole(), golden(change.index, row.sample)};
      const Box& box = change.box;
      const auto size = static_cast<std::size_t>(box.x.size());
      for (std::int64_t c = box.c.low; c < box.c.high; ++c) {
        for (std::int64_t y = box.y.low; y < box.y.high; ++y) {
          sum.add({sound.at(c, y, box.x.low), size}, {change.values.at(c, y, box.x.low), size});
        }
      }
    } else {
      const c10::IValue& batch = block_.batches[row.sample / batch_size()][change.index];
      std::vector<at::Tensor> faulty;
      map_tensors(change.other, [&](const at::Tensor& t) { return faulty.push_back(t), t; });
      std::size_t next = 0;
      map_tensors(batch, [&](const at::Tensor& t) {
        const at::Tensor& theirs = faulty[next++];
        if (t.scalar_type() != at::kFloat || !has_rows(t, rows_)) return t;
        const auto number = static_cast<std::int64_t>(row.sample % batch_size());
        const at::Tensor ours = one_row(t, rows_, number).contiguous(), now = theirs.contiguous();
        const auto size = static_cast<std::size_t>(ours.numel());
        sum.add({ours.data_ptr<float>(), size}, {now.data_ptr<float>(), size});
        return t;
      });
    }
    note_deviation(results_[row.trial], point, sum, block_.squares[row.sample][point]);
  }

  static bool all_finite(const Patch& values, const Box& box) {
    if (box == values.stored) return loops::all_finite(values.data, box.elements());
    for (std::int64_t c = box.c.low; c < box.c.high; ++c) {
      for (std::int64_t y = box.y.low; y < box.y.high; ++y) {
        if (!loops::all_finite(values.at(c, y, box.x.low), box.x.size())) return false;
      }
    }
    return true;
  }

  /// Faults of a target at a site take effect in the register they hit.
  void inject(Row& row, std::uint32_t site, Target target) {
    const std::span<const Fault> faults = trials_[row.trial].faults;
    const auto here = [&](const Fault& fault) {
      return fault.target == target && fault.site == site;
    };
    const auto first = std::find_if(faults.begin(), faults.end(), here);
    if (first == faults.end()) return;
    const auto& [index, point] = plan_.model().spot(*first);
    const RowShape shape = *plan_.info(index).shape;
    TrialResult& result = results_[row.trial];
    const auto position = [&](const Fault& fault) {
      const auto element = static_cast<std::int64_t>(fault.element);
      const std::int64_t c = element / (shape.h * shape.w), y = element / shape.w % shape.h,
                         x = element % shape.w;
      return Box{{c, c + 1}, {y, y + 1}, {x, x + 1}};
    };
    Change* known = row.find(index);
    Box box = known == nullptr ? Box{} : known->box;
    for (const Fault& fault : faults) {
      if (here(fault)) box = unite(box, position(fault));
    }
    if (!parts_.region) box = shape.whole();
    auto values = make_values(box.elements());
    copy_golden(index, row.sample, box, values.get());
    if (known != nullptr) paste_box(known->values, known->box, values.get(), box);
    const Patch patch{box, values.get()};
    const auto at = [&](const Fault& fault) {
      const Box where = position(fault);
      return const_cast<float*>(patch.at(where.c.low, where.y.low, where.x.low));
    };
    bool differs = known != nullptr || !parts_.noop;
    for (std::size_t i = 0; i < faults.size(); ++i) {
      if (!here(faults[i])) continue;
      model::inject(faults[i], at(faults[i]), result.injections[i]);
      differs |= result.injections[i].original_bits != result.injections[i].corrupted_bits;
    }
    for (const Fault& fault : faults) {
      if (here(fault) && became_nonfinite(row.trial, fault, *at(fault))) {
        if (!result.first_nonfinite) result.first_nonfinite = point;
        insert_once(result.nonfinite, point);
      }
    }
    if (!differs) return;
    row.drop(index);
    row.changes.push_back({index, patch, box, std::move(values), false, {}});
  }

  /// What a site reads is changed for its step alone.
  void inject_input(Row& row, std::uint32_t site) {
    const std::uint32_t index = plan_.model().spots.at({site, Target::site_input}).index;
    row.held_index = index;
    if (const Change* known = row.find(index)) row.held = *known;
    inject(row, site, Target::site_input);
  }

  static void release_input(Row& row) {
    row.drop(*row.held_index);
    if (row.held) row.changes.push_back(std::move(*row.held));
    row.held.reset();
    row.held_index.reset();
  }

  /// Golden values of a box, densely: looked up, or computed where they are not kept.
  void copy_golden(std::uint32_t index, std::size_t sample, const Box& box, float* out) const {
    if (plan_.info(index).kept) {
      copy_box({plan_.info(index).shape->whole(), golden(index, sample)}, box, out);
      return;
    }
    const WaveStep& maker = plan_.golden_maker(index);
    std::vector<float> operand(static_cast<std::size_t>(box.elements()) + 1);
    copy_golden(maker.operands[0], sample, box, operand.data());
    const float* in = operand.data();
    maker.kernel->run({&in, 1}, box, box, out);
  }

  // --- steps of a row by itself ---

  /// Values of `box` of a register of a row, densely: its change over its golden values.
  const float* values_of(Row& row, std::uint32_t index, const Box& box, std::vector<float>& store) {
    const Change* change = row.find(index);
    if (change != nullptr && change->values.stored == box) return change->values.data;
    const RowShape shape = *plan_.info(index).shape;
    if (change == nullptr && box == shape.whole()) return golden(index, row.sample);
    store.resize(static_cast<std::size_t>(box.elements()) + 1);
    if (box.empty()) return store.data();
    if (change != nullptr && change->values.stored.contains(box) &&
        (change->box.contains(box) || !plan_.info(index).kept)) {
      copy_box(change->values, box, store.data());
      return store.data();
    }
    copy_box({shape.whole(), golden(index, row.sample)}, box, store.data());
    if (change != nullptr) {
      const Box part = intersect(change->box, box);
      if (!part.empty()) paste_box(change->values, part, store.data(), box);
    }
    return store.data();
  }

  void run_row_kernel(Row& row, const WaveStep& step) {
    const std::uint32_t index = step.instruction->outputs[0];
    Box box;
    bool finite = step.kernel->keeps_finite();
    for (const std::uint32_t operand : step.operands) {
      if (const Change* change = row.find(operand)) {
        box = unite(box, step.kernel->reach(change->box));
        finite &= change->finite;
      }
    }
    if (box.empty()) return;
    if (!parts_.region) box = plan_.info(index).shape->whole();
    const Box needed = step.kernel->needs(box);
    std::array<const float*, 2> in{};
    for (std::size_t i = 0; i < step.operands.size(); ++i) {
      in[i] = values_of(row, step.operands[i], needed, stores_[i]);
    }
    auto values = make_values(box.elements());
    step.kernel->run(std::span(in).first(step.operands.size()), needed, box, values.get());
    const Patch patch{box, values.get()};
    row.changes.push_back({index, patch, box, std::move(values), finite, {}});
  }

  void run_alias(Row& row, const WaveStep& step) {
    const std::uint32_t index = step.instruction->outputs[0];
    const Change source = *row.find(step.operands[0]);
    const RowShape from = *plan_.info(step.operands[0]).shape, to = *plan_.info(index).shape;
    if (from == to) {
      Change same = source;
      same.index = index;
      row.changes.push_back(std::move(same));
      return;
    }
    // The rows or channels of the new shape that the changed elements lie in.
    const Box& box = source.box;
    const auto linear = [&](std::int64_t c, std::int64_t y, std::int64_t x) {
      return (c * from.h + y) * from.w + x;
    };
    const std::int64_t first = linear(box.c.low, box.y.low, box.x.low);
    const std::int64_t last = linear(box.c.high - 1, box.y.high - 1, box.x.high - 1);
    const std::int64_t plane = to.h * to.w;
    const Box target{{first / plane, last / plane + 1}, {0, to.h}, {0, to.w}};
    auto values = make_values(target.elements());
    const std::int64_t start = target.c.low * plane;
    std::memcpy(values.get(), golden(step.operands[0], row.sample) + start,
                static_cast<std::size_t>(target.elements()) * sizeof(float));
    for (std::int64_t c = box.c.low; c < box.c.high; ++c) {
      for (std::int64_t y = box.y.low; y < box.y.high; ++y) {
        std::memcpy(values.get() + linear(c, y, box.x.low) - start,
                    source.values.at(c, y, box.x.low),
                    static_cast<std::size_t>(box.x.size()) * sizeof(float));
      }
    }
    const Patch patch{target, values.get()};
    row.changes.push_back({index, patch, target, std::move(values), source.finite, {}});
  }

  void run_join(Row& row, const WaveStep& step) {
    const std::uint32_t index = step.instruction->outputs[0];
    struct Part {
      const Change* change;
      std::int64_t offset;
    };
    std::vector<Part> parts;
    Box box;
    std::int64_t offset = 0;
    for (const std::uint32_t operand : step.operands) {
      if (const Change* change = row.find(operand)) {
        parts.push_back({change, offset});
        Box moved = change->box;
        moved.c = {moved.c.low + offset, moved.c.high + offset};
        box = unite(box, moved);
      }
      offset += plan_.info(operand).shape->c;
    }
    const auto shifted = [](Box b, std::int64_t by) {
      b.c = {b.c.low + by, b.c.high + by};
      return b;
    };
    if (parts.size() == 1 && parts_.region) {
      const Change& source = *parts[0].change;
      Change moved = source;
      moved.index = index;
      moved.box = shifted(source.box, parts[0].offset);
      moved.values.stored = shifted(source.values.stored, parts[0].offset);
      row.changes.push_back(std::move(moved));
      return;
    }
    if (!parts_.region) box = plan_.info(index).shape->whole();
    auto values = make_values(box.elements());
    // Golden values where no part has changed.
    offset = 0;
    for (const std::uint32_t operand : step.operands) {
      const RowShape shape = *plan_.info(operand).shape;
      const Box here = intersect(shifted(shape.whole(), offset), box);
      if (!here.empty()) {
        const Patch sound{shifted(shape.whole(), offset), golden(operand, row.sample)};
        paste_box(sound, here, values.get(), box);
      }
      offset += shape.c;
    }
    bool finite = true;
    for (const Part& part : parts) {
      finite &= part.change->finite;
      const Patch moved{shifted(part.change->values.stored, part.offset), part.change->values.data};
      paste_box(moved, shifted(part.change->box, part.offset), values.get(), box);
    }
    const Patch patch{box, values.get()};
    row.changes.push_back({index, patch, box, std::move(values), finite, {}});
  }

  /// Where the golden run raises no alarm only changed values can.
  void look_for_alarm(Row& row, const WaveStep& step) {
    const std::uint32_t guard = *step.instruction->alarm;
    if (raises_falsely(block_.rows[row.sample], guard)) return;
    if (const auto& rule = step.instruction->guard) {
      const Change& change = *row.find(step.operands[0]);
      if (any_outside(*rule, change.values, change.box)) note_alarm(results_[row.trial], guard);
      return;
    }
    Box box;
    for (const std::uint32_t operand : step.operands) {
      if (const Change* change = row.find(operand)) box = unite(box, change->box);
    }
    const float* a = values_of(row, step.operands[0], box, stores_[0]);
    const float* b = values_of(row, step.operands[1], box, stores_[1]);
    if (any_difference(step.instruction->compared.get(), {box, a}, {box, b}, box)) {
      note_alarm(results_[row.trial], guard);
    }
  }

  // --- steps for several rows ---

  /// Where a row waits: step, then what can share a batch.
  struct Key {
    std::uint32_t step = 0;
    enum class Way : std::uint8_t { window, dense, channels, layer, alone } way = Way::dense;
    std::int64_t number = 0;  ///< window size, or golden batch
    auto operator<=>(const Key&) const = default;
  };
  using Rows = std::vector<std::unique_ptr<Row>>;

  static std::int64_t bytes_of(const Row& row) {
    std::int64_t sum = 0;
    for (const Change& change : row.changes) sum += change.values.stored.elements() * 4;
    return sum;
  }

  /// Outputs that a changed input reaches.
  static Box reached(const WaveStep& step, const Change& change) {
    if (!step.convolution) return change.box;
    const Convolution& c = *step.convolution;
    return {{0, c.out.c}, c.y.reached(change.box.y), c.x.reached(change.box.x)};
  }

  void enqueue(std::unique_ptr<Row> row) {
    const WaveStep& step = step_of(*row);
    const std::uint32_t number = row->step;
    Key key{number, Key::Way::dense, 0};
    if (step.kind == WaveStep::Kind::region) {
      const Change& change = *row->find(step.operands[0]);
      const Box box = reached(step, change);
      if (work_) count_change(*row, step, change);
      if (box.empty()) {  // a stride steps over it
        after(*row);
        leave_step(*row);
        return advance(std::move(row));
      }
      if (parts_.region) {
        const std::int64_t size = usable_size(number, step, std::max(box.y.size(), box.x.size()));
        if (size > 0) key = {number, Key::Way::window, size};
      }
    } else if (work_) {
      if (step.linear) work_->unavoidable += step.multiply_adds;
    }
    put(key, std::move(row));
  }

  /// The window size to compute, or 0 for the whole map.
  std::int64_t usable_size(std::uint32_t number, const WaveStep& step, std::int64_t wanted) const {
    const RowShape out = *plan_.info(step.instruction->outputs[0]).shape;
    const std::int64_t limit = std::max(out.h, out.w);
    for (std::int64_t size = window_size(wanted, limit); size < limit;
         size = window_size(size + 1, limit)) {
      const double share = static_cast<double>(std::min(size, out.h) * std::min(size, out.w)) /
                           static_cast<double>(out.h * out.w);
      if (share > kMostWindowShare) return 0;
      if (plan_.window_works(number, size, false)) return size;
    }
    return 0;
  }

  void enqueue_filters(std::unique_ptr<Row> row, bool changed) {
    const std::uint32_t number = row->step;
    const WaveStep& step = step_of(*row);
    if (work_) {
      const std::vector<Filter>* filters = filters_of(*row, number);
      const auto channels = static_cast<std::uint64_t>(step.output_channels());
      work_->unavoidable +=
          changed ? step.multiply_adds
                  : step.multiply_adds / channels * (filters == nullptr ? 0 : filters->size());
    }
    Key key{number, Key::Way::alone, 0};
    if (!changed) {
      key.way = Key::Way::layer;
      if (parts_.channel && plan_.channel_block(number) > 0) {
        key = {number, Key::Way::channels, static_cast<std::int64_t>(row->sample / batch_size())};
      }
    }
    put(key, std::move(row));
  }

  void put(const Key& key, std::unique_ptr<Row> row) {
    Rows& queue = queues_[key];
    flight_bytes_ += bytes_of(*row);
    queue.push_back(std::move(row));
    std::size_t enough = batch_size();
    if (key.way == Key::Way::alone) enough = 1;
    if (key.way == Key::Way::channels) enough = 16;
    if (queue.size() >= enough) run_queue(key, std::exchange(queue, {}));
  }

  /// Runs what waits, the earliest step first: rows only move on.
  void drain() {
    while (true) {
      auto next = queues_.begin();
      while (next != queues_.end() && next->second.empty()) next = queues_.erase(next);
      if (next == queues_.end()) return;
      Key key = next->first;
      Rows rows = std::move(next->second);
      queues_.erase(next);
      if (key.way == Key::Way::window) {
        // Smaller windows fit into a larger one: fill the batch.
        for (auto more = queues_.begin();
             more != queues_.end() && more->first.step == key.step &&
             more->first.way == Key::Way::window && rows.size() < batch_size();
             more = queues_.erase(more)) {
          if (rows.size() + more->second.size() > batch_size()) break;
          if (!more->second.empty()) key.number = std::max(key.number, more->first.number);
          for (auto& row : more->second) rows.push_back(std::move(row));
        }
      }
      run_queue(key, std::move(rows));
    }
  }

  void run_queue(const Key& key, Rows rows) {
    for (const auto& row : rows) flight_bytes_ -= bytes_of(*row);
    try {
      switch (key.way) {
        case Key::Way::window:
          run_windows(key, rows);
          break;
        case Key::Way::channels:
          run_channels(key, rows);
          break;
        case Key::Way::layer:
        case Key::Way::alone:
          run_layers(key, rows);
          break;
        case Key::Way::dense:
          run_dense(key.step, rows);
          break;
      }
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception&) {
      // One of the rows made the operator fail: the reference executor finds out which.
      for (const auto& row : rows) left_.push_back(row->trial);
      return;
    }
    for (auto& row : rows) {
      after(*row);
      leave_step(*row);
      advance(std::move(row));
    }
  }

  /// A plain register gets the values of a row of `batch`.
  void take(Row& row, std::uint32_t index, const std::shared_ptr<at::Tensor>& batch,
            std::int64_t slot, const Box& stored, const Box& box) {
    row.drop(index);
    const std::int64_t elements = batch->numel() / rows_;
    row.changes.push_back(
        {index, {stored, batch->data_ptr<float>() + slot * elements}, box, batch, false, {}});
  }

  void run_windows(const Key& key, Rows& rows) {
    const WaveStep& step = plan_.steps()[key.step];
    const std::uint32_t in_index = step.operands[0], out_index = step.instruction->outputs[0];
    const RowShape in = *plan_.info(in_index).shape, out = *plan_.info(out_index).shape;
    const Slide sy = step.convolution ? step.convolution->y : Slide{.in = in.h, .out = out.h};
    const Slide sx = step.convolution ? step.convolution->x : Slide{.in = in.w, .out = out.w};
    const std::int64_t wy = std::min(key.number, out.h), wx = std::min(key.number, out.w);
    const Range reads_y = sy.reads({0, wy}), reads_x = sx.reads({0, wx});
    at::Tensor windows = at::empty({rows_, in.c, reads_y.size(), reads_x.size()});
    const std::int64_t elements = windows.numel() / rows_;
    std::vector<Box> stored, boxes;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Change& change = *rows[i]->find(in_index);
      boxes.push_back(reached(step, change));
      const Range y = place(boxes[i].y, wy, out.h), x = place(boxes[i].x, wx, out.w);
      stored.push_back({{0, out.c}, y, x});
      const Box read{{0, in.c}, sy.reads(y), sx.reads(x)};
      const Box inside = intersect(read, in.whole());
      float* window = windows.data_ptr<float>() + static_cast<std::int64_t>(i) * elements;
      if (!(inside == read)) std::fill_n(window, elements, 0.0F);
      if (!inside.empty()) {
        paste_box({in.whole(), golden(in_index, rows[i]->sample)}, inside, window, read);
        const Box part = intersect(change.box, read);
        if (!part.empty()) paste_box(change.values, part, window, read);
      }
    }
    repeat_first(windows, rows.size());
    const bool prepared = parts_.prepared_weights && step.convolution &&
                          plan_.window_works(key.step, key.number, true);
    const auto result =
        std::make_shared<at::Tensor>(plan_.run_window(key.step, windows, prepared).contiguous());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      take(*rows[i], out_index, result, static_cast<std::int64_t>(i), stored[i], boxes[i]);
    }
  }

  /// Rows of a batch that nobody uses hold what the first one does.
  void repeat_first(const at::Tensor& batch, std::size_t used) const {
    const std::int64_t elements = batch.numel() / rows_;
    float* first = batch.data_ptr<float>();
    for (auto i = static_cast<std::int64_t>(used); i < rows_; ++i) {
      std::copy_n(first, elements, first + i * elements);
    }
  }

  /// A register of several rows as a batch.
  c10::IValue gather(std::uint32_t index, Rows& rows) {
    const c10::IValue& like = block_.batches[0][index];
    const auto shape = plan_.info(index).shape;
    if (!shape) {
      std::vector<c10::IValue> values;
      for (const auto& row : rows) {
        const Change* change = row->find(index);
        values.push_back(change != nullptr
                             ? change->other
                             : row_of(block_.batches[row->sample / batch_size()][index], rows_,
                                      static_cast<std::int64_t>(row->sample % batch_size())));
      }
      return join_rows(like, values, rows_);
    }
    at::Tensor batch = at::empty(like.toTensor().sizes());
    float* out = batch.data_ptr<float>();
    for (const auto& row : rows) {
      const Change* change = row->find(index);
      if (change == nullptr || !(change->box == shape->whole())) {
        std::copy_n(golden(index, row->sample), shape->elements(), out);
      }
      if (change != nullptr) paste_box(change->values, change->box, out, shape->whole());
      out += shape->elements();
    }
    repeat_first(batch, rows.size());
    return batch;
  }

  void run_dense(std::uint32_t number, Rows& rows) {
    const WaveStep& step = plan_.steps()[number];
    for (const std::uint32_t index : step.operands) scratch_[index] = gather(index, rows);
    plan_.model().program.execute(*step.instruction, scratch_, rows_,
                                  [](const Instruction&, Registers&) {});
    spread_outputs(step, rows);
    for (const std::uint32_t index : step.operands) scratch_[index] = {};
  }

  void spread_outputs(const WaveStep& step, Rows& rows) {
    for (const std::uint32_t index : step.instruction->outputs) {
      const RegisterInfo& info = plan_.info(index);
      if (!info.data) continue;
      c10::IValue value = std::move(scratch_[index]);
      scratch_[index] = {};
      if (info.shape) {
        const auto batch = std::make_shared<at::Tensor>(value.toTensor().contiguous());
        for (std::size_t i = 0; i < rows.size(); ++i) {
          Box box = info.shape->whole();
          if (step.kind == WaveStep::Kind::region && parts_.region) {
            box = reached(step, *rows[i]->find(step.operands[0]));
          }
          take(*rows[i], index, batch, static_cast<std::int64_t>(i), info.shape->whole(), box);
        }
        continue;
      }
      for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i]->drop(index);
        rows[i]->changes.push_back(
            {index, {}, {}, nullptr, false, row_of(value, rows_, static_cast<std::int64_t>(i))});
      }
    }
  }

  // --- faulty filters ---

  /// Faulty filters on the golden inputs of a batch of samples: one call for as many trials as
  /// share at most `block` filters.
  void run_channels(const Key& key, Rows& rows) {
    const WaveStep& step = plan_.steps()[key.step];
    const Layer& layer = step.layer();
    const auto block = plan_.channel_block(key.step);
    const at::Tensor& input =
        block_.batches[static_cast<std::size_t>(key.number)][layer.input].toTensor();
    std::vector<const Filter*> chosen;
    std::vector<std::pair<std::size_t, std::size_t>> wanted;  // (row, place in chosen), a chunk
    const auto flush = [&](std::vector<std::pair<std::size_t, std::size_t>>& pairs) {
      if (pairs.empty()) return;
      const at::Tensor result = filtered(key.step, layer, input, chosen, block);
      const std::int64_t plane = result.numel() / rows_ / block;
      const RowShape shape = *plan_.info(step.instruction->outputs[0]).shape;
      for (const auto& [i, place] : pairs) {
        const auto slot = static_cast<std::int64_t>(rows[i]->sample % batch_size());
        const float* values =
            result.data_ptr<float>() + (slot * block + static_cast<std::int64_t>(place)) * plane;
        put_channel(*rows[i], step.instruction->outputs[0], shape, chosen[place]->channel, values);
      }
      pairs.clear();
      chosen.clear();
    };
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (const Filter& filter : *filters_of(*rows[i], key.step)) {
        auto known = std::find_if(chosen.begin(), chosen.end(),
                                  [&](const Filter* other) { return same_filter(*other, filter); });
        if (known == chosen.end()) {
          if (static_cast<std::int64_t>(chosen.size()) == block) flush(wanted);
          chosen.push_back(&filter);
          known = chosen.end() - 1;
        }
        wanted.emplace_back(i, static_cast<std::size_t>(known - chosen.begin()));
      }
    }
    flush(wanted);
  }

  /// Bit by bit: NaN equals itself here.
  static bool same_filter(const Filter& a, const Filter& b) {
    return a.channel == b.channel && faultgen::to_bits(a.bias) == faultgen::to_bits(b.bias) &&
           std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(float)) == 0;
  }

  at::Tensor filtered(std::uint32_t number, const Layer& layer, const at::Tensor& input,
                      const std::vector<const Filter*>& chosen, std::int64_t block) const {
    const at::Tensor& weight = plan_.constants()[layer.weight].toTensor();
    std::vector<std::int64_t> shape = weight.sizes().vec();
    shape[0] = block;
    at::Tensor filters = at::empty(shape);
    at::Tensor biases = layer.bias ? at::empty({block}) : at::Tensor();
    const std::int64_t length = filters.numel() / block;
    for (std::int64_t k = 0; k < block; ++k) {
      const Filter& filter = *chosen[std::min(static_cast<std::size_t>(k), chosen.size() - 1)];
      std::copy(filter.values.begin(), filter.values.end(), filters.data_ptr<float>() + k * length);
      if (layer.bias) biases.data_ptr<float>()[k] = filter.bias;
    }
    return plan_.run_filters(number, input, filters, biases).contiguous();
  }

  /// Channel `channel` of the output of a row gets `values`.
  void put_channel(Row& row, std::uint32_t index, const RowShape& shape, std::int64_t channel,
                   const float* values) {
    Box box{{channel, channel + 1}, {0, shape.h}, {0, shape.w}};
    const Change* known = row.find(index);
    if (known != nullptr) box = unite(box, known->box);
    if (!parts_.region) box = shape.whole();
    auto store = make_values(box.elements());
    if (box.c.size() > 1) {
      copy_box({shape.whole(), golden(index, row.sample)}, box, store.get());
    }
    if (known != nullptr) paste_box(known->values, known->box, store.get(), box);
    std::copy_n(values, shape.h * shape.w, store.get() + (channel - box.c.low) * shape.h * shape.w);
    const Patch patch{box, store.get()};
    row.drop(index);
    row.changes.push_back({index, patch, box, std::move(store), false, {}});
  }

  /// The whole layer with faulty filters in it: exact whatever kernel there is. Rows with golden
  /// inputs share it as long as they want different channels and take only those; a row whose
  /// inputs differ has it to itself.
  void run_layers(const Key& key, Rows& rows) {
    const WaveStep& step = plan_.steps()[key.step];
    const Layer& layer = step.layer();
    std::size_t first = 0;
    while (first < rows.size()) {
      std::map<std::int64_t, const Filter*> channels;
      std::size_t last = first;
      for (; last < rows.size(); ++last) {
        const std::vector<Filter>* filters = filters_of(*rows[last], key.step);
        const bool clash = filters != nullptr &&
                           std::any_of(filters->begin(), filters->end(), [&](const Filter& f) {
                             const auto found = channels.find(f.channel);
                             return found != channels.end() && !same_filter(*found->second, f);
                           });
        if (clash) break;
        if (filters != nullptr) {
          for (const Filter& f : *filters) channels.emplace(f.channel, &f);
        }
      }
      run_layer(key, layer, step, std::span(rows).subspan(first, last - first), channels);
      first = last;
    }
  }

  void run_layer(const Key& key, const Layer& layer, const WaveStep& step,
                 std::span<std::unique_ptr<Row>> chunk,
                 const std::map<std::int64_t, const Filter*>& channels) {
    Rows rows;
    for (auto& row : chunk) rows.push_back(std::move(row));
    const c10::IValue sound = scratch_[layer.weight];
    const c10::IValue sound_bias = layer.bias ? scratch_[*layer.bias] : c10::IValue();
    const auto restore = [&] {
      scratch_[layer.weight] = sound;
      if (layer.bias) scratch_[*layer.bias] = sound_bias;
    };
    const at::Tensor weight = sound.toTensor().clone();
    const at::Tensor bias = layer.bias ? sound_bias.toTensor().clone() : at::Tensor();
    const at::Tensor flat = weight.view({weight.size(0), -1});
    for (const auto& [channel, filter] : channels) {
      std::copy(filter->values.begin(), filter->values.end(),
                flat.data_ptr<float>() + channel * flat.size(1));
      if (layer.bias) bias.data_ptr<float>()[channel] = filter->bias;
    }
    scratch_[layer.weight] = weight;
    if (layer.bias) scratch_[*layer.bias] = bias;
    try {
      scratch_[layer.input] = gather(layer.input, rows);
      plan_.model().program.execute(*step.instruction, scratch_, rows_,
                                    [](const Instruction&, Registers&) {});
    } catch (...) {
      restore();
      for (std::size_t i = 0; i < rows.size(); ++i) chunk[i] = std::move(rows[i]);
      throw;
    }
    restore();
    scratch_[layer.input] = {};
    const std::uint32_t index = step.instruction->outputs[0];
    const RowShape shape = *plan_.info(index).shape;
    const auto batch = std::make_shared<at::Tensor>(scratch_[index].toTensor().contiguous());
    scratch_[index] = {};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (key.way == Key::Way::alone) {
        take(*rows[i], index, batch, static_cast<std::int64_t>(i), shape.whole(), shape.whole());
        continue;
      }
      const float* values =
          batch->data_ptr<float>() + static_cast<std::int64_t>(i) * shape.elements();
      const std::vector<Filter>* filters = filters_of(*rows[i], key.step);
      if (filters == nullptr) continue;
      for (const Filter& filter : *filters) {
        put_channel(*rows[i], index, shape, filter.channel,
                    values + filter.channel * shape.h * shape.w);
      }
    }
    for (std::size_t i = 0; i < rows.size(); ++i) chunk[i] = std::move(rows[i]);
  }

  // --- counting ---

  /// Output positions that read a position at which some channel differs, times what each costs.
  void count_change(Row& row, const WaveStep& step, const Change& change) {
    if (!step.convolution) return;
    const Convolution& c = *step.convolution;
    const std::int64_t group_in = c.in.c / c.groups, group_out = c.out.c / c.groups;
    const Patch sound{c.in.whole(), golden(c.input, row.sample)};
    for (std::int64_t group = 0; group < c.groups; ++group) {
      const Range channels = intersect(change.box.c, {group * group_in, (group + 1) * group_in});
      if (channels.empty()) continue;
      std::vector<bool> out(static_cast<std::size_t>(c.out.h * c.out.w));
      for (std::int64_t y = change.box.y.low; y < change.box.y.high; ++y) {
        for (std::int64_t x = change.box.x.low; x < change.box.x.high; ++x) {
          bool differs = false;
          for (std::int64_t k = channels.low; k < channels.high && !differs; ++k) {
            differs = faultgen::to_bits(*change.values.at(k, y, x)) !=
                      faultgen::to_bits(*sound.at(k, y, x));
          }
          if (differs) mark(c, y, x, out);
        }
      }
      const auto positions = static_cast<std::uint64_t>(std::count(out.begin(), out.end(), true));
      work_->unavoidable +=
          positions * static_cast<std::uint64_t>(group_out * group_in * c.y.kernel * c.x.kernel);
    }
  }

  static void mark(const Convolution& c, std::int64_t y, std::int64_t x, std::vector<bool>& out) {
    const auto outputs = [](const Slide& s, std::int64_t in) {
      std::vector<std::int64_t> list;
      for (std::int64_t k = 0; k < s.kernel; ++k) {
        const std::int64_t at = in + s.padding - s.dilation * k;
        if (at >= 0 && at % s.stride == 0 && at / s.stride < s.out) list.push_back(at / s.stride);
      }
      return list;
    };
    for (const std::int64_t oy : outputs(c.y, y)) {
      for (const std::int64_t ox : outputs(c.x, x)) {
        out[static_cast<std::size_t>(oy * c.out.w + ox)] = true;
      }
    }
  }

  const IncrementalPlan& plan_;
  const IncrementalParts& parts_;
  const Block& block_;
  std::span<const Trial> trials_;
  std::span<TrialResult> results_;
  std::optional<Work>& work_;
  std::int64_t rows_;
  Registers scratch_;  ///< constants, and the inputs and outputs of the step that runs
  std::array<std::vector<float>, 2> stores_;
  std::map<Key, Rows> queues_;
  std::int64_t flight_bytes_ = 0;
  std::vector<std::size_t> left_;
};

/// The golden run of one batch: keeps what the plan says, and finds samples with values that are
/// not finite anywhere that is watched.
class GoldenWave {
 public:
  GoldenWave(const IncrementalPlan& plan, Block& block) : plan_(plan), block_(block) {}

  void run(std::size_t start, std::size_t used) {
    const PreparedModel& model = plan_.model();
    Registers registers = plan_.constants();
    for (std::size_t i = 0; i < registers.size(); ++i) {
      if (registers[i].isNone()) registers[i] = plan_.example()[i];
    }
    registers[model.program.input_register()] = gather(start, used);
    std::vector<std::vector<std::uint32_t>> alarms(used);
    for (const WaveStep& step : plan_.steps()) {
      model.program.execute(*step.instruction, registers, model.rows,
                            [](const Instruction&, Registers&) {});
      if (const auto guard = step.instruction->alarm) {
        const at::Tensor raised = registers[step.instruction->outputs[0]].toTensor();
        for (std::size_t i = 0; i < used; ++i) {
          if (raised.data_ptr<bool>()[i]) alarms[i].push_back(*guard);
        }
      }
      for (const std::uint32_t index : step.instruction->outputs) {
        const auto point = plan_.info(index).point;
        if (!point) continue;
        watch(registers[index], start, used);
        if (model.deviation) add_squares(registers[index], *point, start, used);
      }
      for (const std::uint32_t index : step.dead) {
        if (!plan_.info(index).kept) registers[index] = {};
      }
    }
    const at::Tensor output = registers[model.program.output_register()].toTensor();
    const std::int64_t classes = output.size(1);
    for (std::size_t i = 0; i < used; ++i) {
      const float* values = output.data_ptr<float>() + static_cast<std::int64_t>(i) * classes;
      const bool finite = loops::all_finite(values, classes);
      block_.rows.push_back({{values, values + classes}, finite, std::move(alarms[i])});
      if (!finite) block_.left_to_reference[start + i] = true;
      if (!model.deviation) continue;
      block_.squares[start + i][model.output_point] = sum_of_squares(block_.rows.back().output);
    }
    block_.batches.push_back(std::move(registers));
  }

 private:
  at::Tensor gather(std::size_t start, std::size_t used) const {
    const PreparedModel& model = plan_.model();
    std::vector<std::int64_t> shape{model.rows};
    shape.insert(shape.end(), model.input_shape.begin(), model.input_shape.end());
    at::Tensor batch = at::empty(shape, at::kFloat);
    float* out = batch.data_ptr<float>();
    for (std::size_t row = 0; row < static_cast<std::size_t>(model.rows); ++row) {
      const float* values =
          block_.inputs.data() + (start + (row < used ? row : 0)) * model.input_elements;
      out = std::copy_n(values, model.input_elements, out);
    }
    return batch;
  }

  void watch(const c10::IValue& value, std::size_t start, std::size_t used) {
    map_tensors(value, [&](const at::Tensor& tensor) {
      const std::int64_t rows = plan_.model().rows;
      if (!tensor.is_floating_point() || !has_rows(tensor, rows)) return tensor;
      const bool flat = tensor.scalar_type() == at::kFloat && tensor.is_contiguous();
      if (flat && loops::all_finite(tensor.data_ptr<float>(), tensor.numel())) return tensor;
      for (std::size_t i = 0; i < used; ++i) {
        const at::Tensor row = one_row(tensor, rows, static_cast<std::int64_t>(i));
        const bool plain = row.scalar_type() == at::kFloat && row.is_contiguous();
        const bool finite =
            plain ? loops::all_finite(row.data_ptr<float>(), row.numel()) : !any_nonfinite(row);
        if (!finite) block_.left_to_reference[start + i] = true;
      }
      return tensor;
    });
  }

  /// Sums of the squares of each sample's golden values at a point.
  void add_squares(const c10::IValue& value, std::uint32_t point, std::size_t start,
                   std::size_t used) {
    const std::int64_t rows = plan_.model().rows;
    map_tensors(value, [&](const at::Tensor& tensor) {
      if (tensor.scalar_type() != at::kFloat || !has_rows(tensor, rows)) return tensor;
      const at::Tensor values = tensor.contiguous();
      const auto elements = static_cast<std::size_t>(values.numel() / rows);
      for (std::size_t i = 0; i < used; ++i) {
        block_.squares[start + i][point] +=
            sum_of_squares({values.data_ptr<float>() + i * elements, elements});
      }
      return tensor;
    });
  }

  const IncrementalPlan& plan_;
  Block& block_;
};

}  // namespace

IncrementalExecutor::IncrementalExecutor(std::shared_ptr<const IncrementalPlan> plan,
                                         const IncrementalParts& parts)
    : plan_(std::move(plan)),
      parts_(parts),
      reference_(std::make_unique<ReferenceExecutor>(
          std::shared_ptr<const PreparedModel>(plan_, &plan_->model()))) {}

IncrementalExecutor::~IncrementalExecutor() = default;

std::unique_ptr<GoldenBlock> IncrementalExecutor::golden(std::span<const float> inputs) {
  if (!plan_->obstacle().empty()) return reference_->golden(inputs);
  const c10::InferenceMode inference;
  use_one_inner_thread();
  auto block = std::make_unique<Block>();
  block->inputs.assign(inputs.begin(), inputs.end());
  const std::size_t count = inputs.size() / plan_->model().input_elements;
  block->left_to_reference.resize(count);
  if (plan_->model().deviation) {
    block->squares.assign(count, std::vector<double>(plan_->model().points.size()));
  }
  const auto rows = static_cast<std::size_t>(plan_->model().rows);
  try {
    for (std::size_t start = 0; start < count; start += rows) {
      GoldenWave(*plan_, *block).run(start, std::min(count - start, rows));
    }
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception&) {
    reference_->golden(inputs);  // says which sample it is
    throw;
  }
  if (work_) work_->golden += count * plan_->multiply_adds();
  return block;
}

std::vector<TrialResult> IncrementalExecutor::trials(const GoldenBlock& block,
                                                     std::span<const Trial> trials) {
  if (!plan_->obstacle().empty()) return reference_->trials(block, trials);
  const c10::InferenceMode inference;
  use_one_inner_thread();
  for (const Trial& trial : trials) require_hittable(plan_->model(), trial.faults);
  const auto& known = dynamic_cast<const Block&>(block);
  std::vector<TrialResult> results(trials.size());
  auto left = Wave(*plan_, parts_, known, trials, results, work_).run();
  if (left.empty()) return results;
  std::sort(left.begin(), left.end());
  left.erase(std::unique(left.begin(), left.end()), left.end());
  if (!known.reference) known.reference = reference_->golden(known.inputs);
  std::vector<Trial> again;
  for (const std::size_t i : left) again.push_back(trials[i]);
  std::vector<TrialResult> done = reference_->trials(*known.reference, again);
  for (std::size_t i = 0; i < left.size(); ++i) results[left[i]] = std::move(done[i]);
  return results;
}

Trace IncrementalExecutor::trace(const GoldenBlock& block, const Trial& trial) {
  if (!plan_->obstacle().empty()) return reference_->trace(block, trial);
  const auto& known = dynamic_cast<const Block&>(block);
  if (!known.reference) known.reference = reference_->golden(known.inputs);
  return reference_->trace(*known.reference, trial);
}

}  // namespace bitquake::model
