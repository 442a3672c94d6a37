#include "suite/selftest/defect.hpp"

#include "faultgen/fault_space.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace bitquake::selftest {
namespace {

using faultgen::Fault;
using faultgen::FaultModel;
using model::Trial;
using model::TrialResult;

using Faults = std::vector<Fault>;

/// A golden block whose rows can be overwritten.
class Block : public model::GoldenBlock {
 public:
  explicit Block(std::unique_ptr<model::GoldenBlock> sound) : sound_(std::move(sound)) {
    for (std::size_t i = 0; i < sound_->size(); ++i) rows.push_back(sound_->row(i));
  }
  std::size_t size() const override { return rows.size(); }
  const model::GoldenRow& row(std::size_t index) const override { return rows[index]; }
  const model::GoldenBlock& sound() const { return *sound_; }

  mutable std::vector<model::GoldenRow> rows;

 private:
  std::unique_ptr<model::GoldenBlock> sound_;
};

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

bool nearly_equal(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](float x, float y) { return std::abs(x - y) <= 0.01F * std::abs(y); });
}

class Saboteur : public model::Executor {
 public:
  Saboteur(Defect defect, const model::Model& model, const model::ExecutionOptions& options)
      : defect_(defect), model_(model), sound_(model.make_executor(options)) {}

  std::unique_ptr<model::GoldenBlock> golden(std::span<const float> inputs) override {
    auto block = std::make_unique<Block>(sound_->golden(inputs));
    if (defect_ == Defect::not_restored && !last_.empty()) {
      std::vector<Trial> trials;
      for (std::size_t i = 0; i < block->size(); ++i) trials.push_back({i, last_});
      const auto faulty = sound_->trials(block->sound(), trials);
      for (std::size_t i = 0; i < faulty.size(); ++i) overwrite(block->rows[i], faulty[i].output);
    }
    return block;
  }

  std::vector<TrialResult> trials(const model::GoldenBlock& block,
                                  std::span<const Trial> trials) override {
    const auto& golden = dynamic_cast<const Block&>(block);
    std::vector<TrialResult> intended = sound_->trials(golden.sound(), trials);
    std::vector<TrialResult> results = intended;
    if (changes_trials()) {
      results = sound_->trials(golden.sound(), changed(trials, golden.size()));
      for (std::size_t i = 0; i < trials.size(); ++i) {
        results[i].injections = intended[i].injections;
      }
    }
    for (std::size_t i = 0; i < trials.size(); ++i) spoil(results[i], trials[i], golden);
    if (defect_ == Defect::results_swapped) swap_neighbours(results);
    if (!trials.empty()) last_.assign(trials.back().faults.begin(), trials.back().faults.end());
    return results;
  }

  /// The sound executor's: no planted defect is about traces.
  model::Trace trace(const model::GoldenBlock& block, const Trial& trial) override {
    return sound_->trace(dynamic_cast<const Block&>(block).sound(), trial);
  }

 private:
  /// Only finite outputs: a sample whose golden output is not finite would have no trials.
  static void overwrite(model::GoldenRow& row, const std::vector<float>& output) {
    if (!output.empty() && all_finite(output)) row.output = output;
  }

  bool changes_trials() const {
    switch (defect_) {
      case Defect::wrong_element:
      case Defect::wrong_bit:
      case Defect::left_behind:
      case Defect::cancelled:
      case Defect::first_fault_only:
      case Defect::stuck_at_flips:
      case Defect::wrong_sample:
        return true;
      default:
        return false;
    }
  }

  /// What is run in place of `trials`; the faults are kept in `planted_`.
  std::vector<Trial> changed(std::span<const Trial> trials, std::size_t samples) {
    planted_.clear();
    for (const Trial& trial : trials) {
      planted_.push_back(changed_faults(trial.faults));
      last_.assign(trial.faults.begin(), trial.faults.end());
    }
    std::vector<Trial> run;
    for (std::size_t i = 0; i < trials.size(); ++i) {
      std::size_t sample = trials[i].golden_row;
      if (defect_ == Defect::wrong_sample) sample = (sample + 1) % samples;
      run.push_back({sample, planted_[i]});
    }
    return run;
  }

  Faults changed_faults(std::span<const Fault> faults) const {
    Faults result(faults.begin(), faults.end());
    if (defect_ == Defect::cancelled) result.clear();
    if (defect_ == Defect::first_fault_only) result.resize(1);
    if (defect_ == Defect::left_behind) {
      result.insert(result.end(), last_.begin(), last_.end());
    }
    for (Fault& fault : result) change(fault);
    return result;
  }

  void change(Fault& fault) const {
    if (defect_ == Defect::wrong_element) {
      const faultgen::Site& site = model_.sites()[fault.site];
      fault.element = (fault.element + 1) % faultgen::site_elements(site, fault.target);
    }
    if (defect_ == Defect::wrong_bit) {
      fault.bit_mask = (fault.bit_mask << 1U | fault.bit_mask >> 31U) & 0xffffffffU;
    }
    if (defect_ == Defect::stuck_at_flips) fault.model = FaultModel::bit_flip;
  }

  /// Defects that look at one trial's result.
  void spoil(TrialResult& result, const Trial& trial, const Block& block) const {
    model::GoldenRow& golden = block.rows[trial.golden_row];
    if (defect_ == Defect::golden_polluted) overwrite(golden, result.output);
    if (defect_ == Defect::nonfinite_dropped) {
      result.first_nonfinite.reset();
      result.nonfinite.clear();
      result.any_nonfinite = false;
    }
    if (defect_ == Defect::tolerance && nearly_equal(result.output, golden.output)) {
      result.output = golden.output;
    }
    if (defect_ == Defect::evidence_forged) {
      for (model::Injection& injection : result.injections) {
        injection.corrupted_bits = injection.original_bits;
      }
    }
  }

  static void swap_neighbours(std::vector<TrialResult>& results) {
    for (std::size_t i = 0; i + 1 < results.size(); i += 2) {
      std::swap(results[i].output, results[i + 1].output);
      std::swap(results[i].first_nonfinite, results[i + 1].first_nonfinite);
      std::swap(results[i].nonfinite, results[i + 1].nonfinite);
      std::swap(results[i].any_nonfinite, results[i + 1].any_nonfinite);
    }
  }

  Defect defect_;
  const model::Model& model_;
  std::unique_ptr<model::Executor> sound_;
  Faults last_;                  ///< of the trial before
  std::vector<Faults> planted_;  ///< what the trials of a call really run with
};

class DefectiveModel : public ModelWrapper {
 public:
  DefectiveModel(Defect defect, std::shared_ptr<const model::Model> sound)
      : ModelWrapper(std::move(sound)), defect_(defect) {}
  std::unique_ptr<model::Executor> make_executor(
      const model::ExecutionOptions& options) const override {
    return std::make_unique<Saboteur>(defect_, *sound_, options);
  }

 private:
  Defect defect_;
};

}  // namespace

std::shared_ptr<const model::Model> plant(Defect defect,
                                          std::shared_ptr<const model::Model> model) {
  return std::make_shared<DefectiveModel>(defect, std::move(model));
}

}  // namespace bitquake::selftest
