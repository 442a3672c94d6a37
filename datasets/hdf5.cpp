#include "datasets/hdf5.hpp"

#include "datasets/held_images.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/memory.hpp"
#include "suite/base/sealed_h5.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>
#include <opencv2/core.hpp>

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>

namespace bitquake::datasets {
namespace {

constexpr auto kContent = "bitquake data set";
constexpr std::int64_t kNoLabel = -1;
constexpr std::int64_t kMaxSide = 65'536;
constexpr const char* kSealHint = "write or fetch the file again";

[[noreturn]] void fail(const std::filesystem::path& path, std::string what,
                       std::string hint = "the file is damaged, or of another version") {
  throw Exception({Errc::data, path.string(), std::move(what), std::move(hint), ""});
}

/// What `member` gives of each item.
template <class Items, class Member>
auto column(const Items& items, Member member) {
  std::vector<std::decay_t<std::invoke_result_t<Member, decltype(items[0])>>> values;
  values.reserve(items.size());
  for (const auto& item : items) values.push_back(std::invoke(member, item));
  return values;
}

// --- writing ---

class Writer {
 public:
  Writer(h5::File& file, const EnrichedData& data) : file_(file), data_(data) {}

  void write() {
    check();
    file_.set_attribute("content", kContent);
    file_.set_attribute("format_version", kHdf5Version);
    file_.set_attribute("name", data_.name);
    data_.samples[0].image.depth() == CV_8U ? pixels<std::uint8_t>() : pixels<std::uint16_t>();
    samples();
    boxes();
    put("categories/number", column(data_.categories, &Category::number), "number of a category");
    file_.write_strings("categories/name", column(data_.categories, &Category::name),
                        {"1", "its name"});
    for (const Parameter& parameter : data_.parameters) {
      file_.write_column<double>("parameters/" + parameter.name, parameter.values,
                                 {parameter.units, parameter.doc});
    }
  }

