#include "augment/filters.hpp"
#include "augment/float_image.hpp"
#include "augment/random_values.hpp"
#include "tests/augment/images.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <vector>

// Pixels computed by hand.

namespace aug = bitquake::augment;
using namespace bitquake::augment::detail;
using bitquake::test::perturbed;
using bitquake::test::same_image;
using bitquake::test::test_image;

namespace {

cv::Mat grey_row(const std::vector<std::uint8_t>& values) {
  return cv::Mat(values, true).reshape(1, 1);
}

/// A black image with one white pixel in its centre.
cv::Mat point(int side) {
  cv::Mat image(side, side, CV_8UC1, cv::Scalar(0));
  image.at<std::uint8_t>(side / 2, side / 2) = 255;
  return image;
}

cv::Mat colour(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  return cv::Mat(1, 1, CV_8UC3, cv::Scalar(red, green, blue));
}

int at(const cv::Mat& image, int row, int column) { return image.at<std::uint8_t>(row, column); }

cv::Vec3i pixel(const cv::Mat& image) { return image.at<cv::Vec3b>(0, 0); }

}  // namespace

TEST_CASE("values are stored clipped and truncated", "[augment][formula]") {
  const cv::Mat values =
      (cv::Mat_<float>(1, 7) << -1, 0, 0.99F / 255, 1.9F / 255, 254.9995F / 255, 1, 7);
  const cv::Mat stored = to_stored(values, CV_8U);
  REQUIRE(same_image(stored, grey_row({0, 0, 0, 1, 255, 255, 255})));
  cv::Mat undefined(1, 1, CV_32FC1, cv::Scalar(std::nan("")));
  REQUIRE(at(to_stored(undefined, CV_8U), 0, 0) == 0);
  for (const int type : {CV_8UC1, CV_8UC3, CV_16UC1, CV_16UC3}) {
    const cv::Mat image = test_image({31, 17}, type);
    REQUIRE(same_image(to_stored(to_float(image), image.depth()), image));
  }
}

TEST_CASE("indices beyond the border are those of the three conventions", "[augment][formula]") {
  const auto row = [](int size, Border border) {
    std::vector<int> indices;
    for (int i = -5; i < size + 5; ++i) indices.push_back(border_index(i, size, border));
    return indices;
  };
  REQUIRE(row(3, Border::replicate) == std::vector<int>{0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2});
  REQUIRE(row(3, Border::reflect) == std::vector<int>{1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1});
  REQUIRE(row(3, Border::reflect_101) == std::vector<int>{1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1});
  REQUIRE(row(1, Border::reflect_101) == std::vector<int>(11, 0));
}

TEST_CASE("gaussian_blur has the weights of a Gaussian of four sigmas", "[augment][formula]") {
  // sigma = 0.5: weights e^0, e^-2, e^-8, together 1.27134 with both sides.
  const cv::Mat image = perturbed(point(9), "gaussian_blur/1[sigma=0.5]");
  REQUIRE(at(image, 4, 4) == 157);  // 255 * 0.78657^2 = 157.77
  REQUIRE(at(image, 4, 5) == 21);   // 255 * 0.78657 * 0.10645 = 21.35
  REQUIRE(at(image, 3, 4) == 21);
  REQUIRE(at(image, 3, 5) == 2);  // 255 * 0.10645^2 = 2.89
  REQUIRE(at(image, 4, 6) == 0);  // 0.05
}

TEST_CASE("a blur longer than the image is that of the image unrolled", "[augment][formula]") {
  const cv::Mat values = (cv::Mat_<float>(3, 1) << 1, 0, 0);
  // Weights folded by hand: position p of the pattern 0 1 2 | 2 1 0 | 0 1 2 | … meets pixel 0.
  double all = 0, first = 0;
  for (int i = -8; i <= 8; ++i) {
    const double weight = std::exp(-0.5 * i * i / 4.0);
    all += weight;
    const int folded = ((i % 6) + 6) % 6;
    if (folded == 0 || folded == 5) first += weight;
  }
  const cv::Mat blurred = gaussian(values, 2, 4, Border::reflect);
  REQUIRE(blurred.at<float>(0, 0) == Approx(first / all).epsilon(1e-6));
  REQUIRE(cv::sum(blurred)[0] == Approx(1).epsilon(1e-6));
}

