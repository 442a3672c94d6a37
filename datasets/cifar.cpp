#include "datasets/held_images.hpp"
#include "suite/base/durable.hpp"

#include <fmt/format.h>

#include <limits>
#include <system_error>

namespace bitquake::datasets {
namespace {

constexpr int kSide = 32;

/// What the label bytes of a record are.
struct Form {
  const char* name;
  std::uint64_t record;
  std::size_t label_at;
  unsigned classes;
};

Form form_of(CifarLabels labels) {
  switch (labels) {
    case CifarLabels::cifar10:
      return {"CIFAR-10", kCifar10Record, 0, 10};
    case CifarLabels::cifar100_fine:
      return {"CIFAR-100", kCifar100Record, 1, 100};
    case CifarLabels::cifar100_coarse:
      return {"CIFAR-100", kCifar100Record, 0, 20};
  }
  return {};
}

/// Appends a file's records to `held`.
std::optional<Error> append(HeldImages& held, const std::filesystem::path& path, const Form& form) {
  const auto text = read_text(path, Errc::data);
  if (!text) return text.error();
  if (text->empty() || text->size() % form.record != 0) {
    return Error{Errc::data, path.string(),
                 fmt::format("has {} bytes, expected a multiple of {}: a {} record is {} label "
                             "byte{} and 3 x 32 x 32 pixels",
                             text->size(), form.record, form.name, form.record - 3072,
                             form.record == kCifar10Record ? "" : "s"),
                 "give files of the binary version that are whole; the two data sets have formats "
                 "of their own: cifar10, cifar100",
                 ""};
  }
  const std::uint64_t count = text->size() / form.record;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::uint8_t>((*text)[i * form.record + form.label_at]);
    if (label >= form.classes) {
      return Error{
          Errc::data, path.string(),
          fmt::format("record {} has label {}, expected 0 to {}", i, label, form.classes - 1),
          "the file is damaged, or of the other of cifar10 and cifar100", ""};
    }
    held.labels.push_back(label);
  }
  held.files.push_back({path.string(), count});
  held.bytes.insert(held.bytes.end(), text->begin(), text->end());
  return std::nullopt;
}

}  // namespace

OpenedDataset open_cifar(const std::string& name, const std::vector<std::filesystem::path>& files,
                         CifarLabels labels, const std::optional<std::filesystem::path>& classes) {
  const Form form = form_of(labels);
  HeldImages held;
  held.name = name;
  held.height = held.width = kSide;
  held.channels = 3;
  held.planar = true;
  held.record_bytes = form.record;
  held.pixels_at = form.record - held.image_bytes();
  for (const auto& file : files) {
    if (auto failed = append(held, file, form)) return *failed;
    auto checksum = checksum_of(file);
    if (!checksum) return checksum.error();
    held.checksums.push_back(std::move(*checksum));
  }
  if (auto failed = add_categories(held, classes, form.classes)) return *failed;
  return hold(std::move(held));
}

}  // namespace bitquake::datasets
