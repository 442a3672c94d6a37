#include "augment/cpu_dispatch.hpp"

#include <opencv2/core.hpp>
#include <opencv2/core/utility.hpp>

#include <sstream>

namespace bitquake::augment {

std::string cpu_dispatch() {
  // OpenCV lists what it was compiled for: '*' marks what is chosen at run time, '?' what this CPU
  // has not or the environment forbids.
  std::string text = "OpenCV " + cv::getVersionString() + ":";
  std::istringstream features(cv::getCPUFeaturesLine());
  for (std::string feature; features >> feature;) {
    if (feature.back() == '?') continue;
    text += " " + feature.substr(feature.front() == '*' ? 1 : 0);
  }
  return cv::useOptimized() ? text : text + " (not optimised)";
}

}  // namespace bitquake::augment
