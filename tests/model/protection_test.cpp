#include "datasets/dataset.hpp"
#include "faultgen/bits.hpp"
#include "suite/model/guard.hpp"
#include "tests/model/loaded.hpp"
#include "tests/model/nets.hpp"

#include <catch2/catch.hpp>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

using namespace bitquake;
using namespace bitquake::test;
using faultgen::Fault;
using faultgen::FaultModel;
using faultgen::Target;
using model::Guard;
using model::GuardKind;
using model::GuardRule;
using model::Protection;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// What a guard makes of one row [c, h, w].
std::vector<float> corrected(const GuardRule& rule, const model::RowShape& shape,
                             const std::vector<float>& values) {
  std::vector<float> out(values.size());
  correct(rule, {shape.whole(), values.data()}, shape.whole(), out.data());
  return out;
}

bool alarms(const GuardRule& rule, const model::RowShape& shape, const std::vector<float>& values) {
  return any_outside(rule, {shape.whole(), values.data()}, shape.whole());
}

/// By bits, but any NaN equals any other.
void require_values(const std::vector<float>& got, const std::vector<float>& wanted) {
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    INFO("element " << i << ": " << got[i] << " instead of " << wanted[i]);
    REQUIRE_FALSE(model::differs(got[i], wanted[i]));
  }
}

GuardRule rule(GuardKind kind, float low, float high, bool sanitise) {
  return {.kind = kind, .low = {low}, .high = {high}, .sanitise = sanitise};
}

}  // namespace

TEST_CASE("element-wise guards give what their definition says", "[model][protection]") {
  const std::vector<float> values{-kInf, -3, -2, -0.0F, 0, 1.5F, 4, 4.5F, 8, 1e30F, kInf, kNan};
  const auto run = [&](GuardKind kind, float low, float high, bool sanitise) {
    return corrected(rule(kind, low, high, sanitise), {12, 1, 1}, values);
  };
  const auto published = GENERATE(true, false);
  const float passed = published ? kNan : 0;
  require_values(run(GuardKind::clamp, -2, 4, !published),
                 {-2, -2, -2, -0.0F, 0, 1.5F, 4, 4, 4, 4, 4, passed});
  // A value on a bound becomes 0 as well.
  require_values(run(GuardKind::clip, -2, 4, !published),
                 {0, 0, 0, -0.0F, 0, 1.5F, 0, 0, 0, 0, 0, passed});
  // 8 = 2 * 4 becomes 2; from 2^64 * 4 = 7.4e19 on it is 0.
  require_values(run(GuardKind::backflip, -2, 4, !published),
                 {-2, -2, -2, -0.0F, 0, 1.5F, 4, 4, 2, 0, 0, passed});
  // Bounds on one side of 0: NaN becomes the nearest, and so does what backflip makes 0 or 2.
  require_values(run(GuardKind::clamp, 1, 4, !published),
                 {1, 1, 1, 1, 1, 1.5F, 4, 4, 4, 4, 4, published ? kNan : 1});
  require_values(run(GuardKind::backflip, 0.5F, 1, !published),
                 {0.5F, 0.5F, 0.5F, 0.5F, 0.5F, 1, 1, 1, 1, 0.5F, 0.5F, published ? kNan : 0.5F});
}

TEST_CASE("a value on a bound is inside, NaN and infinities are outside", "[model][protection]") {
  const GuardRule one = rule(GuardKind::detector, -2, 4, true);
  REQUIRE_FALSE(alarms(one, {4, 1, 1}, {-2, 4, 0, -0.0F}));
  for (const float value :
       {std::nextafter(-2.0F, -3.0F), std::nextafter(4.0F, 5.0F), kInf, -kInf, kNan}) {
    CAPTURE(value);
    REQUIRE(alarms(one, {4, 1, 1}, {0, 0, value, 0}));
  }
  // Only the box is looked at.
  const std::vector<float> values{9, 0, 0, 9};
  const model::RowShape shape{1, 2, 2};
  REQUIRE_FALSE(any_outside(one, {shape.whole(), values.data()}, {{0, 1}, {0, 1}, {1, 2}}));
  REQUIRE(any_outside(one, {shape.whole(), values.data()}, {{0, 1}, {1, 2}, {1, 2}}));
}

TEST_CASE("bounds of channels belong to dimension 1 of maps and to the last of tokens",
          "[model][protection]") {
  GuardRule two{.kind = GuardKind::clamp, .low = {0, -1}, .high = {1, 3}};
  require_values(corrected(two, {2, 1, 2}, {-5, 5, -5, 5}), {0, 1, -1, 3});
  two.channels_last = true;
  require_values(corrected(two, {2, 1, 2}, {-5, 5, -5, 5}), {0, 3, 0, 3});
  REQUIRE(alarms(two, {2, 1, 2}, {0, 3, 2, 0}));
  REQUIRE_FALSE(alarms(two, {2, 1, 2}, {0, 3, 1, -1}));
}

