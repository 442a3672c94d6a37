#include "results/summary.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace bitquake::results {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const std::vector<metrics::Rate>& rates) {
  Json object = Json::object();
  for (const metrics::Rate& rate : rates) {
    Json& entry = object[rate.metric];
    entry["k"] = rate.k;
    entry["n"] = rate.n;
    entry["rate"] = rate.value() ? Json(*rate.value()) : Json();
    entry["low"] = rate.interval ? Json(rate.interval->low) : Json();
    entry["high"] = rate.interval ? Json(rate.interval->high) : Json();
    entry["unit"] = rate.unit;
    entry["interval"] = rate.method.empty() ? Json() : Json(rate.method);
    entry["groups"] = rate.groups ? Json(*rate.groups) : Json();
    entry["group_low"] = rate.group_range ? Json(rate.group_range->low) : Json();
    entry["group_high"] = rate.group_range ? Json(rate.group_range->high) : Json();
  }
  return object;
}

/// The cells of a rate from `metric` on.
std::vector<std::string> cells(const metrics::Rate& rate) {
  return {rate.metric,
          std::to_string(rate.k),
          std::to_string(rate.n),
          rate.value() ? shortest(*rate.value()) : "",
          rate.interval ? shortest(rate.interval->low) : "",
          rate.interval ? shortest(rate.interval->high) : "",
          rate.unit,
          rate.method,
          rate.groups ? std::to_string(*rate.groups) : "",
          rate.group_range ? shortest(rate.group_range->low) : "",
          rate.group_range ? shortest(rate.group_range->high) : ""};
}

std::string estimates_csv(const Summary& summary) {
  std::string text = "variant,perturbation,metric,estimate,low,high,method,unit,n,population\n";
  for (const Tables& tables : summary.tables) {
    for (const Estimate& e : tables.estimates) {
      text += csv_record({tables.variant, tables.perturbation, e.metric, shortest(e.value),
                          e.interval ? shortest(e.interval->low) : "",
                          e.interval ? shortest(e.interval->high) : "", e.method, e.unit,
                          std::to_string(e.n), e.population ? std::to_string(*e.population) : ""}) +
              "\n";
    }
  }
  return text;
}

Json to_json(const std::vector<Estimate>& estimates) {
  Json object = Json::object();
  for (const Estimate& e : estimates) {
    object[e.metric] = {{"estimate", e.value},
                        {"low", e.interval ? Json(e.interval->low) : Json()},
                        {"high", e.interval ? Json(e.interval->high) : Json()},
                        {"method", e.method},
                        {"unit", e.unit},
                        {"n", e.n},
                        {"population", e.population ? Json(*e.population) : Json()}};
  }
  return object;
}

constexpr auto kHeader = "metric,k,n,rate,low,high,unit,interval,groups,group_low,group_high\n";

/// The rates of each condition that `rates` holds.
std::string rates_csv(const Summary& summary, std::vector<metrics::Rate> Tables::*rates) {
  std::string text = std::string("variant,perturbation,") + kHeader;
  for (const Tables& tables : summary.tables) {
    for (const metrics::Rate& rate : tables.*rates) {
      text +=
          csv_record({tables.variant, tables.perturbation}) + "," + csv_record(cells(rate)) + "\n";
    }
  }
  return text;
}

std::string breakdown_csv(const Summary& summary, const std::string& key,
                          std::vector<Breakdown> Tables::*breakdown) {
  std::string text = "variant,perturbation," + key + "," + kHeader;
  for (const Tables& tables : summary.tables) {
    for (const Breakdown& row : tables.*breakdown) {
      for (const metrics::Rate& rate : row.rates) {
        text += csv_record({tables.variant, tables.perturbation, row.name}) + "," +
                csv_record(cells(rate)) + "\n";
      }
    }
  }
  return text;
}

/// Rates that a table of conditions shows.
bool is_headline(const metrics::Rate& rate) {
  return rate.metric == "golden_top1" || rate.metric == "faulty_top1" || rate.metric == "due" ||
         rate.metric == "sde";
}

