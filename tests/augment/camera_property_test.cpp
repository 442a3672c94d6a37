#include "augment/pipeline.hpp"
#include "tests/augment/view.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <thread>

// What holds for every kind of the groups sensor and geometric.

namespace aug = bitquake::augment;
using bitquake::test::applied, bitquake::test::same_image, bitquake::test::test_image,
    bitquake::test::takes;

namespace {

std::vector<const aug::Kind*> camera_kinds() {
  std::vector<const aug::Kind*> kinds;
  for (const aug::Kind& kind : aug::kinds()) {
    if (kind.group == aug::Group::sensor || kind.group == aug::Group::geometric) {
      kinds.push_back(&kind);
    }
  }
  return kinds;
}

double distance(const cv::Mat& a, const cv::Mat& b) {
  return cv::norm(a, b, cv::NORM_L1) / static_cast<double>(a.total());
}

bool inside(const bitquake::Box& box, cv::Size size) {
  return box.x0 >= 0 && box.y0 >= 0 && box.x1 <= size.width && box.y1 <= size.height &&
         box.x0 < box.x1 && box.y0 < box.y1;
}

}  // namespace

TEST_CASE("any image keeps size and type, and boxes stay inside", "[augment][property]") {
  const auto kinds = camera_kinds();
  REQUIRE(kinds.size() == 26);
  REQUIRE(rc::check([&](std::uint64_t seed, std::uint64_t sample) {
    const aug::Kind& kind = *kinds[*rc::gen::inRange<std::size_t>(0, kinds.size())];
    const int severity = *rc::gen::inRange(0, aug::kMaxSeverity + 1);
    const int width = *rc::gen::inRange(1, 50), height = *rc::gen::inRange(1, 50);
    const int type = *rc::gen::element(CV_8UC1, CV_8UC3, CV_16UC1, CV_16UC3);
    RC_PRE(takes(kind, type));
    const double right = *rc::gen::inRange(1, width + 1), below = *rc::gen::inRange(1, height + 1);
    aug::Scene scene{test_image({width, height}, type),
                     {{{0, 0, right, below}, 1, false, 1}, {{right / 2, 0, right, 1}, 2, true, 2}}};
    const cv::Mat before = scene.image.clone();
    const aug::Scene result = applied(kind.name, severity, {}, scene, seed, sample);
    RC_ASSERT(same_image(scene.image, before));
    RC_ASSERT(result.image.size() == before.size());
    RC_ASSERT(result.image.type() == before.type());
    RC_ASSERT(result.objects.size() <= scene.objects.size());
    for (const auto& object : result.objects) RC_ASSERT(inside(object.box, before.size()));
    if (!kind.moves_boxes) RC_ASSERT(result.objects == scene.objects);
    if (severity == 0) {
      RC_ASSERT(same_image(result.image, before));
      RC_ASSERT(result.objects == scene.objects);
    }
    const aug::Scene again = applied(kind.name, severity, {}, scene, seed, sample);
    RC_ASSERT(same_image(result.image, again.image));
    RC_ASSERT(result.objects == again.objects);
    if (!kind.random) {
      RC_ASSERT(
          same_image(result.image, applied(kind.name, severity, {}, scene, seed + 1, 5).image));
    }
  }));
}

TEST_CASE("the extremes of every parameter leave a valid image", "[augment][property]") {
  const aug::Kind& kind = *GENERATE(from_range(camera_kinds()));
  const aug::Scene scene{test_image({13, 9}, CV_8UC3), {{{2, 2, 9, 8}, 1, false, 1}}};
  for (const auto& parameter : kind.parameters) {
    for (const double value : {parameter.min, parameter.max}) {
      INFO(kind.name << " " << parameter.name << " = " << value);
      const aug::Scene result = applied(kind.name, 3, {{parameter.name, value}}, scene);
      REQUIRE(result.image.size() == scene.image.size());
      for (const auto& object : result.objects) REQUIRE(inside(object.box, result.image.size()));
    }
  }
}

TEST_CASE("a higher severity is farther from the original", "[augment][property]") {
  const aug::Kind& kind = *GENERATE(from_range(camera_kinds()));
  if (kind.parameters.empty()) return;  // flips
  const auto [size, type] =
      GENERATE(std::pair(cv::Size(28, 28), CV_8UC1), std::pair(cv::Size(32, 32), CV_8UC3),
               std::pair(cv::Size(120, 90), CV_8UC3));
  if (!takes(kind, type)) return;
  const cv::Mat image = test_image(size, type);
  double before = 0;
  for (int severity = 1; severity <= aug::kMaxSeverity; ++severity) {
    double mean = 0;
    for (std::uint64_t sample = 0; sample < 10; ++sample) {
      mean += distance(applied(kind.name, severity, {}, {image, {}}, 1, sample).image, image) / 10;
    }
    INFO(kind.name << "/" << severity << ": " << mean << ", before " << before);
    REQUIRE(mean >= before);
    REQUIRE(mean > 0);
    before = mean;
  }
}

TEST_CASE("samples and seeds differ where a kind draws", "[augment][property]") {
  const aug::Kind& kind = *GENERATE(from_range(camera_kinds()));
  const aug::Scene scene{test_image({40, 30}, CV_8UC3), {}};
  std::array<int, 2> different{};
  const cv::Mat first = applied(kind.name, 5, {}, scene, 1, 0).image;
  for (std::uint64_t i = 1; i < 9; ++i) {
    different[0] += same_image(first, applied(kind.name, 5, {}, scene, 1, i).image) ? 0 : 1;
    different[1] += same_image(first, applied(kind.name, 5, {}, scene, 1 + i, 0).image) ? 0 : 1;
  }
  const bool of_the_camera = kind.name.starts_with("dead_") || kind.name.starts_with("hot_");
  INFO(kind.name);
  REQUIRE((different[0] > 0) == (kind.random && !of_the_camera));
  REQUIRE((different[1] > 0) == kind.random);
}

TEST_CASE("several threads get the bytes that one gets", "[augment][property]") {
  const aug::Scene scene{test_image({64, 48}, CV_8UC3), {{{10, 10, 40, 40}, 1, false, 1}}};
  const auto kinds = camera_kinds();
  const auto all = [&] {
    std::vector<cv::Mat> images;
    for (const aug::Kind* kind : kinds) {
      images.push_back(applied(kind->name, 4, {}, scene, 3, 4).image);
    }
    return images;
  };
  const auto expected = all();
  std::array<std::vector<cv::Mat>, 7> got;
  std::vector<std::thread> threads;
  for (auto& images : got) threads.emplace_back([&] { images = all(); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& images : got) {
    REQUIRE(std::equal(images.begin(), images.end(), expected.begin(), expected.end(), same_image));
  }
}
