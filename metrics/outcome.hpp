#pragma once

#include "suite/base/named.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace bitquake::metrics {

/// What a trial came to; the first that holds, in this order of precedence. Values are part of the
/// results format. The four partition the trials: their shares add to 100 %.
enum class Outcome : std::uint8_t {
  due = 0,     ///< detected uncorrectable error: failed, or NaN/Inf where the golden run is finite
  masked = 1,  ///< final output bit-identical to golden
  benign = 2,  ///< output differs, decision the same
  sde = 3,     ///< silent data error: the decision differs
};
inline constexpr std::array<std::string_view, 4> kOutcomeNames{"due", "masked", "benign", "sde"};

/// Whether the model's scores are logits (softmax, in double, gives probabilities) or
/// probabilities.
enum class OutputKind : std::uint8_t { logits, probabilities };

inline constexpr std::array kOutputKinds{
    Named<OutputKind>{OutputKind::logits, "logits", "scores before softmax"},
    Named<OutputKind>{OutputKind::probabilities, "probabilities",
                      "scores are probabilities already"},
};

/// Fewest classes for which top-5 figures (SDC-5, top-5 accuracy) say anything.
inline constexpr std::size_t kTop5MinClasses = 6;

/// Top-1 class: index of the largest score, ties to the lowest index; -1 when a score is NaN (such
/// a row counts as wrong) or there are none.
std::int32_t top1(std::span<const float> scores);

/// Rank of `label` (0 = best): number of classes that beat it by score, or by index on a tie. A row
/// with a NaN ranks every class last (scores.size()).  @pre label < scores.size()
std::size_t rank_of(std::span<const float> scores, std::size_t label);

/// Compares bits: 0 and -0 differ, a NaN equals its copy.
bool same_bits(std::span<const float> a, std::span<const float> b);

/// Probability of class `label`: for logits softmax in double, NaN when a score is NaN or the
/// largest one infinite; otherwise the score itself.  @pre label < scores.size()
double probability(std::span<const float> scores, std::size_t label, OutputKind kind);

/// Verdict on one trial, by comparison with the golden run of the same sample.
struct Verdict {
  Outcome outcome = Outcome::masked;
  std::int32_t faulty_top1 = -1;
  double golden_probability = 0;  ///< of the golden top-1 class, golden run
  double faulty_probability = 0;  ///< of the same class, faulty run; NaN when it cannot be computed
  // SDC-k: only trials that are not `due` can count, and no comparison with a NaN holds. Source: Li
  // et al., "Understanding error propagation in deep learning neural network (DNN) accelerators and
  // applications", SC 2017.
  bool sdc5 = false;   ///< faulty top-1 outside the golden top-5; never with fewer than 6 classes
  bool sdc10 = false;  ///< probability of the golden top-1 changed by more than 10 % of itself
  bool sdc20 = false;  ///< … by more than 20 % of itself

  bool operator==(const Verdict&) const = default;
};

/// @param golden, faulty  scores [classes], classes > 0, of equal size; golden finite. `faulty` may
///                        be empty when the inference failed (then detected must be true)
/// @param kind            what the scores are
/// @param detected        the trial failed or a monitored point turned non-finite
Verdict judge(std::span<const float> golden, std::span<const float> faulty, OutputKind kind,
              bool detected);

}  // namespace bitquake::metrics
