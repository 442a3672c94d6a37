#include "augment/random_values.hpp"
#include "tests/augment/view.hpp"

#include <cmath>
#include <set>

namespace aug = bitquake::augment;
using bitquake::test::applied, bitquake::test::grey, bitquake::test::same_image;

namespace {

cv::Mat image_of(std::string_view kind, const aug::Overrides& overrides, const cv::Mat& image,
                 std::uint64_t seed = 1, std::uint64_t sample = 2) {
  return applied(kind, 1, overrides, {image, {}}, seed, sample).image;
}

int value_of(std::string_view kind, const aug::Overrides& overrides, int value) {
  return image_of(kind, overrides, grey({{value}})).at<std::uint8_t>(0, 0);
}

std::set<int> changed_pixels(const cv::Mat& a, const cv::Mat& b) {
  std::set<int> places;
  for (int i = 0; i < static_cast<int>(a.total()); ++i) {
    if (a.data[i] != b.data[i]) places.insert(i);
  }
  return places;
}

struct Moments {
  double mean, variance;
};

template <class T>
Moments moments(const cv::Mat& image) {
  double sum = 0, squares = 0;
  const auto count = static_cast<double>(image.total());
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) {
      const double value = image.at<T>(y, x);
      sum += value;
      squares += value * value;
    }
  }
  const double mean = sum / count;
  return {mean, squares / count - mean * mean};
}

}  // namespace

TEST_CASE("a stop halves or doubles the light, not the value", "[augment][sensor]") {
  // sRGB: half the light of white is 187.5 (188), a quarter 137.
  REQUIRE(value_of("underexposure", {{"stops", 1}}, 255) == 188);
  REQUIRE(value_of("underexposure", {{"stops", 2}}, 255) == 137);
  REQUIRE(value_of("underexposure", {{"stops", 1}}, 188) == 137);
  REQUIRE(value_of("underexposure", {{"stops", 1}}, 8) == 4);  // linear near black
  REQUIRE(value_of("overexposure", {{"stops", 1}}, 137) == 188);
  REQUIRE(value_of("overexposure", {{"stops", 1}}, 200) == 255);
  REQUIRE(value_of("overexposure", {{"stops", 0}}, 77) == 77);
  const cv::Mat white(1, 1, CV_16UC1, cv::Scalar(65535));
  REQUIRE(image_of("underexposure", {{"stops", 1}}, white).at<std::uint16_t>(0, 0) == 48192);
}

TEST_CASE("gamma and quantisation of values computed by hand", "[augment][sensor]") {
  REQUIRE(value_of("gamma", {{"exponent", 2}}, 128) == 64);
  REQUIRE(value_of("gamma", {{"exponent", 0.5}}, 64) == 128);
  REQUIRE(value_of("gamma", {{"exponent", 1}}, 201) == 201);
  REQUIRE(value_of("color_quant", {{"bits", 1}}, 127) == 0);
  REQUIRE(value_of("color_quant", {{"bits", 1}}, 255) == 128);
  REQUIRE(value_of("color_quant", {{"bits", 3}}, 100) == 96);
  REQUIRE(value_of("color_quant", {{"bits", 8}}, 99) == 99);
  const cv::Mat deep(1, 1, CV_16UC1, cv::Scalar(40000));
  REQUIRE(image_of("color_quant", {{"bits", 1}}, deep).at<std::uint16_t>(0, 0) == 32768);
}

TEST_CASE("grey in the light of a lamp has the chromaticity of illuminant A", "[augment][sensor]") {
  // CIE illuminant A (2856 K): x = 0.4476, y = 0.4074; 6500 K on the Planckian locus: 0.3135,
  // 0.3237.
  const cv::Mat middle(1, 1, CV_8UC3, cv::Scalar(137, 137, 137));
  const auto lamp = image_of("white_balance", {{"temperature", 2856}}, middle).at<cv::Vec3b>(0, 0);
  REQUIRE(std::abs(lamp[0] - 177.6) < 1.2);
  REQUIRE(std::abs(lamp[1] - 126.4) < 1.2);
  REQUIRE(std::abs(lamp[2] - 67.2) < 1.2);
  REQUIRE(same_image(image_of("white_balance", {{"temperature", 6500}}, middle), middle));
  const auto sky = image_of("white_balance", {{"temperature", 15000}}, middle).at<cv::Vec3b>(0, 0);
  REQUIRE(sky[2] > sky[1]);
  REQUIRE(sky[1] > sky[0]);
}

