#include "suite/base/h5.hpp"

#include "suite/base/durable.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <libdeflate.h>
#include <memory>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace bitquake::h5 {
namespace {

template <class T>
hid_t native_type();
template <>
hid_t native_type<std::uint8_t>() {
  return H5T_STD_U8LE;
}
template <>
hid_t native_type<std::uint16_t>() {
  return H5T_STD_U16LE;
}
template <>
hid_t native_type<std::uint32_t>() {
  return H5T_STD_U32LE;
}
template <>
hid_t native_type<std::uint64_t>() {
  return H5T_STD_U64LE;
}
template <>
hid_t native_type<std::int32_t>() {
  return H5T_STD_I32LE;
}
template <>
hid_t native_type<std::int64_t>() {
  return H5T_STD_I64LE;
}
template <>
hid_t native_type<float>() {
  return H5T_IEEE_F32LE;
}
template <>
hid_t native_type<double>() {
  return H5T_IEEE_F64LE;
}

constexpr unsigned kDeflateLevel = 1;
constexpr unsigned kDeflatePosition = 1;  ///< in a chunk's filters: behind shuffle

/// HDF5 prints its error stack by itself unless told not to; Bitquake reports once, in its own
/// words. At exit HDF5 closes what is open, and crashes (1.10.8) on a file that could not be
/// written; Bitquake closes its files itself.
void set_up_library() {
  [[maybe_unused]] static const herr_t once = H5dont_atexit();
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

/// What the operating system said, from the error stack, such as "No space left on device"; empty
/// when the error is not its.
std::string system_error() {
  std::string text;
  const H5E_walk2_t find = [](unsigned, const H5E_error2_t* error, void* result) -> herr_t {
    constexpr std::string_view kBefore = "error message = '";
    const std::string_view description = error->desc != nullptr ? error->desc : "";
    const std::size_t begin = description.find(kBefore);
    if (begin == std::string_view::npos) return 0;
    const std::string_view rest = description.substr(begin + kBefore.size());
    *static_cast<std::string*>(result) = rest.substr(0, rest.find('\''));
    return 1;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, find, &text);
  return text;
}

Handle variable_string_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  if (type < 0 || H5Tset_size(type, H5T_VARIABLE) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0) {
    throw Exception({Errc::internal, "", "HDF5 could not make a string type", "", ""});
  }
  return type;
}

/// Fixed-length strings keep bytes a function of the values alone and compress with the column.
Handle fixed_string_type(std::size_t size) {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  if (type < 0 || H5Tset_size(type, std::max<std::size_t>(size, 1)) < 0 ||
      H5Tset_cset(type, H5T_CSET_UTF8) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0) {
    throw Exception({Errc::internal, "", "HDF5 could not make a string type", "", ""});
  }
  return type;
}

hsize_t chunk_rows(std::uint64_t length) { return std::min<std::uint64_t>(length, kChunkRows); }

/// HDF5's shuffle: the lowest bytes of all values, then the next ones. Rows that a last chunk lacks
/// are zero, HDF5's fill value.
template <class T>
std::vector<std::byte> shuffle(std::span<const T> values, std::size_t rows) {
  using Bits = std::conditional_t<
      sizeof(T) == 1, std::uint8_t,
      std::conditional_t<sizeof(T) == 2, std::uint16_t,
                         std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>>;
  std::vector<std::byte> bytes(rows * sizeof(T));
  for (std::size_t b = 0; b < sizeof(T); ++b) {
    std::byte* plane = bytes.data() + b * rows;
    for (std::size_t i = 0; i < values.size(); ++i) {
      plane[i] = static_cast<std::byte>(std::bit_cast<Bits>(values[i]) >> (8 * b));
    }
  }
  return bytes;
}

/// Compresses as HDF5's deflate filter would, in less time. One per thread.
class Deflate {
 public:
  /// Empty when the bytes do not get fewer.
  std::span<const std::byte> compress(std::span<const std::byte> bytes) {
    if (compressor_ == nullptr) {
      throw Exception({Errc::internal, "", "libdeflate could not make a compressor", "", ""});
    }
    buffer_.resize(bytes.size());
    const std::size_t size = libdeflate_zlib_compress(compressor_.get(), bytes.data(), bytes.size(),
                                                      buffer_.data(), buffer_.size());
    return std::span(buffer_).first(size);
  }

