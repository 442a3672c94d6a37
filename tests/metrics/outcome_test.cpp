#include "metrics/outcome.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <vector>

using namespace bitquake::metrics;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
using Scores = std::vector<float>;

}  // namespace

TEST_CASE("top-1 is the lowest index of the largest score", "[metrics]") {
  REQUIRE(top1(Scores{1, 3, 2}) == 1);
  REQUIRE(top1(Scores{2, 3, 3}) == 1);
  REQUIRE(top1(Scores{-0.0F, 0.0F}) == 0);
  REQUIRE(top1(Scores{0, kInf, kInf}) == 1);
  REQUIRE(top1(Scores{-kInf, -kInf}) == 0);
}

TEST_CASE("a row with a NaN, and an empty one, has no top-1", "[metrics]") {
  REQUIRE(top1(Scores{1, kNan, 2}) == -1);
  REQUIRE(top1(Scores{kNan, 5}) == -1);
  REQUIRE(top1(Scores{}) == -1);
}

TEST_CASE("the rank counts the classes that beat a label", "[metrics]") {
  const Scores scores{5, 9, 5, 1};
  REQUIRE(rank_of(scores, 1) == 0);
  REQUIRE(rank_of(scores, 0) == 1);
  REQUIRE(rank_of(scores, 2) == 2);  // ties go to the lower index
  REQUIRE(rank_of(scores, 3) == 3);
  REQUIRE(rank_of(Scores{5, kNan, 5}, 0) == 3);
  REQUIRE(rank_of(Scores{5, kInf}, 0) == 1);
}

TEST_CASE("the class of rank 0 is the top-1 class", "[metrics][property]") {
  for (const Scores& scores : {Scores{1, 2, 2}, Scores{kInf, kInf}, Scores{-1, -kInf, -1}}) {
    REQUIRE(rank_of(scores, static_cast<std::size_t>(top1(scores))) == 0);
  }
}

TEST_CASE("softmax probabilities are computed by hand", "[metrics]") {
  const Scores logits{0, std::log(2.0F), std::log(5.0F)};
  REQUIRE(probability(logits, 0, OutputKind::logits) == Approx(1.0 / 8).epsilon(1e-7));
  REQUIRE(probability(logits, 2, OutputKind::logits) == Approx(5.0 / 8).epsilon(1e-7));
  REQUIRE(probability(logits, 1, OutputKind::probabilities) == logits[1]);
}

TEST_CASE("softmax neither overflows nor loses a small difference", "[metrics]") {
  REQUIRE(probability(Scores{3e38F, 3e38F}, 0, OutputKind::logits) == 0.5);
  REQUIRE(probability(Scores{-3e38F, 3e38F}, 1, OutputKind::logits) == 1.0);
  REQUIRE(probability(Scores{1000, -kInf}, 0, OutputKind::logits) == 1.0);
  REQUIRE(probability(Scores{1, -40}, 0, OutputKind::logits) < 1.0 + 1e-15);
}

TEST_CASE("a probability that cannot be computed is NaN", "[metrics]") {
  REQUIRE(std::isnan(probability(Scores{1, kInf}, 0, OutputKind::logits)));
  REQUIRE(std::isnan(probability(Scores{1, kNan}, 0, OutputKind::logits)));
  REQUIRE(std::isnan(probability(Scores{-kInf, -kInf}, 0, OutputKind::logits)));
}

TEST_CASE("the first outcome that holds counts", "[metrics]") {
  const Scores golden{1, 3, 2};
  const auto outcome = [&](const Scores& faulty, bool detected) {
    return judge(golden, faulty, OutputKind::logits, detected).outcome;
  };
  REQUIRE(outcome({1, 3, 2}, false) == Outcome::masked);
  REQUIRE(outcome({1, 3, 2}, true) == Outcome::due);
  REQUIRE(outcome({1, 3.5F, 2}, false) == Outcome::benign);
  REQUIRE(outcome({4, 3, 2}, false) == Outcome::sde);
  REQUIRE(outcome({3, 3, 2}, false) == Outcome::sde);  // the tie goes to class 0
  REQUIRE(outcome({4, 3, 2}, true) == Outcome::due);
  REQUIRE(outcome({}, true) == Outcome::due);
}

