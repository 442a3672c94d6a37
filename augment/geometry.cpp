#include "augment/geometry.hpp"

#include "augment/built_in.hpp"

#include <opencv2/core.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>

namespace bitquake::augment {
namespace {

constexpr int kFractionBits = 10;  // of a pixel
constexpr std::int64_t kOne = 1 << kFractionBits;

/// A coordinate in 1/1024 pixel, counted from the middle of the first pixel.
std::int64_t fixed_point(double coordinate) {
  constexpr double kFar = 0x1p30;  // NaN is as far as anything
  const double bounded = coordinate > -kFar ? std::min(coordinate, kFar) : -kFar;
  return static_cast<std::int64_t>(std::floor((bounded - 0.5) * kOne + 0.5));
}

/// The pixel that a mirror shows at `index`, beyond [0, count) too.
std::int64_t mirrored(std::int64_t index, std::int64_t count) {
  const std::int64_t period = 2 * count;
  const std::int64_t inside = ((index % period) + period) % period;
  return inside < count ? inside : period - 1 - inside;
}

template <class T>
class Sampler {
 public:
  Sampler(const cv::Mat& image, Outside outside, double fill)
      : image_(image), outside_(outside), channels_(image.channels()) {
    fill_.fill(static_cast<T>(std::floor(fill * std::numeric_limits<T>::max() + 0.5)));
  }

  void read(Point place, T* out) const {
    const std::int64_t x = fixed_point(place.x), y = fixed_point(place.y);
    const std::int64_t column = x >> kFractionBits, row = y >> kFractionBits;
    const std::int64_t right = x & (kOne - 1), below = y & (kOne - 1);
    const T *a = pixel(row, column), *b = pixel(row, column + 1);
    const T *c = pixel(row + 1, column), *d = pixel(row + 1, column + 1);
    for (int i = 0; i < channels_; ++i) {
      const std::int64_t sum = (a[i] * (kOne - right) + b[i] * right) * (kOne - below) +
                               (c[i] * (kOne - right) + d[i] * right) * below;
      out[i] = static_cast<T>((sum + kOne * kOne / 2) >> (2 * kFractionBits));
    }
  }

 private:
  const T* pixel(std::int64_t row, std::int64_t column) const {
    const bool inside = row >= 0 && row < image_.rows && column >= 0 && column < image_.cols;
    if (!inside && outside_ == Outside::constant) return fill_.data();
    if (!inside) {
      row = mirrored(row, image_.rows);
      column = mirrored(column, image_.cols);
    }
    return image_.ptr<T>(static_cast<int>(row)) + column * channels_;
  }

