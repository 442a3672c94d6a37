#include "results/summary.hpp"
#include "suite/base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace bitquake::results {
namespace {

constexpr auto kNone = "-";
constexpr std::size_t kScreenWidth = 100;

/// Decimals of a percentage that show what the data can tell: two digits of the interval's width,
/// or the weight of one trial where there is no interval.
int decimals_of(const metrics::Rate& rate) {
  const double width = rate.interval ? rate.interval->high - rate.interval->low : 0;
  const double resolution = width > 0 ? width / 10 : 1.0 / static_cast<double>(rate.n);
  return std::clamp(static_cast<int>(-std::floor(std::log10(100 * resolution))), 1, 9);
}

/// A fraction in percent; exact 0 and 1 without decimals, so that they do not look rounded.
std::string percent(double fraction, int decimals) {
  if (fraction == 0) return "0";
  if (fraction == 1) return "100";
  std::array<char, 32> buffer{};
  auto* const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), 100 * fraction,
                                  std::chars_format::fixed, decimals)
                        .ptr;
  const std::string text(buffer.data(), end);
  return text.find_first_not_of("-0.") == std::string::npos && text[0] == '-' ? text.substr(1)
                                                                              : text;
}

std::string rate_text(const metrics::Rate& rate) {
  return rate.n == 0 ? kNone : percent(*rate.value(), decimals_of(rate)) + " %";
}

/// The interval; without one the range of the fault groups' rates, where there are several.
std::string interval_text(const metrics::Rate& rate) {
  const auto shown =
      rate.interval || rate.groups.value_or(0) < 2 ? rate.interval : rate.group_range;
  if (!shown) return kNone;
  const int decimals = decimals_of(rate);
  return (rate.interval ? "[" : "range [") + percent(shown->low, decimals) + ", " +
         percent(shown->high, decimals) + "] %";
}

std::string ratio_text(const metrics::Rate& rate) {
  return with_commas(rate.k) + " / " + with_commas(rate.n);
}

/// "95 % interval"
std::string interval_header(const Summary& summary) {
  std::array<char, 32> buffer{};
  auto* const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                  100 * summary.options.confidence, std::chars_format::general, 6)
                        .ptr;
  return std::string(buffer.data(), end) + " % interval";
}

/// How intervals were made, one line per method and unit; the metrics are named where a unit has
/// several methods.
std::string methods_text(const std::vector<metrics::Rate>& rates) {
  std::map<std::string, std::map<std::string, std::string>> metrics;  // unit, method: metrics
  for (const metrics::Rate& rate : rates) {
    if (rate.method.empty()) continue;
    std::string& names = metrics[rate.unit][rate.method];
    names += (names.empty() ? "" : ", ") + rate.metric;
  }
  std::string text;
  for (const auto& [unit, methods] : metrics) {
    for (const auto& [method, names] : methods) {
      text += methods.size() > 1 ? "interval of " + names : "interval per " + unit;
      text += ": " + method + "\n";
    }
  }
  return text;
}

std::string rates_table(const std::vector<metrics::Rate>& rates, const Summary& summary) {
  std::vector<std::vector<std::string>> rows{
      {"metric", "rate", "k / n", interval_header(summary), "unit"}};
  for (const metrics::Rate& rate : rates) {
    rows.push_back(
        {rate.metric, rate_text(rate), ratio_text(rate), interval_text(rate), rate.unit});
  }
  return aligned_table(rows) + methods_text(rates);
}

/// Characters of UTF-8 text; every one that occurs here is one column wide.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

/// At most `width` characters of the end, which says more than the beginning.
std::string shortened_end(const std::string& name, std::size_t width) {
  if (width_of(name) <= width) return name;
  std::size_t start = name.size();
  for (std::size_t kept = 0; kept + 1 < width && start > 0; ++kept) {
    while ((name[--start] & 0xC0) == 0x80) {
    }
  }
  return "…" + name.substr(start);
}

