#include "faultgen/bit_choice.hpp"

#include "faultgen/bits.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace bitquake::faultgen {
namespace {

constexpr std::array kFields{std::pair{"sign", BitField::sign},
                             std::pair{"exponent", BitField::exponent},
                             std::pair{"mantissa", BitField::mantissa}};

Error bits_error(const std::string& what, const Storage& storage) {
  return {
      Errc::fault_set, "", what,
      fmt::format("bits of {} are 0 to {}: write a bit, a range such as 0-7, all, sign, exponent "
                  "or mantissa",
                  name_of(kNumberFormats, storage.format), storage_bits(storage) - 1),
      ""};
}

template <class T>
std::optional<T> number(std::string_view digits, int base = 10) {
  T value = 0;
  const auto [end, status] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (status != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

/// Sets the flags of the bits that an item names.
std::optional<Error> mark(const std::string& item, const Storage& storage,
                          std::vector<bool>& chosen) {
  const auto width = static_cast<std::uint32_t>(chosen.size());
  if (item == "all") {
    chosen.assign(width, true);
    return std::nullopt;
  }
  for (const auto& [name, field] : kFields) {
    if (item != name) continue;
    bool any = false;
    for (std::uint32_t bit = 0; bit < width; ++bit) {
      if (field_of(storage, bit) != field) continue;
      chosen[bit] = any = true;
    }
    if (any) return std::nullopt;
    return bits_error(fmt::format("{} has no {}", name_of(kNumberFormats, storage.format), name),
                      storage);
  }
  const auto dash = item.find('-');
  const auto low = number<std::uint32_t>(std::string_view(item).substr(0, dash));
  const auto high = dash == std::string::npos
                        ? low
                        : number<std::uint32_t>(std::string_view(item).substr(dash + 1));
  if (!low || !high) return bits_error(fmt::format("'{}' names no bits", item), storage);
  if (*low > *high) {
    return bits_error(fmt::format("'{}': low bit {} is above high bit {}", item, *low, *high),
                      storage);
  }
  if (*high >= width) {
    return bits_error(fmt::format("'{}': bit {} is outside the {} bits of {}", item, *high, width,
                                  name_of(kNumberFormats, storage.format)),
                      storage);
  }
  for (std::uint32_t bit = *low; bit <= *high; ++bit) chosen[bit] = true;
  return std::nullopt;
}

}  // namespace

Result<std::vector<std::uint32_t>> bits_of(const std::vector<std::string>& items,
                                           const Storage& storage) {
  std::vector<bool> chosen(storage_bits(storage));
  for (const std::string& item : items) {
    if (const auto failed = mark(item, storage, chosen)) return *failed;
  }
  std::vector<std::uint32_t> bits;
  for (std::uint32_t bit = 0; bit < chosen.size(); ++bit) {
    if (chosen[bit]) bits.push_back(bit);
  }
  if (bits.empty()) return bits_error("no bits are named", storage);
  return bits;
}

Result<std::uint64_t> parse_mask(const std::string& text, const Storage& storage) {
  const bool hex = text.starts_with("0x");
  const auto mask =
      number<std::uint64_t>(std::string_view(text).substr(hex ? 2 : 0), hex ? 16 : 10);
  const unsigned width = storage_bits(storage);
  if (mask && *mask != 0 && (*mask >> width) == 0) return *mask;
  return Error{Errc::fault_set, "",
               fmt::format("'{}' is no mask of the {} bits of {}", text, width,
                           name_of(kNumberFormats, storage.format)),
               "write it as in 0x7f800000, with at least one bit", ""};
}

}  // namespace bitquake::faultgen
