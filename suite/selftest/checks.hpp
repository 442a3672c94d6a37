#pragma once

#include "suite/base/named.hpp"
#include "suite/selftest/test_campaign.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bitquake::selftest {

enum class Check : std::uint8_t {
  golden,
  injections,
  rows,
  tables,
  hash,
  order,
  restored,
  threads,
  resume,
};

inline constexpr std::array kChecks{
    Named<Check>{Check::golden, "golden", "fault-free runs equal plain loops, bit for bit"},
    Named<Check>{Check::injections, "injections",
                 "each fault is at its element and bits: the bits found and left are those of "
                 "plain loops"},
    Named<Check>{Check::rows, "rows",
                 "outcome, decision, flags and output bits of each trial equal plain loops"},
    Named<Check>{Check::tables, "tables",
                 "the rates count those outcomes, add up to all trials and lie in their "
                 "intervals"},
    Named<Check>{Check::hash, "hash", "all of this has the SHA-256 that every CPU must give"},
    Named<Check>{Check::order, "order",
                 "trials in reverse, in other batches, give the same results"},
    Named<Check>{Check::restored, "restored",
                 "golden outputs before and after all trials are the same bits"},
    Named<Check>{Check::threads, "threads",
                 "one thread and several leave the same bytes in every file of results"},
    Named<Check>{Check::resume, "resume",
                 "interrupted and continued leaves the same bytes as uninterrupted"},
};

struct CheckResult {
  Check check = Check::golden;
  bool ok = false;
  std::string detail;  ///< what was counted, or the first difference
  bool operator==(const CheckResult&) const = default;
};

/// SHA-256 of the lines of suite/selftest/evidence.hpp (faults, golden, injections, trials), each
/// with "\n" behind it: the same on every CPU, with every library version.
inline constexpr const char* kEvidenceSha256 =
    "1253621e7ffdf5a3fdb5d7654967458116a69760e909ab69d25ffdeca69a06f6";

/// Runs the campaign with `model` and makes the checks `golden` to `restored`: those that look at
/// what an injector does. Throws Exception when the campaign cannot run at all.
std::vector<CheckResult> check_injector(TestCampaign& campaign,
                                        const std::shared_ptr<const model::Model>& model);

/// Makes the checks `threads` and `resume`: whole campaigns with `model`.
/// @param campaign  what is run
/// @param model     with which model
/// @param threads   workers; at least 2 are used
/// Throws Exception as above.
std::vector<CheckResult> check_engine(TestCampaign& campaign,
                                      const std::shared_ptr<const model::Model>& model,
                                      unsigned threads);

}  // namespace bitquake::selftest
