#include "suite/model/execution.hpp"
#include "tests/model/loaded.hpp"
#include "tests/model/nets.hpp"

#include <catch2/catch.hpp>

#include <vector>

using namespace bitquake;
using namespace bitquake::test;
using faultgen::Fault;
using faultgen::FaultModel;
using faultgen::Target;

namespace {

/// conv 3x3 (1 -> 2, 8x8), ReLU, conv 3x3 (2 -> 3), flatten, linear (192 -> 4).
std::shared_ptr<const model::Model> small_net() {
  NetBuilder net;
  net.conv("first", 1, 2, 3, 1, 1);
  net.conv("second", 2, 3, 3, 1, 1);
  net.linear("last", 192, 4);
  return value_or_throw(save_and_load(
      net.finish("  x = torch.relu(self.first.forward(x))\n  x = self.second.forward(x)\n"
                 "  return self.last.forward(torch.flatten(x, 1))\n"),
      {1, 8, 8}));
}

std::vector<float> images(std::size_t count) {
  Draws draws(5, Stream::check_input, 9);
  std::vector<float> values(count * 64);
  for (float& value : values) value = static_cast<float>(draws.uniform());
  return values;
}

model::Work work_of(const std::vector<Fault>& faults) {
  const auto loaded = small_net();
  const auto executor = loaded->make_executor();
  executor->count_work();
  const auto block = executor->golden(images(1));
  executor->trials(*block, std::vector<model::Trial>{{0, faults}});
  return executor->work().value();
}

// The input is site 0, the ReLU site 2.
constexpr std::uint32_t kFirstSite = 1, kSecondSite = 3, kLastSite = 4;

// Multiply-adds by hand.
constexpr std::uint64_t kFirst = 2 * 64 * 9, kSecond = 3 * 64 * 2 * 9, kLast = 192 * 4;
constexpr std::uint64_t kWhole = kFirst + kSecond + kLast;

}  // namespace

TEST_CASE("work is counted as one counts it by hand", "[model]") {
  SECTION("a neuron of the last convolution leaves the linear layer to do") {
    const auto work = work_of({{kSecondSite, Target::neuron, FaultModel::bit_flip, 70, 1U << 30}});
    REQUIRE(work.golden == kWhole);
    REQUIRE(work.full == kWhole);
    REQUIRE(work.unavoidable == kLast);
  }
  SECTION("a neuron of the first one reaches nine positions of the second, in a corner four") {
    // Bit 30 of a small value makes it huge and keeps its sign: a positive one passes the ReLU, a
    // negative one does not.
    std::uint64_t seen = 0;
    for (std::uint64_t element = 9; element < 15; ++element) {  // inside, second line
      const auto work =
          work_of({{kFirstSite, Target::neuron, FaultModel::bit_flip, element, 1U << 30}});
      if (work.unavoidable == 0) continue;  // masked by the ReLU
      REQUIRE(work.unavoidable == 3 * 9 * 2 * 9 + kLast);
      ++seen;
    }
    REQUIRE(seen > 0);
    const auto corner =
        work_of({{kFirstSite, Target::neuron, FaultModel::stuck_at_0, 0, 0xffffffff}});
    REQUIRE((corner.unavoidable == 0 || corner.unavoidable == 3 * 4 * 2 * 9 + kLast));
  }
  SECTION("a weight of the second one costs its channel") {
    const auto work = work_of({{kSecondSite, Target::weight, FaultModel::bit_flip, 0, 1U << 30}});
    REQUIRE(work.unavoidable == kSecond / 3 + kLast);
  }
  SECTION("so does its bias") {
    const auto work =
        work_of({{kSecondSite, Target::bias, FaultModel::set_value, 0, 0, 0x41000000}});
    REQUIRE(work.full == kWhole);
    REQUIRE(work.unavoidable == kSecond / 3 + kLast);
  }
  SECTION("what the second one reads reaches nine positions of it") {
    const auto work =
        work_of({{kSecondSite, Target::site_input, FaultModel::set_value, 9, 0, 0x41000000}});
    REQUIRE(work.full == kWhole);
    REQUIRE(work.unavoidable == 3 * 9 * 2 * 9 + kLast);
  }
  SECTION("an output of the ReLU does the same") {
    const auto work = work_of({{2, Target::neuron, FaultModel::set_value, 9, 0, 0x41000000}});
    REQUIRE(work.unavoidable == 3 * 9 * 2 * 9 + kLast);
  }
  SECTION("a pixel reaches nine positions of the first, and twenty-five of the second") {
    const auto work =
        work_of({{0, Target::network_input, FaultModel::set_value, 27, 0, 0x7149f2ca}});
    REQUIRE(work.full == kWhole);  // 1e30 changes some of both channels everywhere
    REQUIRE(work.unavoidable == 2 * 9 * 9 + 3 * 25 * 2 * 9 + kLast);
  }
  SECTION("a fault that changes nothing costs nothing") {
    const auto work = work_of({{kSecondSite, Target::weight, FaultModel::stuck_at_0, 0, 0}});
    REQUIRE(work.unavoidable == 0);
  }
}

TEST_CASE("every site of a plain network is computed by regions or channels", "[model]") {
  const auto explained = small_net()->explain();
  REQUIRE(explained.size() == 5);
  REQUIRE_THAT(explained[kSecondSite].neuron_fault, Catch::StartsWith("region to"));
  REQUIRE(explained[kLastSite].neuron_fault == "dense");
  REQUIRE(explained[kLastSite].weight_fault == "layer");
  REQUIRE(explained[0].neuron_fault.empty());
  REQUIRE(explained[2].neuron_fault == "row");
  REQUIRE(explained[kLastSite].reason == "no rule for windows of aten::linear");
}

TEST_CASE("what a golden block keeps is stated", "[model]") {
  // Input 64, conv 128, ReLU 128, conv 192 and flattened 192 (one memory, counted twice), output 4.
  REQUIRE(small_net()->kept_bytes_per_sample() == 4 * (64 + 128 + 128 + 192 + 192 + 4));
}