/// At most `width` characters of both ends: "clam…ata".
std::string both_ends(const std::string& name, std::size_t width) {
  if (width_of(name) <= width || width < 3) return shortened_end(name, width);
  std::size_t begin = 0;
  for (std::size_t kept = 0; kept < width / 2; ++kept) {
    do {
      ++begin;
    } while (begin < name.size() && (name[begin] & 0xC0) == 0x80);
  }
  return name.substr(0, begin) + shortened_end(name.substr(begin), width - width / 2);
}

/// At most `width` characters: the end of a site's name, "…conv.1.0"; of "variant, perturbation"
/// both ends of each, and the longer part gives more.
std::string shortened(const std::string& name, std::size_t width) {
  if (width_of(name) <= width) return name;
  if (const std::size_t comma = name.find(", "); comma != std::string::npos && width > 4) {
    const std::string first = name.substr(0, comma), second = name.substr(comma + 2);
    const std::size_t room = width - 2;
    const std::size_t of_second = std::min(width_of(second), room);
    const std::size_t of_first = std::min(width_of(first), std::max(room / 2, room - of_second));
    return both_ends(first, of_first) + ", " + both_ends(second, room - of_first);
  }
  return shortened_end(name, width);
}

/// Shortens the names in the first column until the table fits the screen.
std::string fitted_table(std::vector<std::vector<std::string>> rows) {
  std::string table = aligned_table(rows);
  const std::size_t width = width_of(table.substr(0, table.find('\n')));
  if (width <= kScreenWidth) return table;
  std::size_t names = 0;
  for (const auto& row : rows) names = std::max(names, width_of(row[0]));
  const std::size_t excess = width - kScreenWidth;
  for (auto& row : rows) row[0] = shortened(row[0], names - std::min(excess, names - 1));
  return aligned_table(rows);
}

/// due, masked, benign and sde lead the rates of every breakdown.
std::string breakdown_table(const std::string& key, const std::vector<Breakdown>& breakdown,
                            const Summary& summary) {
  std::vector<std::vector<std::string>> rows{
      {key, "trials", "due", "masked", "benign", "sde", "sde, " + interval_header(summary)}};
  for (const Breakdown& entry : breakdown) {
    const auto& rates = entry.rates;
    rows.push_back({entry.name, with_commas(rates[3].n), rate_text(rates[0]), rate_text(rates[1]),
                    rate_text(rates[2]), rate_text(rates[3]), interval_text(rates[3])});
  }
  return fitted_table(std::move(rows));
}

/// With accumulated faults, how the outcomes change as they gather: all epochs, or some of many.
std::string epochs_text(const Tables& tables, const Summary& summary) {
  constexpr std::size_t kMostRows = 20;
  if (!summary.accumulated) return "";
  const std::size_t count = tables.epochs.size();
  const std::size_t step = (count + kMostRows - 1) / kMostRows;
  std::vector<Breakdown> shown;
  for (std::size_t i = 0; i < count; ++i) {
    if (i % step == 0 || i + 1 == count) shown.push_back(tables.epochs[i]);
  }
  const std::string some =
      step > 1 ? " (every " + std::to_string(step) + ". epoch and the last; all: kpi/epoch.csv)"
               : "";
  return "\nOutcome by epoch, faults of the epochs before included" + some + "\n" +
         breakdown_table("epoch", shown, summary);
}

/// Models have many sites that faults were not meant to hit: kpi/site.csv lists them all.
std::vector<Breakdown> with_trials(const std::vector<Breakdown>& breakdown) {
  std::vector<Breakdown> kept;
  for (const Breakdown& entry : breakdown) {
    if (entry.rates.front().n > 0) kept.push_back(entry);
  }
  return kept;
}

/// Whether there are modified networks.
bool has_variants(const Summary& summary) {
  return summary.tables.back().variant != summary.tables.front().variant;
}

/// Whether there is more than one perturbation.
bool has_perturbations(const Summary& summary) {
  return summary.tables.back().perturbation != summary.tables.front().perturbation;
}

