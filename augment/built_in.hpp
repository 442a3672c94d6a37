#pragma once

#include "augment/perturbation.hpp"

#include <vector>

// Internal: the built-in kinds, one function per source file.

namespace bitquake::augment::detail {

std::vector<Kind> noise_kinds();      ///< noise.cpp
std::vector<Kind> blur_kinds();       ///< blur.cpp
std::vector<Kind> weather_kinds();    ///< weather.cpp
std::vector<Kind> digital_kinds();    ///< digital.cpp
std::vector<Kind> sensor_kinds();     ///< sensor.cpp
std::vector<Kind> tone_kinds();       ///< tone.cpp
std::vector<Kind> obstacle_kinds();   ///< obstacle.cpp
std::vector<Kind> geometric_kinds();  ///< geometry.cpp

/// Whether a kind of the registry is one of these.
bool is_built_in(const Kind& kind);

}  // namespace bitquake::augment::detail
