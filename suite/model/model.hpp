#pragma once

#include "faultgen/fault.hpp"
#include "faultgen/fault_space.hpp"
#include "suite/base/named.hpp"
#include "suite/base/result.hpp"
#include "suite/model/execution.hpp"
#include "suite/model/protection.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

/// What the engine needs of a model, free of Torch: program.hpp implements it for TorchScript,
/// tests/support/toy_model.hpp for tests that a sanitizer can see through.
namespace bitquake::model {

enum class PointKind : std::uint8_t { parameter, site_input, site_output, module_output, output };

inline constexpr std::array kPointKinds{
    Named<PointKind>{PointKind::parameter, "parameter",
                     "a parameter of a site, watched where a fault is injected into it"},
    Named<PointKind>{PointKind::site_input, "site_input",
                     "what a site or the network reads, watched where a fault is injected"},
    Named<PointKind>{PointKind::site_output, "site_output",
                     "the output of a site that is no module's output, watched where a fault is "
                     "injected"},
    Named<PointKind>{PointKind::module_output, "module_output", "the output of a module call"},
    Named<PointKind>{PointKind::output, "output", "the final output"},
};

/// A monitored point: a tensor watched for NaN and Inf.
struct Point {
  std::string
      path;  ///< module path, "#1" behind it for the second call; "output" for the final one
  PointKind kind = PointKind::module_output;
  bool operator==(const Point&) const = default;
};

/// What one fault did, read at the moment of injection: the evidence that exactly the intended bits
/// changed.
struct Injection {
  bool reached = false;  ///< false when control flow did not run the site
  std::uint64_t original_bits = 0;
  std::uint64_t corrupted_bits = 0;
  bool operator==(const Injection&) const = default;
};

/// The fault-free run of one sample.
struct GoldenRow {
  std::vector<float> output;  ///< [classes]
  bool output_finite = true;
  /// Numbers of the guards that raise an alarm, ascending: without any fault, so false ones.
  std::vector<std::uint32_t> alarms{};
};

/// Activations that a golden block keeps: of whole batches, rows that no sample uses included.
struct KeptActivations {
  std::uint64_t row_bytes = 0;   ///< at most, of one row
  std::uint64_t batch_rows = 1;  ///< > 0
  bool operator==(const KeptActivations&) const = default;
};

/// Golden runs of some samples, with whatever the model keeps for the trials to come.
class GoldenBlock {
 public:
  virtual ~GoldenBlock() = default;
  virtual std::size_t size() const = 0;
  virtual const GoldenRow& row(std::size_t index) const = 0;
};

/// One faulty inference to do.
struct Trial {
  std::size_t golden_row = 0;  ///< the sample: row of the golden block
  std::span<const faultgen::Fault> faults;
};

/// How far the values of one monitored point are from those of the fault-free run of the same
/// sample, where some differ.
struct PointDeviation {
  std::uint32_t point = 0;
  std::uint64_t differing = 0;  ///< elements whose bits differ; two NaNs do not
  std::uint64_t nonfinite = 0;  ///< of these, NaN or Inf in one of the runs: outside what follows
  double max_abs = 0;           ///< largest |faulty - golden|
  /// Euclidean norm of faulty - golden over that of the golden values; Inf where that is 0.
  double rel_l2 = 0;
  bool operator==(const PointDeviation&) const = default;
};

/// What came out of it.
struct TrialResult {
  std::vector<float> output;          ///< [classes]; empty when the inference failed
  std::vector<Injection> injections;  ///< one per fault, in order
  /// First monitored point, in execution order, with an element that is finite in the golden run
  /// and not in this one; the injected value counts.
  std::optional<std::uint32_t> first_nonfinite;
  std::vector<std::uint32_t> nonfinite{};  ///< all such points, ascending
  /// Some module output or the final output holds a NaN or Inf, whatever the golden run holds: what
  /// PyTorchALFI calls a DUE.
  bool any_nonfinite = false;
  /// First guard, by number, that raises an alarm in this run and not in the golden run of the
  /// sample: a guard that fires anyway earns nothing. A guard raises an alarm in a run when an
  /// element it looks at is outside its bounds or tolerance or differs from its copy, or a word
  /// that a fault touched is corrected or found wrong. An alarm counts even when the fault does not
  /// reach the output.
  std::optional<std::uint32_t> first_alarm{};
  std::vector<std::uint32_t> alarms{};  ///< all such guards, ascending
  /// Module outputs and the final output, as far as they are monitored, that differ from the golden
  /// run, ascending; empty unless the model was loaded with `deviation`, or the inference failed.
  std::vector<PointDeviation> deviations{};
  std::string failure;  ///< message without addresses when the inference failed, else empty
};

/// How far the output of one site, faults included, is from the fault-free run of the same sample.
struct SiteDeviation {
  std::uint32_t site = 0;
  std::uint64_t elements = 0;   ///< compared; 0 when a run did not come to this site
  std::uint64_t differing = 0;  ///< whose bits differ
  /// Largest |faulty - golden| where both are finite and differ, and the Euclidean norm of these
  /// differences over that of the finite golden values (Inf where that is 0).
  std::optional<double> max_abs{}, rel_l2{};
  std::uint64_t nan = 0, inf = 0;  ///< of the faulty run
  bool operator==(const SiteDeviation&) const = default;
};

/// A trial with everything that is worth seeing of it.
struct Trace {
  TrialResult result;                ///< the same as Executor::trials gives
  std::vector<SiteDeviation> sites;  ///< of every site, in execution order
};

/// Thrown when the fault-free run of a sample fails.
class GoldenFailure : public std::runtime_error {
 public:
  GoldenFailure(std::size_t row, const std::string& message)
      : std::runtime_error(message), row_(row) {}
  std::size_t row() const { return row_; }  ///< of the samples given to Executor::golden

