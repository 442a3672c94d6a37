#include "suite/engine/replay.hpp"

#include "results/columns.hpp"
#include "suite/base/text.hpp"
#include "suite/engine/execution.hpp"
#include "suite/engine/identity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bitquake::engine {
namespace {

/// Why a trial of the plan has no row.
Error no_row(const RunFiles& run, const results::Trials& rows, std::uint64_t trial,
             const TrialPlace& place) {
  const std::string where = fmt::format("trial {}", trial);
  const results::GoldenRow* golden =
      find_golden(rows, {place.variant, place.perturbation}, place.sample);
  if (golden != nullptr && golden->skipped != 0) {
    const bool unreadable =
        static_cast<results::SkipReason>(golden->skipped) == results::SkipReason::unreadable;
    return {Errc::usage, where,
            fmt::format("was not run: {} of sample {} {}",
                        unreadable ? "the image" : "the golden output", place.sample,
                        unreadable ? "cannot be read" : "is not finite"),
            "see skipped.csv", ""};
  }
  if (!run.finished()) {
    return {Errc::usage, where, "has not been run yet: the campaign is unfinished",
            "continue the campaign, or name another trial", ""};
  }
  return {Errc::results, run.directory.string(), where + " is missing in trials.h5",
          "the file is damaged: bitquake verify says more", ""};
}

}  // namespace

TrialRows stored_rows(const results::Trials& rows, const results::TrialRow& trial,
                      const results::GoldenRow& golden) {
  const auto injections = rows.injections_of(trial);
  const auto monitors = rows.monitors_of(trial);
  const auto deviations = rows.deviations_of(trial);
  const bool known = trial.message < rows.messages.size();
  return {trial,
          {injections.begin(), injections.end()},
          {monitors.begin(), monitors.end()},
          {deviations.begin(), deviations.end()},
          golden,
          known ? rows.messages[trial.message] : fmt::format("row {}", trial.message)};
}

std::optional<TrialRows> computed_rows(const UnitRows& rows, std::uint64_t trial) {
  const auto* const row =
      std::find_if(rows.trials.begin(), rows.trials.end(),
                   [&](const results::TrialRow& r) { return r.trial == trial; });
  if (row == rows.trials.end()) return std::nullopt;
  const auto golden =
      std::find_if(rows.golden.begin(), rows.golden.end(), [&](const results::GoldenRow& r) {
        return r.sample == row->sample && r.condition() == row->condition();
      });
  const auto of_trial = [&](const auto& from) {
    std::vector<typename std::decay_t<decltype(from)>::value_type> found;
    std::copy_if(from.begin(), from.end(), std::back_inserter(found),
                 [&](const auto& r) { return r.trial == trial; });
    return found;
  };
  TrialRows all{*row,
                of_trial(rows.injections),
                of_trial(rows.observed.monitors),
                of_trial(rows.observed.deviations),
                *golden,
                rows.messages[row->message]};
  return all;
}

std::vector<results::Difference> differences(const TrialRows& stored, const TrialRows& computed) {
  std::vector<results::Difference> all = results::differences(stored.trial, computed.trial);
  const auto append = [&](std::vector<results::Difference> more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  if (stored.message != computed.message) {
    append({{"trials/message", stored.message, computed.message}});
  }
  const auto compare = [&](const std::string& table, const auto& ours, const auto& theirs) {
    const std::size_t a = ours.size(), b = theirs.size();
    if (a != b) append({{table + " (rows)", std::to_string(a), std::to_string(b)}});
    for (std::size_t i = 0; i < std::min(a, b); ++i) {
      append(results::differences(ours[i], theirs[i]));
    }
  };
  compare("injections", stored.injections, computed.injections);
  compare("monitored", stored.monitors, computed.monitors);
  compare("deviations", stored.deviations, computed.deviations);
  append(results::differences(stored.golden, computed.golden));
  return all;
}

Result<Replay> replay_trial(const RunFiles& run, const Inputs& inputs, const results::Trials& rows,
                            std::uint64_t trial) {
  const Plan& plan = inputs.plan;
  if (trial >= plan.trials()) {
    return Error{Errc::usage, fmt::format("trial {}", trial), "is not one of the campaign",
                 fmt::format("name a trial from 0 to {}", plan.trials() - 1), ""};
  }
  const TrialPlace place = plan.place_of(trial);
  const results::TrialRow* row = find_trial(rows, trial);
  const results::GoldenRow* golden =
      find_golden(rows, {place.variant, place.perturbation}, place.sample);
  if (row == nullptr || golden == nullptr) return no_row(run, rows, trial, place);

  Replay replay;
  replay.trial = trial;
  replay.input = decode_samples(inputs, {place.sample}, {place.perturbation}, place.variant);
  replay.stored_numerics = rows.campaign.fingerprint;
  replay.numerics = fingerprint_text(numeric_fingerprint(*inputs.model, inputs.modified));
  Executors executors(inputs, execution_options(inputs.scenario));
  replay.again = trace_trial(inputs, replay.input, place.epoch, executors);
  const TrialRows stored = stored_rows(rows, *row, *golden);
  if (const auto computed = computed_rows(replay.again.rows, trial)) {
    replay.differences = differences(stored, *computed);
  } else {
    replay.differences = results::differences(*golden, replay.again.rows.golden[0]);
  }
  replay.columns = results::kTrialColumns.size() + results::kGoldenColumns.size() +
                   results::kInjectionColumns.size() * stored.injections.size() +
                   results::kMonitorColumns.size() * stored.monitors.size() +
                   results::kDeviationColumns.size() * stored.deviations.size();
  return replay;
}

}  // namespace bitquake::engine