/// "fog/3", with modified networks "clamp", or "clamp, fog/3".
std::string condition_text(const Summary& summary, const Tables& tables) {
  if (!has_variants(summary)) return tables.perturbation;
  return tables.variant + (has_perturbations(summary) ? ", " + tables.perturbation : "");
}

std::string counts_text(const Summary& summary) {
  std::string text =
      with_commas(summary.trials) + " trials (" + with_commas(summary.failed) + " failed) on ";
  const std::string skipped = " skipped: see skipped.csv)\n";
  if (const std::size_t conditions = summary.tables.size(); conditions == 1) {
    text += with_commas(summary.samples - summary.skipped) + " of " + with_commas(summary.samples) +
            " samples (" + with_commas(summary.skipped) + skipped;
  } else {
    const bool variants = has_variants(summary);
    text += with_commas(summary.samples) + (variants ? " samples, " : " samples under ") +
            with_commas(conditions) + (variants ? " conditions (" : " perturbations (") +
            with_commas(summary.skipped) + " of " + with_commas(summary.samples * conditions) +
            (variants ? "" : " pairs") + skipped;
  }
  return text + with_commas(summary.injections) +
         " injections: " + with_commas(summary.injections - summary.unchanged - summary.unreached) +
         " changed bits, " + with_commas(summary.unchanged) + " found them so already, " +
         with_commas(summary.unreached) + " not reached by control flow\n" +
         "faults: " + summary.faults + "\n";
}

std::string active_text(const Tables& tables, const Summary& summary) {
  if (tables.active.empty()) return "";
  return "\nThe " + with_commas(tables.trials - tables.inactive) +
         " trials in which a fault acted (" + with_commas(tables.inactive) +
         " more had none and are masked)\n" + rates_table(tables.active, summary);
}

std::string estimates_text(const Tables& tables, const Summary& summary) {
  if (tables.estimates.empty()) return "";
  std::vector<std::vector<std::string>> rows{
      {"metric", "estimate", interval_header(summary), "sampled", "of", "unit"}};
  std::string methods;
  for (const Estimate& e : tables.estimates) {
    const metrics::Rate shown{e.metric, 0, e.n, e.interval, "", e.unit};
    rows.push_back({e.metric, percent(e.value, decimals_of(shown)) + " %", interval_text(shown),
                    with_commas(e.n), e.population ? with_commas(*e.population) : "-", e.unit});
    methods = e.method;
  }
  const bool by_fault = tables.estimates.front().unit == "fault";
  return std::string("\nEstimates for the whole fault space") +
         (by_fault ? ": faults with such an outcome in at least one trial\n" : "\n") +
         aligned_table(rows) + "estimate: " + methods + "\n";
}

std::string pytorchalfi_text(const Tables& tables, const Summary& summary) {
  if (tables.pytorchalfi.empty()) {
    return "\nPyTorchALFI-compatible figures: none, they need monitor: all\n";
  }
  return "\nPyTorchALFI-compatible figures (their denominators differ; they do not add to 100 "
         "%)\n" +
         rates_table(tables.pytorchalfi, summary);
}

const metrics::Rate* find_rate(const Tables& tables, std::string_view metric) {
  for (const metrics::Rate& rate : tables.overall) {
    if (rate.metric == metric && rate.n > 0) return &rate;
  }
  return nullptr;
}

/// A rate in percent, without the sign.
std::string short_text(const metrics::Rate* rate) {
  return rate == nullptr ? kNone : percent(*rate->value(), decimals_of(*rate));
}

std::string range_text(const metrics::Interval& interval, int decimals) {
  return "[" + percent(interval.low, decimals) + ", " + percent(interval.high, decimals) + "]";
}

