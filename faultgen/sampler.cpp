#include "faultgen/sampler.hpp"

#include "faultgen/binomial.hpp"
#include "faultgen/bits.hpp"
#include "faultgen/permutation.hpp"
#include "suite/base/build_info.hpp"
#include "suite/base/rng.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

namespace bitquake::faultgen {
namespace {

Error plan_error(std::string what, std::string hint) {
  return {Errc::fault_set, "", std::move(what), std::move(hint), ""};
}

bool acts_on_bits(const FaultEntry& entry) {
  return entry.either_stuck_at || fault_model_info(entry.model).bits != nullptr;
}

Storage storage_at(const FaultEntry& entry, std::uint32_t site) {
  return entry.storage.empty() ? Storage{} : entry.storage[site];
}

/// Words of the pattern that begins at `element`; those behind the end of the tensor belong to
/// another one and are left out.
std::vector<std::uint64_t> words_of(const FaultEntry& entry, const std::vector<std::int64_t>& shape,
                                    std::uint64_t element) {
  const std::uint64_t total = element_count(shape);
  std::uint64_t first = element, step = 1, count = 1;
  const auto block = [&](std::uint64_t size) {
    first = element - element % size;
    count = size;
  };
  switch (entry.pattern) {
    case Pattern::single:
      break;
    case Pattern::strided:
      step = entry.pattern_stride;
      [[fallthrough]];
    case Pattern::consecutive:
      count = std::min(entry.pattern_length, (total - 1 - element) / step + 1);
      break;
    case Pattern::row:
      block(shape.empty() ? 1 : static_cast<std::uint64_t>(shape.back()));
      break;
    case Pattern::channel:
      block(shape.empty() ? 1 : total / static_cast<std::uint64_t>(shape.front()));
      break;
  }
  std::vector<std::uint64_t> words(count);
  for (std::uint64_t i = 0; i < count; ++i) words[i] = first + i * step;
  return words;
}

/// Index of the weight that `u` in [0, 1) falls on.
std::size_t pick(const std::vector<double>& weights, double u) {
  const double wanted = u * std::accumulate(weights.begin(), weights.end(), 0.0);
  double sum = 0;
  std::size_t last = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    last = i;
    sum += weights[i];
    if (wanted < sum) return i;
  }
  return last;
}

/// An entry with its space, and how its events are drawn.
class Source {
 public:
  Source(const std::vector<Site>& sites, const FaultEntry& entry, std::uint64_t seed)
      : entry_(entry), space_(sites, entry.target, entry.sites), seed_(seed) {
    if (entry.draw == Draw::weighted_sites) {
      for (const std::uint32_t site : space_.active_sites()) {
        weights_.push_back(entry.site_weights[site]);
      }
    }
    if (entry.arrangement != Arrangement::adjacent) return;
    for (std::size_t i = 0; i + entry.bits_per_fault <= entry.bits.size(); ++i) {
      const bool run =
          entry.bits[i + entry.bits_per_fault - 1] - entry.bits[i] == entry.bits_per_fault - 1;
      if (run) run_starts_.push_back(entry.bits[i]);
    }
  }

  const FaultEntry& entry() const { return entry_; }
  const FaultSpace& space() const { return space_; }

  /// What is wrong with the entry for these sites.
  std::optional<Error> check() const {
    const std::string target(name_of(kTargets, entry_.target));
    if (space_.total_elements() == 0) {
      return plan_error("the chosen sites have no " + target + " to inject faults into",
                        is_parameter(entry_.target)
                            ? "parameters must be such: export without torch.jit.freeze, which "
                              "makes constants of them"
                            : "`bitquake model info` shows the sites of the model");
    }
    if (acts_on_bits(entry_) && entry_.mask == 0) {
      if (auto failed = check_bits()) return failed;
    }
    if (entry_.draw == Draw::weighted_sites &&
        std::accumulate(weights_.begin(), weights_.end(), 0.0) <= 0) {
      return plan_error("no chosen site with " + target + " has a weight above 0",
                        "give one of them a weight in faults.site_weights");
    }
    if (entry_.amount == Amount::fixed) return check_room(target);
    if (entry_.rate > 0 && entry_.rate <= 1) return std::nullopt;
    return plan_error("the rate " + shortest(entry_.rate) + " is no probability above 0",
                      "give a number above 0, at most 1");
  }

