#include "augment/geometry.hpp"

#include "tests/augment/view.hpp"

#include <opencv2/imgproc.hpp>

#include <cmath>

namespace aug = bitquake::augment;
using bitquake::Box, bitquake::Object;
using bitquake::test::applied, bitquake::test::same_image, bitquake::test::test_image,
    bitquake::test::grey;

namespace {

std::optional<Box> box_of(std::string_view kind, const aug::Overrides& overrides, cv::Size size,
                          const Box& box, std::uint64_t sample = 2) {
  const aug::Scene scene{cv::Mat(size, CV_8UC1, cv::Scalar(0)), {{box, 5, true, 6}}};
  const auto result = applied(kind, 1, overrides, scene, 1, sample).objects;
  if (result.empty()) return std::nullopt;
  REQUIRE(result.size() == 1);
  REQUIRE(result[0].category == 5);
  REQUIRE(result[0].crowd);
  REQUIRE(result[0].id == 6);
  return result[0].box;
}

cv::Mat image_of(std::string_view kind, const aug::Overrides& overrides, const cv::Mat& image) {
  return applied(kind, 1, overrides, {image, {}}).image;
}

void require_near(const std::optional<Box>& got, const Box& expected, double margin = 1e-9) {
  REQUIRE(got);
  REQUIRE(got->x0 == Approx(expected.x0).margin(margin));
  REQUIRE(got->y0 == Approx(expected.y0).margin(margin));
  REQUIRE(got->x1 == Approx(expected.x1).margin(margin));
  REQUIRE(got->y1 == Approx(expected.y1).margin(margin));
}

std::vector<std::string> geometric_kinds() {
  std::vector<std::string> names;
  for (const aug::Kind& kind : aug::kinds()) {
    if (kind.group == aug::Group::geometric) names.push_back(kind.name);
  }
  return names;
}

}  // namespace

TEST_CASE("mirrored images and boxes are exact", "[augment][geometry]") {
  const cv::Mat image = grey({{1, 2, 3}, {4, 5, 6}});
  REQUIRE(same_image(image_of("flip_horizontal", {}, image), grey({{3, 2, 1}, {6, 5, 4}})));
  REQUIRE(same_image(image_of("flip_vertical", {}, image), grey({{4, 5, 6}, {1, 2, 3}})));
  require_near(box_of("flip_horizontal", {}, {3, 2}, {0, 0, 1, 2}), {2, 0, 3, 2}, 0);
  require_near(box_of("flip_vertical", {}, {3, 2}, {0, 0, 1, 0.5}), {0, 1.5, 1, 2}, 0);
}

TEST_CASE("a quarter turn moves pixels without touching them", "[augment][geometry]") {
  const cv::Mat image = grey({{1, 2, 3}, {4, 5, 6}, {7, 8, 9}});
  const aug::Overrides left{{"angle", 90}, {"direction", 1}},
      right{{"angle", 90}, {"direction", -1}};
  REQUIRE(same_image(image_of("rotate", left, image), grey({{3, 6, 9}, {2, 5, 8}, {1, 4, 7}})));
  REQUIRE(same_image(image_of("rotate", right, image), grey({{7, 4, 1}, {8, 5, 2}, {9, 6, 3}})));
  require_near(box_of("rotate", left, {3, 3}, {0, 0, 1, 1}), {0, 2, 1, 3});
  require_near(box_of("rotate", right, {3, 3}, {0, 0, 1, 1}), {2, 0, 3, 1});
  // The hull of a turned square: 10 * (cos 30 + sin 30) wide.
  const double half = 5 * (std::sqrt(3.0) + 1) / 2;
  require_near(box_of("rotate", {{"angle", 30}}, {60, 40}, {25, 15, 35, 25}),
               {30 - half, 20 - half, 30 + half, 20 + half});
}

TEST_CASE("moved by whole pixels, with black or a mirror behind", "[augment][geometry]") {
  const cv::Mat image = grey({{1, 2, 3}, {4, 5, 6}});
  const aug::Overrides right{{"x", 0.34}, {"y", 0}, {"direction", 1}};
  const aug::Overrides up{{"x", 0}, {"y", 0.5}, {"direction", -1}, {"fill", 1}};
  REQUIRE(same_image(image_of("translate", right, image), grey({{0, 1, 2}, {0, 4, 5}})));
  REQUIRE(same_image(image_of("translate", up, image), grey({{4, 5, 6}, {255, 255, 255}})));
  REQUIRE(same_image(
      image_of("translate", {{"x", 0.67}, {"y", 0}, {"direction", 1}, {"border", 1}}, image),
      grey({{2, 1, 1}, {5, 4, 4}})));
  require_near(box_of("translate", right, {3, 2}, {0, 0, 2.5, 1}), {1, 0, 3, 1});
}

