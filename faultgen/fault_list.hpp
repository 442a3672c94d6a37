#pragma once

#include "faultgen/fault_set.hpp"
#include "faultgen/fault_space.hpp"
#include "faultgen/number_format.hpp"
#include "suite/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Fault sets from lists that people and other programs write.
namespace bitquake::faultgen {

/// What a list does not say of the set it becomes.
struct ListContext {
  std::vector<Site> sites;  ///< of the model
  Provenance provenance;    ///< its schedule says how groups meet samples
  /// Of the data: each epoch has a group for each of their slots, empty ones included. None: up to
  /// the last slot of the list.
  std::optional<std::uint64_t> samples{};
};

/// One fault of a list.
struct ListedFault {
  std::uint32_t epoch = 0;
  std::uint64_t slot = 0;
  Fault fault;
  double sampling_weight = 1;
  std::uint64_t origin = 0;  ///< line or column of the list, for messages

  bool operator==(const ListedFault&) const = default;
};

/// Longest list, in bytes.
inline constexpr std::size_t kMaxListBytes = std::size_t{1} << 32U;
/// Most groups that a list may leave without faults: a large number as an epoch is a mistake rather
/// than a wish for so many empty groups.
inline constexpr std::uint64_t kMaxEmptyGroups = 10'000'000;

/// The set of listed faults. Groups are those of all epochs up to the last one listed; within a
/// group the faults keep their order.
/// @param faults  each inside its tensor, as check_consistent wants it
/// @param where   name of the list for messages
/// @param origin  what ListedFault::origin counts, such as "line"
/// @return Errc::fault_set when there is no fault, two of a group share an element and a bit, a
///         slot is beyond the samples, or groups or faults are too many
Result<FaultSet> assemble(std::vector<ListedFault> faults, const ListContext& context,
                          const std::string& where, std::string_view origin);

/// The set that a CSV text describes, in the form that write_csv writes. The header names the
/// columns, in any order:
/// - site and call: the module path and which call of it; call is 0 when not given
/// - target: as in scenarios
/// - element, or index ("3;1;4"); both when they agree
/// - fault_model: as in scenarios
/// - bits ("3;7", also ranges and fields: bits_of), for models of bits
/// - value, for models that need one: read as the nearest fp32; "nan" is the quiet NaN
/// - storage: as storage_text writes it; fp32 when not given
/// - active_probability and sampling_weight; 1 when not given
/// - epoch and slot, both or none; for policy per_epoch epoch is enough. Without them row i,
/// counted
///   from 0, is a group of its own: the i-th in the order of (epoch, slot). With samples given the
///   rows must then fill whole epochs.
/// - fault: a number of its own for each row, the order within a group; that of rows when not given
/// Optional cells may be empty.
/// @param name  of the file, for messages
/// @return Errc::fault_set with line and column of the first thing that is wrong
/// @pre context.provenance.schedule is one that check_consistent accepts
Result<FaultSet> parse_fault_list(std::string_view text, const std::string& name,
                                  const ListContext& context);

/// Storage from the text that storage_text gives; Errc::fault_set.
Result<Storage> parse_storage(std::string_view text);

}  // namespace bitquake::faultgen