  /// Events of a group: their number, and where they are when that is not drawn one by one.
  struct Share {
    std::uint64_t events = 0;
    std::vector<std::uint64_t> positions{};
  };
  Share share_of(std::uint64_t group, std::size_t entry_number) const {
    if (entry_.amount == Amount::fixed) return {entry_.per_group};
    const std::uint64_t n = positions();
    Draws draws(seed_, Stream::fault_count,
                group * kMaxEntries + static_cast<std::uint64_t>(entry_number));
    Share share;
    share.events = binomial(n, entry_.rate, draws);
    share.positions = distinct_positions(n, share.events, draws);
    return share;
  }

  /// The faults of an event.
  struct Event {
    std::vector<Fault> faults;
    double weight = 1;
  };
  /// Draws of one event: what is drawn anew after a collision continues them.
  class Drawing {
   public:
    Drawing(const Source& source, std::uint64_t event)
        : source_(source),
          location_(source.seed_, Stream::fault_location, event),
          bits_(source.seed_, Stream::fault_bits, event),
          values_(source.seed_, Stream::fault_value, event) {}

    Event next() { return source_.draw(location_, bits_, values_); }
    Event of_stratum(const Stratum& stratum, std::uint64_t position) {
      return source_.of_stratum(stratum, position, bits_, values_);
    }
    Event at(std::uint64_t position) { return source_.at(position, bits_, values_); }

   private:
    const Source& source_;
    Draws location_, bits_, values_;
  };

  static constexpr std::uint64_t kMaxEntries = 1024;

  /// Single faults at each element: bits x levels.
  std::uint64_t faults_per_element() const { return bits() * levels(); }
  std::uint64_t bits() const {
    return acts_on_bits(entry_) && entry_.mask == 0 ? entry_.bits.size() : 1;
  }
  std::uint64_t levels() const { return entry_.either_stuck_at ? 2 : 1; }

  /// Why single faults cannot be listed; empty when they can.
  std::string no_list() const {
    if (entry_.amount != Amount::fixed) return "a rate";
    if (entry_.pattern != Pattern::single) return "a pattern of several words";
    if (entry_.draw != Draw::elements) return "a draw of sites first";
    if (entry_.bits_per_fault != 1) return "faults of several bits";
    if (!entry_.bit_weights.empty()) return "weights of bits";
    if (entry_.either_stuck_at && entry_.per_group > 1) return "both levels in one group";
    const bool drawn = fault_model_info(entry_.model).source == ValueSource::uniform ||
                       fault_model_info(entry_.model).source == ValueSource::normal;
    return drawn && !entry_.either_stuck_at ? "drawn values" : "";
  }

 private:
  std::optional<Error> check_bits() const {
    if (entry_.bits.empty() || entry_.bits_per_fault == 0) {
      return plan_error("no bits were chosen", "choose bits with faults.bits");
    }
    for (const std::uint32_t site : space_.active_sites()) {
      const Storage storage = storage_at(entry_, site);
      if (entry_.bits.back() < storage_bits(storage)) continue;
      return plan_error(fmt::format("bit {} is outside the {} bits of {}", entry_.bits.back(),
                                    storage_bits(storage), name_of(kNumberFormats, storage.format)),
                        "choose other bits with faults.bits");
    }
    if (!entry_.bit_weights.empty() && entry_.bit_weights.size() != entry_.bits.size()) {
      return plan_error(
          fmt::format("{} weights for {} bits", entry_.bit_weights.size(), entry_.bits.size()),
          "give faults.bit_weights one number for each bit");
    }
    const bool adjacent = entry_.arrangement == Arrangement::adjacent;
    if (adjacent ? run_starts_.empty() : entry_.bits_per_fault > entry_.bits.size()) {
      return plan_error(fmt::format("faults of {} {} bits were asked for, the {} chosen bits have "
                                    "none such",
                                    entry_.bits_per_fault, adjacent ? "adjacent" : "distinct",
                                    entry_.bits.size()),
                        "ask for fewer bits, or choose more with faults.bits");
    }
    return std::nullopt;
  }

