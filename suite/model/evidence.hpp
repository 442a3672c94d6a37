#pragma once

#include "faultgen/bits.hpp"
#include "faultgen/fault.hpp"
#include "faultgen/fault_model.hpp"
#include "suite/model/model.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <span>
#include <vector>

namespace bitquake::model {

/// Applies a fault to the value it names, and notes its stored pattern before and after. A value
/// whose pattern stays is left alone, whatever its storage would have rounded it to.
inline void inject(const faultgen::Fault& fault, float* value, Injection& injection) {
  const std::uint64_t before = faultgen::encode(fault.storage, *value);
  const std::uint64_t after = faultgen::apply(fault, before);
  if (after != before) {
    *value = faultgen::decode(fault.storage, after);
  }
  injection = {true, before, after};
}

/// Whether `fault` left `value` non-finite where no fault of its group found it so: the value a
/// fault leaves behind counts as a monitored point of its own.
/// @param faults      of the group
/// @param injections  what each did, those of this place done
inline bool became_nonfinite(std::span<const faultgen::Fault> faults,
                             std::span<const Injection> injections, const faultgen::Fault& fault,
                             float value) {
  if (std::isfinite(value)) return false;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    const faultgen::Fault& first = faults[i];
    if (faultgen::place_of(first) != faultgen::place_of(fault)) continue;
    return std::isfinite(faultgen::decode(first.storage, injections[i].original_bits));
  }
  return false;
}

/// Adds a number to an ascending list, once.
inline void insert_once(std::vector<std::uint32_t>& numbers, std::uint32_t number) {
  const auto place = std::lower_bound(numbers.begin(), numbers.end(), number);
  if (place == numbers.end() || *place != number) numbers.insert(place, number);
}

inline void note_alarm(TrialResult& result, std::uint32_t guard) {
  insert_once(result.alarms, guard);
  result.first_alarm = result.alarms.front();
}

/// Whether a guard raises an alarm without any fault.
inline bool raises_falsely(const GoldenRow& golden, std::uint32_t guard) {
  return std::binary_search(golden.alarms.begin(), golden.alarms.end(), guard);
}

/// Reads the words of a parameter that hold `elements` through its code: what the code makes of
/// them takes their place.
/// @param elements  that faults touch, row-major
/// @param count     of the parameter
/// @param original  element -> its value without faults
/// @param faulty    element -> a reference to its value with them
/// @return whether the guard raises an alarm
template <class Original, class Faulty>
bool read_through(const WeightGuard& guard, const std::set<std::uint64_t>& elements,
                  std::uint64_t count, const Original& original, const Faulty& faulty) {
  const std::uint64_t lanes = guard.word_bits / 32;
  std::set<std::uint64_t> words;
  for (const std::uint64_t element : elements) words.insert(element / lanes);
  bool alarm = false;
  for (const std::uint64_t word : words) {
    std::uint64_t before = 0, after = 0;
    const std::uint64_t used = std::min(lanes, count - word * lanes);
    for (std::uint64_t lane = 0; lane < used; ++lane) {
      const std::uint64_t element = word * lanes + lane, shift = 32 * lane;
      before |= std::uint64_t{faultgen::to_bits(original(element))} << shift;
      after |= std::uint64_t{faultgen::to_bits(faulty(element))} << shift;
    }
    const CodedRead read = guard.read(before, after);
    alarm |= read.corrected || read.detected;
    for (std::uint64_t lane = 0; lane < used; ++lane) {
      const auto bits = static_cast<std::uint32_t>(read.word >> (32 * lane));
      faulty(word * lanes + lane) = faultgen::from_bits(bits);
    }
  }
  return alarm;
}

}  // namespace bitquake::model
