#pragma once

#include "suite/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace bitquake::results {

/// Version of run.json.
inline constexpr std::uint64_t kManifestVersion = 1;

/// What a campaign was run with, by whom it can be repeated. The only record of times and machines
/// in a run directory besides timings.csv and log.txt: all other files are the same for every
/// repetition.
struct Manifest {
  std::string status;                  ///< "running", "interrupted", "failed" or "complete"
  std::string started_utc, ended_utc;  ///< ISO 8601; `ended_utc` empty while running
  std::string version, commit, compiler, flags;
  std::string host_cpu, host_os;
  std::uint64_t host_cores = 0;
  std::uint64_t threads = 0;
  std::uint64_t inner_threads = 0;  ///< intra-op threads of each worker
  std::map<std::string, std::string> fingerprint;
  std::string campaign;  ///< identity of the campaign
  std::uint64_t seed = 0;
  std::string scenario_file;  ///< absolute
  /// SHA-256 by role and file, such as {"model", "lenet5.pt", "…"}.
  struct Input {
    std::string role, file, sha256;
  };
  std::vector<Input> inputs;
  std::vector<std::string> notices;
  std::uint64_t samples = 0, trials = 0, trials_done = 0;
  double seconds = 0;
  std::uint64_t memory_budget_bytes = 0;  ///< for the work units that are live at once
  std::uint64_t peak_memory_bytes = 0;    ///< of the process
  /// Trials run again with the whole network, and how many of them came out otherwise.
  struct Audit {
    std::string state;  ///< of engine::kAuditStates; empty before
    std::uint64_t trials = 0, differing = 0;
  } audit;
};

/// Writes run.json durably. Throws Exception (results).
void write_manifest(const std::filesystem::path& path, const Manifest& manifest);

/// Reads what write_manifest wrote, except the program, the host, the notices, memory and audit,
/// which are for people. Errc::results for a file that cannot be read, is no run.json, or has
/// another version.
Result<Manifest> read_manifest(const std::filesystem::path& path);

/// What the calling machine is: model name of the CPU, cores, operating system.
void describe_host(Manifest& manifest);

/// Now, as ISO 8601 in UTC to the second.
std::string now_utc();

}  // namespace bitquake::results
