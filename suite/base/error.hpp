#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace bitquake {

/// What kind of thing went wrong. The command maps each kind to one exit code
/// (suite/cli/exit_code.hpp).
enum class Errc {
  usage,        ///< command line or output directory
  scenario,     ///< the scenario file
  model,        ///< the model file, or what it computes
  data,         ///< the data set
  fault_set,    ///< a fault set file
  results,      ///< files of a run directory
  expectation,  ///< the golden run differs from what the scenario expects
  internal,     ///< a defect of Bitquake or of the machine
};

/// One message for a person: where it is, what is wrong and was got, and what to do about it.
struct Error {
  Errc code = Errc::internal;
  std::string where;   ///< "file", "file:line:column" or a command-line option; may be empty
  std::string what;    ///< what is wrong, with the value that was got
  std::string hint;    ///< the remedy; may be empty
  std::string source;  ///< the offending source line and a caret below it; may be empty
};

/// "where: error: what", then the source excerpt and "hint: …" on lines of their own.
std::string to_string(const Error& error);

/// Thrown for a broken environment or a broken invariant: things the caller cannot be expected to
/// handle one by one. Errors that users cause in the normal course are returned (Result).
class Exception : public std::runtime_error {
 public:
  explicit Exception(Error error);
  const Error& error() const noexcept { return error_; }

 private:
  Error error_;
};

/// Candidate nearest to `word`; a swap of neighbours is one edit, at most length / 3 edits, at
/// least 1; empty when none is near. Ties go to the earlier candidate.
std::string_view did_you_mean(std::string_view word,
                              const std::vector<std::string_view>& candidates);

}  // namespace bitquake