TEST_CASE("a mirror around the image repeats the outermost pixel, as far as it is asked",
          "[augment][geometry]") {
  const cv::Mat image = grey({{1, 2, 3}});
  const auto from = [&](double shift) {
    return aug::warped(
        image,
        [=](aug::Point p) {
          return aug::Point{p.x + shift, p.y};
        },
        aug::Outside::reflect);
  };
  REQUIRE(same_image(from(0), image));
  REQUIRE(same_image(from(-3), grey({{3, 2, 1}})));
  REQUIRE(same_image(from(3), grey({{3, 2, 1}})));
  REQUIRE(same_image(from(-6), image));
  REQUIRE(same_image(from(600), image));
  const auto nowhere = [](aug::Point) { return aug::Point{std::nan(""), 1e300}; };
  REQUIRE(
      same_image(aug::warped(image, nowhere, aug::Outside::constant, 1), grey({{255, 255, 255}})));
}

TEST_CASE("scaled about the middle, bilinear, by hand", "[augment][geometry]") {
  const cv::Mat image = grey({{0, 100, 200, 40}});
  REQUIRE(same_image(image_of("scale", {{"factor", 2}}, image), grey({{75, 125, 175, 160}})));
  REQUIRE(same_image(image_of("scale", {{"factor", 0.5}}, image), grey({{0, 50, 120, 0}})));
  REQUIRE(same_image(image_of("scale", {{"factor", 1}}, image), image));
  require_near(box_of("scale", {{"factor", 0.5}}, {4, 1}, {0, 0, 4, 1}), {1, 0.25, 3, 0.75});
  require_near(box_of("scale", {{"factor", 2}}, {40, 40}, {18, 10, 22, 30}), {16, 0, 24, 40});
}

TEST_CASE("sheared by hand", "[augment][geometry]") {
  const cv::Mat image = grey({{100, 200}, {100, 200}});
  const aug::Overrides right{{"angle", 45}, {"direction", 1}};
  REQUIRE(same_image(image_of("shear", right, image), grey({{50, 150}, {150, 100}})));
  require_near(box_of("shear", right, {40, 40}, {18, 18, 22, 20}), {18, 18, 24, 20});
}

TEST_CASE("a barrel's edges bulge beyond the corners", "[augment][geometry]") {
  // r' = 2 r / (1 + sqrt(1 + 2 r^2)): the middles of the sides, r^2 = 1/2, go to 0.8284 of their
  // distance, the corners, r = 1, to 0.7321.
  const double side = 50 * 2 / (1 + std::sqrt(2.0));
  require_near(box_of("lens_distortion", {{"bend", -0.5}}, {100, 100}, {0, 0, 100, 100}),
               {50 - side, 50 - side, 50 + side, 50 + side});
  const double corner = 50 * 2 / (1 + std::sqrt(3.0));
  require_near(box_of("lens_distortion", {{"bend", -0.5}, {"min_visibility", 0}}, {100, 100},
                      {0, 0, 1e-9, 1e-9}),
               {50 - corner, 50 - corner, 50 - corner, 50 - corner}, 1e-6);
  // A pincushion pushes the corner out: what is beyond its reach has no box.
  REQUIRE_FALSE(box_of("lens_distortion", {{"bend", 0.9}}, {100, 100}, {0, 0, 5, 5}));
  REQUIRE(same_image(image_of("lens_distortion", {{"bend", 0}}, test_image({9, 7}, CV_8UC3)),
                     test_image({9, 7}, CV_8UC3)));
}

TEST_CASE("a change of perspective takes the corners where they were drawn",
          "[augment][geometry]") {
  bitquake::Draws draws = aug::DrawKey(1, 2, "perspective").draws();
  // From the upper left clockwise, x before y, each inward by up to 0.4 of half a side.
  for (const auto& [x, y] : {std::pair(0, 0), std::pair(1, 0), std::pair(1, 1), std::pair(0, 1)}) {
    const double across = draws.uniform() * 0.4 * 40, down = draws.uniform() * 0.4 * 30;
    const double to_x = x == 0 ? across : 80 - across, to_y = y == 0 ? down : 60 - down;
    const double a = x * 80 - (x == 1 ? 1e-9 : 0), b = y * 60 - (y == 1 ? 1e-9 : 0);
    require_near(box_of("perspective", {{"distortion", 0.4}}, {80, 60}, {a, b, a + 1e-9, b + 1e-9}),
                 {to_x, to_y, to_x, to_y}, 1e-6);
  }
}

