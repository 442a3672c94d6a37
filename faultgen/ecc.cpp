#include "faultgen/ecc.hpp"

#include <bit>
#include <cassert>
#include <cstddef>
#include <span>

namespace bitquake::faultgen {
namespace {

constexpr unsigned kTopExponentBit = 30;

/// The check bits that a set data bit inverts, by data bit: columns of Hsiao's check matrix. All
/// are different, of odd weight and as light as can be, and each check bit is in about as many
/// columns as the others. Check bits have the columns of weight 1.
template <std::size_t N>
struct Columns {
  std::array<std::uint32_t, N> values{};
  std::size_t count = 0;

  constexpr void add(std::uint32_t column) { values[count++] = column; }
};

/// 32 of the 35 columns of 7 bits and weight 3. The three that are left out have bits 0 and 3 twice
/// and the others once.
constexpr auto kColumns32 = [] {
  Columns<32> columns;
  for (std::uint32_t c = 0; c < 128; ++c) {
    if (std::popcount(c) == 3 && c != 0b0000111 && c != 0b0111000 && c != 0b1001001) {
      columns.add(c);
    }
  }
  return columns.values;
}();

/// All 56 columns of 8 bits and weight 3, and the 8 of weight 5 whose bits follow each other, the
/// first after the last: every bit is in 5 of them.
constexpr auto kColumns64 = [] {
  Columns<64> columns;
  for (std::uint32_t c = 0; c < 256; ++c) {
    if (std::popcount(c) == 3) columns.add(c);
  }
  for (int turn = 0; turn < 8; ++turn) columns.add(std::rotl(std::uint8_t{0b11111}, turn));
  return columns.values;
}();

std::uint32_t check_bits(std::span<const std::uint32_t> columns, std::uint64_t word) {
  std::uint32_t check = 0;
  for (; word != 0; word &= word - 1) {
    check ^= columns[static_cast<std::size_t>(std::countr_zero(word))];
  }
  return check;
}

ReadResult decode_secded(std::span<const std::uint32_t> columns, const StoredWord& stored) {
  const std::uint32_t syndrome = stored.check ^ check_bits(columns, stored.data);
  if (syndrome == 0) return {stored.data, false, false};
  if (std::popcount(syndrome) == 1) return {stored.data, true, false};  // a check bit
  for (std::size_t bit = 0; bit < columns.size(); ++bit) {
    if (columns[bit] == syndrome) return {stored.data ^ (std::uint64_t{1} << bit), true, false};
  }
  return {stored.data, false, true};
}

std::uint32_t top_exponent_bit(std::uint64_t word) {
  return static_cast<std::uint32_t>(word >> kTopExponentBit) & 1U;
}

/// The majority of the bit and its two copies.
ReadResult decode_thrice(const StoredWord& stored) {
  const std::uint32_t bit = top_exponent_bit(stored.data);
  const std::uint32_t votes = bit + (stored.check & 1U) + (stored.check >> 1U);
  const std::uint64_t flip = (votes >= 2 ? 1U : 0U) ^ bit;
  return {stored.data ^ (flip << kTopExponentBit), votes != 0 && votes != 3, false};
}

std::uint32_t parity(std::uint64_t word) {
  return static_cast<std::uint32_t>(std::popcount(word)) & 1U;
}

}  // namespace

const EccCodeInfo& ecc_code_info(EccCode code) { return kEccCodes[static_cast<std::size_t>(code)]; }

StoredWord encode(EccCode code, std::uint64_t word) {
  assert(std::bit_width(word) <= ecc_code_info(code).data_bits);
  switch (code) {
    case EccCode::parity_32:
      return {word, parity(word)};
    case EccCode::exponent_twice:
      return {word, top_exponent_bit(word)};
    case EccCode::exponent_thrice:
      return {word, top_exponent_bit(word) * 0b11U};
    case EccCode::secded_39_32:
      return {word, check_bits(kColumns32, word)};
    case EccCode::secded_72_64:
      return {word, check_bits(kColumns64, word)};
  }
  return {word, 0};
}

ReadResult decode(EccCode code, const StoredWord& stored) {
  switch (code) {
    case EccCode::parity_32:
    case EccCode::exponent_twice:
      return {stored.data, false, encode(code, stored.data) != stored};
    case EccCode::exponent_thrice:
      return decode_thrice(stored);
    case EccCode::secded_39_32:
      return decode_secded(kColumns32, stored);
    case EccCode::secded_72_64:
      return decode_secded(kColumns64, stored);
  }
  return {stored.data, false, false};
}

ReadResult read(EccCode code, std::uint64_t original, std::uint64_t faulty) {
  return decode(code, {faulty, encode(code, original).check});
}

}  // namespace bitquake::faultgen
