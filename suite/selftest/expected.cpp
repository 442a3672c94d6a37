#include "suite/selftest/expected.hpp"

#include "metrics/outcome.hpp"
#include "suite/base/rng.hpp"
#include "suite/base/sha256.hpp"
#include "suite/selftest/integer_net.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>
#include <span>
#include <utility>

namespace bitquake::selftest {
namespace {

using faultgen::Fault;
using faultgen::FaultModel;
using faultgen::Target;
using metrics::Outcome;

using Scores = std::vector<float>;

constexpr std::uint64_t kSeed = 1;

// --- definitions of the columns, written once more
// ------------------------------------------------

bool has_nan(const Scores& scores) {
  return std::any_of(scores.begin(), scores.end(), [](float x) { return std::isnan(x); });
}

/// Classes from best to worst, ties by number.
std::vector<std::int32_t> ranking(const Scores& scores) {
  std::vector<std::int32_t> order;
  for (std::int32_t i = 0; i < kClasses; ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
  });
  return order;
}

std::int32_t best(const Scores& scores) { return has_nan(scores) ? -1 : ranking(scores)[0]; }

std::uint32_t rank(const Scores& scores, std::int64_t label) {
  if (has_nan(scores)) return kClasses;
  const auto order = ranking(scores);
  return static_cast<std::uint32_t>(std::find(order.begin(), order.end(), label) - order.begin());
}

std::uint64_t hash(const Scores& scores) { return hash64(std::as_bytes(std::span(scores))); }

bool same_bits(const Scores& a, const Scores& b) {
  return std::ranges::equal(std::as_bytes(std::span(a)), std::as_bytes(std::span(b)));
}

/// Relative change above 1 / `part`, without a rounded factor.
bool changed_by_more(double now, double then, double part) {
  return part * std::abs(now - then) > then;
}

results::GoldenRow golden_row(std::uint64_t sample, const Scores& scores) {
  results::GoldenRow row;
  row.sample = row.sample_index = sample;
  row.height = row.width = kImageSide;
  row.top1 = best(scores);
  row.label = sample % 4 == 0 ? (row.top1 + 1) % kClasses : row.top1;  // three of four are right
  row.label_rank = rank(scores, row.label);
  row.top1_probability = scores[static_cast<std::size_t>(row.top1)];
  row.output_hash = hash(scores);
  return row;
}

void judge(results::TrialRow& row, std::int64_t label, const Scores& golden, const Inference& run) {
  const std::int32_t decision = best(golden);
  row.golden_probability = golden[static_cast<std::size_t>(decision)];
  row.any_nonfinite = run.any_nonfinite ? 1 : 0;
  if (run.output) {
    row.faulty_top1 = best(*run.output);
    row.label_rank = rank(*run.output, label);
    row.faulty_probability = (*run.output)[static_cast<std::size_t>(decision)];
    row.output_hash = hash(*run.output);
  }
  if (run.first_nonfinite) {
    row.outcome = static_cast<std::uint8_t>(Outcome::due);
    return;
  }
  const bool same_decision = row.faulty_top1 == decision;
  row.outcome = static_cast<std::uint8_t>(same_bits(golden, *run.output) ? Outcome::masked
                                          : same_decision                ? Outcome::benign
                                                                         : Outcome::sde);
  const auto order = ranking(golden);
  row.sdc5 = std::find(order.begin() + 5, order.end(), row.faulty_top1) != order.end() ? 1 : 0;
  row.sdc10 = changed_by_more(row.faulty_probability, row.golden_probability, 10) ? 1 : 0;
  row.sdc20 = changed_by_more(row.faulty_probability, row.golden_probability, 5) ? 1 : 0;
}

// --- points by name
// -------------------------------------------------------------------------------

/// Number of a point in `points`, where it is added when new.
std::int32_t point_number(std::vector<results::Point>& points, const model::Point& point) {
  const results::Point named{point.path, std::string(name_of(model::kPointKinds, point.kind))};
  const auto found = std::find(points.begin(), points.end(), named);
  if (found != points.end()) return static_cast<std::int32_t>(found - points.begin());
  points.push_back(named);
  return static_cast<std::int32_t>(points.size() - 1);
}

// --- choice of faults
// -----------------------------------------------------------------------------

/// Outcomes wanted of a group, in turn.
enum class Wanted { any, changed, decision_changed, nonfinite };
constexpr std::array kWanted{Wanted::any,     Wanted::decision_changed, Wanted::nonfinite,
                             Wanted::changed, Wanted::decision_changed, Wanted::changed};

bool is_wanted(Wanted wanted, const Scores& golden, const Inference& run) {
  if (wanted == Wanted::any) return true;
  if (wanted == Wanted::nonfinite || run.first_nonfinite) {
    return wanted != Wanted::decision_changed && run.first_nonfinite;
  }
  return wanted == Wanted::changed ? !same_bits(golden, *run.output)
                                   : best(golden) != best(*run.output);
}

Fault draw_fault(Draws& draws, const std::vector<faultgen::Site>& sites, Target target,
                 std::uint32_t site) {
  constexpr std::array kModels{FaultModel::bit_flip, FaultModel::stuck_at_0,
                               FaultModel::stuck_at_1};
  Fault fault{.site = site, .target = target};
  fault.element = draws.below(faultgen::site_elements(sites[site], target));
  fault.model = kModels[draws.below(kModels.size())];
  fault.bit_mask = std::uint64_t{1} << draws.below(32);
  if (draws.below(8) == 0) fault.bit_mask |= std::uint64_t{1} << draws.below(32);
  return fault;
}

/// NaN or Inf, whatever was there: all bits of the exponent set.
void make_nonfinite(Fault& fault) {
  fault.model = FaultModel::stuck_at_1;
  fault.bit_mask = 0x7f800000;
}

bool distinct_places(const std::vector<Fault>& faults) {
  std::set<std::pair<std::uint32_t, std::uint64_t>> places;
  for (const Fault& fault : faults) places.insert({fault.site, fault.element});
  return places.size() == faults.size();
}

class Chooser {
 public:
  explicit Chooser(const std::vector<faultgen::Site>& sites) : sites_(sites) {
    for (const Target target : {Target::neuron, Target::weight}) {
      std::vector<bool> layers(sites.size());
      for (std::size_t i = 0; i < sites.size(); ++i) {
        layers[i] = faultgen::is_default_kind(sites[i].kind, target);
      }
      active_.push_back(faultgen::FaultSpace(sites, target, layers).active_sites());
    }
  }

