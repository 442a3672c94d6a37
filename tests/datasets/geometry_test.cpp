#include "datasets/geometry.hpp"

#include "tests/datasets/image_bytes.hpp"

#include <catch2/catch.hpp>

using namespace bitquake;
using namespace bitquake::datasets;

namespace {

Sample sample_of(const cv::Mat& image, std::vector<Object> objects = {}) {
  Sample sample;
  sample.file = "file";
  sample.index = 4;
  sample.image = image;
  sample.objects = std::move(objects);
  return sample;
}

Sample prepared(const Sample& sample, const Geometry& how) {
  return value_or_throw(prepare_image(sample, how));
}

Geometry resize(Resize kind, Extent to, Interpolation interpolation = Interpolation::bilinear) {
  Geometry how;
  how.resize = kind;
  how.resize_to = to;
  how.interpolation = interpolation;
  return how;
}

std::vector<int> values(const cv::Mat& image) {
  std::vector<int> all;
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) {
      all.push_back(image.depth() == CV_8U ? image.at<std::uint8_t>(y, x)
                                           : image.at<std::uint16_t>(y, x));
    }
  }
  return all;
}

}  // namespace

TEST_CASE("without a step the sample stays as it is", "[datasets][geometry]") {
  const Sample sample = sample_of(test::plain(3, 5), {{{1, 1, 2, 2}, 0, false, 0}});
  const Sample same = prepared(sample, {});
  REQUIRE(same.image.data == sample.image.data);
  REQUIRE(same.objects == sample.objects);
  REQUIRE(same.transforms.empty());
}

TEST_CASE("the shorter side is made as long as asked for", "[datasets][geometry]") {
  const auto size = [](int height, int width) {
    return prepared(sample_of(test::plain(height, width)), resize(Resize::short_side, {256, 256}))
        .image.size();
  };
  // 256 * 500 / 375 = 341.3; torchvision rounds down too.
  REQUIRE(size(375, 500) == cv::Size(341, 256));
  REQUIRE(size(500, 375) == cv::Size(256, 341));
  REQUIRE(size(256, 256) == cv::Size(256, 256));
}

TEST_CASE("boxes follow their pixels", "[datasets][geometry]") {
  const Sample sample = sample_of(test::plain(100, 200), {{{20, 10, 120, 60}, 3, false, 9}});
  Geometry exact = resize(Resize::exact, {50, 400});
  REQUIRE(prepared(sample, exact).objects[0].box == Box{40, 5, 240, 30});
  REQUIRE(prepared(sample, exact).objects[0].id == 9);

  Geometry boxed = resize(Resize::letterbox, {100, 100});
  boxed.pad_value = 114;
  const Sample letter = prepared(sample, boxed);  // 50 x 100, 25 rows above and below
  REQUIRE(letter.image.size() == cv::Size(100, 100));
  REQUIRE(letter.objects[0].box == Box{10, 30, 60, 55});
  const bool pads = letter.image.at<cv::Vec3b>(24, 0) == cv::Vec3b(114, 114, 114) &&
                    letter.image.at<cv::Vec3b>(25, 0) == cv::Vec3b(200, 20, 10) &&
                    letter.image.at<cv::Vec3b>(74, 99) == cv::Vec3b(200, 20, 10) &&
                    letter.image.at<cv::Vec3b>(75, 99) == cv::Vec3b(114, 114, 114);
  REQUIRE(pads);
  REQUIRE(letter.transforms == "resize 50x100 bilinear; pad 100x100 at 25,0 with 114");
}

TEST_CASE("a crop cuts boxes and drops what is outside", "[datasets][geometry]") {
  const Sample sample = sample_of(
      test::plain(10, 10),
      {{{0, 0, 5, 5}, 1, false, 0}, {{0, 0, 3, 10}, 2, false, 1}, {{6, 6, 7, 7}, 3, true, 2}});
  Geometry how;
  how.crop = Extent{4, 4};
  const Sample cut = prepared(sample, how);
  REQUIRE(cut.image.size() == cv::Size(4, 4));
  REQUIRE(cut.objects ==
          std::vector<Object>{{{0, 0, 2, 2}, 1, false, 0}, {{3, 3, 4, 4}, 3, true, 2}});
  REQUIRE(cut.transforms == "crop 4x4 at 3,3");
}

TEST_CASE("odd margins are halved to the even neighbour", "[datasets][geometry]") {
  // Python's round(), which torchvision uses: 0.5 -> 0, 1.5 -> 2, 2.5 -> 2, 3.5 -> 4.
  const auto left = [](int width) {
    cv::Mat image(1, width, CV_8UC1);
    for (int x = 0; x < width; ++x) image.at<std::uint8_t>(0, x) = static_cast<std::uint8_t>(x);
    Geometry how;
    how.crop = Extent{1, 10};
    return int{prepared(sample_of(image), how).image.at<std::uint8_t>(0, 0)};
  };
  REQUIRE(left(11) == 0);
  REQUIRE(left(12) == 1);
  REQUIRE(left(13) == 2);
  REQUIRE(left(15) == 2);
  REQUIRE(left(17) == 4);
}

