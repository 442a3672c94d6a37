#include "tests/property/random_trials.hpp"

#include "faultgen/bits.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <utility>

namespace bitquake::test {
namespace {

using faultgen::Fault;
using faultgen::NumberFormat;
using faultgen::Site;
using faultgen::Storage;
using faultgen::Target;

constexpr std::size_t kNeuronGroups = 32, kInputGroups = 12, kWeightGroups = 10,
                      kParameterGroups = 8, kMixedGroups = 10;

bool chance(Draws& draws, std::uint64_t percent) { return draws.below(100) < percent; }

/// Anywhere, or where windows are cut off: on corners and edges.
std::uint64_t element_of(const std::vector<std::int64_t>& shape, Draws& draws) {
  std::uint64_t element = 0;
  const bool at_edge = chance(draws, 35);
  for (const std::int64_t dimension : shape) {
    const auto size = static_cast<std::uint64_t>(dimension);
    std::uint64_t index = draws.below(size);
    if (at_edge && chance(draws, 60)) index = chance(draws, 50) ? 0 : size - 1;
    element = element * size + index;
  }
  return element;
}

std::uint64_t mask_of_bits(Draws& draws) {
  switch (draws.below(7)) {
    case 0:
      return 1U << draws.below(23);  // mantissa
    case 1:
      return 1U << (23 + draws.below(8));  // exponent
    case 2:
      return 1U << 31;
    case 3:
      return draws.next32();
    case 4:
      return 0x7fffffffU;  // all but the sign: stuck at 0 gives zeros of both signs
    case 5:
      return 0x7f800000U | (chance(draws, 50) ? 1U << draws.below(23) : 0);  // Inf or NaN
    default:
      return 1U << draws.below(32);
  }
}

/// How the value is held, with settings that its format has.
Storage random_storage(Draws& draws) {
  Storage storage;
  if (chance(draws, 65)) return storage;
  storage.format = faultgen::kNumberFormats[draws.below(faultgen::kNumberFormats.size())].value;
  if (storage.format == NumberFormat::int8) {
    storage.scale = chance(draws, 50) ? 0.02F : 0.5F;
    storage.zero_point = static_cast<std::int32_t>(draws.below(21)) - 10;
  }
  if (storage.format == NumberFormat::fixed) {
    storage.integer_bits = static_cast<std::uint8_t>(1 + draws.below(7));
    storage.fraction_bits = static_cast<std::uint8_t>(4 + draws.below(5));
  }
  return faultgen::malformed(storage) ? Storage{} : storage;
}

/// What happens to the value: mostly to bits, else to the whole of it.
void choose_model(Fault& fault, Draws& draws) {
  const auto& models = faultgen::kBuiltInFaultModels;
  const auto& info = models[chance(draws, 60) ? draws.below(3) : draws.below(models.size())];
  fault.model = info.value;
  fault.storage = random_storage(draws);
  if (info.bits != nullptr) {
    const std::uint64_t all = ~std::uint64_t{0} >> (64 - faultgen::storage_bits(fault.storage));
    fault.bit_mask = mask_of_bits(draws) & all;
  } else if (info.source != faultgen::ValueSource::none) {
    static constexpr std::array kValues{0.0F, 1.0F, -0.25F, 1e30F, 3e-39F};
    const float value = chance(draws, 50) ? kValues[draws.below(kValues.size())]
                                          : static_cast<float>(draws.uniform() * 4 - 2);
    fault.value = faultgen::to_bits(value);
  }
}

faultgen::SiteKind one_kind(std::span<const Site> sites, Target target, Draws& draws) {
  std::set<faultgen::SiteKind> kinds;
  for (const Site& site : sites) {
    if (faultgen::site_elements(site, target) > 0) kinds.insert(site.kind);
  }
  return *std::next(kinds.begin(), static_cast<std::ptrdiff_t>(draws.below(kinds.size())));
}

Fault random_fault(std::span<const Site> sites, Target target, Draws& draws) {
  Fault fault;
  fault.target = target;
  // Any site, or first a kind, so that rare kinds are hit too.
  std::optional<faultgen::SiteKind> kind;
  if (chance(draws, 40)) kind = one_kind(sites, target, draws);
  do {
    fault.site = static_cast<std::uint32_t>(draws.below(sites.size()));
  } while (faultgen::site_elements(sites[fault.site], target) == 0 ||
           (kind && sites[fault.site].kind != *kind));
  fault.element = element_of(faultgen::tensor_shape(sites[fault.site], target), draws);
  choose_model(fault, draws);
  return fault;
}

bool has_elements(std::span<const Site> sites, Target target) {
  return std::any_of(sites.begin(), sites.end(),
                     [&](const Site& site) { return faultgen::site_elements(site, target) > 0; });
}

std::vector<Fault> random_group(std::span<const Site> sites, std::vector<Target> targets,
                                Draws& draws) {
  std::vector<Fault> group;
  const std::uint64_t size = chance(draws, 60) ? 1 : 1 + draws.below(4);
  while (group.size() < size) {
    Fault fault = random_fault(sites, targets[draws.below(targets.size())], draws);
    if (!group.empty() && chance(draws, 35)) {  // near another one, or on it
      fault.site = group.back().site;
      fault.target = group.back().target;
      const auto& shape = faultgen::tensor_shape(sites[fault.site], fault.target);
      fault.element = chance(draws, 40) ? group.back().element : element_of(shape, draws);
    }
    group.push_back(fault);
  }
  return group;
}

}  // namespace

RandomTrials random_trials(std::span<const Site> sites, std::size_t samples, Draws& draws) {
  RandomTrials made;
  const auto add = [&](std::size_t count, std::vector<Target> targets, std::uint64_t most_samples) {
    std::erase_if(targets, [&](Target target) { return !has_elements(sites, target); });
    if (targets.empty()) return;
    for (std::size_t i = 0; i < count; ++i) {
      made.groups.push_back(random_group(sites, targets, draws));
      const std::uint64_t times = 1 + draws.below(most_samples);
      for (std::uint64_t time = 0; time < times; ++time) {
        // Equal faults, kept in one place or in two.
        if (time > 0 && chance(draws, 20)) {
          made.groups.push_back(std::vector<Fault>(made.groups.back()));
        }
        made.trials.push_back({draws.below(samples), made.groups.back()});
      }
    }
  };
  add(kNeuronGroups, {Target::neuron}, 3);
  add(kInputGroups, {Target::site_input, Target::network_input}, 3);
  add(kWeightGroups, {Target::weight, Target::bias}, 5);
  add(kParameterGroups, {Target::weight, Target::bias, Target::running_mean, Target::running_var},
      5);
  std::vector<Target> all;
  for (const auto& target : faultgen::kTargets) all.push_back(target.value);
  add(kMixedGroups, all, 3);
  made.trials.push_back({draws.below(samples), {}});
  for (std::size_t i = made.trials.size(); i > 1; --i) {
    std::swap(made.trials[i - 1], made.trials[draws.below(i)]);
  }
  return made;
}

namespace {

/// Corrects one wrong bit, detects two, and takes more for another one.
model::CodedRead read_word(std::uint64_t original, std::uint64_t faulty) {
  const int wrong = std::popcount(original ^ faulty);
  if (wrong < 2) return {original, wrong == 1, false};
  if (wrong == 2) return {faulty, false, true};
  return {faulty ^ (1ULL << (faulty % 64)), true, false};
}

model::Guard random_guard(std::uint32_t number, const Site& site, Draws& draws) {
  using model::GuardKind;
  static constexpr std::array kLow{-8.0F, -1.0F, -0.25F, 0.0F};
  static constexpr std::array kHigh{0.0F, 0.5F, 2.0F, 8.0F, 1e4F};
  static constexpr std::array kTolerances{0.0F, 1e-6F, 1e-4F, 1e-1F};
  model::Guard guard{.site = number};
  do {
    guard.kind = model::kGuardKinds[draws.below(model::kGuardKinds.size())].value;
  } while (guard.kind == GuardKind::average &&
           (site.output_shape.size() < 2 || model::channel_axis(site) != 0));
  const std::size_t channels =
      chance(draws, 40) ? static_cast<std::size_t>(site.output_shape[model::channel_axis(site)])
                        : 1;
  for (std::size_t i = 0; i < channels; ++i) {
    guard.low.push_back(kLow[draws.below(kLow.size())]);
    guard.high.push_back(kHigh[draws.below(kHigh.size())]);
  }
  guard.tolerance = kTolerances[draws.below(kTolerances.size())];
  guard.sanitise = chance(draws, 60);
  return guard;
}

}  // namespace

model::Protection random_protection(std::span<const Site> sites, Draws& draws) {
  model::Protection made;
  for (std::uint32_t i = 0; i < sites.size(); ++i) {
    const Site& site = sites[i];
    const bool has_output = faultgen::site_elements(site, Target::neuron) > 0;
    while (has_output && chance(draws, 35)) made.guards.push_back(random_guard(i, site, draws));
    for (const Target target : {Target::weight, Target::bias, Target::running_mean}) {
      if (faultgen::site_elements(site, target) == 0 || !chance(draws, 30)) continue;
      made.weights.push_back({i, target, "code", chance(draws, 50) ? 32U : 64U, read_word});
    }
  }
  return made;
}

std::vector<float> random_samples(std::size_t samples, std::size_t elements, Draws& draws) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  std::vector<float> values;
  for (std::size_t sample = 0; sample < samples; ++sample) {
    const std::uint64_t kind = draws.below(20);
    const double scale = kind == 0 ? 0.0 : kind == 1 ? 1e30 : kind == 2 ? 1e-39 : 2.0;
    const std::size_t first = values.size();
    for (std::size_t i = 0; i < elements; ++i) {
      values.push_back(static_cast<float>((draws.uniform() * 2 - 1) * scale));
    }
    if (kind == 3)
      std::fill(values.begin() + static_cast<std::ptrdiff_t>(first), values.end(), 1.0F);
    float& one = values[first + draws.below(elements)];
    if (kind == 4) one = 1e38F;
    if (kind == 5) one = -kInf;
    if (kind == 6 && chance(draws, 50)) one = std::numeric_limits<float>::quiet_NaN();
  }
  return values;
}

}  // namespace bitquake::test
