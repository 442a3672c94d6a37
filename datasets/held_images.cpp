#include "datasets/held_images.hpp"

#include "suite/base/durable.hpp"
#include "suite/base/sha256.hpp"
#include "suite/base/text.hpp"

#include <opencv2/core.hpp>

#include <cstring>
#include <set>
#include <span>

namespace bitquake::datasets {
namespace {

constexpr std::size_t kMostTextBytes = std::size_t{256} << 20U;

class HeldDataset final : public Dataset {
 public:
  explicit HeldDataset(HeldImages images) : held_(std::move(images)) {
    for (const HeldImages::File& file : held_.files) size_ += file.samples;
  }

  std::uint64_t size() const override { return size_; }

  Result<Sample> get(std::uint64_t i) const override {
    Sample sample;
    sample.dataset = held_.name;
    sample.file_number = number_of_file(i);
    sample.file = held_.files[sample.file_number].path;
    sample.index = sample.id = held_.first_index + i;
    sample.height = held_.height;
    sample.width = held_.width;
    sample.content_hash = hash64(std::as_bytes(pixels_of(i)));
    if (!held_.labels.empty()) sample.label = held_.labels[i];
    sample.image = image_of(i);
    return sample;
  }

  std::optional<cv::Size> fixed_size() const override {
    return cv::Size(held_.width, held_.height);
  }
  const std::vector<std::pair<std::string, std::string>>& checksums() const override {
    return held_.checksums;
  }
  Entry entry(std::uint64_t i) const override {
    const std::uint64_t index = held_.first_index + i;
    Entry entry{number_of_file(i), index, index, std::nullopt};
    if (!held_.labels.empty()) entry.label = held_.labels[i];
    return entry;
  }
  std::vector<std::string> files() const override {
    std::vector<std::string> names;
    for (const HeldImages::File& file : held_.files) {
      names.push_back(std::filesystem::path(file.path).filename().string());
    }
    return names;
  }
  Result<std::uint64_t> content_hash(std::uint64_t i) const override {
    return hash64(std::as_bytes(pixels_of(i)));
  }
  const std::vector<Category>& categories() const override { return held_.categories; }

 private:
  std::span<const std::uint8_t> pixels_of(std::uint64_t i) const {
    return std::span(held_.bytes)
        .subspan(i * held_.record_bytes + held_.pixels_at, held_.image_bytes());
  }

  /// A copy of its own: the caller may change the image, the data set never does.
  cv::Mat image_of(std::uint64_t i) const {
    const auto pixels = pixels_of(i);
    cv::Mat image(held_.height, held_.width, CV_MAKETYPE(held_.depth, held_.channels));
    if (!held_.planar || held_.channels == 1) {
      std::memcpy(image.data, pixels.data(), pixels.size());
      return image;
    }
    const std::size_t plane = image.total(), width = image.elemSize1();
    const auto channels = static_cast<std::size_t>(held_.channels);
    for (std::size_t at = 0; at < plane; ++at) {
      for (std::size_t c = 0; c < channels; ++c) {
        std::memcpy(image.data + (at * channels + c) * width,
                    pixels.data() + (c * plane + at) * width, width);
      }
    }
    return image;
  }

  std::uint32_t number_of_file(std::uint64_t i) const {
    std::uint32_t number = 0;
    while (i >= held_.files[number].samples) i -= held_.files[number++].samples;
    return number;
  }

  HeldImages held_;
  std::uint64_t size_ = 0;
};

}  // namespace

std::shared_ptr<const Dataset> hold(HeldImages images) {
  return std::make_shared<HeldDataset>(std::move(images));
}

Result<std::pair<std::string, std::string>> checksum_of(const std::filesystem::path& path) {
  auto checksum = sha256_file(path, Errc::data);
  if (!checksum) return checksum.error();
  return std::pair(path.string(), std::move(*checksum));
}

Result<std::vector<std::string>> read_lines(const std::filesystem::path& path) {
  const auto text = read_text(path, Errc::data, kMostTextBytes);
  if (!text) return text.error();
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text->size();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    std::string line = text->substr(at, end - at);
    if (line.ends_with('\r')) line.pop_back();
    at = end + 1;
    if (printable(line) != line) {
      return Error{Errc::data, path.string() + ":" + std::to_string(lines.size() + 1),
                   "holds " + in_quotes(line) + ", which is no text",
                   "give a UTF-8 text file without control characters", ""};
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

Result<std::vector<Category>> read_categories(const std::filesystem::path& path) {
  auto lines = read_lines(path);
  if (!lines) return lines.error();
  while (!lines->empty() && lines->back().find_first_not_of(" \t") == std::string::npos) {
    lines->pop_back();
  }
  std::vector<Category> categories;
  std::set<std::string> seen;
  for (std::string& line : *lines) {
    const std::string where = path.string() + ":" + std::to_string(categories.size() + 1);
    if (line.find_first_not_of(" \t") == std::string::npos) {
      return Error{Errc::data, where,
                   "is blank, expected the name of class " + std::to_string(categories.size()),
                   "write one class name a line, that of class 0 first", ""};
    }
    if (!seen.insert(line).second) {
      return Error{Errc::data, where, in_quotes(line) + " is there twice",
                   "give each class a name of its own", ""};
    }
    categories.push_back({static_cast<std::int64_t>(categories.size()), std::move(line)});
  }
  if (!categories.empty()) return categories;
  return Error{Errc::data, path.string(), "holds no class names", "write one a line", ""};
}

std::optional<Error> add_categories(HeldImages& held,
                                    const std::optional<std::filesystem::path>& classes,
                                    std::optional<std::uint64_t> count) {
  if (!classes) return std::nullopt;
  auto categories = read_categories(*classes);
  if (!categories) return categories.error();
  std::uint64_t needed = count.value_or(0);
  for (const std::int64_t label : held.labels) {
    needed = std::max(needed, static_cast<std::uint64_t>(label) + 1);
  }
  if (categories->size() < needed || (count && categories->size() != *count)) {
    return Error{Errc::data, classes->string(),
                 "has " + std::to_string(categories->size()) + " class names, the data set has " +
                     std::to_string(needed) + " classes",
                 "give the names of all classes, one a line", ""};
  }
  held.categories = std::move(*categories);
  auto checksum = checksum_of(*classes);
  if (!checksum) return checksum.error();
  held.checksums.push_back(std::move(*checksum));
  return std::nullopt;
}

}  // namespace bitquake::datasets