 private:
  void check() const {
    const auto refuse = [&](std::string what) { fail(file_.path(), std::move(what), ""); };
    if (data_.samples.empty()) refuse("there are no samples to write");
    const int depth = data_.samples[0].image.depth();
    for (const Sample& sample : data_.samples) {
      if (sample.image.empty() || sample.image.depth() != depth ||
          (depth != CV_8U && depth != CV_16U)) {
        refuse("samples have no pixels, or not all of 8 or of 16 bits");
      }
      if (sample.file_number >= data_.files.size()) refuse("a sample has no file");
    }
    if (!data_.perturbations.empty() && data_.perturbations.size() != data_.samples.size()) {
      refuse("there is not one perturbation for each sample");
    }
    for (const Parameter& parameter : data_.parameters) {
      const bool named = !parameter.name.empty() &&
                         parameter.name.find_first_not_of(
                             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
                             std::string::npos;
      if (!named) refuse("parameter " + in_quotes(parameter.name) + " cannot be a column's name");
      if (parameter.values.size() != data_.samples.size()) {
        refuse("parameter " + parameter.name + " has not one value for each sample");
      }
    }
  }

  template <class T>
  void put(const std::string& name, const std::vector<T>& values, const std::string& doc,
           const std::string& units = "1") {
    file_.write_column<T>(name, values, {units, doc});
  }

  bool uniform() const {
    const cv::Mat& first = data_.samples[0].image;
    return std::all_of(data_.samples.begin(), data_.samples.end(), [&](const Sample& sample) {
      return sample.image.size() == first.size() && sample.image.type() == first.type();
    });
  }

  template <class T>
  void pixels() {
    std::vector<T> all;
    for (const Sample& sample : data_.samples) {
      const cv::Mat image = sample.image.isContinuous() ? sample.image : sample.image.clone();
      const T* begin = image.ptr<T>();
      all.insert(all.end(), begin,
                 begin + image.total() * static_cast<std::size_t>(image.channels()));
    }
    if (!uniform()) {
      file_.write_column<T>("pixels", all,
                            {"1", "images one after the other, each row by row, RGB"});
      return;
    }
    const cv::Mat& first = data_.samples[0].image;
    file_.write_array<T>(
        "images",
        {data_.samples.size(), static_cast<std::uint64_t>(first.rows),
         static_cast<std::uint64_t>(first.cols), static_cast<std::uint64_t>(first.channels())},
        all, {"1", "[sample, row, column, channel], RGB"});
  }

  void samples() {
    const auto& all = data_.samples;
    const auto side = [](int value) { return static_cast<std::uint32_t>(value); };
    put("labels", column(all, [](const Sample& s) { return s.label.value_or(kNoLabel); }),
        "class; -1: none");
    put("samples/id", column(all, &Sample::id), "number in the data set it comes from");
    put("samples/file", column(all, &Sample::file_number), "row of /files/name");
    put("samples/height", column(all, &Sample::height), "height as stored in its file", "pixel");
    put("samples/width", column(all, &Sample::width), "width as stored in its file", "pixel");
    put("samples/content_hash", column(all, &Sample::content_hash),
        "first 8 bytes of SHA-256 of what it was read from");
    put("samples/image_height", column(all, [&](const Sample& s) { return side(s.image.rows); }),
        "height of the image here", "pixel");
    put("samples/image_width", column(all, [&](const Sample& s) { return side(s.image.cols); }),
        "width of the image here", "pixel");
    put("samples/channels", column(all, [&](const Sample& s) { return side(s.image.channels()); }),
        "1 grey, 3 RGB, 4 RGB and alpha");
    file_.write_strings("samples/transforms", column(all, &Sample::transforms),
                        {"1", "what was done to the stored pixels"});
    if (!data_.perturbations.empty()) {
      file_.write_strings("samples/perturbation", data_.perturbations,
                          {"1", "what it was perturbed by"});
    }
    file_.write_strings("files/name", data_.files, {"1", "file that samples come from"});
  }

  void boxes() {
    std::vector<std::uint64_t> owner;
    std::vector<Object> all;
    for (std::uint64_t i = 0; i < data_.samples.size(); ++i) {
      for (const Object& object : data_.samples[i].objects) {
        owner.push_back(i);
        all.push_back(object);
      }
    }
    put("boxes/sample", owner, "row of /samples");
    put("boxes/x0", column(all, [](const Object& o) { return o.box.x0; }), "left edge", "pixel");
    put("boxes/y0", column(all, [](const Object& o) { return o.box.y0; }), "top edge", "pixel");
    put("boxes/x1", column(all, [](const Object& o) { return o.box.x1; }), "right edge", "pixel");
    put("boxes/y1", column(all, [](const Object& o) { return o.box.y1; }), "bottom edge", "pixel");
    put("boxes/category", column(all, &Object::category), "number in /categories");
    put("boxes/crowd", column(all, [](const Object& o) { return std::uint8_t{o.crowd}; }),
        "1: one box around many");
    put("boxes/id", column(all, &Object::id), "number of the annotation");
  }

  h5::File& file_;
  const EnrichedData& data_;
};

// --- reading ---

/// read_sealed_h5 with this module's words.
template <class Read>
auto read_checked(const std::filesystem::path& path, SealRule rule, Read read) {
  return read_sealed_h5(path, rule, Errc::data, kSealHint, read);
}

/// Refuses what would not fit into memory before it is read.
void check_memory(const h5::File& file, std::uint64_t bytes) {
  if (bytes <= machine_memory_bytes() / 2) return;
  fail(file.path(),
       fmt::format("holds {} MiB of pixels, more than half of the machine's memory",
                   bytes / kMebibyte),
       "HDF5 data sets are held in memory: split the file");
}

template <class T>
std::uint64_t array_bytes(const h5::File& file, const std::string& name) {
  std::uint64_t bytes = sizeof(T);
  for (const std::uint64_t size : file.sizes(name)) {
    if (__builtin_mul_overflow(bytes, size, &bytes)) fail(file.path(), "claims too many pixels");
  }
  return bytes;
}

class Reader {
 public:
  explicit Reader(const h5::File& file) : file_(file) {}

  EnrichedData read() {
    if (file_.string_attribute("content") != kContent) {
      fail(file_.path(), "is no data set of Bitquake",
           "name what it holds: data.images_dataset, data.labels_dataset and data.layout");
    }
    if (const auto version = file_.integer_attribute("format_version"); version != kHdf5Version) {
      fail(file_.path(),
           fmt::format("has format version {}, this program reads {}", version, kHdf5Version),
           "use the version of Bitquake that wrote it");
    }
    data_.name = file_.string_attribute("name");
    data_.files = file_.read_strings("files/name");
    categories();
    samples();
    boxes();
    uniform_ = file_.has("images");
    const std::string name = uniform_ ? "images" : "pixels";
    file_.holds<std::uint16_t>(name) ? pixels<std::uint16_t>(name, CV_16U)
                                     : pixels<std::uint8_t>(name, CV_8U);
    return std::move(data_);
  }

