#pragma once

#include "suite/base/named.hpp"

#include <array>
#include <cstdint>

/// Codes by which a memory protects the words it holds: what comes out of it when bits were wrong.
namespace bitquake::faultgen {

enum class EccCode : std::uint8_t {
  parity_32,
  exponent_twice,
  exponent_thrice,
  secded_39_32,
  secded_72_64,
};

/// A code, and of how many bits its words are.
struct EccCodeInfo {
  EccCode value;
  std::string_view name;
  std::string_view doc;
  unsigned data_bits;   ///< a word: one fp32 value, or two, the first in the low half
  unsigned check_bits;  ///< stored beside it
};

/// Sources: Hsiao, "A class of optimal minimum odd-weight-column SEC-DED codes", IBM J. Research
/// and Development 14(4), 1970 (both SEC-DED codes; his conditions leave the choice and order of
/// columns open). The most significant exponent bit is what MSET protects, by copies within the
/// word (Ahmadilivani et al., arXiv 2605.07417); here the copies lie beside it, so that no bit of
/// the value is lost.
inline constexpr std::array kEccCodes{
    EccCodeInfo{EccCode::parity_32, "parity_32",
                "even parity of a 32-bit word: an odd number of flips is detected", 32, 1},
    EccCodeInfo{EccCode::exponent_twice, "exponent_twice",
                "bit 30, the top exponent bit of fp32, is stored once more: a difference is "
                "detected",
                32, 1},
    EccCodeInfo{EccCode::exponent_thrice, "exponent_thrice",
                "bit 30, the top exponent bit of fp32, is stored twice more: the majority is read",
                32, 2},
    EccCodeInfo{EccCode::secded_39_32, "secded_39_32",
                "Hsiao's code of 32-bit words: one flip is corrected, two are detected", 32, 7},
    EccCodeInfo{EccCode::secded_72_64, "secded_72_64",
                "Hsiao's code of 64-bit words: one flip is corrected, two are detected", 64, 8},
};

const EccCodeInfo& ecc_code_info(EccCode code);

/// A word as the memory holds it.
struct StoredWord {
  std::uint64_t data = 0;   ///< the lowest data_bits
  std::uint32_t check = 0;  ///< the lowest check_bits
  bool operator==(const StoredWord&) const = default;
};

/// What reading a word gives; at most one of the flags is true.
struct ReadResult {
  std::uint64_t word = 0;
  bool corrected = false;  ///< something was wrong and was put right, as far as the code can tell:
                           ///< more flips than it can count may pass for fewer
  bool detected = false;   ///< something is wrong that cannot be put right; the word is as stored
  bool operator==(const ReadResult&) const = default;
};

/// The word with its check bits.  @pre word < 2^data_bits
StoredWord encode(EccCode code, std::uint64_t word);

/// What comes out of the memory. A single flip, in data or check bits, is corrected by SEC-DED, two
/// are detected; of three, which make up an odd number, 5,452 of 9,139 (39, 32) and 33,568 of
/// 59,640 (72, 64) pass for another single one: then a fourth bit is wrong.
ReadResult decode(EccCode code, const StoredWord& stored);

/// What comes out of a memory in which data bits of a word were disturbed; its check bits are those
/// of `original`. Faults in check bits are out of scope here; decode() has them.
/// @pre both words < 2^data_bits
ReadResult read(EccCode code, std::uint64_t original, std::uint64_t faulty);

}  // namespace bitquake::faultgen
