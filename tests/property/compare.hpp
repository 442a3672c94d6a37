#pragma once

#include "suite/model/model.hpp"

#include <span>
#include <string>

namespace bitquake::test {

/// What of `result` is not as in `expected`, for people; empty when both say the same: output bits
/// (every NaN counted alike: payloads depend on the kernel), injections, what turned non-finite,
/// alarms, and whether and how the inference failed. Where a fault finds a NaN that no fault of its
/// group left there, only that is compared: what it makes of a NaN depends on the payload.
std::string difference(const model::Trial& trial, const model::TrialResult& expected,
                       const model::TrialResult& result);

/// "neuron 3[17] bit_flip 0x40000000, ..." of a trial.
std::string describe(const model::Trial& trial, std::span<const faultgen::Site> sites);

/// Whether a fault of the trial found a NaN that no fault of its group left there.
bool met_nan(const model::Trial& trial, const model::TrialResult& result);

}  // namespace bitquake::test