 private:
  std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor_{
      libdeflate_alloc_compressor(kDeflateLevel), libdeflate_free_compressor};
  std::vector<std::byte> buffer_;
};

/// Whether a column of `count` values of `width` bytes can come out of the file at all. A damaged
/// header can claim any length: this bounds memory before anything is allocated. Deflate shrinks by
/// 1032 at most (Deutsch, RFC 1951: 258 bytes for 2 bits).
bool plausible(hid_t file, std::uint64_t count, std::uint64_t width) {
  constexpr std::uint64_t kMostShrink = 1032;
  hsize_t file_bytes = 0;
  std::uint64_t bytes = 0;
  return H5Fget_filesize(file, &file_bytes) >= 0 && !__builtin_mul_overflow(count, width, &bytes) &&
         bytes / kMostShrink <= file_bytes;
}

}  // namespace

void File::fail(const char* action, const std::string& name) const {
  const std::string reason = system_error();
  throw Exception({code_, path_.string(),
                   std::string(action) + (name.empty() ? "" : " '" + name + "'") + " failed" +
                       (reason.empty() ? "" : ": " + reason),
                   writable_ ? kWriteHint : "the file may be truncated or of another format", ""});
}

hid_t File::check(hid_t id, const char* action, const std::string& name) const {
  if (id < 0) fail(action, name);
  return id;
}

File File::create(const std::filesystem::path& path, Errc code) {
  set_up_library();
  const Handle properties(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
  if (properties < 0 || H5Pset_obj_track_times(properties, false) < 0) {
    throw Exception({Errc::internal, path.string(), "HDF5 could not make file properties", "", ""});
  }
  Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, properties, H5P_DEFAULT), H5Fclose);
  if (file < 0) {
    const std::string reason = system_error();
    throw Exception({code, path.string(),
                     "cannot be created" + (reason.empty() ? "" : ": " + reason), kWriteHint, ""});
  }
  return File(std::move(file), path, code, true);
}

bool is_hdf5(const std::filesystem::path& path) {
  set_up_library();
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) && H5Fis_hdf5(path.c_str()) > 0;
}

Result<File> File::open(const std::filesystem::path& path, Errc code) {
  set_up_library();
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return Error{code, path.string(), "no such file", "check the path", ""};
  }
  if (std::filesystem::is_directory(path, ignored) || H5Fis_hdf5(path.c_str()) <= 0) {
    return Error{code, path.string(), "is not an HDF5 file, or is truncated",
                 "check the path; copy the file again if it was copied", ""};
  }
  Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (file < 0)
    return Error{code, path.string(), "is damaged or truncated",
                 "copy the file again, or make it anew", ""};
  return File(std::move(file), path, code, false);
}

Handle File::create_dataset(const std::string& name, hid_t type, std::uint64_t length) const {
  const hsize_t sizes[1] = {length}, chunk[1] = {chunk_rows(length)};
  return create_dataset(name, type, sizes, chunk);
}