TEST_CASE("rescaling works map by map, and on a whole vector", "[model][protection]") {
  GuardRule maps = rule(GuardKind::rescale, -1, 3, true);
  maps.maps = true;
  // Map 0: min -2, max 6: 6 -> 3 and 4 -> -1 + 6/8 * 4 = 2; -2 -> -1. Map 1: nothing above: only
  // the low value changes.
  const std::vector<float> values{6, 4, -2, 1, /*map 1*/ 3, -1.5F, 0, 2};
  const std::vector<float> wanted{3, 2, -1, 1, 3, -1, 0, 2};
  require_values(corrected(maps, {2, 2, 2}, values), wanted);
  // A part of the map comes out alone.
  float part = 0;
  correct(maps, {{{0, 2}, {0, 2}, {0, 2}}, values.data()}, {{0, 1}, {0, 1}, {1, 2}}, &part);
  REQUIRE(part == 2);
  // A vector is one map: min -2, max 6.
  require_values(corrected(rule(GuardKind::rescale, -1, 3, true), {8, 1, 1}, values),
                 {3, 2, -1, 1, 3, -1, 0, 2});
  SECTION("sanitised, Inf becomes a bound, NaN 0, and a constant map high") {
    require_values(corrected(maps, {2, 1, 3}, {kInf, kNan, -kInf, 5, 5, 5}), {3, 0, -1, 3, 3, 3});
    require_values(corrected(maps, {1, 1, 3}, {kInf, 5, 1}), {3, 3, 1});
    require_values(corrected(maps, {1, 1, 2}, {3e38F, -3e38F}), {3, -1});
  }
  SECTION("as published, Inf / Inf is NaN, and NaN stops it") {
    maps.sanitise = false;
    // max = Inf: Inf -> NaN, 5 -> (5 - 1) / Inf * 4 - 1 = -1.
    require_values(corrected(maps, {2, 1, 3}, {kInf, 5, 1, 5, 5, 5}),
                   {kNan, -1, 1, kNan, kNan, kNan});
    require_values(corrected(maps, {2, 1, 3}, {kNan, 5, -4, 6, 4, -2}), {kNan, 5, -4, 3, 2, -1});
  }
}

TEST_CASE("averaging takes the healthy maps at the same position", "[model][protection]") {
  GuardRule average = rule(GuardKind::average, 0, 10, true);
  average.maps = true;
  const model::RowShape shape{3, 1, 2};
  require_values(corrected(average, shape, {1, 2, 3, 6, 99, 7}), {1, 2, 3, 6, 2, 7});
  require_values(corrected(average, shape, {1, 2, -1, 6, 99, 70}), {1, 2, 1, 6, 1, 2});
  SECTION("sanitised, NaN and Inf are outside like others, and without a healthy map it is 0") {
    require_values(corrected(average, shape, {1, 2, 3, 6, kNan, kInf}), {1, 2, 3, 6, 2, 4});
    require_values(corrected(average, shape, {99, 2, 3, 99, kNan, 1}), {0, 2, 3, 0, 0, 1});
    average.low = {2};
    require_values(corrected(average, shape, {99, 3, 3, 99, kNan, 4}), {2, 3, 3, 2, 2, 4});
  }
  SECTION("as published, 0 * Inf and 0 / 0 are NaN, and NaN stops it") {
    average.sanitise = false;
    require_values(corrected(average, shape, {1, 2, 3, 6, 99, kInf}), {1, 2, 3, 6, 2, kNan});
    require_values(corrected(average, shape, {99, 2, 3, 99, 5, -1}), {kNan, 2, 3, kNan, 5, kNan});
    require_values(corrected(average, shape, {1, 2, 3, 6, 99, kNan}), {1, 2, 3, 6, 99, kNan});
  }
}

