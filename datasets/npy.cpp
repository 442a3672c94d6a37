#include "suite/base/npy.hpp"

#include "datasets/held_images.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>

namespace bitquake::datasets {
namespace {

constexpr std::uint64_t kMaxSide = 65'536;
constexpr unsigned kSeverities = 5;

struct Array {
  NpyHeader header;
  std::string bytes;
};

std::string shape_of(const NpyHeader& header) {
  return fmt::format("[{}]", fmt::join(header.shape, ", "));
}

/// A whole array in C order, as long as its header says. `width` of its type's numbers.
Result<Array> read_array(const std::filesystem::path& path) {
  const std::string name = path.string();
  auto text = read_text(path, Errc::data);
  if (!text) return text.error();
  std::string_view rest = *text;
  auto header = take_npy_header(rest, Errc::data, name);
  if (!header) return header.error();
  if (header->fortran_order) {
    return Error{Errc::data, name, "is in Fortran order", "save numpy.ascontiguousarray(array)",
                 ""};
  }
  const char digit = header->type.empty() ? '0' : header->type.back();
  std::uint64_t expected = digit >= '1' && digit <= '8' ? static_cast<unsigned>(digit - '0') : 0;
  bool fits = true;
  for (const std::uint64_t size : header->shape) {
    fits = fits && !__builtin_mul_overflow(expected, size, &expected);
  }
  if (!fits || expected != rest.size()) {
    return Error{Errc::data, name,
                 fmt::format("has {} bytes of data, which is not what its header says: {} of shape "
                             "{}",
                             rest.size(), in_quotes(header->type), shape_of(*header)),
                 "the file is truncated or damaged; fetch or copy it again", ""};
  }
  return Array{std::move(*header), std::string(rest)};
}

Result<Array> read_images(const std::filesystem::path& path) {
  auto array = read_array(path);
  if (!array) return array;
  const NpyHeader& header = array->header;
  if (header.type != "|u1") {
    return Error{Errc::data, path.string(),
                 "holds numbers of type " + in_quotes(header.type) + ", expected images as uint8",
                 "save images.astype('uint8'), pixels 0 to 255", ""};
  }
  const auto& shape = header.shape;
  const bool grey = shape.size() == 3, colour = shape.size() == 4 && shape[3] == 3;
  const bool sizes = (grey || colour) && shape[0] > 0 && shape[1] > 0 && shape[2] > 0 &&
                     shape[1] <= kMaxSide && shape[2] <= kMaxSide;
  if (sizes) return array;
  return Error{
      Errc::data, path.string(),
      "has shape " + shape_of(header) +
          ", expected [images, height, width, 3], or [images, height, width] for grey ones",
      "save the images with numpy.save in that shape", ""};
}

Result<std::vector<std::int64_t>> read_labels(const std::filesystem::path& path,
                                              std::uint64_t images) {
  const auto array = read_array(path);
  if (!array) return array.error();
  const NpyHeader& header = array->header;
  const bool integers = header.type == "|u1" || header.type == "<i4" || header.type == "<i8";
  if (!integers || header.shape.size() != 1) {
    return Error{Errc::data, path.string(),
                 fmt::format("holds {} of shape {}, expected labels as uint8, int32 or int64, one "
                             "for each image",
                             in_quotes(header.type), shape_of(header)),
                 "save labels.astype('int64')", ""};
  }
  if (header.shape[0] != images) {
    return Error{
        Errc::data, path.string(),
        fmt::format("has {} labels, expected one for each of {} images", header.shape[0], images),
        "use the images and labels of the same part of the data set", ""};
  }
  const std::size_t width = header.type == "|u1" ? 1 : header.type == "<i4" ? 4 : 8;
  std::vector<std::int64_t> labels;
  labels.reserve(images);
  for (std::uint64_t i = 0; i < images; ++i) {
    const std::uint64_t bits =
        little_endian(std::string_view(array->bytes).substr(i * width, width));
    const std::int64_t label = width == 4
                                   ? std::bit_cast<std::int32_t>(static_cast<std::uint32_t>(bits))
                                   : std::bit_cast<std::int64_t>(bits);
    if (label < 0) {
      return Error{Errc::data, path.string(), fmt::format("label {} is {}", i, label),
                   "classes are numbered from 0", ""};
    }
    labels.push_back(label);
  }
  return labels;
}

}  // namespace

OpenedDataset open_npy(const std::string& name, const std::filesystem::path& images,
                       const std::optional<std::filesystem::path>& labels,
                       std::optional<unsigned> severity,
                       const std::optional<std::filesystem::path>& classes) {
  auto array = read_images(images);
  if (!array) return array.error();
  const auto& shape = array->header.shape;
  HeldImages held;
  std::vector<std::filesystem::path> files{images};
  if (labels) {
    auto read = read_labels(*labels, shape[0]);
    if (!read) return read.error();
    held.labels = std::move(*read);
    files.push_back(*labels);
  }
  for (const auto& file : files) {
    auto checksum = checksum_of(file);
    if (!checksum) return checksum.error();
    held.checksums.push_back(std::move(*checksum));
  }
  held.name = name;
  held.height = static_cast<int>(shape[1]);
  held.width = static_cast<int>(shape[2]);
  held.channels = shape.size() == 4 ? 3 : 1;
  held.record_bytes = held.image_bytes();
  std::uint64_t count = shape[0];
  if (severity) {
    if (count % kSeverities != 0) {
      return Error{
          Errc::data, images.string(),
          fmt::format("has {} images, which are no five equal parts for severities 1 to 5", count),
          "remove data.severity, or give a file of CIFAR-10-C", ""};
    }
    count /= kSeverities;
    held.first_index = (*severity - 1) * count;
  }
  const auto first = static_cast<std::ptrdiff_t>(held.first_index);
  const auto last = static_cast<std::ptrdiff_t>(held.first_index + count);
  const auto width = static_cast<std::ptrdiff_t>(held.record_bytes);
  held.bytes.assign(array->bytes.begin() + first * width, array->bytes.begin() + last * width);
  if (!held.labels.empty()) {
    held.labels = {held.labels.begin() + first, held.labels.begin() + last};
  }
  held.files = {{images.string(), count}};
  if (auto failed = add_categories(held, classes, std::nullopt)) return *failed;
  return hold(std::move(held));
}

Result<std::optional<std::vector<std::uint64_t>>> npy_sizes(const std::filesystem::path& path) {
  constexpr std::size_t kMostHeader = 4096;
  const std::optional<std::vector<std::uint64_t>> none;
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{Errc::data, path.string(), "cannot be opened", "check the path", ""};
  std::string text(kMostHeader, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  std::string_view rest = text;
  auto header = take_npy_header(rest, Errc::data, path.string());
  if (!header || header->type != "|u1") return none;
  return std::optional(std::move(header->shape));
}

}  // namespace bitquake::datasets
