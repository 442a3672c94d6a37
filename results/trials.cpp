#include "results/trials.hpp"

#include "results/row_file.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/seal.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace bitquake::results {
namespace {

constexpr auto kContent = "bitquake trials";

struct ByTrial {
  bool operator()(const auto& row, std::uint64_t trial) const { return row.trial < trial; }
  bool operator()(std::uint64_t trial, const auto& row) const { return trial < row.trial; }
};

/// Those of one trial.
template <class Row>
std::span<const Row> rows_of(const BigVector<Row>& rows, const TrialRow& trial) {
  const auto [first, last] = std::equal_range(rows.begin(), rows.end(), trial.trial, ByTrial{});
  return {first, last};
}

/// What is wrong with the golden rows; empty when nothing is.
std::string golden_defect(const Trials& all) {
  if (all.campaign.perturbations.empty()) return "/perturbations is empty";
  if (all.campaign.variants.empty()) return "/variants is empty";
  if (all.golden.size() % all.campaign.conditions() != 0) {
    return "/golden has " + std::to_string(all.golden.size()) + " rows for " +
           std::to_string(all.campaign.perturbations.size()) + " perturbations of " +
           std::to_string(all.campaign.variants.size()) + " variants";
  }
  for (std::uint64_t i = 0; i < all.golden.size(); ++i) {
    if (all.golden[i].file >= all.campaign.files.size()) {
      return "golden row " + std::to_string(i) + " refers to a file that is not there";
    }
    const GoldenRow& row = all.golden[i];
    if (row.alarm >= static_cast<std::int64_t>(all.campaign.guards.size())) {
      return "golden row " + std::to_string(i) + " refers to a guard that is not there";
    }
    const Campaign& campaign = all.campaign;
    const bool known = row.perturbation < campaign.perturbations.size();
    if (known && campaign.number_of(row.condition()) == i / all.samples() &&
        row.sample == i % all.samples()) {
      continue;
    }
    return "/golden has sample " + std::to_string(row.sample) + " under perturbation " +
           std::to_string(row.perturbation) + " by variant " + std::to_string(row.variant) +
           " in row " + std::to_string(i) + ": a sample is missing or there twice";
  }
  return "";
}

std::string trial_defect(const Trials& all) {
  const auto n_points = static_cast<std::int64_t>(all.campaign.points.size());
  const auto n_guards = static_cast<std::int64_t>(all.campaign.guards.size());
  for (std::uint64_t i = 0; i < all.trials.size(); ++i) {
    const TrialRow& row = all.trials[i];
    const std::string name = "trial " + std::to_string(row.trial);
    if (i > 0 && row.trial <= all.trials[i - 1].trial) return name + " is there twice or misplaced";
    if (i > 0 && row.condition() < all.trials[i - 1].condition()) return name + " is misplaced";
    if (row.sample >= all.samples() || row.variant >= all.campaign.variants.size() ||
        row.perturbation >= all.campaign.perturbations.size()) {
      return name + " belongs to a sample that is not there";
    }
    if (all.golden_of(row).skipped != 0) return name + " belongs to a skipped sample";
    if (row.first_nonfinite >= n_points) return name + " refers to a point that is not there";
    if (row.alarm >= n_guards) return name + " refers to a guard that is not there";
    if (row.message >= all.messages.size()) return name + " refers to a message that is not there";
  }
  return "";
}

std::string injection_defect(const Trials& all) {
  const bool single = all.campaign.run_type == "single";
  const auto* trial = all.trials.begin();
  std::uint64_t found = 0;  // of this trial
  for (std::uint64_t i = 0; i < all.injections.size(); ++i) {
    const InjectionRow& row = all.injections[i];
    const auto key = [](const InjectionRow& r) { return std::tuple(r.trial, r.fault); };
    const std::string name = "injection of fault " + std::to_string(row.fault) + " in trial " +
                             std::to_string(row.trial);
    if (i > 0 && key(row) <= key(all.injections[i - 1]))
      return name + " is there twice or misplaced";
    while (trial != all.trials.end() && trial->trial < row.trial) {
      ++trial;
      found = 0;
    }
    if (trial == all.trials.end() || trial->trial != row.trial) return name + ": no such trial";
    const bool older = row.fault < trial->first_fault;
    if ((older && single) || (!older && row.fault - trial->first_fault >= trial->n_faults)) {
      return name + ": the fault is not one of the trial's";
    }
    if (++found > trial->n_faults) return name + ": the trial has fewer faults";
  }
  std::uint64_t wanted = 0;
  for (const TrialRow& row : all.trials) {
    wanted += row.n_faults;
  }
  if (wanted == all.injections.size()) return "";
  return "/injections has " + std::to_string(all.injections.size()) +
         " rows, the trials have faults for " + std::to_string(wanted);
}

/// Calls `look` with each trial's rows; gives what it says of the first it finds wrong, or that
/// there are rows of no trial.
template <class Row, class Look>
std::string defect_in(const Trials& all, const BigVector<Row>& rows, const char* table, Look look) {
  const Row* next = rows.begin();
  for (const TrialRow& trial : all.trials) {
    const Row* const first = next;
    while (next != rows.end() && next->trial == trial.trial) ++next;
    std::string defect = look(trial, std::span(first, next));
    if (!defect.empty()) return defect;
  }
  if (next == rows.end()) return "";
  return std::string("/") + table + " has a row of trial " + std::to_string(next->trial) +
         ", which is misplaced or not there";
}

/// The rows of /monitored are those that the trials count, the first among them.
std::string monitor_defect(const Trials& all) {
  return defect_in(all, all.observed.monitors, "monitored",
                   [&](const TrialRow& trial, std::span<const MonitorRow> rows) -> std::string {
                     const std::string name = "trial " + std::to_string(trial.trial);
                     std::array<std::uint32_t, 2> counts{};
                     bool first_point = trial.first_nonfinite < 0, first_alarm = trial.alarm < 0;
                     for (std::size_t i = 0; i < rows.size(); ++i) {
                       const auto [number, monitor, place] = rows[i];
                       const bool point = monitor == 0;
                       const bool known = place < (point ? all.campaign.points.size()
                                                         : all.campaign.guards.size());
                       if (!known || (i > 0 && rows[i] <= rows[i - 1])) {
                         return "/monitored holds a wrong or misplaced row of " + name;
                       }
                       ++counts[monitor];
                       const auto here = static_cast<std::int64_t>(place);
                       (point ? first_point : first_alarm) |=
                           here == (point ? trial.first_nonfinite : trial.alarm);
                     }
                     const bool counted = counts[0] == trial.nonfinite_points &&
                                          counts[1] == trial.alarms && first_point && first_alarm;
                     return counted ? "" : name + " and its rows of /monitored disagree";
                   });
}

std::string deviation_defect(const Trials& all) {
  return defect_in(all, all.observed.deviations, "deviations",
                   [&](const TrialRow& trial, std::span<const DeviationRow> rows) -> std::string {
                     for (std::size_t i = 0; i < rows.size(); ++i) {
                       if (rows[i].point < all.campaign.points.size() &&
                           (i == 0 || rows[i].point > rows[i - 1].point)) {
                         continue;
                       }
                       return "/deviations holds a wrong or misplaced row of trial " +
                              std::to_string(trial.trial);
                     }
                     return "";
                   });
}

Trials read(const h5::File& file) {
  check_format(file, kContent);
  Trials all;
  all.campaign.identity = file.string_attribute("campaign");
  all.campaign.fingerprint = file.string_attribute("fingerprint");
  all.campaign.classes = file.integer_attribute("classes");
  all.campaign.run_type = file.string_attribute("run_type");
  all.campaign.perturbations = file.read_strings("perturbations/label");
  all.campaign.variants = file.read_strings("variants/name");
  const std::vector<std::string> paths = file.read_strings("points/path");
  const std::vector<std::string> kinds = file.read_strings("points/kind");
  const std::vector<std::string> names = file.read_strings("sites/name");
  const std::vector<std::string> site_kinds = file.read_strings("sites/kind");
  if (paths.size() != kinds.size() || names.size() != site_kinds.size()) {
    throw Exception({Errc::results, file.path().string(),
                     "columns of /points or /sites differ in length", "the file is damaged", ""});
  }
  for (std::size_t i = 0; i < paths.size(); ++i)
    all.campaign.points.push_back({paths[i], kinds[i]});
  for (std::size_t i = 0; i < names.size(); ++i) {
    all.campaign.sites.push_back({names[i], site_kinds[i]});
  }
  const auto guard_variants = file.read_column<std::uint32_t>("guards/variant");
  const std::vector<std::string> guard_sites = file.read_strings("guards/site");
  const std::vector<std::string> guard_kinds = file.read_strings("guards/kind");
  if (guard_variants.size() != guard_sites.size() || guard_sites.size() != guard_kinds.size()) {
    throw Exception({Errc::results, file.path().string(), "columns of /guards differ in length",
                     "the file is damaged", ""});
  }
  for (std::size_t i = 0; i < guard_sites.size(); ++i) {
    all.campaign.guards.push_back({guard_variants[i], guard_sites[i], guard_kinds[i]});
  }
  all.campaign.files = file.read_strings("files/name");
  RowTables tables = read_tables(file);
  all.trials = std::move(tables.trials);
  all.injections = std::move(tables.injections);
  all.observed = std::move(tables.observed);
  all.golden = std::move(tables.golden);
  all.messages = std::move(tables.messages);
  return all;
}

/// One member of each row.
template <class Row>
std::vector<std::string> pluck(const std::vector<Row>& rows, std::string Row::*member) {
  std::vector<std::string> values;
  for (const Row& row : rows) values.push_back(row.*member);
  return values;
}

}  // namespace