/// What faults do under each condition: a line for each.
std::string conditions_text(const Summary& summary) {
  if (summary.tables.size() == 1) return "";
  const std::string key = !has_variants(summary)       ? "perturbation"
                          : has_perturbations(summary) ? "condition"
                                                       : "variant";
  std::vector<std::vector<std::string>> rows{
      {key, "golden", "faulty", "due", "sde", "k / n", "interval", "- clean", "interval"}};
  std::uint64_t unpaired = 0;
  std::string method;
  for (const Tables& tables : summary.tables) {
    const metrics::Rate* sde = find_rate(tables, "sde");
    std::vector<std::string> row{
        condition_text(summary, tables),
        short_text(find_rate(tables, "golden_top1")),
        short_text(find_rate(tables, "faulty_top1")),
        short_text(find_rate(tables, "due")),
        short_text(sde),
        sde == nullptr ? kNone : ratio_text(*sde),
        sde == nullptr || !sde->interval ? kNone : range_text(*sde->interval, decimals_of(*sde)),
        kNone,
        kNone};
    if (tables.interaction && tables.interaction->pairs.n() > 0 && sde != nullptr) {
      const Interaction& found = *tables.interaction;
      const int decimals = decimals_of(*sde);
      const double difference = found.pairs.difference();
      row[7] = (difference > 0 ? "+" : "") + percent(difference, decimals);
      if (found.interval) row[8] = range_text(*found.interval, decimals);
      method = found.method;
      unpaired += found.unpaired;
    }
    rows.push_back(std::move(row));
  }
  std::string text = std::string("\n") +
                     (has_variants(summary) ? "Each variant" : "Under each perturbation") +
                     ", in % with " + interval_header(summary) +
                     "s; golden, faulty: top-1 accuracies\n" + fitted_table(std::move(rows));
  if (!method.empty()) {
    const std::string what = "- clean: minus the sde of clean images, same samples and faults;";
    const bool fits = width_of(what) + 1 + width_of(method) <= kScreenWidth;
    text += what + (fits ? " " : "\n") + method + "\n";
  }
  if (unpaired > 0) {
    text += "- clean leaves out " + with_commas(unpaired) +
            (unpaired == 1 ? " trial whose sample is" : " trials whose samples are") +
            " skipped on the other side\n";
  }
  return text;
}

/// What modified networks are worth, a line for each and each perturbation.
std::string protections_text(const Summary& summary) {
  if (!has_variants(summary)) return "";
  std::vector<std::vector<std::string>> rows{{"condition", "sde", "residual", "interval", "p",
                                              "coverage", "interval", "to due", "false alarm"}};
  for (const Tables& tables : summary.tables) {
    if (!tables.score) continue;
    const ScoreCard& card = *tables.score;
    const auto shown = [&](const char* metric) -> const metrics::Rate* {
      const metrics::Rate& rate = card.rate(metric);
      return rate.n > 0 ? &rate : nullptr;
    };
    const auto interval = [](const metrics::Rate* rate) {
      return rate == nullptr || !rate->interval ? kNone
                                                : range_text(*rate->interval, decimals_of(*rate));
    };
    const metrics::Rate *residual = shown("residual_sde"), *coverage = shown("coverage");
    std::array<char, 32> p{};
    std::snprintf(p.data(), p.size(), "%.1g", card.test.exact);
    rows.push_back(
        {condition_text(summary, tables), short_text(shown("sde_original")), short_text(residual),
         interval(residual), card.difference.independent ? p.data() : kNone, short_text(coverage),
         interval(coverage), short_text(shown("sde_to_due")), short_text(shown("false_alarm"))});
  }
  return "\nModified networks on the trials of the original, in % with " +
         interval_header(summary) + "s\n" + fitted_table(std::move(rows)) +
         "sde: of the original; residual: sde without alarm; p: McNemar's exact test of the two, "
         "where\ntrials are independent; coverage: of the original's sde those that are corrected, "
         "due or\nalarmed; to due: those due or alarmed; false alarm: of golden runs\n";
}

