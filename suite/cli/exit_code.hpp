#pragma once

#include "suite/base/error.hpp"

#include <array>
#include <string_view>

namespace bitquake::cli {

/// Exit codes of the command. Scripts rely on them: never renumber.
enum class ExitCode : int {
  ok = 0,
  internal = 1,
  usage = 2,
  scenario = 3,
  model_or_data = 4,
  expectation = 5,
  trials_crashed = 7,
  audit_failed = 8,
  interrupted = 130,
};

struct ExitCodeDoc {
  ExitCode code;
  std::string_view doc;
};

inline constexpr std::array kExitCodes{
    ExitCodeDoc{ExitCode::ok, "success"},
    ExitCodeDoc{ExitCode::internal, "internal error"},
    ExitCodeDoc{ExitCode::usage, "command line, or a directory or file that cannot be written"},
    ExitCodeDoc{ExitCode::scenario, "the scenario file"},
    ExitCodeDoc{ExitCode::model_or_data, "model, data set, fault set or results file"},
    ExitCodeDoc{ExitCode::expectation,
                "the golden run differs from the scenario's expectation; no trial was run"},
    ExitCodeDoc{ExitCode::trials_crashed,
                "the campaign ended, but the inference of some trials failed"},
    ExitCodeDoc{ExitCode::audit_failed, "the program's results are not what they must be"},
    ExitCodeDoc{ExitCode::interrupted, "interrupted; the same command continues"},
};

/// Exit code of a kind of error.
constexpr ExitCode exit_code(Errc code) {
  switch (code) {
    case Errc::usage:
      return ExitCode::usage;
    case Errc::scenario:
      return ExitCode::scenario;
    case Errc::model:
    case Errc::data:
    case Errc::fault_set:
    case Errc::results:
      return ExitCode::model_or_data;
    case Errc::expectation:
      return ExitCode::expectation;
    case Errc::internal:
      return ExitCode::internal;
  }
  return ExitCode::internal;
}

}  // namespace bitquake::cli
