#pragma once

#include "metrics/interval.hpp"
#include "suite/base/result.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

/// From measured rates to the figures that a safety analysis works with. They are evidence for one,
/// of the faults that were injected and of nothing else: no statement that a system is safe or
/// complies with a standard follows from them. 1 FIT is one failure in 1e9 hours.
namespace bitquake::metrics {

/// Hits among trials.
struct Proportion {
  std::uint64_t k = 0, n = 0;
  /// Of trials that are not independent (clustered_interval), at the confidence of the figures;
  /// none: Wilson's interval of k of n.
  std::optional<Interval> interval{};
};

/// A part of the hardware that holds one kind of values of the network, most often a target at a
/// site: the weights of conv1. Structures are disjoint, and their trials independent of each other.
struct Structure {
  std::string name;           ///< stands in messages
  double raw_fit_per_mbit{};  ///< of the technology, per 1e6 bits, >= 0; not measured here
  std::uint64_t bits = 0;     ///< that hold these values
  /// Share of upsets that become a fault as it was injected, in [0, 1]: the time in which the bits
  /// are in use, masking below the fault model. Not measured here; 1 is the cautious choice.
  double derating = 1;
  Proportion sde;  ///< silent data errors among faults, without protection: the dangerous faults

  struct Protection {
    Proportion residual;  ///< errors that stay silent among the same faults, with the protection;
                          ///< those that only the protection makes included
    Proportion covered;   ///< detected or corrected ones among the dangerous faults: n = sde.k
  };
  std::optional<Protection> protection{};  ///< none: every dangerous fault is residual

  /// Faults that on their own change no decision and raise no alarm, but leave a second fault
  /// without its protection (those of the protection's own structures, say). Campaigns of single
  /// faults measure an upper limit only: all that change no decision and raise no alarm. None:
  /// there are no such faults, which is to be argued elsewhere.
  std::optional<Proportion> latent{};
};

/// An estimate and its interval.
struct Figure {
  double value = 0, low = 0, high = 0;
};

/// Figures of one structure, or of all. lambda = raw_fit_per_mbit * bits / 1e6 * derating.
struct SafetyFigures {
  double lambda_fit = 0;  ///< faults; an input, so without interval
  Figure dangerous_fit;   ///< lambda * P(sde)
  Figure residual_fit;    ///< lambda * P(residual): for a claim take `high`
  /// Diagnostic coverage DC, covered among dangerous faults, in [0, 1]; of several structures
  /// weighted by their dangerous FIT. For a claim take `low`. None when no dangerous fault was
  /// seen; 0 without protection.
  std::optional<Figure> coverage;
  /// Contribution to the single-point fault metric, 1 - residual_fit / lambda: every fault that is
  /// not residual counts as safe or covered; upsets that `derating` takes away count nowhere, which
  /// is cautious. None when lambda is 0. For a claim take `low`.
  std::optional<Figure> spfm;
  /// Contribution to the latent-fault metric, 1 - latent FIT / (lambda - residual_fit), in [0, 1].
  /// None when no structure has `latent` or nothing is left to divide by. For a claim take `low`.
  std::optional<Figure> lfm;
  /// Contribution to the probabilistic metric for random hardware failures, per hour: residual_fit
  /// * 1e-9. Dual-point failures, a latent fault and a second one, are not in it. Take `high`.
  Figure pmhf_per_hour;
};

struct SafetyReport {
  std::vector<SafetyFigures> structures;  ///< in their order
  SafetyFigures total;
};

/// Figures of structures and their sums. Intervals of the rates are carried on by the method of
/// variance estimates recovery: a sum of c p has the limits sum c p - sqrt(sum c^2 (p - l)^2) and
/// sum c p + sqrt(sum c^2 (u - p)^2); ratios are linearised first, and where no dangerous fault was
/// seen in a structure its coverage is taken as the worst for `low` and the best for `high`. The
/// interval of lfm takes the ends of both of its parts: cautious. Raw rates, bits and derating are
/// taken as exact.
/// Approximate: of three structures, one with rare errors and one without any, 95 % intervals of
/// dangerous FIT, residual FIT and coverage held the truth in 95.8, 95.0 and 94.9 % of 2,000 runs
/// (tests/metrics/safety_test.cpp).
/// @param confidence  in (0, 1)
/// @return Errc::usage, naming the structure, when a number is out of its range, a rate has no
///         trials, or covered.n is not sde.k
/// Sources: Zou and Donner, "Construction of confidence limits about effect measures: a general
/// approach", Statistics in Medicine 27, 2008; Zou, Huang and Zhang, Computational Statistics &
/// Data Analysis 53(4), 2009 (sums of proportions); ISO 26262-5:2018, annex C (SPFM, LFM), clause 9
/// (PMHF); Mukherjee et al., MICRO-36, 2003 (FIT = raw rate * bits * vulnerability).
Result<SafetyReport> safety_figures(std::span<const Structure> structures, double confidence);

}  // namespace bitquake::metrics
