#pragma once

#include "results/row.hpp"
#include "suite/base/big_vector.hpp"
#include "suite/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::results {

/// A monitored point: what TrialRow::first_nonfinite refers to.
struct Point {
  std::string path;  ///< module path, "output" for the final output
  std::string kind;  ///< "parameter", "module_output" and so on
  bool operator==(const Point&) const = default;
};

/// An injectable site: what /faults/site in the fault set refers to.
struct SiteName {
  std::string name;  ///< module path, "#1" behind it for the second call
  std::string kind;  ///< "conv2d" and so on
  bool operator==(const SiteName&) const = default;
};

/// A guard of a modified network: what TrialRow::alarm refers to.
struct GuardName {
  std::uint32_t variant = 0;  ///< row of /variants
  std::string site;
  std::string kind;  ///< of the guard, or the code that the site's parameter is read through
  bool operator==(const GuardName&) const = default;
};

/// What all rows of a campaign share.
struct Campaign {
  std::string identity;     ///< hash of all that decides the rows
  std::string fingerprint;  ///< numeric fingerprint, lines of "name=value"
  std::uint64_t classes = 0;
  std::vector<Point> points;
  std::vector<SiteName> sites;
  std::vector<std::string> files;   ///< what GoldenRow::file refers to, relative to the data set
  std::string run_type = "single";  ///< name in faultgen::kRunTypes
  std::vector<std::string> perturbations{"clean"};  ///< labels; each sample runs under each
  /// Names; the first is what others are compared with.
  std::vector<std::string> variants{"original"};
  std::vector<GuardName> guards{};  ///< of all variants, one after the other

  std::size_t conditions() const { return variants.size() * perturbations.size(); }
  /// In the order of the rows.
  std::size_t number_of(Condition c) const {
    return c.variant * perturbations.size() + c.perturbation;
  }
  /// The condition of a number.
  Condition condition(std::size_t number) const {
    return {static_cast<std::uint32_t>(number / perturbations.size()),
            static_cast<std::uint32_t>(number % perturbations.size())};
  }
  bool operator==(const Campaign&) const = default;
};

/// All rows of a campaign, the content of trials.h5.
struct Trials {
  Campaign campaign;
  BigVector<TrialRow> trials;          ///< ascending by trial
  BigVector<InjectionRow> injections;  ///< ascending by (trial, fault)
  Observed observed;
  std::vector<GoldenRow> golden;          ///< by (condition, sample), all samples under each
  std::vector<std::string> messages{""};  ///< in order of their first trial; row 0 is empty

  /// Of the subset.
  std::uint64_t samples() const { return golden.size() / campaign.conditions(); }
  const GoldenRow& golden_of(const TrialRow& trial) const {
    return golden[campaign.number_of(trial.condition()) * samples() + trial.sample];
  }
  /// Rows of `trials` under a condition: the first, and one behind the last. O(log n).
  std::pair<std::uint64_t, std::uint64_t> range_of(Condition condition) const;
  /// Injections of one trial, in fault order. O(log n).
  std::span<const InjectionRow> injections_of(const TrialRow& trial) const;
  std::span<const MonitorRow> monitors_of(const TrialRow& trial) const;
  std::span<const DeviationRow> deviations_of(const TrialRow& trial) const;

  bool operator==(const Trials&) const = default;
};

/// Nothing when the orders and references promised above hold; otherwise Errc::results. `where`
/// names the file in the message.
Result<std::monostate> check_trials(const Trials& trials, const std::string& where);

/// Writes trials.h5: the columns of results/columns.hpp under /trials, /injections, /monitored,
/// /deviations and /golden,
/// /messages/text, /points/{path, kind}, /sites/{name, kind}, /files/name,
/// /perturbations/label, /variants/name, /guards/{variant, site,
/// kind}, the attributes content, format_version, campaign,
/// fingerprint, classes, run_type; sealed (suite/base/seal.hpp). Bytes depend on the values alone.
/// The file appears whole or not at all. Throws Exception (results).
void write_trials(const std::filesystem::path& path, const Trials& trials);

/// Reads and checks trials.h5, its seal first. Errc::results for any damage.
Result<Trials> read_trials(const std::filesystem::path& path);

}  // namespace bitquake::results