namespace {

const std::vector<std::int64_t> kShape{1, 8, 8};

/// conv 3x3 (1 -> 2, 8x8), ReLU, grouped conv 3x3 stride 2 (2 -> 4), flatten, linear (64 -> 4).
torch::jit::Module small_net() {
  NetBuilder net;
  net.conv("first", 1, 2, 3, 1, 1);
  net.relu("relu");
  net.conv("second", 2, 4, 3, 2, 1, 2);
  net.linear("last", 64, 4);
  return net.finish(
      "  x = self.second.forward(self.relu.forward(self.first.forward(x)))\n"
      "  return self.last.forward(torch.flatten(x, 1))\n");
}

// The input is site 0.
constexpr std::uint32_t kFirst = 1, kRelu = 2, kSecond = 3, kLast = 4;

std::shared_ptr<const model::Model> protected_net(Protection protection) {
  return value_or_throw(
      save_and_load(small_net(), kShape, 16, model::Monitor::all, std::move(protection)));
}

std::vector<float> images(std::size_t count) {
  Draws draws(5, Stream::check_input, 9);
  std::vector<float> values(count * 64);
  for (float& value : values) value = static_cast<float>(draws.uniform());
  return values;
}

/// Smallest and largest value of a site on fault-free inputs; of each channel where `channels` > 1.
std::pair<std::vector<float>, std::vector<float>> bounds_of(const model::Model& model,
                                                            std::uint32_t site,
                                                            std::span<const float> inputs,
                                                            std::size_t channels = 1) {
  const auto executor = model.make_executor({model::Execution::reference, {}});
  const auto block = executor->golden(inputs);
  std::vector<float> low(channels, kInf), high(channels, -kInf);
  const auto elements = faultgen::element_count(model.sites()[site].output_shape);
  for (std::size_t row = 0; row < block->size(); ++row) {
    std::vector<Fault> faults;  // that change nothing, but say what they find
    for (std::uint64_t i = 0; i < elements; ++i) {
      faults.push_back({site, Target::neuron, FaultModel::stuck_at_0, i, 0});
    }
    const auto result = executor->trials(*block, std::vector<model::Trial>{{row, faults}});
    for (std::uint64_t i = 0; i < elements; ++i) {
      const auto bits = static_cast<std::uint32_t>(result[0].injections[i].original_bits);
      const std::size_t c = i * channels / elements;
      low[c] = std::min(low[c], faultgen::from_bits(bits));
      high[c] = std::max(high[c], faultgen::from_bits(bits));
    }
  }
  return {low, high};
}

Fault flip(std::uint32_t site, Target target, std::uint64_t element, unsigned bit) {
  return {site, target, FaultModel::bit_flip, element, 1ULL << bit};
}

std::size_t top1(const std::vector<float>& scores) {
  return static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

const std::vector<model::Execution> kExecutions{
    model::Execution::reference, model::Execution::batched, model::Execution::incremental};

/// Results of one trial per fault, of sample i % samples, equal in all executors.
std::vector<model::TrialResult> run(const model::Model& model, std::span<const float> inputs,
                                    const std::vector<Fault>& faults) {
  std::vector<model::TrialResult> expected;
  for (const model::Execution execution : kExecutions) {
    const auto executor = model.make_executor({execution, {}});
    const auto block = executor->golden(inputs);
    std::vector<model::Trial> trials;
    for (std::size_t i = 0; i < faults.size(); ++i) {
      trials.push_back({i % block->size(), std::span(faults).subspan(i, 1)});
    }
    const auto results = executor->trials(*block, trials);
    if (expected.empty()) expected = results;
    for (std::size_t i = 0; i < results.size(); ++i) {
      CAPTURE(i, static_cast<int>(execution));
      REQUIRE(results[i].failure.empty());
      REQUIRE(results[i].first_alarm == expected[i].first_alarm);
      REQUIRE((results[i].injections == expected[i].injections));
      require_values(results[i].output, expected[i].output);
    }
  }
  return expected;
}

std::vector<model::GoldenRow> golden(const model::Model& model, std::span<const float> inputs) {
  std::vector<model::GoldenRow> expected;
  for (const model::Execution execution : kExecutions) {
    const auto block = model.make_executor({execution, {}})->golden(inputs);
    std::vector<model::GoldenRow> rows;
    for (std::size_t i = 0; i < block->size(); ++i) rows.push_back(block->row(i));
    if (expected.empty()) expected = rows;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      REQUIRE(rows[i].output == expected[i].output);
      REQUIRE(rows[i].alarms == expected[i].alarms);
    }
  }
  return expected;
}

Guard range(std::uint32_t site, GuardKind kind,
            const std::pair<std::vector<float>, std::vector<float>>& bounds) {
  return {.site = site, .kind = kind, .low = bounds.first, .high = bounds.second};
}

}  // namespace

TEST_CASE("a protection changes neither sites nor points nor the file's hash",
          "[model][protection]") {
  const auto plain = protected_net({});
  Protection all;
  for (const std::uint32_t site : {kLast, kFirst, kSecond}) {
    for (const auto& kind : model::kGuardKinds) {
      const bool maps = site != kLast || kind.value != GuardKind::average;
      if (maps) all.guards.push_back({site, kind.value, {-1}, {1}, 0.1F});
    }
  }
  const auto guarded = protected_net(all);
  REQUIRE((guarded->sites() == plain->sites()));
  REQUIRE((guarded->points() == plain->points()));
  REQUIRE(guarded->sha256() == plain->sha256());
  REQUIRE(plain->guards().empty());
  // In execution order, as given within a site.
  REQUIRE(guarded->guards().size() == 26);
  REQUIRE((guarded->guards()[0] == model::PlacedGuard{kFirst, Target::neuron, "clamp"}));
  REQUIRE((guarded->guards()[9] == model::PlacedGuard{kSecond, Target::neuron, "clamp"}));
  REQUIRE((guarded->guards()[25] == model::PlacedGuard{kLast, Target::neuron, "tmr"}));
}

