#pragma once

#include "suite/base/error.hpp"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace bitquake::engine {

/// Calls work(i) for i < count on some threads; then throws the Exception of the lowest i that has
/// one.
template <class Work>
void for_each(std::size_t count, unsigned threads, Work work) {
  std::vector<std::optional<Error>> errors(count);
  const tbb::global_control parallelism(tbb::global_control::max_allowed_parallelism, threads);
  tbb::task_arena arena(static_cast<int>(threads));
  arena.execute([&] {
    tbb::parallel_for(std::size_t{0}, count, [&](std::size_t i) {
      try {
        work(i);
      } catch (const Exception& exception) {
        errors[i] = exception.error();
      }
    });
  });
  for (std::optional<Error>& error : errors) {
    if (error) throw Exception(*std::move(error));
  }
}

}  // namespace bitquake::engine
