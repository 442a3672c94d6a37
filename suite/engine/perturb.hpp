#pragma once

#include "augment/sheet.hpp"
#include "datasets/dataset.hpp"
#include "datasets/hdf5.hpp"
#include "suite/base/result.hpp"
#include "suite/scenario/scenario.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace bitquake::engine {

/// The sample under one of the scenario's perturbations: image and boxes. What is drawn depends on
/// the scenario's seed and Sample::index alone, so that a sample looks the same in each campaign,
/// subset and file.
/// @param sample        with its image prepared (datasets/geometry.hpp)
/// @param perturbation  row of Scenario::perturbations
/// Throws Exception (data): the perturbation does not take the image. Thread-safe.
datasets::Sample perturbed(const scenario::Scenario& scenario, const datasets::Sample& sample,
                           std::uint32_t perturbation);

/// Samples and what is to be said about those that are missing.
template <class T>
struct Readable {
  T value;
  std::vector<std::string> notices{};  ///< of images that cannot be read, where those are skipped
};

/// All samples of the data under all perturbations of the scenario, in the order (perturbation,
/// sample), for write_hdf5. The parameter `source_index` is Sample::index in the data set,
/// `perturbation` the row of Scenario::perturbations.
/// @param data  as open_data gives it
/// Throws Exception: data for an image that cannot be read (unless the scenario skips those) or
/// perturbed; usage when the result would take more than a quarter of the machine's memory.
Readable<datasets::EnrichedData> enrich(const scenario::Scenario& scenario,
                                        const datasets::Dataset& data, unsigned threads);

/// The first samples of the data, not perturbed, as rows of a contact sheet. Throws Exception
/// (data). @param count  at most this many
Readable<std::vector<augment::SheetRow>> sheet_rows(const scenario::Scenario& scenario,
                                                    const datasets::Dataset& data,
                                                    std::uint64_t count);

}  // namespace bitquake::engine
