#include "faultgen/ecc.hpp"

#include "faultgen/bits.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <algorithm>
#include <bit>
#include <vector>

using namespace bitquake;
using namespace bitquake::faultgen;

namespace {

const std::uint64_t kWords[] = {0x3e4ccccdbf99999aU, 0, ~std::uint64_t{0}};

std::uint64_t word_of(EccCode code, std::uint64_t bits) {
  return bits & (~std::uint64_t{0} >> (64 - ecc_code_info(code).data_bits));
}

unsigned all_bits(EccCode code) {
  return ecc_code_info(code).data_bits + ecc_code_info(code).check_bits;
}

/// Flips a data bit or, behind those, a check bit.
StoredWord flipped(EccCode code, StoredWord stored, unsigned bit) {
  const unsigned data = ecc_code_info(code).data_bits;
  if (bit < data) {
    stored.data ^= std::uint64_t{1} << bit;
  } else {
    stored.check ^= 1U << (bit - data);
  }
  return stored;
}

/// Columns of the check matrix, those of the check bits behind those of the data bits.
std::vector<std::uint32_t> columns(EccCode code) {
  std::vector<std::uint32_t> all;
  for (unsigned bit = 0; bit < ecc_code_info(code).data_bits; ++bit) {
    all.push_back(encode(code, std::uint64_t{1} << bit).check);
  }
  for (unsigned bit = 0; bit < ecc_code_info(code).check_bits; ++bit) all.push_back(1U << bit);
  return all;
}

struct Triples {
  unsigned miscorrected = 0, detected = 0;
};

Triples triples(EccCode code, std::uint64_t word) {
  Triples found;
  const StoredWord stored = encode(code, word);
  const unsigned n = all_bits(code);
  for (unsigned a = 0; a < n; ++a) {
    for (unsigned b = a + 1; b < n; ++b) {
      for (unsigned c = b + 1; c < n; ++c) {
        const ReadResult got =
            decode(code, flipped(code, flipped(code, flipped(code, stored, a), b), c));
        found.detected += got.detected ? 1 : 0;
        found.miscorrected += got.corrected ? 1 : 0;
      }
    }
  }
  return found;
}

/// Sets of four columns that add up to nothing.
unsigned code_words_of_weight_4(EccCode code) {
  const auto h = columns(code);
  unsigned found = 0;
  for (std::size_t a = 0; a < h.size(); ++a) {
    for (std::size_t b = a + 1; b < h.size(); ++b) {
      for (std::size_t c = b + 1; c < h.size(); ++c) {
        for (std::size_t d = c + 1; d < h.size(); ++d) {
          found += (h[a] ^ h[b] ^ h[c] ^ h[d]) == 0 ? 1 : 0;
        }
      }
    }
  }
  return found;
}

}  // namespace

TEST_CASE("SEC-DED codes are Hsiao's: odd columns, fewest ones, even rows", "[faultgen][ecc]") {
  for (const EccCode code : {EccCode::secded_39_32, EccCode::secded_72_64}) {
    auto h = columns(code);
    unsigned ones = 0;
    std::vector<unsigned> rows(ecc_code_info(code).check_bits);
    for (const std::uint32_t column : h) {
      REQUIRE(std::popcount(column) % 2 == 1);
      ones += static_cast<unsigned>(std::popcount(column));
      for (std::size_t row = 0; row < rows.size(); ++row) rows[row] += (column >> row) & 1U;
    }
    // 32 * 3 + 7, and 56 * 3 + 8 * 5 + 8: the numbers of ones in Hsiao's paper.
    REQUIRE(ones == (code == EccCode::secded_39_32 ? 103 : 216));
    const auto [least, most] = std::minmax_element(rows.begin(), rows.end());
    REQUIRE(*most - *least <= (ones % rows.size() == 0 ? 0 : 1));
    std::sort(h.begin(), h.end());
    REQUIRE(std::adjacent_find(h.begin(), h.end()) == h.end());
  }
}

TEST_CASE("SEC-DED corrects every single flip and detects every double one", "[faultgen][ecc]") {
  for (const EccCode code : {EccCode::secded_39_32, EccCode::secded_72_64}) {
    for (const std::uint64_t bits : kWords) {
      const std::uint64_t word = word_of(code, bits);
      const StoredWord stored = encode(code, word);
      REQUIRE(decode(code, stored) == ReadResult{word, false, false});
      for (unsigned a = 0; a < all_bits(code); ++a) {
        const StoredWord once = flipped(code, stored, a);
        CAPTURE(all_bits(code), a);
        REQUIRE(decode(code, once) == ReadResult{word, true, false});
        for (unsigned b = a + 1; b < all_bits(code); ++b) {
          const StoredWord twice = flipped(code, once, b);
          REQUIRE(decode(code, twice) == ReadResult{twice.data, false, true});
        }
      }
    }
  }
}

