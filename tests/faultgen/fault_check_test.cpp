#include "faultgen/fault_check.hpp"

#include "faultgen/bits.hpp"
#include "tests/faultgen/example_set.hpp"

#include <catch2/catch.hpp>

using namespace bitquake;
using namespace bitquake::faultgen;

namespace {

/// What one fault in a weight of this value is: 'c' changing, 'i' idle, 'u' unknown.
char effect(float weight, Fault fault, Target target = Target::weight) {
  FaultSet set = test::example_set();
  fault.site = 2;
  fault.target = target;
  fault.element = 5;
  set.faults = {fault};
  set.sampling_weight = {1};
  set.groups = {{0, 0, 0, 1}};
  REQUIRE(check_consistent(set, ""));
  const FaultEffects effects =
      effects_of(set, [&](std::uint32_t site, Target of, std::uint64_t element) {
        REQUIRE(site == 2);
        REQUIRE(of == target);
        REQUIRE(element == 5);
        return std::optional(weight);
      });
  REQUIRE(effects.changing + effects.idle + effects.unknown == 1);
  REQUIRE(effects.idle_groups == effects.idle);
  return effects.changing == 1 ? 'c' : effects.idle == 1 ? 'i' : 'u';
}

Fault of_bits(FaultModel model, std::uint64_t mask, Storage storage = {}) {
  Fault fault;
  fault.model = model;
  fault.bit_mask = mask;
  fault.storage = storage;
  return fault;
}

Fault whole(FaultModel model, float value = 0, Storage storage = {}) {
  Fault fault;
  fault.model = model;
  fault.value = to_bits(value);
  fault.storage = storage;
  return fault;
}

}  // namespace

TEST_CASE("a stuck-at on a bit that has the level is idle", "[faultgen][check]") {
  // 1.0 is 0x3F800000: bits 23 to 29 are set.
  REQUIRE(effect(1.0F, of_bits(FaultModel::stuck_at_1, 1U << 29)) == 'i');
  REQUIRE(effect(1.0F, of_bits(FaultModel::stuck_at_0, 1U << 29)) == 'c');
  REQUIRE(effect(1.0F, of_bits(FaultModel::stuck_at_0, 1U << 30)) == 'i');
  REQUIRE(effect(1.0F, of_bits(FaultModel::stuck_at_1, 1U << 30)) == 'c');
  REQUIRE(effect(1.0F, of_bits(FaultModel::stuck_at_1, 3U << 29)) == 'c');  // one of the two
  REQUIRE(effect(1.0F, of_bits(FaultModel::bit_flip, 1)) == 'c');
}

TEST_CASE("a whole-value fault that leaves the value is idle", "[faultgen][check]") {
  REQUIRE(effect(1.5F, whole(FaultModel::set_value, 1.5F)) == 'i');
  REQUIRE(effect(1.5F, whole(FaultModel::set_value, 1.25F)) == 'c');
  REQUIRE(effect(0.0F, whole(FaultModel::zero)) == 'i');
  REQUIRE(effect(-0.0F, whole(FaultModel::zero)) == 'c');  // another pattern
  REQUIRE(effect(1e30F, whole(FaultModel::gaussian, 1.0F)) == 'i');
  REQUIRE(effect(1.0F, whole(FaultModel::gaussian, 1.0F)) == 'c');
  REQUIRE(effect(0.0F, whole(FaultModel::sign_flip)) == 'c');
}

TEST_CASE("the pattern in the fault's storage counts", "[faultgen][check]") {
  const Storage int8{.format = NumberFormat::int8, .scale = 0.5F};
  REQUIRE(effect(1.1F, whole(FaultModel::set_value, 1.0F, int8)) == 'i');  // both are 2 steps
  REQUIRE(effect(1.5F, whole(FaultModel::set_value, 1.0F, int8)) == 'c');
  REQUIRE(effect(1.0F, of_bits(FaultModel::stuck_at_1, 1U << 1, int8)) == 'i');
  REQUIRE(effect(1.0F, of_bits(FaultModel::stuck_at_1, 1U << 0, int8)) == 'c');
}

TEST_CASE("faults of activations are not decided", "[faultgen][check]") {
  FaultSet set = test::example_set();
  const FaultEffects effects = effects_of(set, [](auto, Target target, auto) {
    REQUIRE(target == Target::weight);
    return std::optional(0.0F);
  });
  // The example has two neuron faults and a stuck_at_0 of a weight that is 0.
  REQUIRE(effects == FaultEffects{0, 1, 2, 0, {1}});
  const FaultEffects nothing_known =
      effects_of(set, [](auto, auto, auto) { return std::optional<float>(); });
  REQUIRE(nothing_known == FaultEffects{0, 0, 3, 0, {}});
}

TEST_CASE("groups of idle faults alone are counted", "[faultgen][check]") {
  FaultSet set = test::example_set();
  set.faults.clear();
  for (std::uint64_t element = 0; element < 8; ++element) {
    set.faults.push_back({2, Target::weight, FaultModel::stuck_at_0, element, 1});
  }
  set.sampling_weight.assign(8, 1.0);
  set.groups = {{0, 0, 0, 3}, {0, 1, 3, 0}, {1, 0, 3, 5}};
  // Element 1 alone has its lowest bit set.
  const FaultEffects effects = effects_of(set, [](auto, auto, std::uint64_t element) {
    return std::optional(from_bits(element == 1 ? 1 : 0));
  });
  REQUIRE(effects == FaultEffects{1, 7, 0, 1, {0, 2, 3, 4, 5}});
}
