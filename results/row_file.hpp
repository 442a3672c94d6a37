#pragma once

#include "results/row.hpp"
#include "suite/base/big_vector.hpp"
#include "suite/base/h5.hpp"
#include "suite/base/result.hpp"
#include "suite/base/seal.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <new>
#include <span>
#include <stdexcept>
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

/// Checks the seal of `path`, opens it and returns read(file); Exceptions and allocations that a
/// damaged file provokes become the Error.
template <class T>
Result<T> read_file(const std::filesystem::path& path,
                    const std::function<T(const h5::File&)>& read) {
  const auto sealed =
      check_seal(path, SealRule::mandatory, Errc::results,
                 "remove it and run the campaign on: what is missing is computed again");
  if (!sealed) return sealed.error();
  try {
    Result<h5::File> file = h5::File::open(path, Errc::results);
    if (!file) return std::move(file).error();
    return read(*file);
  } catch (const Exception& exception) {
    return exception.error();
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  return Error{Errc::results, path.string(), "claims more rows than memory can hold",
               "the file is damaged, or the machine too small", ""};
}

}  // namespace bitquake::results