TEST_CASE("nothing to do is done exactly", "[augment][geometry]") {
  const cv::Mat image = test_image({31, 22}, GENERATE(CV_8UC1, CV_8UC3, CV_16UC1, CV_16UC3));
  REQUIRE(same_image(image_of("rotate", {{"angle", 0}}, image), image));
  REQUIRE(same_image(image_of("shear", {{"angle", 0}}, image), image));
  REQUIRE(same_image(image_of("perspective", {{"distortion", 0}}, image), image));
  REQUIRE(same_image(image_of("crop", {{"kept", 1}}, image), image));
}

TEST_CASE("objects of which too little stays in the image are removed", "[augment][geometry]") {
  const auto moved = [](double min_visibility) {
    return box_of("translate",
                  {{"x", 0.5}, {"y", 0}, {"direction", 1}, {"min_visibility", min_visibility}},
                  {10, 10}, {0, 0, 10, 10});
  };
  require_near(moved(0), {5, 0, 10, 10});
  require_near(moved(0.5), {5, 0, 10, 10});
  REQUIRE_FALSE(moved(0.51));
  // Nothing of it: removed whatever the limit.
  REQUIRE_FALSE(box_of("translate", {{"x", 0.5}, {"direction", 1}, {"min_visibility", 0}}, {10, 10},
                       {5, 0, 10, 10}));
}

TEST_CASE("the box of a drawn rectangle is where its pixels went", "[augment][geometry]") {
  const std::string kind = GENERATE(from_range(geometric_kinds()));
  const cv::Size size(140, 110);
  int compared = 0;
  for (int severity = 1; severity <= aug::kMaxSeverity; ++severity) {
    for (std::uint64_t sample = 0; sample < 12; ++sample) {
      bitquake::Draws draws(11, bitquake::Stream::perturbation, sample);
      const cv::Rect drawn(static_cast<int>(draws.below(100)), static_cast<int>(draws.below(80)),
                           10 + static_cast<int>(draws.below(30)),
                           10 + static_cast<int>(draws.below(20)));
      cv::Mat image(size, CV_8UC1, cv::Scalar(0));
      image(drawn).setTo(255);
      const aug::Scene scene{image,
                             {{{static_cast<double>(drawn.x), static_cast<double>(drawn.y),
                                static_cast<double>(drawn.x + drawn.width),
                                static_cast<double>(drawn.y + drawn.height)},
                               1,
                               false,
                               1}}};
      INFO(kind << "/" << severity << " sample " << sample);
      const aug::Scene result = applied(kind, severity, {}, scene, 1, sample);
      const cv::Rect seen = cv::boundingRect(result.image > 100);
      if (result.objects.empty()) {
        REQUIRE(seen.area() < 0.15 * drawn.area() * (kind == "crop" ? 4 : 1));
        continue;
      }
      ++compared;
      // The tips of a rectangle that is turned cover less than half a pixel.
      require_near(
          result.objects[0].box,
          {static_cast<double>(seen.x), static_cast<double>(seen.y),
           static_cast<double>(seen.x + seen.width), static_cast<double>(seen.y + seen.height)},
          1.6);
    }
  }
  REQUIRE(compared > 20);
}

TEST_CASE("there and back again is where it was", "[augment][geometry]") {
  const cv::Mat image = [] {
    cv::Mat smooth;
    cv::GaussianBlur(test_image({120, 100}, CV_8UC3), smooth, {9, 9}, 3);
    return smooth;
  }();
  const cv::Rect middle(45, 35, 30, 30);
  const auto require_back = [&](std::string_view kind, const aug::Overrides& there,
                                const aug::Overrides& back, double margin) {
    INFO(kind);
    const cv::Mat result = image_of(kind, back, image_of(kind, there, image));
    REQUIRE(cv::norm(result(middle), image(middle), cv::NORM_INF) <= margin);
  };
  require_back("flip_horizontal", {}, {}, 0);
  require_back("flip_vertical", {}, {}, 0);
  require_back("translate", {{"x", 0.1}, {"direction", 1}}, {{"x", 0.1}, {"direction", -1}}, 0);
  require_back("rotate", {{"angle", 33}, {"direction", 1}}, {{"angle", 33}, {"direction", -1}}, 2);
  require_back("shear", {{"angle", 20}, {"direction", 1}}, {{"angle", 20}, {"direction", -1}}, 2);
  require_back("scale", {{"factor", 1.6}}, {{"factor", 0.625}}, 2);
}