std::string perturbations_csv(const Summary& summary) {
  std::string text =
      "variant,perturbation,metric,k,n,rate,low,high,unit,interval,only_perturbed,only_clean,"
      "unpaired\n";
  for (const Tables& tables : summary.tables) {
    for (const metrics::Rate& rate : tables.overall) {
      if (!is_headline(rate)) continue;
      std::vector<std::string> row = cells(rate);
      row.resize(8);  // without groups
      text += csv_record({tables.variant, tables.perturbation}) + "," + csv_record(row) + ",,,\n";
    }
    if (!tables.interaction) continue;
    const auto& [pairs, unpaired, interval, method, independent] = *tables.interaction;
    const auto k =
        static_cast<std::int64_t>(pairs.first_only) - static_cast<std::int64_t>(pairs.second_only);
    text += csv_record(
                {tables.variant, tables.perturbation, "sde_minus_clean", std::to_string(k),
                 std::to_string(pairs.n()), pairs.n() > 0 ? shortest(pairs.difference()) : "",
                 interval ? shortest(interval->low) : "", interval ? shortest(interval->high) : "",
                 "pair", method, std::to_string(pairs.first_only),
                 std::to_string(pairs.second_only), std::to_string(unpaired)}) +
            "\n";
  }
  return text;
}

std::string protection_csv(const Summary& summary) {
  std::string text =
      "variant,perturbation,metric,k,n,rate,low,high,unit,interval,only_variant,only_original,"
      "unpaired,mcnemar_exact_p,mcnemar_mid_p\n";
  const auto difference = [](const ScoreCard& card, const char* metric, const metrics::Pairs& pairs,
                             const std::optional<metrics::Interval>& interval, const char* unit,
                             const std::string& method, const std::string& unpaired,
                             const std::optional<metrics::McNemar>& test) {
    const auto k =
        static_cast<std::int64_t>(pairs.first_only) - static_cast<std::int64_t>(pairs.second_only);
    return csv_record(
               {card.variant, card.perturbation, metric, std::to_string(k),
                std::to_string(pairs.n()), pairs.n() > 0 ? shortest(pairs.difference()) : "",
                interval ? shortest(interval->low) : "", interval ? shortest(interval->high) : "",
                unit, method, std::to_string(pairs.first_only), std::to_string(pairs.second_only),
                unpaired, test ? shortest(test->exact) : "", test ? shortest(test->mid_p) : ""}) +
           "\n";
  };
  for (const Tables& tables : summary.tables) {
    if (!tables.score) continue;
    const ScoreCard& card = *tables.score;
    for (const metrics::Rate& rate : card.rates) {
      std::vector<std::string> row = cells(rate);
      row.resize(8);  // without groups
      text += csv_record({card.variant, card.perturbation}) + "," + csv_record(row) + ",,,,,\n";
    }
    text += difference(card, "residual_sde_minus_original", card.difference.pairs,
                       card.difference.interval, "pair", card.difference.method,
                       std::to_string(card.difference.unpaired),
                       card.difference.independent ? std::optional(card.test) : std::nullopt);
    if (card.golden.n() == 0) continue;
    text += difference(card, "golden_top1_minus_original", card.golden, card.golden_interval,
                       "sample", "newcombe " + shortest(100 * summary.options.confidence) + " %",
                       "", metrics::mcnemar(card.golden));
  }
  return text;
}

std::string monitor_csv(const Summary& summary) {
  std::string text =
      std::string("variant,perturbation,monitor,place,first_in_trials,first_in_golden_runs,") +
      kHeader;
  for (const MonitorCount& count : summary.monitors) {
    text += csv_record({count.variant, count.perturbation, count.monitor, count.place,
                        std::to_string(count.trials), std::to_string(count.golden)}) +
            "," + csv_record(cells(count.noticed)) + "\n";
  }
  return text;
}

std::string propagation_csv(const Summary& summary) {
  const auto cell = [](const std::optional<double>& x) { return x ? shortest(*x) : ""; };
  std::string text =
      "variant,perturbation,point,nonfinite_trials,rel_l2_median,rel_l2_q95,rel_l2_largest,"
      "max_abs_largest," +
      std::string(kHeader);
  for (const PointSpread& at : summary.propagation) {
    text += csv_record({at.variant, at.perturbation, at.point, std::to_string(at.nonfinite),
                        cell(at.median_l2), cell(at.q95_l2), cell(at.largest_l2),
                        cell(at.largest_abs)}) +
            "," + csv_record(cells(at.differs)) + "\n";
  }
  return text;
}

using metrics::Figure;
using metrics::SafetyFigures;