TEST_CASE("bounds of the same data change no fault-free result and raise no alarm",
          "[model][protection]") {
  const auto inputs = images(20);
  const auto plain = protected_net({});
  const auto kind =
      GENERATE(GuardKind::clamp, GuardKind::backflip, GuardKind::rescale, GuardKind::average,
               GuardKind::detector, GuardKind::duplicate, GuardKind::tmr);
  Protection protection;
  for (const auto& [site, channels] : {std::pair{kFirst, 1U}, {kRelu, 2U}, {kSecond, 4U}}) {
    if (site == kSecond && kind == GuardKind::backflip) continue;  // a channel below 0
    protection.guards.push_back(range(site, kind, bounds_of(*plain, site, inputs, channels)));
  }
  const auto expected = golden(*plain, inputs);
  const auto rows = golden(*protected_net(protection), inputs);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    REQUIRE(rows[i].output == expected[i].output);
    REQUIRE(rows[i].alarms.empty());
  }
}

TEST_CASE("a clamp undoes a huge value, and the alarm of a masked fault stays",
          "[model][protection]") {
  const auto inputs = images(4);
  const auto plain = protected_net({});
  const auto bounds = bounds_of(*plain, kRelu, inputs);
  // A positive neuron of 1e37 goes to the upper bound: as a fault that sets it to that.
  const auto guarded = protected_net({{range(kRelu, GuardKind::clamp, bounds)}, {}});
  const Fault huge{kRelu, Target::neuron, FaultModel::set_value, 40, 0, faultgen::to_bits(1e37F)};
  Fault bound = huge;
  bound.value = faultgen::to_bits(bounds.second[0]);
  const auto ours = run(*guarded, inputs, {huge});
  REQUIRE(ours[0].output == run(*plain, inputs, {bound})[0].output);
  REQUIRE(ours[0].first_alarm == 0U);
  REQUIRE(run(*guarded, inputs, {bound})[0].first_alarm == std::nullopt);
  // NaN is watched where the site gives it, though the guard takes it away.
  Fault nan = huge;
  nan.value = faultgen::to_bits(kNan);
  const auto result = run(*guarded, inputs, {nan})[0];
  REQUIRE(result.first_alarm == 0U);
  REQUIRE(result.first_nonfinite.has_value());
  REQUIRE(std::isfinite(result.output[0]));

  // Behind the first layer a ReLU takes a negative value away: nothing is left but the alarm.
  const auto detecting = protected_net({{range(kFirst, GuardKind::detector, {{-100}, {100}})}, {}});
  const auto rows = golden(*plain, inputs);
  const auto masked =
      run(*detecting, inputs,
          {{kFirst, Target::neuron, FaultModel::set_value, 3, 0, faultgen::to_bits(-101.0F)}});
  REQUIRE(masked[0].first_alarm == 0U);
  const auto negative =
      run(*plain, inputs,
          {{kFirst, Target::neuron, FaultModel::set_value, 3, 0, faultgen::to_bits(-1.0F)}});
  REQUIRE(masked[0].output == negative[0].output);
}

TEST_CASE("a guard that fires without a fault earns nothing", "[model][protection]") {
  const auto inputs = images(4);
  const auto plain = protected_net({});
  const auto [low, high] = bounds_of(*plain, kSecond, inputs);
  // The first is too tight for some samples, the second wide enough.
  const float tight = high[0] * 0.999F;
  const auto guarded = protected_net({{range(kSecond, GuardKind::detector, {low, {tight}}),
                                       range(kSecond, GuardKind::detector, {{-50}, {50}})},
                                      {}});
  const auto rows = golden(*guarded, inputs);
  std::vector<Fault> faults(
      4, {kSecond, Target::neuron, FaultModel::set_value, 5, 0, faultgen::to_bits(60.0F)});
  const auto results = run(*guarded, inputs, faults);
  std::set<std::size_t> firing;
  for (std::size_t i = 0; i < 4; ++i) {
    const bool fires = !rows[i].alarms.empty();
    if (fires) firing.insert(i);
    if (fires) REQUIRE(rows[i].alarms == std::vector<std::uint32_t>{0});
    REQUIRE(results[i].first_alarm == (fires ? 1U : 0U));
  }
  REQUIRE(firing.size() > 0);
  REQUIRE(firing.size() < 4);
}