TEST_CASE("defocus_blur of radius 1 is the mean of five pixels", "[augment][formula]") {
  const cv::Mat image = perturbed(point(9), "defocus_blur/1[radius=1;edge_sigma=0.01]");
  for (const auto& [y, x] : {std::pair{4, 4}, {3, 4}, {5, 4}, {4, 3}, {4, 5}}) {
    REQUIRE(at(image, y, x) == 51);
  }
  REQUIRE(cv::sum(image)[0] == 255);
}

TEST_CASE("motion blur weighs the pixels behind with half a Gaussian", "[augment][formula]") {
  // radius = sigma = 1: weights 1, e^-0.5, e^-2, together 1.741866.
  cv::Mat spot(5, 5, CV_32FC1, cv::Scalar(0));
  spot.at<float>(2, 2) = 1;
  const cv::Mat right = motion(spot, 1, 1, 0);
  REQUIRE(right.at<float>(2, 2) == Approx(0.574097).epsilon(1e-5));
  REQUIRE(right.at<float>(2, 1) == Approx(0.348207).epsilon(1e-5));
  REQUIRE(right.at<float>(2, 0) == Approx(0.077696).epsilon(1e-4));
  const cv::Mat down = motion(spot, 1, 1, 90);
  REQUIRE(down.at<float>(1, 2) == Approx(0.348207).epsilon(1e-5));
  const cv::Mat diagonal = motion(spot, 1, 1, 45);  // 0.71 and 1.41 px are both 1
  REQUIRE(diagonal.at<float>(1, 1) == Approx(0.348207 + 0.077696).epsilon(1e-4));
  const cv::Mat flat(5, 5, CV_8UC3, cv::Scalar(200, 100, 50));
  REQUIRE(same_image(perturbed(flat, "motion_blur/5"), flat));
}

TEST_CASE("zoom_blur is the mean of the image and its enlargements", "[augment][formula]") {
  // Twice as large: 40 and 80 spread over four pixels, 40, 53.33, 66.67, 80.
  cv::Mat image;
  cv::repeat(grey_row({0, 40, 80, 120}), 4, 1, image);
  const cv::Mat zoomed = perturbed(image, "zoom_blur/1[step=1;count=2]");
  REQUIRE(same_image(zoomed.row(2), grey_row({13, 44, 75, 106})));
}

TEST_CASE("glass_blur only moves pixels, and none near the border", "[augment][formula]") {
  const cv::Mat image = test_image({40, 30}, CV_8UC1);
  const cv::Mat moved = perturbed(image, "glass_blur/1[sigma=0;reach=3;rounds=2]");
  std::set<int> values;
  for (const auto value : cv::Mat_<std::uint8_t>(image)) values.insert(value);
  int changed = 0;
  for (int y = 0; y < 30; ++y) {
    for (int x = 0; x < 40; ++x) {
      REQUIRE(values.count(at(moved, y, x)) == 1);
      const bool inside = y > 3 && x > 3 && y <= 27 && x <= 37;
      if (!inside) REQUIRE(at(moved, y, x) == at(image, y, x));
      if (at(moved, y, x) != at(image, y, x)) ++changed;
    }
  }
  REQUIRE(changed > 500);
}

