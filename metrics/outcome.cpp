#include "metrics/outcome.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

namespace bitquake::metrics {
namespace {

bool any_nan(std::span<const float> scores) {
  return std::any_of(scores.begin(), scores.end(), [](float s) { return std::isnan(s); });
}

Outcome outcome_of(std::span<const float> golden, std::span<const float> faulty, bool detected,
                   bool same_decision) {
  if (detected) return Outcome::due;
  if (same_bits(golden, faulty)) return Outcome::masked;
  return same_decision ? Outcome::benign : Outcome::sde;
}

}  // namespace

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

std::int32_t top1(std::span<const float> scores) {
  if (scores.empty() || any_nan(scores)) return -1;
  return static_cast<std::int32_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

std::size_t rank_of(std::span<const float> scores, std::size_t label) {
  assert(label < scores.size());
  if (any_nan(scores)) return scores.size();
  std::size_t rank = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] > scores[label] || (scores[i] == scores[label] && i < label)) ++rank;
  }
  return rank;
}

double probability(std::span<const float> scores, std::size_t label, OutputKind kind) {
  assert(label < scores.size());
  if (kind == OutputKind::probabilities) return scores[label];
  const float largest = *std::max_element(scores.begin(), scores.end());
  if (any_nan(scores) || std::isinf(largest)) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (const float score : scores) sum += std::exp(static_cast<double>(score) - largest);
  return std::exp(static_cast<double>(scores[label]) - largest) / sum;
}

Verdict judge(std::span<const float> golden, std::span<const float> faulty, OutputKind kind,
              bool detected) {
  assert(!golden.empty() && (faulty.size() == golden.size() || (faulty.empty() && detected)));
  const std::int32_t decision = top1(golden);
  assert(decision >= 0);
  const auto best = static_cast<std::size_t>(decision);

  Verdict verdict;
  verdict.faulty_top1 = top1(faulty);
  verdict.golden_probability = probability(golden, best, kind);
  verdict.faulty_probability =
      faulty.empty() ? std::numeric_limits<double>::quiet_NaN() : probability(faulty, best, kind);
  verdict.outcome = outcome_of(golden, faulty, detected, verdict.faulty_top1 == decision);
  if (verdict.outcome == Outcome::due) return verdict;

  const double change = std::abs(verdict.faulty_probability - verdict.golden_probability);
  verdict.sdc5 = golden.size() >= kTop5MinClasses && verdict.faulty_top1 >= 0 &&
                 rank_of(golden, static_cast<std::size_t>(verdict.faulty_top1)) >= 5;
  verdict.sdc10 = change > 0.1 * verdict.golden_probability;
  verdict.sdc20 = change > 0.2 * verdict.golden_probability;
  return verdict;
}

}  // namespace bitquake::metrics
