#pragma once

#include "results/corruption_error.hpp"
#include "suite/base/result.hpp"
#include "suite/scenario/scenario.hpp"

namespace bitquake::engine {

/// Which of the scenario's perturbations are corruptions of ImageNet-C
/// (augment::common_corruption), and the baseline of statistics.corruption_baseline.
/// @return Errc::data when that file cannot be read, or lacks one of these corruptions
Result<results::Corruptions> corruptions_of(const scenario::Scenario& scenario);

}  // namespace bitquake::engine
