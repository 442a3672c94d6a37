#include "suite/engine/audit.hpp"

#include "suite/base/text.hpp"
#include "suite/engine/pipeline.hpp"
#include "suite/engine/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <span>
#include <tuple>
#include <utility>

namespace bitquake::engine {
namespace {

using Chosen = std::vector<const results::TrialRow*>;

/// Chosen trials, sorted by variant, sample and perturbation and cut into batches of one variant.
/// Trials of one sample under one perturbation share a golden run, and golden runs share
/// inferences.
class Batches {
 public:
  Batches(Chosen chosen, std::uint32_t unit_samples, unsigned threads)
      : chosen_(std::move(chosen)) {
    std::stable_sort(chosen_.begin(), chosen_.end(), [](const auto* a, const auto* b) {
      return std::tie(a->variant, a->sample, a->perturbation) <
             std::tie(b->variant, b->sample, b->perturbation);
    });
    // All threads get some; none holds more samples than a work unit, which the memory is for.
    const std::size_t share = (chosen_.size() + threads - 1) / threads;
    const std::size_t most = std::clamp<std::size_t>(share, 1, unit_samples);
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      if (i == 0 || i - starts_.back() == most || chosen_[i]->variant != chosen_[i - 1]->variant) {
        starts_.push_back(i);
      }
    }
  }

  std::size_t trials() const { return chosen_.size(); }
  std::vector<std::uint64_t> numbers() const {
    std::vector<std::uint64_t> all(starts_.size());
    std::iota(all.begin(), all.end(), std::uint64_t{0});
    return all;
  }
  std::span<const results::TrialRow* const> of(std::uint64_t number) const {
    const std::size_t first = starts_[number];
    const std::size_t last = number + 1 < starts_.size() ? starts_[number + 1] : chosen_.size();
    return std::span(chosen_).subspan(first, last - first);
  }

 private:
  Chosen chosen_;
  std::vector<std::size_t> starts_;  ///< of the batches
};

/// Whether two trials share a golden run.
bool same_golden(const results::TrialRow& a, const results::TrialRow& b) {
  return a.sample == b.sample && a.perturbation == b.perturbation;
}

UnitInput decode_batch(const Inputs& inputs, const Batches& batches, std::uint64_t number) {
  std::vector<std::uint64_t> positions;
  std::vector<std::uint32_t> perturbations;
  const results::TrialRow* before = nullptr;
  for (const auto* row : batches.of(number)) {
    if (before != nullptr && same_golden(*before, *row)) continue;
    positions.push_back(row->sample);
    perturbations.push_back(row->perturbation);
    before = row;
  }
  UnitInput input = decode_samples(inputs, std::move(positions), std::move(perturbations),
                                   batches.of(number).front()->variant);
  input.unit = number;
  return input;
}

UnitRows run_batch(const Inputs& inputs, const Batches& batches, const UnitInput& input,
                   Executors& executors) {
  std::vector<ChosenTrial> trials;
  std::size_t sample = 0;
  const results::TrialRow* before = nullptr;
  for (const auto* row : batches.of(input.unit)) {
    if (before != nullptr && !same_golden(*before, *row)) ++sample;
    trials.push_back({sample, row->epoch});
    before = row;
  }
  return run_chosen(inputs, input, trials, executors);
}

/// The first column of a trial that differs.
std::optional<TrialDifference> compare(const results::Trials& rows, const results::TrialRow& row,
                                       const UnitRows& again) {
  const results::GoldenRow& golden = *find_golden(rows, row.condition(), row.sample);
  std::vector<results::Difference> found;
  if (const auto computed = computed_rows(again, row.trial)) {
    found = differences(stored_rows(rows, row, golden), *computed);
  } else {
    found = {{"the golden output", "finite", "not finite"}};
  }
  if (found.empty()) return std::nullopt;
  return TrialDifference{row.trial, found.front().column, found.front().stored,
                         found.front().computed};
}

}  // namespace

// Floyd's algorithm: Bentley, Floyd, "Programming pearls: a sample of brilliance", CACM 30(9),
// 1987.
std::vector<std::uint64_t> choose(std::uint64_t total, std::uint64_t count, std::uint64_t seed,
                                  Stream stream) {
  Draws draws(seed, stream, 0);
  std::set<std::uint64_t> chosen;
  for (std::uint64_t last = total - count; last < total; ++last) {
    if (!chosen.insert(draws.below(last + 1)).second) chosen.insert(last);
  }
  return {chosen.begin(), chosen.end()};
}

