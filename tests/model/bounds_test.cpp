#include "suite/model/bounds.hpp"

#include "suite/base/h5.hpp"
#include "suite/base/rng.hpp"
#include "suite/base/seal.hpp"
#include "tests/base/temp_directory.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>

using namespace bitquake;
using namespace bitquake::model;
using faultgen::Site;
using faultgen::SiteKind;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Site site(const std::string& path, SiteKind kind, std::vector<std::int64_t> output) {
  return {path, 0, kind, {}, std::move(output)};
}

/// Numbers of many magnitudes and both signs.
std::vector<float> numbers(std::size_t count) {
  Draws draws(3, Stream::check_input, 0);
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) {
    const double magnitude = std::exp(20 * draws.uniform() - 12);
    values.push_back(static_cast<float>(draws.uniform() < 0.4 ? -magnitude : magnitude));
  }
  return values;
}

/// Bounds of two sites, the second of which gave nothing finite.
Bounds example() {
  BoundsCounter conv(site("conv1", SiteKind::conv2d, {2, 1, 2}));
  conv.add(std::vector<float>{1, -2, 3, 4});
  conv.add(std::vector<float>{0.5F, kNan, 8, kInf});
  BoundsCounter fc(site("fc", SiteKind::linear, {1}));
  fc.add(std::vector<float>{kNan});
  return {BoundsOrigin::measured, "5eed", "da7a", 2, {conv.result(), fc.result()}};
}

/// A threshold of 6 where values reach 8.
Bounds searched_example() {
  Bounds bounds{BoundsOrigin::searched, "5eed", "da7a", 2, {}};
  bounds.sites = {{"relu", SiteKind::activation, {0, 6, 7, 0}, {}, {}, 8.0F}};
  bounds.search = {"version: 1\n", 7, 5, 4, {1e-6, 1e-5}, {0.9, 0.1}, {0.9, 0.5}, {0.9, 0.75}, 10};
  return bounds;
}

std::vector<Site> example_sites() {
  return {site("conv1", SiteKind::conv2d, {2, 1, 2}), site("fc", SiteKind::linear, {1})};
}

std::vector<Site> three_activations() {
  return {site("conv", SiteKind::conv2d, {2, 3, 3}), site("a", SiteKind::activation, {2, 3, 3}),
          site("b", SiteKind::activation, {4}), site("c", SiteKind::activation, {4})};
}

Error alfi_error(const std::string& text) {
  const auto got = parse_alfi_bounds(text, "b.txt", three_activations(), "5eed");
  REQUIRE_FALSE(got);
  REQUIRE(got.error().code == Errc::model);
  return got.error();
}

}  // namespace

TEST_CASE("bounds of a site and of its channels are worked out by hand", "[model][bounds]") {
  const Bounds bounds = example();
  const SiteBounds& conv = bounds.sites[0];
  REQUIRE(conv.site == "conv1");
  REQUIRE(conv.range == Range{-2, 8, 6, 2});
  REQUIRE(conv.channels == std::vector<Range>{{-2, 1, 3, 1}, {3, 8, 3, 1}});
  REQUIRE(conv.percentiles.size() == kBoundPercentiles.size());
  REQUIRE(conv.percentiles.front() == Approx(-2).epsilon(0x1p-8));
  REQUIRE(conv.percentiles[5] == Approx(1).epsilon(0x1p-8));  // rank floor(0.5 * 5) of 6

  REQUIRE(bounds.sites[1].range.empty());
  REQUIRE(bounds.sites[1].range.nonfinite == 1);
  REQUIRE(bounds.sites[1].percentiles.empty());
}

TEST_CASE("channels are where the layout of the output has them", "[model][bounds]") {
  REQUIRE(channel_axis(site("", SiteKind::conv2d, {6, 5, 4})) == 0);
  REQUIRE(channel_axis(site("", SiteKind::conv1d, {6, 5})) == 0);
  REQUIRE(channel_axis(site("", SiteKind::batch_norm, {6, 5})) == 0);
  REQUIRE(channel_axis(site("", SiteKind::linear, {7, 6, 5})) == 2);
  REQUIRE(channel_axis(site("", SiteKind::activation, {6, 5, 4})) == 0);
  REQUIRE(channel_axis(site("", SiteKind::activation, {5, 6})) == 1);
  REQUIRE(channel_axis(site("", SiteKind::activation, {6})) == 0);
  REQUIRE(channels(site("", SiteKind::linear, {5, 6})) == 6);
  REQUIRE(channels(site("", SiteKind::matmul, {})) == 1);

  // [tokens, features]: features alternate.
  BoundsCounter linear(site("", SiteKind::linear, {3, 2}));
  linear.add(std::vector<float>{1, 10, 2, 20, 3, 30});
  REQUIRE(linear.result().channels == std::vector<Range>{{1, 3, 3, 0}, {10, 30, 3, 0}});
  REQUIRE_THROWS_AS(linear.add(std::vector<float>{1, 2}), Exception);
}

