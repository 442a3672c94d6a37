#pragma once

#include <string>

namespace bitquake::augment {

/// Which code paths OpenCV chose for this CPU, for the record of a run: "OpenCV 4.6.0: SSE SSE2
/// SSE3 AVX2"; those compiled in and usable. Setting the environment variable
/// OPENCV_CPU_DISABLE=AVX2,… before the program starts takes some away.
std::string cpu_dispatch();

}  // namespace bitquake::augment