 private:
  std::size_t row_;
};

/// Runs inferences; one per worker thread, not for sharing. Rows of the padded batch that no trial
/// uses repeat the first one.
class Executor {
 public:
  virtual ~Executor() = default;
  /// @param inputs  [n, input elements], row-major, already normalised
  /// Throws GoldenFailure.
  virtual std::unique_ptr<GoldenBlock> golden(std::span<const float> inputs) = 0;
  /// Results in the order of `trials`; each is a pure function of (sample, faults).
  virtual std::vector<TrialResult> trials(const GoldenBlock& block,
                                          std::span<const Trial> trials) = 0;
  /// One trial again, watched at every site: slow, for people.
  virtual Trace trace(const GoldenBlock& block, const Trial& trial) = 0;
  /// Multiply-adds of convolutions and linear layers since the executor was made; nullopt when it
  /// does not count. Counting costs time: count_work() turns it on.
  virtual std::optional<Work> work() const { return std::nullopt; }
  virtual void count_work() {}
};

/// Sees what one sample has at one site: a tensor without its batch dimension, row-major.
using Watcher =
    std::function<void(std::uint32_t site, std::size_t sample, std::span<const float> values)>;

/// A loaded model: immutable, shared by all workers, all members thread-safe.
class Model {
 public:
  virtual ~Model() = default;
  virtual const std::vector<faultgen::Site>& sites() const = 0;
  virtual const std::vector<Point>& points() const = 0;
  virtual std::size_t classes() const = 0;
  virtual std::string sha256() const = 0;
  /// Things the user should know, such as "was saved in train mode; runs in eval mode".
  virtual const std::vector<std::string>& notices() const = 0;
  /// Guards of its protection, in execution order: TrialResult::first_alarm is a place in it.
  virtual std::vector<PlacedGuard> guards() const { return {}; }
  /// Everything that decides the last bit of a result besides the scenario: library versions,
  /// instruction sets, padded batch. Equal fingerprints mean comparable bytes.
  virtual std::map<std::string, std::string> fingerprint() const = 0;
  virtual std::unique_ptr<Executor> make_executor(const ExecutionOptions& options = {}) const = 0;
  /// What a golden block of the executor keeps besides its inputs.
  virtual KeptActivations kept_activations(const ExecutionOptions& /*options*/ = {}) const {
    return {};
  }
  /// Shows `watch` what faults of `target`, no parameter, would hit in fault-free runs: each site
  /// that runs, for each sample, in the order of execution within a sample. What `watch` throws
  /// comes through. Throws GoldenFailure.
  /// @param inputs  [n, input elements], row-major, already normalised
  virtual void observe(faultgen::Target target, std::span<const float> inputs,
                       const Watcher& watch) const = 0;
  /// Largest deviation that each guard of kind abft sees in fault-free runs of `inputs`, by number
  /// of the guard; 0 for guards of other kinds. NaN is left out: it exceeds every tolerance. With
  /// such a tolerance, or a larger one, there is no alarm on these inputs.
  /// `inputs` are laid out as those of observe().
  virtual std::vector<float> largest_deviations(std::span<const float> /*inputs*/) const {
    return {};
  }
  /// The values of a parameter, row-major as stored; empty when the site has none. Throws Exception
  /// (internal) for a target that is no parameter.
  virtual std::vector<float> parameter(std::uint32_t site, faultgen::Target target) const = 0;
  /// Largest finite magnitude of the values that faults of `target` hit, for each site; 0 where
  /// there is none. Parameters are looked at themselves, all else in fault-free runs of `inputs`.
  std::vector<float> largest_magnitudes(faultgen::Target target,
                                        std::span<const float> inputs) const;
  /// How the incremental executor treats each site: kernels are tried out, which takes a while.
  virtual std::vector<SiteExecution> explain(const ExecutionOptions& /*options*/ = {}) const {
    return {};
  }
};

inline std::vector<float> Model::largest_magnitudes(faultgen::Target target,
                                                    std::span<const float> inputs) const {
  std::vector<float> largest(sites().size());
  const auto note = [&](std::uint32_t site, std::size_t, std::span<const float> values) {
    for (const float value : values) {
      if (std::isfinite(value)) largest[site] = std::max(largest[site], std::abs(value));
    }
  };
  if (!faultgen::is_parameter(target)) {
    observe(target, inputs, note);
    return largest;
  }
  for (std::uint32_t site = 0; site < largest.size(); ++site) {
    note(site, 0, parameter(site, target));
  }
  return largest;
}

}  // namespace bitquake::model
