#pragma once

#include "suite/base/h5.hpp"
#include "suite/base/seal.hpp"

#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace bitquake {

/// Checks the seal of an HDF5 file, opens it and returns read(file). Exceptions of `read`, and
/// allocations that a damaged file provokes, become an error of kind `code`.
/// @param remedy  hint for a file whose seal does not fit
template <class Read>
auto read_sealed_h5(const std::filesystem::path& path, SealRule rule, Errc code,
                    const std::string& remedy, Read read)
    -> Result<std::invoke_result_t<Read, const h5::File&>> {
  if (const auto sealed = check_seal(path, rule, code, remedy); !sealed) return sealed.error();
  try {
    const Result<h5::File> file = h5::File::open(path, code);
    if (!file) return file.error();
    return read(*file);
  } catch (const Exception& exception) {
    return exception.error();
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  return Error{code, path.string(), "claims more than memory can hold",
               "the file is damaged, or the machine too small", ""};
}

}  // namespace bitquake