 private:
  template <class T>
  std::vector<T> get(const std::string& name, std::uint64_t length) const {
    if (file_.length(name) != length) {
      fail(file_.path(),
           fmt::format("column '{}' has {} rows, expected {}", name, file_.length(name), length));
    }
    return file_.read_column<T>(name);
  }

  void categories() {
    const auto names = file_.read_strings("categories/name");
    const auto numbers = get<std::int64_t>("categories/number", names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      data_.categories.push_back({numbers[i], names[i]});
    }
    const auto before = [](const Category& a, const Category& b) { return a.number < b.number; };
    if (!std::is_sorted(data_.categories.begin(), data_.categories.end(), before)) {
      fail(file_.path(), "categories are not in order");
    }
  }

  void samples() {
    const std::uint64_t n = file_.length("samples/id");
    if (n == 0) fail(file_.path(), "holds no samples");
    const auto labels = get<std::int64_t>("labels", n);
    const auto ids = get<std::uint64_t>("samples/id", n);
    const auto files = get<std::uint32_t>("samples/file", n);
    const auto heights = get<std::int64_t>("samples/height", n);
    const auto widths = get<std::int64_t>("samples/width", n);
    const auto hashes = get<std::uint64_t>("samples/content_hash", n);
    const auto transforms = file_.read_strings("samples/transforms");
    if (transforms.size() != n) fail(file_.path(), "columns of /samples differ in length");
    for (std::uint64_t i = 0; i < n; ++i) {
      if (files[i] >= data_.files.size() || labels[i] < kNoLabel) {
        fail(file_.path(), fmt::format("sample {} has no such file or label", i));
      }
      Sample sample;
      sample.index = i;
      sample.id = ids[i];
      sample.file = file_.path().string();
      sample.file_number = files[i];
      sample.height = heights[i];
      sample.width = widths[i];
      sample.content_hash = hashes[i];
      if (labels[i] != kNoLabel) sample.label = labels[i];
      sample.transforms = transforms[i];
      data_.samples.push_back(std::move(sample));
    }
    if (!file_.has("samples/perturbation")) return;
    data_.perturbations = file_.read_strings("samples/perturbation");
    if (data_.perturbations.size() != n) fail(file_.path(), "columns of /samples differ in length");
  }

  void boxes() {
    const std::uint64_t n = file_.length("boxes/sample");
    const auto owner = get<std::uint64_t>("boxes/sample", n),
               id = get<std::uint64_t>("boxes/id", n);
    const auto x0 = get<double>("boxes/x0", n), y0 = get<double>("boxes/y0", n);
    const auto x1 = get<double>("boxes/x1", n), y1 = get<double>("boxes/y1", n);
    const auto category = get<std::int64_t>("boxes/category", n);
    const auto crowd = get<std::uint8_t>("boxes/crowd", n);
    for (std::uint64_t i = 0; i < n; ++i) {
      if (owner[i] >= data_.samples.size() || crowd[i] > 1) {
        fail(file_.path(), fmt::format("box {} belongs to no sample", i));
      }
      data_.samples[owner[i]].objects.push_back(
          {{x0[i], y0[i], x1[i], y1[i]}, category[i], crowd[i] == 1, id[i]});
    }
  }

  template <class T>
  void pixels(const std::string& name, int depth) {
    const std::uint64_t n = data_.samples.size();
    const auto heights = get<std::uint32_t>("samples/image_height", n);
    const auto widths = get<std::uint32_t>("samples/image_width", n);
    const auto channels = get<std::uint32_t>("samples/channels", n);
    check_memory(file_, array_bytes<T>(file_, name));
    const std::vector<T> all = file_.read_array<T>(name);
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < n; ++i) {
      const bool sides = heights[i] >= 1 && heights[i] <= kMaxSide && widths[i] >= 1 &&
                         widths[i] <= kMaxSide &&
                         (channels[i] == 1 || channels[i] == 3 || channels[i] == 4);
      const std::uint64_t count = std::uint64_t{heights[i]} * widths[i] * channels[i];
      if (!sides || count > all.size() - at) {
        fail(file_.path(), fmt::format("sample {} claims {} x {} x {} values that are not there", i,
                                       heights[i], widths[i], channels[i]));
      }
      cv::Mat& image = data_.samples[i].image;
      image.create(static_cast<int>(heights[i]), static_cast<int>(widths[i]),
                   CV_MAKETYPE(depth, static_cast<int>(channels[i])));
      std::memcpy(image.data, all.data() + at, count * sizeof(T));
      at += count;
    }
    if (at != all.size()) fail(file_.path(), "has more pixels than its samples");
  }

