#include "suite/scenario/fault_kinds.hpp"

#include "faultgen/bit_choice.hpp"
#include "faultgen/bits.hpp"
#include "metrics/sample_size.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <system_error>

namespace bitquake::scenario {
namespace {

using faultgen::FaultEntry;
using faultgen::Storage;

constexpr float kInt8Largest = 127;

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || status != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

/// Storage at each site; empty for fp32.
std::vector<Storage> storages(const Scenario::Faults& faults,
                              const std::vector<faultgen::Site>& sites,
                              const Magnitudes& magnitudes) {
  const Storage given = storage_of(faults);
  if (given == Storage{}) return {};
  std::vector<Storage> all(sites.size(), given);
  if (faults.format != faultgen::NumberFormat::int8 || faults.scale) return all;
  const std::vector<float> largest = magnitudes(faults.target);
  for (std::size_t i = 0; i < sites.size(); ++i) {
    // A tensor of zeros has no scale of its own; any will do.
    const bool usable = largest[i] > 0 && std::isfinite(largest[i] / kInt8Largest);
    all[i].scale = usable ? largest[i] / kInt8Largest : 1.0F;
    if (all[i].scale == 0) all[i].scale = 1.0F;
  }
  return all;
}

Result<FaultEntry> entry_of(const Scenario::Faults& faults,
                            const std::vector<faultgen::Site>& sites,
                            const Magnitudes& magnitudes) {
  FaultEntry entry;
  entry.target = faults.target;
  entry.model = faults.model.model;
  entry.either_stuck_at = faults.model.either_stuck_at;
  const auto chosen = faultgen::select_sites(
      sites, faults.target,
      {faults.kinds, faults.include, faults.exclude, index_ranges(faults.indices).value()});
  if (!chosen) return chosen.error();
  entry.sites = *chosen;
  entry.storage = storages(faults, sites, magnitudes);

  const bool of_bits =
      entry.either_stuck_at || faultgen::fault_model_info(entry.model).bits != nullptr;
  if (of_bits) {
    auto bits = faultgen::bits_of(faults.bits, storage_of(faults));
    if (!bits) return bits.error();
    entry.bits = std::move(*bits);
    entry.bit_weights = faults.bit_weights;
    entry.bits_per_fault = faults.bits_per_fault;
    entry.arrangement = faults.arrangement;
  }
  if (faults.mask) {
    const auto mask = faultgen::parse_mask(*faults.mask, storage_of(faults));
    if (!mask) return mask.error();
    entry.mask = *mask;
  }
  if (faults.value) entry.value = faultgen::to_bits(static_cast<float>(*faults.value));
  if (!faults.value_range.empty()) {
    entry.low = faults.value_range.front();
    entry.high = faults.value_range.back();
  }
  entry.sigma = faults.sigma.value_or(0);

  entry.draw = faults.draw;
  if (entry.draw == faultgen::Draw::weighted_sites) {
    const auto weights = site_weights(faults.site_weights);
    if (!weights) return weights.error();
    entry.site_weights.resize(sites.size());
    for (std::size_t i = 0; i < sites.size(); ++i) {
      for (const auto& [pattern, weight] : *weights) {
        if (faultgen::matches(pattern, site_name(sites[i]))) entry.site_weights[i] = weight;
      }
    }
  }
  entry.pattern = faults.pattern;
  entry.pattern_length = faults.pattern_length.value_or(1);
  entry.pattern_stride = faults.pattern_stride.value_or(1);
  entry.per_group = faults.per_group.value_or(1);
  if (faults.fault_rate) {
    entry.amount = faultgen::Amount::fault_rate;
    entry.rate = *faults.fault_rate;
  } else if (faults.bit_error_rate) {
    entry.amount = faultgen::Amount::bit_error_rate;
    entry.rate = *faults.bit_error_rate;
  }
  entry.active_probability = static_cast<float>(faults.active_probability);
  return entry;
}

}  // namespace

Storage storage_of(const Scenario::Faults& faults) {
  Storage storage;
  storage.format = faults.format;
  if (faults.format == faultgen::NumberFormat::int8) {
    storage.scale = static_cast<float>(faults.scale.value_or(1));
    storage.zero_point = static_cast<std::int32_t>(faults.zero_point.value_or(0));
  }
  if (faults.format == faultgen::NumberFormat::fixed) {
    storage.integer_bits = static_cast<std::uint8_t>(faults.integer_bits.value_or(0));
    storage.fraction_bits = static_cast<std::uint8_t>(faults.fraction_bits.value_or(0));
  }
  return storage;
}

std::optional<std::vector<faultgen::SiteSelection::Range>> index_ranges(
    const std::vector<std::string>& items) {
  std::vector<faultgen::SiteSelection::Range> ranges;
  for (const std::string& item : items) {
    const auto dash = item.find('-');
    const auto first = number<std::uint32_t>(std::string_view(item).substr(0, dash));
    const auto last = dash == std::string::npos
                          ? first
                          : number<std::uint32_t>(std::string_view(item).substr(dash + 1));
    if (!first || !last || *first > *last) return std::nullopt;
    ranges.push_back({*first, *last});
  }
  return ranges;
}

Result<std::vector<std::pair<std::string, double>>> site_weights(
    const std::vector<std::string>& items) {
  std::vector<std::pair<std::string, double>> weights;
  for (const std::string& item : items) {
    const auto equals = item.rfind('=');
    const auto weight = equals == std::string::npos
                            ? std::nullopt
                            : number<double>(std::string_view(item).substr(equals + 1));
    if (!weight || !std::isfinite(*weight) || *weight < 0 || equals == 0) {
      return Error{Errc::scenario, "", fmt::format("'{}' is no pattern=weight", item),
                   "write them as in [conv1=3, fc*=1]", ""};
    }
    weights.emplace_back(item.substr(0, equals), *weight);
  }
  return weights;
}

std::vector<double> flip_distances(const std::vector<std::vector<float>>& values) {
  std::vector<double> sums(faultgen::kFp32Bits, 0.0);
  std::uint64_t count = 0;
  for (const auto& tensor : values) {
    count += tensor.size();
    for (const float value : tensor) {
      for (unsigned bit = 0; bit < faultgen::kFp32Bits; ++bit) {
        const float flipped = faultgen::from_bits(faultgen::to_bits(value) ^ (1U << bit));
        double distance = std::abs(static_cast<double>(flipped) - value);
        if (std::isnan(distance)) distance = std::numeric_limits<double>::infinity();
        sums[bit] += distance;
      }
    }
  }
  for (double& sum : sums) sum /= static_cast<double>(std::max<std::uint64_t>(count, 1));
  return sums;
}

namespace {

/// Assumed rates of the bits, by number of the bit.
std::vector<double> assumed_rates(const Scenario& scenario,
                                  const std::vector<faultgen::Stratum>& strata,
                                  const ModelFacts& facts) {
  if (!scenario.sampling.data_aware.value_or(false)) {
    return std::vector<double>(faultgen::kFp32Bits, scenario.sampling.p.value_or(0.5));
  }
  std::vector<std::vector<float>> values;
  std::optional<std::uint32_t> last;
  for (const faultgen::Stratum& stratum : strata) {
    if (stratum.site == last) continue;
    last = stratum.site;
    values.push_back(facts.parameter(*last, scenario.faults.target));
  }
  return metrics::data_aware_proportions(flip_distances(values));
}

/// The strata of a plan that draws without replacement, with the faults to draw of each.
Result<std::vector<faultgen::Stratum>> strata_of(const Scenario& scenario,
                                                 const std::vector<faultgen::Site>& sites,
                                                 const faultgen::FaultPlan& plan,
                                                 const ModelFacts& facts) {
  const Scenario::Sampling& sampling = scenario.sampling;
  const bool statistical = sampling.method == SamplingMethod::statistical;
  const auto by = statistical ? sampling.strata.value_or(faultgen::StrataBy::network)
                              : faultgen::StrataBy::network;
  auto strata = faultgen::strata_of(sites, plan.entries.front(), by);
  if (!strata) return strata;
  if (sampling.method == SamplingMethod::without_replacement) {
    std::uint64_t& size = strata->front().size;
    size = plan.schedule.slots(plan.samples);
    const bool huge = __builtin_mul_overflow(size, plan.epochs, &size) ||
                      __builtin_mul_overflow(size, plan.entries.front().per_group, &size);
    if (huge) size = std::numeric_limits<std::uint64_t>::max();
  }
  if (!statistical) return strata;
  const std::vector<double> rates = assumed_rates(scenario, *strata, facts);
  for (faultgen::Stratum& stratum : *strata) {
    stratum.size = metrics::sample_size(
        stratum.population,
        {.margin = sampling.margin.value_or(0.01),
         .t = sampling.t ? *sampling.t
                         : metrics::normal_quantile(sampling.confidence.value_or(0.99)),
         .p = rates[stratum.bit.value_or(0)],
         .minimum = sampling.minimum.value_or(1)});
  }
  return strata;
}

}  // namespace

Result<faultgen::FaultPlan> fault_plan(const Scenario& scenario,
                                       const std::vector<faultgen::Site>& sites,
                                       std::uint64_t samples, const ModelFacts& facts) {
  faultgen::FaultPlan plan;
  plan.schedule = scenario.faults.schedule();
  plan.epochs = scenario.faults.epochs;
  plan.samples = samples;
  plan.seed = scenario.seed;
  std::vector<const Scenario::Faults*> kinds{&scenario.faults};
  for (const Scenario::Faults& faults : scenario.more_faults) kinds.push_back(&faults);
  for (const Scenario::Faults* faults : kinds) {
    auto entry = entry_of(*faults, sites, facts.magnitudes);
    if (!entry) return entry.error();
    plan.entries.push_back(std::move(*entry));
  }
  if (scenario.sampling.method == SamplingMethod::random) return plan;
  auto strata = strata_of(scenario, sites, plan, facts);
  if (!strata) return strata.error();
  plan.strata = std::move(*strata);
  return plan;
}

}  // namespace bitquake::scenario
