#include "augment/built_in.hpp"

namespace bitquake::augment::detail {

std::vector<Kind> sensor_kinds() { return {}; }

}  // namespace bitquake::augment::detail
