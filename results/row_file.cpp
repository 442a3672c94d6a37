#include "results/row_file.hpp"

#include "results/column_io.hpp"

#include <algorithm>

namespace bitquake::results {
namespace {

constexpr auto kMessages = "messages/text";

/// Throws for the first row that `good` refuses.
template <class Rows, class Good>
void check_rows(const h5::File& file, const char* table, const Rows& rows, Good good) {
  const auto bad = std::find_if_not(rows.begin(), rows.end(), good);
  if (bad == rows.end()) return;
  throw Exception({Errc::results, file.path().string(),
                   "row " + std::to_string(bad - rows.begin()) + " of /" + table +
                       " holds a code that its column does not have",
                   "the file is damaged", ""});
}

}  // namespace

void write_tables(h5::File& file, const BigVector<TrialRow>& trials,
                  const BigVector<InjectionRow>& injections, const Observed& observed,
                  const std::vector<GoldenRow>& golden, const std::vector<std::string>& messages) {
  write_rows(file, "trials", kTrialColumns, trials);
  write_rows(file, "injections", kInjectionColumns, injections);
  write_rows(file, "monitored", kMonitorColumns, observed.monitors);
  if (!observed.deviations.empty()) {
    write_rows(file, "deviations", kDeviationColumns, observed.deviations);
  }
  write_rows(file, "golden", kGoldenColumns, golden);
  file.write_strings(kMessages, messages, {"1", "why inferences failed; row 0: they did not"});
}

RowTables read_tables(const h5::File& file) {
  RowTables tables;
  tables.trials = read_rows<BigVector<TrialRow>>(file, "trials", kTrialColumns);
  tables.injections = read_rows<BigVector<InjectionRow>>(file, "injections", kInjectionColumns);
  tables.observed.monitors = read_rows<BigVector<MonitorRow>>(file, "monitored", kMonitorColumns);
  if (file.has("deviations")) {
    tables.observed.deviations =
        read_rows<BigVector<DeviationRow>>(file, "deviations", kDeviationColumns);
  }
  tables.golden = read_rows<std::vector<GoldenRow>>(file, "golden", kGoldenColumns);
  tables.messages = file.read_strings(kMessages);

  if (tables.messages.empty() || !tables.messages.front().empty()) {
    throw Exception({Errc::results, file.path().string(), "row 0 of /messages must be empty",
                     "the file is damaged", ""});
  }
  check_rows(file, "trials", tables.trials, [&](const TrialRow& row) {
    return row.outcome <= 3 && row.sdc5 <= 1 && row.sdc10 <= 1 && row.sdc20 <= 1 &&
           row.any_nonfinite <= 1 && row.faulty_top1 >= -1 && row.first_nonfinite >= kNoPoint &&
           row.message < tables.messages.size();
  });
  check_rows(file, "injections", tables.injections,
             [](const InjectionRow& row) { return row.active <= 1 && row.reached <= row.active; });
  check_rows(file, "monitored", tables.observed.monitors,
             [](const MonitorRow& row) { return row.monitor <= 1; });
  check_rows(file, "deviations", tables.observed.deviations, [](const DeviationRow& row) {
    return row.nonfinite <= row.differing && row.max_abs >= 0 && row.rel_l2 >= 0;
  });
  check_rows(file, "golden", tables.golden, [](const GoldenRow& row) {
    return row.label >= kNoLabel && row.top1 >= -1 && row.skipped <= 2;
  });
  return tables;
}

void write_format(h5::File& file, const std::string& content) {
  file.set_attribute("content", content);
  file.set_attribute("format_version", kResultsVersion);
}

void check_format(const h5::File& file, const std::string& content) {
  const std::string found = file.string_attribute("content");
  if (found != content) {
    throw Exception({Errc::results, file.path().string(),
                     "holds '" + found + "', wanted '" + content + "'", "give another file", ""});
  }
  const std::uint64_t version = file.integer_attribute("format_version");
  if (version != kResultsVersion) {
    throw Exception({Errc::results, file.path().string(),
                     "has format version " + std::to_string(version) + ", this program reads " +
                         std::to_string(kResultsVersion),
                     "use the version of Bitquake that wrote it", ""});
  }
}

}  // namespace bitquake::results
