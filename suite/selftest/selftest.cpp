#include "suite/selftest/selftest.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace bitquake::selftest {
namespace {

DefectResult try_defect(TestCampaign& campaign, Defect defect) {
  DefectResult result{defect, {}};
  for (const CheckResult& check : check_injector(campaign, plant(defect, campaign.model()))) {
    if (!check.ok) result.failed.push_back(check.check);
  }
  return result;
}

}  // namespace

bool Report::passed() const {
  return std::all_of(checks.begin(), checks.end(), [](const auto& check) { return check.ok; }) &&
         std::all_of(defects.begin(), defects.end(),
                     [](const auto& defect) { return defect.caught(); });
}

Report run_selftest(unsigned threads) {
  const auto start = std::chrono::steady_clock::now();
  TestCampaign campaign;
  Report report;
  report.fingerprint = campaign.model()->fingerprint();
  report.checks = check_injector(campaign, campaign.model());
  for (CheckResult& check : check_engine(campaign, campaign.model(), threads)) {
    report.checks.push_back(std::move(check));
  }
  for (const auto& defect : kDefects) {
    report.defects.push_back(try_defect(campaign, defect.value));
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace bitquake::selftest
