#include "augment/perturbation.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <set>

namespace aug = bitquake::augment;
using bitquake::Errc;

namespace {

/// Adds its first parameter to each value. Images of 8 bits.
void add_constant(aug::Scene& scene, std::span<const double> values, const aug::DrawKey&) {
  cv::Mat image = scene.image.clone();
  for (int row = 0; row < image.rows; ++row) {
    for (int i = 0; i < image.cols * image.channels(); ++i) {
      image.ptr<std::uint8_t>(row)[i] =
          static_cast<std::uint8_t>(image.ptr<std::uint8_t>(row)[i] + values[0]);
    }
  }
  scene.image = image;
}

aug::Kind own_kind(std::string name) {
  return {.name = std::move(name),
          .group = aug::Group::extra,
          .doc = "adds a number",
          .source = "this test",
          .parameters = {{.name = "number",
                          .doc = "what is added",
                          .unit = "",
                          .min = 0,
                          .max = 100,
                          .large = {1, 2, 3, 4, 5},
                          .small = aug::Severities{10, 20, 30, 40, 50},
                          .integer = true}},
          .takes_16_bit = false,
          .apply = add_constant};
}

std::string what(const aug::Kind& kind) {
  const auto result = aug::register_kind(kind);
  REQUIRE_FALSE(result);
  REQUIRE(result.error().code == Errc::usage);
  return result.error().what;
}

}  // namespace

TEST_CASE("the description of each kind is complete", "[augment][registry]") {
  std::set<std::string> names;
  REQUIRE(aug::kinds().size() >= 4);
  for (const aug::Kind& kind : aug::kinds()) {
    INFO(kind.name);
    REQUIRE(names.insert(kind.name).second);
    REQUIRE_FALSE(kind.doc.empty());
    REQUIRE_FALSE(kind.source.empty());
    REQUIRE(kind.apply != nullptr);
    REQUIRE_FALSE(bitquake::name_of(aug::kGroups, kind.group).empty());
    REQUIRE(kind.parameters.size() <= aug::kMaxParameters);
    for (const auto& parameter : kind.parameters) {
      INFO(parameter.name);
      REQUIRE_FALSE(parameter.doc.empty());
      for (const auto* table : {&parameter.large, parameter.small ? &*parameter.small : nullptr}) {
        if (table == nullptr) continue;
        for (const double value : *table) {
          REQUIRE(value >= parameter.min);
          REQUIRE(value <= parameter.max);
          REQUIRE((!parameter.integer || value == std::floor(value)));
        }
      }
    }
  }
}

TEST_CASE("a program's own kind is used like the built-in ones", "[augment][registry]") {
  const auto kind = aug::register_kind(own_kind("add_number"));
  REQUIRE(kind);
  const auto step = aug::make_step("add_number", 2);
  REQUIRE(step);
  REQUIRE(step->kind == *kind);
  const aug::Scene grey{cv::Mat(3, 5, CV_8UC1, cv::Scalar(7)), {}};
  const auto result = aug::apply(*step, grey, aug::DrawKey(1, 2, "add_number"));
  REQUIRE(result);
  REQUIRE(result->image.at<std::uint8_t>(2, 4) == 27);
  REQUIRE(grey.image.at<std::uint8_t>(2, 4) == 7);

  REQUIRE(what(own_kind("add_number")) == "the name is taken");
  REQUIRE(what(own_kind("gaussian_noise")) == "the name is taken");
  REQUIRE(what(own_kind("Upper")) == "the name is malformed");
  REQUIRE(what(own_kind("clean")) == "the name is malformed");
  aug::Kind bad = own_kind("bad");
  bad.doc = "two\nlines";
  REQUIRE(what(bad) == "its description is empty or has control characters");
  bad = own_kind("bad");
  bad.apply = nullptr;
  REQUIRE(what(bad) == "it has no function");
  bad = own_kind("bad");
  bad.parameters[0].large[4] = 101;
  REQUIRE(what(bad) == "a value of parameter 'number' is out of its own range");
  bad = own_kind("bad");
  bad.parameters[0].large[4] = 1.5;
  REQUIRE(what(bad) == "a value of parameter 'number' is out of its own range");
  bad = own_kind("bad");
  bad.parameters.push_back(bad.parameters[0]);
  REQUIRE(what(bad) == "it has two parameters 'number'");
  bad = own_kind("bad");
  bad.parameters[0].name = "table";
  REQUIRE(what(bad) == "the parameter's name 'table' is malformed");
}

