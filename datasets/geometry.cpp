#include "datasets/geometry.hpp"

#include "datasets/antialias.hpp"

#include <fmt/format.h>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>

namespace bitquake::datasets {
namespace {

constexpr std::int64_t kMaxSide = 65'536;

Error refuse(const Sample& sample, std::string what, std::string hint) {
  return {Errc::data, fmt::format("{}, sample {}", sample.file, sample.index), std::move(what),
          std::move(hint), ""};
}

cv::Mat resized(const cv::Mat& image, cv::Size size, Interpolation interpolation) {
  const auto opencv = [&](int how) {
    cv::Mat result;
    cv::resize(image, result, size, 0, 0, how);
    return result;
  };
  switch (interpolation) {
    case Interpolation::nearest:
      return opencv(cv::INTER_NEAREST_EXACT);
    case Interpolation::bilinear:
      return opencv(cv::INTER_LINEAR_EXACT);
    case Interpolation::bicubic:
      return opencv(cv::INTER_CUBIC);
    case Interpolation::lanczos:
      return opencv(cv::INTER_LANCZOS4);
    case Interpolation::area:
      return opencv(cv::INTER_AREA);
    case Interpolation::bilinear_antialias:
      return resize_antialiased(image, size, Filter::triangle);
    case Interpolation::bicubic_antialias:
      return resize_antialiased(image, size, Filter::cubic);
  }
  return image;
}

/// OpenCV's number of a conversion; none when there is nothing to convert.
std::optional<int> conversion(int channels, Colour wanted) {
  if (wanted == Colour::rgb) {
    if (channels == 1) return cv::COLOR_GRAY2RGB;
    if (channels == 4) return cv::COLOR_RGBA2RGB;
  } else {
    if (channels == 3) return cv::COLOR_RGB2GRAY;
    if (channels == 4) return cv::COLOR_RGBA2GRAY;
  }
  return std::nullopt;
}

void convert_colour(Sample& sample, Colour wanted) {
  const auto code = conversion(sample.image.channels(), wanted);
  if (!code) return;
  cv::Mat converted;
  cv::cvtColor(sample.image, converted, *code);
  sample.image = converted;
  note_transform(sample, fmt::format("to {}", name_of(kColours, wanted)));
}

Extent extent_of(const cv::Mat& image) { return {image.rows, image.cols}; }

/// Size after resizing, without padding.
Extent resized_extent(const Extent& from, const Geometry& how) {
  const Extent& to = how.resize_to;
  switch (*how.resize) {
    case Resize::exact:
      return to;
    case Resize::short_side:
      return from.height <= from.width ? Extent{to.height, to.height * from.width / from.height}
                                       : Extent{to.height * from.height / from.width, to.height};
    case Resize::letterbox: {
      const auto side = [](std::int64_t length) { return static_cast<double>(length); };
      const double scale =
          std::min(side(to.height) / side(from.height), side(to.width) / side(from.width));
      const auto scaled = [&](std::int64_t length, std::int64_t most) {
        return std::clamp<std::int64_t>(std::llround(side(length) * scale), 1, most);
      };
      return {scaled(from.height, to.height), scaled(from.width, to.width)};
    }
  }
  return from;
}

void resize_to(Sample& sample, const Extent& to, Interpolation interpolation) {
  const Extent from = extent_of(sample.image);
  if (from == to) return;
  const cv::Size size(static_cast<int>(to.width), static_cast<int>(to.height));
  sample.image = resized(sample.image, size, interpolation);
  const double x = static_cast<double>(to.width) / static_cast<double>(from.width);
  const double y = static_cast<double>(to.height) / static_cast<double>(from.height);
  for (Object& object : sample.objects) {
    object.box = {object.box.x0 * x, object.box.y0 * y, object.box.x1 * x, object.box.y1 * y};
  }
  note_transform(sample, fmt::format("resize {}x{} {}", to.height, to.width,
                                     name_of(kInterpolations, interpolation)));
}

void move_boxes(Sample& sample, double x, double y) {
  for (Object& object : sample.objects) {
    object.box = {object.box.x0 + x, object.box.y0 + y, object.box.x1 + x, object.box.y1 + y};
  }
}

void pad_to(Sample& sample, const Extent& to, std::uint16_t value) {
  const Extent from = extent_of(sample.image);
  if (from == to) return;
  const auto top = static_cast<int>((to.height - from.height) / 2);
  const auto left = static_cast<int>((to.width - from.width) / 2);
  cv::Mat padded;
  cv::copyMakeBorder(sample.image, padded, top, static_cast<int>(to.height - from.height) - top,
                     left, static_cast<int>(to.width - from.width) - left, cv::BORDER_CONSTANT,
                     cv::Scalar::all(value));
  sample.image = padded;
  move_boxes(sample, left, top);
  note_transform(sample,
                 fmt::format("pad {}x{} at {},{} with {}", to.height, to.width, top, left, value));
}

/// Half of an even or odd number, rounded half to even: where a centre crop begins.
std::int64_t half_to_even(std::int64_t length) {
  const std::int64_t half = length / 2;
  return length % 2 == 0 ? half : half + half % 2;
}

std::optional<Error> crop_to(Sample& sample, const Extent& to) {
  const Extent from = extent_of(sample.image);
  if (from == to) return std::nullopt;
  if (to.height > from.height || to.width > from.width) {
    return refuse(sample,
                  fmt::format("image is {}x{} (height x width), smaller than preprocess.crop {}x{}",
                              from.height, from.width, to.height, to.width),
                  "enlarge images first with preprocess.resize, or crop to less");
  }
  const std::int64_t top = half_to_even(from.height - to.height);
  const std::int64_t left = half_to_even(from.width - to.width);
  const cv::Rect window(static_cast<int>(left), static_cast<int>(top), static_cast<int>(to.width),
                        static_cast<int>(to.height));
  sample.image = sample.image(window).clone();
  move_boxes(sample, -static_cast<double>(left), -static_cast<double>(top));
  const auto width = static_cast<double>(to.width), height = static_cast<double>(to.height);
  std::erase_if(sample.objects, [&](Object& object) {
    Box& box = object.box;
    box = {std::clamp(box.x0, 0.0, width), std::clamp(box.y0, 0.0, height),
           std::clamp(box.x1, 0.0, width), std::clamp(box.y1, 0.0, height)};
    return box.area() == 0;
  });
  note_transform(sample, fmt::format("crop {}x{} at {},{}", to.height, to.width, top, left));
  return std::nullopt;
}

}  // namespace

Result<Sample> prepare_image(Sample sample, const Geometry& how) {
  if (how.colour) convert_colour(sample, *how.colour);
  if (how.resize) {
    const Extent to = resized_extent(extent_of(sample.image), how);
    if (std::min(to.height, to.width) < 1 || std::max(to.height, to.width) > kMaxSide) {
      return refuse(sample,
                    fmt::format("image is {}x{} (height x width) and would become {}x{}",
                                sample.image.rows, sample.image.cols, to.height, to.width),
                    "resize with preprocess.resize: exact");
    }
    resize_to(sample, to, how.interpolation);
    if (*how.resize == Resize::letterbox) pad_to(sample, how.resize_to, how.pad_value);
  }
  if (how.crop) {
    if (auto failed = crop_to(sample, *how.crop)) return *failed;
  }
  return sample;
}

}  // namespace bitquake::datasets