std::span<const InjectionRow> Trials::injections_of(const TrialRow& trial) const {
  return rows_of(injections, trial);
}

std::span<const MonitorRow> Trials::monitors_of(const TrialRow& trial) const {
  return rows_of(observed.monitors, trial);
}

std::span<const DeviationRow> Trials::deviations_of(const TrialRow& trial) const {
  return rows_of(observed.deviations, trial);
}

std::pair<std::uint64_t, std::uint64_t> Trials::range_of(Condition condition) const {
  const auto* const first =
      std::partition_point(trials.begin(), trials.end(),
                           [&](const TrialRow& row) { return row.condition() < condition; });
  const auto* const last = std::partition_point(
      first, trials.end(), [&](const TrialRow& row) { return row.condition() == condition; });
  return {static_cast<std::uint64_t>(first - trials.begin()),
          static_cast<std::uint64_t>(last - trials.begin())};
}

Result<std::monostate> check_trials(const Trials& trials, const std::string& where) {
  for (const auto defect_of :
       {golden_defect, trial_defect, injection_defect, monitor_defect, deviation_defect}) {
    const std::string defect = defect_of(trials);
    if (!defect.empty()) return Error{Errc::results, where, defect, "the file is damaged", ""};
  }
  return std::monostate{};
}

void write_trials(const std::filesystem::path& path, const Trials& trials) {
  const Campaign& campaign = trials.campaign;
  write_durably(path, [&](const std::filesystem::path& temporary) {
    h5::File file = h5::File::create(temporary, Errc::results);
    write_format(file, kContent);
    file.set_attribute("campaign", campaign.identity);
    file.set_attribute("fingerprint", campaign.fingerprint);
    file.set_attribute("classes", campaign.classes);
    file.set_attribute("run_type", campaign.run_type);
    write_tables(file, trials.trials, trials.injections, trials.observed, trials.golden,
                 trials.messages);
    file.write_strings("perturbations/label", campaign.perturbations,
                       {"1", "what samples were under; clean: the image as it is"});
    file.write_strings("variants/name", campaign.variants,
                       {"1", "networks; the first is what others are compared with"});
    file.write_strings("points/path", pluck(campaign.points, &Point::path),
                       {"1", "module path of a monitored point; output: the final output"});
    file.write_strings("points/kind", pluck(campaign.points, &Point::kind),
                       {"1", "which tensor is watched"});
    file.write_strings("sites/name", pluck(campaign.sites, &SiteName::name),
                       {"1", "module path of a site, #1 behind it for the second call"});
    file.write_strings("sites/kind", pluck(campaign.sites, &SiteName::kind), {"1", "operation"});
    std::vector<std::uint32_t> guard_variants;
    for (const GuardName& guard : campaign.guards) guard_variants.push_back(guard.variant);
    file.write_column<std::uint32_t>("guards/variant", guard_variants,
                                     {"1", "row of /variants: whose guard it is"});
    file.write_strings("guards/site", pluck(campaign.guards, &GuardName::site),
                       {"1", "site that the guard looks at"});
    file.write_strings("guards/kind", pluck(campaign.guards, &GuardName::kind),
                       {"1", "what the guard does, or the code of the site's parameter"});
    file.write_strings("files/name", campaign.files, {"1", "file that samples were read from"});
    file.close();
    seal_file(temporary);
  });
}

Result<Trials> read_trials(const std::filesystem::path& path) {
  Result<Trials> trials = read_file(path, read);
  if (!trials) return trials;
  if (const auto checked = check_trials(*trials, path.string()); !checked) return checked.error();
  return trials;
}

}  // namespace bitquake::results
