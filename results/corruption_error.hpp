#pragma once

#include "suite/base/result.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::results {

struct Summary;

/// A corruption at one severity.
using Corruption = std::pair<std::string, int>;  ///< name, severity 1..5

/// Top-1 errors that a campaign's are related to: fractions in [0, 1].
using CorruptionBaseline = std::map<Corruption, double>;

/// What a campaign's perturbations are among the corruptions of ImageNet-C.
struct Corruptions {
  /// By perturbation; none: it is no such corruption.
  std::vector<std::optional<Corruption>> perturbations{};
  std::optional<CorruptionBaseline> baseline{};
};

/// Reads a baseline: CSV with the columns corruption, severity and error (or golden_error, as in
/// kpi/corruption_error.csv), others ignored. Rows of the severity "mean" are passed over, and,
/// where there is a column variant, those of others than "original".
/// @return Errc::data with line and column: a missing column, a severity that is none of 1..5, an
///         error that is no number in [0, 1], a (corruption, severity) that comes twice
Result<CorruptionBaseline> read_corruption_baseline(const std::filesystem::path& file);

/// Top-1 errors under one corruption, or their means.
struct CorruptionError {
  std::string corruption{};                  ///< "mean": over corruptions
  std::string severity{};                    ///< "mean": over the severities that are there
  std::optional<double> golden{}, faulty{};  ///< fractions; none without labels or trials
  /// Relative to the baseline: of a corruption the sum of errors over severities by the baseline's
  /// sum over the same ones, at last the mean of these. None without a baseline, or by 0.
  std::optional<double> golden_relative{}, faulty_relative{};
  std::string variant{};
};

/// Errors under each corruption of the campaign, variant by variant: each severity and their mean,
/// at last the mean of these means. Empty when there are none, or no labels. Source: Hendrycks and
/// Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations",
/// ICLR 2019, section 4.1. Its mCE is over all 15 corruptions at five severities, the published
/// images, relative to AlexNet; these are not.
/// @pre  the baseline, if any, has each corruption and severity of `corruptions`
std::vector<CorruptionError> corruption_errors(const Summary& summary,
                                               const Corruptions& corruptions);

}  // namespace bitquake::results
