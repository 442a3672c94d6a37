#include "suite/selftest/selftest.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <atomic>
#include <map>

using namespace bitquake;
using namespace bitquake::selftest;

namespace {

TestCampaign& campaign() {
  static TestCampaign instance;
  return instance;
}

std::vector<Check> failed(const std::vector<CheckResult>& results) {
  std::vector<Check> checks;
  for (const CheckResult& result : results) {
    if (!result.ok) checks.push_back(result.check);
  }
  return checks;
}

/// A model whose first executor is sound and whose others have a defect.
class LaterDefective : public ModelWrapper {
 public:
  explicit LaterDefective(std::shared_ptr<const model::Model> sound)
      : ModelWrapper(std::move(sound)), defective_(plant(Defect::wrong_element, sound_)) {}
  std::unique_ptr<model::Executor> make_executor(
      const model::ExecutionOptions& options) const override {
    return made_++ == 0 ? sound_->make_executor(options) : defective_->make_executor(options);
  }

 private:
  std::shared_ptr<const model::Model> defective_;
  mutable std::atomic<unsigned> made_ = 0;
};

Report sound_report() {
  Report report;
  for (const auto& check : kChecks) report.checks.push_back({check.value, true, "counted"});
  for (const auto& defect : kDefects) report.defects.push_back({defect.value, {Check::rows}});
  return report;
}

}  // namespace

TEST_CASE("all checks hold and the evidence is the shipped one, at any padded batch",
          "[selftest]") {
  TestCampaign other(GENERATE(1U, 5U, 16U));
  const auto results = check_injector(other, other.model());
  for (const CheckResult& result : results) {
    CAPTURE(name_of(kChecks, result.check), result.detail);
    REQUIRE(result.ok);
  }
  REQUIRE(results.size() == 7);
}

TEST_CASE("each planted defect is noticed by the checks it concerns", "[selftest]") {
  using enum Check;
  const std::map<Defect, std::vector<Check>> noticed_by{
      {Defect::wrong_element, {rows, tables, hash}},
      {Defect::wrong_bit, {rows, tables, hash}},
      {Defect::left_behind, {rows, tables, hash, order}},
      {Defect::cancelled, {rows, tables, hash}},
      {Defect::golden_polluted, {rows, tables, hash, restored}},
      {Defect::not_restored, {golden, rows, tables, hash, restored}},
      {Defect::first_fault_only, {rows, tables, hash}},
      {Defect::stuck_at_flips, {rows, tables, hash}},
      {Defect::wrong_sample, {rows, tables, hash}},
      {Defect::results_swapped, {rows, tables, hash, order}},
      {Defect::nonfinite_dropped, {rows, tables, hash}},
      {Defect::tolerance, {rows, tables, hash}},
      {Defect::evidence_forged, {injections, hash}},
  };
  REQUIRE(noticed_by.size() == kDefects.size());
  for (const auto& [defect, checks] : noticed_by) {
    CAPTURE(name_of(kDefects, defect));
    REQUIRE((failed(check_injector(campaign(), plant(defect, campaign().model()))) == checks));
  }
}

TEST_CASE("threads and interruptions leave no trace, and one would be noticed", "[selftest]") {
  REQUIRE(failed(check_engine(campaign(), campaign().model(), 3)).empty());
  const auto changing = std::make_shared<LaterDefective>(campaign().model());
  REQUIRE((failed(check_engine(campaign(), changing, 2)) ==
           std::vector{Check::threads, Check::resume}));
}

TEST_CASE("one failed check or one missed defect fails the whole", "[selftest]") {
  Report report = sound_report();
  REQUIRE(report.passed());
  REQUIRE(report_text(report).find("\nPASSED  9 of 9 checks ok, 13 of 13 ") != std::string::npos);
  report.checks[3].ok = false;
  REQUIRE_FALSE(report.passed());
  REQUIRE(report_text(report).find("\nFAILED  tables ") != std::string::npos);
  REQUIRE(report_text(report).find("\nFAILED  8 of 9 checks ok") != std::string::npos);

  report = sound_report();
  report.defects[2].failed.clear();
  REQUIRE_FALSE(report.passed());
  REQUIRE(report_text(report).find("\nMISSED  left_behind ") != std::string::npos);
  const auto json = nlohmann::json::parse(report_json(report));
  REQUIRE(json.at("passed") == false);
  REQUIRE(json.at("planted_defects")[2].at("caught") == false);
  REQUIRE(json.at("planted_defects")[1].at("by") == nlohmann::json({"rows"}));
  REQUIRE(json.at("checks")[0].at("ok") == true);
}
