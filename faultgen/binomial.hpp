#pragma once

#include "suite/base/rng.hpp"

#include <cstdint>
#include <vector>

namespace bitquake::faultgen {

/// Successes among n independent trials of probability p: how many of n bits have a fault, without
/// looking at each. Takes O(log n) steps whatever p is.
///
/// n uniform numbers are compared with p binary digit by digit: a fair split, Binomial(m, 1/2),
/// says how many of the m still undecided are below p, above p or undecided at the next digit. A
/// double has finitely many digits, so p is met exactly. Fair splits of up to 1024 count random
/// bits; longer ones are drawn by rejection from blocks of about sqrt(m) / 1.7 values whose
/// probabilities halve from block to block away from the middle.
///
/// The same on every platform: only integers and the correctly rounded +, -, *, / and sqrt decide.
/// Rounding changes the distribution by less than 2^-40 in total variation.
///
/// @param n      at most 2^63
/// @param p      in [0, 1]
/// @param draws  how many it takes depends on their values
/// @return in [0, n]; p = 0 gives 0 and p = 1 gives n, both without a draw
/// Sources: Ahrens and Dieter, "Computer methods for sampling from gamma, beta, Poisson and
/// binomial distributions", Computing 12, 1974, algorithm CO, and Knuth, TAOCP 2, 3.4.1, exercise
/// 27 (digits of p); Bringmann, Kuhn, Panagiotou, Peter and Thomas, "Internal DLA: efficient
/// simulation of a physical growth model", ICALP 2014 (fair splits from blocks of halving
/// probability); Canonne, Kamath and Steinke, "The discrete Gaussian for differential privacy",
/// NeurIPS 2020, algorithm 1, after von Neumann, 1951 (events of probability exp(-x) from uniform
/// numbers).
std::uint64_t binomial(std::uint64_t n, double p, Draws& draws);

/// k distinct values of [0, n), every subset equally likely, in ascending order. Values are drawn
/// until k are distinct, of the values left out if those are fewer; O(k log k) time, O(k) memory.
/// @param n      at most 2^63
/// @param k      <= n
/// @param draws  how many it takes depends on their values; none for k = 0 and k = n
/// Source: rejection of repeated values, Devroye, "Non-uniform random variate generation", Springer
/// 1986, section XII.2.
std::vector<std::uint64_t> distinct_positions(std::uint64_t n, std::uint64_t k, Draws& draws);

}  // namespace bitquake::faultgen