TEST_CASE("a checksum sees faults of neurons and weights, a copy only those of neurons",
          "[model][protection]") {
  const auto inputs = images(6);
  const auto kind = GENERATE(GuardKind::abft, GuardKind::duplicate, GuardKind::tmr);
  const auto site = GENERATE(kFirst, kSecond, kLast);
  CAPTURE(name_of(model::kGuardKinds, kind), site);
  Protection protection{{{.site = site, .kind = kind, .tolerance = 0}}, {}};
  if (kind == GuardKind::abft) {
    const auto largest = protected_net(protection)->largest_deviations(inputs);
    REQUIRE(largest.size() == 1);
    REQUIRE(largest[0] > 0);
    REQUIRE(largest[0] < 1e-5F);
    protection.guards[0].tolerance = largest[0];
  }
  const auto guarded = protected_net(protection);
  const auto rows = golden(*guarded, inputs);
  for (const auto& row : rows) REQUIRE(row.alarms.empty());
  const auto plain = protected_net({});
  const std::vector<Fault> neurons{flip(site, Target::neuron, 2, 30),
                                   flip(site, Target::neuron, 1, 24)};
  const auto of_neurons = run(*guarded, inputs, neurons);
  for (std::size_t i = 0; i < neurons.size(); ++i) {
    REQUIRE(of_neurons[i].first_alarm == 0U);
    // The vote gives the sound output, the others change nothing.
    REQUIRE(of_neurons[i].output ==
            (kind == GuardKind::tmr ? rows[i].output : run(*plain, inputs, neurons)[i].output));
  }
  for (const Target target : {Target::weight, Target::bias}) {
    const auto of_weights = run(*guarded, inputs, {flip(site, target, 1, 30)});
    REQUIRE(of_weights[0].first_alarm ==
            (kind == GuardKind::abft ? std::optional(0U) : std::nullopt));
    REQUIRE(of_weights[0].output == run(*plain, inputs, {flip(site, target, 1, 30)})[0].output);
  }
  // What the site reads wrongly a copy reads rightly. A checksum reads rightly too.
  const auto of_input = run(*guarded, inputs, {flip(site, Target::site_input, 9, 30)});
  REQUIRE(of_input[0].first_alarm == 0U);
  // A fault before it is none of its business: there other values round otherwise.
  if (site == kFirst) return;
  protection.guards[0].tolerance *= 10;
  REQUIRE(run(*protected_net(protection), inputs, {flip(kRelu, Target::neuron, 9, 23)})[0]
              .first_alarm == std::nullopt);
}

TEST_CASE("a copy of some channels sees faults there and nowhere else", "[model][protection]") {
  const auto inputs = images(5);
  const auto plain = protected_net({});
  const auto kind = GENERATE(GuardKind::duplicate, GuardKind::tmr);
  struct Choice {
    std::uint32_t site;
    std::vector<std::uint32_t> channels;
    std::uint64_t all;
  };
  const auto [site, channels, all] =
      GENERATE(Choice{kFirst, {1}, 2}, Choice{kSecond, {0, 3}, 4}, Choice{kLast, {2}, 4});
  CAPTURE(name_of(model::kGuardKinds, kind), site);
  const auto guarded = protected_net({{{.site = site, .kind = kind, .channels = channels}}, {}});
  const auto rows = golden(*guarded, inputs);
  for (const auto& row : rows) REQUIRE(row.alarms.empty());

  const auto elements = faultgen::element_count(plain->sites()[site].output_shape);
  std::vector<Fault> faults;
  for (std::uint64_t i = 0; i < elements; ++i) faults.push_back(flip(site, Target::neuron, i, 29));
  const auto ours = run(*guarded, inputs, faults), theirs = run(*plain, inputs, faults);
  for (std::uint64_t i = 0; i < elements; ++i) {
    CAPTURE(i);
    const bool copied = std::ranges::count(channels, i / (elements / all)) == 1;
    REQUIRE(ours[i].first_alarm == (copied ? std::optional(0U) : std::nullopt));
    const bool voted = copied && kind == GuardKind::tmr;
    REQUIRE(ours[i].output == (voted ? rows[i % 5].output : theirs[i].output));
  }
  // Both computations read the same wrong weights.
  const auto weight = run(*guarded, inputs, {flip(site, Target::weight, 1, 30)});
  REQUIRE(weight[0].first_alarm == std::nullopt);
}

