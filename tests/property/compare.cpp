#include "tests/property/compare.hpp"

#include "faultgen/bits.hpp"
#include "faultgen/fault_model.hpp"

#include <fmt/format.h>

#include <cmath>

namespace bitquake::test {
namespace {

using faultgen::Fault;

bool is_nan(const Fault& fault, std::uint64_t bits) {
  return std::isnan(faultgen::decode(fault.storage, bits));
}

/// Whether fault `i` comes after another one of the same element.
bool has_predecessor(std::span<const Fault> faults, std::size_t i) {
  for (std::size_t j = 0; j < i; ++j) {
    if (faults[j].site == faults[i].site && faults[j].target == faults[i].target &&
        faults[j].element == faults[i].element) {
      return true;
    }
  }
  return false;
}

bool same_value(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || faultgen::to_bits(a) == faultgen::to_bits(b);
}

std::string text(const std::optional<std::uint32_t>& number) {
  return number ? std::to_string(*number) : "none";
}

}  // namespace

bool met_nan(const model::Trial& trial, const model::TrialResult& result) {
  for (std::size_t i = 0; i < result.injections.size(); ++i) {
    if (is_nan(trial.faults[i], result.injections[i].original_bits) &&
        !has_predecessor(trial.faults, i)) {
      return true;
    }
  }
  return false;
}

std::string difference(const model::Trial& trial, const model::TrialResult& expected,
                       const model::TrialResult& result) {
  if (result.failure != expected.failure) {
    return fmt::format("failure '{}' instead of '{}'", result.failure, expected.failure);
  }
  if (result.injections.size() != expected.injections.size()) {
    return fmt::format("{} injections instead of {}", result.injections.size(),
                       expected.injections.size());
  }
  if (met_nan(trial, expected)) {
    return met_nan(trial, result) ? "" : "no fault found a NaN where one should";
  }
  for (std::size_t i = 0; i < result.injections.size(); ++i) {
    const model::Injection &a = result.injections[i], &b = expected.injections[i];
    if (a == b) continue;
    return fmt::format(
        "fault {}: reached {}, {:#010x} -> {:#010x} instead of {}, {:#010x} -> "
        "{:#010x}",
        i, a.reached, a.original_bits, a.corrupted_bits, b.reached, b.original_bits,
        b.corrupted_bits);
  }
  if (result.output.size() != expected.output.size()) {
    return fmt::format("{} outputs instead of {}", result.output.size(), expected.output.size());
  }
  for (std::size_t i = 0; i < result.output.size(); ++i) {
    if (same_value(result.output[i], expected.output[i])) continue;
    return fmt::format("output {}: {} ({:#010x}) instead of {} ({:#010x})", i, result.output[i],
                       faultgen::to_bits(result.output[i]), expected.output[i],
                       faultgen::to_bits(expected.output[i]));
  }
  if (result.first_nonfinite != expected.first_nonfinite) {
    return fmt::format("first non-finite point is {} instead of {}", text(result.first_nonfinite),
                       text(expected.first_nonfinite));
  }
  if (result.nonfinite != expected.nonfinite) return "other non-finite points";
  if (result.alarms != expected.alarms) return "other alarms";
  if (result.deviations != expected.deviations) return "other deviations";
  if (result.first_alarm != expected.first_alarm) {
    return fmt::format("first alarm is {} instead of {}", text(result.first_alarm),
                       text(expected.first_alarm));
  }
  if (result.any_nonfinite != expected.any_nonfinite) {
    return fmt::format("any non-finite is {} instead of {}", result.any_nonfinite,
                       expected.any_nonfinite);
  }
  return "";
}

std::string describe(const model::Trial& trial, std::span<const faultgen::Site> sites) {
  std::string all = fmt::format("sample {}", trial.golden_row);
  for (const Fault& fault : trial.faults) {
    const faultgen::Site& site = sites[fault.site];
    all += fmt::format(", {} {}[{}] {} {} {:#010x} {:#010x}",
                       name_of(faultgen::kTargets, fault.target), faultgen::site_name(site),
                       fmt::join(faultgen::element_index(faultgen::tensor_shape(site, fault.target),
                                                         fault.element),
                                 ","),
                       name_of(faultgen::kNumberFormats, fault.storage.format),
                       faultgen::fault_model_info(fault.model).name, fault.bit_mask, fault.value);
  }
  return all;
}

}  // namespace bitquake::test
