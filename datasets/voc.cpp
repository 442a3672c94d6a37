#include "datasets/held_images.hpp"
#include "datasets/image_files.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/sha256.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <pugixml.hpp>
#include <set>
#include <system_error>

namespace bitquake::datasets {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostXmlBytes = std::size_t{16} << 20U;
constexpr int kMaxSide = 65'536;

Error data_error(const fs::path& where, std::string what,
                 std::string hint = "give annotations in PASCAL VOC's format") {
  return {Errc::data, where.string(), std::move(what), std::move(hint), ""};
}

/// An object whose category has no number yet.
struct NamedObject {
  std::string category;
  Box box;
  bool difficult = false;
};

struct Annotation {
  std::string image;
  cv::Size size;
  std::vector<NamedObject> objects;
};

/// Text of a child, without blanks around it; empty when there is none.
std::string child_text(const pugi::xml_node& node, const char* name) {
  const std::string text = node.child(name).text().get();
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

Result<double> number(const pugi::xml_node& node, const char* name, const fs::path& where) {
  const std::string text = child_text(node, name);
  if (const auto value = to_number<double>(text)) return *value;
  return data_error(where, fmt::format("<{}> is {}, expected a number", name, in_quotes(text)));
}

Result<int> side(const pugi::xml_node& size, const char* name, const fs::path& where) {
  const auto value = to_number<int>(child_text(size, name));
  if (value && *value >= 1 && *value <= kMaxSide) return *value;
  return data_error(where, fmt::format("<{}> is {}, expected 1 to {} pixels", name,
                                       in_quotes(child_text(size, name)), kMaxSide));
}

Result<NamedObject> read_object(const pugi::xml_node& node, cv::Size size, const fs::path& file,
                                std::size_t which) {
  const std::string where = fmt::format("{}, object {}", file.string(), which);
  NamedObject object;
  object.category = child_text(node, "name");
  if (object.category.empty() || printable(object.category) != object.category) {
    return data_error(where, "has no <name>");
  }
  const std::string difficult = child_text(node, "difficult");
  if (!difficult.empty() && difficult != "0" && difficult != "1") {
    return data_error(where, "<difficult> is neither 0 nor 1");
  }
  object.difficult = difficult == "1";
  const pugi::xml_node box = node.child("bndbox");
  const auto x0 = number(box, "xmin", where), y0 = number(box, "ymin", where);
  const auto x1 = number(box, "xmax", where), y1 = number(box, "ymax", where);
  for (const auto* edge : {&x0, &y0, &x1, &y1}) {
    if (!*edge) return edge->error();
  }
  object.box = {*x0 - 1, *y0 - 1, *x1, *y1};
  if (auto bad = check_box(object.box, size, where)) return *bad;
  return object;
}

Result<Annotation> read_annotation(const std::string& text, const fs::path& file) {
  // Entities that a document declares are never expanded: pugixml knows the five of XML only.
  if (text.find("<!ENTITY") != std::string::npos) {
    return data_error(file, "declares entities of its own", "remove its document type");
  }
  pugi::xml_document document;
  const auto parsed =
      document.load_buffer(text.data(), text.size(), pugi::parse_default, pugi::encoding_utf8);
  if (!parsed) {
    return data_error(file,
                      fmt::format("is no XML: {} at byte {}", parsed.description(), parsed.offset));
  }
  const pugi::xml_node root = document.child("annotation");
  if (!root) return data_error(file, "has no <annotation>");
  Annotation annotation;
  annotation.image = child_text(root, "filename");
  if (annotation.image.empty() || printable(annotation.image) != annotation.image) {
    return data_error(file, "has no <filename>");
  }
  const auto height = side(root.child("size"), "height", file);
  const auto width = side(root.child("size"), "width", file);
  if (!height) return height.error();
  if (!width) return width.error();
  annotation.size = {*width, *height};
  for (const pugi::xml_node& node : root.children("object")) {
    auto object = read_object(node, annotation.size, file, annotation.objects.size() + 1);
    if (!object) return object.error();
    annotation.objects.push_back(std::move(*object));
  }
  return annotation;
}

/// Stems of the annotations: those of the list, or all, sorted.
Result<std::vector<std::string>> stems_of(const ImageFolder& folder, const fs::path& annotations) {
  std::vector<std::string> stems;
  if (folder.list) {
    const auto lines = read_lines(*folder.list);
    if (!lines) return lines.error();
    std::set<std::string> seen;
    for (const std::string& line : *lines) {
      const std::size_t begin = line.find_first_not_of(" \t");
      if (begin == std::string::npos) continue;
      std::string stem = line.substr(begin, line.find_first_of(" \t", begin) - begin);
      if (!seen.insert(stem).second) {
        return data_error(*folder.list, in_quotes(stem) + " is there twice",
                          "remove one of the two");
      }
      stems.push_back(std::move(stem));
    }
  } else {
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(annotations, failed)) {
      if (entry.path().extension() == ".xml") stems.push_back(entry.path().stem().string());
    }
    if (failed) {
      return data_error(annotations, "cannot be read: " + failed.message(),
                        "data.images names the folder that holds Annotations and JPEGImages");
    }
    std::sort(stems.begin(), stems.end());
  }
  if (!stems.empty()) return stems;
  return data_error(folder.list.value_or(annotations), "names no annotations");
}

/// Numbers for the names of categories.
Result<std::vector<Category>> categories_of(const ImageFolder& folder,
                                            const std::vector<Annotation>& annotations) {
  if (folder.classes) return read_categories(*folder.classes);
  std::set<std::string> names;
  for (const Annotation& annotation : annotations) {
    for (const NamedObject& object : annotation.objects) names.insert(object.category);
  }
  std::vector<Category> categories;
  for (const std::string& name : names) {
    categories.push_back({static_cast<std::int64_t>(categories.size()), name});
  }
  return categories;
}

}  // namespace

