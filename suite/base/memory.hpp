#pragma once

#include <cstdint>

namespace bitquake {

inline constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20U;

/// Main memory of the machine, in bytes.
std::uint64_t machine_memory_bytes();

/// Most main memory that this process has had at once, in bytes; 0 when the system does not say.
std::uint64_t peak_memory_bytes();

}  // namespace bitquake
