#include "augment/built_in.hpp"

#include <opencv2/core/mat.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

namespace bitquake::augment::detail {
namespace {

/// Light of a stored value and back, both in [0, 1]. Source: IEC 61966-2-1:1999 (sRGB).
double light_of(double value) {
  return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
}
double value_of_light(double light) {
  return light <= 0.0031308 ? light * 12.92 : 1.055 * std::pow(light, 1 / 2.4) - 0.055;
}

template <class T, class Change>
cv::Mat changed(const cv::Mat& image, Change change) {
  constexpr double kTop = std::numeric_limits<T>::max();
  const int channels = image.channels();
  std::vector<T> table;  // value-major: each value of the first channel, the second, …
  for (std::size_t value = 0; value <= std::numeric_limits<T>::max(); ++value) {
    for (int channel = 0; channel < channels; ++channel) {
      const double x = std::clamp(change(static_cast<double>(value) / kTop, channel), 0.0, 1.0);
      table.push_back(static_cast<T>(std::floor(x * kTop + 0.5)));
    }
  }
  cv::Mat out(image.rows, image.cols, image.type());
  for (int row = 0; row < image.rows; ++row) {
    const T* from = image.ptr<T>(row);
    T* to = out.ptr<T>(row);
    for (int i = 0; i < image.cols * channels; ++i) {
      to[i] = table[static_cast<std::size_t>(from[i] * channels + i % channels)];
    }
  }
  return out;
}

/// Replaces each value x in [0, 1] by change(x, channel), clipped and rounded to the nearest.
template <class Change>
void change_each(Scene& scene, Change change) {
  scene.image = scene.image.depth() == CV_8U ? changed<std::uint8_t>(scene.image, change)
                                             : changed<std::uint16_t>(scene.image, change);
}

void expose(Scene& scene, double stops) {
  const double gain = std::exp2(stops);
  change_each(scene, [=](double x, int) { return value_of_light(light_of(x) * gain); });
}

void overexposure(Scene& scene, std::span<const double> values, const DrawKey&) {
  expose(scene, values[0]);
}

void underexposure(Scene& scene, std::span<const double> values, const DrawKey&) {
  expose(scene, -values[0]);
}

void gamma(Scene& scene, std::span<const double> values, const DrawKey&) {
  change_each(scene, [&](double x, int) { return std::pow(x, values[0]); });
}

void color_quant(Scene& scene, std::span<const double> values, const DrawKey&) {
  const double levels = std::exp2(values[0]);
  const double size = scene.image.depth() == CV_8U ? 256 : 65536;
  const double step = size / levels;
  change_each(scene, [=](double x, int) {
    const double stored = std::floor(x * (size - 1) + 0.5);
    return std::floor(stored / step) * step / (size - 1);
  });
}

/// Linear sRGB of light as a black body of that temperature gives it, luminance 1.
/// @param kelvin  in [1667, 25000]
/// Source: Kang et al., Design of Advanced Color Temperature Control System for HDTV Applications,
/// J. Korean Phys. Soc. 41(6), 2002 (chromaticity); IEC 61966-2-1:1999 (matrix).
std::array<double, 3> black_body(double kelvin) {
  const double t = 1000 / kelvin;
  const double x = kelvin < 4000 ? ((-0.2661239 * t - 0.2343589) * t + 0.8776956) * t + 0.179910
                                 : ((-3.0258469 * t + 2.1070379) * t + 0.2226347) * t + 0.240390;
  double y = 0;
  if (kelvin < 2222) {
    y = ((-1.1063814 * x - 1.34811020) * x + 2.18555832) * x - 0.20219683;
  } else if (kelvin < 4000) {
    y = ((-0.9549476 * x - 1.37418593) * x + 2.09137015) * x - 0.16748867;
  } else {
    y = ((3.0817580 * x - 5.87338670) * x + 3.75112997) * x - 0.37001483;
  }
  const double red = x / y, blue = (1 - x - y) / y;
  return {3.2406 * red - 1.5372 - 0.4986 * blue, -0.9689 * red + 1.8758 + 0.0415 * blue,
          0.0557 * red - 0.2040 + 1.0570 * blue};
}

void white_balance(Scene& scene, std::span<const double> values, const DrawKey&) {
  constexpr double kBalanced = 6500;
  const auto light = black_body(values[0]), white = black_body(kBalanced);
  change_each(scene, [&](double x, int channel) {
    const auto c = static_cast<std::size_t>(channel);
    return value_of_light(light_of(x) * light.at(c) / white.at(c));
  });
}

Parameter stops(const Severities& values) {
  return {.name = "stops",
          .doc = "powers of two of the light",
          .unit = "EV",
          .min = 0,
          .max = 10,
          .large = values};
}

}  // namespace

std::vector<Kind> tone_kinds() {
  const std::string exposure =
      "ISO 2720:1974 (a stop doubles the light); IEC 61966-2-1:1999 (sRGB); severities: Bitquake's";
  const auto kind = [](std::string name, std::string doc, std::string source, Parameter parameter,
                       ApplyFunction function, bool takes_grey = true) {
    return Kind{.name = std::move(name),
                .group = Group::sensor,
                .doc = std::move(doc),
                .source = std::move(source),
                .parameters = {std::move(parameter)},
                .takes_grey = takes_grey,
                .apply = function};
  };
  return {
      kind("overexposure", "too much light: what is bright is lost", exposure,
           stops({.5, 1, 1.5, 2, 2.5}), overexposure),
      kind("underexposure", "too little light", exposure, stops({1, 2, 3, 4, 5}), underexposure),
      kind("gamma", "each value is raised to a power: a display curve that is not the scene's",
           "Poynton, Digital Video and HD, 2nd ed. 2012 (gamma); severities: Bitquake's",
           {.name = "exponent",
            .doc = "above 1: darker; below 1: brighter",
            .unit = "",
            .min = 0.1,
            .max = 10,
            .large = {1.25, 1.6, 2, 2.5, 3.2}},
           gamma),
      kind("white_balance", "a camera set to 6500 K sees light of another colour",
           "Kang et al., J. Korean Phys. Soc. 41(6), 2002 (black body); von Kries' diagonal model "
           "in linear sRGB; severities: Bitquake's",
           {.name = "temperature",
            .doc = "of the light: below 6500 reddish, above bluish",
            .unit = "K",
            .min = 2000,
            .max = 25000,
            .large = {5500, 4600, 3800, 3200, 2800}},
           white_balance, false),
      kind("color_quant", "only the upper bits of each value are left",
           "Kar, Yeo, Atanov, Zamir, 3D Common Corruptions and Data Augmentation, CVPR 2022 (code "
           "62894083)",
           {.name = "bits",
            .doc = "that are left",
            .unit = "",
            .min = 1,
            .max = 8,
            .large = {5, 4, 3, 2, 1},
            .integer = true},
           color_quant),
  };
}

}  // namespace bitquake::augment::detail
