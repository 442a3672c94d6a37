#pragma once

#include "suite/engine/prepare.hpp"
#include "suite/model/bounds.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

/// Thresholds for clipped activation functions, searched with faults.
namespace bitquake::engine {

struct ClipSearchOptions {
  std::vector<double> rates;      ///< at least two, ascending, in (0, 1]
  std::uint32_t repetitions = 1;  ///< fault groups for each sample (slot) and rate, > 0
  std::uint32_t steps = 4;        ///< of the interval search at each site, > 0
  unsigned threads = 1;
};

/// How far a search is.
struct ClipSearchProgress {
  std::string site;
  std::size_t number = 0, sites = 0;  ///< of this site, from 1; of all
  std::uint32_t step = 0;             ///< that has ended, from 1
  float threshold = 0;                ///< the best so far
  double auc = 0;                     ///< with it
};

/// Area under accuracy over log10(rate) by the trapezoidal rule, divided by the width of the axis:
/// in [0, 1] like an accuracy, of which it is the mean over the orders of magnitude. On a linear
/// axis the highest rate alone would decide.
/// @param rates     ascending, > 0, at least two      @param accuracy  as many
double area_under(std::span<const double> rates, std::span<const double> accuracy);

/// Finds for each activation function the threshold T of clip, with which the area_under accuracy
/// over fault rate is largest. T begins at ACT_max, the greatest value of fault-free runs. Site
/// after site in execution order, the others at what they have by then, the interval [0, ACT_max]
/// is cut into four equal parts; it then shrinks to the parts beside the best of their ends,
/// `steps` times. Of thresholds with the same area (within 1e-12) the largest is taken. All
/// thresholds meet the same samples, unperturbed, and the same faults: those that the scenario
/// draws with `rate` as faults.bit_error_rate (faults.fault_rate where it has that, or a mask, or a
/// model that is not of bits) and `repetitions` epochs. The result is the same for any number of
/// threads.
/// Source: Hoang, Hanif, Shafique, "FT-ClipAct: Resilience analysis of deep neural networks and
/// improving their fault tolerance using clipped activation", DATE 2020, arXiv 1912.00941: T from
/// ACT_max by an interval search for the largest AUC. Ours: four parts, one pass in execution
/// order, faults anywhere in the scenario's space, the logarithmic axis, ties, and that the guard
/// makes 0 of T itself and of what is not above min(0, least fault-free value).
/// @param measured  of this model and data: measure_bounds
/// @param progress  called after each step
/// @return the sites of kind activation; Errc::scenario for faults that have no rate, fault_set for
/// those that cannot be drawn, model when there is nothing to clip. Throws Exception: data for a
/// sample that cannot be read or has no label, scenario when the memory budget does not hold one
/// work unit.
Result<model::Bounds> search_clip(const scenario::Scenario& scenario,
                                  std::shared_ptr<const datasets::Dataset> data,
                                  std::shared_ptr<const model::Model> original,
                                  const ModelLoader& load_model, const model::Bounds& measured,
                                  const ClipSearchOptions& options,
                                  const std::function<void(const ClipSearchProgress&)>& progress);

}  // namespace bitquake::engine