TEST_CASE("interpolations have their values", "[datasets][geometry]") {
  const cv::Mat row = (cv::Mat_<std::uint8_t>(1, 4) << 0, 100, 200, 40);
  const auto of = [&](int width, Interpolation interpolation, const cv::Mat& image) {
    return values(
        prepared(sample_of(image), resize(Resize::exact, {1, width}, interpolation)).image);
  };
  REQUIRE(of(2, Interpolation::area, row) == std::vector<int>{50, 120});
  REQUIRE(of(8, Interpolation::nearest, row) == std::vector<int>{0, 0, 100, 100, 200, 200, 40, 40});
  REQUIRE(of(8, Interpolation::bilinear, row) ==
          std::vector<int>{0, 25, 75, 125, 175, 160, 80, 40});
  // A triangle of half width 2 around 1 and 3: weights 3 3 1 / 7 and 1 3 3 / 7 (the part outside
  // is left out).
  REQUIRE(of(2, Interpolation::bilinear_antialias, row) == std::vector<int>{71, 117});
  const cv::Mat deep = (cv::Mat_<std::uint16_t>(1, 4) << 0, 10'000, 20'000, 4'000);
  REQUIRE(of(2, Interpolation::bilinear_antialias, deep) == std::vector<int>{7'143, 11'714});
  REQUIRE(of(2, Interpolation::area, deep) == std::vector<int>{5'000, 12'000});
}

TEST_CASE("the antialiased interpolations are Pillow's", "[datasets][geometry][published]") {
  // Pillow 9.4: Image.fromarray(a).resize((width, height), filter), a[y, x] = (37 y + 91 x + y x^2)
  // % 256.
  cv::Mat image(5, 7, CV_8UC1);
  for (int y = 0; y < 5; ++y) {
    for (int x = 0; x < 7; ++x) {
      image.at<std::uint8_t>(y, x) = static_cast<std::uint8_t>((37 * y + 91 * x + y * x * x) % 256);
    }
  }
  const auto of = [&](Extent to, Interpolation interpolation) {
    return values(prepared(sample_of(image), resize(Resize::exact, to, interpolation)).image);
  };
  REQUIRE(of({2, 3}, Interpolation::bilinear_antialias) ==
          std::vector<int>{101, 110, 107, 140, 117, 134});
  REQUIRE(of({2, 3}, Interpolation::bicubic_antialias) ==
          std::vector<int>{94, 114, 105, 145, 111, 139});
  REQUIRE(of({6, 9}, Interpolation::bicubic_antialias) ==
          std::vector<int>{0,   54,  144, 156, 15,  80,  180, 157, 23,  23,  81,  182, 204, 50,
                           132, 90,  50,  88,  54,  125, 132, 86,  90,  201, 105, 55,  155, 85,
                           165, 106, 16,  128, 139, 102, 132, 228, 118, 197, 150, 73,  168, 29,
                           74,  179, 218, 145, 224, 179, 104, 203, 83,  140, 160, 57});
}

TEST_CASE("colours are converted when asked for", "[datasets][geometry]") {
  Geometry grey, rgb;
  grey.colour = Colour::grey;
  rgb.colour = Colour::rgb;
  const Sample colour = sample_of(cv::Mat(1, 1, CV_8UC3, cv::Scalar(100, 50, 200)));
  // 0.299 * 100 + 0.587 * 50 + 0.114 * 200 = 82.05
  REQUIRE(values(prepared(colour, grey).image) == std::vector<int>{82});
  REQUIRE(prepared(colour, grey).transforms == "to grey");
  REQUIRE(prepared(colour, rgb).transforms.empty());
  const Sample one = prepared(sample_of(cv::Mat(1, 1, CV_16UC1, cv::Scalar(300))), rgb);
  const bool repeated = one.image.at<cv::Vec3w>(0, 0) == cv::Vec3w(300, 300, 300);
  REQUIRE(repeated);
  const Sample alpha = prepared(sample_of(cv::Mat(1, 1, CV_8UC4, cv::Scalar(1, 2, 3, 9))), rgb);
  const bool dropped = alpha.image.at<cv::Vec3b>(0, 0) == cv::Vec3b(1, 2, 3);
  REQUIRE(dropped);
}

TEST_CASE("an image smaller than the crop is refused", "[datasets][geometry][error]") {
  Geometry how;
  how.crop = Extent{4, 9};
  const auto refused = prepare_image(sample_of(test::plain(5, 8)), how);
  REQUIRE_FALSE(refused);
  REQUIRE(refused.error().where == "file, sample 4");
  REQUIRE(refused.error().what ==
          "image is 5x8 (height x width), smaller than preprocess.crop 4x9");
  REQUIRE(refused.error().hint.find("preprocess.resize") != std::string::npos);
  const auto huge =
      prepare_image(sample_of(test::plain(1, 300)), resize(Resize::short_side, {256, 256}));
  REQUIRE_FALSE(huge);
  REQUIRE(huge.error().what == "image is 1x300 (height x width) and would become 256x76800");
}