  const cv::Mat& image_;
  Outside outside_;
  int channels_;
  std::array<T, 3> fill_{};
};

template <class T>
void read_all(const cv::Mat& image, const PointMap& backward, Outside outside, double fill,
              cv::Mat& out) {
  const Sampler<T> sampler(image, outside, fill);
  for (int row = 0; row < out.rows; ++row) {
    T* pixel = out.ptr<T>(row);
    for (int column = 0; column < out.cols; ++column, pixel += out.channels()) {
      sampler.read(backward({column + 0.5, row + 0.5}), pixel);
    }
  }
}

/// What `move` makes of each box; without the objects that it makes none of.
template <class Move>
void move_objects(Scene& scene, Move move) {
  std::vector<Object> kept;
  for (Object object : scene.objects) {
    const std::optional<Box> box = move(object.box);
    if (!box) continue;
    object.box = *box;
    kept.push_back(object);
  }
  scene.objects = std::move(kept);
}

}  // namespace

std::optional<Box> moved_box(const Box& box, const PointMap& forward, cv::Size image,
                             double min_visibility) {
  constexpr int kParts = 64;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Box hull{kInfinity, kInfinity, -kInfinity, -kInfinity};
  const auto include = [&](double x, double y) {
    const Point point = forward({x, y});
    hull = {std::min(hull.x0, point.x), std::min(hull.y0, point.y), std::max(hull.x1, point.x),
            std::max(hull.y1, point.y)};
  };
  for (int i = 0; i <= kParts; ++i) {
    const double t = static_cast<double>(i) / kParts;
    const double x = box.x0 * (1 - t) + box.x1 * t, y = box.y0 * (1 - t) + box.y1 * t;
    include(x, box.y0);
    include(x, box.y1);
    include(box.x0, y);
    include(box.x1, y);
  }
  const Box seen{std::max(hull.x0, 0.0), std::max(hull.y0, 0.0),
                 std::min<double>(hull.x1, image.width), std::min<double>(hull.y1, image.height)};
  if (!(seen.width() > 0 && seen.height() > 0)) return std::nullopt;
  if (seen.area() < min_visibility * hull.area()) return std::nullopt;
  return seen;
}

cv::Mat warped(const cv::Mat& image, const PointMap& backward, Outside outside, double fill) {
  cv::Mat out(image.rows, image.cols, image.type());
  if (image.depth() == CV_8U) {
    read_all<std::uint8_t>(image, backward, outside, fill, out);
  } else {
    read_all<std::uint16_t>(image, backward, outside, fill, out);
  }
  return out;
}

void warp(Scene& scene, const Warp& map, Outside outside, double fill, double min_visibility) {
  const cv::Size size = scene.image.size();
  scene.image = warped(scene.image, map.backward, outside, fill);
  move_objects(scene,
               [&](const Box& box) { return moved_box(box, map.forward, size, min_visibility); });
}

namespace detail {
namespace {

/// Without the last bits, in which C libraries differ: all else here is exact arithmetic.
double steady(double x) { return std::floor(x * 0x1p40 + 0.5) * 0x1p-40; }

double radians(double degrees) { return degrees * (3.14159265358979323846 / 180); }

/// A projective map of the plane; affine if the last row is 0, 0, 1.
using Matrix = std::array<std::array<double, 3>, 3>;

PointMap projective(const Matrix& m) {
  return [m](Point p) {
    const double w = m[2][0] * p.x + m[2][1] * p.y + m[2][2];
    return Point{(m[0][0] * p.x + m[0][1] * p.y + m[0][2]) / w,
                 (m[1][0] * p.x + m[1][1] * p.y + m[1][2]) / w};
  };
}

/// The inverse, up to a factor that a projective map does not see: the adjugate.
Matrix inverse(const Matrix& m) {
  Matrix result{};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      const std::size_t a = (j + 1) % 3, b = (j + 2) % 3, c = (i + 1) % 3, d = (i + 2) % 3;
      result[i][j] = m[a][c] * m[b][d] - m[a][d] * m[b][c];
    }
  }
  return result;
}

/// x' = a (x - centre) + centre + shift.
Matrix about_centre(cv::Size size, const std::array<double, 4>& a, Point shift = {}) {
  const double x = size.width / 2.0, y = size.height / 2.0;
  return {{{a[0], a[1], x - a[0] * x - a[1] * y + shift.x},
           {a[2], a[3], y - a[2] * x - a[3] * y + shift.y},
           {0, 0, 1}}};
}

/// Values that the kinds which uncover something beyond the image end with.
struct Frame {
  Outside outside;
  double fill, min_visibility;
};

Frame frame(std::span<const double> values) {
  const auto last = values.last<3>();
  return {last[0] == 0 ? Outside::constant : Outside::reflect, last[1], last[2]};
}

void warp_projective(Scene& scene, const Matrix& matrix, const Frame& around) {
  warp(scene, {projective(matrix), projective(inverse(matrix))}, around.outside, around.fill,
       around.min_visibility);
}

double drawn_sign(double direction, Draws& draws) {
  const double drawn = (draws.next32() & 1) != 0 ? 1 : -1;
  return direction == 0 ? drawn : direction;
}

void flip(Scene& scene, bool horizontal) {
  cv::Mat image;
  cv::flip(scene.image, image, horizontal ? 1 : 0);
  scene.image = image;
  const double width = image.cols, height = image.rows;
  move_objects(scene, [&](const Box& box) -> std::optional<Box> {
    if (horizontal) return Box{width - box.x1, box.y0, width - box.x0, box.y1};
    return Box{box.x0, height - box.y1, box.x1, height - box.y0};
  });
}

void flip_horizontal(Scene& scene, std::span<const double>, const DrawKey&) { flip(scene, true); }
void flip_vertical(Scene& scene, std::span<const double>, const DrawKey&) { flip(scene, false); }

void rotate(Scene& scene, std::span<const double> values, const DrawKey& key) {
  Draws draws = key.draws();
  const double angle = radians(values[0]) * drawn_sign(values[1], draws);
  const double c = steady(std::cos(angle)), s = steady(std::sin(angle));
  // y points down, so that this is anticlockwise for the eye.
  warp_projective(scene, about_centre(scene.image.size(), {c, s, -s, c}), frame(values));
}

void scale(Scene& scene, std::span<const double> values, const DrawKey&) {
  const double factor = values[0];
  warp_projective(scene, about_centre(scene.image.size(), {factor, 0, 0, factor}), frame(values));
}

void translate(Scene& scene, std::span<const double> values, const DrawKey& key) {
  Draws draws = key.draws();
  // Whole pixels: a fraction of one would blur as well.
  const auto pixels = [&](double share, int side) {
    return drawn_sign(values[2], draws) * std::floor(share * side + 0.5);
  };
  const double right = pixels(values[0], scene.image.cols);
  const double down = pixels(values[1], scene.image.rows);
  warp_projective(scene, about_centre(scene.image.size(), {1, 0, 0, 1}, {right, down}),
                  frame(values));
}

void shear(Scene& scene, std::span<const double> values, const DrawKey& key) {
  Draws draws = key.draws();
  const double slope = steady(std::tan(radians(values[0]))) * drawn_sign(values[1], draws);
  warp_projective(scene, about_centre(scene.image.size(), {1, -slope, 0, 1}), frame(values));
}

/// Takes the image's corners (upper left, upper right, lower right, lower left) to `to`.
/// Source: Heckbert, Fundamentals of Texture Mapping and Image Warping, UC Berkeley 1989, 2.2.3.
Matrix to_corners(cv::Size size, const std::array<Point, 4>& to) {
  const auto& [p0, p1, p2, p3] = to;
  const Point d1{p1.x - p2.x, p1.y - p2.y}, d2{p3.x - p2.x, p3.y - p2.y};
  const Point sum{p0.x - p1.x + p2.x - p3.x, p0.y - p1.y + p2.y - p3.y};
  const double area = d1.x * d2.y - d2.x * d1.y;
  const double g = (sum.x * d2.y - d2.x * sum.y) / area, h = (d1.x * sum.y - sum.x * d1.y) / area;
  const double w = size.width, v = size.height;  // the unit square is the image scaled
  return {{{(p1.x - p0.x + g * p1.x) / w, (p3.x - p0.x + h * p3.x) / v, p0.x},
           {(p1.y - p0.y + g * p1.y) / w, (p3.y - p0.y + h * p3.y) / v, p0.y},
           {g / w, h / v, 1}}};
}

void perspective(Scene& scene, std::span<const double> values, const DrawKey& key) {
  Draws draws = key.draws();
  const double width = scene.image.cols, height = scene.image.rows;
  const auto inward = [&](double side) { return draws.uniform() * values[0] * side / 2; };
  std::array<Point, 4> to{{{0, 0}, {width, 0}, {width, height}, {0, height}}};
  for (Point& corner : to) {
    const double x = inward(width), y = inward(height);
    corner.x += corner.x == 0 ? x : -x;
    corner.y += corner.y == 0 ? y : -y;
  }
  warp_projective(scene, to_corners(scene.image.size(), to), frame(values));
}

/// Radius 1 is half the diagonal: r = r' / (1 + bend r'^2), r' in the distorted image.
Warp lens(cv::Size size, double bend) {
  const Point centre{size.width / 2.0, size.height / 2.0};
  const double unit = std::sqrt(centre.x * centre.x + centre.y * centre.y);
  const auto scaled = [=](Point p, auto factor) {
    const double x = (p.x - centre.x) / unit, y = (p.y - centre.y) / unit;
    const double f = factor(x * x + y * y) * unit;
    return Point{centre.x + x * f, centre.y + y * f};
  };
  return {[=](Point p) {
            return scaled(p, [bend](double square) {
              // r'/r of the smaller root. What bends too much to be seen is as far as can be,
              // outside.
              const double root = 1 - 4 * bend * square;
              return root >= 0 ? 2 / (1 + std::sqrt(root)) : 1 / std::sqrt(bend * square);
            });
          },
          [=](Point p) {
            return scaled(p, [bend](double square) { return 1 / (1 + bend * square); });
          }};
}

void lens_distortion(Scene& scene, std::span<const double> values, const DrawKey&) {
  const Frame around = frame(values);
  warp(scene, lens(scene.image.size(), values[0]), around.outside, around.fill,
       around.min_visibility);
}

void crop(Scene& scene, std::span<const double> values, const DrawKey& key) {
  Draws draws = key.draws();
  const double kept = values[0];
  const double left = draws.uniform() * (1 - kept) * scene.image.cols;
  const double top = draws.uniform() * (1 - kept) * scene.image.rows;
  const Matrix matrix{{{1 / kept, 0, -left / kept}, {0, 1 / kept, -top / kept}, {0, 0, 1}}};
  // The outermost half pixel has no neighbour on one side: mirrored, so that nothing shines in.
  warp_projective(scene, matrix, {Outside::reflect, 0, values[1]});
}

Severities always(double value) { return {value, value, value, value, value}; }

Parameter min_visibility() {
  return {.name = "min_visibility",
          .doc = "objects of which a smaller share of the box stays in the image are removed",
          .unit = "fraction",
          .min = 0,
          .max = 1,
          .large = always(0.1)};
}

Parameter direction(std::string doc) {
  return {.name = "direction",
          .doc = std::move(doc) + "; 0: drawn for each sample",
          .unit = "",
          .min = -1,
          .max = 1,
          .large = always(0),
          .integer = true};
}

/// `own`, and what frame() reads.
std::vector<Parameter> framed(std::vector<Parameter> own) {
  own.push_back({.name = "border",
                 .doc = "around the image: 0 the value of 'fill', 1 its mirror image",
                 .unit = "",
                 .min = 0,
                 .max = 1,
                 .large = always(0),
                 .integer = true});
  own.push_back({.name = "fill",
                 .doc = "value around the image",
                 .unit = "of the range",
                 .min = 0,
                 .max = 1,
                 .large = always(0)});
  own.push_back(min_visibility());
  return own;
}

}  // namespace