TEST_CASE("a step that cannot be made says why and what to do", "[augment][step]") {
  const auto error = [](std::string_view name, int severity, const aug::Overrides& overrides) {
    const auto step = aug::make_step(name, severity, overrides);
    REQUIRE_FALSE(step);
    REQUIRE(step.error().code == Errc::scenario);
    return step.error().what + " | " + step.error().hint;
  };
  REQUIRE(error("gausian_noise", 1, {}) ==
          "unknown perturbation 'gausian_noise' | did you mean 'gaussian_noise'?");
  REQUIRE(error("shot_noise", 6, {}) ==
          "shot_noise: severity 6 is out of range | use 1 (weak) to 5 (strong), or 0 for the clean "
          "image");
  REQUIRE(error("shot_noise", -1, {}).find("severity -1 is out of range") != std::string::npos);
  REQUIRE(error("shot_noise", 1, {{"photon", 3}}) ==
          "shot_noise: unknown parameter 'photon' | did you mean 'photons'?");
  REQUIRE(error("impulse_noise", 1, {{"amount", 1.5}}) ==
          "impulse_noise: parameter 'amount' is 1.5 | use a number from 0 to 1 (fraction)");
  REQUIRE(error("impulse_noise", 1, {{"amount", std::nan("")}}).find("is nan") !=
          std::string::npos);
  REQUIRE(error("impulse_noise", 1, {{"amount", .5}, {"amount", .6}}) ==
          "impulse_noise: parameter 'amount' is set twice | set it once");
  REQUIRE(error("impulse_noise", 0, {{"amount", .5}}) ==
          "impulse_noise: severity 0 changes nothing, but parameters are set | leave them out, or "
          "choose a severity from 1 to 5");
}

TEST_CASE("the table is that of the image's size unless it is named", "[augment][step]") {
  const auto sigma = [](aug::Table table, cv::Size size, const aug::Overrides& overrides = {}) {
    return aug::parameter_values(*aug::make_step("gaussian_noise", 3, overrides, table), size)
        .at(0);
  };
  REQUIRE(sigma(aug::Table::automatic, {32, 32}) == 0.08);
  REQUIRE(sigma(aug::Table::automatic, {640, 64}) == 0.08);
  REQUIRE(sigma(aug::Table::automatic, {65, 65}) == 0.18);
  REQUIRE(sigma(aug::Table::small, {224, 224}) == 0.08);
  REQUIRE(sigma(aug::Table::large, {32, 32}) == 0.18);
  REQUIRE(sigma(aug::Table::large, {32, 32}, {{"sigma", 0.5}}) == 0.5);
}

TEST_CASE("images of other types are refused", "[augment][step]") {
  const auto step = *aug::make_step("gaussian_noise", 1);
  const auto error = [&](const cv::Mat& image) {
    const auto result = aug::apply(step, {image, {}}, aug::DrawKey(0, 0, "gaussian_noise"));
    REQUIRE_FALSE(result);
    REQUIRE(result.error().code == Errc::data);
    return result.error().what;
  };
  REQUIRE(error(cv::Mat()) == "it has no pixels");
  REQUIRE(error(cv::Mat(2, 2, CV_32FC3)) == "its values are of the type CV_32F");
  REQUIRE(error(cv::Mat(2, 2, CV_8UC4)) == "it has 4 channels");
}

TEST_CASE("draws depend on seed, sample, kind, occurrence and part", "[augment][draws]") {
  std::set<std::uint64_t> first;
  for (std::uint64_t seed : {1, 2}) {
    for (std::uint64_t sample : {0, 1}) {
      for (const char* kind : {"fog", "snow"}) {
        for (std::uint32_t occurrence : {0, 1}) {
          for (std::uint32_t part : {0, 1}) {
            const aug::DrawKey key(seed, sample, kind, occurrence);
            REQUIRE(first.insert(key.draws(part).next64()).second);
            if (sample == 0) REQUIRE(first.insert(key.camera_draws(part).next64()).second);
            const aug::DrawKey other_sample(seed, 77, kind, occurrence);
            REQUIRE(key.camera_draws(part).next64() == other_sample.camera_draws(part).next64());
          }
        }
      }
    }
  }
}
