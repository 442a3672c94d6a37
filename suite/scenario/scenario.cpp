#include "suite/scenario/scenario.hpp"

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