OpenedDataset open_voc(const std::string& name, const ImageFolder& folder) {
  const fs::path directory = folder.root / "Annotations";
  const auto stems = stems_of(folder, directory);
  if (!stems) return stems.error();
  std::vector<Annotation> annotations;
  std::string digests;
  for (const std::string& stem : *stems) {
    const fs::path file = directory / (stem + ".xml");
    const auto text = read_text(file, Errc::data, kMostXmlBytes);
    if (!text) return text.error();
    auto annotation = read_annotation(*text, file);
    if (!annotation) return annotation.error();
    annotations.push_back(std::move(*annotation));
    digests += fmt::format("{} {}\n", sha256_hex(*text), stem);
  }
  auto categories = categories_of(folder, annotations);
  if (!categories) return categories.error();
  std::map<std::string, std::int64_t> numbers;
  for (const Category& category : *categories) numbers[category.name] = category.number;

  ImageFiles all{name, folder.root, {}, std::move(*categories), {}, folder.max_pixels};
  std::uint64_t object_id = 0;
  for (std::size_t i = 0; i < annotations.size(); ++i) {
    ImageFile file{(fs::path("JPEGImages") / annotations[i].image).string(), i};
    file.size = annotations[i].size;
    for (const NamedObject& object : annotations[i].objects) {
      const auto number = numbers.find(object.category);
      if (number == numbers.end()) {
        return data_error(directory / ((*stems)[i] + ".xml"),
                          fmt::format("has an object {}, which is not in {}",
                                      in_quotes(object.category), folder.classes->string()),
                          "add the name to that file");
      }
      file.objects.push_back({object.box, number->second, object.difficult, object_id++});
    }
    all.files.push_back(std::move(file));
  }
  all.checksums.emplace_back(directory.string(), sha256_hex(digests));
  for (const auto& file : {folder.list, folder.classes}) {
    if (!file) continue;
    auto checksum = checksum_of(*file);
    if (!checksum) return checksum.error();
    all.checksums.push_back(std::move(*checksum));
  }
  return image_files(std::move(all));
}

}  // namespace bitquake::datasets
