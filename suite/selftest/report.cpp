#include "results/manifest.hpp"
#include "suite/base/build_info.hpp"
#include "suite/selftest/selftest.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>

namespace bitquake::selftest {
namespace {

/// Version of the JSON report.
constexpr std::uint64_t kReportVersion = 1;

std::vector<std::string_view> names_of(const std::vector<Check>& checks) {
  std::vector<std::string_view> names;
  for (const Check check : checks) names.push_back(name_of(kChecks, check));
  return names;
}

std::size_t ok_count(const Report& report) {
  return static_cast<std::size_t>(std::count_if(report.checks.begin(), report.checks.end(),
                                                [](const auto& check) { return check.ok; }));
}

std::size_t caught_count(const Report& report) {
  return static_cast<std::size_t>(
      std::count_if(report.defects.begin(), report.defects.end(),
                    [](const auto& defect) { return defect.caught(); }));
}

template <class T, std::size_t N>
std::string_view doc_of(const std::array<Named<T>, N>& registry, T value) {
  return std::find_if(registry.begin(), registry.end(),
                      [&](const auto& entry) { return entry.value == value; })
      ->doc;
}

results::Manifest host() {
  results::Manifest manifest;
  results::describe_host(manifest);
  return manifest;
}

}  // namespace

std::string report_text(const Report& report) {
  const BuildInfo& build = build_info();
  const results::Manifest machine = host();
  std::string text = fmt::format(
      "bitquake {} ({}, {})\n{}, {}\n{}\nnumeric fingerprint:", build.version, build.commit,
      build.compiler, machine.host_cpu, machine.host_os, results::now_utc());
  for (const auto& [name, value] : report.fingerprint) text += fmt::format(" {}={}", name, value);
  text += "\n\nChecks\n";
  for (const CheckResult& check : report.checks) {
    text +=
        fmt::format("{:<6}  {:<10}  {}\n{:20}{}\n", check.ok ? "ok" : "FAILED",
                    name_of(kChecks, check.check), doc_of(kChecks, check.check), "", check.detail);
  }
  text += "\nPlanted defects of the injector: each must make a check fail\n";
  for (const DefectResult& defect : report.defects) {
    text +=
        fmt::format("{:<6}  {:<17}  {}\n{:27}{}\n", defect.caught() ? "caught" : "MISSED",
                    name_of(kDefects, defect.defect), doc_of(kDefects, defect.defect), "",
                    defect.caught() ? fmt::format("by {}", fmt::join(names_of(defect.failed), ", "))
                                    : "by no check");
  }
  text += fmt::format("\n{}  {} of {} checks ok, {} of {} planted defects caught, {:.1f} s\n",
                      report.passed() ? "PASSED" : "FAILED", ok_count(report), report.checks.size(),
                      caught_count(report), report.defects.size(), report.seconds);
  return text;
}

std::string report_json(const Report& report) {
  using Json = nlohmann::ordered_json;
  const BuildInfo& build = build_info();
  const results::Manifest machine = host();
  Json checks = Json::array(), defects = Json::array();
  for (const CheckResult& check : report.checks) {
    checks.push_back({{"name", name_of(kChecks, check.check)},
                      {"proves", doc_of(kChecks, check.check)},
                      {"ok", check.ok},
                      {"detail", check.detail}});
  }
  for (const DefectResult& defect : report.defects) {
    defects.push_back({{"name", name_of(kDefects, defect.defect)},
                       {"mistake", doc_of(kDefects, defect.defect)},
                       {"caught", defect.caught()},
                       {"by", names_of(defect.failed)}});
  }
  const Json json = {
      {"schema_version", kReportVersion},
      {"passed", report.passed()},
      {"time_utc", results::now_utc()},
      {"seconds", report.seconds},
      {"program",
       {{"version", build.version},
        {"commit", build.commit},
        {"compiler", build.compiler},
        {"flags", build.flags}}},
      {"host", {{"cpu", machine.host_cpu}, {"cores", machine.host_cores}, {"os", machine.host_os}}},
      {"numeric_fingerprint", report.fingerprint},
      {"evidence_sha256", kEvidenceSha256},
      {"checks", checks},
      {"planted_defects", defects},
  };
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace bitquake::selftest