TEST_CASE("a wrong input reaches a copy of some channels through these alone",
          "[model][protection]") {
  // The second convolution has two groups: its channels 2 and 3 read map 1 of its input only.
  const auto inputs = images(3);
  const auto plain = protected_net({});
  const Fault left = flip(kSecond, Target::site_input, 20, 30);
  const Fault right = flip(kSecond, Target::site_input, 84, 30);
  const auto kind = GENERATE(GuardKind::duplicate, GuardKind::tmr);
  const auto guarded = protected_net({{{.site = kSecond, .kind = kind, .channels = {2, 3}}}, {}});
  const auto ours = run(*guarded, inputs, {left, right});
  const auto theirs = run(*plain, inputs, {left, right});
  REQUIRE(ours[0].first_alarm == std::nullopt);
  REQUIRE(ours[0].output == theirs[0].output);
  REQUIRE(ours[1].first_alarm == 0U);
  REQUIRE(theirs[1].output != golden(*plain, inputs)[1].output);
  REQUIRE(ours[1].output ==
          (kind == GuardKind::tmr ? golden(*plain, inputs)[1].output : theirs[1].output));
}

TEST_CASE("channels of tokens are their features", "[model][protection]") {
  NetBuilder net;
  net.linear("tokens", 8, 3);
  const auto module = net.finish("  return torch.flatten(self.tokens.forward(x), 1)\n");
  const auto kind = GENERATE(GuardKind::duplicate, GuardKind::tmr);
  const auto load = [&](Protection protection) {
    return value_or_throw(
        save_and_load(module, {1, 4, 8}, 4, model::Monitor::all, std::move(protection)));
  };
  const auto guarded = load({{{.site = 1, .kind = kind, .channels = {1}}}, {}});
  const std::vector<float> inputs(32, 0.5F);
  std::vector<Fault> faults;
  for (std::uint64_t i = 0; i < 12; ++i) faults.push_back(flip(1, Target::neuron, i, 30));
  const auto ours = run(*guarded, inputs, faults), theirs = run(*load({}), inputs, faults);
  for (std::uint64_t i = 0; i < 12; ++i) {
    CAPTURE(i);
    REQUIRE(ours[i].first_alarm == (i % 3 == 1 ? std::optional(0U) : std::nullopt));
    const bool voted = i % 3 == 1 && kind == GuardKind::tmr;
    require_values(ours[i].output, voted ? golden(*guarded, inputs)[0].output : theirs[i].output);
  }
}

TEST_CASE("the deviation of a checksum is what one computes by hand", "[model][protection]") {
  // 1x1 convolution, two channels: y0 = 2x, y1 = 3x + 1; sum 5x + 1.
  NetBuilder net;
  net.conv("conv", 1, 2, 1);
  auto conv = net.net().attr("conv").toModule();
  conv.setattr("weight", torch::tensor({2.0F, 3.0F}).view({2, 1, 1, 1}));
  conv.setattr("bias", torch::tensor({0.0F, 1.0F}));
  const auto module = net.finish("  return torch.flatten(self.conv.forward(x), 1)\n");
  const auto with = [&](float tolerance) {
    return value_or_throw(
        save_and_load(module, {1, 1, 2}, 4, model::Monitor::all,
                      {{{.site = 1, .kind = GuardKind::abft, .tolerance = tolerance}}, {}}));
  };
  const std::vector<float> inputs{1, 2};
  REQUIRE(with(0)->largest_deviations(inputs) == std::vector<float>{0});
  // y1[1] = 7 becomes 7.5.
  const Fault fault{1, Target::neuron, FaultModel::set_value, 3, 0, faultgen::to_bits(7.5F)};
  REQUIRE(run(*with(0.25F), inputs, {fault})[0].first_alarm == 0U);
  REQUIRE(run(*with(0.5F), inputs, {fault})[0].first_alarm == std::nullopt);
  Fault nan = fault;
  nan.value = faultgen::to_bits(kNan);
  REQUIRE(run(*with(0.5F), inputs, {nan})[0].first_alarm == 0U);
}

namespace {

/// Corrects one wrong bit, detects two, and takes three for another one.
model::CodedRead repair(std::uint64_t original, std::uint64_t faulty) {
  const int wrong = std::popcount(original ^ faulty);
  if (wrong == 0) return {faulty, false, false};
  if (wrong == 1) return {original, true, false};
  if (wrong == 2) return {faulty, false, true};
  return {faulty ^ (1ULL << 62), true, false};
}

}  // namespace

