#pragma once

#include "results/trials.hpp"
#include "tests/support/toy_campaign.hpp"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bitquake::test {

/// Why an inference with these faults fails; none when it does not.
using FailureOf = std::function<std::optional<std::string>(std::span<const faultgen::Fault>)>;

/// Whether a fault (by its number) acts on a sample.
using Acts = std::function<bool(std::uint64_t fault, std::uint64_t sample)>;

/// The rows that a toy campaign must have, computed one trial at a time straight from the pixels,
/// the toy's parameters and the definitions of the columns: shares no code with the engine, the
/// metrics or the toy's executor; images are perturbed by augment::apply. Only the rows of the
/// tables and the messages are filled in.
results::Trials expected_trials(const ToyCampaign& campaign, const engine::Inputs& inputs,
                                const FailureOf& failure_of = {}, const Acts& acts = {});

/// Name of the first row in which two campaigns differ, and of its first differing column; empty
/// when all rows are equal. Reals are equal when their bits are; NaN equals NaN.
std::string first_difference(const results::Trials& a, const results::Trials& b);

}  // namespace bitquake::test
