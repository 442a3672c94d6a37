#include "suite/scenario/scenario.hpp"

namespace bitquake::scenario {

std::filesystem::path Scenario::resolve(const std::string& written) const {
  return std::filesystem::absolute(directory / written).lexically_normal();
}

}  // namespace bitquake::scenario
