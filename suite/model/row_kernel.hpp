#pragma once

#include "suite/model/program.hpp"
#include "suite/model/region.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace bitquake::model {

/// What each output position along one axis reads of the input: monotone ranges inside the input.
class Axis {
 public:
  explicit Axis(std::vector<Range> reads, std::int64_t in);
  static Axis same(std::int64_t size);
  static Axis sliding(const Slide& slide);

  /// Hull of what `outputs` read; may be empty (padding only).
  Range reads(const Range& outputs) const;
  const Range& read(std::int64_t output) const { return reads_[static_cast<std::size_t>(output)]; }
  /// Outputs that read one of `inputs`.
  Range reached(const Range& inputs) const;

 private:
  std::vector<Range> reads_;
  std::vector<Range> reached_;  ///< by input position
};

/// An operator that computes a box of one row by itself, whatever the rest of the batch: small,
/// with nothing to set up. Bit-equal to LibTorch's operator or not made: see check(). Thread-safe.
class RowKernel {
 public:
  RowKernel(Axis y, Axis x) : y_(std::move(y)), x_(std::move(x)) {}
  virtual ~RowKernel() = default;

  /// Box of the output that depends on `in` of an input.
  Box reach(const Box& in) const { return {in.c, y_.reached(in.y), x_.reached(in.x)}; }
  /// Box of each input that `out` depends on.
  Box needs(const Box& out) const { return {out.c, y_.reads(out.y), x_.reads(out.x)}; }
  /// Each output element depends on the input elements of its own position alone.
  virtual bool elementwise() const { return false; }
  /// NaN and Inf come out only where they went in.
  virtual bool keeps_finite() const { return false; }

  /// @param in       values of `in_box` of each operand, densely; in_box contains needs(out_box)
  /// @param out      values of `out_box`, densely
  virtual void run(std::span<const float* const> in, const Box& in_box, const Box& out_box,
                   float* out) const = 0;

 protected:
  const Axis& y() const { return y_; }
  const Axis& x() const { return x_; }

 private:
  Axis y_, x_;
};

/// Row kernel of an instruction, with the registers of its operands.
struct RowOperation {
  std::unique_ptr<RowKernel> kernel;
  std::vector<std::uint32_t> operands;
};

/// One row of an fp32 batch with the strides of a new tensor as [c, h, w]; nullopt for other
/// values.
std::optional<RowShape> row_shape(const c10::IValue& value, std::int64_t rows);

/// Finds the kernel of `step`, whose inputs and outputs are in `registers` after a run of `rows`
/// rows, and tries it: all rows of the run, and inputs with zeros of both signs, infinities, NaN,
/// denormal and huge values must give the operator's bits. Nothing when there is none.
std::optional<RowOperation> make_row_operation(const Instruction& step, const Registers& registers,
                                               std::int64_t rows);

}  // namespace bitquake::model
