#include "tests/property/real_data.hpp"

#include "tests/base/temp_directory.hpp"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <string>

namespace bitquake::test {

namespace fs = std::filesystem;

fs::path real_data() { return fs::path(BITQUAKE_SOURCE_DIR) / "../shared/data"; }

std::vector<float> cifar10_inputs(const fs::path& file, std::size_t first, std::size_t count) {
  // One byte of label, then 1024 of red, green and blue (Krizhevsky, 2009).
  constexpr std::size_t kPlane = 1024, kRecord = 1 + 3 * kPlane;
  constexpr std::array kMean{0.485, 0.456, 0.406}, kStd{0.229, 0.224, 0.225};
  const std::string bytes = read_bytes(file);
  if (bytes.size() < (first + count) * kRecord) throw std::runtime_error("too few images");
  std::vector<float> inputs;
  for (std::size_t image = first; image < first + count; ++image) {
    for (std::size_t i = 0; i < 3 * kPlane; ++i) {
      const double pixel = static_cast<unsigned char>(bytes[image * kRecord + 1 + i]);
      const std::size_t channel = i / kPlane;
      inputs.push_back(static_cast<float>((pixel / 255 - kMean[channel]) / kStd[channel]));
    }
  }
  return inputs;
}

std::vector<float> photograph_inputs(const fs::path& folder, std::size_t first, std::size_t count) {
  constexpr int kShort = 256, kSide = 224;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".JPEG") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<float> inputs;
  for (std::size_t i = first; i < first + count; ++i) {
    cv::Mat image = cv::imread(files.at(i).string(), cv::IMREAD_COLOR);
    if (image.empty()) throw std::runtime_error("cannot read " + files[i].string());
    const double scale = static_cast<double>(kShort) / std::min(image.rows, image.cols);
    const cv::Size size(std::max(kShort, static_cast<int>(std::lround(image.cols * scale))),
                        std::max(kShort, static_cast<int>(std::lround(image.rows * scale))));
    cv::resize(image, image, size, 0, 0, cv::INTER_LINEAR);
    image = image(cv::Rect((size.width - kSide) / 2, (size.height - kSide) / 2, kSide, kSide));
    for (int channel = 2; channel >= 0; --channel) {  // OpenCV reads BGR
      for (int y = 0; y < kSide; ++y) {
        for (int x = 0; x < kSide; ++x) {
          inputs.push_back(static_cast<float>(image.at<cv::Vec3b>(y, x)[channel] / 127.5 - 1));
        }
      }
    }
  }
  return inputs;
}

}  // namespace bitquake::test
