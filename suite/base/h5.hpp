#pragma once

#include "suite/base/result.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <hdf5.h>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// Thin RAII over the C API of HDF5: files whose groups hold 1-D columns of equal length. Every C
/// call is checked and failures name file and object. HDF5 is not thread-safe here: all handles of
/// a process belong to one thread at a time.
namespace bitquake::h5 {

/// An owned HDF5 identifier together with the function that closes it.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle() = default;
  Handle(hid_t id, Close close) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  operator hid_t() const { return id_; }  // NOLINT(*-explicit-*): passed to the C API

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

/// What a column holds, for people: stored as the attributes `units` ("1" for none) and `doc`.
struct ColumnDoc {
  std::string units = "1";
  std::string doc;
};

class File;

/// Whether a file is there and begins as HDF5 files do.
bool is_hdf5(const std::filesystem::path& path);

/// Rows of a chunk: what is compressed at once. Pieces of this length are written fastest.
inline constexpr std::uint64_t kChunkRows = 16384;

/// A column of a file that is being written, piece by piece from its first row on. Members throw
/// Exception. The file must outlive it.
class ColumnWriter {
 public:
  /// The next rows: kChunkRows of them, or what is left. T is the column's.
  template <class T>
  void write(std::span<const T> piece);

 private:
  friend class File;
  ColumnWriter(const File& file, std::string name, Handle dataset, std::uint64_t length)
      : file_(&file), name_(std::move(name)), dataset_(std::move(dataset)), length_(length) {}
  void write_chunk(std::span<const std::byte> shuffled, std::uint64_t rows);

  const File* file_;
  std::string name_;
  Handle dataset_;
  std::uint64_t length_, written_ = 0;
};

/// An HDF5 file open for writing or reading. Members throw Exception; its code is the one given
/// when the file was created or opened. Names are paths such as "faults/site"; groups are made on
/// demand. Bytes written depend on the values alone: no timestamps. T is uint8, uint16, uint32,
/// uint64, int32, int64, float or double.
class File {
 public:
  /// Creates or truncates.
  static File create(const std::filesystem::path& path, Errc code);
  /// Read-only. A file that is missing, truncated or of another format is an error, not a throw.
  static Result<File> open(const std::filesystem::path& path, Errc code);

  /// A column of `length` rows that the writer must fill.
  template <class T>
  ColumnWriter create_column(const std::string& name, std::uint64_t length, const ColumnDoc& doc);
  template <class T>
  void write_column(const std::string& name, std::span<const T> values, const ColumnDoc& doc);
  /// A column of get(row) for each of the rows: a range with subscripts.
  template <class T, class Rows, class Get>
  void write_column(const std::string& name, const Rows& rows, Get get, const ColumnDoc& doc);
  void write_strings(const std::string& name, const std::vector<std::string>& values,
                     const ColumnDoc& doc);

  template <class T>
  std::vector<T> read_column(const std::string& name) const;
  /// `count` values from `offset` on.
  template <class T>
  std::vector<T> read_column(const std::string& name, std::uint64_t offset,
                             std::uint64_t count) const;
  /// Calls take(row, value) for all rows; only some are in memory at once.
  template <class T, class Take>
  void read_each(const std::string& name, Take take) const;
  std::vector<std::string> read_strings(const std::string& name) const;

  /// An array of any rank, the last index fastest; one entry of the first index is a chunk.
  template <class T>
  void write_array(const std::string& name, const std::vector<std::uint64_t>& sizes,
                   std::span<const T> values, const ColumnDoc& doc);
  template <class T>
  std::vector<T> read_array(const std::string& name) const;
  /// Sizes of an array's dimensions; empty for a scalar.
  std::vector<std::uint64_t> sizes(const std::string& name) const;
  /// Whether the numbers of an array are T, in the order of bytes that it is written in here.
  template <class T>
  bool holds(const std::string& name) const;

  bool has(const std::string& name) const;
  bool has_attribute(const std::string& name) const;
  std::uint64_t length(const std::string& name) const;

  /// Attributes of the root group.
  void set_attribute(const std::string& name, const std::string& value);
  void set_attribute(const std::string& name, std::uint64_t value);
  std::string string_attribute(const std::string& name) const;
  /// Of any integer type; a negative number is an error.
  std::uint64_t integer_attribute(const std::string& name) const;

  /// `units` and `doc` of a column.
  ColumnDoc column_doc(const std::string& name) const;

  /// Closes and reports what a destructor could not: a write that failed late (full disk).
  void close();

  const std::filesystem::path& path() const { return path_; }

 private:
  friend class ColumnWriter;
  File(Handle file, std::filesystem::path path, Errc code, bool writable)
      : file_(std::move(file)), path_(std::move(path)), code_(code), writable_(writable) {}

  hid_t check(hid_t id, const char* action, const std::string& name) const;
  [[noreturn]] void fail(const char* action, const std::string& name) const;
  Handle create_dataset(const std::string& name, hid_t type, std::span<const hsize_t> sizes,
                        std::span<const hsize_t> chunk) const;
  Handle create_dataset(const std::string& name, hid_t type, std::uint64_t length) const;
  void annotate(hid_t dataset, const ColumnDoc& doc) const;
  Handle open_dataset(const std::string& name) const;

  Handle file_;
  std::filesystem::path path_;
  Errc code_;
  bool writable_;
};

template <class T, class Rows, class Get>
void File::write_column(const std::string& name, const Rows& rows, Get get, const ColumnDoc& doc) {
  ColumnWriter column = create_column<T>(name, rows.size(), doc);
  std::vector<T> chunk;
  for (std::uint64_t begin = 0; begin < rows.size(); begin += kChunkRows) {
    const std::uint64_t end = std::min<std::uint64_t>(begin + kChunkRows, rows.size());
    chunk.clear();
    for (std::uint64_t i = begin; i < end; ++i) chunk.push_back(get(rows[i]));
    column.write<T>(chunk);
  }
}

template <class T, class Take>
void File::read_each(const std::string& name, Take take) const {
  constexpr std::uint64_t kPiece = 64 * kChunkRows;
  const std::uint64_t count = length(name);
  for (std::uint64_t begin = 0; begin == 0 || begin < count; begin += kPiece) {
    const std::vector<T> values = read_column<T>(name, begin, std::min(kPiece, count - begin));
    for (std::uint64_t i = 0; i < values.size(); ++i) take(begin + i, values[i]);
  }
}

}  // namespace bitquake::h5
