#include "suite/selftest/expected.hpp"

#include "faultgen/bits.hpp"
#include "suite/selftest/integer_net.hpp"
#include "suite/selftest/test_campaign.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>

using namespace bitquake;
using namespace bitquake::selftest;

namespace {

const Expected& expected() {
  static const TestCampaign campaign;
  return campaign.expected();
}

}  // namespace

TEST_CASE("the network keeps to what makes its sums exact", "[selftest]") {
  for (const model::Layer& layer : integer_net().layers) {
    for (const float weight : layer.weight)
      REQUIRE((std::abs(weight) == 1 || std::abs(weight) == 2));
    for (const float bias : layer.bias) REQUIRE((bias != 0 && bias == std::round(bias)));
    if (layer.kind == model::LayerKind::conv2d) REQUIRE((layer.stride == 2 || layer.kernel == 1));
  }
}

TEST_CASE("without faults every output is an integer; each class is told from the others",
          "[selftest]") {
  std::set<std::int32_t> decisions;
  for (std::uint64_t sample = 0; sample < kSamples; ++sample) {
    const auto run = infer(integer_image(sample), {});
    REQUIRE(run.has_value());
    REQUIRE_FALSE(run->any_nonfinite);
    for (const float score : run->output.value()) {
      REQUIRE(score == std::round(score));
      REQUIRE(std::abs(score) < 0x1p24F);
    }
    const results::GoldenRow& row = expected().trials.golden[sample];
    REQUIRE(row.top1_probability > 0);
    decisions.insert(row.top1);
  }
  REQUIRE(decisions.size() > 1);
}

TEST_CASE("the faults reach every site, bit, model and target, alone and in groups", "[selftest]") {
  const faultgen::FaultSummary counts = faultgen::summarise(expected().faults);
  const auto all_used = [](const auto& list) {
    return std::all_of(list.begin(), list.end(), [](std::uint64_t n) { return n > 0; });
  };
  for (std::size_t site = 0; site < counts.per_site.size(); ++site) {
    const bool layer =
        faultgen::is_default_kind(expected().faults.sites[site].kind, faultgen::Target::neuron);
    REQUIRE((counts.per_site[site] > 0) == layer);
  }
  REQUIRE(all_used(counts.per_bit));
  // Those of bits, in neurons and weights.
  REQUIRE(all_used(std::span(counts.per_model).first(3)));
  REQUIRE(all_used(std::span(counts.per_target).first(2)));
  std::set<std::uint32_t> sizes;
  for (const auto& group : expected().faults.groups) sizes.insert(group.n_faults);
  REQUIRE((sizes == std::set<std::uint32_t>{1, 2, 3}));
}

TEST_CASE("no outcome is rare, and most outputs are compared", "[selftest]") {
  std::array<std::size_t, 4> outcomes{};
  for (const auto& row : expected().trials.trials) ++outcomes[row.outcome];
  for (const std::size_t count : outcomes) REQUIRE(count >= 30);
  const auto& known = expected().output_known;
  REQUIRE(std::count(known.begin(), known.end(), true) > 240);
}

TEST_CASE("a fault in a neuron of the last layer changes that score as stated", "[selftest]") {
  const auto golden = infer(integer_image(0), {});
  const faultgen::Fault sign{5, faultgen::Target::neuron, faultgen::FaultModel::bit_flip, 2,
                             1ULL << 31U};
  const auto run = infer(integer_image(0), {{sign}});
  auto wanted = golden.value().output.value();
  wanted[2] = -wanted[2];
  REQUIRE(run.value().output == wanted);
  REQUIRE(run->injections.size() == 1);
  REQUIRE(run->injections[0].reached);
  REQUIRE(run->injections[0].corrupted_bits == faultgen::to_bits(wanted[2]));
}

TEST_CASE("a fault whose consequences round is refused", "[selftest]") {
  // The last bit of a mantissa, before sums that do not have room for it.
  std::size_t refused = 0;
  for (std::uint64_t element = 0; element < 24; ++element) {
    const faultgen::Fault last_bit{3, faultgen::Target::neuron, faultgen::FaultModel::bit_flip,
                                   element, 1};
    refused += infer(integer_image(0), {{last_bit}}) ? 0 : 1;
  }
  REQUIRE(refused > 5);
  REQUIRE(refused < 24);  // negative ones end at the ReLU
}
