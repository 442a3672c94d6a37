#include "datasets/held_images.hpp"
#include "datasets/image_files.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <unordered_map>

namespace bitquake::datasets {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMaxSide = 65'536;

/// Reads the parts of an annotation file. Errors name the file and the entry.
class CocoReader {
 public:
  CocoReader(std::filesystem::path path, ImageFiles& all) : path_(std::move(path)), all_(all) {}

  std::optional<Error> read(const std::string& text) {
    Json root;
    try {
      // Outlines of objects are most of the file, and not needed.
      root = Json::parse(text, [](int, Json::parse_event_t event, Json& parsed) {
        return event != Json::parse_event_t::key || parsed != "segmentation";
      });
    } catch (const Json::exception& broken) {
      return refuse("", fmt::format("is no JSON: {}", printable(broken.what())));
    }
    if (!root.is_object()) return refuse("", "is no JSON object with images and annotations");
    for (const char* part : {"images", "categories", "annotations"}) {
      const auto found = root.find(part);
      if (found == root.end() || !found->is_array()) {
        return refuse("", fmt::format("has no list \"{}\"", part));
      }
    }
    if (auto failed = each(root, "categories", &CocoReader::category)) return failed;
    if (auto failed = each(root, "images", &CocoReader::image)) return failed;
    if (auto failed = each(root, "annotations", &CocoReader::annotation)) return failed;
    if (all_.files.empty()) return refuse("", "has no images");
    std::sort(all_.categories.begin(), all_.categories.end(),
              [](const Category& a, const Category& b) { return a.number < b.number; });
    return std::nullopt;
  }

 private:
  using Part = std::optional<Error> (CocoReader::*)(const Json&, const std::string&);

  std::optional<Error> each(const Json& root, const char* part, Part read_part) {
    const Json& list = root[part];
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string place = fmt::format("{}[{}]", part, i);
      if (!list[i].is_object()) return refuse(place, "is no object");
      if (auto failed = (this->*read_part)(list[i], place)) return failed;
    }
    return std::nullopt;
  }

  Error refuse(const std::string& place, std::string what,
               std::string hint = "give an annotation file in COCO's format") const {
    return {Errc::data, path_.string() + (place.empty() ? "" : ", " + place), std::move(what),
            std::move(hint), ""};
  }

  /// A whole number that is not negative.
  Result<std::uint64_t> whole(const Json& entry, const char* key, const std::string& place) const {
    const auto found = entry.find(key);
    if (found == entry.end()) return refuse(place, fmt::format("has no \"{}\"", key));
    if (found->is_number_unsigned()) {
      const auto value = found->get<std::uint64_t>();
      if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return value;
      }
    }
    return refuse(place, fmt::format("\"{}\" is {}, expected a whole number from 0 on", key,
                                     in_quotes(found->dump(-1, ' ', true))));
  }

  Result<std::string> text(const Json& entry, const char* key, const std::string& place) const {
    const auto found = entry.find(key);
    if (found != entry.end() && found->is_string()) {
      const auto& value = found->get_ref<const std::string&>();
      if (!value.empty() && printable(value) == value) return value;
    }
    return refuse(place, fmt::format("has no text \"{}\"", key));
  }

  std::optional<Error> category(const Json& entry, const std::string& place) {
    const auto id = whole(entry, "id", place);
    if (!id) return id.error();
    auto name = text(entry, "name", place);
    if (!name) return name.error();
    if (!category_ids_.insert(*id).second) {
      return refuse(place, fmt::format("has the id {} of an earlier category", *id));
    }
    all_.categories.push_back({static_cast<std::int64_t>(*id), std::move(*name)});
    return std::nullopt;
  }

  std::optional<Error> image(const Json& entry, const std::string& place) {
    const auto id = whole(entry, "id", place);
    if (!id) return id.error();
    auto name = text(entry, "file_name", place);
    if (!name) return name.error();
    const auto height = whole(entry, "height", place), width = whole(entry, "width", place);
    if (!height) return height.error();
    if (!width) return width.error();
    for (const std::uint64_t side : {*height, *width}) {
      if (side >= 1 && side <= kMaxSide) continue;
      return refuse(place,
                    fmt::format("is {} pixels wide or high, expected 1 to {}", side, kMaxSide));
    }
    if (!positions_.try_emplace(*id, all_.files.size()).second) {
      return refuse(place, fmt::format("has the id {} of an earlier image", *id));
    }
    ImageFile file{std::move(*name), *id};
    file.size = cv::Size(static_cast<int>(*width), static_cast<int>(*height));
    all_.files.push_back(std::move(file));
    return std::nullopt;
  }

  /// [x, y, width, height].
  Result<Box> box(const Json& entry, const std::string& place) const {
    const auto found = entry.find("bbox");
    const bool numbers =
        found != entry.end() && found->is_array() && found->size() == 4 &&
        std::all_of(found->begin(), found->end(), [](const Json& x) { return x.is_number(); });
    if (!numbers) return refuse(place, "has no \"bbox\" of four numbers");
    const double x = (*found)[0].get<double>(), y = (*found)[1].get<double>();
    return Box{x, y, x + (*found)[2].get<double>(), y + (*found)[3].get<double>()};
  }

  std::optional<Error> annotation(const Json& entry, const std::string& place) {
    const auto id = whole(entry, "id", place), image = whole(entry, "image_id", place);
    const auto category = whole(entry, "category_id", place);
    for (const auto* value : {&id, &image, &category}) {
      if (!*value) return value->error();
    }
    const auto position = positions_.find(*image);
    if (position == positions_.end()) {
      return refuse(place, fmt::format("belongs to image {}, which is not in \"images\"", *image));
    }
    if (!category_ids_.contains(*category)) {
      return refuse(place,
                    fmt::format("has category {}, which is not in \"categories\"", *category));
    }
    if (!annotation_ids_.insert(*id).second) {
      return refuse(place, fmt::format("has the id {} of an earlier annotation", *id));
    }
    const auto crowd = entry.find("iscrowd");
    const bool is_crowd = crowd != entry.end() && *crowd == 1;
    if (crowd != entry.end() && *crowd != 0 && *crowd != 1) {
      return refuse(place, "\"iscrowd\" is neither 0 nor 1");
    }
    const auto edges = box(entry, place);
    if (!edges) return edges.error();
    ImageFile& file = all_.files[position->second];
    if (auto bad = check_box(*edges, *file.size, path_.string() + ", " + place)) return bad;
    file.objects.push_back({*edges, static_cast<std::int64_t>(*category), is_crowd, *id});
    return std::nullopt;
  }

  std::filesystem::path path_;
  ImageFiles& all_;
  std::set<std::uint64_t> category_ids_, annotation_ids_;
  std::unordered_map<std::uint64_t, std::size_t> positions_;  ///< of images, by id
};

}  // namespace

OpenedDataset open_coco(const std::string& name, const std::filesystem::path& annotations,
                        const ImageFolder& folder) {
  ImageFiles all;
  all.name = name;
  all.root = folder.root;
  all.max_pixels = folder.max_pixels;
  const auto text = read_text(annotations, Errc::data);
  if (!text) return text.error();
  if (auto failed = CocoReader(annotations, all).read(*text)) return *failed;
  auto checksum = checksum_of(annotations);
  if (!checksum) return checksum.error();
  all.checksums.push_back(std::move(*checksum));
  return image_files(std::move(all));
}

}  // namespace bitquake::datasets
