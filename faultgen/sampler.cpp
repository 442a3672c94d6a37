#include "faultgen/sampler.hpp"

#include "faultgen/bits.hpp"
#include "suite/base/build_info.hpp"
#include "suite/base/rng.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <string>
#include <utility>

namespace bitquake::faultgen {
namespace {

Error plan_error(std::string what, std::string hint) {
  return {Errc::fault_set, "", std::move(what), std::move(hint), ""};
}

std::optional<Error> check_counts(const FaultPlan& plan) {
  if (plan.per_group == 0 || plan.epochs == 0 || plan.samples == 0 ||
      plan.schedule.batch_size == 0) {
    return plan_error(
        fmt::format("the plan asks for {} epochs of {} samples, {} faults per group, "
                    "batches of {} samples",
                    plan.epochs, plan.samples, plan.per_group, plan.schedule.batch_size),
        "each of the four must be at least 1");
  }
  const std::uint64_t slots = plan.schedule.slots(plan.samples);
  std::uint64_t total = plan.epochs;
  if (__builtin_mul_overflow(total, slots, &total) ||
      __builtin_mul_overflow(total, std::uint64_t{plan.per_group}, &total) || total > kMaxFaults) {
    return plan_error(
        fmt::format("the plan asks for {} epochs of {} groups with {} faults each, more than "
                    "{} faults",
                    plan.epochs, slots, plan.per_group, with_commas(kMaxFaults)),
        "ask for fewer epochs, samples or faults per group");
  }
  return std::nullopt;
}

std::optional<Error> check_space(const FaultSpace& space, const FaultPlan& plan) {
  if (plan.bits.low > plan.bits.high || plan.bits.high >= kFp32Bits) {
    return plan_error("bits " + std::to_string(plan.bits.low) + " to " +
                          std::to_string(plan.bits.high) + " are no range of fp32 bits",
                      "give two bits from 0 to 31, the lower one first");
  }
  const std::string target(name_of(kTargets, plan.target));
  if (space.total_elements() == 0) {
    return plan_error("the model has no " + target + " to inject faults into",
                      plan.target == Target::weight
                          ? "weights must be parameters: export without torch.jit.freeze, which "
                            "makes constants of them"
                          : "use a model with a convolution or linear layer");
  }
  std::uint64_t locations = plan.bits.high - plan.bits.low + 1;
  const bool huge = __builtin_mul_overflow(locations, space.total_elements(), &locations);
  if (!huge && plan.per_group > locations) {
    return plan_error("a group of " + std::to_string(plan.per_group) +
                          " faults was asked for, the " + target + " offer " +
                          std::to_string(locations) + " distinct locations (element and bit)",
                      "ask for fewer faults per group or for more bits");
  }
  return std::nullopt;
}

/// The (site, element, bit) of one group, to notice a repetition. One table serves all groups.
class Seen {
 public:
  explicit Seen(std::uint32_t per_group)
      : mask_(std::bit_ceil(std::uint64_t{per_group} * 2) - 1),
        table_(per_group > 1 ? mask_ + 1 : 0) {}

  void clear() { std::fill(table_.begin(), table_.end(), Fault{}); }

  /// False when an equal fault is there already. A fault has a bit, so Fault{} marks a free place.
  bool insert(const Fault& fault) {
    if (table_.empty()) return true;
    std::uint64_t place = hash(fault) & mask_;
    for (; table_[place].bit_mask != 0; place = (place + 1) & mask_) {
      if (table_[place] == fault) return false;
    }
    table_[place] = fault;
    return true;
  }

 private:
  /// Finaliser of MurmurHash3 (Appleby); it decides speed only, never what is drawn.
  static std::uint64_t hash(const Fault& fault) {
    std::uint64_t h = fault.element * 0x9e3779b97f4a7c15ULL + fault.site;
    h ^= std::rotl(fault.bit_mask, 21) + (h >> 33);
    h *= 0xff51afd7ed558ccdULL;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ULL;
    return h ^ (h >> 33);
  }

  std::uint64_t mask_;
  std::vector<Fault> table_;
};

class Sampler {
 public:
  Sampler(const FaultSpace& space, const FaultPlan& plan)
      : space_(space), plan_(plan), seen_(plan.per_group) {}

  /// One fault of the group that was begun last, distinct from those before it.
  Fault draw(std::uint64_t id) {
    Draws location(plan_.seed, Stream::fault_location, id);
    Draws bits(plan_.seed, Stream::fault_bits, id);
    Fault fault;
    fault.target = plan_.target;
    fault.model = plan_.model;
    do {
      const auto [site, element] = draw_location(location);
      fault.site = site;
      fault.element = element;
      const std::uint64_t width = plan_.bits.high - plan_.bits.low + 1;
      fault.bit_mask = std::uint64_t{1} << (plan_.bits.low + bits.below(width));
    } while (!seen_.insert(fault));
    return fault;
  }

  void begin_group() { seen_.clear(); }

 private:
  FaultSpace::Location draw_location(Draws& draws) const {
    if (plan_.draw == Draw::elements) return space_.locate(draws.below(space_.total_elements()));
    const auto& active = space_.active_sites();
    const std::uint32_t site = active[draws.below(active.size())];
    return {site, draws.below(space_.elements(site))};
  }

  const FaultSpace& space_;
  const FaultPlan& plan_;
  Seen seen_;
};

/// FaultSet::sampling_weight for each site.
std::vector<double> site_weights(const FaultSpace& space, Draw draw) {
  std::vector<double> weights(space.sites().size(), 1.0);
  if (draw == Draw::elements) return weights;
  const auto total = static_cast<double>(space.total_elements());
  const auto active = static_cast<double>(space.active_sites().size());
  for (const std::uint32_t site : space.active_sites()) {
    weights[site] = static_cast<double>(space.elements(site)) / total * active;
  }
  return weights;
}

}  // namespace

Result<FaultSet> draw_faults(const FaultSpace& space, const FaultPlan& plan) {
  if (plan.target != space.target()) {
    throw Exception(
        {Errc::internal, "", "fault plan and fault space have different targets", "", ""});
  }
  if (const auto error = check_counts(plan)) return *error;
  if (const auto error = check_space(space, plan)) return *error;

  FaultSet set;
  set.provenance.seed = plan.seed;
  set.provenance.generator = "bitquake " + std::string(build_info().version);
  set.provenance.schedule = plan.schedule;
  set.sites = space.sites();
  const std::uint64_t slots = plan.schedule.slots(plan.samples);
  const std::uint64_t n_groups = plan.epochs * slots;
  set.groups.reserve(n_groups);
  set.faults.reserve(n_groups * plan.per_group);
  set.sampling_weight.reserve(n_groups * plan.per_group);

  Sampler sampler(space, plan);
  const std::vector<double> weights = site_weights(space, plan.draw);
  for (std::uint32_t epoch = 0; epoch < plan.epochs; ++epoch) {
    for (std::uint64_t slot = 0; slot < slots; ++slot) {
      set.groups.push_back({epoch, slot, set.faults.size(), plan.per_group});
      sampler.begin_group();
      for (std::uint32_t i = 0; i < plan.per_group; ++i) {
        set.faults.push_back(sampler.draw(set.faults.size()));
        set.sampling_weight.push_back(weights[set.faults.back().site]);
      }
    }
  }
  return set;
}

}  // namespace bitquake::faultgen