/// A figure that is there or not.
std::optional<Figure> there(const Figure& figure) { return figure; }
std::optional<Figure> there(const std::optional<Figure>& figure) { return figure; }

/// The figures of a structure by name.
std::vector<std::pair<const char*, std::optional<Figure>>> figures_of(const SafetyFigures& of) {
  return {{"lambda_fit", Figure{of.lambda_fit, of.lambda_fit, of.lambda_fit}},
          {"dangerous_fit", there(of.dangerous_fit)},
          {"residual_fit", there(of.residual_fit)},
          {"diagnostic_coverage", there(of.coverage)},
          {"spfm_contribution", there(of.spfm)},
          {"lfm_contribution", there(of.lfm)},
          {"pmhf_per_hour", there(of.pmhf_per_hour)}};
}

std::string safety_csv(const Summary& summary) {
  std::string text = "variant,perturbation,target,site,bits,figure,value,low,high,note\n";
  for (const SafetyTable& table : summary.safety) {
    const auto add = [&](const std::string& target, const std::string& site, std::uint64_t bits,
                         const SafetyFigures& of) {
      for (const auto& [name, figure] : figures_of(of)) {
        text +=
            csv_record({table.variant, table.perturbation, target, site, std::to_string(bits), name,
                        figure ? shortest(figure->value) : "", figure ? shortest(figure->low) : "",
                        figure ? shortest(figure->high) : "", ""}) +
            "\n";
      }
    };
    if (!table.missing.empty()) {
      text += csv_record({table.variant, table.perturbation, "", "total", "", "", "", "", "",
                          table.missing}) +
              "\n";
      continue;
    }
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < table.structures.size(); ++i) {
      const Exposure& at = table.structures[i];
      bits += at.bits;
      add(std::string(name_of(faultgen::kTargets, at.target)), summary.sites[at.site], at.bits,
          table.report.structures[i]);
    }
    add("", "total", bits, table.report.total);
  }
  return text;
}

std::string corruption_csv(const std::vector<CorruptionError>& errors) {
  const auto cell = [](const std::optional<double>& x) { return x ? shortest(*x) : ""; };
  std::string text =
      "variant,corruption,severity,golden_error,faulty_error,golden_relative,faulty_relative\n";
  for (const CorruptionError& e : errors) {
    text += csv_record({e.variant, e.corruption, e.severity, cell(e.golden), cell(e.faulty),
                        cell(e.golden_relative), cell(e.faulty_relative)}) +
            "\n";
  }
  return text;
}

Json to_json(const Interaction& interaction) {
  const auto& [pairs, unpaired, interval, method, independent] = interaction;
  return {{"difference", pairs.n() > 0 ? Json(pairs.difference()) : Json()},
          {"low", interval ? Json(interval->low) : Json()},
          {"high", interval ? Json(interval->high) : Json()},
          {"interval", method.empty() ? Json() : Json(method)},
          {"pairs", pairs.n()},
          {"first_only", pairs.first_only},
          {"second_only", pairs.second_only},
          {"unpaired", unpaired}};
}

Json to_json(const Tables& tables) {
  Json object;
  object["variant"] = tables.variant;
  object["perturbation"] = tables.perturbation;
  object["trials"] = tables.trials;
  object["overall"] = to_json(tables.overall);
  object["inactive_trials"] = tables.inactive;
  if (!tables.active.empty()) object["active"] = to_json(tables.active);
  if (!tables.estimates.empty()) object["estimates"] = to_json(tables.estimates);
  for (const Breakdown& field : tables.bit_fields) {
    object["bit_fields"][field.name] = to_json(field.rates);
  }
  object["pytorchalfi_compatible"] = to_json(tables.pytorchalfi);
  if (tables.score) {
    object["protection"] = to_json(tables.score->rates);
    Json difference = to_json(tables.score->difference);
    const bool tested = tables.score->difference.independent;
    difference["mcnemar_exact_p"] = tested ? Json(tables.score->test.exact) : Json();
    difference["mcnemar_mid_p"] = tested ? Json(tables.score->test.mid_p) : Json();
    object["residual_sde_minus_original"] = std::move(difference);
  }
  if (tables.interaction) object["sde_minus_clean"] = to_json(*tables.interaction);
  return object;
}

/// Whether some condition has rows in a table.
template <class Row>
bool any(const Summary& summary, std::vector<Row> Tables::*rows) {
  return std::any_of(summary.tables.begin(), summary.tables.end(),
                     [&](const Tables& tables) { return !(tables.*rows).empty(); });
}

}  // namespace

