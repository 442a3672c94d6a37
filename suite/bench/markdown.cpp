#include "suite/base/text.hpp"
#include "suite/bench/ablation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace bitquake::bench {
namespace {

/// Three digits are as many as a measurement of this kind has.
std::string number(double value) {
  if (value >= 100) return with_commas(static_cast<std::uint64_t>(value + 0.5));
  return fmt::format("{:.{}f}", value, value >= 10 ? 1 : 2);
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

double rate(const Measurement* measurement) {
  return measurement == nullptr ? 0.0 : measurement->trials_per_s();
}

std::string ratio(const Measurement* measurement, double baseline) {
  if (measurement == nullptr || measurement->seconds.empty() || baseline == 0) return "-";
  return number(rate(measurement) / baseline);
}

/// "1,024", or "1,024 (64)" when the reference executor ran only the first 64.
std::string trials_text(const CaseReport& report, unsigned threads) {
  std::string text = with_commas(report.size.trials());
  const Measurement* reference = report.find("reference", threads);
  if (reference != nullptr && reference->trials != report.size.trials()) {
    text += fmt::format(" ({})", with_commas(reference->trials));
  }
  return text;
}

std::string memory_text(const Measurement* measurement) {
  if (measurement == nullptr || measurement->peak_bytes.empty()) return "-";
  const auto most = std::ranges::max(measurement->peak_bytes);
  return with_commas((most + 500'000) / 1'000'000);
}

std::string cells(const std::vector<std::string>& texts) {
  return "| " + fmt::format("{}", fmt::join(texts, " | ")) + " |\n";
}

std::string row(const CaseReport& report, unsigned threads) {
  const Measurement* batched = report.find("batched", threads);
  const Measurement* all = report.find("all", threads);
  const double baseline = rate(batched);
  std::vector<std::string> texts{std::string(report.network),  std::string(report.target),
                                 std::to_string(threads),      std::to_string(report.padded_batch),
                                 trials_text(report, threads), number(baseline)};
  for (const Step& step : steps()) {
    if (step.name != "batched") texts.push_back(ratio(report.find(step.name, threads), baseline));
  }
  texts.push_back(ratio(report.find("all", threads, true), baseline));
  texts.push_back(report.limit ? number(*report.limit) : "-");
  texts.push_back(report.limit && baseline > 0 ? percent(rate(all) / baseline / *report.limit)
                                               : "-");
  texts.push_back(percent(report.masked));
  texts.push_back(percent(report.sde));
  texts.push_back(memory_text(batched) + " / " + memory_text(all));
  return cells(texts);
}

std::set<unsigned> threads_of(const CaseReport& report) {
  std::set<unsigned> threads;
  for (const Measurement& measurement : report.measurements) threads.insert(measurement.threads);
  return threads;
}

constexpr std::string_view kHead =
    "| network | faults | threads | rows | trials | batched, trial/s | reference | + prefix | + "
    "masked "
    "stop | + region, channel | all | all, audited | limit | of limit | masked | SDE | MB, batched "
    "/ all |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";

constexpr std::string_view kLegend =
    "Speed-ups over `batched` on as many threads; medians over repetitions that alternate. Rows: "
    "of the padded batch. `(n)`: "
    "the reference executor ran the first n trials only. Limit: multiply-adds of golden and whole "
    "faulty runs over those of golden runs and of what differs from them, counted for these very "
    "faults. MB: most resident memory of the process.\n";

std::string table(const AblationReport& report, const Named<Workload>& workload) {
  std::string rows;
  for (const CaseReport& one : report.cases) {
    if (one.workload != workload.name) continue;
    for (const unsigned threads : threads_of(one)) rows += row(one, threads);
  }
  if (rows.empty()) return "";
  return fmt::format("### {}: {}\n{}{}\n", workload.name, workload.doc, kHead, rows);
}

}  // namespace

std::string ablation_markdown(const AblationReport& report) {
  std::string text;
  for (const auto& workload : kWorkloads) text += table(report, workload);
  return text + std::string(kLegend);
}

}  // namespace bitquake::bench
