#pragma once

#include <cstdint>
#include <filesystem>
#include <fuzzer/FuzzedDataProvider.h>
#include <map>
#include <string>
#include <variant>
#include <vector>

/// HDF5 files for fuzzing: a valid file as values, which fuzz bytes change before it is written
/// again. So the bytes reach the checks of the readers instead of the parser of libhdf5.
namespace bitquake::fuzz {

/// Something in the place of a column that File::write_column never makes.
enum class Odd : std::uint8_t { two_dimensions, scalar, null, variable_strings, group, loop };

using Cells =
    std::variant<std::vector<std::uint8_t>, std::vector<std::uint16_t>, std::vector<std::uint32_t>,
                 std::vector<std::uint64_t>, std::vector<std::int32_t>, std::vector<std::int64_t>,
                 std::vector<float>, std::vector<double>, std::vector<std::string>, Odd>;

struct AnyFile {
  std::map<std::string, std::variant<std::uint64_t, std::string>> attributes;
  std::map<std::string, Cells> columns;  ///< by path, such as "faults/site"
};

/// Everything in a file that Bitquake wrote.
AnyFile read_any(const std::filesystem::path& path);

/// Changes values, lengths, types, presence. Without bytes nothing changes.
void edit(AnyFile& file, FuzzedDataProvider& bytes);

/// Writes the file and seals it.
void write_any(const AnyFile& file, const std::filesystem::path& path);

}  // namespace bitquake::fuzz
