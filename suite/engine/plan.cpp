#include "suite/engine/plan.hpp"

#include <algorithm>

namespace bitquake::engine {

Plan::Plan(std::uint64_t samples, std::uint32_t epochs, std::uint64_t slots,
           std::uint32_t unit_samples, faultgen::Schedule schedule, std::uint64_t last_slots,
           std::uint32_t perturbations, std::uint32_t variants)
    : samples_(samples),
      slots_(slots),
      last_slots_(last_slots == 0 ? slots : last_slots),
      last_samples_(std::min(samples, last_slots_ >= schedule.slots(samples)
                                          ? samples
                                          : last_slots_ * schedule.batch_size)),
      epochs_(epochs),
      unit_samples_(unit_samples),
      perturbations_(perturbations),
      variants_(variants),
      schedule_(schedule) {}

SampleRange Plan::samples_of(std::uint64_t unit) const {
  const std::uint64_t first = unit * unit_samples_;
  return {first, std::min(first + unit_samples_, samples_)};
}

std::uint64_t Plan::units_per_segment() const {
  constexpr std::uint64_t kSegments = 64, kFewTrials = 1024, kManyTrials = 65536;
  const std::uint64_t unit_trials = std::uint64_t{unit_samples_} * epochs_ * conditions();
  const std::uint64_t low = (kFewTrials + unit_trials - 1) / unit_trials;
  const std::uint64_t high = std::max(low, kManyTrials / unit_trials);
  return std::clamp((units() + kSegments - 1) / kSegments, low, high);
}

Result<Plan> make_plan(const faultgen::FaultSet& faults, std::uint64_t samples,
                       std::uint32_t unit_samples, const std::string& where,
                       std::uint32_t perturbations, std::uint32_t variants) {
  const auto error = [&](const std::string& what, const std::string& hint) {
    return Error{Errc::fault_set, where, what, hint, ""};
  };
  if (faults.groups.empty()) return error("holds no fault group", "generate it again");
  const std::uint32_t epochs = faults.groups.back().epoch + 1;
  const std::uint64_t groups = faults.groups.size();
  const auto* const first_end = std::find_if(faults.groups.begin(), faults.groups.end(),
                                             [](const auto& group) { return group.epoch != 0; });
  const auto slots = static_cast<std::uint64_t>(first_end - faults.groups.begin());
  // A largest epoch has wrapped round to 0.
  if (slots == 0 || epochs == 0 || (groups - 1) / slots != epochs - 1) {
    return error("does not hold one group for every epoch and slot", "generate it again");
  }
  for (std::uint64_t i = 0; i < groups; ++i) {
    if (faults.groups[i].epoch != i / slots || faults.groups[i].slot != i % slots) {
      return error("does not hold one group for every epoch and slot", "generate it again");
    }
  }
  const faultgen::Schedule& schedule = faults.provenance.schedule;
  if (slots < schedule.slots(samples)) {
    const std::string most = std::to_string(slots * schedule.batch_size);
    return error(
        "holds faults for " + most + " samples, but the scenario has " + std::to_string(samples),
        "set data.samples to at most " + most + ", or generate a set for this scenario");
  }
  return Plan(samples, epochs, slots, unit_samples, schedule, groups - slots * (epochs - 1),
              perturbations, variants);
}

}  // namespace bitquake::engine
