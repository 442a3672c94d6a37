#include "suite/scenario/scenario.hpp"

#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <set>
#include <string_view>

namespace bitquake::scenario {
namespace {

/// [N] or [height, width].
datasets::Extent extent_of(const std::vector<std::uint64_t>& sizes) {
  if (sizes.empty()) return {};
  return {static_cast<std::int64_t>(sizes.front()), static_cast<std::int64_t>(sizes.back())};
}

}  // namespace

std::filesystem::path Scenario::resolve(const std::string& written) const {
  return std::filesystem::absolute(directory / written).lexically_normal();
}

Error Scenario::file_error(const std::string& key, std::size_t item, const std::string& written,
                           Error error) const {
  if (error.where != resolve(written).string()) return error;
  const auto place = places.of.find({key, item});
  error.what = fmt::format("{}: {} {}", key, error.where, error.what);
  if (place == places.of.end()) {
    error.where.clear();
  } else {
    error.where = place->second.where;
    error.source = place->second.source;
  }
  return error;
}

bool Scenario::Data::labelled() const {
  switch (format) {
    case DataFormat::idx:
    case DataFormat::npy:
      return labels.has_value();
    case DataFormat::cifar10:
    case DataFormat::cifar100:
    case DataFormat::image_folder:
      return true;
    case DataFormat::coco:
    case DataFormat::voc:
      return false;
    case DataFormat::hdf5:
      return !images_dataset || labels_dataset;
  }
  return false;
}

datasets::Geometry Scenario::geometry() const {
  datasets::Geometry geometry;
  geometry.colour = shaping.colour;
  geometry.resize = shaping.resize;
  geometry.resize_to = extent_of(shaping.resize_to);
  geometry.interpolation = shaping.interpolation.value_or(geometry.interpolation);
  geometry.pad_value = shaping.pad_value.value_or(geometry.pad_value);
  if (!shaping.crop.empty()) geometry.crop = extent_of(shaping.crop);
  return geometry;
}

std::string Scenario::Variant::label() const {
  if (name) return *name;
  if (protection) return std::string(name_of(kProtections, *protection));
  return model ? std::filesystem::path(*model).stem().string() : std::string(kOriginal);
}

std::vector<Scenario::Variant> Scenario::variants() const {
  std::vector<Variant> all;
  if (variant.given()) all.push_back(variant);
  all.insert(all.end(), more_variants.begin(), more_variants.end());
  return all;
}

Result<std::vector<std::uint32_t>> channels_of(const std::vector<std::string>& items) {
  constexpr std::uint32_t kMost = 1U << 20U;
  std::set<std::uint32_t> channels;
  for (const std::string& item : items) {
    const std::string_view text = item;
    const auto dash = text.find('-');
    const auto low = to_number<std::uint32_t>(text.substr(0, dash));
    const auto high =
        dash == std::string::npos ? low : to_number<std::uint32_t>(text.substr(dash + 1));
    if (!low || !high || *low > *high || *high >= kMost) {
      return Error{Errc::scenario, "", in_quotes(item) + " names no channels",
                   "write numbers from 0 on and inclusive ranges, as in [0, 3, 8-11]", ""};
    }
    for (std::uint32_t channel = *low; channel <= *high; ++channel) channels.insert(channel);
  }
  return std::vector<std::uint32_t>(channels.begin(), channels.end());
}

std::optional<std::pair<std::string, std::string>> split_pair(const std::string& text) {
  const auto trimmed = [](std::string part) {
    part.erase(0, part.find_first_not_of(' '));
    part.erase(part.find_last_not_of(' ') + 1);
    return part;
  };
  const auto sign = text.find('=');
  if (sign == std::string::npos) return std::nullopt;
  std::pair pair{trimmed(text.substr(0, sign)), trimmed(text.substr(sign + 1))};
  if (pair.first.empty() || pair.second.empty()) return std::nullopt;
  return pair;
}

}  // namespace bitquake::scenario