TEST_CASE("parameters are read through their code", "[model][protection]") {
  const auto inputs = images(4);
  const auto plain = protected_net({});
  Protection protection;
  protection.weights = {{kFirst, Target::weight, "repair", 64, repair},
                        {kLast, Target::weight, "repair", 32, repair}};
  protection.guards = {
      {.site = kFirst, .kind = GuardKind::detector, .low = {-1e3F}, .high = {1e3F}}};
  const auto coded = protected_net(protection);
  const auto guards = coded->guards();
  REQUIRE(guards.size() == 3);
  REQUIRE((guards[0] == model::PlacedGuard{kFirst, Target::weight, "repair"}));
  REQUIRE((guards[1] == model::PlacedGuard{kFirst, Target::neuron, "detector"}));
  REQUIRE((guards[2] == model::PlacedGuard{kLast, Target::weight, "repair"}));
  const auto rows = golden(*coded, inputs);

  // One bit: corrected. The evidence is what the fault did in memory.
  const Fault one = flip(kFirst, Target::weight, 8, 30);
  const auto corrected = run(*coded, inputs, {one})[0];
  REQUIRE(corrected.output == rows[0].output);
  REQUIRE(corrected.first_alarm == 0U);
  REQUIRE((corrected.injections == run(*plain, inputs, {one})[0].injections));
  REQUIRE(corrected.injections[0].original_bits != corrected.injections[0].corrupted_bits);
  // A corrected NaN is never read.
  const Fault nan{kLast, Target::weight, FaultModel::stuck_at_1, 7, 0x7fc00000};
  REQUIRE(run(*plain, inputs, {nan})[0].first_nonfinite.has_value());
  // Two bits: detected, and wrong all the same.
  Fault two = one;
  two.bit_mask |= 1U << 24;
  const auto detected = run(*coded, inputs, {two})[0];
  REQUIRE(detected.first_alarm == 0U);
  REQUIRE(detected.output == run(*plain, inputs, {two})[0].output);
  // Three bits in element 8, of the first filter: bit 62 of the word is bit 30 of element 9, in the
  // second filter.
  Fault three = two;
  three.bit_mask |= 1U << 20;
  const auto expected = [&] {
    const auto executor = plain->make_executor();
    const auto block = executor->golden(inputs);
    const std::vector<Fault> both{three, flip(kFirst, Target::weight, 9, 30)};
    return executor->trials(*block, std::vector<model::Trial>{{0, both}})[0].output;
  }();
  REQUIRE(run(*coded, inputs, {three})[0].output == expected);
  // The last of 18 weights has its pair; a parameter without a code is read as it is.
  REQUIRE(run(*coded, inputs, {flip(kFirst, Target::weight, 17, 30)})[0].output == rows[0].output);
  REQUIRE(run(*coded, inputs, {flip(kSecond, Target::weight, 0, 30)})[0].first_alarm ==
          std::nullopt);
  REQUIRE(run(*coded, inputs, {flip(kLast, Target::weight, 5, 30)})[0].first_alarm == 2U);
}

TEST_CASE("the last word of an odd number of parameters pairs with 0", "[model][protection]") {
  NetBuilder net;
  net.conv("conv", 1, 3, 1);
  const auto module = net.finish("  return torch.flatten(self.conv.forward(x), 1)\n");
  std::vector<std::uint64_t> seen;
  const auto note = [&](std::uint64_t original, std::uint64_t faulty) {
    seen.push_back(original ^ faulty);
    seen.push_back(original >> 32);
    return model::CodedRead{faulty | (0xffULL << 32), false, false};  // beyond the end: nothing
  };
  const auto loaded = value_or_throw(save_and_load(module, {1, 1, 2}, 4, model::Monitor::all,
                                                   {{}, {{1, Target::bias, "note", 64, note}}}));
  run(*loaded, std::vector<float>{1, 2}, {flip(1, Target::bias, 2, 5)});
  REQUIRE(seen == std::vector<std::uint64_t>{32, 0, 32, 0, 32, 0});
}

