#include "results/csv.hpp"

#include "faultgen/bits.hpp"
#include "faultgen/schedule.hpp"
#include "metrics/outcome.hpp"
#include "results/columns.hpp"
#include "results/interaction.hpp"
#include "suite/base/text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <concepts>
#include <string>

namespace bitquake::results {
namespace {

void append_number(std::string& line, double value) { line += shortest(value); }

template <std::integral T>
void append_number(std::string& line, T value, int base = 10) {
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, base).ptr;
  line.append(buffer.data(), end);
}

template <class Row>
void append_column(std::string& line, const Column<Row>& column, const Row& row) {
  std::visit([&](auto member) { append_number(line, row.*member); }, column.member);
}

std::string guard_text(std::int32_t alarm, const Trials& all) {
  if (alarm == kNoGuard) return "";
  const GuardName& guard = all.campaign.guards[static_cast<std::size_t>(alarm)];
  return guard.kind + " of " + guard.site;
}

/// A trial column whose code stands for a word.
std::optional<std::string> word(std::string_view column, const TrialRow& row, const Trials& all) {
  if (column == "variant") return all.campaign.variants[row.variant];
  if (column == "perturbation") return all.campaign.perturbations[row.perturbation];
  if (column == "alarm") return guard_text(row.alarm, all);
  if (column == "outcome") return std::string(metrics::kOutcomeNames[row.outcome]);
  if (column == "message") return all.messages[row.message];
  if (column != "first_nonfinite") return std::nullopt;
  if (row.first_nonfinite == kNoPoint) return "";
  return all.campaign.points[static_cast<std::size_t>(row.first_nonfinite)].path;
}

/// As above for a golden column.
std::optional<std::string> word(std::string_view column, const GoldenRow& row, const Trials& all) {
  if (column == "alarm") return guard_text(row.alarm, all);
  if (column != "file") return std::nullopt;
  return all.campaign.files[row.file];
}

void append_trial(std::string& line, const TrialRow& row, const Trials& all) {
  for (const auto& column : kTrialColumns) {
    if (const auto text = word(column.name, row, all)) {
      line += csv_record({*text});
    } else {
      append_column(line, column, row);
    }
    line += ',';
  }
}

std::string bits_text(std::uint64_t mask) {
  std::string text;
  for (; mask != 0; mask &= mask - 1) {
    if (!text.empty()) text += '+';
    append_number(text, std::countr_zero(mask));
  }
  return text;
}

std::string pattern_text(const faultgen::Storage& storage, std::uint64_t bits) {
  std::string digits;
  append_number(digits, bits, 16);
  const std::size_t wanted = (faultgen::storage_bits(storage) + 3) / 4;
  if (digits.size() < wanted) digits.insert(0, wanted - digits.size(), '0');
  return "0x" + digits;
}

/// The five fault cells of a trial.
void append_faults(std::string& line, const TrialRow& row, const Trials& all,
                   const faultgen::FaultSet& set) {
  std::array<std::string, 5> cells;
  const char* separator = "";
  for (const InjectionRow& injection : all.injections_of(row)) {
    for (std::string& cell : cells) cell += separator;
    separator = ";";
    const faultgen::Fault& fault = set.faults[injection.fault];
    cells[0] += faultgen::site_name(set.sites[fault.site]);
    append_number(cells[1], fault.element);
    cells[2] += bits_text(fault.bit_mask);
    if (injection.reached == 0) continue;
    cells[3] += pattern_text(fault.storage, injection.original_bits);
    cells[4] += pattern_text(fault.storage, injection.corrupted_bits);
  }
  line += csv_record({cells.begin(), cells.end()});
}

/// Whether a golden column says nothing that the trial's does not.
bool repeats_trial(std::string_view golden_column) {
  return golden_column == "variant" || golden_column == "perturbation";
}

std::string header() {
  std::string line;
  for (const auto& column : kTrialColumns) line += std::string(column.name) + ",";
  for (const auto& column : kGoldenColumns) {
    if (!repeats_trial(column.name)) line += "golden_" + std::string(column.name) + ",";
  }
  return line + "fault_site,fault_element,fault_bits,fault_original,fault_corrupted\n";
}

/// Whether a trial has the group that the set's schedule gives its sample, and the faults of that
/// group as injections, with `accumulate` also those of the same slot's groups before it.
/// /injections is ascending, and so are the groups' faults.
bool has_faults_of(const faultgen::FaultSet& set, std::uint64_t slots, const TrialRow& row,
                   std::span<const InjectionRow> injections, bool accumulate) {
  if (row.group >= set.groups.size() || set.groups[row.group].epoch != row.epoch) return false;
  // Another policy may name the same groups: intervals would be clustered by what is not shared.
  if (set.groups[row.group].slot != set.provenance.schedule.slot_of(row.sample)) return false;
  std::size_t next = 0;
  for (std::uint64_t epoch = accumulate ? 0 : row.epoch; epoch <= row.epoch; ++epoch) {
    const std::uint64_t behind = (row.epoch - epoch) * slots;
    if (behind > row.group) return false;
    const faultgen::FaultGroup& group = set.groups[row.group - behind];
    if (epoch == row.epoch && group.first_fault != row.first_fault) return false;
    for (std::uint64_t i = 0; i < group.n_faults; ++i, ++next) {
      const std::uint64_t fault = group.first_fault + i;
      if (next == injections.size() || injections[next].fault != fault) return false;
      if (fault >= set.faults.size()) return false;
    }
  }
  return next == injections.size();
}

Error mismatch(const std::string& what) {
  return {Errc::results, "", what, "the trials were run with another fault set", ""};
}

}  // namespace

