#include "suite/engine/campaign.hpp"

#include "results/csv.hpp"
#include "results/manifest.hpp"
#include "results/merge.hpp"
#include "suite/base/build_info.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/memory.hpp"
#include "suite/base/sha256.hpp"
#include "suite/base/text.hpp"
#include "suite/engine/checkpoint.hpp"
#include "suite/engine/corruption.hpp"
#include "suite/engine/execution.hpp"
#include "suite/engine/expectation.hpp"
#include "suite/engine/fit.hpp"
#include "suite/engine/identity.hpp"
#include "suite/engine/memory.hpp"
#include "suite/engine/pipeline.hpp"
#include "suite/scenario/yaml_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <sstream>
#include <utility>

namespace bitquake::engine {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Time of each stage, summed over workers.
struct Timings {
  double perturb_s = 0, golden_s = 0, faulty_s = 0, store_s = 0, inference_wall_s = 0,
         summary_s = 0, audit_s = 0;
  std::vector<UnitRows::VariantTime> variants;
};

class CampaignRun {
 public:
  CampaignRun(const Inputs& inputs, const RunOptions& options, const std::atomic<bool>& stop,
              Observer& observer)
      : inputs_(inputs),
        options_(options),
        stop_(stop),
        observer_(observer),
        memory_(plan_memory(inputs, options.threads)) {}

  Result<CampaignResult> run() {
    if (auto failed = memory_.error(options_.scenario_file.string())) return *failed;
    if (!holds_segments()) {
      auto met = check_expectation(inputs_, options_.threads, stop_, observer_);
      if (!met) return met.error();
    }
    auto directory = RunDirectory::claim(options_.directory, scenario::to_yaml(inputs_.scenario));
    if (!directory) return directory.error();
    if (auto failed = store_fault_set()) return *failed;
    auto corruptions = corruptions_of(inputs_.scenario);
    if (!corruptions) return corruptions.error();
    corruptions_ = *std::move(corruptions);
    if (auto failed = describe()) return *failed;
    auto finished = directory->finished(shared_, inputs_.plan);
    if (!finished) return finished.error();
    auto same = check_content(*inputs_.data, finished->rows.golden());
    if (!same) return same.error();
    for (const StoredSegment& stored : finished->begun) {
      same = check_content(*inputs_.data, stored.segment.golden);
      if (!same) return same.error();
    }

    CampaignResult result;
    begin(*finished);
    const auto units = remaining(finished->units);
    auto rows = run_units(*directory, units, std::move(*finished));
    result.interrupted = stop_.load() && progress_.trials_done < planned_trials();
    if (!result.interrupted) {
      auto trials = join(std::move(rows));
      if (!trials) return trials.error();
      auto summary = finish(*trials);
      if (!summary) return summary.error();
      result.summary = std::move(*summary);
      result.audit = audit(*trials);
      result.interrupted = result.audit.state == AuditState::interrupted;
    }
    end(result.interrupted ? "interrupted" : "complete");
    result.progress = progress_;
    return result;
  }

 private:
  std::filesystem::path file(const char* name) const { return options_.directory / name; }

  /// A campaign that has begun has met its expectation.
  bool holds_segments() const {
    std::error_code missing;
    return std::filesystem::directory_iterator(options_.directory / "segments", missing) !=
           std::filesystem::directory_iterator();
  }

  /// Written before the first inference; found again, it must be the same.
  std::optional<Error> store_fault_set() {
    const auto path = file("faults.h5");
    if (!std::filesystem::exists(path)) {
      faultgen::write_fault_set(inputs_.faults, path);
      return std::nullopt;
    }
    const auto stored = faultgen::read_fault_set(path);
    if (!stored) return stored.error();
    if (*stored == inputs_.faults) return std::nullopt;
    const bool other_model =
        stored->provenance.model_sha256 != inputs_.faults.provenance.model_sha256;
    return Error{Errc::results, path.string(),
                 other_model ? "was drawn for another model file: the model has changed"
                             : "is not the fault set of this scenario",
                 "restore the file, or choose another directory with -o", ""};
  }

  /// Fills the manifest, and with it the campaign's identity: everything that decides its rows.
  std::optional<Error> describe() {
    const BuildInfo& build = build_info();
    manifest_.version = build.version;
    manifest_.commit = build.commit;
    manifest_.compiler = build.compiler;
    manifest_.flags = build.flags;
    results::describe_host(manifest_);
    manifest_.threads = options_.threads;
    manifest_.inner_threads = options_.inner_threads;
    manifest_.fingerprint = numeric_fingerprint(*inputs_.model, inputs_.modified);
    manifest_.seed = inputs_.scenario.seed;
    manifest_.scenario_file = options_.scenario_file.string();
    manifest_.notices = notices();
    manifest_.samples = inputs_.plan.samples();
    manifest_.trials = inputs_.plan.trials();
    manifest_.memory_budget_bytes = memory_.budget_bytes;
    manifest_.started_utc = results::now_utc();

    const auto faults = sha256_file(file("faults.h5"), Errc::results);
    if (!faults) return faults.error();
    manifest_.inputs = input_hashes(inputs_, *faults);
    if (const auto& baseline = inputs_.scenario.statistics.corruption_baseline) {
      const auto hash = sha256_file(inputs_.scenario.resolve(*baseline), Errc::data);
      if (!hash) return hash.error();
      manifest_.inputs.push_back({"baseline", *baseline, *hash});
    }
    manifest_.campaign = campaign_identity(inputs_.scenario, manifest_.inputs);
    shared_ = describe_rows(inputs_.scenario, *inputs_.model, inputs_.modified, *inputs_.data,
                            manifest_.campaign);
    return std::nullopt;
  }

