#pragma once

#include "suite/base/rng.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

// Internal: fast random numbers for every pixel of an image.

namespace bitquake::augment::detail {

/// Standard normal numbers, about five times as fast as Draws::normal(). Resolution 2^-23 of a
/// layer's width.
/// Source: Marsaglia, Tsang, "The ziggurat method for generating random variables", J. Statistical
/// Software 5(8), 2000; 256 layers, with the bits for layer and abscissa apart.
class Normals {
 public:
  explicit Normals(Draws draws) : draws_(draws) {}
  float next();

 private:
  Draws draws_;
};

/// The Poisson number of that mean that a uniform number in [0, 1) stands for (inversion).
/// @param mean  in [0, 700]
int poisson(double mean, double uniform);

/// Finds what poisson() finds for one mean, faster.
/// Source: Chen, Asau, "On generating random variates from an empirical distribution", AIIE
/// Transactions 6(2), 1974 (the guide table).
class PoissonTable {
 public:
  explicit PoissonTable(double mean);
  int count(double uniform) const;

 private:
  static constexpr std::size_t kGuides = 256;
  std::vector<double> sums_;                     // of the probabilities up to each count
  std::array<std::uint16_t, kGuides> guides_{};  // the count of k / kGuides: where to start
};

inline constexpr int kPhotonSteps = 255;  ///< values of 8 bits have a table each

/// Tables for the means photons * k / kPhotonSteps, k = 0 … kPhotonSteps. Making them costs more
/// than a small image does, so the last ones are kept. Thread-safe. @param photons  in [0, 700]
std::shared_ptr<const std::vector<PoissonTable>> poisson_tables(double photons);

/// Poisson numbers for the means x * photons of all x in [0, 1], fast. Probabilities are multiples
/// of 2^-32.
class Photons {
 public:
  /// @param photons  mean where x = 1, in [0, 700]
  explicit Photons(double photons) : photons_(photons), tables_(poisson_tables(photons)) {}
  int count(double x, Draws& draws) const;

 private:
  double photons_;
  std::shared_ptr<const std::vector<PoissonTable>> tables_;
};

}  // namespace bitquake::augment::detail
