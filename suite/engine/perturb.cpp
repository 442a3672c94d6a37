#include "suite/engine/perturb.hpp"

#include "augment/pipeline.hpp"
#include "datasets/geometry.hpp"
#include "suite/base/memory.hpp"
#include "suite/engine/for_each.hpp"
#include "suite/engine/prepare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>

namespace bitquake::engine {
namespace {

/// read_sample, and a notice when there is none.
std::optional<datasets::Sample> read_or_note(const scenario::Scenario& scenario,
                                             const datasets::Dataset& data, std::uint64_t position,
                                             std::string& notice) {
  std::string unreadable;
  auto sample = read_sample(scenario, data, position, unreadable);
  if (!sample) notice = fmt::format("sample {} is skipped: {}", position, unreadable);
  return sample;
}

void drop_empty(std::vector<std::string>& notices) {
  std::erase_if(notices, [](const std::string& notice) { return notice.empty(); });
}

/// Those of `data` that can be read, in order.
Readable<std::vector<datasets::Sample>> read_all(const scenario::Scenario& scenario,
                                                 const datasets::Dataset& data, unsigned threads) {
  const std::size_t count = data.size();
  const std::uint64_t limit = machine_memory_bytes() / 4;
  std::atomic<std::uint64_t> bytes = 0;
  std::vector<std::optional<datasets::Sample>> all(count);
  Readable<std::vector<datasets::Sample>> result;
  result.notices.resize(count);
  for_each(count, threads, [&](std::size_t i) {
    all[i] = read_or_note(scenario, data, i, result.notices[i]);
    if (!all[i]) return;
    const std::uint64_t own = all[i]->image.total() * all[i]->image.elemSize();
    if (bytes += own * scenario.perturbations.size(); bytes > limit) {
      throw Exception({Errc::usage, "",
                       fmt::format("{} samples under {} perturbations take more than {} MiB, a "
                                   "quarter of the machine's memory",
                                   count, scenario.perturbations.size(), limit / kMebibyte),
                       "write several files, each of some of the perturbations", ""});
    }
  });
  for (auto& sample : all) {
    if (sample) result.value.push_back(*std::move(sample));
  }
  drop_empty(result.notices);
  return result;
}

}  // namespace

datasets::Sample perturbed(const scenario::Scenario& scenario, const datasets::Sample& sample,
                           std::uint32_t perturbation) {
  const augment::Pipeline& pipeline = scenario.perturbations[perturbation];
  if (pipeline.steps.empty()) return sample;
  auto scene =
      augment::apply(pipeline, {sample.image, sample.objects}, scenario.seed, sample.index);
  if (!scene) {
    throw Exception({Errc::data, sample.file,
                     fmt::format("sample {} cannot be perturbed by {}: {}", sample.index,
                                 augment::label(pipeline), scene.error().what),
                     scene.error().hint, ""});
  }
  datasets::Sample result = sample;
  result.image = std::move(scene->image);
  result.objects = std::move(scene->objects);
  datasets::note_transform(result, "perturb " + augment::label(pipeline));
  return result;
}

Readable<datasets::EnrichedData> enrich(const scenario::Scenario& scenario,
                                        const datasets::Dataset& data, unsigned threads) {
  auto clean = read_all(scenario, data, threads);
  const std::size_t count = clean.value.size(), perturbations = scenario.perturbations.size();
  Readable<datasets::EnrichedData> result{
      {scenario.data.name, data.files(), {}, data.categories(), {}, {}}, std::move(clean.notices)};
  datasets::EnrichedData& enriched = result.value;
  enriched.samples.resize(count * perturbations);
  for_each(enriched.samples.size(), threads, [&](std::size_t i) {
    enriched.samples[i] =
        perturbed(scenario, clean.value[i % count], static_cast<std::uint32_t>(i / count));
  });
  datasets::Parameter index{"source_index", "1", "place in the data set it comes from", {}};
  datasets::Parameter row{"perturbation", "1", "number of its perturbation in the scenario", {}};
  for (std::size_t i = 0; i < enriched.samples.size(); ++i) {
    const std::size_t perturbation = i / count;
    enriched.perturbations.push_back(augment::label(scenario.perturbations[perturbation]));
    index.values.push_back(static_cast<double>(enriched.samples[i].index));
    row.values.push_back(static_cast<double>(perturbation));
  }
  enriched.parameters = {std::move(index), std::move(row)};
  return result;
}

Readable<std::vector<augment::SheetRow>> sheet_rows(const scenario::Scenario& scenario,
                                                    const datasets::Dataset& data,
                                                    std::uint64_t count) {
  Readable<std::vector<augment::SheetRow>> rows;
  for (std::uint64_t i = 0; i < data.size() && rows.value.size() < count; ++i) {
    auto sample = read_or_note(scenario, data, i, rows.notices.emplace_back());
    if (!sample) continue;
    std::string label = fmt::format("sample {}", sample->id);
    if (sample->label) {
      const auto& names = data.categories();
      const auto named = std::find_if(names.begin(), names.end(),
                                      [&](const auto& c) { return c.number == *sample->label; });
      label +=
          named == names.end() ? fmt::format(", class {}", *sample->label) : ", " + named->name;
    }
    rows.value.push_back({label, sample->index, {sample->image, std::move(sample->objects)}});
  }
  drop_empty(rows.notices);
  if (rows.value.empty()) {
    throw Exception({Errc::data, scenario.data.images, "none of the images can be read",
                     rows.notices.front(), ""});
  }
  return rows;
}

}  // namespace bitquake::engine