TEST_CASE("brightness adds to the value of HSV", "[augment][formula]") {
  // V = 100/255 becomes 151/255: the pixel is multiplied by 1.51.
  REQUIRE(pixel(perturbed(colour(100, 50, 0), "brightness/1[shift=0.2]")) == cv::Vec3i(151, 75, 0));
  REQUIRE(pixel(perturbed(colour(0, 0, 0), "brightness/1[shift=0.2]")) == cv::Vec3i(51, 51, 51));
  REQUIRE(pixel(perturbed(colour(250, 125, 0), "brightness/1[shift=0.2]")) ==
          cv::Vec3i(255, 127, 0));
  REQUIRE(same_image(perturbed(grey_row({0, 100, 250}), "brightness/1[shift=0.2]"),
                     grey_row({51, 151, 255})));
}

TEST_CASE("contrast draws values to the mean of their channel", "[augment][formula]") {
  REQUIRE(same_image(perturbed(grey_row({0, 200}), "contrast/1[factor=0.5]"), grey_row({50, 150})));
  cv::Mat image(1, 2, CV_8UC3);
  image.at<cv::Vec3b>(0, 0) = {0, 10, 20};
  image.at<cv::Vec3b>(0, 1) = {100, 10, 120};
  const cv::Mat result = perturbed(image, "contrast/1[factor=0.25]");
  REQUIRE(result.at<cv::Vec3b>(0, 0) == cv::Vec3b(37, 10, 57));
  REQUIRE(result.at<cv::Vec3b>(0, 1) == cv::Vec3b(62, 10, 82));
}

TEST_CASE("saturate changes the saturation of HSV", "[augment][formula]") {
  REQUIRE(pixel(perturbed(colour(200, 100, 0), "saturate/1[factor=0.5;shift=0]")) ==
          cv::Vec3i(200, 150, 100));
  REQUIRE(pixel(perturbed(colour(200, 150, 100), "saturate/1[factor=2;shift=0]")) ==
          cv::Vec3i(200, 100, 0));
  REQUIRE(pixel(perturbed(colour(100, 100, 100), "saturate/1[factor=1;shift=0.2]")) ==
          cv::Vec3i(100, 80, 80));
  const auto refused = aug::apply(*aug::make_step("saturate", 1), {grey_row({1, 2}), {}},
                                  aug::DrawKey(1, 1, "saturate"));
  REQUIRE_FALSE(refused);
  REQUIRE(refused.error().what == "saturate works on colours; this one is grey");
}

TEST_CASE("pixelate rounds rows first, then columns", "[augment][formula]") {
  const cv::Mat image = (cv::Mat_<std::uint8_t>(4, 4) << 0, 10, 0, 1,  //
                         40, 50, 0, 0,                                 //
                         7, 7, 255, 255,                               //
                         7, 7, 255, 254);
  const cv::Mat result = perturbed(image, "pixelate/1[size=0.5]");
  // Rows of the second block: 0.5 and 0 become 1 and 0; their mean 0.5 becomes 1.
  REQUIRE(same_image(result.row(0), grey_row({25, 25, 1, 1})));
  REQUIRE(same_image(result.row(1), grey_row({25, 25, 1, 1})));
  REQUIRE(same_image(result.row(3), grey_row({7, 7, 255, 255})));
}

TEST_CASE("jpeg_compression loses nothing of a flat image, much of a fine one",
          "[augment][formula]") {
  const cv::Mat flat(16, 16, CV_8UC1, cv::Scalar(128));
  REQUIRE(same_image(perturbed(flat, "jpeg_compression/5"), flat));
  const cv::Mat image = test_image({48, 40}, CV_8UC3);
  const auto loss = [&](const char* step) {
    return cv::norm(image, perturbed(image, step), cv::NORM_L1);
  };
  REQUIRE(loss("jpeg_compression/1[quality=95]") < loss("jpeg_compression/1[quality=10]"));
  const auto refused = aug::apply(*aug::make_step("jpeg_compression", 1),
                                  {test_image({8, 8}, CV_16UC1), {}}, aug::DrawKey(1, 1, "jpeg"));
  REQUIRE_FALSE(refused);
  REQUIRE(refused.error().what == "jpeg_compression works on 8 bits per value; this one has 16");
}

