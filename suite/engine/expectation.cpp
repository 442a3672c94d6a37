#include "suite/engine/expectation.hpp"

#include "suite/base/text.hpp"
#include "suite/engine/golden_probe.hpp"

#include <fmt/format.h>

namespace bitquake::engine {

Result<std::monostate> check_expectation(const Inputs& inputs, unsigned threads,
                                         const std::atomic<bool>& stop, Observer& observer) {
  const auto& expected = inputs.scenario.expect.golden_top1;
  if (!expected) return std::monostate{};
  const GoldenProbe probe = probe_golden(inputs, threads, stop);
  if (stop.load()) return std::monostate{};
  const double found = probe.labelled == 0
                           ? 0
                           : static_cast<double>(probe.right) / static_cast<double>(probe.labelled);
  const std::string text = fmt::format("golden top-1 is {:.4f} ({} of {} samples)", found,
                                       with_commas(probe.right), with_commas(probe.labelled));
  if (found >= *expected) {
    observer.notice(text + ", expected at least " + shortest(*expected));
    return std::monostate{};
  }
  return Error{Errc::expectation, "expect.golden_top1",
               text + ", expected at least " + shortest(*expected) + "; no trial was run",
               "check preprocess, data.labels and model.file: the fault-free model must answer as "
               "well as it was trained to",
               ""};
}

}  // namespace bitquake::engine