  /// What the user should know of the networks: of variants what is not said of the original.
  std::vector<std::string> notices() const {
    std::vector<std::string> texts = inputs_.model->notices();
    const std::size_t of_original = texts.size();
    const auto names = variant_names(inputs_.scenario);
    for (std::size_t i = 0; i < inputs_.modified.size(); ++i) {
      for (const std::string& text : inputs_.modified[i].model->notices()) {
        const auto end = texts.begin() + static_cast<std::ptrdiff_t>(of_original);
        const bool said = std::find(texts.begin(), end, text) != end;
        if (!said) texts.push_back(fmt::format("variant {}: {}", names[i + 1], text));
      }
    }
    return texts;
  }

  std::vector<std::uint64_t> remaining(const std::vector<std::uint64_t>& finished) const {
    std::vector<std::uint64_t> units;
    for (std::uint64_t unit = 0; unit < inputs_.plan.units(); ++unit) {
      if (!std::binary_search(finished.begin(), finished.end(), unit)) units.push_back(unit);
    }
    return units;
  }

  std::uint64_t planned_trials() const { return inputs_.plan.trials() - skipped_trials_; }

  void begin(const Finished& finished) {
    for (const std::string& text : manifest_.notices) observer_.notice(text);
    if (const auto text = memory_.notice()) observer_.notice(*text);
    progress_.trials_total = inputs_.plan.trials();
    progress_.independent =
        inputs_.plan.epochs() == 1 && inputs_.plan.conditions() == 1 &&
        inputs_.plan.schedule().slots(inputs_.plan.samples()) == inputs_.plan.samples();
    progress_.trials_done = progress_.trials_resumed = finished.trials;
    progress_.outcomes = finished.outcomes;
    if (!finished.units.empty()) {
      for (const std::uint64_t unit : finished.units) {
        const SampleRange range = inputs_.plan.samples_of(unit);
        for (std::uint64_t i = range.first; i < range.last; ++i) {
          skipped_trials_ += inputs_.plan.conditions() * inputs_.plan.trials_of(i);
        }
      }
      skipped_trials_ -= finished.trials;
      observer_.notice(fmt::format("continues: {} of {} work units are finished",
                                   with_commas(finished.units.size()),
                                   with_commas(inputs_.plan.units())));
    }
    manifest_.status = "running";
    manifest_.trials_done = progress_.trials_done;
    results::write_manifest(file("run.json"), manifest_);
  }

  /// Gives the rows of all segments, those of earlier runs too.
  results::Gathering run_units(const RunDirectory& directory,
                               const std::vector<std::uint64_t>& units, Finished finished) {
    SegmentWriter writer(directory, shared_, inputs_.plan.units_per_segment(), std::move(finished));
    const Clock::time_point start = Clock::now();
    try {
      const auto store = [&](UnitRows rows) {
        const Clock::time_point begin = Clock::now();
        count(rows);
        writer.add(rows.unit, std::move(rows.trials), std::move(rows.injections),
                   std::move(rows.observed), std::move(rows.golden), rows.messages);
        timings_.store_s += seconds_since(begin);
        progress_.seconds = seconds_since(start_);
        observer_.progress(progress_);
      };
      const RandomReads reads(inputs_.faults.groups, inputs_.faults.faults);
      run_pipeline(inputs_, units, {.threads = options_.threads}, run_unit, stop_, store);
    } catch (const Exception& exception) {
      // A sample that cannot be used stops the campaign, but what is done stays done. When the disk
      // is what failed, trying once more would only hide the first reason.
      if (exception.error().code != Errc::results) {
        writer.flush();
        end("failed");
      }
      throw;
    }
    writer.flush();
    timings_.inference_wall_s = seconds_since(start);
    return writer.take();
  }

  void count(const UnitRows& rows) {
    timings_.perturb_s += rows.perturb_s;
    timings_.golden_s += rows.golden_s;
    timings_.faulty_s += rows.faulty_s;
    timings_.variants.resize(rows.variant_times.size());
    for (std::size_t i = 0; i < rows.variant_times.size(); ++i) {
      timings_.variants[i].golden_s += rows.variant_times[i].golden_s;
      timings_.variants[i].faulty_s += rows.variant_times[i].faulty_s;
    }
    progress_.trials_done += rows.trials.size();
    for (const auto& trial : rows.trials) ++progress_.outcomes[trial.outcome];
    for (const std::string& text : rows.notices) observer_.notice(text);
    for (const auto& golden : rows.golden) {
      if (golden.skipped != 0) skipped_trials_ += inputs_.plan.trials_of(golden.sample);
    }
  }

