#include "suite/engine/pipeline.hpp"

#include <oneapi/tbb/enumerable_thread_specific.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_pipeline.h>
#include <oneapi/tbb/task_arena.h>

#include <memory>
#include <utility>

namespace bitquake::engine {

void run_pipeline(const Inputs& inputs, const std::vector<std::uint64_t>& units,
                  unsigned threads, const std::atomic<bool>& stop,
                  const std::function<void(UnitRows)>& write) {
  namespace tbb = oneapi::tbb;
  tbb::enumerable_thread_specific<std::unique_ptr<model::Executor>> executors(
      [&] { return inputs.model->make_executor(); });
  std::size_t next = 0;
  const auto read = [&](tbb::flow_control& control) -> std::uint64_t {
    if (next == units.size() || stop.load(std::memory_order_relaxed)) {
      control.stop();
      return 0;
    }
    return units[next++];
  };
  const auto decode = [&](std::uint64_t unit) {
    return std::make_shared<const UnitInput>(decode_unit(inputs, unit));
  };
  const auto infer = [&](const std::shared_ptr<const UnitInput>& input) {
    return std::make_shared<UnitRows>(run_unit(inputs, *input, *executors.local()));
  };
  const auto store = [&](const std::shared_ptr<UnitRows>& rows) { write(std::move(*rows)); };

  // Without this TBB starts no more workers than the machine has cores, whatever was asked for.
  const tbb::global_control parallelism(tbb::global_control::max_allowed_parallelism, threads);
  // Twice as many units as workers are live, so that one unit's end does not wait for another's.
  tbb::task_arena arena(static_cast<int>(threads));
  arena.execute([&] {
    tbb::parallel_pipeline(
        2 * threads,
        tbb::make_filter<void, std::uint64_t>(tbb::filter_mode::serial_in_order, read) &
            tbb::make_filter<std::uint64_t, std::shared_ptr<const UnitInput>>(
                tbb::filter_mode::parallel, decode) &
            tbb::make_filter<std::shared_ptr<const UnitInput>, std::shared_ptr<UnitRows>>(
                tbb::filter_mode::parallel, infer) &
            tbb::make_filter<std::shared_ptr<UnitRows>, void>(tbb::filter_mode::serial_in_order,
                                                              store));
  });
}

}  // namespace bitquake::engine