TEST_CASE("stuck pixels are those of the campaign, and more of them with severity",
          "[augment][sensor]") {
  const auto [kind, stuck] = GENERATE(std::pair("dead_pixels", 0), std::pair("hot_pixels", 255));
  const cv::Mat image(30, 40, CV_8UC1, cv::Scalar(100));
  const auto at = [&, name = kind](int severity, std::uint64_t seed, std::uint64_t sample) {
    return applied(name, severity, {}, {image, {}}, seed, sample).image;
  };
  const cv::Mat first = at(3, 1, 0);
  const auto places = changed_pixels(image, first);
  REQUIRE(places.size() == 12);  // 0.01 of 1200
  for (const int place : places) REQUIRE(first.data[place] == stuck);
  REQUIRE(same_image(first, at(3, 1, 17)));
  REQUIRE_FALSE(same_image(first, at(3, 2, 0)));
  const auto more = changed_pixels(image, at(4, 1, 0));
  REQUIRE(more.size() == 36);
  for (const int place : places) REQUIRE(more.count(place) == 1);
  const cv::Mat tiny(1, 1, CV_8UC1, cv::Scalar(100));
  REQUIRE(applied(kind, 1, {}, {tiny, {}}).image.at<std::uint8_t>(0, 0) == stuck);
  REQUIRE(same_image(image_of(kind, {{"share", 0}}, image), image));
  const cv::Mat all = image_of(kind, {{"share", 1}}, cv::Mat(5, 4, CV_16UC3, cv::Scalar(9, 9, 9)));
  REQUIRE(same_image(all, cv::Mat(5, 4, CV_16UC3, cv::Scalar::all(stuck * 257))));
}

TEST_CASE("dead lines are whole, black and those of the campaign", "[augment][sensor]") {
  const bool rows = GENERATE(true, false);
  const char* kind = rows ? "dead_rows" : "dead_columns";
  const cv::Mat image(50, 50, CV_8UC3, cv::Scalar(9, 9, 9));
  cv::Mat result = image_of(kind, {{"share", 0.1}}, image, 5, 0);
  REQUIRE(same_image(result, image_of(kind, {{"share", 0.1}}, image, 5, 1)));
  REQUIRE_FALSE(same_image(result, image_of(kind, {{"share", 0.1}}, image, 6, 0)));
  if (!rows) cv::transpose(result, result);
  int dead = 0;
  for (int y = 0; y < 50; ++y) {
    const double sum = cv::norm(result.row(y), cv::NORM_L1);
    REQUIRE((sum == 0 || sum == 9 * 150));
    dead += sum == 0 ? 1 : 0;
  }
  REQUIRE(dead == 5);
}

TEST_CASE("sensor noise has the variance x / photons + sigma squared", "[augment][sensor]") {
  const aug::Overrides overrides{{"photons", 100}, {"sigma", 0.03}};
  const double x = 128.0 / 255, variance = x / 100 + 0.03 * 0.03;
  const auto low = moments<std::uint8_t>(
      image_of("sensor_noise", overrides, cv::Mat(200, 200, CV_8UC1, cv::Scalar(128))));
  REQUIRE(low.mean == Approx(127.5).margin(0.4));  // stored values are truncated
  REQUIRE(low.variance == Approx(variance * 255 * 255 + 1.0 / 12).epsilon(0.03));
  // 16 bits: between two of the tabulated means.
  const auto high = moments<std::uint16_t>(
      image_of("sensor_noise", overrides, cv::Mat(200, 200, CV_16UC1, cv::Scalar(32950))));
  REQUIRE(high.mean == Approx(32950).margin(110));
  REQUIRE(high.variance == Approx((32950.0 / 65535 / 100 + 0.0009) * 65535 * 65535).epsilon(0.03));
  // Photons alone: none where it is black.
  const cv::Mat black(20, 20, CV_8UC1, cv::Scalar(0));
  REQUIRE(same_image(image_of("sensor_noise", {{"sigma", 0}}, black), black));
}

TEST_CASE("photons are counted with the mean as variance", "[augment][sensor]") {
  const double x = GENERATE(0.0017, 0.3, 0.5019, 1.0);
  const aug::detail::Photons photons(500);
  bitquake::Draws draws(3, bitquake::Stream::perturbation, 4);
  constexpr int kDraws = 40000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double count = photons.count(x, draws);
    sum += count;
    squares += count * count;
  }
  const double mean = sum / kDraws, expected = 500 * x;
  REQUIRE(mean == Approx(expected).margin(4.5 * std::sqrt(expected / kDraws)));
  REQUIRE(squares / kDraws - mean * mean == Approx(expected).epsilon(0.05));
}

