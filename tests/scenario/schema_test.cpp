#include "suite/scenario/schema.hpp"

#include "tests/scenario/example.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <string>
#include <string_view>

using namespace bitquake::scenario;

TEST_CASE("names of keys are unique and the keys of a section are neighbours", "[scenario]") {
  std::set<std::string_view> names;
  std::set<std::string_view> finished;
  std::string_view section;
  for (const Key& key : keys()) {
    REQUIRE(names.insert(key.name).second);
    if (key.section() != section) {
      if (!section.empty()) REQUIRE(finished.insert(section).second);
      section = key.section();
    }
    REQUIRE_FALSE(key.doc.empty());
    const bool has_words = key.kind == Kind::choice || key.leaf() == "kinds";
    REQUIRE(has_words == !key.choices.empty());
    REQUIRE_FALSE((key.mandatory && !key.default_text.empty()));
  }
}

TEST_CASE("a key is a section and a leaf", "[scenario]") {
  REQUIRE(find_key("faults.epochs")->section() == "faults");
  REQUIRE(find_key("faults.epochs")->leaf() == "epochs");
  REQUIRE(find_key("seed")->section().empty());
  REQUIRE(find_key("seed")->leaf() == "seed");
  REQUIRE(find_key("epochs") == nullptr);
}

TEST_CASE("the defaults of the table are those of the struct", "[scenario]") {
  Scenario expected;
  expected.model.file = "m.pt";
  expected.model.input = {1, 28, 28};
  expected.data.name = "digits";
  expected.data.images = "images.gz";
  expected.directory = "/home/me";
  REQUIRE(parsed(kShortest) == expected);
}

TEST_CASE("ranges read as people write them", "[scenario]") {
  REQUIRE(range_text(*find_key("faults.epochs")) == "1 to 1000000000");
  REQUIRE(range_text(*find_key("data.samples")) == "at least 1");
  REQUIRE(range_text(*find_key("version")) == "1");
  REQUIRE(range_text(*find_key("preprocess.divide_by")) == "greater than 0");
  REQUIRE(range_text(*find_key("statistics.confidence")) == "0.5 to 0.9999");
  REQUIRE(range_text(*find_key("model.input")) == "3 items, each 1 to 65536");
  REQUIRE(range_text(*find_key("faults.value_range")) == "2 items");
  REQUIRE(range_text(*find_key("preprocess.mean")) == "1 to 4096 items");
  REQUIRE(range_text(*find_key("data.labels")).empty());
}

TEST_CASE("the table of keys shows every key, default and word", "[scenario]") {
  const std::string table = "\n" + keys_table();
  for (const Key& key : keys()) {
    const auto at = table.find("\n" + std::string(key.name) + " ");
    REQUIRE(at != std::string::npos);
    const std::string row = table.substr(at + 1, table.find('\n', at + 1) - at - 1);
    REQUIRE(row.find(kind_name(key.kind)) != std::string::npos);
    REQUIRE(row.find(key.mandatory ? "(mandatory)" : key.default_text) != std::string::npos);
    REQUIRE(row.find(range_text(key)) != std::string::npos);
    REQUIRE(row.ends_with(key.doc));
    for (const Word& word : key.choices) {
      const auto line = table.find("\n  " + std::string(word.name) + " ", at);
      REQUIRE(line != std::string::npos);
      REQUIRE(table.find(word.doc, line) < table.find('\n', line + 1));
    }
    if (key.none.empty()) continue;
    REQUIRE_FALSE(key.mandatory);
    const auto line = table.find("\n  none ", at);
    REQUIRE(table.find(key.none, line) < table.find('\n', line + 1));
  }
  REQUIRE(table.find(" \n") == std::string::npos);
}
