#include "results/csv.hpp"

#include "results/columns.hpp"
#include "suite/base/text.hpp"
#include "tests/results/tiny_campaign.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <map>
#include <sstream>

using namespace bitquake;
using namespace bitquake::results;
using namespace bitquake::test;

namespace {

/// Splits one RFC 4180 record without line breaks in cells.
std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> cells{""};
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      cells.back() += line[++i];
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == ',' && !quoted) {
      cells.emplace_back();
    } else {
      cells.back() += line[i];
    }
  }
  return cells;
}

std::vector<std::map<std::string, std::string>> parse(const std::string& text) {
  std::istringstream in(text);
  std::string line;
  std::getline(in, line);
  const std::vector<std::string> names = split(line);
  std::vector<std::map<std::string, std::string>> records;
  while (std::getline(in, line)) {
    const std::vector<std::string> cells = split(line);
    REQUIRE(cells.size() == names.size());
    auto& record = records.emplace_back();
    for (std::size_t i = 0; i < names.size(); ++i) record[names[i]] = cells[i];
  }
  return records;
}

std::string trials_csv(const Trials& trials, const faultgen::FaultSet& faults) {
  REQUIRE(check_faults(trials, faults));
  std::ostringstream out;
  write_trials_csv(trials, faults, out);
  return out.str();
}

/// Compares a numeric column of a row with a CSV cell by value.
template <class Row>
void require_equal(const Column<Row>& column, const Row& row, const std::string& cell) {
  CAPTURE(column.name, cell);
  std::visit(
      [&]<class T>(T Row::*member) {
        if constexpr (std::is_same_v<T, double>) {
          REQUIRE((std::isnan(row.*member) ? cell == "nan" : std::stod(cell) == row.*member));
        } else if constexpr (std::is_signed_v<T>) {
          REQUIRE(std::stoll(cell) == row.*member);
        } else {
          REQUIRE(std::stoull(cell) == row.*member);
        }
      },
      column.member);
}

}  // namespace

TEST_CASE("trials.csv has the values of trials.h5", "[results]") {
  const TempDirectory scratch;
  write_trials(scratch / "trials.h5", tiny_trials());
  const auto all = read_trials(scratch / "trials.h5");
  INFO((all ? "" : all.error().what));
  REQUIRE(all);
  const auto records = parse(trials_csv(*all, tiny_faults()));
  REQUIRE(records.size() == all->trials.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    const TrialRow& row = all->trials[i];
    for (const auto& column : kTrialColumns) {
      if (column.name == "outcome" || column.name == "message" ||
          column.name == "first_nonfinite" || column.name == "variant" || column.name == "alarm" ||
          column.name == "perturbation") {
        continue;
      }
      require_equal(column, row, records[i].at(std::string(column.name)));
    }
    REQUIRE(records[i].at("variant") == "original");
    REQUIRE(records[i].at("perturbation") == "clean");
    for (const auto& column : kGoldenColumns) {
      if (column.name == "file" || column.name == "variant" || column.name == "alarm" ||
          column.name == "perturbation")
        continue;
      require_equal(column, all->golden_of(row),
                    records[i].at("golden_" + std::string(column.name)));
    }
  }
}

TEST_CASE("trials.csv writes codes as words", "[results]") {
  auto records = parse(trials_csv(tiny_trials(), tiny_faults()));
  REQUIRE(records[0]["golden_file"] == "a.png");
  REQUIRE(records[1]["golden_file"] == "b, c.png");
  REQUIRE(records[0]["outcome"] == "masked");
  REQUIRE(records[0]["message"].empty());
  REQUIRE(records[0]["first_nonfinite"].empty());
  REQUIRE(records[1]["outcome"] == "due");
  REQUIRE(records[1]["first_nonfinite"] == "relu");
  REQUIRE(records[1]["nonfinite_points"] == "2");
  REQUIRE(records[2]["outcome"] == "sde");
  REQUIRE(records[5]["outcome"] == "benign");
  REQUIRE(records[9]["message"] == kTinyMessage);
}

TEST_CASE("trials.csv tells where the faults were and what they changed", "[results]") {
  auto records = parse(trials_csv(tiny_trials(), tiny_faults()));
  REQUIRE(records[1]["fault_site"] == "conv1");
  REQUIRE(records[1]["fault_element"] == "101");
  REQUIRE(records[1]["fault_bits"] == "30");
  REQUIRE(records[1]["fault_original"] == "0x3f800000");
  REQUIRE(records[1]["fault_corrupted"] == "0x7f800000");
  REQUIRE(records[6]["fault_original"].empty());  // not reached
}