  /// Whether a group of distinct faults exists at all.
  std::optional<Error> check_room(const std::string& target) const {
    const bool by_bit = acts_on_bits(entry_) && entry_.mask == 0 && entry_.bits_per_fault == 1;
    std::uint64_t locations = by_bit ? entry_.bits.size() : 1;
    const bool huge = __builtin_mul_overflow(locations, space_.total_elements(), &locations);
    if (entry_.per_group > 0 && (huge || entry_.per_group <= locations)) return std::nullopt;
    return plan_error("a group of " + std::to_string(entry_.per_group) +
                          " faults was asked for, the " + target + " offer " +
                          std::to_string(locations) + " distinct locations (element and bit)",
                      "ask for fewer faults per group or for more bits");
  }

  /// Places that a rate counts: elements, or chosen bits of elements.
  std::uint64_t positions() const {
    const bool by_bit = entry_.amount == Amount::bit_error_rate;
    return space_.total_elements() * (by_bit ? entry_.bits.size() : 1);
  }

  Event draw(Draws& location, Draws& bits, Draws& values) const {
    double weight = 1;
    const auto [site, element] = draw_location(location, weight);
    const std::uint64_t mask = draw_mask(bits, weight);
    return event(site, element, mask, bits, values, weight);
  }

  Event at(std::uint64_t position, Draws& bits, Draws& values) const {
    double weight = 1;
    if (entry_.amount == Amount::bit_error_rate) {
      const auto [site, element] = space_.locate(position / entry_.bits.size());
      const std::uint64_t mask = std::uint64_t{1} << entry_.bits[position % entry_.bits.size()];
      return event(site, element, mask, bits, values, weight);
    }
    const auto [site, element] = space_.locate(position);
    const std::uint64_t mask = draw_mask(bits, weight);
    return event(site, element, mask, bits, values, weight);
  }

  /// The `position`-th single fault of a stratum: elements, then bits, then levels.
  Event of_stratum(const Stratum& stratum, std::uint64_t position, Draws& bits,
                   Draws& values) const {
    const std::uint64_t level = position % levels();
    position /= levels();
    std::uint64_t mask = acts_on_bits(entry_) ? entry_.mask : 0;
    if (stratum.bit) {
      mask = std::uint64_t{1} << *stratum.bit;
    } else if (acts_on_bits(entry_) && entry_.mask == 0) {
      mask = std::uint64_t{1} << entry_.bits[position % this->bits()];
      position /= this->bits();
    }
    const auto [site, element] =
        stratum.site ? FaultSpace::Location{*stratum.site, position} : space_.locate(position);
    Event drawn = event(site, element, mask, bits, values, 1);
    if (entry_.either_stuck_at) {
      drawn.faults.front().model = level == 0 ? FaultModel::stuck_at_0 : FaultModel::stuck_at_1;
    }
    return drawn;
  }

  FaultSpace::Location draw_location(Draws& draws, double& weight) const {
    if (entry_.draw == Draw::elements) return space_.locate(draws.below(space_.total_elements()));
    const auto& active = space_.active_sites();
    const auto total = static_cast<double>(space_.total_elements());
    auto inverse = static_cast<double>(active.size());  // of the probability of the site
    std::size_t place = 0;
    if (entry_.draw == Draw::sites) {
      place = draws.below(active.size());
    } else {
      place = pick(weights_, draws.uniform());
      inverse = std::accumulate(weights_.begin(), weights_.end(), 0.0) / weights_[place];
    }
    const std::uint32_t site = active[place];
    weight *= static_cast<double>(space_.elements(site)) / total * inverse;
    return {site, draws.below(space_.elements(site))};
  }

