#pragma once

#include <optional>
#include <vector>

namespace bitquake::selftest {

/// A sum of products of fp32 values that knows whether fp32 arithmetic gives the same bits in every
/// order of summation, with or without fused multiply-add, with wider accumulators, and with
/// subnormal numbers flushed to zero or not.
///
/// Claim. Split the non-zero terms in large and small ones. Let the large ones be multiples of a
/// power of two u >= 2^-100, their absolute values add to at most 2^24 u (and to less than
/// 2^126), and those of the small ones to at most 2^-27 u. Let T be the exact sum of the large
/// ones, and T != 0 unless there is no small one. Then every order of summation gives exactly T.
/// Proof. A partial sum is a node of a tree of additions, each rounded to nearest. Let I be the
/// exact sum of the large terms below a node. It is a multiple of u of at most 24 bits, so an fp32
/// number. By induction the node holds I where I != 0, and otherwise only what small terms leave,
/// at most 2^-26 u: where both operands hold large sums their addition is exact; where one holds
/// small ones only, these are less than a quarter of the distance from I to its neighbours, and are
/// rounded away. At the root I = T. Without small terms and with T = 0 the result is +0: a node
/// above a non-zero leaf that is zero is either x + (-x) or has such a node below it, and x + (-x)
/// and (+0) + (-0) are +0 when rounding to nearest (IEEE 754-2019, 6.3).
/// Large terms come from normal operands and are normal, so flushing does not touch them.
///
/// Infinite and NaN operands: a product with a NaN is a NaN and Inf times a non-zero number is
/// infinite; infinities of both signs make a NaN, those of one sign win. Their product with zero is
/// left open: a kernel may skip zeros.
class ExactSum {
 public:
  /// Adds the term a * b.
  void add(float a, float b);
  /// What every order gives; any NaN stands for all NaNs. Nothing when orders may differ, and for
  /// the empty sum, whose sign is open.
  std::optional<float> value() const;

 private:
  std::optional<float> nonfinite_value() const;

  std::vector<double> terms_;  ///< finite, not 0; exact: 24 bits times 24 bits fit 53
  bool nan_ = false, plus_infinity_ = false, minus_infinity_ = false, open_ = false;
};

}  // namespace bitquake::selftest
