#pragma once

#include "suite/base/memory.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <stop_token>
#include <string>
#include <thread>

namespace bitquake::test {

/// Most memory of the process in a scope, as counters of a benchmark, with what was there before.
/// resident_MiB is all of it, with pages of temporary files and libraries that the system takes
/// back when it needs them; anonymous_MiB is what it cannot take back, looked at each millisecond.
class PeakMemory {
 public:
  explicit PeakMemory(benchmark::State& state) : state_(state) {
    std::ofstream("/proc/self/clear_refs") << "5";  // proc(5): the peak starts anew
    watch_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        anonymous_KiB_ = std::max(anonymous_KiB_, anonymous_now());
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }
  PeakMemory(const PeakMemory&) = delete;
  PeakMemory& operator=(const PeakMemory&) = delete;
  ~PeakMemory() {
    watch_.request_stop();
    watch_.join();
    state_.counters["resident_MiB"] =
        static_cast<double>(peak_memory_bytes()) / static_cast<double>(kMebibyte);
    state_.counters["anonymous_MiB"] = static_cast<double>(anonymous_KiB_) / 1024;
  }

 private:
  static std::uint64_t anonymous_now() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      std::uint64_t kibibytes = 0;
      if (word == "RssAnon:" && status >> kibibytes) return kibibytes;
    }
    return 0;
  }

  benchmark::State& state_;
  std::uint64_t anonymous_KiB_ = 0;  ///< the watching thread's until it is joined
  std::jthread watch_;
};

}  // namespace bitquake::test
