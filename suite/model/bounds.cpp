#include "suite/model/bounds.hpp"

#include "faultgen/bits.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/sealed_h5.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

namespace bitquake::model {
namespace {

using faultgen::Site;
using faultgen::SiteKind;

constexpr const char* kContent = "bitquake activation bounds";
constexpr const char* kDamaged = "the file is damaged: make it again with `bitquake bounds`";
constexpr std::size_t kBuckets = 65536, kHalf = kBuckets / 2;

/// Buckets ascend with the values: negative ones from the greatest magnitude down, then positive.
std::size_t bucket_of(float value) {
  const std::uint32_t upper = faultgen::to_bits(value) >> 16U;
  return upper < kHalf ? kHalf + upper : kBuckets - 1 - upper;
}

/// The middle of a bucket; 0 for those that hold zeros and subnormal numbers.
float middle_of(std::size_t bucket) {
  const bool positive = bucket >= kHalf;
  const auto magnitude = static_cast<std::uint32_t>(positive ? bucket - kHalf : kHalf - 1 - bucket);
  if (magnitude < 0x80) return 0;
  const float middle = faultgen::from_bits((magnitude << 16U) | 0x8000U);
  return positive ? middle : -middle;
}

[[noreturn]] void refuse(const h5::File& file, std::string what, std::string hint = kDamaged) {
  throw Exception({Errc::model, file.path().string(), std::move(what), std::move(hint), ""});
}

/// One member of each range as a column.
template <class T>
void write_member(h5::File& file, const std::string& name, const std::vector<Range>& ranges,
                  T Range::*member, const char* doc) {
  file.write_column<T>(name, ranges, [&](const Range& range) { return range.*member; }, {"1", doc});
}

void write_ranges(h5::File& file, const std::string& group, const std::vector<Range>& ranges) {
  write_member(file, group + "/low", ranges, &Range::low, "least finite value");
  write_member(file, group + "/high", ranges, &Range::high, "greatest finite value");
  write_member(file, group + "/finite", ranges, &Range::finite, "finite values seen");
  write_member(file, group + "/nonfinite", ranges, &Range::nonfinite, "NaN and Inf seen");
}

std::vector<Range> read_ranges(const h5::File& file, const std::string& group) {
  const auto low = file.read_column<float>(group + "/low");
  const auto high = file.read_column<float>(group + "/high");
  const auto finite = file.read_column<std::uint64_t>(group + "/finite");
  const auto nonfinite = file.read_column<std::uint64_t>(group + "/nonfinite");
  if (high.size() != low.size() || finite.size() != low.size() || nonfinite.size() != low.size()) {
    refuse(file, "columns of /" + group + " differ in length");
  }
  std::vector<Range> ranges;
  for (std::size_t i = 0; i < low.size(); ++i) {
    ranges.push_back({low[i], high[i], finite[i], nonfinite[i]});
    const bool none = ranges[i].low == Range{}.low && ranges[i].high == Range{}.high;
    const bool finite_ends = std::isfinite(low[i]) && std::isfinite(high[i]);
    if ((none && finite[i] == 0) || (finite_ends && low[i] <= high[i])) continue;
    refuse(file, "row " + std::to_string(i) + " of /" + group +
                     " is no range: " + shortest(low[i]) + " to " + shortest(high[i]));
  }
  return ranges;
}

/// The accuracies of a search with their names in the file.
constexpr std::array kCurves{
    std::tuple{"search/unprotected", &ClipSearch::unprotected, "accuracy of the network as it is"},
    std::tuple{"search/at_act_max", &ClipSearch::at_act_max, "accuracy clipped at act_max"},
    std::tuple{"search/found", &ClipSearch::found, "accuracy clipped at the thresholds found"},
};

void write_search(const Bounds& bounds, h5::File& file) {
  const ClipSearch& search = *bounds.search;
  file.set_attribute("search_faults", search.faults);
  file.set_attribute("search_seed", search.seed);
  file.set_attribute("search_repetitions", search.repetitions);
  file.set_attribute("search_steps", search.steps);
  file.set_attribute("search_trials", search.trials);
  file.write_column<float>(
      "sites/act_max", bounds.sites,
      [](const SiteBounds& site) { return site.act_max.value_or(site.range.high); },
      {"1", "greatest finite value seen: the threshold that the search began at"});
  file.write_column<double>("search/rate", std::span<const double>(search.rates),
                            {"1", "probability that a bit, or an element, is hit"});
  for (const auto& [name, member, doc] : kCurves) {
    file.write_column<double>(name, std::span<const double>(search.*member), {"1", doc});
  }
}

void read_search(const h5::File& file, Bounds& bounds) {
  ClipSearch search{file.string_attribute("search_faults"), file.integer_attribute("search_seed"),
                    file.integer_attribute("search_repetitions"),
                    file.integer_attribute("search_steps"),
                    file.read_column<double>("search/rate")};
  search.trials = file.integer_attribute("search_trials");
  for (const auto& [name, member, doc] : kCurves) {
    search.*member = file.read_column<double>(name);
    if ((search.*member).size() == search.rates.size()) continue;
    refuse(file, "columns of /search differ in length");
  }
  const auto act_max = file.read_column<float>("sites/act_max");
  if (act_max.size() != bounds.sites.size()) refuse(file, "columns of /sites differ in length");
  for (std::size_t i = 0; i < act_max.size(); ++i) bounds.sites[i].act_max = act_max[i];
  bounds.search = std::move(search);
}

void write_file(const Bounds& bounds, const std::filesystem::path& path) {
  h5::File file = h5::File::create(path, Errc::results);
  file.set_attribute("content", std::string(kContent));
  file.set_attribute("format_version", kBoundsVersion);
  file.set_attribute("origin", std::string(name_of(kBoundsOrigins, bounds.origin)));
  file.set_attribute("model_sha256", bounds.model_sha256);
  file.set_attribute("data_sha256", bounds.data_sha256);
  file.set_attribute("samples", bounds.samples);
  std::vector<std::string> names, kinds;
  std::vector<Range> ranges, channels;
  std::vector<std::uint32_t> sites;  // of the channels
  std::vector<float> percentiles;
  for (std::uint32_t i = 0; i < bounds.sites.size(); ++i) {
    const SiteBounds& site = bounds.sites[i];
    names.push_back(site.site);
    kinds.emplace_back(faultgen::to_string(site.kind));
    ranges.push_back(site.range);
    channels.insert(channels.end(), site.channels.begin(), site.channels.end());
    sites.insert(sites.end(), site.channels.size(), i);
    percentiles.insert(percentiles.end(), site.percentiles.begin(), site.percentiles.end());
    percentiles.resize((i + 1) * kBoundPercentiles.size(), std::numeric_limits<float>::quiet_NaN());
  }
  file.write_strings("sites/name", names,
                     {"1", "module path of a site, #1 behind it for the second call"});
  file.write_strings("sites/kind", kinds, {"1", "operation"});
  write_ranges(file, "sites", ranges);
  file.write_column<std::uint32_t>(
      "sites/channels", bounds.sites,
      [](const SiteBounds& site) { return static_cast<std::uint32_t>(site.channels.size()); },
      {"1", "rows of /channels, 0 where channels were not told apart"});
  file.write_column<double>("percentiles/percent", std::span(kBoundPercentiles),
                            {"%", "share of the finite values that is not above"});
  file.write_array<float>("percentiles/value", {bounds.sites.size(), kBoundPercentiles.size()},
                          percentiles,
                          {"1", "[site, percent], within 1/256 of itself; NaN where not counted"});
  file.write_column<std::uint32_t>("channels/site", std::span<const std::uint32_t>(sites),
                                   {"1", "row of /sites; its channels follow each other"});
  write_ranges(file, "channels", channels);
  if (bounds.search) write_search(bounds, file);
  file.close();
  seal_file(path);
}

Bounds read(const h5::File& file) {
  const std::string content = file.string_attribute("content");
  if (content != kContent) {
    refuse(file, "holds '" + content + "', wanted '" + kContent + "'", "name a bounds file");
  }
  const std::uint64_t version = file.integer_attribute("format_version");
  if (version != kBoundsVersion) {
    refuse(file,
           "has format version " + std::to_string(version) + ", this program reads " +
               std::to_string(kBoundsVersion),
           "use the version of Bitquake that wrote it, or make it again");
  }
  const std::string origin = file.string_attribute("origin");
  const auto known = value_of(kBoundsOrigins, origin);
  if (!known) refuse(file, "has the unknown origin " + in_quotes(origin));
  Bounds bounds{*known,
                file.string_attribute("model_sha256"),
                file.string_attribute("data_sha256"),
                file.integer_attribute("samples"),
                {}};
  const auto names = file.read_strings("sites/name");
  const auto kinds = file.read_strings("sites/kind");
  const auto ranges = read_ranges(file, "sites");
  const auto counts = file.read_column<std::uint32_t>("sites/channels");
  const auto percents = file.read_column<double>("percentiles/percent");
  const auto percentiles = file.read_array<float>("percentiles/value");
  const auto sites = file.read_column<std::uint32_t>("channels/site");
  const auto channels = read_ranges(file, "channels");
  const std::size_t n = names.size(), p = kBoundPercentiles.size();
  if (kinds.size() != n || ranges.size() != n || counts.size() != n) {
    refuse(file, "columns of /sites differ in length");
  }
  if (!std::ranges::equal(percents, kBoundPercentiles) || percentiles.size() != n * p) {
    refuse(file, "/percentiles has other percentiles or rows than it must");
  }
  if (sites.size() != channels.size()) refuse(file, "columns of /channels differ in length");
  std::size_t next = 0;
  for (std::uint32_t i = 0; i < n; ++i) {
    const auto kind = value_of(faultgen::kSiteKinds, kinds[i]);
    if (!kind)
      refuse(file, "site " + in_quotes(names[i]) + " has the unknown kind " + in_quotes(kinds[i]));
    SiteBounds site{names[i], *kind, ranges[i], {}, {}};
    const std::span values = std::span(percentiles).subspan(i * p, p);
    if (!std::isnan(values[0])) site.percentiles.assign(values.begin(), values.end());
    for (std::uint32_t c = 0; c < counts[i]; ++c, ++next) {
      if (next >= channels.size() || sites[next] != i) {
        refuse(file, "/channels does not hold the channels of site " + in_quotes(names[i]));
      }
      site.channels.push_back(channels[next]);
    }
    bounds.sites.push_back(std::move(site));
  }
  if (next != channels.size()) refuse(file, "/channels holds channels of no site");
  if (bounds.origin == BoundsOrigin::searched) read_search(file, bounds);
  return bounds;
}

/// A line without its end and the blanks around it.
std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace

std::uint64_t channels(const Site& site) {
  if (site.output_shape.empty()) return 1;
  return static_cast<std::uint64_t>(site.output_shape[channel_axis(site)]);
}

void Range::add(float value) {
  if (!std::isfinite(value)) {
    ++nonfinite;
    return;
  }
  // -0 and 0 are equal: + 0 makes them one, so that the order does not matter.
  low = std::min(low, value) + 0.0F;
  high = std::max(high, value) + 0.0F;
  ++finite;
}

void Range::merge(const Range& other) {
  low = std::min(low, other.low);
  high = std::max(high, other.high);
  finite += other.finite;
  nonfinite += other.nonfinite;
}

void Percentiles::add(float value) {
  if (!std::isfinite(value)) return;
  if (buckets_.empty()) buckets_.resize(kBuckets);
  ++buckets_[bucket_of(value)];
}

void Percentiles::merge(const Percentiles& other) {
  if (other.buckets_.empty()) return;
  buckets_.resize(kBuckets);
  std::transform(buckets_.begin(), buckets_.end(), other.buckets_.begin(), buckets_.begin(),
                 std::plus<>());
}

std::uint64_t Percentiles::count() const {
  return std::accumulate(buckets_.begin(), buckets_.end(), std::uint64_t{0});
}

float Percentiles::at(double percent) const {
  const auto rank = static_cast<std::uint64_t>(percent / 100 * static_cast<double>(count() - 1));
  std::uint64_t below = 0;
  std::size_t bucket = 0;
  while ((below += buckets_[bucket]) <= rank) ++bucket;
  return middle_of(bucket);
}

BoundsCounter::BoundsCounter(const Site& site)
    : site_(faultgen::site_name(site)), kind_(site.kind), channels_(model::channels(site)) {
  elements_ = faultgen::element_count(site.output_shape);
  if (site.output_shape.empty()) return;
  for (std::size_t d = channel_axis(site) + 1; d < site.output_shape.size(); ++d) {
    stride_ *= static_cast<std::uint64_t>(site.output_shape[d]);
  }
}

void BoundsCounter::add(std::span<const float> values) {
  if (values.size() != elements_) {
    throw Exception({Errc::model, "site " + site_,
                     "gives " + with_commas(values.size()) + " values for a sample, not the " +
                         with_commas(elements_) + " of its shape",
                     "the shape of its output depends on the sample: leave it out", ""});
  }
  // The values of a channel lie in runs of `stride_`, a run of each channel after the other.
  std::size_t channel = 0;
  for (std::size_t start = 0; start < values.size(); start += stride_) {
    Range range = channels_[channel];
    for (const float value : values.subspan(start, stride_)) {
      range.add(value);
      percentiles_.add(value);
    }
    channels_[channel] = range;
    channel = channel + 1 == channels_.size() ? 0 : channel + 1;
  }
}

void BoundsCounter::merge(const BoundsCounter& other) {
  for (std::size_t i = 0; i < channels_.size(); ++i) channels_[i].merge(other.channels_[i]);
  percentiles_.merge(other.percentiles_);
}

SiteBounds BoundsCounter::result() const {
  SiteBounds bounds{site_, kind_, {}, {}, channels_};
  for (const Range& channel : channels_) bounds.range.merge(channel);
  if (bounds.range.empty()) return bounds;
  for (const double percent : kBoundPercentiles) {
    bounds.percentiles.push_back(
        std::clamp(percentiles_.at(percent), bounds.range.low, bounds.range.high));
  }
  return bounds;
}

void write_bounds(const std::filesystem::path& path, const Bounds& bounds) {
  write_durably(path, [&](const std::filesystem::path& file) { write_file(bounds, file); });
}

Result<Bounds> read_bounds(const std::filesystem::path& path) {
  return read_sealed_h5(path, SealRule::mandatory, Errc::model,
                        "make it again with `bitquake bounds`", read);
}

Result<Bounds> parse_alfi_bounds(std::string_view text, const std::string& name,
                                 const std::vector<Site>& sites, const std::string& model_sha256) {
  Bounds bounds{BoundsOrigin::pytorchalfi, model_sha256, {}, 0, {}};
  std::vector<const Site*> activations;
  for (const Site& site : sites) {
    if (site.kind == SiteKind::activation) activations.push_back(&site);
  }
  std::size_t found = 0, number = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    ++number;
    if (trimmed(line).empty()) continue;
    const auto comma = line.find(',');
    const auto error = [&](std::size_t column, std::string what) {
      return Error{Errc::model,
                   name + ":" + std::to_string(number) + ":" + std::to_string(column + 1),
                   std::move(what), "a line holds two numbers: min , max", ""};
    };
    if (comma == std::string_view::npos) {
      return error(0, "expected 'min , max', got " + in_quotes(trimmed(line)));
    }
    Range range;
    for (const bool is_low : {true, false}) {
      const std::size_t from = is_low ? 0 : comma + 1;
      const std::string_view cell =
          trimmed(line.substr(from, is_low ? comma : std::string_view::npos));
      const auto value = to_number<float>(cell);
      if (!value || !std::isfinite(*value)) {
        return error(from, "expected a finite number, got " + in_quotes(cell));
      }
      (is_low ? range.low : range.high) = *value;
    }
    if (range.empty()) {
      return error(0, "the minimum " + shortest(range.low) + " is above the maximum " +
                          shortest(range.high));
    }
    if (found++ >= activations.size()) continue;
    const Site& site = *activations[found - 1];
    bounds.sites.push_back({faultgen::site_name(site), site.kind, range, {}, {}});
  }
  if (found == activations.size() && found > 0) return bounds;
  return Error{Errc::model, name,
               "holds bounds of " + std::to_string(found) +
                   " activation functions, the model has " + std::to_string(activations.size()),
               "`bitquake model info` lists the model's sites of kind activation", ""};
}

Result<std::monostate> check_fits(const Bounds& bounds, const std::string& model_sha256,
                                  const std::vector<Site>& sites, const std::string& where) {
  const auto unfit = [&](std::string what) {
    return Error{Errc::model, where, std::move(what), "make bounds of this model", ""};
  };
  if (bounds.model_sha256 != model_sha256) {
    return unfit("was made for another model: SHA-256 " + bounds.model_sha256 + ", not " +
                 model_sha256);
  }
  for (const SiteBounds& site : bounds.sites) {
    const auto found = std::find_if(sites.begin(), sites.end(), [&](const Site& s) {
      return faultgen::site_name(s) == site.site && s.kind == site.kind;
    });
    if (found == sites.end()) return unfit("the model has no site " + in_quotes(site.site));
    if (site.channels.empty() || site.channels.size() == channels(*found)) continue;
    return unfit("site " + in_quotes(site.site) + " has " + with_commas(channels(*found)) +
                 " channels, not " + with_commas(site.channels.size()));
  }
  return std::monostate{};
}

std::string bounds_csv(const Bounds& bounds) {
  std::vector<std::string> cells{"site", "kind", "low", "high", "finite", "nonfinite", "channels"};
  for (const double percent : kBoundPercentiles) cells.push_back("p" + shortest(percent));
  cells.insert(cells.end(), {"origin", "act_max"});
  std::string text = csv_record(cells) + "\n";
  const bool counted = bounds.origin != BoundsOrigin::pytorchalfi;
  const auto count = [&](std::uint64_t n) { return counted ? std::to_string(n) : ""; };
  // The digits of a float, fewer than those of the double that equals it.
  const auto value = [](float x) { return fmt::format("{}", x); };
  for (const SiteBounds& site : bounds.sites) {
    const bool none = site.range.empty();
    cells = {site.site,
             std::string(faultgen::to_string(site.kind)),
             none ? "" : value(site.range.low),
             none ? "" : value(site.range.high),
             count(site.range.finite),
             count(site.range.nonfinite),
             count(site.channels.size())};
    for (const float percentile : site.percentiles) cells.push_back(value(percentile));
    cells.resize(7 + kBoundPercentiles.size());
    cells.emplace_back(name_of(kBoundsOrigins, bounds.origin));
    cells.push_back(site.act_max ? value(*site.act_max) : "");
    text += csv_record(cells) + "\n";
  }
  return text;
}

}  // namespace bitquake::model