Handle File::create_dataset(const std::string& name, hid_t type, std::span<const hsize_t> sizes,
                            std::span<const hsize_t> chunk) const {
  const auto rank = static_cast<int>(sizes.size());
  const Handle space(
      check(H5Screate_simple(rank, sizes.data(), nullptr), "making a data space for", name),
      H5Sclose);
  const Handle links(check(H5Pcreate(H5P_LINK_CREATE), "making", name), H5Pclose);
  const Handle properties(check(H5Pcreate(H5P_DATASET_CREATE), "making", name), H5Pclose);
  check(H5Pset_create_intermediate_group(links, 1), "making", name);
  check(H5Pset_obj_track_times(properties, false), "making", name);
  if (std::find(sizes.begin(), sizes.end(), 0) == sizes.end()) {
    check(H5Pset_chunk(properties, rank, chunk.data()), "making", name);
    check(H5Pset_shuffle(properties), "making", name);
    check(H5Pset_deflate(properties, kDeflateLevel), "making", name);
  }
  return {check(H5Dcreate2(file_, name.c_str(), type, space, links, properties, H5P_DEFAULT),
                "making", name),
          H5Dclose};
}

void File::annotate(hid_t dataset, const ColumnDoc& doc) const {
  const auto write = [&](const char* key, const std::string& text) {
    const Handle type = fixed_string_type(text.size());
    const Handle space(check(H5Screate(H5S_SCALAR), "annotating", key), H5Sclose);
    const Handle attribute(
        check(H5Acreate2(dataset, key, type, space, H5P_DEFAULT, H5P_DEFAULT), "annotating", key),
        H5Aclose);
    const std::string padded = text.empty() ? std::string(1, '\0') : text;
    check(H5Awrite(attribute, type, padded.data()), "annotating", key);
  };
  write("units", doc.units);
  write("doc", doc.doc);
}

template <class T>
void ColumnWriter::write(std::span<const T> piece) {
  assert(written_ % kChunkRows == 0 && piece.size() <= length_ - written_);
  assert(piece.size() == kChunkRows || written_ + piece.size() == length_);
  if (piece.empty()) return;
  write_chunk(shuffle(piece, chunk_rows(length_)), piece.size());
}

void ColumnWriter::write_chunk(std::span<const std::byte> shuffled, std::uint64_t rows) {
  thread_local Deflate deflate;
  std::span<const std::byte> stored = deflate.compress(shuffled);
  std::uint32_t skipped_filters = 0;
  if (stored.empty()) {
    stored = shuffled;
    skipped_filters = 1U << kDeflatePosition;
  }
  const hsize_t offset[1] = {written_};
  if (H5Dwrite_chunk(dataset_, H5P_DEFAULT, skipped_filters, offset, stored.size(), stored.data()) <
      0) {
    file_->fail("writing", name_);
  }
  written_ += rows;
}

template <class T>
ColumnWriter File::create_column(const std::string& name, std::uint64_t length,
                                 const ColumnDoc& doc) {
  Handle dataset = create_dataset(name, native_type<T>(), length);
  annotate(dataset, doc);
  return {*this, name, std::move(dataset), length};
}

template <class T>
void File::write_column(const std::string& name, std::span<const T> values, const ColumnDoc& doc) {
  ColumnWriter column = create_column<T>(name, values.size(), doc);
  for (std::uint64_t begin = 0; begin < values.size(); begin += kChunkRows) {
    column.write(values.subspan(begin, std::min(kChunkRows, values.size() - begin)));
  }
}

void File::write_strings(const std::string& name, const std::vector<std::string>& values,
                         const ColumnDoc& doc) {
  std::size_t width = 1;
  for (const std::string& value : values) width = std::max(width, value.size());
  std::string packed(width * values.size(), '\0');
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::memcpy(packed.data() + i * width, values[i].data(), values[i].size());
  }
  const Handle type = fixed_string_type(width);
  const Handle dataset = create_dataset(name, type, values.size());
  if (!values.empty()) {
    check(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, packed.data()), "writing", name);
  }
  annotate(dataset, doc);
}

Handle File::open_dataset(const std::string& name) const {
  if (!has(name)) {
    throw Exception({code_, path_.string(), "has no column '" + name + "'",
                     "the file is of another format or version", ""});
  }
  return {check(H5Dopen2(file_, name.c_str(), H5P_DEFAULT), "opening", name), H5Dclose};
}

