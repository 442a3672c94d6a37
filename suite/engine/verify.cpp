#include "suite/engine/verify.hpp"

#include "results/csv.hpp"
#include "results/merge.hpp"
#include "results/row_difference.hpp"
#include "results/segment.hpp"
#include "results/summary.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/sha256.hpp"
#include "suite/base/text.hpp"
#include "suite/engine/audit.hpp"
#include "suite/engine/corruption.hpp"
#include "suite/engine/fit.hpp"
#include "suite/engine/identity.hpp"
#include "suite/engine/row_checks.hpp"
#include "suite/engine/variants.hpp"
#include "suite/scenario/yaml_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

namespace bitquake::engine {
namespace {

struct Finding {
  CheckState state;
  std::string detail;
};
Finding ok(std::string detail) { return {CheckState::ok, std::move(detail)}; }
Finding failed(std::string detail) { return {CheckState::failed, std::move(detail)}; }
Finding failed(const Error& error) {
  std::string detail = error.where.empty() ? error.what : error.where + ": " + error.what;
  if (!error.hint.empty()) detail += "; " + error.hint;
  return failed(std::move(detail));
}
Finding not_checked(std::string detail) { return {CheckState::not_checked, std::move(detail)}; }

Finding from_rows(const RowFindings& findings, const std::string& unit) {
  if (findings.wrong == 0) return ok(with_commas(findings.checked) + " " + unit);
  return failed(fmt::format("{} of {}: {}", with_commas(findings.wrong),
                            with_commas(findings.checked), findings.first));
}

/// As ==, but a NaN equals a NaN. `message` numbers are equal when the dictionaries are.
template <class Rows>
bool same_rows(const Rows& a, const Rows& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const auto& x, const auto& y) {
    return x == y || results::differences(x, y).empty();
  });
}

bool same_rows(const results::Trials& a, const results::Trials& b) {
  return a.messages == b.messages && same_rows(a.trials, b.trials) &&
         same_rows(a.injections, b.injections) &&
         same_rows(a.observed.monitors, b.observed.monitors) &&
         same_rows(a.observed.deviations, b.observed.deviations) && same_rows(a.golden, b.golden);
}

class Verifier {
 public:
  Verifier(const RunFiles& run, const ModelLoader& load_model, const VerifyOptions& options)
      : run_(run), load_model_(load_model), options_(options) {}

  Verification verify() {
    all_.finished = run_.finished() || run_.manifest.status == "complete";
    check("scenario", [&] { return scenario(); });
    check("data", [&] { return data(); });
    check("model", [&] { return model(); });
    check("fault set", [&] { return fault_set(); });
    if (run_.scenario.variant.given()) check("variants", [&] { return variants(); });
    check("segments", [&] { return segments(); });
    check("trials.h5", [&] { return trials_file(); });
    check("plan", [&] { return plan(); });
    check("injections", [&] { return injections(); });
    check("verdicts", [&] { return verdicts(); });
    check("tables", [&] { return tables(); });
    check("replays", [&] { return replays(); });
    return std::move(all_);
  }

 private:
  template <class Check>
  void check(const char* name, Check run) {
    Finding finding = not_checked("");
    try {
      finding = run();
    } catch (const Exception& exception) {
      finding = failed(exception.error());
    }
    all_.checks.push_back({name, finding.state, std::move(finding.detail)});
  }

  Finding scenario() {
    const auto text = read_text(run_ / "scenario.yaml", Errc::results);
    if (!text) return failed(text.error());
    if (*text != scenario::to_yaml(run_.scenario)) {
      return failed("scenario.yaml is not as it was written");
    }
    const std::string identity = campaign_identity(run_.scenario, run_.manifest.inputs);
    if (identity != run_.manifest.campaign) {
      return failed("scenario.yaml is not that of the campaign in run.json");
    }
    return ok("campaign " + identity.substr(0, 16));
  }

  Finding data() {
    const auto opened = open_data(run_.scenario);
    if (!opened) return failed(opened.error());
    const auto& files = (*opened)->checksums();
    const auto same = check_unchanged(run_.manifest, "data", Errc::data, files);
    if (!same) return failed(same.error());
    data_ = *opened;
    return ok(fmt::format("{} files with the SHA-256 of run.json", files.size()));
  }