std::vector<Kind> geometric_kinds() {
  const std::string planar =
      "Hartley, Zisserman, Multiple View Geometry, 2nd ed. 2004, 2.4; severities: Bitquake's";
  const auto kind = [](std::string name, std::string doc, std::string source,
                       std::vector<Parameter> parameters, bool random, ApplyFunction function) {
    return Kind{.name = std::move(name),
                .group = Group::geometric,
                .doc = std::move(doc),
                .source = std::move(source),
                .parameters = std::move(parameters),
                .random = random,
                .moves_boxes = true,
                .apply = function};
  };
  return {
      kind("flip_horizontal", "left and right change places; the same at each severity", planar, {},
           false, flip_horizontal),
      kind("flip_vertical", "top and bottom change places; the same at each severity", planar, {},
           false, flip_vertical),
      kind("rotate", "the image turns about its middle", planar,
           framed({{.name = "angle",
                    .doc = "by how much",
                    .unit = "degrees",
                    .min = 0,
                    .max = 180,
                    .large = {5, 10, 15, 20, 30}},
                   direction("1: anticlockwise, -1: clockwise")}),
           true, rotate),
      kind("scale", "the image shrinks or grows about its middle", planar,
           framed({{.name = "factor",
                    .doc = "by how much",
                    .unit = "",
                    .min = 0.1,
                    .max = 10,
                    .large = {.9, .8, .7, .6, .5}}}),
           false, scale),
      kind("translate", "the image moves by whole pixels", planar,
           framed({{.name = "x",
                    .doc = "how far to the side",
                    .unit = "of the width",
                    .min = 0,
                    .max = 1,
                    .large = {.04, .08, .12, .16, .2}},
                   {.name = "y",
                    .doc = "how far up or down",
                    .unit = "of the height",
                    .min = 0,
                    .max = 1,
                    .large = {.04, .08, .12, .16, .2}},
                   direction("1: right and down, -1: left and up")}),
           true, translate),
      kind("shear", "upright lines lean to one side", planar,
           framed({{.name = "angle",
                    .doc = "by how much they lean",
                    .unit = "degrees",
                    .min = 0,
                    .max = 80,
                    .large = {5, 10, 15, 20, 30}},
                   direction("1: to the right, -1: to the left")}),
           true, shear),
      kind("perspective", "the camera looks from another side: each corner moves inward",
           "Heckbert, Fundamentals of Texture Mapping and Image Warping, UC Berkeley 1989, 2.2.3; "
           "corners as torchvision's RandomPerspective draws them; severities: Bitquake's",
           framed({{.name = "distortion",
                    .doc = "how far a corner can move",
                    .unit = "of half a side",
                    .min = 0,
                    .max = 0.9,
                    .large = {.1, .2, .3, .4, .5}}}),
           true, perspective),
      kind("lens_distortion", "straight lines bend: r = r' / (1 + bend r'^2), r = 1 in the corners",
           "Fitzgibbon, Simultaneous Linear Estimation of Multiple View Geometry and Lens "
           "Distortion, CVPR 2001 (the division model); severities: Bitquake's",
           framed({{.name = "bend",
                    .doc = "below 0: like a barrel; above 0: like a pincushion",
                    .unit = "",
                    .min = -0.9,
                    .max = 0.9,
                    .large = {-.1, -.2, -.3, -.4, -.5}}}),
           false, lens_distortion),
      kind("crop", "a part of the image, drawn for each sample, fills it", planar,
           {{.name = "kept",
             .doc = "how much of each side is seen",
             .unit = "fraction",
             .min = 0.1,
             .max = 1,
             .large = {.9, .8, .7, .6, .5}},
            min_visibility()},
           true, crop),
  };
}

}  // namespace detail
}  // namespace bitquake::augment
