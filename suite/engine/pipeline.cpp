#include "suite/engine/pipeline.hpp"

#include "suite/engine/execution.hpp"
#include "suite/engine/memory.hpp"

#include <oneapi/tbb/enumerable_thread_specific.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_pipeline.h>
#include <oneapi/tbb/task_arena.h>

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

namespace bitquake::engine {
namespace {

/// A unit on its way through the stages.
struct Slot {
  std::uint64_t unit = 0;
  UnitInput input;
  UnitRows rows;
};

/// Touched first and last by each stage. TBB orders the stages of a unit and of a serial filter,
/// but ThreadSanitizer cannot see into libtbb; this it sees. Costs nothing, and hides no race of
/// stages that run at the same time.
class Ordered {
 public:
  Ordered() { touch(); }
  Ordered(const Ordered&) = delete;
  Ordered& operator=(const Ordered&) = delete;
  ~Ordered() { touch(); }

 private:
  static void touch() {
    static std::atomic<unsigned> touches = 0;
    touches.fetch_add(1, std::memory_order_acq_rel);
  }
};

}  // namespace

void run_pipeline(const Inputs& inputs, const std::vector<std::uint64_t>& units,
                  const PipelineOptions& options, const Work& work, const std::atomic<bool>& stop,
                  const std::function<void(UnitRows)>& write, const Decode& decode_input) {
  namespace tbb = oneapi::tbb;
  const unsigned threads = options.threads;
  const auto execution = options.execution.value_or(execution_options(inputs.scenario));
  tbb::enumerable_thread_specific<Executors> executors(
      [&] { return Executors(inputs, execution); });
  // Units end in order: when a slot's turn comes again, its last unit has been written.
  std::vector<Slot> slots(plan_memory(inputs, threads, execution).live_units());
  std::size_t next = 0;
  const Ordered whole;

  const auto read = [&](tbb::flow_control& control) -> Slot* {
    const Ordered stage;
    if (next == units.size() || stop.load(std::memory_order_relaxed)) {
      control.stop();
      return nullptr;
    }
    Slot& slot = slots[next % slots.size()];
    slot.unit = units[next++];
    return &slot;
  };
  const auto decode = [&](Slot* slot) {
    const Ordered stage;
    slot->input = decode_input(inputs, slot->unit);
    return slot;
  };
  const auto infer = [&](Slot* slot) {
    const Ordered stage;
    slot->rows = work(inputs, slot->input, executors.local());
    slot->input = {};
    return slot;
  };
  const auto store = [&](Slot* slot) {
    const Ordered stage;
    write(std::exchange(slot->rows, {}));
  };

  // Without this TBB starts no more workers than the machine has cores, whatever was asked for.
  const tbb::global_control parallelism(tbb::global_control::max_allowed_parallelism, threads);
  tbb::task_arena arena(static_cast<int>(threads));
  arena.execute([&] {
    tbb::parallel_pipeline(
        slots.size(), tbb::make_filter<void, Slot*>(tbb::filter_mode::serial_in_order, read) &
                          tbb::make_filter<Slot*, Slot*>(tbb::filter_mode::parallel, decode) &
                          tbb::make_filter<Slot*, Slot*>(tbb::filter_mode::parallel, infer) &
                          tbb::make_filter<Slot*, void>(tbb::filter_mode::serial_in_order, store));
  });
}

}  // namespace bitquake::engine
