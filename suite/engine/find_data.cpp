#include "suite/engine/find_data.hpp"

#include "datasets/dataset.hpp"
#include "datasets/decode.hpp"
#include "datasets/hdf5.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace bitquake::engine {
namespace {

namespace fs = std::filesystem;
using Data = scenario::Scenario::Data;

/// Where to look: the files given, or those of a directory.
struct Search {
  fs::path where;  ///< for messages: the directory, or the first file
  std::vector<fs::path> files;
  bool in_directory = false;
  bool with_labels = true;
};

Error data_error(const fs::path& where, std::string what, std::string hint) {
  return {Errc::data, where.string(), std::move(what), std::move(hint), ""};
}

Result<Search> search_of(const std::vector<fs::path>& given, bool with_labels) {
  std::error_code failed;
  Search search{given.front(), given, false, with_labels};
  if (given.size() == 1 && fs::is_directory(given.front(), failed)) {
    search.in_directory = true;
    search.files.clear();
    for (const auto& entry : fs::directory_iterator(given.front(), failed)) {
      std::error_code unreadable;
      if (entry.is_regular_file(unreadable)) search.files.push_back(entry.path());
    }
    if (failed) return data_error(search.where, "cannot be read: " + failed.message(), "");
    std::sort(search.files.begin(), search.files.end());
  }
  for (const fs::path& file : search.files) {
    if (fs::is_directory(file, failed)) {
      return data_error(file, "is a directory", "name one directory, or files");
    }
    if (!fs::exists(file, failed)) return data_error(file, "no such file or directory", "");
  }
  return search;
}

// --- idx ---

struct IdxFile {
  fs::path path;
  std::vector<std::uint64_t> sizes;
};

bool is_images(const IdxFile& file) { return file.sizes.size() == 3; }
bool is_labels(const IdxFile& file) { return file.sizes.size() == 1; }

std::string describe(const IdxFile& file) {
  const std::string name = file.path.filename().string() + ": ";
  const std::string count = with_commas(file.sizes[0]);
  if (is_labels(file)) return name + count + " labels";
  return fmt::format("{}{} images of {}x{}", name, count, file.sizes[1], file.sizes[2]);
}

std::string list_of(const std::vector<IdxFile>& files) {
  constexpr std::size_t kShown = 12;
  std::vector<std::string> texts;
  for (const IdxFile& file : files) texts.push_back(describe(file));
  if (texts.size() > kShown) {
    const std::size_t more = texts.size() - kShown;
    texts.resize(kShown);
    texts.push_back(fmt::format("{} more", more));
  }
  return fmt::format("{}", fmt::join(texts, "; "));
}

/// The idx files of images and labels. In a directory other files are passed over, and so is an
/// archive beside its unpacked file.
Result<std::vector<IdxFile>> idx_files(const Search& search) {
  std::vector<IdxFile> files;
  for (const fs::path& path : search.files) {
    auto sizes = datasets::idx_sizes(path);
    if (!sizes && !search.in_directory) return sizes.error();
    if (!sizes || !*sizes) continue;
    IdxFile file{path, std::move(**sizes)};
    const auto same = [&](const IdxFile& other) {
      return path.extension() == ".gz" && path.parent_path() / path.stem() == other.path &&
             file.sizes == other.sizes;
    };
    const bool known = search.in_directory && std::any_of(files.begin(), files.end(), same);
    if ((is_images(file) || is_labels(file)) && !known) files.push_back(std::move(file));
  }
  return files;
}

template <class Condition>
std::vector<IdxFile> those(const std::vector<IdxFile>& files, Condition condition) {
  std::vector<IdxFile> chosen;
  std::copy_if(files.begin(), files.end(), std::back_inserter(chosen), condition);
  return chosen;
}

/// Narrowed by a condition when that leaves any.
template <class Condition>
std::vector<IdxFile> preferring(std::vector<IdxFile> files, Condition condition) {
  auto chosen = those(files, condition);
  return chosen.empty() ? files : chosen;
}

std::string lower_name(const fs::path& path) {
  std::string name = path.filename().string();
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

/// MNIST calls its test set "t10k".
bool is_test(const IdxFile& file) {
  const std::string name = lower_name(file.path);
  return name.find("test") != std::string::npos || name.find("t10k") != std::string::npos;
}

/// Whether two names differ in the words images and labels, and in the ranks idx3 and idx1, only.
bool are_partners(const IdxFile& images, const IdxFile& labels) {
  constexpr std::array<std::string_view, 4> kWords{"images", "labels", "idx3", "idx1"};
  const auto neutral = [&](std::string name) {
    for (const std::string_view word : kWords) {
      if (const auto at = name.find(word); at != std::string::npos) name.erase(at, word.size());
    }
    return name;
  };
  return neutral(lower_name(images.path)) == neutral(lower_name(labels.path));
}

Result<std::optional<Data>> find_idx(const Search& search) {
  const auto files = idx_files(search);
  if (!files) return files.error();
  const auto ambiguous = [&](const std::string& what) {
    return data_error(search.where, what + ", found " + list_of(*files),
                      "name the files: --data IMAGES LABELS");
  };
  auto images = those(*files, is_images);
  if (images.empty()) return std::optional<Data>();
  if (search.in_directory) images = preferring(std::move(images), is_test);
  if (images.size() > 1) return ambiguous("expected one file of images");
  if (!search.in_directory && files->size() < search.files.size()) {
    return ambiguous("expected images and labels in idx files, nothing else");
  }
  const fs::path& path = images[0].path;
  Data data;
  data.name = fs::absolute(path).lexically_normal().parent_path().filename().string();
  if (data.name.empty()) data.name = "data";
  data.images = path.string();
  if (!search.with_labels) return std::optional(data);

  auto labels = those(*files, is_labels);
  if (search.in_directory) {
    labels =
        those(labels, [&](const IdxFile& file) { return file.sizes[0] == images[0].sizes[0]; });
    labels = preferring(std::move(labels),
                        [&](const IdxFile& file) { return are_partners(images[0], file); });
  }
  if (labels.size() > 1) return ambiguous("expected one file of labels");
  if (!labels.empty()) data.labels = labels[0].path.string();
  return std::optional(data);
}

// --- the other formats ---

std::string name_after(const fs::path& directory) {
  std::string name = fs::absolute(directory).lexically_normal().filename().string();
  if (name.empty()) {
    name = fs::absolute(directory).lexically_normal().parent_path().filename().string();
  }
  return name.empty() ? "data" : name;
}

bool is_test_name(const fs::path& path) {
  const std::string name = lower_name(path);
  return name.find("test") != std::string::npos || name.find("t10k") != std::string::npos;
}

/// Files of whole records whose labels are below `classes`; `label_at` in a record.
bool is_cifar(const fs::path& path, std::uint64_t record, unsigned label_at, unsigned classes) {
  std::error_code failed;
  const std::uint64_t size = fs::file_size(path, failed);
  if (failed || size == 0 || size % record != 0) return false;
  std::ifstream file(path, std::ios::binary);
  for (std::uint64_t at = label_at; at < size; at += record) {
    file.seekg(static_cast<std::streamoff>(at));
    if (const int label = file.get(); label < 0 || label >= static_cast<int>(classes)) return false;
  }
  return true;
}

/// A file with that name in the directory of `beside`, if it is there.
std::optional<std::string> class_names(const fs::path& beside, const char* name) {
  std::error_code failed;
  const fs::path path = beside.parent_path() / name;
  return fs::is_regular_file(path, failed) ? std::optional(path.string()) : std::nullopt;
}

std::optional<Data> find_cifar(const Search& search, std::uint64_t record, unsigned label_at,
                               unsigned classes, const char* names) {
  std::vector<fs::path> files;
  for (const fs::path& path : search.files) {
    const bool wanted = !search.in_directory || path.extension() == ".bin";
    if (wanted && is_cifar(path, record, label_at, classes)) files.push_back(path);
  }
  if (search.in_directory && std::any_of(files.begin(), files.end(), is_test_name)) {
    std::erase_if(files, [](const fs::path& path) { return !is_test_name(path); });
  }
  if (files.empty() || (!search.in_directory && files.size() < search.files.size())) {
    return std::nullopt;
  }
  Data data;
  data.name = name_after(fs::absolute(files.front()).parent_path());
  data.images = files.front().string();
  for (std::size_t i = 1; i < files.size(); ++i) data.more_images.push_back(files[i].string());
  data.classes = class_names(files.front(), names);
  return data;
}

Result<std::optional<Data>> find_cifar10(const Search& search) {
  return find_cifar(search, datasets::kCifar10Record, 0, 10, "batches.meta.txt");
}

Result<std::optional<Data>> find_cifar100(const Search& search) {
  auto data = find_cifar(search, datasets::kCifar100Record, 1, 100, "fine_label_names.txt");
  if (data) data->label_set = scenario::LabelSet::fine;
  return data;
}

Result<std::optional<Data>> find_npy(const Search& search) {
  std::vector<std::string> images, others;
  for (const fs::path& path : search.files) {
    if (path.extension() != ".npy") continue;
    const auto sizes = datasets::npy_sizes(path);
    const bool pixels = sizes && *sizes && (**sizes).size() >= 3;
    (pixels ? images : others).push_back(path.string());
  }
  if (images.empty()) return std::optional<Data>();
  if (images.size() > 1 || others.size() > 1) {
    std::vector<std::string> names;
    for (const auto* list : {&images, &others}) {
      for (const fs::path path : *list) names.push_back(path.filename().string());
    }
    return data_error(
        search.where,
        fmt::format("expected one .npy file of images, found {}", fmt::join(names, "; ")),
        "name the files: --data IMAGES LABELS");
  }
  Data data;
  data.name = name_after(fs::absolute(images[0]).parent_path());
  data.images = images[0];
  if (search.with_labels && !others.empty()) data.labels = others[0];
  return std::optional(data);
}

bool has_image(const fs::path& folder) {
  constexpr std::size_t kBegin = 16;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    std::error_code unreadable;
    if (!entry.is_regular_file(unreadable)) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    std::array<std::uint8_t, kBegin> bytes{};
    file.read(reinterpret_cast<char*>(bytes.data()), kBegin);
    if (datasets::looks_like_image(bytes)) return true;
  }
  return false;
}

Result<std::optional<Data>> find_voc(const Search& search) {
  std::error_code failed;
  const bool voc = search.in_directory && fs::is_directory(search.where / "Annotations", failed) &&
                   fs::is_directory(search.where / "JPEGImages", failed);
  if (!voc) return std::optional<Data>();
  Data data;
  data.name = name_after(search.where);
  data.images = search.where.string();
  return std::optional(data);
}

Result<std::optional<Data>> find_coco(const Search& search) {
  if (!search.in_directory) return std::optional<Data>();
  std::error_code failed;
  const fs::path inner = search.where / "images";
  const fs::path images = fs::is_directory(inner, failed) ? inner : search.where;
  std::vector<fs::path> lists;
  for (const fs::path& path : search.files) {
    if (path.extension() == ".json") lists.push_back(path);
  }
  if (lists.empty() || !has_image(images)) return std::optional<Data>();
  if (lists.size() > 1) {
    std::vector<std::string> names;
    for (const fs::path& path : lists) names.push_back(path.filename().string());
    return data_error(
        search.where,
        fmt::format("expected one JSON file of annotations, found {}", fmt::join(names, "; ")),
        "write data.annotations into a scenario of your own");
  }
  Data data;
  data.name = name_after(search.where);
  data.images = images.string();
  data.annotations = lists[0].string();
  return std::optional(data);
}

Result<std::optional<Data>> find_image_folder(const Search& search) {
  if (!search.in_directory) return std::optional<Data>();
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(search.where, failed)) {
    std::error_code unreadable;
    if (!entry.is_directory(unreadable) || !has_image(entry.path())) continue;
    Data data;
    data.name = name_after(search.where);
    data.images = search.where.string();
    return std::optional(data);
  }
  return std::optional<Data>();
}

