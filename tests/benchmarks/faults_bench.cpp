// Bit arithmetic, drawing and storing of faults.
#include "faultgen/sampler.hpp"
#include "suite/base/rng.hpp"
#include "tests/base/temp_directory.hpp"
#include "tests/benchmarks/peak_memory.hpp"

#include <benchmark/benchmark.h>

#include <numeric>
#include <vector>

namespace {

using namespace bitquake;
using namespace bitquake::faultgen;

/// Sites of LeNet-5 on 28x28 images.
std::vector<Site> lenet_sites() {
  return {{"conv1", 0, SiteKind::conv2d, {6, 1, 5, 5}, {6, 28, 28}},
          {"conv2", 0, SiteKind::conv2d, {16, 6, 5, 5}, {16, 10, 10}},
          {"fc1", 0, SiteKind::linear, {120, 400}, {120}},
          {"fc2", 0, SiteKind::linear, {84, 120}, {84}},
          {"fc3", 0, SiteKind::linear, {10, 84}, {10}}};
}

constexpr std::uint64_t kFaults = 100'000;

FaultSet draw(Draw how, std::uint64_t faults = kFaults) {
  FaultEntry entry;
  entry.bits.resize(kFp32Bits);
  std::iota(entry.bits.begin(), entry.bits.end(), 0U);
  entry.draw = how;
  return value_or_throw(
      draw_faults(lenet_sites(), {.entries = {entry}, .samples = faults, .seed = 1}));
}

void apply_flip(benchmark::State& state) {
  std::vector<float> values(4096, 1.5F);
  Draws draws(1, Stream::fault_bits, 0);
  std::vector<std::uint64_t> masks;
  for (std::size_t i = 0; i < values.size(); ++i) masks.push_back(1ULL << draws.below(kFp32Bits));
  for (auto _ : state) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::uint64_t bits = apply(FaultModel::bit_flip, masks[i], to_bits(values[i]));
      values[i] = from_bits(static_cast<std::uint32_t>(bits));
    }
    benchmark::DoNotOptimize(values.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(values.size()));
  state.SetLabel("flips in a 16 KiB array, masks at hand; may be vectorised");
}
BENCHMARK(apply_flip);

void draw_set(benchmark::State& state, Draw how) {
  for (auto _ : state) benchmark::DoNotOptimize(draw(how));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kFaults));
  state.SetLabel("faults of a set in memory, LeNet-5, one fault in each group");
}
BENCHMARK_CAPTURE(draw_set, elements, Draw::elements)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(draw_set, sites, Draw::sites)->Unit(benchmark::kMillisecond);

void write_set(benchmark::State& state) {
  const test::TempDirectory directory;
  const FaultSet set = draw(Draw::elements);
  for (auto _ : state) write_fault_set(set, directory / "faults.h5");
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kFaults));
  state.SetLabel("faults: compressed, written, synced to disk, renamed");
}
BENCHMARK(write_set)->Unit(benchmark::kMillisecond)->UseRealTime();

void draw_and_write_large_set(benchmark::State& state) {
  constexpr std::uint64_t kMany = 5'000'000;
  const test::TempDirectory directory;
  const test::PeakMemory memory(state);
  for (auto _ : state) write_fault_set(draw(Draw::elements, kMany), directory / "faults.h5");
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kMany));
  state.SetLabel("faults: drawn, compressed, written, synced to disk, renamed");
}
BENCHMARK(draw_and_write_large_set)->Unit(benchmark::kSecond)->UseRealTime()->Iterations(1);

void read_set(benchmark::State& state) {
  const test::TempDirectory directory;
  write_fault_set(draw(Draw::elements), directory / "faults.h5");
  for (auto _ : state)
    benchmark::DoNotOptimize(value_or_throw(read_fault_set(directory / "faults.h5")));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kFaults));
  state.SetLabel("faults: read from the page cache, every value checked");
}
BENCHMARK(read_set)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
