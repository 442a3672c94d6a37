#pragma once

#include "suite/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// The header of NumPy's .npy files, versions 1 to 3.
/// Source: NumPy enhancement proposal 1, "A Simple File Format for NumPy Arrays".
namespace bitquake {

struct NpyHeader {
  std::string type;            ///< NumPy's code: "|u1", "<i8", …
  bool fortran_order = false;  ///< the first index runs fastest
  std::vector<std::uint64_t> shape;
};

/// The header at the beginning of `bytes`, which then hold what is behind it. An error of kind
/// `code` in the name of `name` when there is none.
Result<NpyHeader> take_npy_header(std::string_view& bytes, Errc code, const std::string& name);

/// The unsigned number that at most eight bytes are, the lowest first.
std::uint64_t little_endian(std::string_view bytes);

}  // namespace bitquake