TEST_CASE("three flips pass for one as often as the documentation says", "[faultgen][ecc]") {
  // A triple passes for the fourth bit of a code word of weight 4: four triples for each of these.
  const Triples small = triples(EccCode::secded_39_32, word_of(EccCode::secded_39_32, kWords[0]));
  REQUIRE(small.miscorrected + small.detected == 9'139);  // 39 choose 3
  REQUIRE(small.miscorrected == 4 * code_words_of_weight_4(EccCode::secded_39_32));
  REQUIRE(small.miscorrected == 5'452);
  const Triples large = triples(EccCode::secded_72_64, kWords[0]);
  REQUIRE(large.miscorrected + large.detected == 59'640);  // 72 choose 3
  REQUIRE(large.miscorrected == 4 * code_words_of_weight_4(EccCode::secded_72_64));
  REQUIRE(large.miscorrected == 33'568);
}

TEST_CASE("parity detects an odd number of flips", "[faultgen][ecc]") {
  const std::uint64_t word = to_bits(0.2F);
  REQUIRE(read(EccCode::parity_32, word, word) == ReadResult{word, false, false});
  std::uint64_t faulty = word;
  for (unsigned bit = 0; bit < 32; ++bit) {
    faulty ^= std::uint64_t{1} << bit;
    REQUIRE(read(EccCode::parity_32, word, faulty) == ReadResult{faulty, false, bit % 2 == 0});
  }
  REQUIRE(decode(EccCode::parity_32, flipped(EccCode::parity_32, encode(EccCode::parity_32, word),
                                             32)) == ReadResult{word, false, true});
}

TEST_CASE("copies of the top exponent bit guard it alone", "[faultgen][ecc]") {
  for (const float value : {0.2F, 3.0F}) {  // bit 30 is 0, 1
    const std::uint64_t word = to_bits(value);
    for (unsigned bit = 0; bit < 32; ++bit) {
      const std::uint64_t faulty = word ^ (std::uint64_t{1} << bit);
      const bool guarded = bit == 30;
      REQUIRE(read(EccCode::exponent_twice, word, faulty) == ReadResult{faulty, false, guarded});
      REQUIRE(read(EccCode::exponent_thrice, word, faulty) ==
              ReadResult{guarded ? word : faulty, guarded, false});
    }
    // With it, other bits of the word go unnoticed: they stay as they were read.
    const std::uint64_t both = word ^ (std::uint64_t{1} << 30U) ^ 1U;
    REQUIRE(read(EccCode::exponent_thrice, word, both) == ReadResult{word ^ 1U, true, false});
    // A wrong copy is outvoted; a wrong bit and a wrong copy outvote the right one.
    const StoredWord stored = encode(EccCode::exponent_thrice, word);
    for (const unsigned copy : {32U, 33U}) {
      const StoredWord wrong = flipped(EccCode::exponent_thrice, stored, copy);
      REQUIRE(decode(EccCode::exponent_thrice, wrong) == ReadResult{word, true, false});
      const StoredWord outvoted = flipped(EccCode::exponent_thrice, wrong, 30);
      REQUIRE(decode(EccCode::exponent_thrice, outvoted) == ReadResult{outvoted.data, true, false});
    }
  }
}

TEST_CASE("reading is decoding with sound check bits", "[faultgen][ecc][property]") {
  for (const EccCodeInfo& info : kEccCodes) {
    REQUIRE(&ecc_code_info(info.value) == &info);
    REQUIRE(rc::check([&](std::uint64_t a, std::uint64_t b) {
      const std::uint64_t word = word_of(info.value, a), faulty = word_of(info.value, b);
      const ReadResult got = read(info.value, word, faulty);
      RC_ASSERT(got == decode(info.value, {faulty, encode(info.value, word).check}));
      RC_ASSERT(!(got.corrected && got.detected));
      RC_ASSERT(read(info.value, word, word) == (ReadResult{word, false, false}));
      if (!got.corrected) RC_ASSERT(got.word == faulty);
    }));
  }
}
