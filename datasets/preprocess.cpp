#include "datasets/preprocess.hpp"

#include "suite/base/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

namespace bitquake::datasets {
namespace {

constexpr std::size_t kLevels = 256;  ///< values of a pixel of 8 bits

std::string size_text(const Sample& sample) {
  return shape_text({sample.image.channels(), sample.image.rows, sample.image.cols});
}

std::string sample_text(const Sample& sample) {
  return sample.file + ", sample " + std::to_string(sample.index);
}

/// Which key would make the image fit.
std::string remedy(const Sample& sample, std::span<const std::int64_t> shape) {
  const bool image = shape.size() == 3 && (shape[0] == 1 || shape[0] == 3);
  if (image && shape[0] != sample.image.channels()) {
    return std::string("set preprocess.colour: ") + (shape[0] == 1 ? "grey" : "rgb") +
           "; nothing is converted silently";
  }
  if (!image) return "use a data set of the model's input shape";
  return "set preprocess.resize or preprocess.crop as in training; nothing is resized silently";
}

std::optional<Error> check_image(const Sample& sample, std::span<const std::int64_t> shape) {
  if (sample.image.depth() != CV_8U && sample.image.depth() != CV_16U) {
    return Error{Errc::data, sample_text(sample), "image does not hold pixels of 8 or 16 bits",
                 "convert the data set to 8 or 16 bits per channel", ""};
  }
  const bool fits = shape.size() == 3 && shape[0] == sample.image.channels() &&
                    shape[1] == sample.image.rows && shape[2] == sample.image.cols;
  if (fits) return std::nullopt;
  return Error{Errc::data, sample_text(sample),
               "image is " + size_text(sample) + " (channels x height x width), the model takes " +
                   shape_text({shape.begin(), shape.end()}),
               remedy(sample, shape), ""};
}

std::optional<Error> check_values(const Preprocess& how, std::size_t channels) {
  const auto error = [](const std::string& what, const std::string& hint) {
    return Error{Errc::scenario, "", "preprocess: " + what, hint, ""};
  };
  for (const auto* values : {&how.mean, &how.stddev}) {
    if (values->size() == 1 || values->size() == channels) continue;
    return error(std::string(values == &how.mean ? "mean" : "std") + " has " +
                     std::to_string(values->size()) + " values for " + std::to_string(channels) +
                     " channels",
                 "give one value, or one per channel");
  }
  const auto positive = [](double value) { return std::isfinite(value) && value > 0; };
  if (!positive(how.divide_by)) {
    return error("divide_by is " + shortest(how.divide_by), "give a finite number above 0");
  }
  for (const double mean : how.mean) {
    if (!std::isfinite(mean)) return error("mean is " + shortest(mean), "give finite numbers");
  }
  for (const double stddev : how.stddev) {
    if (!positive(stddev)) {
      return error("std is " + shortest(stddev), "give finite numbers above 0");
    }
  }
  return std::nullopt;
}

/// Of a mean or standard deviation: one value for all channels, or one per channel.
double of_channel(const std::vector<double>& values, std::size_t channel) {
  return values.size() == 1 ? values[0] : values[channel];
}

/// What makes network input of one channel of an image.
class Normaliser {
 public:
  Normaliser(const Preprocess& how, std::size_t channel)
      : divide_by_(how.divide_by),
        mean_(of_channel(how.mean, channel)),
        stddev_(of_channel(how.stddev, channel)) {
    for (std::size_t pixel = 0; pixel < kLevels; ++pixel) {
      table_[pixel] = compute(static_cast<double>(pixel));
    }
  }
  float operator()(std::uint8_t pixel) const { return table_[pixel]; }
  float operator()(std::uint16_t pixel) const { return compute(pixel); }

 private:
  float compute(double pixel) const {
    return static_cast<float>((pixel / divide_by_ - mean_) / stddev_);
  }

  double divide_by_, mean_, stddev_;
  std::array<float, kLevels> table_{};  ///< of each value of 8 bits
};

/// Where an input's channel is in the pixels, and the other way round.
std::size_t stored_channel(const Preprocess& how, std::size_t channels, std::size_t channel) {
  const bool swapped = how.channel_order == ChannelOrder::bgr && channels == 3;
  return swapped ? 2 - channel : channel;
}

template <class Pixel>
void write_channel(const cv::Mat& image, std::size_t stored, const Normaliser& normalise,
                   float* next) {
  const auto channels = static_cast<std::size_t>(image.channels());
  const auto width = static_cast<std::size_t>(image.cols);
  for (int row = 0; row < image.rows; ++row) {
    const Pixel* line = image.ptr<Pixel>(row) + stored;
    for (std::size_t x = 0; x < width; ++x) *next++ = normalise(line[x * channels]);
  }
}

}  // namespace

Result<std::monostate> to_input(const Sample& sample, const Preprocess& how,
                                std::span<const std::int64_t> shape, std::span<float> out) {
  if (const auto error = check_image(sample, shape)) return *error;
  const auto channels = static_cast<std::size_t>(sample.image.channels());
  if (const auto error = check_values(how, channels)) return *error;
  const std::size_t pixels = sample.image.total();
  if (out.size() != channels * pixels) {
    throw Exception({Errc::internal, "",
                     "to_input: out has " + std::to_string(out.size()) + " elements, expected " +
                         std::to_string(channels * pixels),
                     "", ""});
  }
  const auto write =
      sample.image.depth() == CV_8U ? write_channel<std::uint8_t> : write_channel<std::uint16_t>;
  for (std::size_t channel = 0; channel < channels; ++channel) {
    write(sample.image, stored_channel(how, channels, channel), Normaliser(how, channel),
          out.data() + channel * pixels);
  }
  return std::monostate{};
}

cv::Mat to_image(std::span<const float> values, const Preprocess& how,
                 std::span<const std::int64_t> shape) {
  const auto channels = static_cast<std::size_t>(shape[0]);
  const int height = static_cast<int>(shape[1]), width = static_cast<int>(shape[2]);
  cv::Mat image(height, width, CV_8UC(static_cast<int>(channels)));
  const std::size_t pixels = image.total();
  const double scale = how.divide_by > 255 ? 255 : how.divide_by;
  for (std::size_t channel = 0; channel < channels; ++channel) {
    const std::size_t stored = stored_channel(how, channels, channel);
    const double mean = of_channel(how.mean, channel);
    const double stddev = of_channel(how.stddev, channel);
    for (std::size_t i = 0; i < pixels; ++i) {
      const double value = (values[channel * pixels + i] * stddev + mean) * scale;
      image.data[i * channels + stored] = cv::saturate_cast<std::uint8_t>(value);
    }
  }
  return image;
}

}  // namespace bitquake::datasets
