#include "datasets/held_images.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace bitquake::datasets {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint8_t kUnsignedByte = 0x08;  ///< type code in the third byte of the magic number
constexpr std::uint64_t kMaxSide = 65'536;    ///< pixels; far above any real image
constexpr std::uint64_t kPiece = 1U << 20;    ///< bytes read at a time

Error data_error(const std::filesystem::path& path, std::string what, std::string hint) {
  return {Errc::data, path.string(), std::move(what), std::move(hint), ""};
}

/// A file read through zlib, which passes plain files on unchanged.
class GzFile {
 public:
  static Result<GzFile> open(const std::filesystem::path& path) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
      return data_error(path, "is a directory, expected an idx file", "name the file itself");
    }
    errno = 0;
    GzFile file(path, gzopen(path.c_str(), "rb"));
    if (file.file_ == nullptr) {
      const int reason = errno != 0 ? errno : ENOMEM;
      return data_error(path, std::string("cannot be opened: ") + std::strerror(reason),
                        "check the path");
    }
    gzbuffer(file.file_.get(), 1U << 17);
    return file;
  }

  /// Appends up to `count` bytes; fewer only at the end of the file.
  Result<std::monostate> append(Bytes& bytes, std::uint64_t count) {
    // Piece by piece: memory follows what the file really holds, not what its header claims.
    while (count > 0) {
      const auto piece = static_cast<unsigned>(std::min(count, kPiece));
      const std::size_t old_size = bytes.size();
      bytes.resize(old_size + piece);
      const int got = gzread(file_.get(), bytes.data() + old_size, piece);
      int status = Z_OK;
      const char* message = gzerror(file_.get(), &status);
      if (got < 0 || (status != Z_OK && status != Z_STREAM_END)) {
        return data_error(path_,
                          status == Z_ERRNO ? std::string("cannot be read: ") + std::strerror(errno)
                                            : std::string("is damaged or truncated: ") + message,
                          "fetch or copy the file again");
      }
      bytes.resize(old_size + static_cast<std::size_t>(got));
      if (static_cast<unsigned>(got) < piece) break;
      count -= piece;
    }
    return std::monostate{};
  }

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose_r(file); }
  };
  GzFile(std::filesystem::path path, gzFile file) : path_(std::move(path)), file_(file) {}

  std::filesystem::path path_;
  std::unique_ptr<gzFile_s, Close> file_;
};

/// What an idx file holds: unsigned bytes of the given dimensions.
struct IdxArray {
  std::vector<std::uint64_t> dims;
  Bytes values;
};

std::uint64_t big_endian_32(const std::uint8_t* bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < 4; ++i) value = (value << 8) | bytes[i];
  return value;
}

std::string hex_bytes(const Bytes& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    if (!text.empty()) text += ' ';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

/// Magic number: two zero bytes, the type code, the rank.
std::optional<Error> check_magic(const std::filesystem::path& path, const Bytes& magic,
                                 std::size_t rank, const std::string& content) {
  const Bytes expected{0, 0, kUnsignedByte, static_cast<std::uint8_t>(rank)};
  if (magic == expected) return std::nullopt;
  return data_error(path,
                    "expected an idx file of " + content + ", which begins with " +
                        hex_bytes(expected) + "; got " +
                        (magic.empty() ? std::string("an empty file") : hex_bytes(magic)),
                    "check that images and labels are not swapped and the file is an idx file of "
                    "unsigned bytes, plain or gzip");
}

std::optional<Error> check_dims(const std::filesystem::path& path,
                                const std::vector<std::uint64_t>& dims) {
  static constexpr std::array kNames{"number of items", "height", "width"};
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const bool too_large = i > 0 && dims[i] > kMaxSide;
    if (dims[i] != 0 && !too_large) continue;
    return data_error(
        path,
        std::string("header says ") + kNames[i] + " " + std::to_string(dims[i]) + ", expected " +
            (i == 0 ? std::string("at least 1") : "1 to " + std::to_string(kMaxSide) + " pixels"),
        "the header is damaged; fetch or copy the file again");
  }
  return std::nullopt;
}

std::vector<std::uint64_t> sizes_of(const Bytes& header) {
  std::vector<std::uint64_t> sizes;
  for (std::size_t at = 0; at < header.size(); at += 4) sizes.push_back(big_endian_32(&header[at]));
  return sizes;
}

