#include "suite/engine/verify.hpp"

#include "results/segment.hpp"
#include "tests/support/toy_campaign.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace bitquake;
using namespace bitquake::test;

namespace fs = std::filesystem;

namespace {

engine::Verification verify(const ToyCampaign& campaign, double fraction = 0.01,
                            unsigned threads = 2) {
  const auto run = value_or_throw(engine::open_run(campaign / "out", campaign.scenario.directory));
  return engine::verify_run(
      run,
      [&](const scenario::Scenario&, const model::Protection&) {
        return Result<std::shared_ptr<const model::Model>>(make_toy_model(campaign.settings));
      },
      {.fraction = fraction, .threads = threads});
}

/// Names of the checks in a state.
std::set<std::string> names(const engine::Verification& verification, engine::CheckState state) {
  std::set<std::string> found;
  for (const engine::VerifyCheck& check : verification.checks) {
    if (check.state == state) found.insert(check.name);
  }
  return found;
}

std::set<std::string> failed(const engine::Verification& verification) {
  CAPTURE(engine::verification_text(verification));
  return names(verification, engine::CheckState::failed);
}

std::string detail(const engine::Verification& verification, const std::string& name) {
  for (const engine::VerifyCheck& check : verification.checks) {
    if (check.name == name) return check.detail;
  }
  return "";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Changes the rows of a run as someone would who can seal files: in trials.h5, and, unless the
/// segments are removed, only there.
template <class Change>
void change_rows(const ToyCampaign& campaign, Change change) {
  results::Trials rows = value_or_throw(results::read_trials(campaign / "out/trials.h5"));
  change(rows);
  results::write_trials(campaign / "out/trials.h5", rows);
  fs::remove_all(campaign / "out/segments");
}

/// 1,196 trials, some of which fail, one skipped sample.
ToyCampaign campaign_run() {
  ToyCampaign campaign(300, {{4, kNanOutputPixel}, {9, kInfiniteNeuronPixel}});
  campaign.scenario.faults.epochs = 4;
  campaign.settings.before_inference = [](std::span<const faultgen::Fault> faults) {
    if (faults[0].bit_mask == 4) throw std::runtime_error("fails");
  };
  run(campaign.inputs(), campaign / "out");
  return campaign;
}

using Names = std::set<std::string>;

}  // namespace

TEST_CASE("a sound run passes every check, for each policy and run type", "[engine][verify]") {
  ToyCampaign campaign(50, {{4, kNanOutputPixel}, {9, kInfiniteNeuronPixel}});
  campaign.scenario.faults.policy = GENERATE(
      faultgen::Policy::per_image, faultgen::Policy::per_batch, faultgen::Policy::per_epoch);
  if (campaign.scenario.faults.policy == faultgen::Policy::per_batch) {
    campaign.scenario.faults.batch_size = 7;
  }
  campaign.scenario.run_type = GENERATE(faultgen::RunType::single, faultgen::RunType::accumulate);
  campaign.scenario.faults.target = GENERATE(faultgen::Target::neuron, faultgen::Target::weight);
  campaign.scenario.faults.per_group = 2;
  campaign.scenario.faults.epochs = 3;
  run(campaign.inputs(), campaign / "out");
  const auto before = lasting_files(campaign / "out");
  const engine::Verification result = verify(campaign, 1.0);
  REQUIRE(failed(result) == Names{});
  REQUIRE(names(result, engine::CheckState::not_checked) == Names{});
  REQUIRE(holds(detail(result, "replays"), "147 of 147 trials"));
  REQUIRE(holds(engine::verification_text(result), "VERIFIED  11 of 11 checks\n"));
  REQUIRE(differences(lasting_files(campaign / "out"), before).empty());
}

TEST_CASE("the trials that are replayed depend on the seed alone", "[engine][verify]") {
  const ToyCampaign campaign = campaign_run();
  REQUIRE(holds(detail(verify(campaign), "replays"), "20 of 1,196 trials, chosen by seed 7"));
  REQUIRE(holds(detail(verify(campaign, 0.1, 1), "replays"), "120 of 1,196"));
}

TEST_CASE("a change of a file is found by the check that is for it", "[engine][verify]") {
  ToyCampaign campaign = campaign_run();
  const fs::path out = campaign / "out";
  Names expected;
  SECTION("scenario") {
    std::string text = read_bytes(out / "scenario.yaml");
    text.replace(text.find("confidence: 0.95"), 16, "confidence: 0.96");
    write_bytes(out / "scenario.yaml", text);
    expected = {"scenario", "tables"};
  }
  SECTION("data") {
    campaign.images[299 * kToyInputs] ^= 1U;
    campaign.write_data();
    expected = {"data"};
  }
  SECTION("model") {
    campaign.settings.sha256 = "0dd";
    expected = {"model"};
  }
  SECTION("fault set, sealed again") {
    auto set = value_or_throw(faultgen::read_fault_set(out / "faults.h5"));
    set.faults[0].bit_mask = 1U << (set.faults[0].bit_mask == 2 ? 2U : 1U);
    faultgen::write_fault_set(set, out / "faults.h5");
    const auto found = failed(verify(campaign));
    REQUIRE(found.contains("fault set"));
    REQUIRE(found.contains("injections"));
    return;
  }
  SECTION("a bit of a segment") {
    const fs::path segment = out / "segments/00000000.h5";
    std::string bytes = read_bytes(segment);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_bytes(segment, bytes);
    expected = {"segments", "trials.h5"};
  }
  SECTION("a segment that is missing") {
    fs::remove(out / "segments/00000000.h5");
    if (!fs::is_empty(out / "segments")) expected = {"segments", "trials.h5"};
  }
  SECTION("a bit of trials.h5") {
    std::string bytes = read_bytes(out / "trials.h5");
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_bytes(out / "trials.h5", bytes);
    expected = {"trials.h5"};
  }
  SECTION("no trials.h5") {
    fs::remove(out / "trials.h5");
    expected = {"trials.h5"};
  }
  SECTION("a table") {
    std::string text = read_bytes(out / "kpi/site.csv");
    text[text.size() / 2] = text[text.size() / 2] == '1' ? '2' : '1';
    write_bytes(out / "kpi/site.csv", text);
    fs::remove(out / "skipped.csv");
    expected = {"tables"};
    REQUIRE(holds(detail(verify(campaign), "tables"), "kpi/site.csv, skipped.csv"));
  }
  SECTION("a table that this campaign does not write") {
    write_bytes(out / "kpi/epoch.csv", "left by somebody\n");
    expected = {"tables"};
    REQUIRE(holds(detail(verify(campaign), "tables"), "kpi/epoch.csv"));
  }
  SECTION("summary.json") {
    write_bytes(out / "summary.json", read_bytes(out / "summary.json") + " ");
    expected = {"tables"};
  }
  REQUIRE(failed(verify(campaign)) == expected);
}

TEST_CASE("a changed row is found though the file is sealed again", "[engine][verify]") {
  const ToyCampaign campaign = campaign_run();
  Names expected;
  const std::size_t at = 700;
  SECTION("only trials.h5 changed: the segments contradict it") {
    const auto rows = value_or_throw(results::read_trials(campaign / "out/trials.h5"));
    results::Trials other = rows;
    other.trials[at].any_nonfinite ^= 1U;
    results::write_trials(campaign / "out/trials.h5", other);
    const auto found = failed(verify(campaign));
    REQUIRE(found.contains("trials.h5"));
    return;
  }
  SECTION("a missing trial") {
    change_rows(campaign, [&](results::Trials& rows) {
      const std::uint64_t trial = rows.trials[at].trial;
      rows.trials.erase(rows.trials.begin() + at);
      erase_if(rows.injections, [&](const auto& row) { return row.trial == trial; });
    });
    REQUIRE(holds(detail(verify(campaign), "plan"), "is missing"));
    expected = {"plan", "tables"};
  }
  SECTION("the group of another trial") {
    change_rows(campaign, [&](results::Trials& rows) { rows.trials[at].group += 1; });
    expected = {"plan", "tables"};
    REQUIRE(failed(verify(campaign, 1.0)) == Names{"plan", "tables", "replays"});
  }
  SECTION("bits after a fault that it does not leave behind") {
    change_rows(campaign, [&](results::Trials& rows) { rows.injections[at].corrupted_bits ^= 1U; });
    expected = {"injections"};
    REQUIRE(failed(verify(campaign, 1.0)).contains("replays"));
  }
  SECTION("another outcome") {
    change_rows(campaign, [&](results::Trials& rows) {
      for (auto& row : rows.trials) {
        if (row.outcome == 1) {
          row.outcome = 2;
          break;
        }
      }
    });
    expected = {"verdicts", "tables"};
  }
  SECTION("a flag") {
    change_rows(campaign, [&](results::Trials& rows) {
      for (auto& row : rows.trials) {
        if (row.sdc20 == 0 && row.outcome == 2) {
          row.sdc20 = 1;
          break;
        }
      }
    });
    expected = {"verdicts", "tables"};
  }
  SECTION("values before and after that fit each other: only a replay can tell") {
    change_rows(campaign, [&](results::Trials& rows) {
      for (auto& row : rows.injections) {
        if (row.reached == 0) continue;
        row.original_bits ^= 1U << 13U;
        row.corrupted_bits ^= 1U << 13U;
      }
    });
    const engine::Verification result = verify(campaign);
    REQUIRE(failed(result).contains("replays"));
    REQUIRE(holds(detail(result, "replays"), "injections/original_bits of fault "));
    return;
  }
  const auto found = failed(verify(campaign));
  for (const std::string& name : expected) REQUIRE(found.contains(name));
  REQUIRE_FALSE(found.contains("trials.h5"));
}

TEST_CASE("results of a defective executor are not reproduced", "[engine][verify]") {
  ToyCampaign campaign(60);
  campaign.settings.defect = GENERATE(Defect::wrong_bit, Defect::wrong_element,
                                      Defect::applied_twice, Defect::wrong_sample);
  run(campaign.inputs(), campaign / "out");
  campaign.settings.defect = Defect::none;
  REQUIRE(failed(verify(campaign, 1.0)).contains("replays"));
}

TEST_CASE("an unfinished run is verified as far as it has come", "[engine][verify]") {
  ToyCampaign campaign(600, {{4, kNanOutputPixel}});
  campaign.scenario.faults.epochs = 4;
  run_some(campaign.inputs(), campaign / "out", 1'100);
  const engine::Verification result = verify(campaign);
  REQUIRE_FALSE(result.finished);
  REQUIRE(failed(result) == Names{});
  REQUIRE(names(result, engine::CheckState::not_checked) == Names{"trials.h5", "tables"});
  REQUIRE(holds(detail(result, "segments"), "so far: "));
  REQUIRE(holds(engine::verification_text(result),
                "VERIFIED  9 of 11 checks; the campaign is unfinished; the others say why not\n"));
}

TEST_CASE("rows that an unfinished run has lost are missed", "[engine][verify]") {
  ToyCampaign campaign(600);
  campaign.scenario.faults.epochs = 4;
  run_some(campaign.inputs(), campaign / "out", 1'100);
  const fs::path path = campaign / "out/segments/00000000.h5";
  results::Segment segment = value_or_throw(results::read_segment(path));
  const std::uint64_t sample = segment.trials[5].sample, trial = segment.trials[5].trial;
  std::string text;
  SECTION("a trial") {
    erase_if(segment.trials, [&](const auto& row) { return row.trial == trial; });
    text = "trial " + std::to_string(trial) + " is missing";
  }
  SECTION("a sample with its trials") {
    erase_if(segment.trials, [&](const auto& row) { return row.sample == sample; });
    std::erase_if(segment.golden, [&](const auto& row) { return row.sample == sample; });
    text = " golden rows, not ";
  }
  results::write_segment(path, segment);
  const engine::Verification result = verify(campaign);
  REQUIRE(failed(result) == Names{"plan"});
  REQUIRE(holds(detail(result, "plan"), text));
  REQUIRE(names(result, engine::CheckState::not_checked) ==
          Names{"trials.h5", "injections", "verdicts", "tables"});
}

TEST_CASE("a run that never began has no rows and says so", "[engine][verify]") {
  const ToyCampaign campaign(20);
  StoppingObserver observer;
  observer.stop = true;
  REQUIRE(engine::run_campaign(campaign.inputs(), {.directory = campaign / "out"}, observer.stop,
                               observer));
  REQUIRE(failed(verify(campaign)) == Names{});
}

TEST_CASE("under other numerics nothing is replayed, and the reason is given", "[engine][verify]") {
  ToyCampaign campaign = campaign_run();
  campaign.settings.fingerprint["arithmetic"] = "vectors";
  const engine::Verification result = verify(campaign);
  REQUIRE(failed(result) == Names{});
  REQUIRE(names(result, engine::CheckState::not_checked) == Names{"replays"});
  REQUIRE(holds(detail(result, "replays"), "other numerics"));
}
