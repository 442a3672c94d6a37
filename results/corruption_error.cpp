#include "results/corruption_error.hpp"

#include "results/summary.hpp"
#include "suite/base/csv.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/text.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <functional>
#include <string_view>

namespace bitquake::results {
namespace {

constexpr const char* kFormat =
    "give a CSV file with the columns corruption,severity,error, such as fog,3,0.25; a "
    "kpi/corruption_error.csv of Bitquake is one";

/// A number in [0, 1], written in decimals.
std::optional<double> fraction(std::string_view text) {
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = failure == std::errc() && end == text.data() + text.size();
  return whole && value >= 0 && value <= 1 ? std::optional(value) : std::nullopt;
}

/// a op b, none when one of them is.
template <class Op>
std::optional<double> combined(const std::optional<double>& a, const std::optional<double>& b,
                               Op op) {
  return a && b ? std::optional<double>(op(*a, *b)) : std::nullopt;
}

std::optional<double> quotient(const std::optional<double>& a, const std::optional<double>& b) {
  return b && *b == 0 ? std::nullopt : combined(a, b, std::divides<>());
}

/// A sum of `n` values; none as soon as one of them is.
struct Sum {
  std::optional<double> total = 0;
  double n = 0;

  void add(const std::optional<double>& x) {
    total = combined(total, x, std::plus<>());
    ++n;
  }
  std::optional<double> mean() const { return quotient(total, n); }
};

std::optional<double> error_of(const Tables& tables, std::string_view metric) {
  const auto rate = std::find_if(tables.overall.begin(), tables.overall.end(),
                                 [&](const metrics::Rate& r) { return r.metric == metric; });
  if (rate == tables.overall.end() || rate->n == 0) return std::nullopt;
  return static_cast<double>(rate->n - rate->k) / static_cast<double>(rate->n);
}

}  // namespace

Result<CorruptionBaseline> read_corruption_baseline(const std::filesystem::path& file) {
  const auto text = read_text(file, Errc::data);
  if (!text) return text.error();
  CsvReader reader(Errc::data, file.string(), *text);
  const auto header = reader.next();
  if (!header) return header.error();
  const auto column = [&](std::string_view name) {
    return static_cast<std::size_t>(
        std::find_if(header->begin(), header->end(),
                     [&](const CsvCell& cell) { return cell.text == name; }) -
        header->begin());
  };
  const std::size_t corruption = column("corruption"), severity = column("severity");
  const std::size_t variant = column("variant"), plain = column("error"),
                    golden = column("golden_error");
  const std::size_t error = std::min(plain, golden), columns = header->size();
  for (const auto& [at, name] :
       {std::pair(corruption, "corruption"), {severity, "severity"}, {error, "error"}}) {
    if (at == columns) {
      return reader.error({}, std::string("has no column '") + name + "'", kFormat);
    }
  }
  CorruptionBaseline baseline;
  while (true) {
    const auto row = reader.next();
    if (!row) return row.error();
    if (row->empty()) return baseline;
    if (row->size() != columns) {
      return reader.error(row->front(),
                          "a line of " + std::to_string(row->size()) + " cells, the first has " +
                              std::to_string(columns),
                          kFormat);
    }
    const CsvCell &level = (*row)[severity], &value = (*row)[error];
    if (level.text == "mean") continue;
    if (variant < columns && (*row)[variant].text != "original") continue;
    if (level.text.size() != 1 || level.text < "1" || level.text > "5") {
      return reader.error(level, "severity is " + in_quotes(level.text),
                          "use 1, 2, 3, 4 or 5; lines of 'mean' are passed over");
    }
    const auto number = fraction(value.text);
    if (!number) {
      return reader.error(value, "error is " + in_quotes(value.text),
                          "use a fraction from 0 to 1, such as 0.25");
    }
    const Corruption key{(*row)[corruption].text, level.text.front() - '0'};
    if (!baseline.emplace(key, *number).second) {
      return reader.error(row->front(), in_quotes(key.first + "/" + level.text) + " comes twice",
                          "leave one error for each");
    }
  }
}

namespace {

/// Of one variant, whose tables begin at `first`.
std::vector<CorruptionError> errors_of(const Summary& summary, std::size_t first,
                                       const Corruptions& corruptions) {
  const auto tables_of = [&](std::size_t p) -> const Tables& { return summary.tables[first + p]; };
  // In the order in which the campaign names them first.
  std::vector<std::pair<std::string, std::vector<std::size_t>>> by_name;
  for (std::size_t p = 0; p < corruptions.perturbations.size(); ++p) {
    if (!corruptions.perturbations[p] || !error_of(tables_of(p), "golden_top1")) continue;
    const std::string& name = corruptions.perturbations[p]->first;
    auto found = std::find_if(by_name.begin(), by_name.end(),
                              [&](const auto& entry) { return entry.first == name; });
    if (found == by_name.end()) found = by_name.insert(found, {name, {}});
    found->second.push_back(p);
  }
  std::vector<CorruptionError> errors;
  Sum golden, faulty, golden_relative, faulty_relative;  // of the means
  for (const auto& [name, perturbations] : by_name) {
    Sum golden_errors, faulty_errors, baseline;
    for (const std::size_t p : perturbations) {
      const Corruption& corruption = *corruptions.perturbations[p];
      const auto g = error_of(tables_of(p), "golden_top1");
      const auto f = error_of(tables_of(p), "faulty_top1");
      std::optional<double> base;
      if (corruptions.baseline) base = corruptions.baseline->at(corruption);
      errors.push_back(
          {name, std::to_string(corruption.second), g, f, quotient(g, base), quotient(f, base)});
      golden_errors.add(g);
      faulty_errors.add(f);
      baseline.add(base);
    }
    const CorruptionError& mean = errors.emplace_back(
        CorruptionError{name, "mean", golden_errors.mean(), faulty_errors.mean(),
                        quotient(golden_errors.total, baseline.total),
                        quotient(faulty_errors.total, baseline.total)});
    golden.add(mean.golden);
    faulty.add(mean.faulty);
    golden_relative.add(mean.golden_relative);
    faulty_relative.add(mean.faulty_relative);
  }
  if (errors.empty()) return errors;
  errors.push_back({"mean", "mean", golden.mean(), faulty.mean(), golden_relative.mean(),
                    faulty_relative.mean()});
  for (CorruptionError& error : errors) error.variant = tables_of(0).variant;
  return errors;
}

}  // namespace

std::vector<CorruptionError> corruption_errors(const Summary& summary,
                                               const Corruptions& corruptions) {
  std::vector<CorruptionError> all;
  const std::size_t perturbations = corruptions.perturbations.size();
  for (std::size_t first = 0; perturbations > 0 && first < summary.tables.size();
       first += perturbations) {
    const auto errors = errors_of(summary, first, corruptions);
    all.insert(all.end(), errors.begin(), errors.end());
  }
  return all;
}

}  // namespace bitquake::results