  Finding model() {
    const auto loaded = load_model_(run_.scenario, {});
    if (!loaded) return failed(loaded.error());
    const std::string file = run_.scenario.resolve(run_.scenario.model.file).string();
    const auto same =
        check_unchanged(run_.manifest, "model", Errc::model, {{file, (*loaded)->sha256()}});
    if (!same) return failed(same.error());
    model_ = *loaded;
    return ok("SHA-256 of run.json");
  }

  Finding fault_set() {
    const auto path = run_ / "faults.h5";
    auto read = faultgen::read_fault_set(path);
    if (!read) return failed(read.error());
    auto planned = plan_of(run_.scenario, *read, run_.manifest.samples, "faults.h5");
    if (!planned) return failed(planned.error());
    faults_ = std::move(*read);
    plan_ = *planned;
    const auto hash = value_or_throw(sha256_file(path, Errc::results));
    const auto same =
        check_unchanged(run_.manifest, "faults", Errc::results, {{path.string(), hash}});
    if (!same) return failed(same.error());
    std::string detail = fmt::format("{} faults in {} groups", with_commas(faults_->faults.size()),
                                     with_commas(faults_->groups.size()));
    if (!model_) return ok(detail);
    const auto fits = faultgen::check_fits(*faults_, model_->sha256(), run_.scenario.model.input,
                                           model_->sites(), path.string());
    if (!fits) return failed(fits.error());
    if (run_.scenario.faults.file || !data_) return ok(detail);
    const auto drawn = draw_fault_set(run_.scenario, *model_, *data_);
    if (!drawn) return failed(drawn.error());
    // The generator's version is in there too; what it drew is what counts.
    if (drawn->faults != faults_->faults || drawn->groups != faults_->groups) {
      return failed("the faults are not those that the scenario's seed draws");
    }
    return ok(detail + ", the same when drawn again");
  }

  Finding variants() {
    if (!model_ || !data_ || !faults_) return not_checked("needs model, data and fault set");
    const auto same = check_variants(run_);
    if (!same) return failed(same.error());
    auto loaded = load_variants(run_.scenario, model_, *data_, *faults_, load_model_);
    if (!loaded) return failed(loaded.error());
    modified_ = std::move(*loaded);
    return ok(
        fmt::format("{} modified networks, files with the SHA-256 of run.json", modified_.size()));
  }

  Finding segments() {
    const auto files = segment_files(run_.directory);
    if (files.empty()) return not_checked("there are none");
    std::uint64_t units = 0, trials = 0;
    std::set<std::uint64_t> seen;
    for (const auto& path : files) {
      const auto segment = results::read_segment(path);
      if (!segment) return failed(segment.error());
      const std::string name = path.filename().string();
      if (segment->campaign != run_.manifest.campaign) {
        return failed(name + " belongs to another campaign");
      }
      if (segment->fingerprint != fingerprint_text(run_.manifest.fingerprint)) {
        return failed(name + " was computed with other numerics than run.json says");
      }
      for (std::uint64_t i = 0; plan_ && i < segment->n_units; ++i) {
        const std::uint64_t unit = segment->first_unit + i;
        if (unit >= plan_->units()) return failed(name + " holds units outside the plan");
        if (!seen.insert(unit).second) return failed(fmt::format("unit {} is there twice", unit));
        const SampleRange range = plan_->samples_of(unit);
        samples_done_ += range.last - range.first;
      }
      units += segment->n_units;
      trials += segment->trials.size();
    }
    std::string detail = fmt::format("{} sealed files, {} units, {} trials", files.size(),
                                     with_commas(units), with_commas(trials));
    if (!plan_ || units == plan_->units()) return ok(detail);
    detail = fmt::format("{} of {} units are missing", with_commas(plan_->units() - units),
                         with_commas(plan_->units()));
    return all_.finished ? failed(detail) : ok("so far: " + detail);
  }

