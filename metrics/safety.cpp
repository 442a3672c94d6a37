#include "metrics/safety.hpp"

#include "suite/base/text.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <utility>

namespace bitquake::metrics {
namespace {

constexpr double kMbit = 1e6, kHoursOfFit = 1e9;

/// What is wrong with a structure; empty when nothing is.
std::string defect(const Structure& s) {
  if (!std::isfinite(s.raw_fit_per_mbit) || s.raw_fit_per_mbit < 0) {
    return "raw FIT per Mbit is " + shortest(s.raw_fit_per_mbit) + ", must be 0 or more";
  }
  if (!(s.derating >= 0 && s.derating <= 1)) {
    return "derating is " + shortest(s.derating) + ", must be in [0, 1]";
  }
  const auto wrong = [](const char* what, const Proportion& p, bool may_be_empty) -> std::string {
    if (p.k > p.n) return std::string(what) + " counts more hits than trials";
    if (p.n == 0 && !may_be_empty) return std::string(what) + " has no trials";
    return "";
  };
  std::string found = wrong("sde", s.sde, false);
  if (found.empty() && s.latent) found = wrong("latent", *s.latent, false);
  if (!found.empty() || !s.protection) return found;
  const auto& [residual, covered] = *s.protection;
  found = wrong("residual", residual, false);
  if (found.empty()) found = wrong("covered", covered, true);
  if (!found.empty() || covered.n == s.sde.k) return found;
  return "covered is of " + with_commas(covered.n) + " faults, but " + with_commas(s.sde.k) +
         " are dangerous";
}

Figure figure(const Proportion& p, double confidence) {
  const Interval ends = p.interval.value_or(interval(IntervalMethod::wilson, p.k, p.n, confidence));
  const double value = static_cast<double>(p.k) / static_cast<double>(p.n);
  // Rounding may leave an end on the wrong side by 1e-17.
  return {value, std::min(ends.low, value), std::max(ends.high, value)};
}

Figure scaled(const Figure& f, double scale) {
  return {f.value * scale, f.low * scale, f.high * scale};
}

/// 1 - f.
Figure complement(const Figure& f) { return {1 - f.value, 1 - f.high, 1 - f.low}; }

/// Sum of figures that are independent.
class Sum {
 public:
  void add(const Figure& f) {
    value_ += f.value;
    below_ += (f.value - f.low) * (f.value - f.low);
    above_ += (f.high - f.value) * (f.high - f.value);
  }
  Figure figure() const {
    return {value_, std::max(0.0, value_ - std::sqrt(below_)), value_ + std::sqrt(above_)};
  }

 private:
  double value_ = 0, below_ = 0, above_ = 0;
};

/// The rates of a structure.
struct Rates {
  double lambda = 0;
  Figure sde, residual, latent;
  std::optional<Figure> coverage;  ///< none: no dangerous fault was seen
  bool has_latent = false;
};

Rates rates_of(const Structure& s, double confidence) {
  Rates rates;
  rates.lambda = s.raw_fit_per_mbit * (static_cast<double>(s.bits) / kMbit) * s.derating;
  rates.sde = figure(s.sde, confidence);
  rates.residual = s.protection ? figure(s.protection->residual, confidence) : rates.sde;
  if (!s.protection) {
    rates.coverage = Figure{};
  } else if (s.sde.k > 0) {
    rates.coverage = figure(s.protection->covered, confidence);
  }
  rates.has_latent = s.latent.has_value();
  if (s.latent) rates.latent = figure(*s.latent, confidence);
  return rates;
}

/// Sum of lambda p DC over sum of lambda p, p = P(sde), to first order around the estimates.
std::optional<Figure> total_coverage(std::span<const Rates> all) {
  double dangerous = 0, covered = 0;
  for (const Rates& r : all) {
    dangerous += r.lambda * r.sde.value;
    if (r.coverage) covered += r.lambda * r.sde.value * r.coverage->value;
  }
  if (dangerous <= 0) return std::nullopt;
  const double mean = covered / dangerous;
  double below = 0, above = 0;
  for (const Rates& r : all) {
    const Figure c = r.coverage.value_or(Figure{mean, 0, 1});
    const double weight = r.lambda * r.sde.value / dangerous;
    // More errors than seen, in a structure that is covered less than the mean, lower the mean.
    const auto shifted = [&](double coverage, bool down) {
      const bool more = (coverage < mean) == down;
      const double shift = more ? r.sde.high - r.sde.value : r.sde.value - r.sde.low;
      return r.lambda * (coverage - mean) / dangerous * shift;
    };
    const double at_worst = r.coverage ? c.value : 0, at_best = r.coverage ? c.value : 1;
    below += std::pow(weight * (c.value - c.low), 2) + std::pow(shifted(at_worst, true), 2);
    above += std::pow(weight * (c.high - c.value), 2) + std::pow(shifted(at_best, false), 2);
  }
  return Figure{mean, std::max(0.0, mean - std::sqrt(below)),
                std::min(1.0, mean + std::sqrt(above))};
}

/// What is figured out of the sums.
SafetyFigures figures(double lambda, const Figure& dangerous, const Figure& residual,
                      const std::optional<Figure>& latent, const std::optional<Figure>& coverage) {
  SafetyFigures all{
      lambda, dangerous, residual, coverage, {}, {}, scaled(residual, 1 / kHoursOfFit)};
  if (lambda <= 0) return all;
  all.residual_fit.high = std::min(residual.high, lambda);
  all.dangerous_fit.high = std::min(dangerous.high, lambda);
  all.pmhf_per_hour = scaled(all.residual_fit, 1 / kHoursOfFit);
  all.spfm = complement(scaled(all.residual_fit, 1 / lambda));
  if (!latent || residual.value >= lambda) return all;
  // The share of what is not residual that is latent.
  const auto share = [&](double latent_fit, double residual_fit) {
    const double rest = lambda - residual_fit;
    return rest > 0 ? std::min(1.0, latent_fit / rest) : 1.0;
  };
  all.lfm = complement({share(latent->value, residual.value), share(latent->low, residual.low),
                        share(latent->high, all.residual_fit.high)});
  return all;
}

/// Figures of some structures together.
SafetyFigures joined(std::span<const Rates> all) {
  double lambda = 0;
  Sum dangerous, residual, latent;
  bool has_latent = false;
  for (const Rates& r : all) {
    lambda += r.lambda;
    dangerous.add(scaled(r.sde, r.lambda));
    residual.add(scaled(r.residual, r.lambda));
    latent.add(scaled(r.latent, r.lambda));
    has_latent = has_latent || r.has_latent;
  }
  return figures(lambda, dangerous.figure(), residual.figure(),
                 has_latent ? std::optional(latent.figure()) : std::nullopt, total_coverage(all));
}

}  // namespace

Result<SafetyReport> safety_figures(std::span<const Structure> structures, double confidence) {
  assert(confidence > 0 && confidence < 1);
  std::vector<Rates> rates;
  for (const Structure& s : structures) {
    if (std::string wrong = defect(s); !wrong.empty()) {
      return Error{Errc::usage, "structure " + in_quotes(s.name), std::move(wrong),
                   "give what was measured, and raw rates of the hardware", ""};
    }
    rates.push_back(rates_of(s, confidence));
  }
  SafetyReport report;
  for (const Rates& r : rates) report.structures.push_back(joined({&r, 1}));
  report.total = joined(rates);
  return report;
}

}  // namespace bitquake::metrics
