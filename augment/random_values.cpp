#include "augment/random_values.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>

namespace bitquake::augment::detail {
namespace {

constexpr std::size_t kLayers = 256;
constexpr double kTail = 3.6541528853610088;  // where the lowest layer's tail begins
constexpr double kArea = 4.92867323399e-3;    // of each layer

/// exp(-x^2 / 2).
double bell(double x) { return std::exp(-0.5 * x * x); }

/// Layer i covers |x| in [0, width[i]) and heights from height[i] to height[i + 1].
struct Layers {
  std::array<double, kLayers + 1> width{}, height{};

  Layers() {
    width[0] = kArea / bell(kTail);
    width[1] = kTail;
    for (std::size_t i = 1; i + 1 < kLayers; ++i) {
      width[i + 1] = std::sqrt(-2 * std::log(kArea / width[i] + bell(width[i])));
    }
    width[kLayers] = 0;
    for (std::size_t i = 0; i <= kLayers; ++i) height[i] = bell(width[i]);
  }
};

const Layers& layers() {
  static const Layers instance;
  return instance;
}

/// A number beyond kTail. Source: Marsaglia, "Generating a variable from the tail of the normal
/// distribution", Technometrics 6(1), 1964.
double tail(Draws& draws) {
  while (true) {
    const double x = -std::log(1 - draws.uniform()) / kTail;
    const double y = -std::log(1 - draws.uniform());
    if (2 * y >= x * x) return kTail + x;
  }
}

}  // namespace

float Normals::next() {
  const Layers& table = layers();
  while (true) {
    const std::uint32_t word = draws_.next32();
    const std::size_t layer = word % kLayers;
    const double sign = (word >> 8) & 1 ? -1 : 1;
    const double x = (word >> 9) * 0x1p-23 * table.width[layer];
    if (x < table.width[layer + 1]) return static_cast<float>(sign * x);
    if (layer == 0) return static_cast<float>(sign * tail(draws_));
    const double low = table.height[layer], high = table.height[layer + 1];
    if (low + draws_.uniform() * (high - low) < bell(x)) return static_cast<float>(sign * x);
  }
}

int poisson(double mean, double uniform) {
  double probability = std::exp(-mean), sum = probability;
  int count = 0;
  // Rounding may leave the sum of all probabilities just below 1.
  while (uniform >= sum && (probability > 0x1p-60 || count < mean)) {
    ++count;
    probability *= mean / count;
    sum += probability;
  }
  return count;
}

PoissonTable::PoissonTable(double mean) {
  double probability = std::exp(-mean), sum = probability;
  sums_.push_back(sum);
  for (int count = 1; probability > 0x1p-60 || count <= mean; ++count) {
    probability *= mean / count;
    sums_.push_back(sum += probability);
  }
  for (std::size_t k = 0, count = 0; k < kGuides; ++k) {
    while (count + 1 < sums_.size() && static_cast<double>(k) / kGuides >= sums_[count]) ++count;
    guides_[k] = static_cast<std::uint16_t>(count);
  }
}

int PoissonTable::count(double uniform) const {
  std::size_t count = guides_[static_cast<std::size_t>(uniform * kGuides)];
  while (count + 1 < sums_.size() && uniform >= sums_[count]) ++count;
  return static_cast<int>(count);
}

std::shared_ptr<const std::vector<PoissonTable>> poisson_tables(double photons) {
  constexpr std::size_t kMostKept = 16;  // 1 MiB each at 500 photons
  static std::mutex mutex;
  static std::map<double, std::shared_ptr<const std::vector<PoissonTable>>> kept;
  const std::lock_guard lock(mutex);
  if (const auto found = kept.find(photons); found != kept.end()) return found->second;
  std::vector<PoissonTable> tables;
  for (int k = 0; k <= kPhotonSteps; ++k) tables.emplace_back(photons * k / kPhotonSteps);
  if (kept.size() == kMostKept) kept.clear();
  return kept[photons] = std::make_shared<const std::vector<PoissonTable>>(std::move(tables));
}

int Photons::count(double x, Draws& draws) const {
  // A sum of Poisson numbers is a Poisson number of the sum of their means.
  constexpr double kNothing = 1e-6;
  const double place = std::clamp(x, 0.0, 1.0) * kPhotonSteps;
  const double step = std::floor(place + kNothing);
  const int whole = (*tables_)[static_cast<std::size_t>(step)].count(draws.next32() * 0x1p-32);
  if (place - step < kNothing) return whole;
  const double rest = (place - step) * photons_ / kPhotonSteps, uniform = draws.next32() * 0x1p-32;
  // exp(-rest) > 1 - rest: mostly there is no need to know it better.
  return uniform < 1 - rest ? whole : whole + poisson(rest, uniform);
}

}  // namespace bitquake::augment::detail
