#pragma once

#include <cstdio>
#include <cstdlib>

namespace bitquake::fuzz {

/// Ends the fuzz target when what must hold does not.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace bitquake::fuzz
