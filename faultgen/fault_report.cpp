#include "faultgen/fault_report.hpp"

#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

namespace bitquake::faultgen {
namespace {

std::string counted(std::uint64_t count, const std::string& noun) {
  return with_commas(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? ""
                    : fmt::format("{:.2f} %",
                                  100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string site_table(const FaultSet& set, const FaultSummary& summary) {
  std::vector<std::vector<std::string>> rows{{"site", "kind", "faults", "share"}};
  for (std::size_t i = 0; i < set.sites.size(); ++i) {
    rows.push_back({site_name(set.sites[i]), std::string(to_string(set.sites[i].kind)),
                    with_commas(summary.per_site[i]), share(summary.per_site[i], summary.faults)});
  }
  return aligned_table(rows);
}

std::string bit_table(const StorageSummary& storage, const std::string& heading) {
  static constexpr std::array<const char*, 3> kFields{"mantissa", "exponent", "sign"};
  std::vector<std::vector<std::string>> rows{{heading, "field", "faults", "share"}};
  for (unsigned bit = 0; bit < storage_bits(storage.storage); ++bit) {
    const auto field = static_cast<std::size_t>(field_of(storage.storage, bit).value());
    rows.push_back({std::to_string(bit), kFields[field], with_commas(storage.per_bit[bit]),
                    share(storage.per_bit[bit], storage.faults)});
  }
  return aligned_table(rows);
}

std::string storage_name(const StorageSummary& summary) {
  const Storage& storage = summary.storage;
  return storage.format == NumberFormat::int8 ? std::string(name_of(kNumberFormats, storage.format))
                                              : storage_text(storage);
}

}  // namespace

std::string summary_text(const FaultSet& set) {
  const FaultSummary summary = summarise(set);
  const Provenance& from = set.provenance;
  const bool per_batch = from.schedule.policy == Policy::per_batch;
  std::string text =
      fmt::format("faults       {} in {}, {}, policy {}{}\n", with_commas(summary.faults),
                  counted(summary.groups, "group"), counted(summary.epochs, "epoch"),
                  name_of(kPolicies, from.schedule.policy),
                  per_batch ? fmt::format(", batch size {}", from.schedule.batch_size) : "") +
      fmt::format("generator    {}, seed {}\n", from.generator, from.seed) +
      fmt::format("model        sha256 {}\n", from.model_sha256) +
      fmt::format("input        {}\n", shape_text(from.input_shape));
  for (std::size_t i = 0; i < kTargets.size(); ++i) {
    if (summary.per_target[i] == 0) continue;
    text +=
        fmt::format("target       {} {}\n", kTargets[i].name, with_commas(summary.per_target[i]));
  }
  for (const FaultModelInfo& model : fault_models()) {
    const std::uint64_t count = summary.per_model[static_cast<std::size_t>(model.value)];
    if (count == 0) continue;
    text += fmt::format("fault model  {} {}{}\n", model.name, with_commas(count),
                        model.whole == nullptr ? "" : ", whole values");
  }
  for (const StorageSummary& storage : summary.per_storage) {
    text += fmt::format("storage      {} {}", storage_name(storage), with_commas(storage.faults));
    if (storage.scales > 1) text += fmt::format(", {}", counted(storage.scales, "scale"));
    text += "\n";
  }
  text += "\n" + site_table(set, summary);
  for (const StorageSummary& storage : summary.per_storage) {
    const bool only = summary.per_storage.size() == 1;
    const std::string heading = only ? "bit" : "bit of " + storage_name(storage);
    if (storage.whole_values < storage.faults) text += "\n" + bit_table(storage, heading);
  }
  if (summary.whole_values > 0) {
    text += fmt::format("\n{} of whole values: no bits\n", counted(summary.whole_values, "fault"));
  }
  return text;
}

std::string fault_text(const FaultSet& set, std::uint64_t id) {
  const Fault& fault = set.faults[id];
  const Site& site = set.sites[fault.site];
  const FaultModelInfo& model = fault_model_info(fault.model);
  const auto index = element_index(tensor_shape(site, fault.target), fault.element);
  std::string text = fmt::format("fault {}: {} in {} of {}, element {} ({})", id, model.name,
                                 name_of(kTargets, fault.target), site_name(site), fault.element,
                                 fmt::join(index, ";"));
  std::vector<unsigned> bits;
  for (unsigned bit = 0; bit < storage_bits(fault.storage); ++bit) {
    if (((fault.bit_mask >> bit) & 1U) != 0) bits.push_back(bit);
  }
  if (!bits.empty()) {
    text += fmt::format(", {} {}", bits.size() == 1 ? "bit" : "bits", fmt::join(bits, ";"));
  }
  if (model.source != ValueSource::none) text += ", value " + shortest(from_bits(fault.value));
  if (fault.storage != Storage{}) text += ", " + storage_text(fault.storage);
  return text;
}

std::string effects_text(const FaultSet& set, const FaultEffects& effects) {
  std::string text;
  const std::uint64_t decided = effects.changing + effects.idle;
  if (decided > 0) {
    text += fmt::format("effective    {} of {} change the stored value\n",
                        with_commas(effects.changing), counted(decided, "parameter fault"));
  }
  if (effects.unknown > 0) {
    text += fmt::format("undecided    {}: what the value is, a run shows\n",
                        counted(effects.unknown, "fault"));
  }
  if (effects.idle == 0) return text;
  text += fmt::format("idle         {} leave{} the value as it is; {} of nothing else\n",
                      counted(effects.idle, "fault"), effects.idle == 1 ? "s" : "",
                      counted(effects.idle_groups, "group"));
  for (const std::uint64_t id : effects.first_idle) text += "  " + fault_text(set, id) + "\n";
  if (effects.idle > effects.first_idle.size()) text += "  …\n";
  return text;
}

}  // namespace bitquake::faultgen
