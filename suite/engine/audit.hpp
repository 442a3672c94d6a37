#pragma once

#include "results/trials.hpp"
#include "suite/base/error.hpp"
#include "suite/base/named.hpp"
#include "suite/base/rng.hpp"
#include "suite/engine/prepare.hpp"
#include "suite/model/execution.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

/// Trials run again and compared with the rows that are stored of them: by the audit at the end of
/// a campaign, and by bitquake verify.
namespace bitquake::engine {

/// `count` different numbers below `total` (count <= total), ascending: a pure function of its
/// arguments.
std::vector<std::uint64_t> choose(std::uint64_t total, std::uint64_t count, std::uint64_t seed,
                                  Stream stream);

/// A trial that came out otherwise: the first of its columns that differs.
struct TrialDifference {
  std::uint64_t trial = 0;
  std::string column, stored, computed;
  bool operator==(const TrialDifference&) const = default;
};

struct Comparison {
  std::uint64_t compared = 0;              ///< trials
  std::vector<TrialDifference> differing;  ///< in the order of (sample, trial)
};

struct RerunOptions {
  unsigned threads = 1;
  std::optional<model::ExecutionOptions> execution{};  ///< none: the scenario's
  /// Hears how many trials have been compared.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress{};
};

/// Runs stored trials again and compares all their rows. Setting `stop` ends it early.
/// @param rows    sorted, as read_rows gives them, with a golden row for each trial
/// @param chosen  of rows.trials
Comparison run_again(const Inputs& inputs, const results::Trials& rows,
                     std::vector<const results::TrialRow*> chosen, const RerunOptions& options,
                     const std::atomic<bool>& stop);

enum class AuditState : std::uint8_t { off, not_needed, passed, failed, interrupted };

inline constexpr std::array kAuditStates{
    Named<AuditState>{AuditState::off, "off", "the scenario does without"},
    Named<AuditState>{AuditState::not_needed, "not_needed", "execution was reference already"},
    Named<AuditState>{AuditState::passed, "passed", "no trial came out otherwise"},
    Named<AuditState>{AuditState::failed, "failed", "some trials came out otherwise"},
    Named<AuditState>{AuditState::interrupted, "interrupted", "it was stopped before its end"},
};

/// What came of running some trials of a campaign again with the reference execution.
struct Audit {
  AuditState state = AuditState::off;
  std::uint64_t audited = 0, trials = 0;  ///< run again, of the campaign
  std::vector<TrialDifference> differing;
};

/// How many trials of a campaign are audited: max(16, min(0.1 % of them, 512)), at most all.
std::uint64_t audit_size(std::uint64_t trials);

/// Audits a campaign, as its scenario says. Which trials are chosen depends on the seed and on
/// their number alone.
/// @param rows  all of the campaign
Audit audit_campaign(const Inputs& inputs, const results::Trials& rows, unsigned threads,
                     const std::atomic<bool>& stop);

/// "audit: 16 of 10,000 trials run again with the whole network: no difference".
std::string audit_text(const Audit& audit);

/// What is wrong, trial by trial, and what to do.  @pre audit.state is failed
/// @param directory  of the run
Error audit_error(const Audit& audit, const std::filesystem::path& directory);

}  // namespace bitquake::engine
