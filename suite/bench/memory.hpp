#pragma once

#include <cstdint>

namespace bitquake::bench {

/// Hands freed memory back to the system, as far as the allocator can, and starts to look for the
/// peak anew. Linux; elsewhere it does nothing.
void restart_peak_memory();

/// Most bytes of resident memory of this process since restart_peak_memory(); 0 where Linux's /proc
/// is missing. Source: proc(5), clear_refs (5) and VmHWM.
std::uint64_t peak_memory();

}  // namespace bitquake::bench
