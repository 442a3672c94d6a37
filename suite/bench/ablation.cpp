#include "suite/bench/ablation.hpp"

#include "metrics/outcome.hpp"
#include "suite/base/sha256.hpp"
#include "suite/base/temp_directory.hpp"
#include "suite/bench/fixed_execution.hpp"
#include "suite/bench/images.hpp"
#include "suite/bench/memory.hpp"
#include "suite/bench/reporter.hpp"
#include "suite/engine/campaign.hpp"
#include "suite/model/fingerprint.hpp"
#include "suite/model/load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

namespace bitquake::bench {
namespace {

using model::Execution;
using model::IncrementalParts;

constexpr IncrementalParts kNoParts{.prefix = false,
                                    .masked_stop = false,
                                    .noop = false,
                                    .region = false,
                                    .channel = false,
                                    .prepared_weights = false};

constexpr IncrementalParts with_prefix() {
  IncrementalParts parts = kNoParts;
  parts.prefix = true;
  return parts;
}

constexpr IncrementalParts with_masked_stop() {
  IncrementalParts parts = with_prefix();
  parts.masked_stop = true;
  return parts;
}

constexpr IncrementalParts with_region_and_channel() {
  IncrementalParts parts = with_masked_stop();
  parts.region = parts.channel = true;
  return parts;
}

constexpr std::array kSteps{
    Step{"reference", "the whole network; a weight fault to itself", {Execution::reference, {}}},
    Step{"batched",
         "the whole network; trials that share a weight fault in one batch",
         {Execution::batched, {}}},
    Step{"prefix", "start at the fault's site", {Execution::incremental, with_prefix()}},
    Step{"masked_stop",
         "and end when nothing differs any more",
         {Execution::incremental, with_masked_stop()}},
    Step{"region_channel",
         "and compute only the region or channel that differs",
         {Execution::incremental, with_region_and_channel()}},
    Step{"all",
         "and skip faults that change nothing, keep weights in oneDNN's order",
         {Execution::incremental, {}}},
};

/// One campaign in a directory of its own, removed afterwards.
class Campaign {
 public:
  explicit Campaign(const engine::Inputs& inputs, unsigned threads)
      : inputs_(inputs), threads_(threads) {}

  Result<std::monostate> run() {
    const std::atomic<bool> never{false};
    engine::Observer silent;
    const auto result = engine::run_campaign(
        inputs_, {.directory = directory_ / "run", .threads = threads_}, never, silent);
    if (!result) return result.error();
    return std::monostate{};
  }
  std::filesystem::path rows() const { return directory_ / "run" / "trials.h5"; }