Comparison run_again(const Inputs& inputs, const results::Trials& rows, Chosen chosen,
                     const RerunOptions& options, const std::atomic<bool>& stop) {
  const Batches batches(std::move(chosen), inputs.scenario.unit_samples, options.threads);
  Comparison comparison;
  const auto decode = [&](const Inputs&, std::uint64_t number) {
    return decode_batch(inputs, batches, number);
  };
  const auto work = [&](const Inputs&, const UnitInput& input, Executors& executors) {
    return run_batch(inputs, batches, input, executors);
  };
  const auto collect = [&](const UnitRows& again) {
    for (const auto* row : batches.of(again.unit)) {
      ++comparison.compared;
      if (auto found = compare(rows, *row, again)) comparison.differing.push_back(*found);
    }
    if (options.progress) options.progress(comparison.compared, batches.trials());
  };
  run_pipeline(inputs, batches.numbers(),
               {.threads = options.threads, .execution = options.execution}, work, stop, collect,
               decode);
  return comparison;
}

std::uint64_t audit_size(std::uint64_t trials) {
  constexpr std::uint64_t kFewest = 16, kMost = 512, kOneOf = 1000;
  const std::uint64_t share = (trials + kOneOf - 1) / kOneOf;
  return std::min(trials, std::max(kFewest, std::min(share, kMost)));
}

Audit audit_campaign(const Inputs& inputs, const results::Trials& rows, unsigned threads,
                     const std::atomic<bool>& stop) {
  Audit audit;
  audit.trials = rows.trials.size();
  if (!inputs.scenario.audit) return audit;
  audit.state = AuditState::not_needed;
  if (inputs.scenario.execution == scenario::Execution::reference) return audit;

  Chosen chosen;
  for (const std::uint64_t i :
       choose(audit.trials, audit_size(audit.trials), inputs.scenario.seed, Stream::audit)) {
    chosen.push_back(&rows.trials[i]);
  }
  const std::size_t wanted = chosen.size();
  const model::ExecutionOptions whole{.execution = model::Execution::reference, .parts = {}};
  Comparison found = run_again(inputs, rows, std::move(chosen),
                               {.threads = threads, .execution = whole, .progress = {}}, stop);
  audit.audited = found.compared;
  audit.differing = std::move(found.differing);
  audit.state = !audit.differing.empty()  ? AuditState::failed
                : audit.audited == wanted ? AuditState::passed
                                          : AuditState::interrupted;
  return audit;
}

std::string audit_text(const Audit& audit) {
  switch (audit.state) {
    case AuditState::off:
      return "audit: off";
    case AuditState::not_needed:
      return "audit: skipped, as execution: reference leaves nothing independent to compare with";
    case AuditState::interrupted:
      return "audit: interrupted";
    case AuditState::passed:
    case AuditState::failed:
      break;
  }
  const std::string outcome = audit.differing.empty()
                                  ? "no difference"
                                  : with_commas(audit.differing.size()) + " came out otherwise";
  return fmt::format("audit: {} of {} trials run again with the whole network: {}",
                     with_commas(audit.audited), with_commas(audit.trials), outcome);
}

Error audit_error(const Audit& audit, const std::filesystem::path& directory) {
  constexpr std::size_t kShown = 5;
  std::string what = audit_text(audit);
  const std::size_t shown = std::min(kShown, audit.differing.size());
  for (const TrialDifference& found : std::span(audit.differing).first(shown)) {
    what += fmt::format("\n  trial {}: {} is {}, with the whole network {}", found.trial,
                        found.column, found.stored, found.computed);
  }
  if (shown < audit.differing.size()) {
    what += fmt::format("\n  and {} more", with_commas(audit.differing.size() - shown));
  }
  return {
      Errc::internal, directory.string(), what,
      fmt::format("bitquake replay {} {} shows what the trial's fault does; execution: reference "
                  "in another directory gives rows that need no audit; please report it",
                  directory.string(), audit.differing.front().trial),
      ""};
}

}  // namespace bitquake::engine