/// Those of Bitquake itself: of others nobody can guess the names inside.
Result<std::optional<Data>> find_hdf5(const Search& search) {
  std::vector<fs::path> files;
  for (const fs::path& path : search.files) {
    if (path.extension() == ".h5" && datasets::is_bitquake_hdf5(path)) files.push_back(path);
  }
  if (files.empty()) return std::optional<Data>();
  if (files.size() > 1) {
    return data_error(search.where, "expected one HDF5 data set, found several", "name the file");
  }
  Data data;
  data.name = name_after(files[0].stem());
  data.images = files[0].string();
  return std::optional(data);
}

/// One entry for each format, in the order of trying: finds its data set, or nothing when no file
/// is of the format.
struct Finder {
  scenario::DataFormat format;
  Result<std::optional<Data>> (*find)(const Search&);
};
constexpr std::array kFinders{Finder{scenario::DataFormat::idx, find_idx},
                              Finder{scenario::DataFormat::cifar10, find_cifar10},
                              Finder{scenario::DataFormat::cifar100, find_cifar100},
                              Finder{scenario::DataFormat::npy, find_npy},
                              Finder{scenario::DataFormat::voc, find_voc},
                              Finder{scenario::DataFormat::coco, find_coco},
                              Finder{scenario::DataFormat::image_folder, find_image_folder},
                              Finder{scenario::DataFormat::hdf5, find_hdf5}};
static_assert(kFinders.size() == scenario::kDataFormats.size());

}  // namespace

Result<Data> find_data(const std::vector<fs::path>& given, bool with_labels) {
  const auto search = search_of(given, with_labels);
  if (!search) return search.error();
  std::vector<std::string> formats;
  for (const Finder& finder : kFinders) {
    auto found = finder.find(*search);
    if (!found) return found.error();
    if (*found) {
      (*found)->format = finder.format;
      return std::move(**found);
    }
    formats.emplace_back(name_of(scenario::kDataFormats, finder.format));
  }
  return data_error(
      search->where,
      fmt::format("expected images of format {}, found none", fmt::join(formats, ", ")),
      "bitquake list keys explains data.format");
}

}  // namespace bitquake::engine
