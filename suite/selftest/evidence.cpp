#include "suite/selftest/evidence.hpp"

#include "metrics/outcome.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

namespace bitquake::selftest {
namespace {

std::string point_name(const results::Trials& trials, std::int32_t number) {
  if (number == results::kNoPoint) return "none";
  const auto& points = trials.campaign.points;
  if (number < 0 || static_cast<std::size_t>(number) >= points.size()) return "unknown";
  const results::Point& point = points[static_cast<std::size_t>(number)];
  return point.kind + ":" + point.path;
}

}  // namespace

std::vector<std::string> fault_lines(const faultgen::FaultSet& faults) {
  std::vector<std::string> lines;
  for (const faultgen::Fault& fault : faults.faults) {
    lines.push_back(fmt::format("fault {} {} {} {:#010x} {}",
                                faultgen::site_name(faults.sites[fault.site]),
                                name_of(faultgen::kTargets, fault.target), fault.element,
                                fault.bit_mask, name_of(faultgen::fault_models(), fault.model)));
  }
  return lines;
}

std::vector<std::string> golden_lines(const results::Trials& trials) {
  std::vector<std::string> lines;
  for (const results::GoldenRow& row : trials.golden) {
    lines.push_back(fmt::format("golden {} {} {}x{} {} {} {} {} {} {:016x}", row.sample,
                                row.sample_index, row.height, row.width, row.label, row.top1,
                                row.label_rank, shortest(row.top1_probability), row.skipped,
                                row.output_hash));
  }
  return lines;
}

std::vector<std::string> injection_lines(const results::Trials& trials) {
  std::vector<std::string> lines;
  for (const results::InjectionRow& row : trials.injections) {
    lines.push_back(fmt::format("injection {} {} {} {:08x} {:08x}", row.trial, row.fault,
                                row.reached, row.original_bits, row.corrupted_bits));
  }
  return lines;
}

std::vector<std::string> trial_lines(const results::Trials& trials,
                                     const std::vector<bool>& output_known) {
  std::vector<std::string> lines;
  for (const results::TrialRow& row : trials.trials) {
    const bool known = row.trial < output_known.size() && output_known[row.trial];
    const std::string output =
        known ? fmt::format("{} {} {} {:016x}", row.faulty_top1, row.label_rank,
                            shortest(row.faulty_probability), row.output_hash)
              : "-";
    const std::string failed = row.message == results::kNoMessage ? "" : " failed";
    lines.push_back(fmt::format(
        "trial {} {} {} {} {}+{} {} {}{}{} {} {} {} {}{}", row.trial, row.epoch, row.sample,
        row.group, row.first_fault, row.n_faults, metrics::kOutcomeNames[row.outcome], row.sdc5,
        row.sdc10, row.sdc20, shortest(row.golden_probability),
        point_name(trials, row.first_nonfinite), row.any_nonfinite, output, failed));
  }
  return lines;
}

}  // namespace bitquake::selftest