  struct Choice {
    std::vector<Fault> faults;
    Inference run;
  };

  /// The first candidate for a group with the wanted outcome, or the first of any when that is hard
  /// to get at its site, and with results that are the same everywhere.
  Choice choose(std::uint64_t group, std::span<const std::uint8_t> pixels,
                const Scores& golden) const {
    constexpr std::uint64_t kCandidates = 1024, kPatience = 32;
    for (std::uint64_t i = 0; i < kCandidates; ++i) {
      const Wanted wanted = i < kPatience ? kWanted[group / 2 % kWanted.size()] : Wanted::any;
      std::vector<Fault> faults = candidate(group, group * kCandidates + i, wanted);
      if (!distinct_places(faults)) continue;
      auto run = infer(pixels, by_call(faults));
      if (run && is_wanted(wanted, golden, *run)) return {std::move(faults), std::move(*run)};
    }
    throw Exception({Errc::internal, "selftest", fmt::format("no faults for group {}", group),
                     "this is a defect of Bitquake: please report it", ""});
  }

 private:
  /// Faults with the numbers of sites that infer() counts: every layer's call is a site of neurons.
  std::vector<Fault> by_call(std::vector<Fault> faults) const {
    const std::vector<std::uint32_t>& calls = active_[0];
    for (Fault& fault : faults) {
      const auto found = std::find(calls.begin(), calls.end(), fault.site);
      fault.site = static_cast<std::uint32_t>(found - calls.begin());
    }
    return faults;
  }

