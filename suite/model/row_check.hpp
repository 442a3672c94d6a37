#pragma once

#include "suite/model/program.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace bitquake::model {

/// How many samples share an inference, and why.
struct Batching {
  std::int64_t rows = 1;
  std::string reason;                   ///< why rows is 1 although more were asked for; else empty
  std::vector<std::string> row_by_row;  ///< operators that run one row at a time
};

/// LibTorch's element by element kernels take two vectors at a time and the rest one by one, often
/// by another function (ATen/native/cpu/Loops.h, vectorized_loop): Sleef's exp and that of the C
/// library. No kernel takes more elements at a time than this: two vectors of 512 bits hold half of
/// it.
inline constexpr std::int64_t kLargestStride = 64;

/// Finds out whether the rows of a batch are independent to the last bit, by experiment at
/// `padded_batch` rows: each instruction is run by itself on test values, again with rows moved
/// (rotated, halves swapped, reversed) and with extreme neighbours (±1e38, ±Inf, NaN), where
/// vectors may leave a rest also with equal rows of many values. An instruction that changes a
/// row's bits runs row by row from then on (flag in `program`), provided that gives the same values
/// within rounding. Where that does not help, or the batch dimension is baked in, or values of the
/// batch steer control flow, inferences have one row. Errc::model when the model accepts neither a
/// batch nor a single sample of `input_shape`.
Result<Batching> choose_batching(Program& program, const std::vector<std::int64_t>& input_shape,
                                 std::int64_t padded_batch, const std::string& where);

/// A batch of test samples in [-2, 2), the same everywhere: [rows, input_shape…].
at::Tensor check_input(const std::vector<std::int64_t>& input_shape, std::int64_t rows);

/// Test values in [-2, 2), quickly: a hash of the position.
/// @param tensor  floats, contiguous
void fill_test_values(const at::Tensor& tensor, std::uint32_t salt);

}  // namespace bitquake::model
