#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace bitquake {

/// Bytes that can be grown: on the heap while they are few, else in a file without a name (in
/// TMPDIR, or /var/tmp), mapped into memory, whose pages the system can write out and drop. While
/// there is such a file, a thread gives mapped pages back as soon as all of them are more than 64
/// MiB: passes over tables of any size keep little of them in memory.
class BigBuffer {
 public:
  BigBuffer() = default;
  BigBuffer(BigBuffer&& other) noexcept { swap(other); }
  BigBuffer& operator=(BigBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~BigBuffer();

  std::byte* data() const { return data_; }
  std::uint64_t capacity() const { return capacity_; }
  /// Makes room for at least `bytes`; what is there stays. Throws Exception (results) when the disk
  /// is full, std::bad_alloc when the heap is.
  void grow(std::uint64_t bytes);
  bool in_file() const { return file_ >= 0; }
  /// Tells the system whether reads come here and there: then it reads no further than asked.
  void expect_random_reads(bool random) const;
  /// Tells the system to begin to read what will be needed soon. @pre inside the capacity
  void prefetch(std::uint64_t first, std::uint64_t bytes) const;

 private:
  void swap(BigBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    std::swap(file_, other.file_);
  }

  std::byte* data_ = nullptr;
  std::uint64_t capacity_ = 0;
  int file_ = -1;
};

/// A std::vector of plain values for tables that may be larger than memory (BigBuffer). References
/// are good until it grows.
template <class T>
class BigVector {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  using value_type = T;

  BigVector() = default;
  BigVector(std::initializer_list<T> values) { append(values); }
  BigVector(const std::vector<T>& values) { append(values); }  // NOLINT(*-explicit-*)
  BigVector(const BigVector& other) { append(other); }
  BigVector(BigVector&& other) noexcept
      : buffer_(std::move(other.buffer_)), size_(std::exchange(other.size_, 0)) {}
  BigVector& operator=(BigVector other) noexcept {
    buffer_ = std::move(other.buffer_);
    size_ = other.size_;
    return *this;
  }
  ~BigVector() = default;

  std::uint64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return reinterpret_cast<T*>(buffer_.data()); }
  const T* data() const { return reinterpret_cast<const T*>(buffer_.data()); }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  T& operator[](std::uint64_t i) { return data()[i]; }
  const T& operator[](std::uint64_t i) const { return data()[i]; }
  T& front() { return *data(); }
  const T& front() const { return *data(); }
  T& back() { return data()[size_ - 1]; }
  const T& back() const { return data()[size_ - 1]; }

  void push_back(const T& value) {
    const T copy = value;  // it may be one of ours
    make_room(1);
    data()[size_++] = copy;
  }
  template <std::ranges::contiguous_range Values>
  void append(const Values& values) {
    const std::uint64_t count = std::ranges::size(values);
    if (count == 0) return;
    make_room(count);
    std::memcpy(static_cast<void*>(end()), std::ranges::data(values), count * sizeof(T));
    size_ += count;
  }
  void append(std::uint64_t count, const T& value) {
    const T copy = value;
    for (std::uint64_t i = 0; i < count; ++i) push_back(copy);
  }
  void assign(std::uint64_t count, const T& value) {
    clear();
    append(count, value);
  }
  void resize(std::uint64_t size) {
    if (size > size_) {
      append(size - size_, T{});
    } else {
      size_ = size;
    }
  }
  void pop_back() { --size_; }
  /// As std::vector's. O(size).
  T* insert(const T* before, const T& value) { return insert(before, {value}); }
  T* insert(const T* before, std::initializer_list<T> values) {
    const auto at = before - begin();
    append(values);
    std::rotate(begin() + at, end() - values.size(), end());
    return begin() + at;
  }
  T* erase(const T* first, const T* last) {
    T* to = begin() + (first - begin());
    std::move(begin() + (last - begin()), end(), to);
    size_ -= static_cast<std::uint64_t>(last - first);
    return to;
  }
  T* erase(const T* row) { return erase(row, row + 1); }
  void clear() { size_ = 0; }
  void reserve(std::uint64_t size) { buffer_.grow(size * sizeof(T)); }

  bool in_file() const { return buffer_.in_file(); }
  void expect_random_reads(bool random) const { buffer_.expect_random_reads(random); }
  /// Rows that will be needed soon; those behind the end are nobody's.
  void prefetch(std::uint64_t first, std::uint64_t count) const {
    if (first >= size_) return;
    buffer_.prefetch(first * sizeof(T), std::min(count, size_ - first) * sizeof(T));
  }

  template <class Condition>
  friend void erase_if(BigVector& rows, Condition unwanted) {
    rows.erase(std::remove_if(rows.begin(), rows.end(), unwanted), rows.end());
  }
  friend bool operator==(const BigVector& a, const BigVector& b) {
    return std::ranges::equal(a, b);
  }

 private:
  void make_room(std::uint64_t count) {
    const std::uint64_t wanted = (size_ + count) * sizeof(T);
    if (wanted > buffer_.capacity()) buffer_.grow(std::max(wanted, 2 * buffer_.capacity()));
  }

  BigBuffer buffer_;
  std::uint64_t size_ = 0;
};

/// While it lives, big vectors are read at many places in turn. Where memory is short, the system
/// would else read so far ahead at each of them that it has to throw that away before it is wanted.
template <class... Tables>
class RandomReads {
 public:
  explicit RandomReads(const Tables&... tables) : tables_(tables...) { expect(true); }
  RandomReads(const RandomReads&) = delete;
  RandomReads& operator=(const RandomReads&) = delete;
  ~RandomReads() { expect(false); }

 private:
  void expect(bool random) const {
    std::apply([&](const auto&... tables) { (tables.expect_random_reads(random), ...); }, tables_);
  }

  std::tuple<const Tables&...> tables_;
};

}  // namespace bitquake
