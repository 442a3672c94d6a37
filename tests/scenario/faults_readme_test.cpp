#include "faultgen/fault_model.hpp"
#include "faultgen/fault_space.hpp"
#include "faultgen/number_format.hpp"
#include "faultgen/sampler.hpp"
#include "faultgen/schedule.hpp"
#include "suite/scenario/scenario.hpp"
#include "tests/base/temp_directory.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <regex>
#include <string>
#include <utility>
#include <vector>

// The tables of faultgen/README.md are made from the registries:
//     scenario_test '[.readme]'     writes them anew

using namespace bitquake;
using namespace bitquake::faultgen;

namespace {

const std::filesystem::path kReadme = BITQUAKE_SOURCE_DIR "/faultgen/README.md";

/// In README keys are named without their section.
std::string doc_text(std::string_view doc) {
  return std::regex_replace(std::string(doc), std::regex("faults\\.(\\w+)"), "`$1`");
}

template <class Registry>
std::string table(const std::string& key, const Registry& registry) {
  std::string text = "| `" + key + "` | what |\n|---|---|\n";
  for (const auto& [value, name, doc] : registry) {
    text += fmt::format("| `{}` | {} |\n", name, doc_text(doc));
  }
  return text;
}

std::string models_table() {
  std::string text = "| `model` | what happens | of |\n|---|---|---|\n";
  for (const FaultModelInfo& info : kBuiltInFaultModels) {
    text += fmt::format("| `{}` | {} | {} |\n", info.name, doc_text(info.doc),
                        info.bits != nullptr ? "bits" : "whole value");
    if (info.value != FaultModel::stuck_at_1) continue;
    text += fmt::format("| `{}` | `stuck_at_0` or `stuck_at_1`, equally likely | bits |\n",
                        scenario::kEitherStuckAt);
  }
  return text;
}

/// "22-0" and so on: the bits of a field that starts at `low`; "-" when it has none.
std::string bits_text(unsigned low, unsigned width) {
  if (width == 0) return "-";
  return width == 1 ? std::to_string(low) : fmt::format("{}-{}", low + width - 1, low);
}

std::string formats_table() {
  std::string text =
      "| `format` | bits | sign | exponent | mantissa | what |\n|---|--:|--:|--:|--:|---|\n";
  for (const auto& [format, name, doc] : kNumberFormats) {
    const FieldWidths widths = field_widths({.format = format});
    const unsigned below_sign = widths.mantissa + widths.exponent;
    const std::string layout = format == NumberFormat::fixed
                                   ? "1 + m + n | m+n | - | (m+n-1)-0"
                                   : fmt::format("{} | {} | {} | {}", below_sign + 1, below_sign,
                                                 bits_text(widths.mantissa, widths.exponent),
                                                 bits_text(0, widths.mantissa));
    text += fmt::format("| `{}` | {} | {} |\n", name, layout, doc_text(doc));
  }
  return text;
}

/// What stands between "<!-- NAME: ... -->" and the next "<!-- end -->".
std::vector<std::pair<std::string, std::string>> tables() {
  return {{"targets", table("target", kTargets)},
          {"kinds", table("kinds", kSiteKinds)},
          {"draws", table("draw", kDraws)},
          {"models", models_table()},
          {"arrangements", table("arrangement", kArrangements)},
          {"patterns", table("pattern", kPatterns)},
          {"formats", formats_table()},
          {"methods", table("sampling.method", scenario::kSamplingMethods)},
          {"policies", table("policy", kPolicies)},
          {"run types", table("run_type", kRunTypes)}};
}

std::string begin_of(const std::string& name) {
  return "<!-- " + name + ": made by scenario_test '[.readme]' -->\n";
}
const std::string kEnd = "<!-- end -->\n";

}  // namespace

TEST_CASE("the README of faults lists what the registries hold", "[scenario][readme]") {
  const std::string text = test::read_bytes(kReadme);
  INFO("write it anew: scenario_test '[.readme]'");
  for (const auto& [name, rows] : tables()) {
    INFO(name << "\n" << rows);
    REQUIRE(text.find(begin_of(name) + rows + kEnd) != std::string::npos);
  }
}

TEST_CASE("write the tables of the README of faults", "[.readme]") {
  std::string text = test::read_bytes(kReadme);
  for (const auto& [name, rows] : tables()) {
    INFO(name);
    const std::size_t begin = text.find(begin_of(name)), end = text.find(kEnd, begin);
    REQUIRE(end != std::string::npos);
    text.replace(begin, end - begin, begin_of(name) + rows);
  }
  test::write_bytes(kReadme, text);
}
