#include "results/row_difference.hpp"

#include "metrics/outcome.hpp"
#include "results/columns.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <concepts>

namespace bitquake::results {
namespace {

std::string value_text(std::string_view, double value) { return shortest(value); }

template <std::integral T>
std::string value_text(std::string_view column, T value) {
  if (column.ends_with("_bits")) return fmt::format("{:#010x}", value);
  if (column.ends_with("_hash")) return fmt::format("{:#018x}", value);
  if (column == "outcome") {
    return std::string(metrics::kOutcomeNames.at(static_cast<std::size_t>(value)));
  }
  return fmt::format("{}", value);
}

template <class Row, std::size_t N>
std::vector<Difference> compare(const std::array<Column<Row>, N>& columns, const std::string& table,
                                const std::string& row, const Row& a, const Row& b) {
  std::vector<Difference> found;
  for (const Column<Row>& column : columns) {
    if (column.name == "message") continue;
    std::visit(
        [&](auto member) {
          const std::string stored = value_text(column.name, a.*member);
          const std::string computed = value_text(column.name, b.*member);
          if (stored == computed) return;
          found.push_back({fmt::format("{}/{}{}", table, column.name, row), stored, computed});
        },
        column.member);
  }
  return found;
}

}  // namespace

std::vector<Difference> differences(const TrialRow& stored, const TrialRow& computed) {
  return compare(kTrialColumns, "trials", "", stored, computed);
}

std::vector<Difference> differences(const InjectionRow& stored, const InjectionRow& computed) {
  return compare(kInjectionColumns, "injections", " of fault " + std::to_string(computed.fault),
                 stored, computed);
}

std::vector<Difference> differences(const MonitorRow& stored, const MonitorRow& computed) {
  return compare(kMonitorColumns, "monitored", "", stored, computed);
}

std::vector<Difference> differences(const DeviationRow& stored, const DeviationRow& computed) {
  return compare(kDeviationColumns, "deviations", " of point " + std::to_string(computed.point),
                 stored, computed);
}

std::vector<Difference> differences(const GoldenRow& stored, const GoldenRow& computed) {
  return compare(kGoldenColumns, "golden", "", stored, computed);
}

}  // namespace bitquake::results