  /// Candidate number `id`: a fault at the site whose turn it is, and in some groups more.
  std::vector<Fault> candidate(std::uint64_t group, std::uint64_t id, Wanted wanted) const {
    Draws draws(kSeed, Stream::fault_location, id);
    const auto& sites = active_[group % 2];
    const Target target = group % 2 == 0 ? Target::neuron : Target::weight;
    const std::uint64_t turn = group / (2 * kWanted.size());
    std::vector<Fault> faults{draw_fault(draws, sites_, target, sites[turn % sites.size()])};
    if (wanted == Wanted::nonfinite) make_nonfinite(faults[0]);
    const std::uint64_t more = draws.below(3) == 0 ? 1 + draws.below(2) : 0;
    for (std::uint64_t i = 0; i < more; ++i) {
      faults.push_back(draw_fault(draws, sites_, target, sites[draws.below(sites.size())]));
    }
    return faults;
  }

  const std::vector<faultgen::Site>& sites_;
  std::vector<std::vector<std::uint32_t>> active_;  ///< by Target
};

Scores golden_scores(std::uint64_t sample) {
  const auto run = infer(integer_image(sample), {});
  if (run && run->output) return *run->output;
  throw Exception({Errc::internal, "selftest", "the integer network's sums are not exact",
                   "this is a defect of Bitquake: please report it", ""});
}

void append(Expected& expected, std::uint32_t epoch, std::uint64_t sample,
            const Chooser::Choice& choice, const Scores& golden) {
  faultgen::FaultSet& set = expected.faults;
  results::TrialRow row;
  row.trial = row.group = set.groups.size();
  row.epoch = epoch;
  row.sample = sample;
  row.first_fault = set.faults.size();
  row.n_faults = static_cast<std::uint32_t>(choice.faults.size());
  judge(row, expected.trials.golden[sample].label, golden, choice.run);
  if (choice.run.first_nonfinite) {
    row.first_nonfinite =
        point_number(expected.trials.campaign.points, *choice.run.first_nonfinite);
  }
  for (std::size_t i = 0; i < choice.faults.size(); ++i) {
    const model::Injection& injection = choice.run.injections[i];
    expected.trials.injections.push_back({row.trial, row.first_fault + i, 1, injection.reached,
                                          injection.original_bits, injection.corrupted_bits});
  }
  expected.trials.trials.push_back(row);
  expected.output_known.push_back(choice.run.output && !has_nan(*choice.run.output));
  set.groups.push_back({epoch, sample, row.first_fault, row.n_faults});
  set.faults.append(choice.faults);
}

}  // namespace

Expected make_expected(const std::vector<faultgen::Site>& sites) {
  Expected expected;
  expected.faults.provenance.seed = kSeed;
  expected.faults.sites = sites;
  std::vector<Scores> golden;
  for (std::uint64_t sample = 0; sample < kSamples; ++sample) {
    golden.push_back(golden_scores(sample));
    expected.trials.golden.push_back(golden_row(sample, golden.back()));
  }
  const Chooser chooser(expected.faults.sites);
  for (std::uint32_t epoch = 0; epoch < kEpochs; ++epoch) {
    for (std::uint64_t sample = 0; sample < kSamples; ++sample) {
      const std::uint64_t group = expected.faults.groups.size();
      const auto choice = chooser.choose(group, integer_image(sample), golden[sample]);
      append(expected, epoch, sample, choice, golden[sample]);
    }
  }
  expected.faults.sampling_weight.assign(expected.faults.faults.size(), 1.0);
  return expected;
}

}  // namespace bitquake::selftest
