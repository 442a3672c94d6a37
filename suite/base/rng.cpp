#include "suite/base/rng.hpp"

#include <Random123/philox.h>

namespace bitquake {

std::array<std::uint32_t, 4> philox(std::uint64_t seed, Stream stream, std::uint64_t id,
                                    std::uint32_t block) {
  const r123::Philox4x32::ctr_type counter = {{static_cast<std::uint32_t>(stream),
                                               static_cast<std::uint32_t>(id),
                                               static_cast<std::uint32_t>(id >> 32), block}};
  const r123::Philox4x32::key_type key = {
      {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}};
  const auto words = r123::Philox4x32{}(counter, key);
  return {words[0], words[1], words[2], words[3]};
}

std::uint32_t Draws::next32() {
  if (used_ == words_.size()) {
    words_ = philox(seed_, stream_, id_, block_++);
    used_ = 0;
  }
  return words_[used_++];
}

std::uint64_t Draws::next64() {
  const std::uint64_t low = next32();
  return low | (static_cast<std::uint64_t>(next32()) << 32);
}

std::uint64_t Draws::below(std::uint64_t bound) {
  __extension__ using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(next64()) * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = -bound % bound;
    while (static_cast<std::uint64_t>(product) < threshold) {
      product = static_cast<Wide>(next64()) * bound;
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Draws::uniform() { return static_cast<double>(next64() >> 11) * 0x1p-53; }

}  // namespace bitquake
