#include "suite/engine/row_checks.hpp"

#include "faultgen/bits.hpp"
#include "metrics/outcome.hpp"
#include "suite/engine/run_files.hpp"
#include "suite/engine/unit.hpp"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <tuple>
#include <utility>

namespace bitquake::engine {
namespace {

using results::GoldenRow;
using results::InjectionRow;
using results::TrialRow;

void count(RowFindings& findings, const std::string& defect) {
  ++findings.checked;
  if (defect.empty()) return;
  if (findings.wrong++ == 0) findings.first = defect;
}

/// What is wrong with the place of a trial in the plan; empty when nothing is.
std::string place_defect(const TrialRow& row, const TrialRow* before, const results::Trials& rows,
                         const Plan& plan, const faultgen::FaultSet& faults) {
  const std::string name = fmt::format("trial {}", row.trial);
  if (before != nullptr && before->trial >= row.trial) return name + " is there twice";
  const TrialPlace claimed{row.perturbation, row.epoch, row.sample, row.variant};
  if (row.trial >= plan.trials() || plan.place_of(row.trial) != claimed) {
    return fmt::format("{} claims variant {}, perturbation {}, epoch {}, sample {}", name,
                       row.variant, row.perturbation, row.epoch, row.sample);
  }
  const GoldenRow* golden = find_golden(rows, row.condition(), row.sample);
  if (golden == nullptr) return name + " belongs to a sample without a golden row";
  if (golden->skipped != 0) return name + " belongs to a skipped sample";
  const std::uint64_t group = plan.group(row.epoch, row.sample);
  if (row.group != group) return fmt::format("{} has group {}, not {}", name, row.group, group);
  if (row.first_fault == faults.groups[group].first_fault) return "";
  return fmt::format("{} claims that group {} begins with fault {}", name, group, row.first_fault);
}

bool planned(const GoldenRow& golden, const Plan& plan) {
  return golden.perturbation < plan.perturbations() && golden.variant < plan.variants();
}

/// Counts trials of golden rows that have no row.
void count_missing(const results::Trials& rows, const Plan& plan, RowFindings& findings) {
  for (std::uint32_t epoch = 0; epoch < plan.epochs(); ++epoch) {
    for (const GoldenRow& golden : rows.golden) {
      if (golden.skipped != 0 || golden.sample >= plan.samples()) continue;
      if (!plan.has_trial(epoch, golden.sample)) continue;
      if (!planned(golden, plan)) continue;
      const std::uint64_t trial =
          plan.trial({golden.perturbation, epoch, golden.sample, golden.variant});
      if (find_trial(rows, trial) != nullptr) continue;
      count(findings, fmt::format("trial {} is missing", trial));
    }
  }
}

using faultgen::Place;

std::string injection_defect(const InjectionRow& row, const faultgen::Fault& fault, bool active,
                             std::map<Place, std::uint64_t>& left) {
  const std::string name = fmt::format("fault {} in trial {}", row.fault, row.trial);
  if ((row.active != 0) != active) {
    return name + (active ? " did not act, though the seed says so" : " acted against the seed");
  }
  if (row.reached == 0) {
    const bool empty = row.original_bits == 0 && row.corrupted_bits == 0;
    return empty ? "" : name + " was not reached and has bits";
  }
  const Place place = faultgen::place_of(fault);
  const auto before = left.find(place);
  const bool found = before == left.end() || before->second == row.original_bits;
  if (!found) return name + " did not find what the fault before it left";
  left[place] = row.corrupted_bits;
  const std::uint64_t wanted = faultgen::apply(fault, row.original_bits);
  if (wanted == row.corrupted_bits) return "";
  return fmt::format("{} made {:#010x} of {:#010x}, not {:#010x}", name, row.corrupted_bits,
                     row.original_bits, wanted);
}

std::string trial_injection_defect(const TrialRow& row, std::span<const InjectionRow> injections,
                                   const TrialFaults& present) {
  if (injections.size() != present.ids.size() || row.n_faults != present.ids.size()) {
    return fmt::format("trial {} has {} injections and n_faults {}, its groups hold {} faults",
                       row.trial, injections.size(), row.n_faults, present.ids.size());
  }
  std::map<Place, std::uint64_t> left;
  for (std::size_t i = 0; i < injections.size(); ++i) {
    if (injections[i].fault != present.ids[i]) {
      return fmt::format("trial {} has fault {} in place of {}", row.trial, injections[i].fault,
                         present.ids[i]);
    }
    std::string defect =
        injection_defect(injections[i], present.faults[i], present.active[i] != 0, left);
    if (!defect.empty()) return defect;
  }
  return "";
}

/// Numbers, or both NaN.
bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

/// The first rule that a trial breaks; empty when none.
std::string broken_rule(const TrialRow& row, const GoldenRow& golden) {
  const auto outcome = static_cast<metrics::Outcome>(row.outcome);
  const bool due = outcome == metrics::Outcome::due;
  const bool failed = row.message != results::kNoMessage;
  const bool same_output = row.output_hash == golden.output_hash;
  const bool same_top1 = row.faulty_top1 == golden.top1;
  if (due != (failed || row.first_nonfinite != results::kNoPoint)) {
    return "due goes with a failure or a non-finite point, and only then";
  }
  if (failed != (row.output_hash == 0)) return "a failed inference, and no other, has no hash";
  if (!due && (outcome == metrics::Outcome::masked) != same_output) {
    return "masked goes with the hash of the golden output, and only then";
  }
  if (!due && (outcome == metrics::Outcome::sde) == same_top1) {
    return "sde goes with another top-1 class, and only then";
  }
  if (!same(row.golden_probability, golden.top1_probability)) {
    return "golden_probability is that of the golden row";
  }
  if (same_output && (!same_top1 || row.label_rank != golden.label_rank ||
                      !same(row.faulty_probability, row.golden_probability))) {
    return "equal outputs have equal top-1, rank and probability";
  }
  const bool ranked = golden.label != results::kNoLabel && row.faulty_top1 >= 0;
  if (ranked && (row.label_rank == 0) != (row.faulty_top1 == golden.label)) {
    return "label_rank is 0 when the top-1 class is the label, and only then";
  }
  const double change = std::abs(row.faulty_probability - row.golden_probability);
  const auto beyond = [&](double part) { return !due && change > part * row.golden_probability; };
  if ((row.sdc10 != 0) != beyond(0.1) || (row.sdc20 != 0) != beyond(0.2)) {
    return "sdc10 and sdc20 follow from the probabilities";
  }
  if (row.sdc5 != 0 && (due || same_top1)) return "sdc5 needs another top-1 class";
  return "";
}

}  // namespace

RowFindings check_against_plan(const results::Trials& rows, const Plan& plan,
                               const faultgen::FaultSet& faults, std::uint64_t samples) {
  RowFindings findings;
  for (std::size_t i = 0; i < rows.trials.size(); ++i) {
    const TrialRow* before = i > 0 ? &rows.trials[i - 1] : nullptr;
    count(findings, place_defect(rows.trials[i], before, rows, plan, faults));
  }
  count_missing(rows, plan, findings);
  const auto key = [](const GoldenRow& row) { return std::pair(row.condition(), row.sample); };
  for (std::size_t i = 0; i < rows.golden.size(); ++i) {
    const auto [condition, sample] = key(rows.golden[i]);
    const bool twice = i > 0 && key(rows.golden[i - 1]) >= key(rows.golden[i]);
    if (!twice && sample < plan.samples() && planned(rows.golden[i], plan)) continue;
    count(findings, fmt::format("golden row of sample {} under perturbation {} by variant {} {}",
                                sample, condition.perturbation, condition.variant,
                                twice ? "is there twice" : "is outside the plan"));
  }
  const std::uint64_t wanted = samples * plan.conditions();
  if (rows.golden.size() != wanted) {
    count(findings,
          fmt::format("{} golden rows, not {}: {} samples under {} perturbations by {} variants",
                      rows.golden.size(), wanted, samples, plan.perturbations(), plan.variants()));
  }
  return findings;
}

RowFindings check_injections(const results::Trials& rows, const Plan& plan,
                             const faultgen::FaultSet& faults, faultgen::RunType run_type) {
  RowFindings findings;
  for (const TrialRow& row : rows.trials) {
    const TrialFaults present = faults_of_trial(faults, plan, run_type, row.epoch, row.sample);
    count(findings, trial_injection_defect(row, rows.injections_of(row), present));
  }
  return findings;
}

RowFindings check_verdicts(const results::Trials& rows) {
  RowFindings findings;
  for (const TrialRow& row : rows.trials) {
    const std::string rule = broken_rule(row, *find_golden(rows, row.condition(), row.sample));
    count(findings, rule.empty() ? "" : fmt::format("trial {}: {}", row.trial, rule));
  }
  return findings;
}

}  // namespace bitquake::engine
