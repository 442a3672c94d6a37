#include "augment/pipeline.hpp"

#include <catch2/catch.hpp>
#include <opencv2/core.hpp>

namespace aug = bitquake::augment;

namespace {

cv::Mat ramp() {
  cv::Mat image(20, 30, CV_8UC3);
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 30; ++x) {
      image.at<cv::Vec3b>(y, x) =
          cv::Vec3b(static_cast<std::uint8_t>(8 * x), static_cast<std::uint8_t>(12 * y), 128);
    }
  }
  return image;
}

cv::Mat applied(std::string_view pipeline, std::uint64_t seed, std::uint64_t sample) {
  const auto result = aug::apply(*aug::parse_pipeline(pipeline), {ramp(), {}}, seed, sample);
  REQUIRE(result);
  return result->image;
}

bool same(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() && a.type() == b.type() && cv::norm(a, b, cv::NORM_L1) == 0;
}

}  // namespace

TEST_CASE("a pipeline's label reads back as the pipeline", "[augment][pipeline]") {
  for (const char* text :
       {"clean", "shot_noise/3", "shot_noise/0", "shot_noise/2+gaussian_noise/3",
        "gaussian_noise/5[sigma=0.25]", "gaussian_noise/5[sigma=0.25;table=small]+shot_noise/1",
        "gaussian_noise/1[sigma=1e-20]"}) {
    const auto pipeline = aug::parse_pipeline(text);
    REQUIRE(pipeline);
    REQUIRE(aug::label(*pipeline) == text);
  }
  REQUIRE(*aug::parse_pipeline("shot_noise/3") == *aug::parse_pipeline("shot_noise/3"));
  REQUIRE_FALSE(*aug::parse_pipeline("shot_noise/3") == *aug::parse_pipeline("shot_noise/2"));
  REQUIRE(aug::parse_pipeline("gaussian_noise/1[sigma=1e+0]+shot_noise/1")->steps.size() == 2);
}

TEST_CASE("a malformed pipeline is refused", "[augment][pipeline]") {
  for (const char* text :
       {"", "+", "shot_noise", "shot_noise/", "shot_noise/x", "shot_noise/3+", "shot_noise/3[",
        "shot_noise/3[]", "shot_noise/3[photons]", "shot_noise/3[photons=x]",
        "shot_noise/3[table=middle]", "shot_noise/3]x", "shot_noise/7", "noise/3"}) {
    INFO(text);
    const auto pipeline = aug::parse_pipeline(text);
    REQUIRE_FALSE(pipeline);
    REQUIRE(pipeline.error().code == bitquake::Errc::scenario);
    REQUIRE_FALSE(pipeline.error().hint.empty());
  }
}

TEST_CASE("a range of severities stands for each of them", "[augment][pipeline]") {
  const auto labels = [](std::string_view text) {
    const auto pipelines = aug::parse_alternatives(text);
    REQUIRE(pipelines);
    std::vector<std::string> found;
    for (const auto& pipeline : *pipelines) found.push_back(aug::label(pipeline));
    return found;
  };
  using Labels = std::vector<std::string>;
  REQUIRE(labels("clean") == Labels{"clean"});
  REQUIRE(labels("fog/3") == Labels{"fog/3"});
  REQUIRE(labels("fog/4-5") == Labels{"fog/4", "fog/5"});
  REQUIRE(labels("fog/2-2") == Labels{"fog/2"});
  REQUIRE(labels("gaussian_noise/1-2[sigma=1e-2]") ==
          Labels{"gaussian_noise/1[sigma=0.01]", "gaussian_noise/2[sigma=0.01]"});
  REQUIRE(labels("fog/1-2+shot_noise/3+rotate/4-5") ==
          Labels{"fog/1+shot_noise/3+rotate/4", "fog/1+shot_noise/3+rotate/5",
                 "fog/2+shot_noise/3+rotate/4", "fog/2+shot_noise/3+rotate/5"});
  const std::string five = "+fog/1-5";
  for (const std::string& text :
       {std::string("fog/3-1"), std::string("fog/1-6"), std::string("fog/1-"),
        std::string("fog/-1"), std::string("fog/1-x"), std::string("fog/-"), std::string("fgo/1-3"),
        std::string(""), "fog/1-5" + five + five + five + five + five}) {
    INFO(text);
    const auto pipelines = aug::parse_alternatives(text);
    REQUIRE_FALSE(pipelines);
    REQUIRE(pipelines.error().code == bitquake::Errc::scenario);
    REQUIRE_FALSE(pipelines.error().hint.empty());
  }
  REQUIRE_FALSE(aug::parse_pipeline("fog/1-3"));
}

TEST_CASE("steps act one after the other", "[augment][pipeline]") {
  const aug::Scene clean{ramp(), {}};
  const auto first =
      aug::apply(*aug::make_step("shot_noise", 2), clean, aug::DrawKey(5, 6, "shot_noise", 0));
  const auto second =
      aug::apply(*aug::make_step("shot_noise", 4), *first, aug::DrawKey(5, 6, "shot_noise", 1));
  REQUIRE(same(applied("shot_noise/2+shot_noise/4", 5, 6), second->image));
  REQUIRE(same(applied("clean", 5, 6), clean.image));
  REQUIRE(same(applied("shot_noise/0", 5, 6), clean.image));
}

TEST_CASE("a kind draws the same for a sample whatever comes before it", "[augment][pipeline]") {
  REQUIRE(same(applied("shot_noise/2", 5, 6), applied("gaussian_noise/0+shot_noise/2", 5, 6)));
  REQUIRE(
      same(applied("shot_noise/2", 5, 6), applied("gaussian_noise/3[sigma=0]+shot_noise/2", 5, 6)));
  REQUIRE_FALSE(same(applied("shot_noise/2", 5, 6), applied("shot_noise/2", 5, 7)));
  REQUIRE_FALSE(same(applied("shot_noise/2", 5, 6), applied("shot_noise/2", 6, 6)));
}

TEST_CASE("the 15 corruptions of ImageNet-C are told from other perturbations",
          "[augment][pipeline]") {
  // As the paper lists them; ice is computed here, under a name of its own.
  const std::vector<std::string> published{
      "gaussian_noise",    "shot_noise",  "impulse_noise",   "defocus_blur",
      "glass_blur",        "motion_blur", "zoom_blur",       "snow",
      "frost_procedural",  "fog",         "brightness",      "contrast",
      "elastic_transform", "pixelate",    "jpeg_compression"};
  const aug::Kind own{.name = "own_noise",
                      .group = aug::Group::noise,
                      .doc = "of this program",
                      .source = "this test",
                      .apply = [](aug::Scene&, std::span<const double>, const aug::DrawKey&) {}};
  REQUIRE(aug::register_kind(own));
  std::vector<std::string> found;
  for (const aug::Kind& kind : aug::kinds()) {
    const auto step = aug::common_corruption(*aug::parse_pipeline(kind.name + "/4"));
    if (!step) continue;
    REQUIRE(step->severity == 4);
    found.push_back(step->kind->name);
  }
  REQUIRE(found == published);
  for (const char* other : {"clean", "fog/0", "fog/3[amount=2]", "fog/3[table=large]",
                            "fog/1+snow/1", "speckle_noise/1", "saturate/1", "rotate/1"}) {
    INFO(other);
    REQUIRE_FALSE(aug::common_corruption(*aug::parse_pipeline(other)));
  }
}