  const h5::File& file_;
  EnrichedData data_;
  bool uniform_ = false;
};

/// Samples that are there already.
class StoredDataset final : public Dataset {
 public:
  StoredDataset(EnrichedData data, std::vector<std::pair<std::string, std::string>> checksums)
      : data_(std::move(data)), checksums_(std::move(checksums)) {}

  std::uint64_t size() const override { return data_.samples.size(); }
  Result<Sample> get(std::uint64_t i) const override {
    Sample sample = data_.samples[i];
    sample.dataset = data_.name;
    sample.image = sample.image.clone();  // the caller may change it
    return sample;
  }
  std::optional<cv::Size> fixed_size() const override {
    const cv::Size first = data_.samples.front().image.size();
    const bool same = std::all_of(data_.samples.begin(), data_.samples.end(),
                                  [&](const Sample& s) { return s.image.size() == first; });
    return same ? std::optional(first) : std::nullopt;
  }
  const std::vector<std::pair<std::string, std::string>>& checksums() const override {
    return checksums_;
  }
  Entry entry(std::uint64_t i) const override {
    const Sample& sample = data_.samples[i];
    return {sample.file_number, sample.index, sample.id, sample.label};
  }
  std::vector<std::string> files() const override { return data_.files; }
  Result<std::uint64_t> content_hash(std::uint64_t i) const override {
    return data_.samples[i].content_hash;
  }
  const std::vector<Category>& categories() const override { return data_.categories; }
  bool perturbed() const override { return !data_.perturbations.empty(); }