TEST_CASE("a changed sign of zero is not masked", "[metrics]") {
  REQUIRE(judge(Scores{0.0F, 1}, Scores{-0.0F, 1}, OutputKind::logits, false).outcome ==
          Outcome::benign);
}

TEST_CASE("SDC-10 and SDC-20 compare with a tenth and a fifth of the golden probability",
          "[metrics]") {
  const Scores golden{0.5F, 0.25F, 0.25F};
  const auto flags = [&](float faulty) {
    const Verdict v = judge(golden, Scores{faulty, 0.25F, 0.25F}, OutputKind::probabilities, false);
    return std::pair(v.sdc10, v.sdc20);
  };
  REQUIRE(flags(0.4501F) == std::pair(false, false));
  REQUIRE(flags(0.4499F) == std::pair(true, false));
  REQUIRE(flags(0.5499F) == std::pair(false, false));
  REQUIRE(flags(0.5501F) == std::pair(true, false));
  REQUIRE(flags(0.3999F) == std::pair(true, true));
  REQUIRE(flags(0.6001F) == std::pair(true, true));
}

TEST_CASE("the faulty probability is that of the golden class", "[metrics]") {
  const Verdict v = judge(Scores{0.7F, 0.3F}, Scores{0.1F, 0.9F}, OutputKind::probabilities, false);
  REQUIRE(v.faulty_top1 == 1);
  REQUIRE(v.golden_probability == 0.7F);
  REQUIRE(v.faulty_probability == 0.1F);
  REQUIRE(v.outcome == Outcome::sde);
}

TEST_CASE("SDC-5 needs the faulty top-1 outside the golden top-5 and six classes", "[metrics]") {
  const Scores six{6, 5, 4, 3, 2, 1};
  REQUIRE_FALSE(judge(six, Scores{6, 5, 4, 3, 7, 1}, OutputKind::logits, false).sdc5);
  REQUIRE(judge(six, Scores{6, 5, 4, 3, 2, 7}, OutputKind::logits, false).sdc5);
  REQUIRE_FALSE(
      judge(Scores{5, 4, 3, 2, 1}, Scores{5, 4, 3, 2, 9}, OutputKind::logits, false).sdc5);
  // Classes 4 and 5 tie for the fifth place: class 4 has it.
  const Scores tied{6, 5, 4, 3, 1, 1};
  REQUIRE_FALSE(judge(tied, Scores{6, 5, 4, 3, 9, 1}, OutputKind::logits, false).sdc5);
  REQUIRE(judge(tied, Scores{6, 5, 4, 3, 1, 9}, OutputKind::logits, false).sdc5);
}

TEST_CASE("a due trial carries no SDC flag", "[metrics]") {
  const Scores golden{6, 5, 4, 3, 2, 1};
  const Verdict wrong = judge(golden, Scores{0, 0, 0, 0, 0, 90}, OutputKind::logits, true);
  REQUIRE(wrong.faulty_top1 == 5);
  REQUIRE_FALSE((wrong.sdc5 || wrong.sdc10 || wrong.sdc20));
  const Verdict failed = judge(golden, Scores{}, OutputKind::logits, true);
  REQUIRE(failed.faulty_top1 == -1);
  REQUIRE(std::isnan(failed.faulty_probability));
}

TEST_CASE("a NaN that nobody detected is a wrong decision without SDC flags", "[metrics]") {
  const Verdict v =
      judge(Scores{6, 5, 4, 3, 2, 1}, Scores{kNan, 5, 4, 3, 2, 1}, OutputKind::logits, false);
  REQUIRE(v.outcome == Outcome::sde);
  REQUIRE(v.faulty_top1 == -1);
  REQUIRE(std::isnan(v.faulty_probability));
  REQUIRE_FALSE((v.sdc5 || v.sdc10 || v.sdc20));
}
