#include "faultgen/schedule.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <vector>

using namespace bitquake::faultgen;

namespace {

std::vector<std::uint64_t> slots_of(const Schedule& schedule, std::uint64_t samples) {
  std::vector<std::uint64_t> slots;
  for (std::uint64_t i = 0; i < samples; ++i) slots.push_back(schedule.slot_of(i));
  return slots;
}

}  // namespace

TEST_CASE("each sample has the slot that its policy says", "[faultgen][schedule]") {
  using Slots = std::vector<std::uint64_t>;
  REQUIRE(slots_of({}, 4) == Slots{0, 1, 2, 3});
  REQUIRE(slots_of({Policy::per_batch, 3}, 7) == Slots{0, 0, 0, 1, 1, 1, 2});
  REQUIRE(slots_of({Policy::per_batch, 1}, 3) == Slots{0, 1, 2});
  REQUIRE(slots_of({Policy::per_epoch, 1}, 4) == Slots{0, 0, 0, 0});
}

TEST_CASE("an epoch has as many slots as its samples need", "[faultgen][schedule]") {
  const auto slots = [](Policy policy, std::uint64_t batch, std::uint64_t samples) {
    return Schedule{policy, batch}.slots(samples);
  };
  REQUIRE(slots(Policy::per_image, 1, 1) == 1);
  REQUIRE(slots(Policy::per_image, 1, 10'000) == 10'000);
  // A whole last batch, one with a single sample, one larger than all.
  REQUIRE(slots(Policy::per_batch, 4, 8) == 2);
  REQUIRE(slots(Policy::per_batch, 4, 9) == 3);
  REQUIRE(slots(Policy::per_batch, 4, 3) == 1);
  REQUIRE(slots(Policy::per_epoch, 1, 1) == 1);
  REQUIRE(slots(Policy::per_epoch, 1, 10'000) == 1);
  const auto most = std::numeric_limits<std::uint64_t>::max();
  REQUIRE(slots(Policy::per_image, 1, most) == most);
  REQUIRE(slots(Policy::per_batch, most, most) == 1);
}
