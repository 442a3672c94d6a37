#include "tests/augment/images.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

// Comparison with images that the published code of ImageNet-C and CIFAR-10-C made.
// ../shared/data/corruptions, beside the checkout, holds them; without it, skipped.

namespace aug = bitquake::augment;
namespace fs = std::filesystem;

namespace {

fs::path data() { return fs::path(BITQUAKE_SOURCE_DIR) / "../shared/data"; }

bool missing() {
  if (fs::exists(data() / "corruptions/cifar10_c/clean.png")) return false;
  WARN("skipped: no reference images beside this checkout (../shared/data/corruptions)");
  return true;
}

cv::Mat read_rgb(const fs::path& path) {
  const cv::Mat image = cv::imread(path.string());
  INFO(path);
  REQUIRE_FALSE(image.empty());
  cv::Mat rgb;
  cv::cvtColor(image, rgb, cv::COLOR_BGR2RGB);
  return rgb;
}

/// The 16 images of a 4x4 grid.
std::vector<cv::Mat> grid_images(const std::string& name) {
  const cv::Mat grid = read_rgb(data() / "corruptions/cifar10_c" / (name + ".png"));
  std::vector<cv::Mat> images;
  for (int i = 0; i < 16; ++i) {
    images.push_back(grid(cv::Rect(32 * (i % 4), 32 * (i / 4), 32, 32)).clone());
  }
  return images;
}

std::vector<cv::Mat> cifar_images(std::size_t count) {
  std::ifstream file(data() / "cifar10/test_batch.bin", std::ios::binary);
  std::vector<cv::Mat> images;
  std::vector<char> record(3073);
  while (images.size() < count && file.read(record.data(), 3073)) {
    cv::Mat image(32, 32, CV_8UC3);
    for (int i = 0; i < 3072; ++i) {
      image.data[i % 1024 * 3 + i / 1024] =
          static_cast<std::uint8_t>(record[static_cast<std::size_t>(i + 1)]);
    }
    images.push_back(image);
  }
  REQUIRE(images.size() == count);
  return images;
}

struct Difference {
  double mean = 0;
  int most = 0;
};

Difference difference(const std::vector<cv::Mat>& ours, const std::vector<cv::Mat>& theirs) {
  Difference result;
  std::size_t values = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    REQUIRE(ours[i].size() == theirs[i].size());
    cv::Mat gap;
    cv::absdiff(ours[i], theirs[i], gap);
    for (const std::uint8_t value : cv::Mat_<std::uint8_t>(gap.reshape(1))) {
      result.mean += value;
      result.most = std::max<int>(result.most, value);
      ++values;
    }
  }
  result.mean /= static_cast<double>(values);
  return result;
}

std::vector<cv::Mat> all_perturbed(const std::vector<cv::Mat>& images, const std::string& step,
                                   std::uint64_t first_sample = 0) {
  std::vector<cv::Mat> results;
  for (const cv::Mat& image : images) {
    results.push_back(bitquake::test::perturbed(image, step, first_sample + results.size()));
  }
  return results;
}

/// Values of perturbed minus clean images.
std::vector<cv::Mat> residuals(const std::vector<cv::Mat>& images,
                               const std::vector<cv::Mat>& clean) {
  std::vector<cv::Mat> results;
  for (std::size_t i = 0; i < images.size(); ++i) {
    cv::Mat difference;
    cv::subtract(images[i], clean[i % clean.size()], difference, cv::noArray(), CV_32F);
    results.push_back(difference);
  }
  return results;
}

std::vector<float> sorted_values(const std::vector<cv::Mat>& images) {
  std::vector<float> values;
  for (const cv::Mat& image : images) {
    const cv::Mat_<float> flat = image.reshape(1);
    values.insert(values.end(), flat.begin(), flat.end());
  }
  std::sort(values.begin(), values.end());
  return values;
}

/// Greatest distance of two empirical distributions.
double kolmogorov_smirnov(const std::vector<cv::Mat>& a, const std::vector<cv::Mat>& b) {
  const auto x = sorted_values(a), y = sorted_values(b);
  double greatest = 0;
  for (int value = -255; value <= 255; ++value) {
    const auto share = [&](const std::vector<float>& list) {
      const auto end = std::upper_bound(list.begin(), list.end(), static_cast<float>(value));
      return static_cast<double>(end - list.begin()) / static_cast<double>(list.size());
    };
    greatest = std::max(greatest, std::fabs(share(x) - share(y)));
  }
  return greatest;
}

/// Power of 32x32 images in four rings of spatial frequency: below 1/8 cycle per pixel, 1/4, 3/8
/// and above; the mean over images and channels. Constants left out.
std::array<double, 4> radial_power(const std::vector<cv::Mat>& images) {
  std::array<double, 4> power{};
  for (const cv::Mat& image : images) {
    std::vector<cv::Mat> channels;
    cv::split(image, channels);
    for (const cv::Mat& channel : channels) {
      cv::Mat spectrum;
      cv::dft(channel, spectrum, cv::DFT_COMPLEX_OUTPUT);
      for (int v = 0; v < 32; ++v) {
        for (int u = 0; u < 32; ++u) {
          const double radius = std::hypot(u < 16 ? u : u - 32, v < 16 ? v : v - 32) / 32;
          if (radius == 0) continue;
          const auto z = spectrum.at<cv::Vec2f>(v, u);
          power.at(std::min<std::size_t>(3, static_cast<std::size_t>(radius * 8))) +=
              (z[0] * z[0] + z[1] * z[1]) / static_cast<double>(images.size() * 3 * 1024 * 1024);
        }
      }
    }
  }
  return power;
}

