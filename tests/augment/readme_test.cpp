#include "augment/perturbation.hpp"
#include "suite/base/text.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>
#include <string>

// The table of perturbations in augment/README.md is made from the registry:
//     augment_test '[.readme]'     writes it anew

namespace aug = bitquake::augment;

namespace {

const std::string kBegin = "<!-- begin: made by augment_test '[.readme]' -->\n";
const std::string kEnd = "<!-- end -->\n";

std::string readme_path() { return BITQUAKE_SOURCE_DIR "/augment/README.md"; }

std::string readme() {
  std::ifstream file(readme_path());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string values_text(const aug::Severities& values) {
  std::string text;
  for (const double value : values) {
    std::ostringstream number;  // four digits are enough for people
    number.precision(4);
    number << value;
    text += (text.empty() ? "" : " ") + number.str();
  }
  return text;
}

std::string properties(const aug::Kind& kind) {
  std::string text = kind.random ? "random" : "";
  const auto add = [&](bool holds, const char* word) {
    if (holds) text += (text.empty() ? "" : ", ") + std::string(word);
  };
  add(kind.moves_boxes, "moves boxes");
  add(!kind.takes_grey, "colour only");
  add(!kind.takes_16_bit, "8 bits only");
  return text;
}

std::string tables() {
  std::string text;
  for (const auto& group : aug::kGroups) {
    std::string rows;
    for (const aug::Kind& kind : aug::kinds()) {
      if (kind.group != group.value || kind.source == "this test") continue;
      rows += "| **" + kind.name + "** | " + kind.doc + " | " + properties(kind) + " | | |\n";
      for (const aug::Parameter& parameter : kind.parameters) {
        rows += "| " + parameter.name + " | " + parameter.doc + " | " +
                bitquake::shortest(parameter.min) + " … " + bitquake::shortest(parameter.max) +
                (parameter.unit.empty() ? "" : " " + parameter.unit) + " | " +
                (parameter.small ? values_text(*parameter.small) : "as large") + " | " +
                values_text(parameter.large) + " |\n";
      }
      rows += "| | source: " + kind.source + " | | | |\n";
    }
    if (rows.empty()) continue;
    text += "\n### " + std::string(group.name) + ": " + std::string(group.doc) +
            "\n\n| name | what | range | small, severity 1–5 | large, severity 1–5 |\n" +
            "|---|---|---|---|---|\n" + rows;
  }
  return text + "\n";
}

}  // namespace

TEST_CASE("the README lists the perturbations of the registry", "[augment][readme]") {
  INFO("write it anew: augment_test '[.readme]'");
  REQUIRE(readme().find(kBegin + tables() + kEnd) != std::string::npos);
}

TEST_CASE("write the README's list of perturbations", "[.readme]") {
  std::string text = readme();
  const std::size_t begin = text.find(kBegin), end = text.find(kEnd);
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  text.replace(begin, end - begin, kBegin + tables());
  std::ofstream(readme_path()) << text;
}
