#pragma once

#include "faultgen/fault_set.hpp"
#include "results/trials.hpp"

#include <string>
#include <vector>

/// Rows as text, one line each: what the self-test compares and hashes. Points are named, so that a
/// line means the same whatever the numbers of points.
namespace bitquake::selftest {

std::vector<std::string> fault_lines(const faultgen::FaultSet& faults);
std::vector<std::string> golden_lines(const results::Trials& trials);
std::vector<std::string> injection_lines(const results::Trials& trials);
/// @param trials        of a run
/// @param output_known  by trial; where it is false, what depends on how a machine treats a NaN
///                      (top-1, rank, probability, hash of the output) is "-"
std::vector<std::string> trial_lines(const results::Trials& trials,
                                     const std::vector<bool>& output_known);

}  // namespace bitquake::selftest
