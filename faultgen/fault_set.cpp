#include "faultgen/fault_set.hpp"

#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <ostream>
#include <tuple>
#include <utility>

namespace bitquake::faultgen {
namespace {

constexpr const char* kDamagedHint =
    "the file is damaged or was not written by Bitquake; draw it again";

Error set_error(const std::string& where, std::string what) {
  return {Errc::fault_set, where, std::move(what), kDamagedHint, ""};
}

/// Elements of each site, by target.
using Elements = std::array<std::vector<std::uint64_t>, kTargets.size()>;

bool countable(const std::vector<std::int64_t>& shape, std::uint64_t& total) {
  std::uint64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, static_cast<std::uint64_t>(size), &count)) {
      return false;
    }
  }
  return !__builtin_add_overflow(total, count, &total);
}

Result<Elements> count_elements(const FaultSet& set, const std::string& where) {
  Elements elements;
  std::array<std::uint64_t, kTargets.size()> totals{};
  for (std::size_t i = 0; i < set.sites.size(); ++i) {
    const Site& site = set.sites[i];
    for (const auto& [target, name, doc] : kTargets) {
      const auto& shape = tensor_shape(site, target);
      const auto number = static_cast<std::size_t>(target);
      if (!countable(shape, totals[number])) {
        return set_error(where, "site " + std::to_string(i) + " has an impossible shape: its " +
                                    std::string(name) + " " + shape_text(shape));
      }
      elements[number].push_back(site_elements(site, target));
    }
  }
  return elements;
}

std::optional<Error> check_groups(const FaultSet& set, const std::string& where) {
  std::uint64_t next_fault = 0;
  for (std::size_t i = 0; i < set.groups.size(); ++i) {
    const FaultGroup& group = set.groups[i];
    if (group.slot > 0 && set.provenance.schedule.policy == Policy::per_epoch) {
      return set_error(where, fmt::format("group {} has slot {}, but policy per_epoch has only "
                                          "slot 0",
                                          i, group.slot));
    }
    if (i > 0) {
      const FaultGroup& before = set.groups[i - 1];
      if (std::tie(group.epoch, group.slot) <= std::tie(before.epoch, before.slot)) {
        return set_error(where,
                         fmt::format("group {} (epoch {}, slot {}) does not follow epoch {}, "
                                     "slot {}",
                                     i, group.epoch, group.slot, before.epoch, before.slot));
      }
    }
    if (group.first_fault != next_fault || group.n_faults > set.faults.size() - next_fault) {
      return set_error(
          where, fmt::format("group {} holds {} faults from {} on, expected faults from "
                             "{} on, at most up to {}",
                             i, group.n_faults, group.first_fault, next_fault, set.faults.size()));
    }
    next_fault += group.n_faults;
  }
  if (next_fault != set.faults.size()) {
    return set_error(
        where, fmt::format("groups hold {} faults, the set has {}", next_fault, set.faults.size()));
  }
  return std::nullopt;
}

