#include "augment/built_in.hpp"

namespace bitquake::augment::detail {

std::vector<Kind> blur_kinds() { return {}; }

}  // namespace bitquake::augment::detail