TEST_CASE("fog on white reaches from 1/(1 + amount) to white", "[augment][formula]") {
  const cv::Mat white(32, 32, CV_8UC1, cv::Scalar(255)), black(32, 32, CV_8UC3, cv::Scalar(0));
  double low = 0, high = 0;
  cv::minMaxLoc(perturbed(white, "fog/1[amount=0.5]"), &low, &high);
  REQUIRE(low == 170);
  REQUIRE(high == 255);
  REQUIRE(same_image(perturbed(black, "fog/5"), black));
}

TEST_CASE("a height map is rough where its decay is small", "[augment][formula]") {
  const auto roughness = [](double decay) {
    const cv::Mat map =
        plasma({64, 64}, decay, bitquake::Draws(1, bitquake::Stream::perturbation, 2));
    double sum = 0;
    for (int y = 0; y < 64; ++y) {
      for (int x = 1; x < 64; ++x) sum += std::fabs(map.at<float>(y, x) - map.at<float>(y, x - 1));
    }
    return sum;
  };
  REQUIRE(roughness(1.4) > 1.5 * roughness(2));
  REQUIRE(roughness(2) > 1.1 * roughness(3));
}

TEST_CASE("snow whitens black by half of what it does not keep", "[augment][formula]") {
  // No noise reaches the threshold: 0.2 * max(0, 0.5) = 0.1.
  const cv::Mat black(20, 20, CV_8UC3, cv::Scalar(0));
  REQUIRE(same_image(perturbed(black, "snow/1[threshold=5;keep=0.8]"),
                     cv::Mat(20, 20, CV_8UC3, cv::Scalar(25, 25, 25))));
  // Every flake is full, and there are two layers.
  REQUIRE(same_image(perturbed(black, "snow/1[mean=5;threshold=1;keep=1]"),
                     cv::Mat(20, 20, CV_8UC3, cv::Scalar(255, 255, 255))));
}

TEST_CASE("mud covers with its colour, no water leaves the image", "[augment][formula]") {
  const cv::Mat image = test_image({20, 20}, CV_8UC3);
  const cv::Mat mud = perturbed(image, "spatter/5[mean=5]");
  REQUIRE(same_image(mud, cv::Mat(20, 20, CV_8UC3, cv::Scalar(63, 42, 20))));
  REQUIRE(same_image(perturbed(image, "spatter/1[mean=-5]"), image));
}

TEST_CASE("impulse_noise replaces its share by extremes", "[augment][formula]") {
  const cv::Mat image(100, 100, CV_8UC3, cv::Scalar(100, 100, 100));
  const auto count = [](const cv::Mat& result, int value) {
    const cv::Mat_<std::uint8_t> flat = result.reshape(1);
    return std::count(flat.begin(), flat.end(), static_cast<std::uint8_t>(value));
  };
  const cv::Mat some = perturbed(image, "impulse_noise/1[amount=0.3]");
  // 30,000 values: 4,500 of each expected, standard deviation 62.
  REQUIRE(std::abs(count(some, 0) - 4500) < 250);
  REQUIRE(std::abs(count(some, 255) - 4500) < 250);
  REQUIRE(count(some, 0) + count(some, 100) + count(some, 255) == 30000);
  REQUIRE(same_image(perturbed(image, "impulse_noise/1[amount=0]"), image));
  REQUIRE(count(perturbed(image, "impulse_noise/1[amount=1]"), 100) == 0);
}

TEST_CASE("Poisson numbers invert their distribution", "[augment][formula]") {
  // Mean 2: sums e^-2 = 0.1353, 3 e^-2 = 0.4060, 5 e^-2 = 0.6767.
  for (const auto& [uniform, number] : {std::pair{0.0, 0},
                                        {0.135, 0},
                                        {0.136, 1},
                                        {0.405, 1},
                                        {0.407, 2},
                                        {0.676, 2},
                                        {0.677, 3}}) {
    REQUIRE(poisson(2, uniform) == number);
  }
  REQUIRE(poisson(0, 0.999999) == 0);
  REQUIRE(poisson(700, 0.5) == 700);
  REQUIRE(poisson(700, 1 - 0x1p-53) < 1000);
}