TEST_CASE("the Poisson table finds what the sum of probabilities finds", "[augment][sensor]") {
  const double mean = GENERATE(0.0, 0.3, 7.0, 250.0, 700.0);
  const aug::detail::PoissonTable table(mean);
  bitquake::Draws draws(3, bitquake::Stream::perturbation, 4);
  for (int i = 0; i < 2000; ++i) {
    const double uniform = draws.uniform();
    REQUIRE(table.count(uniform) == aug::detail::poisson(mean, uniform));
  }
  REQUIRE(table.count(0) == aug::detail::poisson(mean, 0));
}

TEST_CASE("low light spreads the range, squares, scales and adds noise", "[augment][sensor]") {
  cv::Mat image(100, 200, CV_8UC1, cv::Scalar(20));  // becomes 0
  image.colRange(100, 150).setTo(220);               // becomes the peak
  image.colRange(150, 200).setTo(120);               // a quarter of it
  const cv::Mat dark = applied("low_light", 3, {}, {image, {}}).image;
  const auto bright = moments<std::uint8_t>(dark.colRange(100, 150).clone());
  REQUIRE(bright.mean == Approx(0.4 * 255 - 0.5).margin(1));
  REQUIRE(bright.variance ==
          Approx((0.4 / 120 + 0.018 * 0.018) * 255 * 255 + 1.0 / 12).epsilon(0.08));
  REQUIRE(moments<std::uint8_t>(dark.colRange(150, 200).clone()).mean ==
          Approx(0.1 * 255 - 0.5).margin(0.7));
  // One value everywhere has no range.
  REQUIRE(moments<std::uint8_t>(
              applied("low_light", 3, {}, {cv::Mat(60, 60, CV_8UC1, cv::Scalar(255)), {}}).image)
              .mean == Approx(0.4 * 255 - 0.5).margin(1.5));
}

TEST_CASE("banding adds one normal number to each row", "[augment][sensor]") {
  const cv::Mat image(2000, 3, CV_8UC3, cv::Scalar(128, 128, 128));
  const cv::Mat result = image_of("banding", {{"sigma", 0.1}}, image);
  cv::Mat first(2000, 1, CV_8UC1);
  for (int y = 0; y < 2000; ++y) {
    const auto* row = result.ptr<std::uint8_t>(y);
    for (int i = 1; i < 9; ++i) REQUIRE(row[i] == row[0]);
    first.at<std::uint8_t>(y, 0) = row[0];
  }
  const auto [mean, variance] = moments<std::uint8_t>(first);
  REQUIRE(mean == Approx(128).margin(2));
  REQUIRE(std::sqrt(variance) == Approx(25.5).epsilon(0.06));
}

TEST_CASE("each bit flips with the rate asked for", "[augment][sensor]") {
  const cv::Mat image(200, 200, CV_8UC3, cv::Scalar(0, 0, 0));
  const cv::Mat result = image_of("bit_errors", {{"rate", 0.02}}, image);
  std::array<int, 8> flips{};
  for (std::size_t i = 0; i < image.total() * 3; ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) flips.at(bit) += (result.data[i] >> bit) & 1;
  }
  // 120,000 of each bit: 2400 expected, standard deviation 48.5.
  for (const int count : flips) REQUIRE(std::abs(count - 2400) < 220);
  REQUIRE(value_of("bit_errors", {{"rate", 1}}, 0x5A) == 0xA5);
  REQUIRE(value_of("bit_errors", {{"rate", 0}}, 0x5A) == 0x5A);
  REQUIRE(same_image(
      image_of("bit_errors", {{"rate", 1}}, cv::Mat(3, 5, CV_16UC3, cv::Scalar(1, 2, 3))),
      cv::Mat(3, 5, CV_16UC3, cv::Scalar(65534, 65533, 65532))));
}