std::string summary_json(const Summary& summary) {
  Json root;
  root["schema_version"] = kSummaryVersion;
  root["campaign"] = summary.campaign;
  root["confidence"] = summary.options.confidence;
  root["classes"] = summary.options.classes;
  root["trials"] = summary.trials;
  root["failed_trials"] = summary.failed;
  root["samples"] = summary.samples;
  root["skipped_samples"] = summary.skipped;
  root["injections"] = summary.injections;
  root["unreached_injections"] = summary.unreached;
  root["unchanged_injections"] = summary.unchanged;
  root["faults"] = summary.faults;
  root["conditions"] = Json::array();
  for (const Tables& tables : summary.tables) root["conditions"].push_back(to_json(tables));
  for (const PointSpread& at : summary.propagation) {
    const auto number = [](const std::optional<double>& x) {
      return x && std::isfinite(*x) ? Json(*x) : Json();
    };
    Json entry{{"variant", at.variant}, {"perturbation", at.perturbation}, {"point", at.point}};
    entry["rates"] = to_json(std::vector{at.differs});
    entry["nonfinite_trials"] = at.nonfinite;
    entry["rel_l2_median"] = number(at.median_l2);
    entry["rel_l2_q95"] = number(at.q95_l2);
    entry["rel_l2_largest"] = number(at.largest_l2);
    entry["max_abs_largest"] = number(at.largest_abs);
    root["propagation"].push_back(std::move(entry));
  }
  for (const SafetyTable& table : summary.safety) {
    Json entry{{"variant", table.variant}, {"perturbation", table.perturbation}};
    entry["bits_without_trials"] = table.bits_without_trials;
    if (!table.missing.empty()) entry["none_because"] = table.missing;
    for (const auto& [name, figure] : figures_of(table.report.total)) {
      if (!table.missing.empty()) break;
      entry[name] =
          figure ? Json{{"value", figure->value}, {"low", figure->low}, {"high", figure->high}}
                 : Json();
    }
    root["safety"].push_back(std::move(entry));
  }
  return root.dump(2) + "\n";
}

std::vector<TextFile> summary_files(const Summary& summary) {
  std::vector<TextFile> files{
      {"kpi/overall.csv", rates_csv(summary, &Tables::overall)},
      {"kpi/site.csv", breakdown_csv(summary, "site", &Tables::sites)},
      {"kpi/bit.csv", breakdown_csv(summary, "bit", &Tables::bits)},
      {"kpi/bit_field.csv", breakdown_csv(summary, "field", &Tables::bit_fields)},
      {"kpi/pytorchalfi.csv", rates_csv(summary, &Tables::pytorchalfi)},
      {"summary.json", summary_json(summary)},
  };
  if (any(summary, &Tables::active)) {
    files.push_back({"kpi/active.csv", rates_csv(summary, &Tables::active)});
  }
  if (any(summary, &Tables::estimates)) {
    files.push_back({"kpi/estimates.csv", estimates_csv(summary)});
  }
  if (summary.accumulated) {
    files.push_back({"kpi/epoch.csv", breakdown_csv(summary, "epoch", &Tables::epochs)});
  }
  if (summary.tables.size() > 1) {
    files.push_back({"kpi/perturbations.csv", perturbations_csv(summary)});
  }
  if (std::any_of(summary.tables.begin(), summary.tables.end(),
                  [](const Tables& tables) { return tables.score.has_value(); })) {
    files.push_back({"kpi/protection.csv", protection_csv(summary)});
  }
  if (!summary.monitors.empty()) files.push_back({"kpi/monitor.csv", monitor_csv(summary)});
  if (!summary.propagation.empty()) {
    files.push_back({"kpi/propagation.csv", propagation_csv(summary)});
  }
  if (!summary.safety.empty()) files.push_back({"kpi/safety.csv", safety_csv(summary)});
  if (!summary.corruption_errors.empty()) {
    files.push_back({"kpi/corruption_error.csv", corruption_csv(summary.corruption_errors)});
  }
  return files;
}

void write_summary(const std::filesystem::path& directory, const Summary& summary) {
  for (const TextFile& file : summary_files(summary)) {
    write_text_durably(directory / file.name, file.text);
  }
}

}  // namespace bitquake::results
