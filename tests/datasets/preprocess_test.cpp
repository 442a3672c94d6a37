#include "datasets/preprocess.hpp"

#include <catch2/catch.hpp>

#include <limits>

using namespace bitquake;
using datasets::Preprocess;
using datasets::Sample;

namespace {

/// 2 x 2 RGB image; red 0 to 3, green 10 to 13, blue 20 to 23, row by row.
Sample rgb_sample() {
  Sample sample;
  sample.file = "file";
  sample.index = 5;
  sample.image.create(2, 2, CV_8UC3);
  for (int i = 0; i < 4; ++i) {
    sample.image.at<cv::Vec3b>(i / 2, i % 2) = {static_cast<std::uint8_t>(i),
                                                static_cast<std::uint8_t>(10 + i),
                                                static_cast<std::uint8_t>(20 + i)};
  }
  return sample;
}

Sample grey_sample() {
  Sample sample;
  sample.image = (cv::Mat_<std::uint8_t>(1, 3) << 0, 51, 255);
  return sample;
}

const std::vector<std::int64_t> kGreyShape{1, 1, 3};
const std::vector<std::int64_t> kRgbShape{3, 2, 2};

Error error_of(const Sample& sample, const Preprocess& how,
               const std::vector<std::int64_t>& shape) {
  std::vector<float> out(12, -1.0F);
  const auto done = to_input(sample, how, shape, out);
  REQUIRE_FALSE(done);
  REQUIRE(out == std::vector<float>(12, -1.0F));
  return done.error();
}

}  // namespace

TEST_CASE("pixels are scaled, centred and divided", "[datasets][preprocess]") {
  std::vector<float> out(3);
  REQUIRE(to_input(grey_sample(), {}, kGreyShape, out));
  REQUIRE(out == std::vector<float>{0.0F, 0.2F, 1.0F});
  REQUIRE(to_input(grey_sample(), {255.0, {0.5}, {0.25}}, kGreyShape, out));
  REQUIRE(out[0] == -2.0F);
  REQUIRE(out[1] == Approx(-1.2));  // (51 / 255 - 0.5) / 0.25
  REQUIRE(out[2] == 2.0F);
  REQUIRE(to_input(grey_sample(), {1.0, {0.0}, {1.0}}, kGreyShape, out));
  REQUIRE(out == std::vector<float>{0.0F, 51.0F, 255.0F});
}

TEST_CASE("arithmetic is in double and rounded once", "[datasets][preprocess]") {
  std::vector<float> out(3);
  REQUIRE(to_input(grey_sample(), {255.0, {0.2860}, {0.3530}}, kGreyShape, out));
  REQUIRE(out[1] == static_cast<float>((51.0 / 255.0 - 0.2860) / 0.3530));
  REQUIRE(out[2] == static_cast<float>((255.0 / 255.0 - 0.2860) / 0.3530));
}

TEST_CASE("channels come first", "[datasets][preprocess]") {
  std::vector<float> out(12);
  REQUIRE(to_input(rgb_sample(), {1.0, {0.0}, {1.0}}, kRgbShape, out));
  REQUIRE(out == std::vector<float>{0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23});
}

TEST_CASE("each channel has its own mean and deviation", "[datasets][preprocess]") {
  std::vector<float> out(12);
  REQUIRE(to_input(rgb_sample(), {1.0, {0.0, 10.0, 20.0}, {1.0, 2.0, 4.0}}, kRgbShape, out));
  REQUIRE(out == std::vector<float>{0, 1, 2, 3, 0, 0.5, 1, 1.5, 0, 0.25, 0.5, 0.75});
  REQUIRE(to_input(rgb_sample(), {1.0, {10.0}, {1.0, 2.0, 4.0}}, kRgbShape, out));
  REQUIRE(out[4] == 0.0F);
  REQUIRE(out[8] == 2.5F);
}

TEST_CASE("an image that is part of a larger one is read row by row", "[datasets][preprocess]") {
  const cv::Mat large = (cv::Mat_<std::uint8_t>(2, 3) << 1, 2, 3, 4, 5, 6);
  Sample sample;
  sample.image = large(cv::Rect(1, 0, 2, 2));
  std::vector<float> out(4);
  const std::vector<std::int64_t> shape{1, 2, 2};
  REQUIRE(to_input(sample, {1.0, {0.0}, {1.0}}, shape, out));
  REQUIRE(out == std::vector<float>{2, 3, 5, 6});
}

TEST_CASE("an image of another shape is refused", "[datasets][preprocess]") {
  const std::vector<std::int64_t> shape =
      GENERATE(std::vector<std::int64_t>{1, 2, 2}, std::vector<std::int64_t>{3, 1, 4},
               std::vector<std::int64_t>{3, 2, 3}, std::vector<std::int64_t>{12},
               std::vector<std::int64_t>{});
  const Error error = error_of(rgb_sample(), {}, shape);
  REQUIRE(error.code == Errc::data);
  REQUIRE(error.where == "file, sample 5");
  REQUIRE(error.what.find("3x2x2") != std::string::npos);
}