/// What may differ from the reference, and why so much: the figures of a random kind are means over
/// what both drew.
struct Tolerance {
  double rmse;   ///< relative, over 1000 images
  double mean;   ///< of the shift of the mean, absolute, in grey levels, over 1000 images
  double ks;     ///< Kolmogorov-Smirnov distance of residuals of 16 images
  double power;  ///< relative, of each ring of frequencies, 16 images
};

const std::map<std::string, Tolerance> kRandomKinds{
    {"gaussian_noise", {.005, .05, .01, .10}},
    {"shot_noise", {.005, .05, .01, .10}},
    {"impulse_noise", {.005, .1, .01, .15}},
    {"speckle_noise", {.005, .05, .01, .10}},
    {"glass_blur", {.005, .25, .03, .15}},
    {"motion_blur", {.02, .1, .03, .35}},
    {"snow", {.03, .6, .12, .60}},
    {"fog", {.03, .6, .10, .35}},
    {"elastic_transform", {.04, .4, .04, .30}},
    {"spatter", {.02, .2, .04, .30}},
};

}  // namespace

TEST_CASE("deterministic corruptions equal the published ones", "[augment][published]") {
  if (missing()) return;
  const auto clean = grid_images("clean");
  const std::vector<cv::Mat> photograph{read_rgb(data() / "corruptions/imagenet_c/clean.png")};
  for (const std::string name : {"defocus_blur", "zoom_blur", "gaussian_blur", "brightness",
                                 "contrast", "saturate", "pixelate", "jpeg_compression"}) {
    for (int severity = 1; severity <= 5; ++severity) {
      const std::string file = name + "_" + std::to_string(severity);
      const std::string step = name + "/" + std::to_string(severity);
      const Difference small = difference(all_perturbed(clean, step), grid_images(file));
      const Difference large =
          difference(all_perturbed(photograph, step),
                     {read_rgb(data() / "corruptions/imagenet_c" / (file + ".png"))});
      INFO(step << ": CIFAR-10-C " << small.mean << ", ImageNet-C " << large.mean);
      // One level: values that are whole numbers, which the reference truncates after rounding
      // errors. They are many where the arithmetic gives many of them.
      REQUIRE(small.most <= 1);
      REQUIRE(large.most <= 1);
      REQUIRE(small.mean < 0.1);
      REQUIRE(large.mean < 0.2);
      if (name == "contrast" || name == "pixelate" || name == "jpeg_compression") {
        REQUIRE(small.most + large.most == 0);
      }
    }
  }
}

TEST_CASE("random corruptions are as far from the clean images as the published ones",
          "[augment][published]") {
  if (missing()) return;
  const auto images = cifar_images(1000);
  std::ifstream file(data() / "corruptions/cifar10c_first1000_accuracy.json");
  const auto published = nlohmann::json::parse(file);
  std::map<std::string, Tolerance> kinds = kRandomKinds;
  kinds["frost_procedural"] = {.06, 1.5, 0, 0};  // other ice, but as much of it
  for (const auto& [name, tolerance] : kinds) {
    for (int severity = 1; severity <= 5; ++severity) {
      const std::string level = std::to_string(severity);
      double squares = 0, sum = 0;
      for (std::size_t i = 0; i < images.size(); ++i) {
        const cv::Mat result = bitquake::test::perturbed(images[i], name + "/" + level, i);
        for (int k = 0; k < 3072; ++k) {
          const double change = result.data[k] - images[i].data[k];
          squares += change * change;
          sum += change;
        }
      }
      const double values = 3072.0 * static_cast<double>(images.size());
      const auto& figures =
          published.at((name == "frost_procedural" ? "frost" : name) + "_" + level);
      INFO(name << "/" << level << ": RMSE " << std::sqrt(squares / values) << ", published "
                << figures.at(2) << "; mean " << sum / values << ", published " << figures.at(3));
      REQUIRE(std::sqrt(squares / values) ==
              Approx(figures.at(2).get<double>()).epsilon(tolerance.rmse));
      REQUIRE(sum / values == Approx(figures.at(3).get<double>()).margin(tolerance.mean));
    }
  }
}

TEST_CASE("residuals of random corruptions are distributed like the published ones",
          "[augment][published]") {
  if (missing()) return;
  const auto clean = grid_images("clean");
  for (const auto& [name, tolerance] : kRandomKinds) {
    for (int severity = 1; severity <= 5; ++severity) {
      const std::string level = std::to_string(severity);
      std::vector<cv::Mat> ours;  // of eight samples, so that it is the reference that scatters
      for (std::uint64_t sample = 0; sample < 8; ++sample) {
        const auto some = all_perturbed(clean, name + "/" + level, 1000 * sample);
        ours.insert(ours.end(), some.begin(), some.end());
      }
      const auto mine = residuals(ours, clean);
      const auto theirs = residuals(grid_images(name + "_" + level), clean);
      const double distance = kolmogorov_smirnov(mine, theirs);
      const auto power = radial_power(mine), expected = radial_power(theirs);
      INFO(name << "/" << level << ": KS " << distance << ", power " << power[0] / expected[0]
                << " " << power[1] / expected[1] << " " << power[2] / expected[2] << " "
                << power[3] / expected[3]);
      REQUIRE(distance < tolerance.ks);
      for (std::size_t ring = 0; ring < power.size(); ++ring) {
        REQUIRE(power.at(ring) == Approx(expected.at(ring)).epsilon(tolerance.power));
      }
    }
  }
}