bool File::has(const std::string& name) const {
  // H5Lexists demands that each intermediate group exists.
  for (std::size_t end = name.find('/', 1); end != std::string::npos;
       end = name.find('/', end + 1)) {
    if (H5Lexists(file_, name.substr(0, end).c_str(), H5P_DEFAULT) <= 0) return false;
  }
  return H5Lexists(file_, name.c_str(), H5P_DEFAULT) > 0;
}

std::uint64_t File::length(const std::string& name) const {
  const Handle dataset = open_dataset(name);
  const Handle space(check(H5Dget_space(dataset), "reading", name), H5Sclose);
  if (H5Sget_simple_extent_ndims(space) != 1) {
    throw Exception(
        {code_, path_.string(), "column '" + name + "' is not one-dimensional", "", ""});
  }
  hsize_t dims[1] = {0};
  if (H5Sget_simple_extent_dims(space, dims, nullptr) < 0) fail("reading", name);
  return dims[0];
}

template <class T>
std::vector<T> File::read_column(const std::string& name) const {
  return read_column<T>(name, 0, length(name));
}

template <class T>
std::vector<T> File::read_column(const std::string& name, std::uint64_t offset,
                                 std::uint64_t count) const {
  const std::uint64_t total = length(name);
  if (offset > total || count > total - offset) {
    throw Exception({code_, path_.string(),
                     "column '" + name + "' has " + std::to_string(total) + " rows, wanted rows " +
                         std::to_string(offset) + " to " + std::to_string(offset + count),
                     "", ""});
  }
  const Handle dataset = open_dataset(name);
  const Handle stored(check(H5Dget_type(dataset), "reading", name), H5Tclose);
  if (H5Tequal(stored, native_type<T>()) <= 0) {
    throw Exception({code_, path_.string(), "column '" + name + "' has an unexpected number type",
                     "the file is of another format or version", ""});
  }
  if (!plausible(file_, total, sizeof(T))) fail("reading", name);
  std::vector<T> values(count);
  if (count == 0) return values;
  const Handle space(check(H5Dget_space(dataset), "reading", name), H5Sclose);
  const hsize_t start[1] = {offset};
  const hsize_t counts[1] = {count};
  check(H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, counts, nullptr), "reading",
        name);
  const Handle memory(check(H5Screate_simple(1, counts, nullptr), "reading", name), H5Sclose);
  check(H5Dread(dataset, native_type<T>(), memory, space, H5P_DEFAULT, values.data()), "reading",
        name);
  return values;
}

std::vector<std::string> File::read_strings(const std::string& name) const {
  const std::uint64_t count = length(name);
  const Handle dataset = open_dataset(name);
  const Handle stored(check(H5Dget_type(dataset), "reading", name), H5Tclose);
  if (H5Tget_class(stored) != H5T_STRING || H5Tis_variable_str(stored) != 0) {
    throw Exception({code_, path_.string(), "column '" + name + "' does not hold strings", "", ""});
  }
  const std::size_t width = H5Tget_size(stored);
  if (width == 0 || !plausible(file_, count, width)) fail("reading", name);
  std::string packed(width * count, '\0');
  if (count > 0) {
    check(H5Dread(dataset, stored, H5S_ALL, H5S_ALL, H5P_DEFAULT, packed.data()), "reading", name);
  }
  std::vector<std::string> values;
  values.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string cell = packed.substr(i * width, width);
    values.push_back(cell.substr(0, cell.find('\0')));
  }
  return values;
}

