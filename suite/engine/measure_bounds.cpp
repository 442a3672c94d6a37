#include "suite/engine/measure_bounds.hpp"

#include "datasets/preprocess.hpp"
#include "suite/base/sha256.hpp"
#include "suite/engine/for_each.hpp"
#include "suite/engine/prepare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::engine {
namespace {

using faultgen::Target;

/// The counter of a site, which all workers share: what it counts does not depend on their order.
struct SharedCounter {
  explicit SharedCounter(const faultgen::Site& site) : counter(site) {}
  std::mutex mutex;
  model::BoundsCounter counter;
};

/// Some samples as the network reads them.
struct Batch {
  std::vector<datasets::Sample> samples;  ///< without those that cannot be read
  std::vector<float> inputs;              ///< [samples, input elements]
};

/// Samples [first, last). Of those that cannot be read `notices` tells, by position; of the others
/// `hashes`.
Batch read_batch(const scenario::Scenario& scenario, const datasets::Dataset& data,
                 std::uint64_t first, std::uint64_t last, std::vector<std::string>& notices,
                 std::vector<std::string>& hashes) {
  const std::uint64_t elements = faultgen::element_count(scenario.model.input);
  Batch batch;
  for (std::uint64_t i = first; i < last; ++i) {
    std::string unreadable;
    auto sample = read_sample(scenario, data, i, unreadable);
    if (!sample) {
      notices[i] = fmt::format("sample {} is skipped: {}", i, unreadable);
      continue;
    }
    hashes[i] = fmt::format("{:016x}\n", sample->content_hash);
    batch.inputs.resize(batch.inputs.size() + elements);
    value_or_throw(datasets::to_input(*sample, scenario.preprocess, scenario.model.input,
                                      std::span(batch.inputs).last(elements)));
    batch.samples.push_back(*std::move(sample));
  }
  return batch;
}

}  // namespace

Readable<model::Bounds> measure_bounds(
    const scenario::Scenario& scenario, const datasets::Dataset& data, const model::Model& model,
    unsigned threads, const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const std::vector<faultgen::Site>& sites = model.sites();
  std::map<std::uint32_t, SharedCounter> counters;
  for (std::uint32_t i = 0; i < sites.size(); ++i) {
    if (faultgen::site_elements(sites[i], Target::neuron) > 0) counters.try_emplace(i, sites[i]);
  }
  const model::Watcher watch = [&](std::uint32_t site, std::size_t, std::span<const float> values) {
    SharedCounter& shared = counters.at(site);
    const std::lock_guard lock(shared.mutex);
    shared.counter.add(values);
  };

  const std::uint64_t count = data.size(), rows = scenario.padded_batch;
  std::vector<std::string> notices(count), hashes(count);
  std::mutex progress_mutex;
  std::uint64_t done = 0;
  for_each((count + rows - 1) / rows, threads, [&](std::size_t chunk) {
    const std::uint64_t first = chunk * rows, last = std::min(count, first + rows);
    const Batch batch = read_batch(scenario, data, first, last, notices, hashes);
    try {
      model.observe(Target::neuron, batch.inputs, watch);
    } catch (const model::GoldenFailure& failure) {
      const datasets::Sample& sample = batch.samples[failure.row()];
      throw Exception(
          {Errc::model, sample.file,
           fmt::format("the model fails on sample {}: {}", sample.index, failure.what()),
           "leave the sample out, or mend the model", ""});
    }
    const std::lock_guard lock(progress_mutex);
    done += last - first;
    progress(done, count);
  });

  Readable<model::Bounds> result{{model::BoundsOrigin::measured, model.sha256(), {}, 0, {}}, {}};
  std::string all;
  for (const std::string& hash : hashes) {
    all += hash;
    result.value.samples += hash.empty() ? 0 : 1;
  }
  result.value.data_sha256 = sha256_hex(all);
  for (const auto& [site, shared] : counters) {
    result.value.sites.push_back(shared.counter.result());
  }
  result.notices = std::move(notices);
  std::erase_if(result.notices, [](const std::string& notice) { return notice.empty(); });
  return result;
}

}  // namespace bitquake::engine