Result<std::monostate> check_faults(const Trials& trials, const faultgen::FaultSet& faults) {
  const auto& sites = trials.campaign.sites;
  bool same_sites = sites.size() == faults.sites.size();
  for (std::size_t i = 0; same_sites && i < sites.size(); ++i) {
    same_sites = sites[i].name == faultgen::site_name(faults.sites[i]);
  }
  if (!same_sites) return mismatch("the sites of the fault set differ from those of the trials");
  for (const faultgen::Fault& fault : faults.faults) {
    if (fault.site < sites.size() && fault.bit_mask >> faultgen::kFp32Bits == 0) continue;
    return mismatch("the fault set has a fault outside its sites or bits");
  }
  const bool accumulate = accumulates(trials.campaign);
  // The last epoch may have fewer.
  const auto slots = static_cast<std::uint64_t>(
      std::find_if(faults.groups.begin(), faults.groups.end(),
                   [](const faultgen::FaultGroup& group) { return group.epoch != 0; }) -
      faults.groups.begin());
  const InjectionRow* next = trials.injections.begin();
  for (const TrialRow& row : trials.trials) {
    const InjectionRow* const first = next;
    while (next != trials.injections.end() && next->trial == row.trial) ++next;
    if (has_faults_of(faults, slots, row, {first, next}, accumulate)) continue;
    return mismatch("trial " + std::to_string(row.trial) + " has group " +
                    std::to_string(row.group) + ", which the fault set does not have like this");
  }
  return std::monostate{};
}

void write_trials_csv(const Trials& trials, const faultgen::FaultSet& faults, std::ostream& out) {
  out << header();
  std::string line;
  for (const TrialRow& row : trials.trials) {
    line.clear();
    append_trial(line, row, trials);
    for (const auto& column : kGoldenColumns) {
      if (repeats_trial(column.name)) continue;
      const GoldenRow& golden = trials.golden_of(row);
      if (const auto text = word(column.name, golden, trials)) {
        line += csv_record({*text});
      } else {
        append_column(line, column, golden);
      }
      line += ',';
    }
    append_faults(line, row, trials, faults);
    out << line << '\n';
  }
}

void write_skipped_csv(const Trials& trials, std::ostream& out) {
  out << "variant,perturbation,sample,sample_index,id,file,reason\n";
  for (const GoldenRow& row : trials.golden) {
    const auto reason = static_cast<SkipReason>(row.skipped);
    if (reason == SkipReason::none) continue;
    const bool unreadable = reason == SkipReason::unreadable;
    out << csv_record({trials.campaign.variants[row.variant],
                       trials.campaign.perturbations[row.perturbation]})
        << ',' << row.sample << ',' << row.sample_index << ',' << row.id << ','
        << csv_record({trials.campaign.files[row.file]}) << ','
        << (unreadable ? "image cannot be read" : "golden output is not finite") << '\n';
  }
}

}  // namespace bitquake::results
