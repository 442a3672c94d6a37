#include "faultgen/fault_report.hpp"

#include "faultgen/bits.hpp"
#include "tests/faultgen/example_set.hpp"

#include <catch2/catch.hpp>

using namespace bitquake;
using namespace bitquake::faultgen;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;

namespace {

FaultSet mixed_set() {
  FaultSet set = test::example_set();
  const Storage int8{.format = NumberFormat::int8, .scale = 0.5F};
  const Storage other{.format = NumberFormat::int8, .scale = 0.25F};
  set.faults = {{0, Target::neuron, FaultModel::bit_flip, 4, 1ULL << 30},
                {2, Target::weight, FaultModel::set_value, 5, 0, to_bits(0.5F)},
                {2, Target::weight, FaultModel::bit_flip, 6, 3, 0, int8},
                {2, Target::weight, FaultModel::zero, 7, 0, 0, other}};
  set.sampling_weight.assign(4, 1.0);
  set.groups = {{0, 0, 0, 4}};
  set.provenance.schedule = {Policy::per_batch, 8};
  return set;
}

}  // namespace

TEST_CASE("the summary of a set of bit faults is sites and bits", "[faultgen][report]") {
  const std::string text = summary_text(test::example_set());
  REQUIRE_THAT(text, Catch::StartsWith("faults       3 in 3 groups, 2 epochs, policy per_image\n"
                                       "generator    bitquake test, seed 42\n"
                                       "model        sha256 00ff\n"
                                       "input        1x3x4\n"
                                       "target       neurons 2\n"
                                       "target       weights 1\n"
                                       "fault model  bit_flip 1\n"
                                       "fault model  stuck_at_0 1\n"
                                       "fault model  stuck_at_1 1\n"
                                       "storage      fp32 3\n"
                                       "\n"
                                       "site       kind  faults    share\n"));
  REQUIRE_THAT(text, Contains("\nconv#1   conv2d       1  33.33 %\n"));
  REQUIRE_THAT(text, Contains("\nbit     field  faults    share\n"));
  REQUIRE_THAT(text, EndsWith("\n31       sign       1  33.33 %\n"));
}

TEST_CASE("storages have bits of their own and whole values none", "[faultgen][report]") {
  const std::string text = summary_text(mixed_set());
  REQUIRE_THAT(text, Contains("policy per_batch, batch size 8\n"));
  REQUIRE_THAT(text, Contains("fault model  set_value 1, whole values\n"));
  REQUIRE_THAT(text, Contains("storage      fp32 2\nstorage      int8 2, 2 scales\n"));
  REQUIRE_THAT(text, Contains("\nbit of fp32     field  faults    share\n"));
  REQUIRE_THAT(text, Contains("\nbit of int8     field  faults    share\n"));
  REQUIRE_THAT(text, Contains("\n7                sign       0   0.00 %\n"));
  REQUIRE_THAT(text, EndsWith("\n2 faults of whole values: no bits\n"));
}

TEST_CASE("a set of whole values has no table of bits", "[faultgen][report]") {
  FaultSet set = mixed_set();
  set.faults = {{2, Target::weight, FaultModel::nan, 5}};
  set.sampling_weight = {1};
  set.groups = {{0, 0, 0, 1}};
  const std::string text = summary_text(set);
  REQUIRE_THAT(text, !Contains("mantissa"));
  REQUIRE_THAT(text, EndsWith("\n1 fault of whole values: no bits\n"));
}

TEST_CASE("a fault is told in a line", "[faultgen][report]") {
  const FaultSet set = mixed_set();
  REQUIRE(fault_text(set, 0) == "fault 0: bit_flip in neurons of conv, element 4 (0;1;1), bit 30");
  REQUIRE(fault_text(set, 1) ==
          "fault 1: set_value in weights of head.fc, element 5 (2;1), value 0.5");
  REQUIRE(fault_text(set, 2) ==
          "fault 2: bit_flip in weights of head.fc, element 6 (3;0), bits 0;1, "
          "int8 scale 0.5 zero_point 0");
}

TEST_CASE("effects are told with the first idle faults", "[faultgen][report]") {
  const FaultSet set = mixed_set();
  REQUIRE(effects_text(set, {3, 0, 1, 0, {}}) ==
          "effective    3 of 3 parameter faults change the stored value\n"
          "undecided    1 fault: what the value is, a run shows\n");
  REQUIRE(effects_text(set, {1, 2, 0, 1, {1}}) ==
          "effective    1 of 3 parameter faults change the stored value\n"
          "idle         2 faults leave the value as it is; 1 group of nothing else\n"
          "  fault 1: set_value in weights of head.fc, element 5 (2;1), value 0.5\n"
          "  …\n");
}
