#pragma once

#include "suite/base/result.hpp"
#include "suite/engine/campaign.hpp"
#include "suite/engine/prepare.hpp"

#include <atomic>

namespace bitquake::engine {

/// Compares golden top-1 (of labelled samples with a finite golden output, as golden_top1 of the
/// tables) under the first perturbation with expect.golden_top1 of the scenario; nothing is run
/// when that is not given, and nothing said when `stop` ends it early. The observer hears the
/// accuracy. Throws as run_campaign.
/// @return Errc::expectation when it is not reached: preprocessing, labels or model are not those
///         that the accuracy was measured with, and rates of such a campaign would mean nothing
Result<std::monostate> check_expectation(const Inputs& inputs, unsigned threads,
                                         const std::atomic<bool>& stop, Observer& observer);

}  // namespace bitquake::engine
