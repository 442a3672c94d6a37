#pragma once

#include "faultgen/number_format.hpp"
#include "suite/base/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace bitquake::faultgen {

/// The bits that items name, ascending, each once: `all`, a field (`sign`, `exponent`, `mantissa`),
/// a bit (`30`) or an inclusive range (`23-30`); LSB = bit 0.
/// @return Errc::fault_set naming the item that is malformed, outside the storage's bits, or a
/// field
///         that the storage has not
Result<std::vector<std::uint32_t>> bits_of(const std::vector<std::string>& items,
                                           const Storage& storage);

/// "0x7f800000" or "2139095040" as a mask within the storage's bits, not 0; Errc::fault_set.
Result<std::uint64_t> parse_mask(const std::string& text, const Storage& storage);

}  // namespace bitquake::faultgen