TEST_CASE("a guard that does not fit its site is refused by name", "[model][protection]") {
  const auto message = [](Protection protection) {
    const auto loaded =
        save_and_load(small_net(), kShape, 16, model::Monitor::all, std::move(protection));
    REQUIRE_FALSE(loaded.ok());
    REQUIRE(loaded.error().code == Errc::scenario);
    REQUIRE_FALSE(loaded.error().hint.empty());
    return loaded.error().what;
  };
  REQUIRE(message({{{0, GuardKind::clamp, {0}, {1}}}, {}}) ==
          "clamp at input: there is no operator with an output");
  REQUIRE(message({{{99, GuardKind::clamp, {0}, {1}}}, {}}) ==
          "clamp at site 99: there is no operator with an output");
  REQUIRE(message({{{kFirst, GuardKind::clip, {0, 0, 0}, {1, 1, 1}}}, {}}) ==
          "clip at first: 3 lower and 3 upper bounds for 2 channels");
  REQUIRE(message({{{kFirst, GuardKind::clip, {0}, {1, 1}}}, {}}) ==
          "clip at first: 1 lower and 2 upper bounds for 2 channels");
  REQUIRE(message({{{kFirst, GuardKind::clamp, {2}, {1}}}, {}}) == "clamp at first: bounds [2, 1]");
  REQUIRE(message({{{kFirst, GuardKind::clamp, {kNan}, {1}}}, {}}) ==
          "clamp at first: bounds [nan, 1]");
  REQUIRE(message({{{kFirst, GuardKind::clamp, {0}, {kInf}}}, {}}) ==
          "clamp at first: bounds [0, inf]");
  REQUIRE(message({{{kFirst, GuardKind::backflip, {-2}, {-1}}}, {}}) ==
          "backflip at first: bounds [-2, -1]");
  REQUIRE(message({{{kLast, GuardKind::average, {0}, {1}}}, {}}) ==
          "average at last: its output has no feature maps");
  REQUIRE(message({{{kRelu, GuardKind::abft}}, {}}) ==
          "abft at relu: is no convolution or linear layer with a weight of its own");
  REQUIRE(message({{{.site = kFirst, .kind = GuardKind::abft, .tolerance = -1}}, {}}) ==
          "abft at first: tolerance -1");
  REQUIRE(message({{{.site = kSecond, .kind = GuardKind::duplicate, .channels = {1, 4}}}, {}}) ==
          "duplicate at second: it has no channel 4, only 0 to 3");
  REQUIRE(message({{}, {{kRelu, Target::weight, "code", 32, repair}}}) ==
          "code at relu: it has no weights to read");
  REQUIRE(message({{}, {{kFirst, Target::neuron, "code", 32, repair}}}) ==
          "code at first: it has no neurons to read");
  REQUIRE(message({{}, {{kFirst, Target::weight, "code", 16, repair}}}) ==
          "code at first: words of 16 bits");
  REQUIRE(message({{},
                   {{kFirst, Target::weight, "a", 32, repair},
                    {kFirst, Target::weight, "b", 32, repair}}}) ==
          "b at first: the parameter has a code already");
  const auto loop = save_and_load(scripted_net(), {3, 6, 6}, 4, model::Monitor::all,
                                  {{{1, GuardKind::clamp, {0}, {1}}}, {}});
  REQUIRE_FALSE(loop.ok());
  REQUIRE(loop.error().what == "clamp at conv: a loop runs the operator several times");
}

TEST_CASE("Ranger bounds cut the silent errors of exponent flips in the shipped models",
          "[model][protection]") {
  const auto images = datasets::open_idx(
      "fashion", "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz", std::nullopt);
  if (!images) {
    WARN("skipped: the package dataset-fashion-mnist is not installed");
    return;
  }
  constexpr std::size_t kImages = 48, kFaults = 480;
  std::vector<float> inputs;  // normalised as the models' cards say
  for (std::size_t i = 0; i < kImages; ++i) {
    const auto sample = value_or_throw((*images)->get(i));
    for (int p = 0; p < 28 * 28; ++p) {
      const float pixel = sample.image.at<std::uint8_t>(p / 28, p % 28);
      inputs.push_back((pixel / 255.0F - 0.2860F) / 0.3530F);
    }
  }
  const std::string name = GENERATE("lenet5", "resnet8");
  CAPTURE(name);
  const auto load = [&](Protection protection) {
    return value_or_throw(
        model::load({.file = BITQUAKE_SOURCE_DIR "/suite/models/" + name + "_fashion_mnist.pt",
                     .input_shape = {1, 28, 28},
                     .protection = std::move(protection)}));
  };
  const auto plain = load({});
  Protection ranger;
  for (std::uint32_t site = 1; site < plain->sites().size(); ++site) {
    if (plain->sites()[site].kind != faultgen::SiteKind::activation) continue;
    ranger.guards.push_back(range(site, GuardKind::clamp, bounds_of(*plain, site, inputs)));
  }
  REQUIRE(ranger.guards.size() >= 4);
  const auto guarded = load(ranger);

  std::vector<Fault> faults;
  const faultgen::FaultSpace space(plain->sites(), Target::neuron);
  Draws draws(11, Stream::fault_location, 3);
  for (std::size_t i = 0; i < kFaults; ++i) {
    const auto [site, element] = space.locate(draws.below(space.total_elements()));
    faults.push_back(flip(site, Target::neuron, element, 30));
  }
  const auto sound = golden(*plain, inputs);
  const auto rows = golden(*guarded, inputs);
  for (std::size_t i = 0; i < kImages; ++i) {
    REQUIRE(rows[i].output == sound[i].output);
    REQUIRE(rows[i].alarms.empty());
  }
  const auto errors = [&](const model::Model& model) {
    std::size_t wrong = 0;
    const auto results = run(model, inputs, faults);
    for (std::size_t i = 0; i < kFaults; ++i) {
      wrong += top1(results[i].output) != top1(sound[i % kImages].output);
    }
    return wrong;
  };
  const std::size_t before = errors(*plain), after = errors(*guarded);
  CAPTURE(before, after);
  REQUIRE(before > kFaults / 20);
  REQUIRE(after * 3 < before);
}
