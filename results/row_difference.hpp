#pragma once

#include "results/row.hpp"

#include <string>
#include <vector>

namespace bitquake::results {

/// A column in which two rows differ.
struct Difference {
  std::string column;  ///< "trials/outcome", "injections/original_bits of fault 5" and so on
  std::string stored, computed;
  bool operator==(const Difference&) const = default;
};

/// Every column of results/columns.hpp in which the rows differ, in their order: numbers as in CSV
/// files, bit patterns and hashes hexadecimal. NaN equals NaN. `message`, a number in a dictionary
/// of its file, is left to the caller.
std::vector<Difference> differences(const TrialRow& stored, const TrialRow& computed);
std::vector<Difference> differences(const InjectionRow& stored, const InjectionRow& computed);
std::vector<Difference> differences(const MonitorRow& stored, const MonitorRow& computed);
std::vector<Difference> differences(const DeviationRow& stored, const DeviationRow& computed);
std::vector<Difference> differences(const GoldenRow& stored, const GoldenRow& computed);

}  // namespace bitquake::results