std::optional<Error> check_fault(const FaultSet& set, std::size_t id, const Elements& elements,
                                 const std::string& where) {
  const Fault& fault = set.faults[id];
  const auto error = [&](const std::string& what) {
    return set_error(where, fmt::format("fault {}: {}", id, what));
  };
  if (static_cast<std::size_t>(fault.target) >= kTargets.size()) {
    return error(fmt::format("unknown target {}", static_cast<unsigned>(fault.target)));
  }
  if (static_cast<std::size_t>(fault.model) >= fault_models().size()) {
    return error(fmt::format("unknown fault model {}", static_cast<unsigned>(fault.model)));
  }
  if (fault.site >= set.sites.size()) {
    return error(fmt::format("site {} does not exist, there are {}", fault.site, set.sites.size()));
  }
  const std::uint64_t count = elements[static_cast<std::size_t>(fault.target)][fault.site];
  if (fault.element >= count) {
    return error(fmt::format("element {} is outside the {} of {}, which has {}", fault.element,
                             name_of(kTargets, fault.target), site_name(set.sites[fault.site]),
                             count));
  }
  if (const auto bad = malformed(fault.storage)) return error(bad->what);
  const unsigned width = storage_bits(fault.storage);
  const bool whole = fault_model_info(fault.model).whole != nullptr;
  if (whole ? fault.bit_mask != 0 : fault.bit_mask == 0 || (fault.bit_mask >> width) != 0) {
    if (whole) {
      return error(fmt::format("bit mask {:#x} does not go with model {}, which acts on values",
                               fault.bit_mask, name_of(fault_models(), fault.model)));
    }
    return error(fmt::format("bit mask {:#x} is empty or outside the {} bits of {}", fault.bit_mask,
                             width, name_of(kNumberFormats, fault.storage.format)));
  }
  if (!(fault.active_probability > 0 && fault.active_probability <= 1)) {
    return error("active probability " + shortest(fault.active_probability) +
                 ", expected a number above 0, at most 1");
  }
  const double weight = set.sampling_weight[id];
  if (!std::isfinite(weight) || weight <= 0) {
    return error("sampling weight " + shortest(weight) + ", expected a finite number above 0");
  }
  return std::nullopt;
}

/// Whether two faults share an element and a bit. `sorted` is working space.
bool repeats(std::span<const Fault> faults, std::vector<Fault>& sorted) {
  sorted.assign(faults.begin(), faults.end());
  std::sort(sorted.begin(), sorted.end(),
            [&](const Fault& a, const Fault& b) { return place_of(a) < place_of(b); });
  std::uint64_t taken = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i == 0 || place_of(sorted[i]) != place_of(sorted[i - 1])) taken = 0;
    const bool whole = sorted[i].bit_mask == 0;
    const std::uint64_t bits = whole ? ~std::uint64_t{0} : sorted[i].bit_mask;
    if ((taken & bits) != 0) return true;
    taken |= bits;
  }
  return false;
}

std::optional<Error> check_distinct(const FaultSet& set, const std::string& where) {
  std::vector<Fault> sorted;
  for (std::size_t i = 0; i < set.groups.size(); ++i) {
    if (set.groups[i].n_faults < 2 || !repeats(set.faults_of(set.groups[i]), sorted)) continue;
    return set_error(where, fmt::format("group {} holds the same element and bit twice", i));
  }
  return std::nullopt;
}

std::optional<Error> check_strata(const FaultSet& set, const std::string& where) {
  if (set.stratum.size() != (set.strata.empty() ? 0 : set.faults.size())) {
    return set_error(where, fmt::format("{} faults have a stratum, of {} faults and {} strata",
                                        set.stratum.size(), set.faults.size(), set.strata.size()));
  }
  std::vector<std::uint64_t> sizes(set.strata.size());
  for (std::size_t id = 0; id < set.stratum.size(); ++id) {
    const std::uint32_t number = set.stratum[id];
    if (number >= set.strata.size()) {
      return set_error(where, fmt::format("fault {}: stratum {} does not exist, there are {}", id,
                                          number, set.strata.size()));
    }
    ++sizes[number];
    const Stratum& stratum = set.strata[number];
    const Fault& fault = set.faults[id];
    const bool outside = (stratum.site && *stratum.site != fault.site) ||
                         (stratum.bit && fault.bit_mask != std::uint64_t{1} << *stratum.bit);
    if (outside) return set_error(where, fmt::format("fault {} is not of stratum {}", id, number));
  }
  for (std::size_t i = 0; i < set.strata.size(); ++i) {
    const Stratum& stratum = set.strata[i];
    const bool site_exists = !stratum.site || *stratum.site < set.sites.size();
    if (site_exists && (!stratum.bit || *stratum.bit < 32) && sizes[i] == stratum.size &&
        stratum.size <= stratum.population) {
      continue;
    }
    return set_error(where, fmt::format("stratum {} claims {} of {} faults, the set has {} of it",
                                        i, stratum.size, stratum.population, sizes[i]));
  }
  return std::nullopt;
}