TEST_CASE("trials.csv joins the faults of a group", "[results]") {
  Trials all = tiny_trials();
  faultgen::FaultSet faults = tiny_faults();
  all.trials[0].n_faults = faults.groups[0].n_faults = 3;
  faults.faults[1].site = 2;
  faults.faults[2].bit_mask = 0x80000009;
  all.injections.insert(all.injections.begin() + 1,
                        {{0, 1, 1, 0, 0, 0}, {0, 2, 1, 1, 0x1, 0x80000008}});
  auto records = parse(trials_csv(all, faults));
  REQUIRE(records[0]["fault_site"] == "conv1;fc#1;conv1");
  REQUIRE(records[0]["fault_element"] == "100;101;102");
  REQUIRE(records[0]["fault_bits"] == "31;30;0+3+31");
  REQUIRE(records[0]["fault_original"] == "0x3f800000;;0x00000001");
  REQUIRE(records[0]["fault_corrupted"] == "0xbf800000;;0x80000008");
}

TEST_CASE("the first record of trials.csv is pinned", "[results][golden]") {
  std::istringstream in(trials_csv(tiny_trials(), tiny_faults()));
  std::string header;
  std::string first;
  std::getline(in, header);
  std::getline(in, first);
  REQUIRE(
      header ==
      "trial,variant,perturbation,epoch,sample,group,first_fault,n_faults,outcome,sdc5,sdc10,sdc20,"
      "faulty_top1,"
      "label_rank,golden_probability,faulty_probability,first_nonfinite,nonfinite_points,"
      "any_nonfinite,detected,corrected,alarm,alarms,message,"
      "output_hash,golden_sample,golden_sample_index,golden_file,golden_id,golden_height,"
      "golden_width,golden_content_hash,golden_label,"
      "golden_top1,golden_label_rank,golden_top1_probability,golden_alarm,golden_alarms,golden_"
      "skipped,golden_output_hash,"
      "fault_site,fault_element,fault_bits,fault_original,fault_corrupted");
  REQUIRE(
      first ==
      "0,original,clean,0,0,0,0,1,masked,0,0,0,0,0,0.75,0.75,,0,0,0,0,,0,,17293822569102704640,0,"
      "1000,a."
      "png,5000,"
      "28,28,"
      "3221225472,0,0,0,0.75,,0,0,"
      "17293822569102704640,conv1,100,31,0x3f800000,0xbf800000");
}

TEST_CASE("skipped.csv lists the samples without trials", "[results]") {
  std::ostringstream out;
  write_skipped_csv(tiny_trials(), out);
  REQUIRE(out.str() ==
          "variant,perturbation,sample,sample_index,id,file,reason\n"
          "original,clean,3,1003,5003,\"b, c.png\",golden output is not finite\n");
}

TEST_CASE("trials of another fault set are refused", "[results]") {
  const Trials all = tiny_trials();
  const auto refusal = [&](auto change) {
    faultgen::FaultSet faults = tiny_faults();
    change(faults);
    const auto checked = check_faults(all, faults);
    REQUIRE_FALSE(checked);
    return checked.error().what;
  };
  REQUIRE(refusal([](auto& set) { set.sites.pop_back(); }) ==
          "the sites of the fault set differ from those of the trials");
  REQUIRE(refusal([](auto& set) { set.sites[1].path = "other"; }) ==
          "the sites of the fault set differ from those of the trials");
  REQUIRE(refusal([](auto& set) { set.faults[0].site = 3; }) ==
          "the fault set has a fault outside its sites or bits");
  REQUIRE(refusal([](auto& set) { set.faults[0].bit_mask = std::uint64_t{1} << 32; }) ==
          "the fault set has a fault outside its sites or bits");
  const std::string group = "trial 10 has group 10, which the fault set does not have like this";
  REQUIRE(refusal([](auto& set) { set.groups.pop_back(); }) == group);
  REQUIRE(refusal([](auto& set) { set.faults.pop_back(); }) == group);
  REQUIRE(refusal([](auto& set) { set.groups[10].first_fault = 9; }) == group);
}

TEST_CASE("trials run under another policy are refused", "[results]") {
  const auto refused = [](const faultgen::Schedule& schedule) {
    faultgen::FaultSet faults = tiny_faults();
    faults.provenance.schedule = schedule;
    const auto checked = check_faults(tiny_trials(), faults);
    return checked ? "" : checked.error().what;
  };
  using faultgen::Policy;
  // Every sample has a group of its own; sample 1 would share that of sample 0.
  REQUIRE(refused({Policy::per_batch, 1}).empty());
  REQUIRE(refused({Policy::per_epoch, 1}) ==
          "trial 1 has group 1, which the fault set does not have like this");
  REQUIRE(refused({Policy::per_batch, 5}) ==
          "trial 1 has group 1, which the fault set does not have like this");
}