  std::uint64_t draw_mask(Draws& draws, double& weight) const {
    if (!acts_on_bits(entry_)) return 0;
    if (entry_.mask != 0) return entry_.mask;
    if (entry_.arrangement == Arrangement::adjacent) {
      const std::uint64_t run = (~std::uint64_t{0}) >> (64 - entry_.bits_per_fault);
      return run << run_starts_[draws.below(run_starts_.size())];
    }
    if (!entry_.bit_weights.empty()) {
      const auto& weights = entry_.bit_weights;
      const std::size_t place = pick(weights, draws.uniform());
      weight *= std::accumulate(weights.begin(), weights.end(), 0.0) /
                (weights[place] * static_cast<double>(weights.size()));
      return std::uint64_t{1} << entry_.bits[place];
    }
    std::uint64_t mask = 0;
    for (std::uint32_t found = 0; found < entry_.bits_per_fault;) {
      const std::uint64_t bit = std::uint64_t{1} << entry_.bits[draws.below(entry_.bits.size())];
      if ((mask & bit) != 0) continue;
      mask |= bit;
      ++found;
    }
    return mask;
  }

  Event event(std::uint32_t site, std::uint64_t element, std::uint64_t mask, Draws& bits,
              Draws& values, double weight) const {
    Fault fault;
    fault.site = site;
    fault.target = entry_.target;
    fault.model = entry_.model;
    if (entry_.either_stuck_at) {
      fault.model = bits.below(2) == 0 ? FaultModel::stuck_at_0 : FaultModel::stuck_at_1;
    }
    fault.bit_mask = mask;
    fault.storage = storage_at(entry_, site);
    fault.active_probability = entry_.active_probability;
    Event event{{}, weight};
    const auto& shape = tensor_shape(space_.sites()[site], entry_.target);
    for (const std::uint64_t word : words_of(entry_, shape, element)) {
      fault.element = word;
      fault.value = draw_value(values);
      event.faults.push_back(fault);
    }
    return event;
  }

  std::uint32_t draw_value(Draws& draws) const {
    switch (fault_model_info(entry_.model).source) {
      case ValueSource::none:
        return 0;
      case ValueSource::given:
        return entry_.value;
      case ValueSource::uniform:
        return to_bits(
            static_cast<float>(entry_.low + (entry_.high - entry_.low) * draws.uniform()));
      case ValueSource::normal:
        return to_bits(static_cast<float>(entry_.sigma * draws.normal()));
    }
    return 0;
  }

  const FaultEntry& entry_;
  FaultSpace space_;
  std::uint64_t seed_;
  std::vector<double> weights_;            ///< of the active sites
  std::vector<std::uint32_t> run_starts_;  ///< lowest bits of runs of adjacent chosen bits
};

/// What a group hits already.
class Taken {
 public:
  void clear() { bits_.clear(); }

  /// False, and nothing is added, when an event would hit a bit again.
  bool insert(const std::vector<Fault>& faults) {
    for (const Fault& fault : faults) {
      const auto found = bits_.find(place_of(fault));
      if (found != bits_.end() && (found->second & bits_of(fault)) != 0) return false;
    }
    for (const Fault& fault : faults) bits_[place_of(fault)] |= bits_of(fault);
    return true;
  }

 private:
  static std::uint64_t bits_of(const Fault& fault) {
    return fault.bit_mask == 0 ? ~std::uint64_t{0} : fault.bit_mask;
  }

  std::map<Place, std::uint64_t> bits_;
};

class Sampler {
 public:
  Sampler(const std::vector<Site>& sites, const FaultPlan& plan, FaultSet& set)
      : plan_(plan), set_(set) {
    for (const FaultEntry& entry : plan.entries) sources_.emplace_back(sites, entry, plan.seed);
  }

  std::optional<Error> check() const {
    for (const Source& source : sources_) {
      if (auto failed = source.check()) return failed;
    }
    return std::nullopt;
  }

  std::optional<Error> draw() {
    if (!plan_.strata.empty()) return draw_strata();
    const std::uint64_t slots = plan_.schedule.slots(plan_.samples);
    for (std::uint32_t epoch = 0; epoch < plan_.epochs; ++epoch) {
      for (std::uint64_t slot = 0; slot < slots; ++slot) {
        if (auto failed = draw_group(epoch, slot, epoch * slots + slot)) return failed;
      }
    }
    return std::nullopt;
  }

