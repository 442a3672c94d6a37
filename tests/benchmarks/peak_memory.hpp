#pragma once

#include "suite/base/memory.hpp"

#include <benchmark/benchmark.h>

#include <fstream>
#include <string>

namespace bitquake::test {

/// Most memory of the process in a scope, as a counter of a benchmark; it includes pages of
/// temporary files that the system could take back, and what was there before the scope.
class PeakMemory {
 public:
  explicit PeakMemory(benchmark::State& state) : state_(state) {
    std::ofstream("/proc/self/clear_refs") << "5";  // proc(5): the peak starts anew
  }
  PeakMemory(const PeakMemory&) = delete;
  PeakMemory& operator=(const PeakMemory&) = delete;
  ~PeakMemory() {
    state_.counters["peak_MiB"] =
        static_cast<double>(peak_memory_bytes()) / static_cast<double>(kMebibyte);
  }

 private:
  benchmark::State& state_;
};

}  // namespace bitquake::test
