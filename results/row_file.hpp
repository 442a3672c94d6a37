#pragma once

#include "results/row.hpp"
#include "suite/base/big_vector.hpp"
#include "suite/base/result.hpp"
#include "suite/base/sealed_h5.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// What segments and trials.h5 have in common.
namespace bitquake::results {

/// Version of the layout of segments and of trials.h5; a reader refuses another one.
inline constexpr std::uint64_t kResultsVersion = 5;

/// The row tables of a file.
struct RowTables {
  BigVector<TrialRow> trials;
  BigVector<InjectionRow> injections;
  Observed observed;
  std::vector<GoldenRow> golden;
  std::vector<std::string> messages;
};

void write_tables(h5::File& file, const BigVector<TrialRow>& trials,
                  const BigVector<InjectionRow>& injections, const Observed& observed,
                  const std::vector<GoldenRow>& golden, const std::vector<std::string>& messages);

/// Reads the tables and checks that every code is one of its column's. Throws Exception.
RowTables read_tables(const h5::File& file);

/// Attributes content and format_version.
void write_format(h5::File& file, const std::string& content);
/// Throws Exception when they are others.
void check_format(const h5::File& file, const std::string& content);

/// read_sealed_h5 of a file of results.
template <class Read>
auto read_file(const std::filesystem::path& path, Read read) {
  return read_sealed_h5(path, SealRule::mandatory, Errc::results,
                        "remove it and run the campaign on: what is missing is computed again",
                        read);
}

}  // namespace bitquake::results
