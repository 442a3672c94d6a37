#include "suite/model/region.hpp"

#include "suite/base/rng.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <numeric>
#include <vector>

using namespace bitquake;
using namespace bitquake::model;

namespace {

/// Outputs that read one of `inputs`, by looking at every tap.
Range reached_by_hand(const Slide& slide, const Range& inputs) {
  Range all;
  for (std::int64_t o = 0; o < slide.out; ++o) {
    for (std::int64_t k = 0; k < slide.kernel; ++k) {
      const std::int64_t i = o * slide.stride - slide.padding + slide.dilation * k;
      if (i >= inputs.low && i < inputs.high) all = unite(all, {o, o + 1});
    }
  }
  return all;
}

}  // namespace

TEST_CASE("a 3x3 kernel maps one position to three, a stride of two to one or two", "[model]") {
  const Slide same{.kernel = 3, .stride = 1, .padding = 1, .in = 8, .out = 8};
  REQUIRE(same.reached({4, 5}) == Range{3, 6});
  REQUIRE(same.reached({0, 1}) == Range{0, 2});
  REQUIRE(same.reached({7, 8}) == Range{6, 8});
  REQUIRE(same.reads({0, 1}) == Range{-1, 2});
  const Slide half{.kernel = 3, .stride = 2, .padding = 1, .in = 8, .out = 4};
  REQUIRE(half.reached({4, 5}) == Range{2, 3});
  REQUIRE(half.reached({5, 6}) == Range{2, 4});
  const Slide one{.kernel = 1, .stride = 2, .padding = 0, .in = 8, .out = 4};
  REQUIRE(one.reached({3, 4}).empty());
}

TEST_CASE("the outputs a change reaches hold all that read it", "[model][property]") {
  Draws draws(3, Stream::check_input, 0);
  for (unsigned run = 0; run < 3000; ++run) {
    Slide slide;
    slide.kernel = 1 + static_cast<std::int64_t>(draws.below(5));
    slide.stride = 1 + static_cast<std::int64_t>(draws.below(3));
    slide.dilation = 1 + static_cast<std::int64_t>(draws.below(3));
    slide.padding = static_cast<std::int64_t>(draws.below(4));
    slide.in = 1 + static_cast<std::int64_t>(draws.below(20));
    const std::int64_t span = slide.in + 2 * slide.padding - slide.dilation * (slide.kernel - 1);
    if (span < 1) continue;
    slide.out = (span - 1) / slide.stride + 1;
    const auto low = static_cast<std::int64_t>(draws.below(static_cast<std::uint64_t>(slide.in)));
    const Range in{low, low + 1 +
                            static_cast<std::int64_t>(
                                draws.below(static_cast<std::uint64_t>(slide.in - low)))};
    const Range found = slide.reached(in), wanted = reached_by_hand(slide, in);
    if (!wanted.empty()) REQUIRE(found.contains(wanted));
    // Without gaps between the taps it is exact.
    if (slide.dilation == 1 && slide.kernel >= slide.stride) {
      REQUIRE((wanted.empty() ? found.empty() : found == wanted));
    }
  }
}

TEST_CASE("a box shrinks to what differs, bit by bit", "[model]") {
  const RowShape shape{2, 4, 5};
  std::vector<float> golden(40);
  std::iota(golden.begin(), golden.end(), 1.0F);
  const Box box{{0, 2}, {1, 4}, {1, 5}};
  std::vector<float> values(static_cast<std::size_t>(box.elements()));
  copy_box({shape.whole(), golden.data()}, box, values.data());
  const Patch patch{box, values.data()};
  const auto element = [&](std::int64_t c, std::int64_t y, std::int64_t x) -> float& {
    return values[static_cast<std::size_t>(patch.at(c, y, x) - values.data())];
  };
  REQUIRE(tighten(patch, shape, golden.data(), box).empty());
  element(1, 3, 4) = -1;
  REQUIRE(tighten(patch, shape, golden.data(), box) == Box{{1, 2}, {3, 4}, {4, 5}});
  element(0, 2, 2) = -1;
  REQUIRE(tighten(patch, shape, golden.data(), box) == Box{{0, 2}, {2, 4}, {2, 5}});
  std::vector<float> zeros(40, 0.0F);
  std::vector<float> minus{-0.0F};
  const Box one{{0, 1}, {0, 1}, {0, 1}};
  REQUIRE(tighten({one, minus.data()}, shape, zeros.data(), one) == one);
}

TEST_CASE("boxes are copied line by line, plane by plane or at once alike", "[model][property]") {
  const RowShape shape{3, 6, 20};
  std::vector<float> row(360);
  std::iota(row.begin(), row.end(), 0.0F);
  const Patch whole{shape.whole(), row.data()};
  for (const Box& box : {Box{{0, 3}, {0, 6}, {0, 20}}, Box{{1, 3}, {2, 5}, {0, 20}},
                         Box{{0, 2}, {1, 6}, {1, 19}}, Box{{2, 3}, {5, 6}, {19, 20}}}) {
    std::vector<float> out(static_cast<std::size_t>(box.elements()));
    copy_box(whole, box, out.data());
    std::size_t i = 0;
    for (std::int64_t c = box.c.low; c < box.c.high; ++c) {
      for (std::int64_t y = box.y.low; y < box.y.high; ++y) {
        for (std::int64_t x = box.x.low; x < box.x.high; ++x) {
          REQUIRE(out[i++] == static_cast<float>((c * 6 + y) * 20 + x));
        }
      }
    }
  }
}

TEST_CASE("window sizes grow in few steps and windows stay inside the map", "[model]") {
  REQUIRE(window_size(1, 28) == 1);
  REQUIRE(window_size(9, 28) == 10);
  REQUIRE(window_size(9, 9) == 9);
  REQUIRE(window_size(200, 224) == 224);
  REQUIRE(place({5, 7}, 4, 8) == Range{4, 8});
  REQUIRE(place({-2, 1}, 4, 8) == Range{0, 4});
  REQUIRE(place({2, 3}, 4, 8) == Range{2, 6});
}
