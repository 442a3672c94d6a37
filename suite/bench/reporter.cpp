#include "suite/bench/reporter.hpp"

#include <utility>

namespace bitquake::bench {

Reporter::Reporter(std::ostream* json, std::function<void(const Run&)> measured)
    : json_out_(json), measured_(std::move(measured)) {
  if (json_out_ != nullptr) json_.SetOutputStream(json_out_);
}

bool Reporter::ReportContext(const Context& context) {
  if (json_out_ != nullptr && !begun_) json_.ReportContext(context);
  begun_ = true;
  return true;
}

void Reporter::ReportRuns(const std::vector<Run>& runs) {
  std::vector<Run> numbered = runs;
  for (Run& run : numbered) {
    run.repetition_index = seen_[run.benchmark_name()]++;
    run.repetitions = repetitions_;
    measured_(run);
  }
  if (json_out_ != nullptr) json_.ReportRuns(numbered);
}

void Reporter::finish() {
  if (json_out_ != nullptr && begun_) json_.Finalize();
}

}  // namespace bitquake::bench
