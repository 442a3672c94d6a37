#include "tests/augment/images.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace aug = bitquake::augment;
using bitquake::test::same_image;
using bitquake::test::takes;
using bitquake::test::test_image;

namespace {

/// The built-in kinds; the kinds that tests register come after them.
std::vector<const aug::Kind*> built_in() {
  std::vector<const aug::Kind*> list;
  for (const aug::Kind& kind : aug::kinds()) {
    if (kind.source != "this test") list.push_back(&kind);
  }
  return list;
}

cv::Mat applied(const aug::Kind& kind, int severity, const cv::Mat& image, std::uint64_t sample) {
  const auto step = value_or_throw(aug::make_step(kind.name, severity));
  return value_or_throw(aug::apply(step, {image, {}}, aug::DrawKey(11, sample, kind.name))).image;
}

}  // namespace

TEST_CASE("each kind takes images of any size and keeps their type", "[augment][property]") {
  for (const aug::Kind* kind : built_in()) {
    for (const int type : {CV_8UC1, CV_8UC3, CV_16UC1, CV_16UC3}) {
      if (!takes(*kind, type)) continue;
      for (const cv::Size size : {cv::Size(1, 1), {2, 1}, {1, 7}, {3, 5}, {28, 28}, {100, 67}}) {
        INFO(kind->name << " " << size << " type " << type);
        const cv::Mat image = test_image(size, type), before = image.clone();
        for (const int severity : {1, 3, 5}) {
          const cv::Mat result = applied(*kind, severity, image, 3);
          REQUIRE(result.size() == size);
          REQUIRE(result.type() == type);
          REQUIRE(same_image(image, before));
          if (size.area() < 50) continue;
          REQUIRE(same_image(result, applied(*kind, severity, image, 3)));
        }
        REQUIRE(same_image(applied(*kind, 0, image, 3), image));
      }
    }
  }
}

TEST_CASE("any size, kind, severity and sample give an image", "[augment][property]") {
  const auto all = built_in();
  const bool held = rc::check("any size, kind, severity and sample", [&] {
    const aug::Kind& kind = *all[*rc::gen::inRange<std::size_t>(0, all.size())];
    const cv::Size size(*rc::gen::inRange(1, 90), *rc::gen::inRange(1, 90));
    const int type = *rc::gen::element(CV_8UC1, CV_8UC3, CV_16UC1, CV_16UC3);
    RC_PRE(takes(kind, type));
    const cv::Mat image = test_image(size, type);
    const auto sample = *rc::gen::arbitrary<std::uint64_t>();
    const int severity = *rc::gen::inRange(1, 6);
    const cv::Mat result = applied(kind, severity, image, sample);
    RC_ASSERT(result.size() == size);
    RC_ASSERT(result.type() == type);
  });
  REQUIRE(held);
}

TEST_CASE("a region of a larger image is perturbed as if it were alone", "[augment][property]") {
  const cv::Mat large = test_image({80, 70}, CV_8UC3);
  const cv::Mat region = large(cv::Rect(7, 5, 40, 33)), alone = region.clone();
  for (const aug::Kind* kind : built_in()) {
    INFO(kind->name);
    REQUIRE(same_image(applied(*kind, 4, region, 1), applied(*kind, 4, alone, 1)));
  }
}

TEST_CASE("only kinds that are called random depend on the sample", "[augment][property]") {
  const cv::Mat image = test_image({64, 48}, CV_8UC3);
  for (const aug::Kind* kind : built_in()) {
    INFO(kind->name);
    bool differs = false;
    for (int severity = 1; severity <= 5; ++severity) {
      const cv::Mat one = applied(*kind, severity, image, 1);
      for (std::uint64_t sample = 2; sample < 8 && !differs; ++sample) {
        differs = !same_image(one, applied(*kind, severity, image, sample));
      }
    }
    if (!kind->random) REQUIRE_FALSE(differs);
    if (kind->random && kind->group != aug::Group::sensor) REQUIRE(differs);
  }
}

TEST_CASE("a stronger severity is farther from the clean image", "[augment][property]") {
  // Where the published tables are not monotone themselves, only the ends are compared, or nothing.
  const auto distance = [](const aug::Kind& kind, int severity, cv::Size size) {
    const cv::Mat image = test_image(size, CV_8UC3);
    double sum = 0;
    for (std::uint64_t sample = 0; sample < 6; ++sample) {
      sum += cv::norm(image, applied(kind, severity, image, sample), cv::NORM_L2SQR);
    }
    return sum;
  };
  for (const aug::Kind* kind : built_in()) {
    if (kind->group == aug::Group::sensor || kind->group == aug::Group::geometric) continue;
    for (const cv::Size size : {cv::Size(32, 32), {110, 90}}) {
      INFO(kind->name << " " << size);
      std::vector<double> distances;
      for (int severity = 1; severity <= 5; ++severity) {
        distances.push_back(distance(*kind, severity, size));
      }
      for (const double d : distances) REQUIRE(d > 0);
      const bool table_not_monotone = kind->name == "elastic_transform" ||
                                      kind->name == "saturate" || kind->name == "glass_blur" ||
                                      kind->name == "frost_procedural" || kind->name == "spatter";
      if (table_not_monotone) continue;
      for (std::size_t i = 1; i < 5; ++i) {
        INFO("severity " << i + 1);
        REQUIRE(distances[i] > 0.95 * distances[i - 1]);
      }
      REQUIRE(distances[4] > 1.1 * distances[0]);
    }
  }
}

TEST_CASE("threads that work at the same time get the same bytes", "[augment][property]") {
  struct Task {
    const aug::Kind* kind;
    int severity;
    std::uint64_t sample;
  };
  std::vector<Task> tasks;
  for (const aug::Kind* kind : built_in()) {
    for (const int severity : {2, 5}) {
      for (const std::uint64_t sample : {0, 1}) tasks.push_back({kind, severity, sample});
    }
  }
  const cv::Mat image = test_image({70, 50}, CV_8UC3);
  std::vector<cv::Mat> alone;
  for (const Task& task : tasks) {
    alone.push_back(applied(*task.kind, task.severity, image, task.sample));
  }
  std::vector<std::vector<cv::Mat>> results(7, std::vector<cv::Mat>(tasks.size()));
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < results.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < tasks.size(); ++i) {
        const std::size_t k = (i * 5 + t * 11) % tasks.size();  // another order in each
        results[t][k] = applied(*tasks[k].kind, tasks[k].severity, image, tasks[k].sample);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) {
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      if (result[i].empty()) continue;  // the stride skipped it
      INFO(tasks[i].kind->name);
      REQUIRE(same_image(result[i], alone[i]));
    }
  }
}