TEST_CASE("shot_noise has the mean and variance of Poisson numbers", "[augment][formula]") {
  // 102/255 * 100 = 40 photons: standard deviation 6.32 photons of 2.55 each.
  for (const int depth : {CV_8U, CV_16U}) {
    const double unit = depth == CV_8U ? 1 : 257;
    const cv::Mat image(200, 200, CV_MAKETYPE(depth, 1), cv::Scalar(102 * unit));
    cv::Scalar mean, deviation;
    cv::meanStdDev(perturbed(image, "shot_noise/1[photons=100]"), mean, deviation);
    REQUIRE(mean[0] / unit == Approx(depth == CV_8U ? 101.5 : 102).margin(0.35));
    REQUIRE(deviation[0] / unit == Approx(16.13).epsilon(0.015));
  }
}

TEST_CASE("fast normal numbers are normal", "[augment][formula]") {
  constexpr int kCount = 1'000'000;
  Normals normals(bitquake::Draws(3, bitquake::Stream::perturbation, 4));
  std::vector<double> values(kCount);
  double sum = 0, squares = 0, fourths = 0;
  for (double& value : values) {
    value = normals.next();
    sum += value;
    squares += value * value;
    fourths += value * value * value * value;
  }
  // Five standard errors each.
  REQUIRE(sum / kCount == Approx(0).margin(5e-3));
  REQUIRE(squares / kCount == Approx(1).margin(5 * std::sqrt(2.0 / kCount)));
  REQUIRE(fourths / kCount == Approx(3).margin(5 * std::sqrt(96.0 / kCount)));
  std::sort(values.begin(), values.end());
  double distance = 0;
  for (int i = 0; i < kCount; ++i) {
    const double expected = 0.5 * std::erfc(-values[static_cast<std::size_t>(i)] / std::sqrt(2.0));
    distance = std::max({distance, std::fabs((i + 1.0) / kCount - expected),
                         std::fabs(expected - 1.0 * i / kCount)});
  }
  REQUIRE(distance < 1.95 / std::sqrt(1.0 * kCount));  // Kolmogorov-Smirnov at 0.1 %
  REQUIRE(values.back() > 4.3);                        // the tail is there
  REQUIRE(values.back() < 6.5);
}

TEST_CASE("boxes follow the affine part of elastic_transform", "[augment][formula]") {
  cv::Mat image(120, 160, CV_8UC1, cv::Scalar(0));
  image(cv::Rect(60, 40, 40, 30)).setTo(255);
  const aug::Scene scene{image, {{.box = {60, 40, 100, 70}, .category = 3}}};
  for (std::uint64_t sample = 0; sample < 20; ++sample) {
    const auto moved = aug::apply(*aug::parse_pipeline("elastic_transform/1[alpha=0;affine=0.1]"),
                                  scene, 1, sample);
    REQUIRE(moved);
    // The hull of what is bright, the border of the image left out: it mirrors.
    std::vector<cv::Point> bright;
    cv::findNonZero(moved->image > 127, bright);
    int left = 160, right = 0, top = 120, bottom = 0;
    for (const cv::Point& p : bright) {
      left = std::min(left, p.x), right = std::max(right, p.x + 1);
      top = std::min(top, p.y), bottom = std::max(bottom, p.y + 1);
    }
    REQUIRE(moved->objects.size() == 1);
    REQUIRE(moved->objects[0].category == 3);
    const bitquake::Box box = moved->objects[0].box;
    REQUIRE(box.x0 == Approx(left).margin(1.5));
    REQUIRE(box.x1 == Approx(right).margin(1.5));
    REQUIRE(box.y0 == Approx(top).margin(1.5));
    REQUIRE(box.y1 == Approx(bottom).margin(1.5));
  }
}