  Finding trials_file() {
    auto rows = read_rows(run_);
    if (!run_.finished()) {
      if (rows) rows_ = std::move(*rows);
      if (all_.finished) return failed("is missing, though run.json says that the run is complete");
      return not_checked("the run is unfinished; checked are the rows of its segments");
    }
    if (!rows) return failed(rows.error());
    rows_ = std::move(*rows);
    const results::Campaign& head = rows_->campaign;
    if (head.identity != run_.manifest.campaign) return failed("belongs to another campaign");
    if (head.fingerprint != fingerprint_text(run_.manifest.fingerprint)) {
      return failed("was computed with other numerics than run.json says");
    }
    if (data_) {
      const auto same = check_content(*data_, rows_->golden);
      if (!same) return failed(same.error());
    }
    if (model_ && data_ && has_variants()) {
      results::Campaign wanted =
          describe_rows(run_.scenario, *model_, modified_, *data_, head.identity);
      wanted.fingerprint = head.fingerprint;
      if (wanted.files != head.files) return failed("its files are not those of the data set");
      if (wanted != head) return failed("its points, sites or classes are not those of the model");
    }
    const auto files = segment_files(run_.directory);
    std::string detail = fmt::format("sealed, {} trials", with_commas(rows_->trials.size()));
    if (files.empty() || !plan_) return ok(detail);
    const auto joined = results::join_segments(files, head, plan_->units());
    if (!joined) return failed(joined.error());
    if (!same_rows(*joined, *rows_)) return failed("its rows are not those of the segments");
    return ok(detail + ", the rows of the segments");
  }

  Finding plan() {
    if (!rows_ || !plan_) return not_checked("needs the rows and the fault set");
    if (run_.manifest.trials != plan_->trials() || run_.manifest.samples != plan_->samples()) {
      return failed("run.json and the fault set disagree about the number of trials");
    }
    const std::uint64_t samples = run_.finished() ? plan_->samples() : samples_done_;
    const RowFindings findings = check_against_plan(*rows_, *plan_, *faults_, samples);
    sound_ = findings.wrong == 0;
    return from_rows(findings,
                     fmt::format("trials of {}, each there once", with_commas(plan_->trials())));
  }

  Finding injections() {
    if (!sound_) return not_checked("needs rows that are those of the plan");
    return from_rows(check_injections(*rows_, *plan_, *faults_, run_.scenario.run_type),
                     "trials with the faults of their groups; masks, values before and after");
  }

  Finding verdicts() {
    if (!sound_) return not_checked("needs rows that are those of the plan");
    return from_rows(check_verdicts(*rows_), "trials whose columns agree");
  }

  Finding tables() {
    if (!all_.finished) return not_checked("the run is unfinished");
    if (!run_.finished() || !rows_ || !faults_) return not_checked("needs trials.h5 and faults.h5");
    if (const auto& baseline = run_.scenario.statistics.corruption_baseline) {
      const auto path = run_.scenario.resolve(*baseline);
      const auto hash = value_or_throw(sha256_file(path, Errc::data));
      const auto same =
          check_unchanged(run_.manifest, "baseline", Errc::data, {{path.string(), hash}});
      if (!same) return failed(same.error());
    }
    const auto summary = results::summarise(
        *rows_, *faults_, run_.scenario.statistics.interval, run_.scenario.statistics.confidence,
        value_or_throw(corruptions_of(run_.scenario)),
        value_or_throw(fit_inputs(run_.scenario, faults_->sites)));
    if (!summary) return failed(summary.error());
    std::vector<results::TextFile> files = results::summary_files(*summary);
    std::ostringstream skipped;
    results::write_skipped_csv(*rows_, skipped);
    files.push_back({"skipped.csv", skipped.str()});
    std::vector<std::string> wrong;
    for (const results::TextFile& file : files) {
      const auto text = read_text(run_.directory / file.name, Errc::results);
      if (!text || *text != file.text) wrong.push_back(file.name);
    }
    if (!wrong.empty()) {
      return failed(fmt::format("missing or not what the rows give: {}", fmt::join(wrong, ", ")));
    }
    const std::vector<std::string> strange = strange_tables(files);
    if (strange.empty()) return ok(fmt::format("{} files, byte for byte", files.size()));
    return failed(fmt::format("no tables of this campaign: {}", fmt::join(strange, ", ")));
  }

  /// Files among the tables that are none of `expected`.
  std::vector<std::string> strange_tables(const std::vector<results::TextFile>& expected) const {
    std::set<std::string> known;
    for (const results::TextFile& file : expected) known.insert(file.name);
    std::vector<std::string> strange;
    std::error_code missing;
    for (const auto& entry : std::filesystem::directory_iterator(run_ / "kpi", missing)) {
      std::string name = "kpi/" + entry.path().filename().string();
      if (!known.contains(name)) strange.push_back(std::move(name));
    }
    std::sort(strange.begin(), strange.end());
    return strange;
  }