 private:
  const engine::Inputs& inputs_;
  unsigned threads_;
  TempDirectory directory_;
};

/// NaN, the probability where there is none, equals NaN here.
bool same_number(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

bool same_row(results::TrialRow a, results::TrialRow b) {
  const bool same = same_number(a.golden_probability, b.golden_probability) &&
                    same_number(a.faulty_probability, b.faulty_probability);
  a.golden_probability = b.golden_probability = a.faulty_probability = b.faulty_probability = 0;
  return same && a == b;
}

bool same_row(results::GoldenRow a, results::GoldenRow b) {
  const bool same = same_number(a.top1_probability, b.top1_probability);
  a.top1_probability = b.top1_probability = 0;
  return same && a == b;
}

template <class Row>
bool same_row(const Row& a, const Row& b) {
  return a == b;
}

/// The rows that every way must leave.
struct Expected {
  results::Trials rows;
  std::string sha256;  ///< of the whole campaign's trials.h5
};

/// One way on one case, ready to run.
struct Job {
  std::string name;  ///< as Google Benchmark reports it
  engine::Inputs inputs;
  bool whole = true;  ///< the whole campaign, the same scenario: the same bytes
  Measurement measured;
};

/// Measures one case; jobs are made first, so that nothing but campaigns is timed.
class CaseRun {
 public:
  CaseRun(const Network& network, const Case& chosen, const Effort& effort,
          std::shared_ptr<const datasets::Dataset> images,
          std::shared_ptr<const model::Model> model)
      : network_(network),
        chosen_(chosen),
        effort_(effort),
        images_(std::move(images)),
        model_(std::move(model)) {
    report_.network = network.name;
    report_.target = name_of(faultgen::kTargets, chosen.target);
    report_.workload = name_of(kWorkloads, chosen.workload);
    report_.size = effort.size(chosen.workload);
    report_.padded_batch = effort.padded_batch;
  }

  std::string name() const {
    return fmt::format("{}/{}/{}", report_.network, report_.target, report_.workload);
  }

  /// One run outside the timing: warms caches, counts work, gives the rows that are expected.
  Result<std::monostate> prepare(std::span<const unsigned> threads) {
    WorkTotal total;
    auto inputs = inputs_of(steps().back(), report_.size, false, &total);
    if (!inputs) return inputs.error();
    Campaign campaign(*inputs, 1);
    if (auto done = campaign.run(); !done) return done;
    auto rows = results::read_trials(campaign.rows());
    if (!rows) return rows.error();
    expected_ = {std::move(*rows), value_or_throw(sha256_file(campaign.rows(), Errc::results))};
    report_.masked = share(metrics::Outcome::masked);
    report_.sde = share(metrics::Outcome::sde);
    report_.limit = limit_of(total.work);
    return add_jobs(threads);
  }

  /// Repetitions alternate: the first of every way, then the second of every way.
  Result<std::monostate> measure(Reporter& reporter, unsigned repetitions) {
    benchmark::ClearRegisteredBenchmarks();
    for (unsigned i = 0; i < repetitions; ++i) {
      for (Job& job : jobs_) {
        benchmark::RegisterBenchmark(job.name.c_str(),
                                     [this, &job](benchmark::State& state) { run(job, state); })
            ->Iterations(1)
            ->Unit(benchmark::kMillisecond)
            ->MeasureProcessCPUTime()
            ->UseRealTime();
      }
    }
    reporter.set_repetitions(repetitions);
    benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::ClearRegisteredBenchmarks();
    if (failure_) return *failure_;
    return std::monostate{};
  }

  /// Takes one repetition from the reporter.
  void take(const benchmark::BenchmarkReporter::Run& run) {
    const auto job = std::ranges::find(jobs_, run.run_name.function_name, &Job::name);
    if (job == jobs_.end() || run.error_occurred) return;
    job->measured.seconds.push_back(run.real_accumulated_time /
                                    static_cast<double>(run.iterations));
    job->measured.peak_bytes.push_back(
        static_cast<std::uint64_t>(run.counters.at("peak_bytes").value));
  }

  CaseReport finish() {
    for (Job& job : jobs_) report_.measurements.push_back(std::move(job.measured));
    return std::move(report_);
  }
  const std::vector<std::string>& differences() const { return differences_; }

 private:
  Result<engine::Inputs> inputs_of(const Step& step, const Size& part, bool audit,
                                   WorkTotal* total = nullptr) const {
    return make_inputs(network_, chosen_, report_.size, part, effort_.padded_batch, audit, images_,
                       fix_execution(model_, step.options, total));
  }

  double share(metrics::Outcome outcome) const {
    const auto& trials = expected_.rows.trials;
    const auto hits =
        std::ranges::count(trials, static_cast<std::uint8_t>(outcome), &results::TrialRow::outcome);
    return trials.empty() ? 0.0 : static_cast<double>(hits) / static_cast<double>(trials.size());
  }

  Result<std::monostate> add_jobs(std::span<const unsigned> threads) {
    for (const unsigned count : threads) {
      for (const Step& step : steps()) {
        if (auto added = add_job(step, count, false); !added) return added;
      }
      if (!has_audit()) continue;
      if (auto added = add_job(steps().back(), count, true); !added) return added;
    }
    return std::monostate{};
  }

  Result<std::monostate> add_job(const Step& step, unsigned threads, bool audit) {
    const bool reference = step.options.execution == Execution::reference;
    const Size part = reference ? beginning(report_.size, effort_.reference_trials) : report_.size;
    auto inputs = inputs_of(step, part, audit);
    if (!inputs) return inputs.error();
    jobs_.push_back(
        {fmt::format("{}/{}{}/threads:{}", name(), step.name, audit ? "/audit" : "", threads),
         std::move(*inputs),
         part == report_.size && !audit,
         {.step = step.name,
          .threads = threads,
          .audit = audit,
          .trials = part.trials(),
          .seconds = {},
          .peak_bytes = {}}});
    return std::monostate{};
  }

  void run(Job& job, benchmark::State& state) {
    Campaign campaign(job.inputs, job.measured.threads);
    restart_peak_memory();
    Result<std::monostate> done = std::monostate{};
    for (auto _ : state) done = campaign.run();
    if (!done) {
      failure_ = done.error();
      return state.SkipWithError(to_string(done.error()).c_str());
    }
    state.counters["peak_bytes"] = static_cast<double>(peak_memory());
    state.counters["masked"] = report_.masked;
    state.counters["sde"] = report_.sde;
    state.SetItemsProcessed(static_cast<std::int64_t>(job.measured.trials));
    if (!agrees(job, campaign.rows())) {
      differences_.push_back(job.name);
      state.SkipWithError("its rows differ from those of the other ways");
    }
  }

  bool agrees(const Job& job, const std::filesystem::path& rows) const {
    if (job.whole) return value_or_throw(sha256_file(rows, Errc::results)) == expected_.sha256;
    const auto read = results::read_trials(rows);
    return read && begins_with(expected_.rows, *read);
  }

  const Network& network_;
  Case chosen_;
  Effort effort_;
  std::shared_ptr<const datasets::Dataset> images_;
  std::shared_ptr<const model::Model> model_;
  CaseReport report_;
  Expected expected_;
  std::vector<Job> jobs_;
  std::vector<std::string> differences_;
  std::optional<Error> failure_;
};

class Ablation {
 public:
  Ablation(const AblationOptions& options, std::ostream* json,
           const std::function<void(const std::string&)>& say)
      : options_(options),
        reporter_(json, [this](const auto& run) { current_->take(run); }),
        say_(say) {}

  Result<AblationReport> run() {
    model::use_one_inner_thread();
    report_.audit_known = has_audit();
    auto whole = datasets::open_idx("fashion-mnist-test", options_.images, std::nullopt);
    if (!whole) return whole.error();
    for (const Network* network : options_.networks) {
      auto done = run_network(*network, **whole);
      if (!done) return done.error();
    }
    reporter_.finish();
    return std::move(report_);
  }

 private:
  Result<std::monostate> run_network(const Network& network, const datasets::Dataset& whole) {
    const Effort effort = effort_of(network, options_.quick);
    const std::uint64_t samples = std::max(effort.sweep.samples, effort.quickstart.samples);
    auto images = resize(whole, samples, network.input);
    if (!images) return images.error();
    say_(fmt::format("{}: making and loading it", network.name));
    auto model = load(network, **images, effort.padded_batch);
    if (!model) return model.error();
    for (const faultgen::Target target : options_.targets) {
      for (const Workload workload : options_.workloads) {
        CaseRun run(network, {target, workload}, effort, *images, *model);
        if (auto done = run_case(run, effort); !done) return done;
      }
    }
    return std::monostate{};
  }

  Result<std::monostate> run_case(CaseRun& run, const Effort& effort) {
    const unsigned repetitions = options_.repetitions.value_or(effort.repetitions);
    say_(fmt::format("{}: {} repetition{}", run.name(), repetitions, repetitions == 1 ? "" : "s"));
    if (auto done = run.prepare(options_.threads); !done) return done;
    current_ = &run;
    if (auto done = run.measure(reporter_, repetitions); !done) return done;
    report_.differences.insert(report_.differences.end(), run.differences().begin(),
                               run.differences().end());
    report_.cases.push_back(run.finish());
    return std::monostate{};
  }

  /// Through a file, like a user's model; the file is gone when it has been read.
  Result<std::shared_ptr<const model::Model>> load(const Network& network,
                                                   const datasets::Dataset& images,
                                                   std::uint32_t padded_batch) const {
    const TempDirectory directory;
    const auto file = directory / (std::string(network.name) + ".pt");
    if (auto made = make_network(network, images, options_.lenet5, file); !made) {
      return made.error();
    }
    return model::load({.file = file,
                        .input_shape = {network.input.begin(), network.input.end()},
                        .padded_batch = padded_batch});
  }

  const AblationOptions& options_;
  CaseRun* current_ = nullptr;
  Reporter reporter_;
  const std::function<void(const std::string&)>& say_;
  AblationReport report_;
};

}  // namespace

std::span<const Step> steps() { return kSteps; }

double Measurement::trials_per_s() const {
  std::vector<double> sorted = seconds;
  std::ranges::sort(sorted);
  if (sorted.empty()) return 0.0;
  const std::size_t half = sorted.size() / 2;
  const double median =
      sorted.size() % 2 == 1 ? sorted[half] : 0.5 * (sorted[half - 1] + sorted[half]);
  return static_cast<double>(trials) / median;
}

const Measurement* CaseReport::find(std::string_view step, unsigned threads, bool audit) const {
  const auto found = std::ranges::find_if(measurements, [&](const Measurement& measurement) {
    return measurement.step == step && measurement.threads == threads && measurement.audit == audit;
  });
  return found == measurements.end() ? nullptr : &*found;
}

Result<AblationReport> run_ablation(const AblationOptions& options, std::ostream* json,
                                    const std::function<void(const std::string&)>& say) {
  return Ablation(options, json, say).run();
}

bool begins_with(const results::Trials& whole, const results::Trials& part) {
  const auto begins = [](const auto& all, const auto& first) {
    return first.size() <= all.size() &&
           std::equal(first.begin(), first.end(), all.begin(),
                      [](const auto& a, const auto& b) { return same_row(a, b); });
  };
  return begins(whole.trials, part.trials) && begins(whole.injections, part.injections) &&
         begins(whole.observed.monitors, part.observed.monitors) &&
         begins(whole.observed.deviations, part.observed.deviations) &&
         begins(whole.golden, part.golden);
}

std::optional<double> limit_of(const std::optional<model::Work>& work) {
  if (!work || work->golden + work->unavoidable == 0) return std::nullopt;
  return static_cast<double>(work->golden + work->full) /
         static_cast<double>(work->golden + work->unavoidable);
}

}  // namespace bitquake::bench
