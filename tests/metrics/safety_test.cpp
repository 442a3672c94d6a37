#include "metrics/safety.hpp"

#include "suite/base/rng.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <cmath>
#include <limits>

using namespace bitquake;
using namespace bitquake::metrics;

namespace {

/// 1,000 FIT per Mbit * 2e6 bits * 0.5: 1,000 FIT.
Structure thousand_fit(const std::string& name, Proportion sde) {
  return {name, 1000, 2'000'000, 0.5, sde, {}, {}};
}

Structure with_protection(Structure s, Proportion residual, std::uint64_t covered) {
  s.protection = Structure::Protection{residual, {covered, s.sde.k, {}}};
  return s;
}

void require_figure(const Figure& found, double value, double low, double high) {
  REQUIRE(found.value == Approx(value).epsilon(1e-9).margin(1e-15));
  REQUIRE(found.low == Approx(low).epsilon(1e-6).margin(1e-15));
  REQUIRE(found.high == Approx(high).epsilon(1e-6).margin(1e-15));
}

SafetyFigures total(const std::vector<Structure>& structures, double confidence = 0.95) {
  return value_or_throw(safety_figures(structures, confidence)).total;
}

bool holds(const Figure& figure, double truth) {
  return figure.low <= truth && truth <= figure.high;
}

}  // namespace

TEST_CASE("safety figures of one structure are worked out by hand", "[metrics][safety]") {
  // Wilson at 95 %: 15 of 1000 is 0.009110978804 to 0.02460097693.
  const SafetyFigures bare = total({thousand_fit("conv1 weight", {15, 1000, {}})});
  REQUIRE(bare.lambda_fit == 1000);
  require_figure(bare.dangerous_fit, 15, 9.110978804, 24.60097693);
  require_figure(bare.residual_fit, 15, 9.110978804, 24.60097693);
  require_figure(*bare.coverage, 0, 0, 0);
  require_figure(*bare.spfm, 0.985, 1 - 0.02460097693, 1 - 0.009110978804);
  require_figure(bare.pmhf_per_hour, 15e-9, 9.110978804e-9, 24.60097693e-9);
  REQUIRE_FALSE(bare.lfm);

  // Residual 0 of 1000: 0 to 0.003826758486. Covered 5 of 10: 0.2365930905 to 0.7634069095.
  const SafetyFigures guarded =
      total({with_protection(thousand_fit("conv1 weight", {10, 1000, {}}), {0, 1000, {}}, 5)});
  require_figure(guarded.residual_fit, 0, 0, 3.826758486);
  require_figure(*guarded.coverage, 0.5, 0.2365930905, 0.7634069095);
  require_figure(*guarded.spfm, 1, 1 - 0.003826758486, 1);
  require_figure(guarded.pmhf_per_hour, 0, 0, 3.826758486e-9);
}

TEST_CASE("sums of structures recover the variances of their parts", "[metrics][safety]") {
  // 0 of 10 twice: Wilson's upper end 0.2775327999, of 1,000 FIT each: sqrt(2) * 277.5.
  const Structure none = thousand_fit("a", {0, 10, {}});
  require_figure(total({none, none}).residual_fit, 0, 0, std::sqrt(2.0) * 277.5327999);
  // 5 of 10 and 1 of 10 of half the FIT: 500 + 50; below sqrt(263.4069095^2 + 41.06189345^2), above
  // sqrt(263.4069095^2 + 152.0750134^2).
  Structure half = thousand_fit("b", {1, 10, {}});
  half.bits /= 2;
  const SafetyFigures both = total({thousand_fit("a", {5, 10, {}}), half});
  REQUIRE(both.lambda_fit == 1500);
  require_figure(both.residual_fit, 550, 550 - std::hypot(263.4069095, 41.06189345),
                 550 + std::hypot(263.4069095, 152.0750134));
  REQUIRE(both.spfm->value == Approx(1 - 550.0 / 1500));

  const auto report = safety_figures(std::array{thousand_fit("a", {5, 10, {}}), half}, 0.95);
  REQUIRE(report->structures.size() == 2);
  require_figure(report->structures[1].residual_fit, 50, 8.93810655, 202.0750134);
}