/// How far faults spread under the first condition, at the points that they reach.
std::string propagation_text(const Summary& summary) {
  if (summary.propagation.empty()) return "";
  const auto text = [](const std::optional<double>& x) -> std::string {
    std::array<char, 32> buffer{};
    if (x) std::snprintf(buffer.data(), buffer.size(), "%.3g", *x);
    return x ? buffer.data() : kNone;
  };
  std::vector<std::vector<std::string>> rows{{"point", "differs", "k / n", interval_header(summary),
                                              "NaN, Inf", "L2 median", "95 %", "largest"}};
  const Tables& first = summary.tables.front();
  for (const PointSpread& at : summary.propagation) {
    if (at.variant != first.variant || at.perturbation != first.perturbation) break;
    if (at.differs.k == 0) continue;
    rows.push_back({at.point, rate_text(at.differs), ratio_text(at.differs),
                    interval_text(at.differs), with_commas(at.nonfinite), text(at.median_l2),
                    text(at.q95_l2), text(at.largest_l2)});
  }
  return "\nHow far faults spread: trials in which a module's output differs from the golden "
         "run\n" +
         fitted_table(std::move(rows)) +
         "L2: norm of faulty - golden over that of golden, of trials without NaN or Inf there\n";
}

/// "0.12 [0.1, 0.15]", to three digits.
std::string figure_text(const metrics::Figure& figure, double scale) {
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "%.3g [%.3g, %.3g]", scale * figure.value,
                scale * figure.low, scale * figure.high);
  return text.data();
}

std::string safety_text(const Summary& summary) {
  if (summary.safety.empty()) return "";
  std::vector<std::vector<std::string>> rows{
      {"condition", "FIT", "dangerous FIT", "residual FIT", "coverage %", "SPFM %"}};
  std::uint64_t left_out = 0;
  std::set<std::string> missing;
  for (std::size_t i = 0; i < summary.safety.size(); ++i) {
    const SafetyTable& table = summary.safety[i];
    const std::string name = condition_text(summary, summary.tables[i]);
    if (!table.missing.empty()) {
      rows.push_back({name, kNone, kNone, kNone, kNone, kNone});
      missing.insert(table.missing);
      continue;
    }
    const metrics::SafetyFigures& total = table.report.total;
    std::array<char, 32> lambda{};
    std::snprintf(lambda.data(), lambda.size(), "%.3g", total.lambda_fit);
    rows.push_back({name, lambda.data(), figure_text(total.dangerous_fit, 1),
                    figure_text(total.residual_fit, 1),
                    total.coverage ? figure_text(*total.coverage, 100) : kNone,
                    total.spfm ? figure_text(*total.spfm, 100) : kNone});
    left_out = table.bits_without_trials;
  }
  std::string text =
      "\nEvidence for a safety analysis, of the injected faults alone, with " +
      interval_header(summary) + "s\n" + fitted_table(std::move(rows)) +
      (left_out > 0
           ? with_commas(left_out) +
                 " exposed bits are left out, as no fault was drawn there: no claim of all bits "
                 "follows;\n"
           : "for a claim take the upper limit of FIT, the lower one of coverage and SPFM;\n") +
      "by structure: kpi/safety.csv\n";
  for (const std::string& why : missing) text += "-: " + why + "\n";
  return text;
}

}  // namespace

std::string summary_text(const Summary& summary) {
  const std::string several =
      summary.per_group > 1 ? " (a trial counts in each row that its faults touch)" : "";
  const Tables& first = summary.tables.front();
  const std::string under =
      summary.tables.size() > 1
          ? "\nUnder the first " +
                std::string(has_variants(summary) ? "condition" : "perturbation") + ", " +
                condition_text(summary, first) + "\n"
          : "\n";
  return counts_text(summary) + under + rates_table(first.overall, summary) +
         active_text(first, summary) + estimates_text(first, summary) +
         "due is detected only where something looks for NaN and Inf\n"
         "\nOutcome by bit field" +
         several + "\n" + breakdown_table("bit field", first.bit_fields, summary) +
         "\nOutcome by site" + several + "\n" +
         breakdown_table("site", with_trials(first.sites), summary) + epochs_text(first, summary) +
         propagation_text(summary) + pytorchalfi_text(first, summary) + conditions_text(summary) +
         protections_text(summary) + safety_text(summary);
}

}  // namespace bitquake::results
