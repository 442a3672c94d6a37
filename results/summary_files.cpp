#include "results/summary.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/text.hpp"

#include <nlohmann/json.hpp>

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

std::string estimates_csv(const std::vector<Estimate>& estimates) {
  std::string text = "metric,estimate,low,high,method,unit,n,population\n";
  for (const Estimate& e : estimates) {
    text += csv_record({e.metric, shortest(e.value), e.interval ? shortest(e.interval->low) : "",
                        e.interval ? shortest(e.interval->high) : "", e.method, e.unit,
                        std::to_string(e.n), e.population ? std::to_string(*e.population) : ""}) +
            "\n";
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

std::string rates_csv(const std::vector<metrics::Rate>& rates) {
  std::string text = kHeader;
  for (const metrics::Rate& rate : rates) text += csv_record(cells(rate)) + "\n";
  return text;
}

std::string breakdown_csv(const std::string& key, const std::vector<Breakdown>& rows) {
  std::string text = key + "," + kHeader;
  for (const Breakdown& row : rows) {
    for (const metrics::Rate& rate : row.rates) {
      text += csv_record({row.name}) + "," + csv_record(cells(rate)) + "\n";
    }
  }
  return text;
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
  root["overall"] = to_json(summary.overall);
  root["inactive_trials"] = summary.inactive;
  if (!summary.active.empty()) root["active"] = to_json(summary.active);
  if (!summary.estimates.empty()) root["estimates"] = to_json(summary.estimates);
  for (const Breakdown& field : summary.bit_fields) {
    root["bit_fields"][field.name] = to_json(field.rates);
  }
  root["pytorchalfi_compatible"] = to_json(summary.pytorchalfi);
  return root.dump(2) + "\n";
}

std::vector<TextFile> summary_files(const Summary& summary) {
  std::vector<TextFile> files{
      {"kpi/overall.csv", rates_csv(summary.overall)},
      {"kpi/site.csv", breakdown_csv("site", summary.sites)},
      {"kpi/bit.csv", breakdown_csv("bit", summary.bits)},
      {"kpi/bit_field.csv", breakdown_csv("field", summary.bit_fields)},
      {"kpi/pytorchalfi.csv", rates_csv(summary.pytorchalfi)},
      {"summary.json", summary_json(summary)},
  };
  if (!summary.active.empty()) {
    files.push_back({"kpi/active.csv", rates_csv(summary.active)});
  }
  if (!summary.estimates.empty()) {
    files.push_back({"kpi/estimates.csv", estimates_csv(summary.estimates)});
  }
  if (summary.accumulated) {
    files.push_back({"kpi/epoch.csv", breakdown_csv("epoch", summary.epochs)});
  }
  return files;
}

void write_summary(const std::filesystem::path& directory, const Summary& summary) {
  for (const TextFile& file : summary_files(summary)) {
    write_text_durably(directory / file.name, file.text);
  }
}

}  // namespace bitquake::results