TEST_CASE("a sample without 8-bit pixels is refused", "[datasets][preprocess]") {
  Sample sample;
  sample.image.create(2, 2, CV_32FC3);
  REQUIRE(error_of(sample, {}, kRgbShape).code == Errc::data);
}

TEST_CASE("preprocessing that does not fit the channels is refused", "[datasets][preprocess]") {
  const Error mean = error_of(rgb_sample(), {255.0, {0.0, 0.0}, {1.0}}, kRgbShape);
  REQUIRE(mean.code == Errc::scenario);
  REQUIRE(mean.what.find("mean has 2 values for 3 channels") != std::string::npos);
  const Error deviation = error_of(rgb_sample(), {255.0, {0.0}, {}}, kRgbShape);
  REQUIRE(deviation.what.find("std has 0 values for 3 channels") != std::string::npos);
}

TEST_CASE("preprocessing out of range is refused", "[datasets][preprocess]") {
  const double bad = GENERATE(0.0, -1.0, std::numeric_limits<double>::infinity(),
                              std::numeric_limits<double>::quiet_NaN());
  REQUIRE(error_of(rgb_sample(), {bad, {0.0}, {1.0}}, kRgbShape).code == Errc::scenario);
  REQUIRE(error_of(rgb_sample(), {255.0, {0.0}, {1.0, bad, 1.0}}, kRgbShape).code ==
          Errc::scenario);
}

TEST_CASE("a buffer of another size is a defect of the caller", "[datasets][preprocess]") {
  std::vector<float> out(11);
  REQUIRE_THROWS_AS(to_input(rgb_sample(), {}, kRgbShape, out), Exception);
}

TEST_CASE("every pixel value comes back from the input it gave", "[datasets][preprocess]") {
  const Preprocess how{255, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
  Sample sample;
  sample.image.create(16, 16, CV_8UC3);
  for (int i = 0; i < 256; ++i) {
    const auto value = static_cast<std::uint8_t>(i);
    sample.image.at<cv::Vec3b>(i / 16, i % 16) = {value, static_cast<std::uint8_t>(255 - i), 7};
  }
  const std::vector<std::int64_t> shape{3, 16, 16};
  std::vector<float> input(3 * 256);
  REQUIRE(to_input(sample, how, shape, input));
  const cv::Mat image = datasets::to_image(input, how, shape);
  REQUIRE(image.type() == CV_8UC3);
  for (int i = 0; i < 256; ++i) {
    const bool same =
        image.at<cv::Vec3b>(i / 16, i % 16) == sample.image.at<cv::Vec3b>(i / 16, i % 16);
    REQUIRE(same);
  }
}

TEST_CASE("16 bits are divided as they are", "[datasets][preprocess]") {
  Sample sample;
  sample.image = (cv::Mat_<std::uint16_t>(1, 3) << 0, 13107, 65535);
  std::vector<float> out(3);
  REQUIRE(to_input(sample, {65535.0, {0.0}, {1.0}}, kGreyShape, out));
  REQUIRE(out == std::vector<float>{0.0F, 0.2F, 1.0F});
  const cv::Mat image = datasets::to_image(out, {65535.0, {0.0}, {1.0}}, kGreyShape);
  REQUIRE(int{image.at<std::uint8_t>(0, 2)} == 255);
}

TEST_CASE("blue can come first", "[datasets][preprocess]") {
  std::vector<float> out(12);
  const Preprocess how{1.0, {20.0, 10.0, 0.0}, {1.0}, datasets::ChannelOrder::bgr};
  REQUIRE(to_input(rgb_sample(), how, kRgbShape, out));
  REQUIRE(out == std::vector<float>{0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3});
  const cv::Mat image = datasets::to_image(out, how, kRgbShape);
  const bool same = image.at<cv::Vec3b>(1, 1) == rgb_sample().image.at<cv::Vec3b>(1, 1);
  REQUIRE(same);
}

TEST_CASE("what does not fit names the key that helps", "[datasets][preprocess][error]") {
  REQUIRE(error_of(rgb_sample(), {}, {1, 2, 2}).hint.starts_with("set preprocess.colour: grey"));
  REQUIRE(error_of(rgb_sample(), {}, {3, 2, 3}).hint.starts_with("set preprocess.resize"));
  Sample grey;
  grey.image.create(2, 2, CV_8UC1);
  REQUIRE(error_of(grey, {}, kRgbShape).hint.starts_with("set preprocess.colour: rgb"));
}
