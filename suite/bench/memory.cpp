#include "suite/bench/memory.hpp"

#include <oneapi/tbb/scalable_allocator.h>

#include <dlfcn.h>
#include <fstream>
#include <malloc.h>
#include <string>

namespace bitquake::bench {

void restart_peak_memory() {
  malloc_trim(0);
  // The programs run on TBB's allocator, when it is there.
  using Command = int (*)(int, void*);
  if (auto* command =
          reinterpret_cast<Command>(dlsym(RTLD_DEFAULT, "scalable_allocation_command"))) {
    command(TBBMALLOC_CLEAN_ALL_BUFFERS, nullptr);
  }
  std::ofstream("/proc/self/clear_refs") << "5";
}

std::uint64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::uint64_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

}  // namespace bitquake::bench
