#include "faultgen/permutation.hpp"

#include <cassert>
#include <cmath>
#include <utility>

namespace bitquake::faultgen {
namespace {

/// Least even number whose square is >= n.
std::uint64_t even_root(std::uint64_t n) {
  auto root = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(n)));
  // The square root of the rounded n may be one off; whatever it is, the loops end at the same.
  while (root * root >= n) --root;
  while (root * root < n) ++root;
  return root + root % 2;
}

}  // namespace

Permutation::Permutation(std::uint64_t n, std::uint64_t seed, Stream stream, std::uint64_t id)
    : n_(n), stream_(stream), id_(id) {
  assert(n > 0 && n <= kMaxSize);
  Draws draws(seed, stream, id);
  if (n <= kTable) {
    shuffle(draws);
    return;
  }
  a_ = even_root(n);
  b_ = (n - 1) / a_ + 1;
  for (std::uint64_t& key : keys_) key = draws.next64();
}

void Permutation::shuffle(Draws& draws) {
  for (std::uint64_t i = 0; i < n_; ++i) table_[i] = static_cast<std::uint8_t>(i);
  for (std::uint64_t i = n_; i > 1; --i) std::swap(table_[i - 1], table_[draws.below(i)]);
}

std::uint64_t Permutation::network(std::uint64_t value) const {
  std::array<std::uint64_t, 2> halves{value % a_, value / a_};
  const std::array<std::uint64_t, 2> sizes{a_, b_};
  for (unsigned round = 0; round < kRounds; ++round) {
    const unsigned changed = round % 2;
    // Halves are at most 2^31.5 and so fit the 32 bits of a block number.
    const auto words =
        philox(keys_[round], stream_, id_, static_cast<std::uint32_t>(halves[1 - changed]));
    const std::uint64_t word = words[0] | (static_cast<std::uint64_t>(words[1]) << 32);
    __extension__ using Wide = unsigned __int128;
    const auto shift = static_cast<std::uint64_t>((static_cast<Wide>(word) * sizes[changed]) >> 64);
    halves[changed] += shift;
    if (halves[changed] >= sizes[changed]) halves[changed] -= sizes[changed];
  }
  return halves[0] + a_ * halves[1];
}

std::uint64_t Permutation::permute(std::uint64_t i) const {
  assert(i < n_);
  if (n_ <= kTable) return table_[i];
  std::uint64_t value = i;
  do {
    value = network(value);
  } while (value >= n_);
  return value;
}

}  // namespace bitquake::faultgen
