#include "datasets/held_images.hpp"
#include "datasets/image_files.hpp"
#include "suite/base/sha256.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <system_error>

namespace bitquake::datasets {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostClasses = 1'000'000'000;

Error data_error(const fs::path& where, std::string what, std::string hint) {
  return {Errc::data, where.string(), std::move(what), std::move(hint), ""};
}

std::optional<Error> check_directory(const fs::path& root) {
  std::error_code failed;
  if (fs::is_directory(root, failed)) return std::nullopt;
  return data_error(root, fs::exists(root, failed) ? "is no directory" : "no such directory",
                    "data.images names the folder of the images");
}

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

/// A text that scenario files and tables can hold.
std::optional<Error> check_name(const fs::path& path) {
  const std::string name = path.filename().string();
  if (printable(name) == name) return std::nullopt;
  return data_error(printable(path.string()), "has a name that is no UTF-8 text", "rename it");
}

/// All files below a class folder, relative to the root, in any order.
std::optional<Error> list_files(const fs::path& root, const fs::path& folder, std::int64_t label,
                                std::vector<ImageFile>& files) {
  std::error_code failed;
  auto entry = fs::recursive_directory_iterator(
      folder, fs::directory_options::follow_directory_symlink, failed);
  for (; !failed && entry != fs::recursive_directory_iterator(); entry.increment(failed)) {
    if (auto bad = check_name(entry->path())) return bad;
    std::error_code unreadable;
    if (hidden(entry->path())) {
      entry.disable_recursion_pending();
    } else if (!entry->is_directory(unreadable)) {
      files.push_back({entry->path().lexically_relative(root).string(), 0, label});
    }
  }
  if (!failed) return std::nullopt;
  return data_error(folder, "cannot be read: " + failed.message(), "check the folder");
}

/// Classes are the folders in the root.
std::optional<Error> from_folders(const fs::path& root, ImageFiles& all) {
  std::vector<fs::path> folders;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(root, failed)) {
    if (hidden(entry.path())) continue;
    if (auto bad = check_name(entry.path())) return bad;
    std::error_code unreadable;
    if (entry.is_directory(unreadable)) folders.push_back(entry.path());
  }
  if (failed) return data_error(root, "cannot be read: " + failed.message(), "check the folder");
  std::sort(folders.begin(), folders.end(), [](const fs::path& a, const fs::path& b) {
    return a.filename().string() < b.filename().string();
  });
  for (const fs::path& folder : folders) {
    const auto label = static_cast<std::int64_t>(all.categories.size());
    std::vector<ImageFile> files;
    if (auto bad = list_files(root, folder, label, files)) return bad;
    std::sort(files.begin(), files.end(),
              [](const ImageFile& a, const ImageFile& b) { return a.name < b.name; });
    all.categories.push_back({label, folder.filename().string()});
    std::move(files.begin(), files.end(), std::back_inserter(all.files));
  }
  if (!all.files.empty()) return std::nullopt;
  return data_error(root, "holds no folders with images",
                    "make one folder for each class, or give a list of images: data.list");
}

/// Lines "path label".
std::optional<Error> from_list(const fs::path& list, ImageFiles& all) {
  const auto lines = read_lines(list);
  if (!lines) return lines.error();
  std::map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < lines->size(); ++i) {
    const std::string& line = (*lines)[i];
    const auto refuse = [&](std::string what) {
      return data_error(fmt::format("{}:{}", list.string(), i + 1), std::move(what),
                        "write a path and the number of its class, as in cat/1.jpg 3");
    };
    const std::size_t end = line.find_last_not_of(" \t");
    if (end == std::string::npos) continue;  // a blank line
    const std::size_t space = line.find_last_of(" \t", end);
    if (space == std::string::npos) return refuse(in_quotes(line) + " is no path and label");
    const auto label =
        to_number<std::int64_t>(std::string_view(line).substr(space + 1, end - space));
    if (!label || *label < 0 || *label >= kMostClasses) {
      return refuse(fmt::format("label {} is no number of a class",
                                in_quotes(line.substr(space + 1, end - space))));
    }
    const std::size_t path_end = line.find_last_not_of(" \t", space);
    if (path_end == std::string::npos) return refuse("there is no path");
    std::string path = line.substr(0, path_end + 1);
    const auto [before, fresh] = seen.try_emplace(path, i + 1);
    if (!fresh) return refuse(fmt::format("{} is in line {} too", in_quotes(path), before->second));
    all.files.push_back({std::move(path), 0, *label});
  }
  if (!all.files.empty()) return std::nullopt;
  return data_error(list, "names no images", "write lines with a path and the number of its class");
}

/// Names for the classes there are.
std::optional<Error> name_classes(const fs::path& classes, ImageFiles& all) {
  auto categories = read_categories(classes);
  if (!categories) return categories.error();
  std::int64_t most = 0;
  for (const ImageFile& file : all.files) most = std::max(most, *file.label + 1);
  const auto names = static_cast<std::int64_t>(categories->size());
  if (names < most) {
    return data_error(classes,
                      fmt::format("has {} class names, labels go up to {}", names, most - 1),
                      "give the names of all classes, one a line");
  }
  all.categories = std::move(*categories);
  return std::nullopt;
}

/// What the manifest has of a folder: its images and their labels, in order.
std::string list_digest(const std::vector<ImageFile>& files) {
  std::string text;
  for (const ImageFile& file : files) text += fmt::format("{} {}\n", file.name, *file.label);
  return sha256_hex(text);
}

}  // namespace

OpenedDataset open_image_folder(const std::string& name, const ImageFolder& folder) {
  if (auto failed = check_directory(folder.root)) return *failed;
  ImageFiles all;
  all.name = name;
  all.root = folder.root;
  all.max_pixels = folder.max_pixels;
  auto failed = folder.list ? from_list(*folder.list, all) : from_folders(folder.root, all);
  if (failed) return *failed;
  if (folder.classes) failed = name_classes(*folder.classes, all);
  if (failed) return *failed;
  for (std::size_t i = 0; i < all.files.size(); ++i) all.files[i].id = i;
  all.checksums.emplace_back(folder.root.string(), list_digest(all.files));
  for (const auto& file : {folder.list, folder.classes}) {
    if (!file) continue;
    auto checksum = checksum_of(*file);
    if (!checksum) return checksum.error();
    all.checksums.push_back(std::move(*checksum));
  }
  return image_files(std::move(all));
}

}  // namespace bitquake::datasets