 private:
  std::optional<Error> draw_strata() {
    const Source& source = sources_.front();
    const std::uint64_t slots = plan_.schedule.slots(plan_.samples);
    const std::uint64_t per_group = source.entry().per_group;
    set_.strata = plan_.strata;
    for (std::uint32_t number = 0; number < plan_.strata.size(); ++number) {
      const Stratum& stratum = plan_.strata[number];
      if (stratum.size > stratum.population) {
        return plan_error(fmt::format("{} faults were asked for without replacement, there are {}",
                                      with_commas(stratum.size), with_commas(stratum.population)),
                          "ask for fewer faults, or draw with replacement");
      }
      if (stratum.size == 0) continue;
      const Permutation order(stratum.population, plan_.seed, Stream::fault_order, number);
      for (std::uint64_t i = 0; i < stratum.size; ++i) {
        const Source::Event event =
            Source::Drawing(source, event_++).of_stratum(stratum, order.permute(i));
        const std::uint64_t id = set_.faults.size();
        if (id % per_group == 0) {
          const std::uint64_t group = id / per_group;
          set_.groups.push_back({static_cast<std::uint32_t>(group / slots), group % slots, id, 0});
        }
        ++set_.groups.back().n_faults;
        set_.faults.push_back(event.faults.front());
        set_.sampling_weight.push_back(1);
        set_.stratum.push_back(number);
      }
    }
    return std::nullopt;
  }

  std::optional<Error> draw_group(std::uint32_t epoch, std::uint64_t slot, std::uint64_t group) {
    const std::uint64_t first = set_.faults.size();
    taken_.clear();
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      const Source::Share share = sources_[i].share_of(group, i);
      for (std::uint64_t e = 0; e < share.events; ++e) {
        // A fault to itself cannot meet another.
        const bool alone = sources_.size() == 1 && share.events == 1;
        auto drawn = draw_event(sources_[i], share, e, alone);
        if (!drawn) return full(group);
        set_.faults.append(drawn->faults);
        set_.sampling_weight.append(drawn->faults.size(), drawn->weight);
        if (set_.faults.size() > kMaxFaults) return too_many();
      }
    }
    set_.groups.push_back(
        {epoch, slot, first, static_cast<std::uint32_t>(set_.faults.size() - first)});
    return std::nullopt;
  }

  std::optional<Source::Event> draw_event(const Source& source, const Source::Share& share,
                                          std::uint64_t number, bool alone) {
    constexpr int kTries = 100'000;
    Source::Drawing drawing(source, event_++);
    if (!share.positions.empty()) {
      Source::Event event = drawing.at(share.positions[number]);
      // Only another entry can have hit it; then that one stands for both.
      if (!alone && !taken_.insert(event.faults)) event.faults.clear();
      return event;
    }
    for (int i = 0; i < kTries; ++i) {
      Source::Event event = drawing.next();
      if (alone || taken_.insert(event.faults)) return event;
    }
    return std::nullopt;
  }

  static Error full(std::uint64_t group) {
    return plan_error(fmt::format("group {} cannot be filled: its faults cover nearly all places "
                                  "that its patterns, sites and bits allow",
                                  group),
                      "ask for fewer faults per group, shorter patterns or more bits");
  }
  static Error too_many() {
    return plan_error("the plan gives more than " + with_commas(kMaxFaults) + " faults",
                      "ask for fewer epochs, samples, faults per group or a smaller rate");
  }

  const FaultPlan& plan_;
  FaultSet& set_;
  std::vector<Source> sources_;
  Taken taken_;
  std::uint64_t event_ = 0;
};

std::optional<Error> check_strata(const FaultPlan& plan) {
  if (plan.entries.size() != 1) {
    return plan_error("faults without replacement are of one kind, the plan has " +
                          std::to_string(plan.entries.size()),
                      "leave one kind of faults, or set sampling.method: random");
  }
  std::uint64_t total = 0;
  for (const Stratum& stratum : plan.strata) {
    if (__builtin_add_overflow(total, stratum.size, &total) || total > kMaxFaults) {
      return plan_error("the plan asks for more than " + with_commas(kMaxFaults) + " faults",
                        "ask for fewer: a larger sampling.margin, fewer sites or bits");
    }
  }
  if (total == 0) return plan_error("the plan asks for 0 faults", "ask for at least one");
  return std::nullopt;
}