  /// All rows, in the order of trials.h5.
  Result<results::Trials> join(results::Gathering rows) {
    const Clock::time_point start = Clock::now();
    auto trials = std::move(rows).whole(inputs_.plan.units());
    timings_.summary_s = seconds_since(start);
    return trials;
  }

  /// Writes trials.h5 and the tables; the tables are counted meanwhile.
  Result<results::Summary> finish(const results::Trials& trials) {
    const Clock::time_point start = Clock::now();
    const auto launch = options_.threads > 1 ? std::launch::async : std::launch::deferred;
    auto counted = std::async(launch, [&] {
      return results::summarise(
          trials, inputs_.faults, inputs_.scenario.statistics.interval,
          inputs_.scenario.statistics.confidence, corruptions_,
          value_or_throw(fit_inputs(inputs_.scenario, inputs_.model->sites())));
    });
    results::write_trials(file("trials.h5"), trials);
    auto summary = counted.get();
    if (!summary) return summary;
    results::write_summary(options_.directory, *summary);
    std::ostringstream skipped;
    results::write_skipped_csv(trials, skipped);
    write_text_durably(file("skipped.csv"), skipped.str());
    timings_.summary_s += seconds_since(start);
    return summary;
  }

  Audit audit(const results::Trials& trials) {
    const Clock::time_point start = Clock::now();
    Audit audit = audit_campaign(inputs_, trials, options_.threads, stop_);
    manifest_.audit = {std::string(name_of(kAuditStates, audit.state)), audit.audited,
                       audit.differing.size()};
    timings_.audit_s = seconds_since(start);
    return audit;
  }

  void end(const std::string& status) {
    progress_.seconds = seconds_since(start_);
    manifest_.status = status;
    manifest_.ended_utc = results::now_utc();
    manifest_.trials_done = progress_.trials_done;
    manifest_.seconds = progress_.seconds;
    manifest_.peak_memory_bytes = peak_memory_bytes();
    results::write_manifest(file("run.json"), manifest_);
    write_timings();
  }

  void write_timings() const {
    const auto computed = progress_.trials_done - progress_.trials_resumed;
    std::string csv = csv_record({"stage", "value", "unit", "doc"}) + "\n";
    const auto row = [&](const char* stage, double value, const char* unit, const char* doc) {
      csv += csv_record({stage, shortest(value), unit, doc}) + "\n";
    };
    row("total", progress_.seconds, "s", "wall time of this run");
    row("inference_wall", timings_.inference_wall_s, "s", "wall time of the pipeline");
    row("perturb", timings_.perturb_s, "s",
        "perturbing and normalising images, summed over workers");
    row("golden", timings_.golden_s, "s", "golden runs, summed over workers");
    row("faulty", timings_.faulty_s, "s", "faulty runs, summed over workers");
    const auto names = variant_names(inputs_.scenario);
    for (std::uint32_t i = 0; names.size() > 1 && i < timings_.variants.size(); ++i) {
      const auto kept = inputs_.variant(i).kept_activations(execution_options(inputs_.scenario));
      row(("golden of " + names[i]).c_str(), timings_.variants[i].golden_s, "s",
          "its golden runs: against the original's, what its protection costs");
      row(("faulty of " + names[i]).c_str(), timings_.variants[i].faulty_s, "s", "its faulty runs");
      row(("kept by " + names[i]).c_str(), static_cast<double>(kept.row_bytes), "byte",
          "activations kept of a sample by its incremental executor");
    }
    row("store", timings_.store_s, "s", "writing segments");
    row("summary", timings_.summary_s, "s", "joining segments and making the tables");
    row("audit", timings_.audit_s, "s", "running some trials again with the whole network");
    row("peak_memory", static_cast<double>(manifest_.peak_memory_bytes) / kMebibyte, "MiB",
        "most main memory of the process at once");
    row("trials", static_cast<double>(computed), "1", "trials computed in this run");
    if (timings_.inference_wall_s > 0) {
      row("throughput", static_cast<double>(computed) / timings_.inference_wall_s, "trial/s",
          "trials over wall time of the pipeline");
    }
    write_text_durably(file("timings.csv"), csv);
  }

  const Inputs& inputs_;
  const RunOptions& options_;
  const std::atomic<bool>& stop_;
  Observer& observer_;
  const MemoryPlan memory_;
  const Clock::time_point start_ = Clock::now();
  results::Manifest manifest_;
  results::Corruptions corruptions_;
  results::Campaign shared_;  ///< by all rows
  Progress progress_;
  Timings timings_;
  std::uint64_t skipped_trials_ = 0;
};

}  // namespace

Result<CampaignResult> run_campaign(const Inputs& inputs, const RunOptions& options,
                                    const std::atomic<bool>& stop, Observer& observer) {
  return CampaignRun(inputs, options, stop, observer).run();
}

}  // namespace bitquake::engine
