#pragma once

#include "suite/selftest/checks.hpp"
#include "suite/selftest/defect.hpp"

#include <map>
#include <string>
#include <vector>

/// Evidence that this program, on this machine, injects what it says and counts what it sees:
/// README.md in this folder says what that proves and what it does not.
namespace bitquake::selftest {

/// What the checks said of a program with a planted defect.
struct DefectResult {
  Defect defect = Defect::wrong_element;
  std::vector<Check> failed;  ///< checks that noticed it
  bool caught() const { return !failed.empty(); }
};

struct Report {
  std::vector<CheckResult> checks;
  std::vector<DefectResult> defects;
  std::map<std::string, std::string> fingerprint;  ///< libraries and instruction sets in use
  double seconds = 0;

  /// All checks are ok, and each planted defect made one of them fail.
  bool passed() const;
};

/// @param threads  workers; more than 1 are used where the number of threads is what is checked
/// Throws Exception when the campaign cannot run at all, such as when TMPDIR is full.
Report run_selftest(unsigned threads);

/// For people: one line for each check and defect, what it ran on, and PASSED or FAILED at the end.
std::string report_text(const Report& report);
/// The same for programs.
std::string report_json(const Report& report);

}  // namespace bitquake::selftest
