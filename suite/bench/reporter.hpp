#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace bitquake::bench {

/// Takes what Google Benchmark reports of several runs of its registry, as if they were one. Each
/// repetition is registered under the same name; the reporter numbers them.
class Reporter : public benchmark::BenchmarkReporter {
 public:
  /// @param json     gets the report in JSON; may be null
  /// @param measured called with each repetition
  Reporter(std::ostream* json, std::function<void(const Run&)> measured);

  /// Repetitions of each of the benchmarks that follow.
  void set_repetitions(unsigned repetitions) { repetitions_ = repetitions; }

  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;
  void finish();  ///< ends the JSON; after the last run

 private:
  std::ostream* json_out_;
  benchmark::JSONReporter json_;
  std::function<void(const Run&)> measured_;
  std::map<std::string, std::int64_t> seen_;  ///< repetitions by name
  unsigned repetitions_ = 1;
  bool begun_ = false;
};

}  // namespace bitquake::bench
