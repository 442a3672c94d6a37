#pragma once

#include "suite/base/result.hpp"
#include "suite/scenario/schema.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace bitquake::scenario {

/// A YAML scalar as written, escapes resolved.
struct Scalar {
  std::string text;
  bool quoted = false;  ///< then it is text, whatever it looks like
  bool operator==(const Scalar&) const = default;
};

/// Why a value does not suit its key.
struct Problem {
  std::string what;
  std::string hint;
  std::optional<std::size_t> item{};  ///< index of the item to blame; none: the value as a whole
};

/// The value of `key` from its scalars: the items of a list, or exactly one. Checks type, range,
/// number of items and words. Integers are decimal digits only (YAML would read 010 as 8).
Result<Value, Problem> to_value(const Key& key, const std::vector<Scalar>& scalars);

}  // namespace bitquake::scenario
