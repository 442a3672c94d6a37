#pragma once

#include "results/trials.hpp"
#include "suite/base/result.hpp"
#include "suite/bench/workload.hpp"
#include "suite/model/execution.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Trials per second of whole campaigns, end to end: golden runs, faulty runs, segments, trials.h5
/// and tables, with model, images and faults at hand. One way of execution after the other takes
/// part, so that each part's gain is seen.
namespace bitquake::bench {

/// A way to compute trials.
struct Step {
  std::string_view name, doc;
  model::ExecutionOptions options;
};

/// From the slowest to the whole: reference, batched, then the parts of the incremental executor,
/// each beside those before it.
std::span<const Step> steps();

struct AblationOptions {
  std::vector<const Network*> networks;
  std::vector<faultgen::Target> targets;
  std::vector<Workload> workloads;
  std::vector<unsigned> threads;        ///< workers, each > 0
  std::optional<unsigned> repetitions;  ///< none: those of effort_of()
  bool quick = false;
  std::filesystem::path images;  ///< Fashion-MNIST's test images (idx)
  std::filesystem::path lenet5;  ///< the shipped archive
};

/// One way on one case, repeated.
struct Measurement {
  std::string_view step;
  unsigned threads = 1;
  bool audit = false;
  std::uint64_t trials = 0;
  std::vector<double> seconds;            ///< wall time of each repetition
  std::vector<std::uint64_t> peak_bytes;  ///< most resident memory of the process in each

  double trials_per_s() const;  ///< by the median repetition
};

/// One network, target and workload.
struct CaseReport {
  std::string_view network, target, workload;
  Size size;
  std::uint32_t padded_batch = 0;
  double masked = 0, sde = 0;   ///< shares of the trials, in [0, 1]
  std::optional<double> limit;  ///< of the ratio to `batched`; none when work is not counted
  std::vector<Measurement> measurements;

  /// The measurement of a step, null when there is none.
  const Measurement* find(std::string_view step, unsigned threads, bool audit = false) const;
};

struct AblationReport {
  bool audit_known = false;              ///< the audit can be turned on and off
  std::vector<CaseReport> cases;         ///< in the order of the options
  std::vector<std::string> differences;  ///< ways that left other rows; empty when all agree
};

/// Measures. Repetitions of the ways alternate, so that a slow minute of the machine hits all. Runs
/// in temporary directories.
/// @param options  what to measure
/// @param json     gets Google Benchmark's JSON: one entry for each repetition; may be null
/// @param say      hears what is measured next, one line without line end
Result<AblationReport> run_ablation(const AblationOptions& options, std::ostream* json,
                                    const std::function<void(const std::string&)>& say);

/// Largest speed-up over `batched` that arithmetic allows with these faults: multiply-adds of
/// golden and whole faulty runs over those of golden runs and of what differs from them.
std::optional<double> limit_of(const std::optional<model::Work>& work);

/// Whether the rows of `part` are the first of `whole`, or all of them; the campaigns' identities
/// may differ.
bool begins_with(const results::Trials& whole, const results::Trials& part);

/// Tables in Markdown, one for each workload: ratios to `batched` on as many threads, medians.
std::string ablation_markdown(const AblationReport& report);

}  // namespace bitquake::bench