  Finding replays() {
    if (!rows_ || !plan_ || !data_ || !model_ || !has_variants()) {
      return not_checked("needs model, data, fault set and rows");
    }
    if (fingerprint_text(numeric_fingerprint(*model_, modified_)) != rows_->campaign.fingerprint) {
      return not_checked("the run had other numerics than this machine: last bits may differ");
    }
    std::vector<const results::TrialRow*> candidates;
    for (const results::TrialRow& row : rows_->trials) {
      const TrialPlace claimed{row.perturbation, row.epoch, row.sample, row.variant};
      const bool planned = row.trial < plan_->trials() && plan_->place_of(row.trial) == claimed &&
                           find_golden(*rows_, row.condition(), row.sample) != nullptr;
      if (planned) candidates.push_back(&row);
    }
    const std::uint64_t total = candidates.size(),
                        seed = options_.seed.value_or(run_.scenario.seed);
    const double wanted = std::ceil(options_.fraction * static_cast<double>(total));
    const std::uint64_t count =
        std::min(total, std::max(kFewestReplays, static_cast<std::uint64_t>(wanted)));
    std::vector<const results::TrialRow*> chosen;
    for (const std::uint64_t i : choose(total, count, seed, Stream::verification))
      chosen.push_back(candidates[i]);
    const RowFindings findings = replay(chosen);
    const std::string which =
        fmt::format("of {} trials, chosen by seed {}", with_commas(total), seed);
    Finding finding = from_rows(findings, which + ": every column as stored");
    if (finding.state == CheckState::failed) finding.detail += " (" + which + ")";
    return finding;
  }

  bool has_variants() const { return modified_.size() == run_.scenario.variants().size(); }

  RowFindings replay(std::vector<const results::TrialRow*> chosen) const {
    const Inputs inputs{run_.scenario, data_, model_, *faults_, *plan_, modified_};
    const Comparison again =
        run_again(inputs, *rows_, std::move(chosen),
                  {.threads = options_.threads, .progress = options_.progress}, false);
    RowFindings findings{again.compared, again.differing.size(), ""};
    if (findings.wrong > 0) {
      const TrialDifference& first = again.differing.front();
      findings.first = fmt::format("trial {}: {} is {}, replayed {}", first.trial, first.column,
                                   first.stored, first.computed);
    }
    return findings;
  }

  const RunFiles& run_;
  const ModelLoader& load_model_;
  const VerifyOptions& options_;
  Verification all_;
  // What has been found sound enough to go on with.
  std::shared_ptr<const datasets::Dataset> data_;
  std::shared_ptr<const model::Model> model_;
  std::vector<Modified> modified_;
  std::optional<faultgen::FaultSet> faults_;
  std::optional<Plan> plan_;
  std::optional<results::Trials> rows_;
  std::uint64_t samples_done_ = 0;  ///< of the units in segments
  bool sound_ = false;              ///< rows_ are those of the plan
};

}  // namespace

std::uint64_t Verification::count(CheckState state) const {
  return static_cast<std::uint64_t>(
      std::count_if(checks.begin(), checks.end(),
                    [&](const VerifyCheck& check) { return check.state == state; }));
}

Verification verify_run(const RunFiles& run, const ModelLoader& load_model,
                        const VerifyOptions& options) {
  return Verifier(run, load_model, options).verify();
}

std::string verification_text(const Verification& verification) {
  static constexpr std::array<std::string_view, 3> kStates{"ok", "FAILED", "not checked"};
  std::string text;
  for (const VerifyCheck& check : verification.checks) {
    text += fmt::format("{:<10}  {:<11}  {}\n", check.name,
                        kStates[static_cast<std::size_t>(check.state)], check.detail);
  }
  const std::uint64_t bad = verification.count(CheckState::failed);
  const std::uint64_t open = verification.count(CheckState::not_checked);
  text += "\n";
  if (bad > 0)
    return text + fmt::format("FAILED  {} of {} checks\n", bad, verification.checks.size());
  text += fmt::format("VERIFIED  {} of {} checks", verification.checks.size() - open,
                      verification.checks.size());
  if (!verification.finished) text += "; the campaign is unfinished";
  return text + (open > 0 ? "; the others say why not\n" : "\n");
}

}  // namespace bitquake::engine