TEST_CASE("occlusion hides the share asked for and the objects behind it", "[augment][sensor]") {
  const cv::Mat image(80, 100, CV_8UC1, cv::Scalar(50));
  const std::uint64_t sample = GENERATE(range(0, 8));
  const cv::Mat result = image_of("occlusion", {{"share", 0.2}, {"fill", 1}}, image, 1, sample);
  cv::Mat patch = result == 255;
  REQUIRE(std::abs(cv::countNonZero(patch) - 1600) < 60);
  int left = 100, top = 80, right = 0, bottom = 0;
  for (int y = 0; y < 80; ++y) {
    for (int x = 0; x < 100; ++x) {
      if (patch.at<std::uint8_t>(y, x) == 0) continue;
      left = std::min(left, x), right = std::max(right, x + 1);
      top = std::min(top, y), bottom = std::max(bottom, y + 1);
    }
  }
  const int width = right - left, height = bottom - top;
  REQUIRE(cv::countNonZero(patch) == width * height);
  const double aspect = static_cast<double>(width) / height / (100.0 / 80);
  REQUIRE(aspect > 0.27);
  REQUIRE(aspect < 3.7);

  // Half of the first object is seen, nothing of the second, all of the third.
  const double x = left, y = top;
  const std::vector<bitquake::Object> objects{{{x - width, y, x + width, y + height}, 1, false, 1},
                                              {{x + 1, y + 1, x + 3, y + 3}, 2, false, 2},
                                              {{0, 0, 1, 1}, 3, false, 3}};
  const auto kept = [&](double min_visibility) {
    std::set<std::uint64_t> ids;
    for (const auto& object :
         applied("occlusion", 1, {{"share", 0.2}, {"min_visibility", min_visibility}},
                 {image, objects}, 1, sample)
             .objects) {
      REQUIRE(object == objects[object.id - 1]);
      ids.insert(object.id);
    }
    return ids;
  };
  const bool inside = left >= width;  // otherwise a part of the first object is outside the image
  if (inside && (left > 0 || top > 0)) {
    REQUIRE(kept(0) == std::set<std::uint64_t>{1, 2, 3});
    REQUIRE(kept(0.1) == std::set<std::uint64_t>{1, 3});
    REQUIRE(kept(0.5) == std::set<std::uint64_t>{1, 3});
    REQUIRE(kept(0.51) == std::set<std::uint64_t>{3});
  }
  REQUIRE(kept(0.1).count(2) == 0);
  const cv::Mat all = image_of("occlusion", {{"share", 1}}, image);
  REQUIRE(cv::countNonZero(all) == 0);
}

TEST_CASE("rain darkens, and streaks cover the share asked for", "[augment][sensor]") {
  const cv::Mat image(480, 640, CV_8UC1, cv::Scalar(100));
  REQUIRE(same_image(image_of("rain", {{"density", 0}, {"brightness", 0.5}}, image),
                     cv::Mat(480, 640, CV_8UC1, cv::Scalar(50))));
  const cv::Mat wet = image_of(
      "rain", {{"density", 0.05}, {"brightness", 0.5}, {"streak", 0.4}, {"length", 0.1}}, image);
  double low = 0, high = 0;
  cv::minMaxLoc(wet, &low, &high);
  REQUIRE(low == 50);
  REQUIRE(high == 152);  // 50 + 0.4 * 255
  // Where streaks do not meet, each adds its area; a tenth of them is above or below the image.
  const double covered = (cv::mean(wet)[0] - 50) / 102;
  REQUIRE(covered > 0.035);
  REQUIRE(covered < 0.05);
  REQUIRE_FALSE(same_image(wet, image_of("rain", {{"density", 0.05}}, image, 1, 3)));
  // Streaks shorter than a pixel cover parts of two rows.
  const cv::Mat drizzle = image_of(
      "rain", {{"density", 0.02}, {"brightness", 0.5}, {"streak", 0.4}, {"length", 0}}, image);
  REQUIRE((cv::mean(drizzle)[0] - 50) / 102 == Approx(0.02).epsilon(0.06));
}

TEST_CASE("a shadow takes its share of the light in one area", "[augment][sensor]") {
  const cv::Mat image(60, 60, CV_8UC3, cv::Scalar(200, 100, 40));
  const cv::Mat result = image_of("shadow", {{"intensity", 0.25}}, image);
  int inside = 0;
  for (int y = 0; y < 60; ++y) {
    for (int x = 0; x < 60; ++x) {
      const auto pixel = result.at<cv::Vec3b>(y, x);
      if (pixel == cv::Vec3b(150, 75, 30)) {
        ++inside;
      } else {
        REQUIRE(pixel == cv::Vec3b(200, 100, 40));
      }
    }
  }
  REQUIRE(inside > 36);
  REQUIRE(inside < 3600);
}
