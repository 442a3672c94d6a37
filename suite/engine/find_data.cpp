#include "suite/engine/find_data.hpp"

#include "datasets/dataset.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
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

/// One entry for each format: finds its data set, or nothing when no file is of the format.
struct Finder {
  scenario::DataFormat format;
  Result<std::optional<Data>> (*find)(const Search&);
};
constexpr std::array kFinders{Finder{scenario::DataFormat::idx, find_idx}};
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
    formats.push_back(
        fmt::format("images of format {}", name_of(scenario::kDataFormats, finder.format)));
  }
  return data_error(search->where,
                    fmt::format("expected {}, found none", fmt::join(formats, " or ")),
                    "bitquake list keys explains data.format");
}

}  // namespace bitquake::engine