std::string site_text(const Site& site) {
  return fmt::format("{} {}, weight {}, bias {}, statistics {}, input {}, output {}",
                     to_string(site.kind), site_name(site), shape_text(site.weight_shape),
                     shape_text(site.bias_shape), shape_text(site.stats_shape),
                     shape_text(site.input_shape), shape_text(site.output_shape));
}

}  // namespace

Result<std::monostate> check_consistent(const FaultSet& set, const std::string& where) {
  const Schedule& schedule = set.provenance.schedule;
  if (schedule.batch_size == 0 ||
      (schedule.policy != Policy::per_batch && schedule.batch_size != 1)) {
    return set_error(where, fmt::format("batch size {} does not go with policy {}",
                                        schedule.batch_size, name_of(kPolicies, schedule.policy)));
  }
  if (set.faults.size() > kMaxFaults || set.groups.size() > kMaxFaults) {
    return set_error(where, fmt::format("{} faults in {} groups, expected at most {} of each",
                                        set.faults.size(), set.groups.size(), kMaxFaults));
  }
  if (set.sampling_weight.size() != set.faults.size()) {
    return set_error(where, fmt::format("{} sampling weights for {} faults",
                                        set.sampling_weight.size(), set.faults.size()));
  }
  const auto elements = count_elements(set, where);
  if (!elements) return elements.error();
  for (std::size_t id = 0; id < set.faults.size(); ++id) {
    if (const auto error = check_fault(set, id, *elements, where)) return *error;
  }
  if (const auto error = check_groups(set, where)) return *error;
  if (const auto error = check_strata(set, where)) return *error;
  if (const auto error = check_distinct(set, where)) return *error;
  return std::monostate{};
}

Result<std::monostate> check_fits(const FaultSet& set, const std::string& model_sha256,
                                  const std::vector<std::int64_t>& input_shape,
                                  const std::vector<Site>& sites, const std::string& where) {
  const auto error = [&](std::string what, std::string hint) {
    return Error{Errc::fault_set, where, std::move(what), std::move(hint), ""};
  };
  if (set.provenance.model_sha256 != model_sha256) {
    return error("was drawn for another model: SHA-256 " + set.provenance.model_sha256 +
                     ", the model has " + model_sha256,
                 "use the model the set was drawn for, or draw a new set");
  }
  if (set.provenance.input_shape != input_shape) {
    return error("was drawn for input of shape " + shape_text(set.provenance.input_shape) +
                     ", the scenario has " + shape_text(input_shape),
                 "use the scenario's input shape the set was drawn for, or draw a new set");
  }
  const std::string redraw = "the set comes from another version of Bitquake; draw a new set";
  if (set.sites.size() != sites.size()) {
    return error(fmt::format("has {} sites, the model has {}", set.sites.size(), sites.size()),
                 redraw);
  }
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (set.sites[i] == sites[i]) continue;
    return error(fmt::format("site {} is {}; in the model it is {}", i, site_text(set.sites[i]),
                             site_text(sites[i])),
                 redraw);
  }
  return std::monostate{};
}

namespace {

using Text = fmt::memory_buffer;

void add_index(Text& text, const std::vector<std::int64_t>& shape, std::uint64_t element) {
  fmt::format_to(std::back_inserter(text), "{}", fmt::join(element_index(shape, element), ";"));
}

void add_bits(Text& text, std::uint64_t mask) {
  const char* separator = "";
  for (unsigned bit = 0; bit < 64; ++bit) {
    if (((mask >> bit) & 1U) == 0) continue;
    fmt::format_to(std::back_inserter(text), "{}{}", separator, bit);
    separator = ";";
  }
}

}  // namespace