std::optional<Error> check_counts(const FaultPlan& plan) {
  if (plan.entries.empty() || plan.entries.size() > Source::kMaxEntries || plan.epochs == 0 ||
      plan.samples == 0 || plan.schedule.batch_size == 0) {
    return plan_error(
        fmt::format("the plan asks for {} epochs of {} samples, {} kinds of faults, batches of {} "
                    "samples",
                    plan.epochs, plan.samples, plan.entries.size(), plan.schedule.batch_size),
        "each of the four must be at least 1");
  }
  std::uint64_t per_group = 0;
  for (const FaultEntry& entry : plan.entries) {
    if (entry.amount != Amount::fixed) continue;
    if (entry.per_group == 0) {
      return plan_error("the plan asks for 0 faults per group", "ask for at least 1");
    }
    per_group += entry.per_group;
  }
  const std::uint64_t slots = plan.schedule.slots(plan.samples);
  if (!plan.strata.empty()) return check_strata(plan);
  std::uint64_t total = plan.epochs;
  if (__builtin_mul_overflow(total, slots, &total) ||
      __builtin_mul_overflow(total, std::max<std::uint64_t>(per_group, 1), &total) ||
      total > kMaxFaults) {
    return plan_error(
        fmt::format("the plan asks for {} epochs of {} groups with {} faults each, more than "
                    "{} faults",
                    plan.epochs, slots, per_group, with_commas(kMaxFaults)),
        "ask for fewer epochs, samples or faults per group");
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<Stratum>> strata_of(const std::vector<Site>& sites, const FaultEntry& entry,
                                       StrataBy by) {
  const Source source(sites, entry, 0);
  if (const auto failed = source.check()) return *failed;
  if (const std::string reason = source.no_list(); !reason.empty()) {
    return plan_error("single faults cannot be listed: the scenario has " + reason,
                      "draw with replacement (sampling.method: random), or leave it out");
  }
  std::uint64_t whole = 0;
  if (__builtin_mul_overflow(source.space().total_elements(), source.faults_per_element(),
                             &whole) ||
      whole > Permutation::kMaxSize) {
    return plan_error("there are more single faults than 63 bits can count", "choose fewer sites");
  }
  std::vector<Stratum> strata;
  const auto add = [&](std::optional<std::uint32_t> site, std::optional<std::uint32_t> bit,
                       std::uint64_t population) {
    strata.push_back({site, bit, population, population});
  };
  if (by == StrataBy::network) add({}, {}, whole);
  for (const std::uint32_t site : source.space().active_sites()) {
    const std::uint64_t elements = source.space().elements(site);
    if (by == StrataBy::site) add(site, {}, elements * source.faults_per_element());
    if (by != StrataBy::site_bit) continue;
    if (source.bits() == 1 && entry.bits.empty()) {
      return plan_error("strata by bit are for models of bits", "set sampling.strata: site");
    }
    for (const std::uint32_t bit : entry.bits) add(site, bit, elements * source.levels());
  }
  return strata;
}

Result<FaultSet> draw_faults(const std::vector<Site>& sites, const FaultPlan& plan) {
  if (const auto error = check_counts(plan)) return *error;
  FaultSet set;
  set.provenance.seed = plan.seed;
  set.provenance.generator = "bitquake " + std::string(build_info().version);
  set.provenance.schedule = plan.schedule;
  set.sites = sites;
  Sampler sampler(sites, plan, set);
  if (const auto error = sampler.check()) return *error;
  const std::uint64_t groups = plan.epochs * plan.schedule.slots(plan.samples);
  set.groups.reserve(groups);
  set.faults.reserve(groups);
  set.sampling_weight.reserve(groups);
  if (const auto error = sampler.draw()) return *error;
  return set;
}

}  // namespace bitquake::faultgen
