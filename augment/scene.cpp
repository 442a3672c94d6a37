#include "augment/scene.hpp"

#include <string>

namespace bitquake::augment {

std::optional<Error> image_error(const cv::Mat& image) {
  const auto refused = [](std::string what, std::string hint) {
    return Error{Errc::data, "image", std::move(what), std::move(hint), ""};
  };
  if (image.dims > 2 || image.empty()) {
    return refused("it has no pixels", "check that the image was read");
  }
  if (image.depth() != CV_8U && image.depth() != CV_16U) {
    return refused(std::string("its values are of the type ") + cv::depthToString(image.depth()),
                   "convert it to CV_8U or CV_16U first");
  }
  if (image.channels() != 1 && image.channels() != 3) {
    return refused("it has " + std::to_string(image.channels()) + " channels",
                   "convert it to 1 (grey) or 3 (RGB) first");
  }
  return std::nullopt;
}

}  // namespace bitquake::augment