TEST_CASE("percentiles are within the error that is stated", "[model][bounds][property]") {
  std::vector<float> values = numbers(20'001);
  Percentiles sketch;
  for (const float value : values) sketch.add(value);
  for (const float lost : {kNan, kInf, -kInf}) sketch.add(lost);
  std::sort(values.begin(), values.end());
  REQUIRE(sketch.count() == values.size());
  double worst = 0;
  for (double percent = 0; percent <= 100; percent += 0.25) {
    const auto rank = static_cast<std::size_t>(percent / 100 * 20'000);
    worst = std::max(worst, std::abs((sketch.at(percent) - values[rank]) / double{values[rank]}));
  }
  REQUIRE(worst <= Percentiles::kRelativeError);
  REQUIRE(worst > Percentiles::kRelativeError / 2);  // the bound is no idle one
}

TEST_CASE("percentiles of zeros are zero", "[model][bounds]") {
  Percentiles sketch;
  for (const float value : {0.0F, -0.0F, 0.0F, 1e-45F, 6.0F}) sketch.add(value);
  REQUIRE(sketch.at(0) == 0);
  REQUIRE(sketch.at(50) == 0);
  REQUIRE(sketch.at(100) == Approx(6).epsilon(0x1p-8));
}

TEST_CASE("bounds do not depend on the order of samples", "[model][bounds][property]") {
  const Site where = site("a", SiteKind::activation, {3, 4, 2});
  const std::vector<float> values = numbers(24 * 50);
  const auto sample = [&](std::size_t i) { return std::span(values).subspan(24 * i, 24); };
  BoundsCounter forward(where), backward(where), odd(where), even(where);
  for (std::size_t i = 0; i < 50; ++i) {
    forward.add(sample(i));
    backward.add(sample(49 - i));
    (i % 2 == 0 ? even : odd).add(sample(i));
  }
  odd.merge(even);
  REQUIRE(backward.result() == forward.result());
  REQUIRE(odd.result() == forward.result());
  // Zeros of either sign are one value.
  BoundsCounter a(site("z", SiteKind::linear, {1})), b = a;
  for (const float zero : {0.0F, -0.0F}) a.add({&zero, 1});
  for (const float zero : {-0.0F, 0.0F}) b.add({&zero, 1});
  REQUIRE_FALSE(std::signbit(a.result().range.low));
  REQUIRE_FALSE(std::signbit(b.result().range.low));
  REQUIRE_FALSE(std::signbit(b.result().range.high));
}

TEST_CASE("a bounds file gives back what was written, in the same bytes", "[model][bounds][h5]") {
  const test::TempDirectory directory;
  Bounds bounds = example();
  write_bounds(directory / "a.h5", bounds);
  const auto read = read_bounds(directory / "a.h5");
  REQUIRE(read);
  REQUIRE(*read == bounds);
  write_bounds(directory / "b.h5", bounds);
  const bool same = test::read_bytes(directory / "a.h5") == test::read_bytes(directory / "b.h5");
  REQUIRE(same);

  const auto imported = parse_alfi_bounds("0,1\n0,2\n0,3", "b.txt", three_activations(), "5eed");
  write_bounds(directory / "c.h5", *imported);
  REQUIRE(*read_bounds(directory / "c.h5") == *imported);
  write_bounds(directory / "d.h5", searched_example());
  REQUIRE(*read_bounds(directory / "d.h5") == searched_example());
}

TEST_CASE("a damaged bounds file is refused", "[model][bounds][h5]") {
  const test::TempDirectory directory;
  const auto path = directory / "a.h5";
  const auto refusal = [&] {
    const auto read = read_bounds(path);
    REQUIRE_FALSE(read);
    REQUIRE(read.error().code == Errc::model);
    REQUIRE(read.error().where == path.string());
    return read.error().what;
  };
  REQUIRE(refusal().find("cannot be read") == 0);
  write_bounds(path, example());
  const std::string whole = test::read_bytes(path);
  for (std::size_t i = 0; i < whole.size(); i += 997) {
    std::string bytes = whole;
    bytes[i] = static_cast<char>(bytes[i] ^ 4);
    test::write_bytes(path, bytes);
    REQUIRE(refusal() == "is damaged or truncated: its checksum does not fit");
  }
  // Sealed, but not what it says it is.
  const auto other = [&](const std::function<void(h5::File&)>& fill) {
    h5::File file = h5::File::create(path, Errc::results);
    fill(file);
    file.close();
    seal_file(path);
    return refusal();
  };
  REQUIRE(other([](h5::File& file) {
            file.set_attribute("content", std::string("bitquake trials"));
          }) == "holds 'bitquake trials', wanted 'bitquake activation bounds'");
  REQUIRE(other([](h5::File& file) {
            file.set_attribute("content", std::string("bitquake activation bounds"));
            file.set_attribute("format_version", std::uint64_t{99});
          }) == "has format version 99, this program reads 1");

  Bounds crossed = example();
  crossed.sites[0].range.low = 9;
  write_bounds(path, crossed);
  REQUIRE(refusal() == "row 0 of /sites is no range: 9 to 8");
}

TEST_CASE("bounds of PyTorchALFI go to activation functions in order", "[model][bounds]") {
  const auto got = parse_alfi_bounds("0.0 , 10.81985092163086\r\n\n-1,2.5\n 0 , 3e1 ", "b.txt",
                                     three_activations(), "5eed");
  REQUIRE(got);
  REQUIRE(got->origin == BoundsOrigin::pytorchalfi);
  REQUIRE(got->model_sha256 == "5eed");
  REQUIRE(got->sites.size() == 3);
  REQUIRE(got->sites[0] ==
          SiteBounds{"a", SiteKind::activation, {0, 10.81985092163086F, 0, 0}, {}, {}});
  REQUIRE(got->sites[1].range == Range{-1, 2.5F, 0, 0});
  REQUIRE(got->sites[2].site == "c");
  REQUIRE(bounds_csv(*got).find("\na,activation,0,10.819851,,,,,,,,,,,,,,,pytorchalfi,\n") !=
          std::string::npos);
}

TEST_CASE("a bounds file of PyTorchALFI that does not fit is refused", "[model][bounds]") {
  const Error fewer = alfi_error("0,1\n0,1\n");
  REQUIRE(fewer.where == "b.txt");
  REQUIRE(fewer.what == "holds bounds of 2 activation functions, the model has 3");
  REQUIRE(alfi_error("0,1\n0,1\n0,1\n0,1\n").what ==
          "holds bounds of 4 activation functions, the model has 3");
  REQUIRE(alfi_error("").what == "holds bounds of 0 activation functions, the model has 3");
  REQUIRE(alfi_error("0,1\n3 4\n").where == "b.txt:2:1");
  REQUIRE(alfi_error("0,1\n3 4\n").what == "expected 'min , max', got '3 4'");
  REQUIRE(alfi_error("0,1\n0 , x\n").where == "b.txt:2:4");
  REQUIRE(alfi_error("0,1\n0 , x\n").what == "expected a finite number, got 'x'");
  REQUIRE(alfi_error("0,inf\n").what == "expected a finite number, got 'inf'");
  REQUIRE(alfi_error("0,1,2\n").what == "expected a finite number, got '1,2'");
  REQUIRE(alfi_error("2,1\n").what == "the minimum 2 is above the maximum 1");
}

TEST_CASE("bounds of another model are refused", "[model][bounds]") {
  const Bounds bounds = example();
  std::vector<Site> sites = example_sites();
  REQUIRE(check_fits(bounds, "5eed", sites, "b.h5"));
  const auto other = check_fits(bounds, "0dd", sites, "b.h5");
  REQUIRE(other.error().where == "b.h5");
  REQUIRE(other.error().what == "was made for another model: SHA-256 5eed, not 0dd");
  sites[0].output_shape = {4, 1, 1};
  REQUIRE(check_fits(bounds, "5eed", sites, "b.h5").error().what ==
          "site 'conv1' has 4 channels, not 2");
  sites[1].kind = SiteKind::activation;
  sites[0].output_shape = {2, 1, 2};
  REQUIRE(check_fits(bounds, "5eed", sites, "b.h5").error().what == "the model has no site 'fc'");
}

TEST_CASE("bounds as CSV leave out what is not known", "[model][bounds]") {
  const std::string csv = bounds_csv(example());
  REQUIRE(csv.find("site,kind,low,high,finite,nonfinite,channels,p0.01,p0.1,p1,p5,p25,p50,p75,p95,"
                   "p99,p99.9,p99.99,origin,act_max\n") == 0);
  REQUIRE(csv.find("\nconv1,conv2d,-2,8,6,2,2,") != std::string::npos);
  REQUIRE(csv.find("\nfc,linear,,,0,1,1,,,,,,,,,,,,measured,\n") != std::string::npos);
  const std::string searched = bounds_csv(searched_example());
  REQUIRE(searched.find("\nrelu,activation,0,6,7,0,0,,,,,,,,,,,,searched,8\n") !=
          std::string::npos);
}
