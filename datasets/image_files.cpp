#include "datasets/image_files.hpp"

#include "datasets/decode.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/sha256.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <cmath>
#include <span>

namespace bitquake::datasets {
namespace {

constexpr std::size_t kMostFileBytes = std::size_t{1} << 30U;

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

class ImageFileDataset final : public Dataset {
 public:
  explicit ImageFileDataset(ImageFiles files) : all_(std::move(files)) {}

  std::uint64_t size() const override { return all_.files.size(); }

  Result<Sample> get(std::uint64_t i) const override {
    const ImageFile& file = all_.files[i];
    const std::filesystem::path path = all_.root / file.name;
    const auto bytes = read_text(path, Errc::data, kMostFileBytes);
    if (!bytes) return bytes.error();
    auto decoded = decode_image(bytes_of(*bytes), path.string(), all_.max_pixels);
    if (!decoded) return decoded.error();
    if (file.size && decoded->image.size() != *file.size) {
      return Error{
          Errc::data, path.string(),
          fmt::format("is {} x {} pixels, its annotation says {} x {}", decoded->image.cols,
                      decoded->image.rows, file.size->width, file.size->height),
          "boxes would not fit: use the images that were annotated", ""};
    }
    Sample sample;
    sample.dataset = all_.name;
    sample.file = path.string();
    sample.file_number = static_cast<std::uint32_t>(i);
    sample.index = i;
    sample.id = file.id;
    sample.height = decoded->header.height;
    sample.width = decoded->header.width;
    sample.content_hash = hash64(std::as_bytes(std::span(*bytes)));
    sample.label = file.label;
    sample.objects = file.objects;
    sample.transforms = std::move(decoded->transforms);
    sample.image = std::move(decoded->image);
    return sample;
  }

  std::optional<cv::Size> fixed_size() const override { return std::nullopt; }
  const std::vector<std::pair<std::string, std::string>>& checksums() const override {
    return all_.checksums;
  }
  Entry entry(std::uint64_t i) const override {
    return {static_cast<std::uint32_t>(i), i, all_.files[i].id, all_.files[i].label};
  }
  std::vector<std::string> files() const override {
    std::vector<std::string> names;
    names.reserve(all_.files.size());
    for (const ImageFile& file : all_.files) names.push_back(file.name);
    return names;
  }
  Result<std::uint64_t> content_hash(std::uint64_t i) const override {
    const auto bytes = read_text(all_.root / all_.files[i].name, Errc::data, kMostFileBytes);
    if (!bytes) return bytes.error();
    return hash64(std::as_bytes(std::span(*bytes)));
  }
  const std::vector<Category>& categories() const override { return all_.categories; }

 private:
  ImageFiles all_;
};

}  // namespace

std::shared_ptr<const Dataset> image_files(ImageFiles files) {
  return std::make_shared<ImageFileDataset>(std::move(files));
}

std::optional<Error> check_box(const Box& box, cv::Size image, const std::string& where) {
  constexpr double kRounding = 1;
  const auto text = [&] {
    return fmt::format("box [{}, {}] to [{}, {}]", shortest(box.x0), shortest(box.y0),
                       shortest(box.x1), shortest(box.y1));
  };
  for (const double edge : {box.x0, box.y0, box.x1, box.y1}) {
    if (!std::isfinite(edge)) {
      return Error{Errc::data, where, text() + " is not finite", "correct the annotation", ""};
    }
  }
  if (box.width() < 0 || box.height() < 0) {
    return Error{Errc::data, where, text() + " has a negative width or height",
                 "correct the annotation", ""};
  }
  const bool inside = box.x0 >= -kRounding && box.y0 >= -kRounding &&
                      box.x1 <= image.width + kRounding && box.y1 <= image.height + kRounding;
  if (inside) return std::nullopt;
  return Error{Errc::data, where,
               fmt::format("{} reaches more than a pixel out of its image of {} x {}", text(),
                           image.width, image.height),
               "correct the annotation; nothing is clipped silently", ""};
}

}  // namespace bitquake::datasets
