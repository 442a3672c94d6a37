#include "suite/base/big_vector.hpp"

#include "suite/base/result.hpp"
#include "suite/base/text.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <sys/mman.h>
#include <thread>
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

/// Memory of this process that files are mapped to, in bytes: ours and those of libraries. 0 where
/// /proc is missing.
std::uint64_t mapped_files_resident(int statm) {
  std::array<char, 128> text{};
  if (::pread(statm, text.data(), text.size() - 1, 0) <= 0) return 0;
  unsigned long long size = 0, resident = 0, shared = 0;
  if (std::sscanf(text.data(), "%llu %llu %llu", &size, &resident, &shared) != 3) return 0;
  return shared * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// The mapped buffers of the process, and the thread that gives their pages back. So passes over
/// tables need not care, in whatever order they read.
class Mappings {
 public:
  /// Lives as long as the process: buffers may be static.
  static Mappings& all() {
    static auto* const mappings = new Mappings;
    return *mappings;
  }

  /// To be held while a mapping is made, moved or removed.
  std::unique_lock<std::mutex> lock() { return std::unique_lock(mutex_); }
  void add(std::byte* data, std::uint64_t bytes) {
    bytes_[data] = bytes;
    if (bytes_.size() == 1) some_.notify_one();
  }
  void remove(std::byte* data) { bytes_.erase(data); }

 private:
  Mappings() {
    std::thread([this] { keep_small(); }).detach();
  }

  [[noreturn]] void keep_small() {
    constexpr std::uint64_t kMost = std::uint64_t{64} << 20U;
    constexpr std::chrono::milliseconds kPause(1);
    const int statm = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    std::uint64_t least = 0;  // what stays, such as the code of libraries
    for (std::unique_lock held = lock();; held.lock()) {
      some_.wait(held, [&] { return !bytes_.empty(); });
      const std::uint64_t now = mapped_files_resident(statm);
      if (now > least + kMost) {
        for (const auto& [data, bytes] : bytes_) ::madvise(data, bytes, MADV_DONTNEED);
        least = mapped_files_resident(statm);
      }
      held.unlock();
      std::this_thread::sleep_for(kPause);
    }
  }

  std::mutex mutex_;
  std::condition_variable some_;
  std::map<std::byte*, std::uint64_t> bytes_;  ///< by address
};

}  // namespace

BigBuffer::~BigBuffer() {
  if (file_ < 0) {
    std::free(data_);  // NOLINT(*-no-malloc): grown by realloc
    return;
  }
  {
    const auto held = Mappings::all().lock();
    Mappings::all().remove(data_);
  }
  ::munmap(data_, capacity_);  // takes its time
  ::close(file_);
}

void BigBuffer::expect_random_reads(bool random) const {
  if (in_file()) ::madvise(data_, capacity_, random ? MADV_RANDOM : MADV_NORMAL);
}

void BigBuffer::prefetch(std::uint64_t first, std::uint64_t bytes) const {
  if (!in_file()) return;
  const std::uint64_t page = first % static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  ::madvise(data_ + first - page, bytes + page, MADV_WILLNEED);
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
  const auto held = Mappings::all().lock();
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
  } else {
    Mappings::all().remove(data_);
  }
  data_ = static_cast<std::byte*>(mapped);
  Mappings::all().add(data_, bytes);
  file_ = file;
  capacity_ = bytes;
}

}  // namespace bitquake
