#pragma once

#include "suite/engine/run_files.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace bitquake::engine {

enum class CheckState : std::uint8_t { ok, failed, not_checked };

struct VerifyCheck {
  std::string name;
  CheckState state = CheckState::ok;
  std::string detail;  ///< what was checked, or what is wrong or missing
  bool operator==(const VerifyCheck&) const = default;
};

/// What a run directory is worth.
struct Verification {
  bool finished = false;  ///< the campaign has come to its end
  std::vector<VerifyCheck> checks;
  std::uint64_t count(CheckState state) const;
};

struct VerifyOptions {
  double fraction = 0.01;               ///< of the trials that are replayed, in [0, 1]
  std::optional<std::uint64_t> seed{};  ///< that chooses them; none: that of the campaign
  unsigned threads = 1;
  /// Hears how many trials have been replayed.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress{};
};

/// Fewest trials that are replayed, where there are as many.
inline constexpr std::uint64_t kFewestReplays = 20;

/// Checks a run directory against itself, against the files it was made from, and, with the chosen
/// trials, against this machine. All checks are made, whatever the others say; one whose ground is
/// missing is not_checked and says why. Nothing in the directory is changed.
/// Throws only what is no fault of the directory (std::bad_alloc).
Verification verify_run(const RunFiles& run, const ModelLoader& load_model,
                        const VerifyOptions& options);

/// A table of the checks and a verdict, for people.
std::string verification_text(const Verification& verification);

}  // namespace bitquake::engine
