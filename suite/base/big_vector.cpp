#include "suite/base/big_vector.hpp"

#include "suite/base/result.hpp"
#include "suite/base/text.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <new>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace bitquake {
namespace {

constexpr std::uint64_t kMostOnHeap = std::uint64_t{32} << 20U;

/// /tmp is often in memory, which is what this is to save.
std::filesystem::path scratch_directory() {
  const char* chosen = std::getenv("TMPDIR");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/var/tmp";
}

[[noreturn]] void fail(std::uint64_t bytes, int error) {
  throw Exception({Errc::results, scratch_directory().string(),
                   "cannot hold a temporary file of " + with_commas(bytes >> 20U) +
                       " MiB: " + std::strerror(error),
                   "name a directory with more room in the environment variable TMPDIR", ""});
}

int open_scratch(std::uint64_t bytes) {
  std::string name = (scratch_directory() / "bitquake_XXXXXX").string();
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) fail(bytes, errno);
  ::unlink(name.c_str());
  return file;
}

}  // namespace

BigBuffer::~BigBuffer() {
  if (file_ < 0) {
    std::free(data_);  // NOLINT(*-no-malloc): grown by realloc
    return;
  }
  ::munmap(data_, capacity_);
  ::close(file_);
}

void BigBuffer::grow(std::uint64_t bytes) {
  if (bytes <= capacity_) return;
  if (bytes <= kMostOnHeap) {
    void* larger = std::realloc(data_, bytes);  // NOLINT(*-no-malloc)
    if (larger == nullptr) throw std::bad_alloc();
    data_ = static_cast<std::byte*>(larger);
    capacity_ = bytes;
    return;
  }
  const bool first = file_ < 0;
  const int file = first ? open_scratch(bytes) : file_;
  // Room is taken now: a full disk would otherwise be a signal at some later write.
  const int full = ::posix_fallocate(file, 0, static_cast<off_t>(bytes));
  void* mapped = MAP_FAILED;
  if (full == 0) {
    mapped = first ? ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
                   : ::mremap(data_, capacity_, bytes, MREMAP_MAYMOVE);
  }
  if (mapped == MAP_FAILED) {
    const int error = full != 0 ? full : errno;
    if (first) ::close(file);
    fail(bytes, error);
  }
  if (first) {
    if (capacity_ > 0) std::memcpy(mapped, data_, capacity_);
    std::free(data_);  // NOLINT(*-no-malloc)
  }
  data_ = static_cast<std::byte*>(mapped);
  file_ = file;
  capacity_ = bytes;
}

void BigBuffer::drop_pages() const {
  if (in_file()) ::madvise(data_, capacity_, MADV_DONTNEED);
}

}  // namespace bitquake