TEST_CASE("coverage of several structures is weighted by their dangerous FIT",
          "[metrics][safety]") {
  // 500 FIT of which half is covered, 100 of which nothing is: 250 / 600.
  const Structure a =
      with_protection(thousand_fit("a", {5'000, 10'000, {}}), {2'500, 10'000, {}}, 2'500);
  const Structure b = thousand_fit("b", {1'000, 10'000, {}});
  const SafetyFigures both = total({a, b});
  require_figure(*total({a}).coverage, 0.5, 0.486146, 0.513854);
  REQUIRE(both.coverage->value == Approx(250.0 / 600));
  // By hand for the low end. Wilson: a's DC 0.5 - 0.486146; a's p 0.5 - 0.490203, b's p up to
  // 0.106034. sqrt((5/6 * 0.013854)^2 + (1000 (1/2 - 5/12) / 600 * 0.009797)^2
  // + (1000 * 5/12 / 600 * 0.006034)^2)
  const double below = std::hypot(5.0 / 6 * 0.013854, 1000.0 / 12 / 600 * 0.009797,
                                  1000.0 * 5 / 12 / 600 * 0.006034);
  REQUIRE(both.coverage->low == Approx(250.0 / 600 - below).margin(2e-6));
  REQUIRE(both.coverage->high > both.coverage->value);

  // Nothing dangerous seen: nothing is known of the coverage.
  const Structure quiet = with_protection(thousand_fit("c", {0, 1'000, {}}), {0, 1'000, {}}, 0);
  REQUIRE_FALSE(total({quiet}).coverage);
  // Where it might be bad, the low end of the total says so: b's 3.83 FIT at 0, against 500.
  const SafetyFigures doubtful = total({a, quiet});
  REQUIRE(doubtful.coverage->value == 0.5);
  REQUIRE(doubtful.coverage->low ==
          Approx(0.5 - std::hypot(0.013854, 0.5 * 3.826758 / 500)).margin(2e-6));
}

TEST_CASE("latent faults are a share of what is not residual", "[metrics][safety]") {
  Structure s = thousand_fit("a", {0, 10, {}});
  s.latent = Proportion{1, 10, {}};
  // Latent 100 FIT of 1000 - 0; at worst 404.1500268 of 1000 - 277.5327999.
  const SafetyFigures found = total({s});
  require_figure(*found.lfm, 0.9, 1 - 404.1500268 / (1000 - 277.5327999), 1 - 0.0178762131);
  s.sde = {10, 10, {}};
  REQUIRE_FALSE(total({s}).lfm);  // all residual: nothing to divide by
}

TEST_CASE("intervals of dependent trials are carried on", "[metrics][safety]") {
  const Structure s = thousand_fit("a", {5, 10, Interval{0.1, 0.9}});
  require_figure(total({s}).residual_fit, 500, 100, 900);
}

TEST_CASE("without faults there is no metric of them", "[metrics][safety]") {
  const SafetyFigures found = total({});
  REQUIRE(found.lambda_fit == 0);
  REQUIRE_FALSE(found.spfm);
  REQUIRE_FALSE(found.coverage);
  Structure s = thousand_fit("a", {1, 10, {}});
  s.derating = 0;
  REQUIRE_FALSE(total({s}).spfm);
  REQUIRE(total({s}).residual_fit.high == 0);
}

TEST_CASE("safety figures refuse what cannot be", "[metrics][safety]") {
  const auto refused = [](auto change) {
    Structure s = with_protection(thousand_fit("conv1 weight", {10, 1000, {}}), {0, 1000, {}}, 5);
    change(s);
    const auto got = safety_figures(std::array{thousand_fit("fine", {1, 2, {}}), s}, 0.95);
    REQUIRE_FALSE(got);
    REQUIRE(got.error().code == Errc::usage);
    REQUIRE(got.error().where == "structure 'conv1 weight'");
    return got.error().what;
  };
  REQUIRE(refused([](Structure& s) { s.raw_fit_per_mbit = -1; }) ==
          "raw FIT per Mbit is -1, must be 0 or more");
  REQUIRE(refused([](Structure& s) {
            s.raw_fit_per_mbit = std::numeric_limits<double>::infinity();
          }) == "raw FIT per Mbit is inf, must be 0 or more");
  REQUIRE(refused([](Structure& s) { s.derating = 1.5; }) == "derating is 1.5, must be in [0, 1]");
  REQUIRE(refused([](Structure& s) { s.derating = std::nan(""); }) ==
          "derating is nan, must be in [0, 1]");
  REQUIRE(refused([](Structure& s) { s.sde = {}; }) == "sde has no trials");
  REQUIRE(refused([](Structure& s) { s.protection->residual.k = 1001; }) ==
          "residual counts more hits than trials");
  REQUIRE(refused([](Structure& s) { s.protection->covered.n = 11; }) ==
          "covered is of 11 faults, but 10 are dangerous");
  REQUIRE(refused([](Structure& s) { s.latent = Proportion{}; }) == "latent has no trials");
}

TEST_CASE("safety intervals hold the truth as often as they say", "[metrics][safety][property]") {
  // Three structures of unlike size: frequent errors well covered, rare ones badly, and none.
  constexpr int kRuns = 2000, kTrials = 600;
  constexpr std::array kLambda{1000.0, 3000.0, 200.0}, kSde{0.2, 0.01, 0.0},
      kCovered{0.95, 0.3, 0.5};
  double dangerous = 0, residual = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    dangerous += kLambda[i] * kSde[i];
    residual += kLambda[i] * kSde[i] * (1 - kCovered[i]);
  }
  const double coverage = 1 - residual / dangerous;
  int held_dangerous = 0, held_residual = 0, held_coverage = 0;
  for (std::uint64_t run = 0; run < kRuns; ++run) {
    Draws draws(7, Stream::check_input, run);
    std::vector<Structure> all;
    for (std::size_t i = 0; i < 3; ++i) {
      std::uint64_t sde = 0, covered = 0;
      for (int trial = 0; trial < kTrials; ++trial) {
        if (draws.uniform() >= kSde[i]) continue;
        ++sde;
        covered += draws.uniform() < kCovered[i] ? 1 : 0;
      }
      Structure s{"s", kLambda[i], 1'000'000, 1, {sde, kTrials, {}}, {}, {}};
      all.push_back(with_protection(s, {sde - covered, kTrials, {}}, covered));
    }
    const SafetyFigures found = total(all);
    held_dangerous += holds(found.dangerous_fit, dangerous) ? 1 : 0;
    held_residual += holds(found.residual_fit, residual) ? 1 : 0;
    held_coverage += holds(*found.coverage, coverage) ? 1 : 0;
  }
  CAPTURE(held_dangerous, held_residual, held_coverage);
  REQUIRE(held_dangerous > 0.945 * kRuns);
  REQUIRE(held_residual > 0.945 * kRuns);
  REQUIRE(held_coverage > 0.945 * kRuns);
  REQUIRE(held_dangerous < 0.99 * kRuns);
}