void write_csv(const FaultSet& set, std::ostream& out) {
  constexpr std::size_t kFlushBytes = 1U << 16;
  std::vector<std::string> paths;
  for (const Site& site : set.sites) paths.push_back(csv_record({site.path}));

  Text text;
  text.append(std::string_view(
      "fault,epoch,slot,site,call,target,element,index,bits,fault_model,value,storage,"
      "active_probability,sampling_weight\n"));
  const auto flush = [&] {
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    text.clear();
  };
  for (const FaultGroup& group : set.groups) {
    for (std::uint64_t id = group.first_fault; id < group.first_fault + group.n_faults; ++id) {
      const Fault& fault = set.faults[id];
      const Site& site = set.sites[fault.site];
      fmt::format_to(std::back_inserter(text), "{},{},{},{},{},{},{},", id, group.epoch, group.slot,
                     paths[fault.site], site.call, name_of(kTargets, fault.target), fault.element);
      add_index(text, tensor_shape(site, fault.target), fault.element);
      text.push_back(',');
      add_bits(text, fault.bit_mask);
      const FaultModelInfo& model = fault_model_info(fault.model);
      fmt::format_to(std::back_inserter(text), ",{},{},{},{},{}\n", model.name,
                     model.source == ValueSource::none ? "" : shortest(from_bits(fault.value)),
                     storage_text(fault.storage), shortest(fault.active_probability),
                     shortest(set.sampling_weight[id]));
      if (text.size() > kFlushBytes) flush();
    }
  }
  flush();
}

std::string storage_text(const Storage& storage) {
  std::string name(name_of(kNumberFormats, storage.format));
  switch (storage.format) {
    case NumberFormat::int8:
      return fmt::format("{} scale {} zero_point {}", name, shortest(storage.scale),
                         storage.zero_point);
    case NumberFormat::fixed:
      return fmt::format("{} Q{}.{}", name, storage.integer_bits, storage.fraction_bits);
    default:
      return name;
  }
}

namespace {

/// Format and size first, so that what counts together lies together.
auto order_of(const Storage& storage) {
  return std::tuple(storage.format, storage.integer_bits, storage.fraction_bits, storage.scale,
                    storage.zero_point);
}

std::vector<StorageSummary> per_storage(const FaultSet& set) {
  const auto before = [](const Storage& a, const Storage& b) { return order_of(a) < order_of(b); };
  std::map<Storage, StorageSummary, decltype(before)> exact(before);
  for (const Fault& fault : set.faults) {
    StorageSummary& summary = exact[fault.storage];
    ++summary.faults;
    if (fault.bit_mask == 0) ++summary.whole_values;
    for (unsigned bit = 0; bit < summary.per_bit.size(); ++bit) {
      summary.per_bit[bit] += (fault.bit_mask >> bit) & 1U;
    }
  }
  std::vector<StorageSummary> all;
  for (const auto& [storage, summary] : exact) {
    Storage unscaled = storage;
    unscaled.scale = Storage{}.scale;
    unscaled.zero_point = Storage{}.zero_point;
    if (all.empty() || all.back().storage != unscaled) all.push_back({unscaled});
    StorageSummary& total = all.back();
    total.faults += summary.faults;
    total.whole_values += summary.whole_values;
    ++total.scales;
    for (std::size_t bit = 0; bit < total.per_bit.size(); ++bit) {
      total.per_bit[bit] += summary.per_bit[bit];
    }
  }
  return all;
}

}  // namespace

FaultSummary summarise(const FaultSet& set) {
  FaultSummary summary;
  summary.faults = set.faults.size();
  summary.groups = set.groups.size();
  for (std::size_t i = 0; i < set.groups.size(); ++i) {
    if (i == 0 || set.groups[i].epoch != set.groups[i - 1].epoch) ++summary.epochs;
  }
  summary.per_site.resize(set.sites.size());
  summary.per_model.resize(fault_models().size());
  for (const Fault& fault : set.faults) {
    ++summary.per_site[fault.site];
    ++summary.per_model[static_cast<std::size_t>(fault.model)];
    ++summary.per_target[static_cast<std::size_t>(fault.target)];
    if (fault.bit_mask == 0) ++summary.whole_values;
    for (unsigned bit = 0; bit < summary.per_bit.size(); ++bit) {
      summary.per_bit[bit] += (fault.bit_mask >> bit) & 1U;
    }
  }
  summary.per_storage = per_storage(set);
  return summary;
}

}  // namespace bitquake::faultgen
