#include "suite/base/csv.hpp"

#include "suite/base/text.hpp"

#include <catch2/catch.hpp>

using namespace bitquake;

namespace {

using Record = std::vector<std::string>;

/// The records of a text; its error as the only record of one cell.
std::vector<Record> records(const std::string& text) {
  CsvReader reader(Errc::data, "a.csv", text);
  std::vector<Record> all;
  while (true) {
    const auto record = reader.next();
    if (!record) {
      REQUIRE(record.error().code == Errc::data);
      return {{record.error().where + " " + record.error().what}};
    }
    if (record->empty()) return all;
    Record cells;
    for (const CsvCell& cell : *record) cells.push_back(cell.text);
    all.push_back(cells);
  }
}

}  // namespace

TEST_CASE("records are read as RFC 4180 writes them", "[base][csv]") {
  REQUIRE(records("").empty());
  REQUIRE(records("a,b c,\n1,2,3") == std::vector<Record>{{"a", "b c", ""}, {"1", "2", "3"}});
  REQUIRE(records("a,b\r\n\"c\r\nd\",e\r\n") == std::vector<Record>{{"a", "b"}, {"c\r\nd", "e"}});
  REQUIRE(records("\"say \"\"x\"\"\",\"\"\n") == std::vector<Record>{{"say \"x\"", ""}});
  REQUIRE(records("\"\"") == std::vector<Record>{{""}});
}

TEST_CASE("a byte order mark and empty lines are skipped", "[base][csv]") {
  REQUIRE(records("\xEF\xBB\xBF\n\r\na\n\n\nb\n\n") == std::vector<Record>{{"a"}, {"b"}});
}

TEST_CASE("what csv_record writes is read back", "[base][csv]") {
  const Record cells{"a,b", "say \"x\"", "two\nlines", "", " plain "};
  REQUIRE(records(csv_record(cells) + "\n") == std::vector<Record>{cells});
}

TEST_CASE("cells know where they start", "[base][csv]") {
  CsvReader reader(Errc::data, "a.csv", "\xC3\xA9,\"x\ny\",z\nq,r\n");
  const auto first = reader.next();
  REQUIRE(first->at(1).line == 1);
  REQUIRE(first->at(1).column == 3);
  REQUIRE(first->at(2).line == 2);
  REQUIRE(first->at(2).column == 4);
  const auto second = reader.next();
  REQUIRE(second->at(0).line == 3);
  REQUIRE(reader.error(second->at(1), "what", "hint").where == "a.csv:3:3");
}

TEST_CASE("malformed CSV is refused at its place", "[base][csv]") {
  const auto what = [](const std::string& text) { return records(text).at(0).at(0); };
  REQUIRE(what("a\nb\"c\n") == "a.csv:2:2 a quote inside a cell without quotes");
  REQUIRE(what("\"a\"b\n") == "a.csv:1:4 text behind a closing quote");
  REQUIRE(what("x,\"a\nb") == "a.csv:1:3 a quoted cell without an end");
  REQUIRE(what("\"") == "a.csv:1:1 a quoted cell without an end");
  REQUIRE(what("a\rb\n") == "a.csv:1:2 a carriage return that ends no line");
}
