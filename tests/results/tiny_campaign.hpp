#pragma once

#include "faultgen/fault_set.hpp"
#include "results/merge.hpp"
#include "results/segment.hpp"
#include "results/trials.hpp"
#include "tests/base/temp_directory.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

/// A campaign small enough to count by hand: 11 samples, of which sample 3 is skipped, one bit flip
/// per sample, 10 classes. Three sites, of which "fc" is never hit.
namespace bitquake::test {

struct TinyTrial {
  std::uint64_t sample;
  std::uint32_t site;
  unsigned bit;
  std::uint8_t outcome;  ///< 0 due, 1 masked, 2 benign, 3 sde
};

// clang-format off
inline const std::vector<TinyTrial> kTinyTrials{
    {0, 0, 31, 1},
    {1, 0, 30, 0},   // NaN output
    {2, 0, 30, 3},   // SDC-5, SDC-10, SDC-20
    {4, 1, 0, 1},
    {5, 1, 0, 1},
    {6, 1, 0, 2},
    {7, 1, 22, 1},   // not reached
    {8, 1, 23, 2},   // SDC-10; golden top-1 wrong, the label has rank 3
    {9, 1, 31, 1},   // golden top-1 wrong, the label has rank 5
    {10, 0, 30, 0},  // the inference failed
};
// clang-format on

inline faultgen::FaultSet tiny_faults() {
  using namespace faultgen;
  FaultSet set;
  set.sites = {{"conv1", 0, SiteKind::conv2d, {6, 1, 5, 5}, {6, 28, 28}},
               {"conv2", 0, SiteKind::conv2d, {16, 6, 5, 5}, {16, 10, 10}},
               {"fc", 1, SiteKind::linear, {10, 400}, {10}}};
  for (std::uint64_t slot = 0; slot < 11; ++slot) {
    set.groups.push_back({0, slot, slot, 1});
    set.faults.push_back({0, Target::neuron, FaultModel::bit_flip, 100 + slot, 1});
    set.sampling_weight.push_back(1);
  }
  for (const TinyTrial& trial : kTinyTrials) {
    set.faults[trial.sample].site = trial.site;
    set.faults[trial.sample].bit_mask = std::uint64_t{1} << trial.bit;
  }
  return set;
}

inline results::GoldenRow tiny_golden(std::uint64_t sample) {
  results::GoldenRow row;
  row.sample = sample;
  row.sample_index = 1000 + sample;
  row.file = static_cast<std::uint32_t>(sample % 2);
  row.id = 5000 + sample;
  row.content_hash = 0xC0000000 + sample;
  row.height = row.width = 28;
  row.label = row.top1 = static_cast<std::int32_t>(sample % 10);
  row.label_rank = 0;
  row.top1_probability = 0.75;
  row.output_hash = 0xF000000000000000U + sample;
  if (sample == 8) row.top1 = 5, row.label_rank = 3;
  if (sample == 9) row.top1 = 7, row.label_rank = 5;
  if (sample == 3) row.skipped = 1, row.top1 = -1, row.label_rank = 10;
  return row;
}

inline results::TrialRow tiny_trial(const TinyTrial& tiny) {
  const results::GoldenRow golden = tiny_golden(tiny.sample);
  results::TrialRow row;
  row.trial = row.sample = row.group = row.first_fault = tiny.sample;
  row.n_faults = 1;
  row.outcome = tiny.outcome;
  row.faulty_top1 = golden.top1;
  row.label_rank = golden.label_rank;
  row.golden_probability = golden.top1_probability;
  row.faulty_probability = tiny.outcome == 2 ? 0.7 : 0.75;
  row.output_hash = golden.output_hash + (tiny.outcome == 1 ? 0 : 1);
  if (tiny.sample == 2) {
    row.faulty_top1 = 8, row.label_rank = 6, row.faulty_probability = 1e-7;
    row.sdc5 = row.sdc10 = row.sdc20 = 1;
  }
  if (tiny.sample == 8) row.sdc10 = 1, row.faulty_probability = 0.65;
  if (tiny.outcome != 0) return row;
  row.faulty_top1 = -1, row.label_rank = 10;
  row.faulty_probability = std::numeric_limits<double>::quiet_NaN();
  if (tiny.sample == 1) row.first_nonfinite = 1, row.nonfinite_points = 2, row.any_nonfinite = 1;
  if (tiny.sample == 10) row.message = 1, row.output_hash = 0, row.label_rank = 0;  // no output
  return row;
}

inline results::InjectionRow tiny_injection(const TinyTrial& tiny) {
  if (tiny.sample == 7) return {tiny.sample, tiny.sample, 1, 0, 0, 0};
  const std::uint64_t bits = 0x3F800000;
  return {tiny.sample, tiny.sample, 1, 1, bits, bits ^ (std::uint64_t{1} << tiny.bit)};
}

inline results::Campaign tiny_header() {
  return {"c0ffee",
          "batch=16\nblas=x",
          10,
          {{"conv1", "site_output"}, {"relu", "module_output"}, {"output", "output"}},
          {{"conv1", "conv2d"}, {"conv2", "conv2d"}, {"fc#1", "linear"}},
          {"a.png", "b, c.png"}};
}

inline const std::string kTinyMessage = "reshape, \"view\": sizes differ";

inline results::Trials tiny_trials() {
  results::Trials all;
  all.campaign = tiny_header();
  all.messages.push_back(kTinyMessage);
  for (std::uint64_t sample = 0; sample < 11; ++sample) all.golden.push_back(tiny_golden(sample));
  for (const TinyTrial& tiny : kTinyTrials) {
    all.trials.push_back(tiny_trial(tiny));
    all.injections.push_back(tiny_injection(tiny));
  }
  all.observed.monitors = {{1, 0, 1}, {1, 0, 2}};
  all.observed.deviations = {
      {1, 1, 3, 3, 0, 0}, {1, 2, 10, 4, 0.5, 2}, {2, 2, 1, 0, 4, 0.25}, {8, 2, 2, 0, 1, 0.125}};
  return all;
}

/// Samples [4 * unit, 4 * unit + 4) make a work unit; there are 3. Rows run backwards, because a
/// reader must not rely on their order.
inline results::Segment tiny_segment(std::uint64_t first_unit, std::uint64_t n_units) {
  results::Segment segment;
  segment.first_unit = first_unit;
  segment.n_units = n_units;
  segment.campaign = tiny_header().identity;
  segment.fingerprint = tiny_header().fingerprint;
  const results::Trials all = tiny_trials();
  const auto inside = [&](std::uint64_t sample) {
    return sample >= 4 * first_unit && sample < 4 * (first_unit + n_units);
  };
  for (const auto& row : all.golden) {
    if (inside(row.sample)) segment.golden.insert(segment.golden.begin(), row);
  }
  for (std::size_t i = 0; i < all.trials.size(); ++i) {
    if (!inside(all.trials[i].sample)) continue;
    segment.trials.insert(segment.trials.begin(), all.trials[i]);
    segment.injections.insert(segment.injections.begin(), all.injections[i]);
    if (all.trials[i].message != 0) segment.messages.push_back(all.messages[1]);
  }
  const auto copy = [&](const auto& from, auto& to) {
    for (std::size_t i = from.size(); i-- > 0;) {
      if (inside(from[i].trial)) to.push_back(from[i]);
    }
  };
  copy(all.observed.monitors, segment.observed.monitors);
  copy(all.observed.deviations, segment.observed.deviations);
  return segment;
}

}  // namespace bitquake::test