template <class T>
void File::write_array(const std::string& name, const std::vector<std::uint64_t>& sizes,
                       std::span<const T> values, const ColumnDoc& doc) {
  const std::vector<hsize_t> all(sizes.begin(), sizes.end());
  std::vector<hsize_t> chunk = all;
  chunk.at(0) = 1;
  const Handle dataset = create_dataset(name, native_type<T>(), all, chunk);
  annotate(dataset, doc);
  if (values.empty()) return;
  check(H5Dwrite(dataset, native_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
        "writing", name);
}

template <class T>
std::vector<T> File::read_array(const std::string& name) const {
  std::uint64_t count = 1;
  bool fits = true;
  for (const std::uint64_t size : sizes(name)) {
    fits = fits && !__builtin_mul_overflow(count, size, &count);
  }
  if (!holds<T>(name)) {
    throw Exception({code_, path_.string(), "'" + name + "' has an unexpected number type",
                     "the file is of another format or version", ""});
  }
  if (!fits || !plausible(file_, count, sizeof(T))) fail("reading", name);
  std::vector<T> values(count);
  if (count == 0) return values;
  const Handle dataset = open_dataset(name);
  check(H5Dread(dataset, native_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), "reading",
        name);
  return values;
}

std::vector<std::uint64_t> File::sizes(const std::string& name) const {
  const Handle dataset = open_dataset(name);
  const Handle space(check(H5Dget_space(dataset), "reading", name), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank < 0) fail("reading", name);
  std::vector<hsize_t> sizes(static_cast<std::size_t>(rank));
  if (rank > 0 && H5Sget_simple_extent_dims(space, sizes.data(), nullptr) < 0) {
    fail("reading", name);
  }
  return {sizes.begin(), sizes.end()};
}

template <class T>
bool File::holds(const std::string& name) const {
  const Handle dataset = open_dataset(name);
  const Handle stored(check(H5Dget_type(dataset), "reading", name), H5Tclose);
  return H5Tequal(stored, native_type<T>()) > 0;
}

void File::set_attribute(const std::string& name, const std::string& value) {
  // Attributes over 64 KiB would need dense storage; a scenario text is far smaller. Variable
  // length keeps h5py showing a plain str.
  const Handle type = variable_string_type();
  const Handle space(check(H5Screate(H5S_SCALAR), "writing attribute", name), H5Sclose);
  const Handle attribute(
      check(H5Acreate2(file_, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT),
            "writing attribute", name),
      H5Aclose);
  const char* text = value.c_str();
  check(H5Awrite(attribute, type, &text), "writing attribute", name);
}

void File::set_attribute(const std::string& name, std::uint64_t value) {
  const Handle space(check(H5Screate(H5S_SCALAR), "writing attribute", name), H5Sclose);
  const Handle attribute(
      check(H5Acreate2(file_, name.c_str(), H5T_STD_U64LE, space, H5P_DEFAULT, H5P_DEFAULT),
            "writing attribute", name),
      H5Aclose);
  check(H5Awrite(attribute, H5T_STD_U64LE, &value), "writing attribute", name);
}

bool File::has_attribute(const std::string& name) const {
  return H5Aexists(file_, name.c_str()) > 0;
}

std::string File::string_attribute(const std::string& name) const {
  if (!has_attribute(name)) {
    throw Exception({code_, path_.string(), "has no attribute '" + name + "'",
                     "the file is of another format or version", ""});
  }
  const Handle attribute(check(H5Aopen(file_, name.c_str(), H5P_DEFAULT), "reading", name),
                         H5Aclose);
  const Handle stored(check(H5Aget_type(attribute), "reading", name), H5Tclose);
  const Handle space(check(H5Aget_space(attribute), "reading", name), H5Sclose);
  if (H5Tget_class(stored) != H5T_STRING || H5Tis_variable_str(stored) <= 0 ||
      H5Sget_simple_extent_npoints(space) != 1) {
    throw Exception({code_, path_.string(), "attribute '" + name + "' is not a string", "", ""});
  }
  const Handle type = variable_string_type();
  char* text = nullptr;
  check(H5Aread(attribute, type, static_cast<void*>(&text)), "reading attribute", name);
  std::string value = text != nullptr ? text : "";
  H5free_memory(text);
  return value;
}

std::uint64_t File::integer_attribute(const std::string& name) const {
  if (!has_attribute(name)) {
    throw Exception({code_, path_.string(), "has no attribute '" + name + "'",
                     "the file is of another format or version", ""});
  }
  const Handle attribute(check(H5Aopen(file_, name.c_str(), H5P_DEFAULT), "reading", name),
                         H5Aclose);
  const Handle stored(check(H5Aget_type(attribute), "reading", name), H5Tclose);
  const Handle space(check(H5Aget_space(attribute), "reading", name), H5Sclose);
  if (H5Tget_class(stored) != H5T_INTEGER || H5Sget_simple_extent_npoints(space) != 1) {
    throw Exception({code_, path_.string(), "attribute '" + name + "' is not an integer", "", ""});
  }
  // HDF5 would read a negative number as 0.
  if (H5Tget_sign(stored) == H5T_SGN_2) {
    std::int64_t value = 0;
    check(H5Aread(attribute, H5T_NATIVE_INT64, &value), "reading attribute", name);
    if (value >= 0) return static_cast<std::uint64_t>(value);
    throw Exception({code_, path_.string(),
                     "attribute '" + name + "' is " + std::to_string(value) +
                         ", expected a number that is not negative",
                     "", ""});
  }
  std::uint64_t value = 0;
  check(H5Aread(attribute, H5T_NATIVE_UINT64, &value), "reading attribute", name);
  return value;
}

ColumnDoc File::column_doc(const std::string& name) const {
  const Handle dataset = open_dataset(name);
  const auto read = [&](const char* key) -> std::string {
    if (H5Aexists(dataset, key) <= 0) return {};
    const Handle attribute(check(H5Aopen(dataset, key, H5P_DEFAULT), "reading", key), H5Aclose);
    const Handle stored(check(H5Aget_type(attribute), "reading", key), H5Tclose);
    const Handle space(check(H5Aget_space(attribute), "reading", key), H5Sclose);
    if (H5Tget_class(stored) != H5T_STRING || H5Tis_variable_str(stored) != 0 ||
        H5Sget_simple_extent_npoints(space) != 1) {
      throw Exception(
          {code_, path_.string(),
           std::string("attribute '") + key + "' of column '" + name + "' is not a string", "",
           ""});
    }
    std::string text(H5Tget_size(stored), '\0');
    check(H5Aread(attribute, stored, text.data()), "reading", key);
    return text.substr(0, text.find('\0'));
  };
  return {read("units"), read("doc")};
}

void File::close() {
  if (H5Fflush(file_, H5F_SCOPE_LOCAL) < 0) fail("writing", "");
  file_ = Handle();
}

#define BITQUAKE_H5_COLUMN(T)                                                                    \
  template void ColumnWriter::write<T>(std::span<const T>);                                      \
  template ColumnWriter File::create_column<T>(const std::string&, std::uint64_t,                \
                                               const ColumnDoc&);                                \
  template void File::write_column<T>(const std::string&, std::span<const T>, const ColumnDoc&); \
  template void File::write_array<T>(const std::string&, const std::vector<std::uint64_t>&,      \
                                     std::span<const T>, const ColumnDoc&);                      \
  template std::vector<T> File::read_array<T>(const std::string&) const;                         \
  template bool File::holds<T>(const std::string&) const;                                        \
  template std::vector<T> File::read_column<T>(const std::string&) const;                        \
  template std::vector<T> File::read_column<T>(const std::string&, std::uint64_t, std::uint64_t) \
      const;
BITQUAKE_H5_COLUMN(std::uint8_t)
BITQUAKE_H5_COLUMN(std::uint16_t)
BITQUAKE_H5_COLUMN(std::uint32_t)
BITQUAKE_H5_COLUMN(std::uint64_t)
BITQUAKE_H5_COLUMN(std::int32_t)
BITQUAKE_H5_COLUMN(std::int64_t)
BITQUAKE_H5_COLUMN(float)
BITQUAKE_H5_COLUMN(double)
#undef BITQUAKE_H5_COLUMN

}  // namespace bitquake::h5
