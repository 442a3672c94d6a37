#include "suite/bench/images.hpp"

#include <fmt/format.h>
#include <opencv2/imgproc.hpp>

#include <utility>
#include <vector>

namespace bitquake::bench {
namespace {

class HeldImages : public datasets::Dataset {
 public:
  HeldImages(std::vector<datasets::Sample> samples,
             std::vector<std::pair<std::string, std::string>> checksums)
      : samples_(std::move(samples)), checksums_(std::move(checksums)) {}

  std::uint64_t size() const override { return samples_.size(); }
  Result<datasets::Sample> get(std::uint64_t i) const override { return samples_[i]; }
  std::optional<cv::Size> fixed_size() const override { return samples_.front().image.size(); }
  const std::vector<std::pair<std::string, std::string>>& checksums() const override {
    return checksums_;
  }

 private:
  std::vector<datasets::Sample> samples_;
  std::vector<std::pair<std::string, std::string>> checksums_;
};

cv::Mat resized(const cv::Mat& image, std::span<const std::int64_t> shape) {
  cv::Mat result;
  cv::resize(image, result, cv::Size(static_cast<int>(shape[2]), static_cast<int>(shape[1])), 0, 0,
             cv::INTER_LINEAR);
  if (shape[0] == 3 && result.channels() == 1) {
    cv::cvtColor(result, result, cv::COLOR_GRAY2RGB);
  }
  return result;
}

}  // namespace

Result<std::shared_ptr<const datasets::Dataset>> resize(const datasets::Dataset& whole,
                                                        std::uint64_t count,
                                                        std::span<const std::int64_t> shape) {
  if (count == 0 || count > whole.size()) {
    return Error{Errc::data, "images", fmt::format("{} of {} were asked for", count, whole.size()),
                 "give a larger data set", ""};
  }
  std::vector<datasets::Sample> samples;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto sample = whole.get(i);
    if (!sample) return sample.error();
    sample->image = resized(sample->image, shape);
    sample->height = shape[1];
    sample->width = shape[2];
    samples.push_back(std::move(*sample));
  }
  return std::shared_ptr<const datasets::Dataset>(
      std::make_shared<HeldImages>(std::move(samples), whole.checksums()));
}

}  // namespace bitquake::bench