/// Reads a whole idx file. Format: LeCun, Cortes, Burges, "The MNIST database", section FILE
/// FORMATS.
Result<IdxArray> read_idx(const std::filesystem::path& path, std::size_t rank,
                          const std::string& content) {
  auto file = GzFile::open(path);
  if (!file) return file.error();

  Bytes magic;
  if (auto read = file->append(magic, 4); !read) return read.error();
  if (const auto error = check_magic(path, magic, rank, content)) return *error;

  Bytes header;
  if (auto read = file->append(header, 4 * rank); !read) return read.error();
  if (header.size() < 4 * rank) {
    return data_error(path,
                      "is truncated: expected a header of " + std::to_string(4 + 4 * rank) +
                          " bytes, got " + std::to_string(4 + header.size()),
                      "fetch or copy the file again");
  }
  IdxArray array{sizes_of(header), {}};
  if (const auto error = check_dims(path, array.dims)) return *error;

  std::uint64_t expected = 1;  // at most 2^32 * 2^16 * 2^16: read on before it could overflow
  for (const std::uint64_t size : array.dims) {
    if (__builtin_mul_overflow(expected, size, &expected) || expected >= (1ULL << 62)) {
      return data_error(path, "header says more than 2^62 bytes of data",
                        "the header is damaged; fetch or copy the file again");
    }
  }
  // One byte more than promised shows trailing data and makes zlib verify the checksum at the end.
  if (auto read = file->append(array.values, expected + 1); !read) return read.error();
  if (array.values.size() != expected) {
    const bool longer = array.values.size() > expected;
    return data_error(path,
                      "header says " + std::to_string(expected) + " bytes of data, got " +
                          (longer ? std::string("more") : std::to_string(array.values.size())),
                      longer ? "the file has trailing bytes or a damaged header"
                             : "the file is truncated; fetch or copy it again");
  }
  return array;
}

}  // namespace

Result<std::optional<std::vector<std::uint64_t>>> idx_sizes(const std::filesystem::path& path) {
  const std::optional<std::vector<std::uint64_t>> none;
  auto file = GzFile::open(path);
  if (!file) return file.error();
  Bytes magic, header;
  if (auto read = file->append(magic, 4); !read) return read.error();
  const std::size_t rank = magic.size() == 4 ? magic[3] : 0;
  if (rank == 0 || magic != Bytes{0, 0, kUnsignedByte, magic[3]}) return none;
  if (auto read = file->append(header, 4 * rank); !read) return read.error();
  if (header.size() < 4 * rank) return none;
  return std::optional(sizes_of(header));
}

OpenedDataset open_idx(const std::string& name, const std::filesystem::path& images,
                       const std::optional<std::filesystem::path>& labels,
                       const std::optional<std::filesystem::path>& class_names) {
  auto pixels = read_idx(images, 3, "images");
  if (!pixels) return pixels.error();

  std::optional<Bytes> classes;
  std::vector<std::filesystem::path> files{images};
  if (labels) {
    auto read = read_idx(*labels, 1, "labels");
    if (!read) return read.error();
    if (read->dims[0] != pixels->dims[0]) {
      return data_error(*labels,
                        "has " + std::to_string(read->dims[0]) +
                            " labels, expected one for each of " + std::to_string(pixels->dims[0]) +
                            " images in " + images.string(),
                        "use the images and labels of the same part of the data set");
    }
    classes = std::move(read->values);
    files.push_back(*labels);
  }

  HeldImages held;
  for (const auto& file : files) {
    auto checksum = checksum_of(file);
    if (!checksum) return checksum.error();
    held.checksums.push_back(std::move(*checksum));
  }
  held.name = name;
  held.files = {{images.string(), pixels->dims[0]}};
  held.height = static_cast<int>(pixels->dims[1]);
  held.width = static_cast<int>(pixels->dims[2]);
  held.record_bytes = held.image_bytes();
  held.bytes = std::move(pixels->values);
  if (classes) held.labels.assign(classes->begin(), classes->end());
  if (auto failed = add_categories(held, class_names, std::nullopt)) return *failed;
  return hold(std::move(held));
}

}  // namespace bitquake::datasets