 private:
  EnrichedData data_;
  std::vector<std::pair<std::string, std::string>> checksums_;
};

// --- files of other programs ---

template <class T>
std::vector<std::uint8_t> raw_bytes(const h5::File& file, const std::string& name) {
  check_memory(file, array_bytes<T>(file, name));
  const std::vector<T> values = file.read_array<T>(name);
  std::vector<std::uint8_t> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

void read_images(const h5::File& file, const Hdf5Names& names, HeldImages& held) {
  const std::string& name = names.images;
  const auto sizes = file.sizes(name);
  const bool planar = names.layout == Layout::nchw;
  const bool grey = sizes.size() == 3 && !planar, colour = sizes.size() == 4;
  const std::uint64_t channels = grey ? 1 : colour ? sizes[planar ? 1 : 3] : 0;
  const std::size_t height_at = colour && planar ? 2 : 1;
  const auto valid = [](std::uint64_t side) {
    return side >= 1 && side <= static_cast<std::uint64_t>(kMaxSide);
  };
  if ((channels != 1 && channels != 3) || sizes[0] == 0 || !valid(sizes[height_at]) ||
      !valid(sizes[height_at + 1])) {
    fail(file.path(),
         fmt::format("'{}' has shape [{}], expected {}", name, fmt::join(sizes, ", "),
                     planar ? "[samples, 1 or 3, height, width]"
                            : "[samples, height, width, 1 or 3] or [samples, height, width]"),
         "data.layout says which index is the channel: nhwc or nchw");
  }
  held.channels = static_cast<int>(channels);
  held.height = static_cast<int>(sizes[height_at]);
  held.width = static_cast<int>(sizes[height_at + 1]);
  held.planar = planar;
  if (file.holds<std::uint8_t>(name)) {
    held.bytes = raw_bytes<std::uint8_t>(file, name);
  } else if (file.holds<std::uint16_t>(name)) {
    held.depth = CV_16U;
    held.bytes = raw_bytes<std::uint16_t>(file, name);
  } else {
    fail(file.path(), fmt::format("'{}' does not hold uint8 or little-endian uint16", name),
         "store pixels as they are, not normalised");
  }
  held.record_bytes = held.image_bytes();
  held.files = {{file.path().string(), sizes[0]}};
}

template <class T>
bool read_labels_as(const h5::File& file, const std::string& name,
                    std::vector<std::int64_t>& labels) {
  if (!file.holds<T>(name)) return false;
  for (const T value : file.read_column<T>(name)) {
    if (!std::in_range<std::int64_t>(value) || value < T{0}) {
      fail(file.path(), fmt::format("'{}' holds the label {}", name, value),
           "classes are numbered from 0");
    }
    labels.push_back(static_cast<std::int64_t>(value));
  }
  return true;
}

HeldImages read_foreign(const h5::File& file, const Hdf5Names& names) {
  HeldImages held;
  read_images(file, names, held);
  if (!names.labels) return held;
  const std::string& name = *names.labels;
  const bool read = read_labels_as<std::uint8_t>(file, name, held.labels) ||
                    read_labels_as<std::int32_t>(file, name, held.labels) ||
                    read_labels_as<std::int64_t>(file, name, held.labels) ||
                    read_labels_as<std::uint32_t>(file, name, held.labels) ||
                    read_labels_as<std::uint64_t>(file, name, held.labels);
  if (!read) {
    fail(file.path(), fmt::format("'{}' does not hold uint8, or integers of 32 or 64 bits", name),
         "store labels as numbers of classes");
  }
  if (held.labels.size() != held.files[0].samples) {
    fail(file.path(),
         fmt::format("'{}' has {} labels, '{}' has {} images", name, held.labels.size(),
                     names.images, held.files[0].samples),
         "name labels that belong to the images");
  }
  return held;
}

/// Leaves the samples of one perturbation; those keep their Sample::index.
std::optional<Error> keep_perturbation(EnrichedData& data, const std::string& wanted,
                                       const std::filesystem::path& path) {
  std::vector<Sample> kept;
  std::vector<std::string> others;
  for (std::size_t i = 0; i < data.perturbations.size(); ++i) {
    const std::string& label = data.perturbations[i];
    if (label == wanted) {
      kept.push_back(std::move(data.samples[i]));
    } else if (std::find(others.begin(), others.end(), label) == others.end()) {
      others.push_back(label);
    }
  }
  if (kept.empty()) {
    constexpr std::size_t kMostNames = 20;
    const bool more = others.size() > kMostNames;
    others.resize(std::min(others.size(), kMostNames));
    return Error{
        Errc::data, path.string(), "has no samples of the perturbation " + in_quotes(wanted),
        others.empty() ? "remove data.perturbation: the file is not one of bitquake augment"
                       : fmt::format("it has: {}{}", fmt::join(others, ", "), more ? ", …" : ""),
        ""};
  }
  data.perturbations.assign(kept.size(), wanted);
  data.samples = std::move(kept);
  return std::nullopt;
}

OpenedDataset open_own(const std::string& name, const std::filesystem::path& path,
                       const std::optional<std::string>& perturbation) {
  auto data = read_hdf5(path);
  if (!data) return data.error();
  if (perturbation) {
    if (auto failed = keep_perturbation(*data, *perturbation, path)) return *failed;
  }
  data->name = name;
  auto checksum = checksum_of(path);
  if (!checksum) return checksum.error();
  return std::shared_ptr<const Dataset>(std::make_shared<StoredDataset>(
      std::move(*data), std::vector<std::pair<std::string, std::string>>{std::move(*checksum)}));
}

}  // namespace

void write_hdf5(const std::filesystem::path& path, const EnrichedData& data) {
  write_durably(path, [&](const std::filesystem::path& temporary) {
    h5::File file = h5::File::create(temporary, Errc::results);
    Writer(file, data).write();
    file.close();
    seal_file(temporary);
  });
}

bool is_bitquake_hdf5(const std::filesystem::path& path) {
  const auto content = read_checked(path, SealRule::mandatory, [](const h5::File& file) {
    return file.string_attribute("content");
  });
  return content && *content == kContent;
}

Result<EnrichedData> read_hdf5(const std::filesystem::path& path) {
  return read_checked(path, SealRule::mandatory,
                      [](const h5::File& file) { return Reader(file).read(); });
}

OpenedDataset open_hdf5(const std::string& name, const std::filesystem::path& file,
                        const std::optional<Hdf5Names>& names,
                        const std::optional<std::filesystem::path>& classes,
                        const std::optional<std::string>& perturbation) {
  if (!names) return open_own(name, file, perturbation);
  auto held = read_checked(file, SealRule::optional,
                           [&](const h5::File& opened) { return read_foreign(opened, *names); });
  if (!held) return held.error();
  held->name = name;
  auto checksum = checksum_of(file);
  if (!checksum) return checksum.error();
  held->checksums.push_back(std::move(*checksum));
  if (auto failed = add_categories(*held, classes, std::nullopt)) return *failed;
  return hold(std::move(*held));
}

}  // namespace bitquake::datasets
