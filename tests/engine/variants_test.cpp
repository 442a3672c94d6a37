#include "suite/engine/variants.hpp"

#include "suite/engine/replay.hpp"
#include "suite/engine/run_files.hpp"
#include "suite/engine/verify.hpp"
#include "suite/model/bounds.hpp"
#include "tests/engine/oracle.hpp"
#include "tests/support/toy_campaign.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

/// Campaigns with modified networks.
using namespace bitquake;
using namespace bitquake::test;

namespace {

using Variant = scenario::Scenario::Variant;
using scenario::Protection;

/// Bounds that clean values exceed in some samples.
void write_toy_bounds(const std::filesystem::path& path, const std::string& sha256 = "5eed") {
  model::Bounds bounds;
  bounds.model_sha256 = sha256;
  bounds.samples = 40;
  for (const char* const name : {"fc1", "fc2"}) {
    model::SiteBounds& site = bounds.sites.emplace_back();
    site.site = name;
    site.kind = faultgen::SiteKind::linear;
    site.range = {-2, 2, 100, 0};
    site.channels.assign(name[2] == '1' ? kToyHidden : kToyClasses, {-1.5F, 1.5F, 10, 0});
  }
  model::write_bounds(path, bounds);
}

Variant bounded(Protection protection) {
  Variant variant;
  variant.protection = protection;
  variant.bounds = "bounds.h5";
  variant.kinds = {faultgen::SiteKind::linear};
  return variant;
}

Variant coded(Protection protection) {
  Variant variant;
  variant.protection = protection;
  return variant;
}

/// Clamp by site, clip by channel and a code of the weights; faults in neurons and weights; two
/// perturbations.
ToyCampaign variants_campaign() {
  ToyCampaign campaign(20, {{5, 249}, {7, 255}});
  write_toy_bounds(campaign / "bounds.h5");
  campaign.scenario.perturbations = {*augment::parse_pipeline("clean"),
                                     *augment::parse_pipeline("gaussian_noise/3")};
  campaign.scenario.faults.epochs = 3;
  campaign.scenario.faults.bits = {"exponent"};
  campaign.scenario.deviation = true;
  scenario::Scenario::Faults weights = campaign.scenario.faults;
  weights.target = faultgen::Target::weight;
  weights.epochs = 1;
  campaign.scenario.more_faults = {weights};
  campaign.scenario.variant = bounded(Protection::clamp);
  Variant clip = bounded(Protection::clip);
  clip.bounds_per = scenario::BoundsScope::channel;
  clip.include = {"fc1"};
  campaign.scenario.more_variants = {clip, coded(Protection::secded_39_32)};
  return campaign;
}

results::Trials trials_of(const std::filesystem::path& directory) {
  return value_or_throw(results::read_trials(directory / "trials.h5"));
}

/// The rows of one variant as those of a campaign with it alone.
results::Trials part_of(const results::Trials& all, std::uint32_t variant, std::uint64_t each) {
  results::Trials part;
  std::int32_t first_guard = 0;
  for (const auto& guard : all.campaign.guards) first_guard += guard.variant < variant ? 1 : 0;
  const auto own = [&](std::int32_t alarm) { return alarm < 0 ? alarm : alarm - first_guard; };
  for (results::GoldenRow row : all.golden) {
    if (row.variant != variant) continue;
    row.variant = 0;
    row.alarm = own(row.alarm);
    part.golden.push_back(row);
  }
  for (results::TrialRow row : all.trials) {
    if (row.variant != variant) continue;
    for (results::InjectionRow injection : all.injections_of(row)) {
      injection.trial -= variant * each;
      part.injections.push_back(injection);
    }
    for (results::MonitorRow seen : all.monitors_of(row)) {
      seen.trial -= variant * each;
      if (seen.monitor == 1)
        seen.place = static_cast<std::uint32_t>(own(static_cast<std::int32_t>(seen.place)));
      part.observed.monitors.push_back(seen);
    }
    for (results::DeviationRow at : all.deviations_of(row)) {
      at.trial -= variant * each;
      part.observed.deviations.push_back(at);
    }
    row.trial -= variant * each;
    row.variant = 0;
    row.alarm = own(row.alarm);
    part.trials.push_back(row);
  }
  return part;
}

/// A campaign of one network: the original, or one that is loaded with a variant's protection.
results::Trials alone(const ToyCampaign& joint, std::uint32_t variant, const std::string& name) {
  scenario::Scenario scenario = joint.scenario;
  scenario.variant = {};
  scenario.more_variants.clear();
  model::Protection protection;
  const auto catching = [&](const scenario::Scenario& wanted, const model::Protection& given) {
    if (!given.guards.empty() || !given.weights.empty()) protection = given;
    return joint.loader()(wanted, given);
  };
  if (variant > 0) {
    scenario::Scenario one = joint.scenario;
    one.variant = joint.scenario.variants()[variant - 1];
    one.more_variants.clear();
    REQUIRE(engine::prepare(one, catching));
  }
  const auto loader = [&](const scenario::Scenario& wanted, const model::Protection&) {
    return joint.loader()(wanted, protection);
  };
  engine::Inputs inputs = value_or_throw(engine::prepare(scenario, loader));
  run(inputs, joint / name);
  return trials_of(joint / name);
}

}  // namespace

TEST_CASE("the rows of a variant are those of a campaign of it alone", "[engine][property]") {
  ToyCampaign campaign = variants_campaign();
  campaign.scenario.run_type = GENERATE(faultgen::RunType::single, faultgen::RunType::accumulate);
  if (campaign.scenario.run_type == faultgen::RunType::accumulate) {
    campaign.scenario.faults.policy = faultgen::Policy::per_batch;
    campaign.scenario.faults.batch_size = 4;
  }
  const engine::Inputs inputs = campaign.inputs();
  REQUIRE(inputs.plan.trials() == 4 * 2 * 3 * 20);
  run(inputs, campaign / "out");
  const results::Trials all = trials_of(campaign / "out");
  REQUIRE(all.campaign.variants ==
          std::vector<std::string>{"original", "clamp", "clip", "secded_39_32"});
  // fc1 and fc2 clamped, fc1 clipped, the weights of both in a code.
  REQUIRE(all.campaign.guards.size() == 2 + 1 + 2);
  REQUIRE(all.campaign.guards[2] == results::GuardName{2, "fc1", "clip"});
  REQUIRE(all.campaign.guards[4] == results::GuardName{3, "fc2", "secded_39_32"});
  std::uint64_t detected = 0, corrected = 0, false_alarms = 0;
  for (std::uint32_t variant = 0; variant < 4; ++variant) {
    CAPTURE(variant);
    const std::uint64_t each = inputs.plan.conditions() / 4 * inputs.plan.trials_each();
    const results::Trials part = part_of(all, variant, each);
    const auto name = "alone" + std::to_string(variant);
    REQUIRE(first_difference(part, alone(campaign, variant, name)) == "");
    for (const auto& row : part.trials) detected += row.detected, corrected += row.corrected;
    for (const auto& row : part.golden) false_alarms += row.alarms > 0 ? 1 : 0;
  }
  REQUIRE(detected > corrected);
  REQUIRE(corrected > 0);
  REQUIRE(false_alarms > 0);
}

TEST_CASE("a code that corrects every flip leaves nothing but alarms", "[engine]") {
  ToyCampaign campaign(12);
  campaign.scenario.faults.target = faultgen::Target::weight;
  campaign.scenario.variant = coded(Protection::secded_39_32);
  run(campaign.inputs(), campaign / "out");
  std::uint64_t seen = 0;
  for (const auto& row : trials_of(campaign / "out").trials) {
    if (row.variant == 0) {
      REQUIRE(row.detected == 0);
      continue;
    }
    ++seen;
    REQUIRE(static_cast<metrics::Outcome>(row.outcome) == metrics::Outcome::masked);
    REQUIRE((row.detected == 1 && row.corrected == 1 && row.alarm >= 0));
  }
  REQUIRE(seen == 24);
}

TEST_CASE("variants have the same bytes for any threads and interruption, and replay",
          "[engine][determinism]") {
  ToyCampaign campaign = variants_campaign();
  const engine::Inputs inputs = campaign.inputs();
  run(inputs, campaign / "one", 1);
  const auto expected = lasting_files(campaign / "one");
  REQUIRE(expected.contains("kpi/protection.csv"));
  run(inputs, campaign / "three", 3);
  REQUIRE(differences(lasting_files(campaign / "three"), expected).empty());
  int interruptions = 0;
  while (run_some(inputs, campaign / "again", 60).interrupted) ++interruptions;
  REQUIRE(interruptions > 1);
  REQUIRE(lasting_files(campaign / "again")["trials.h5"] == expected.at("trials.h5"));

  const auto files = value_or_throw(engine::open_run(campaign / "one", campaign / ""));
  const auto verified = engine::verify_run(files, campaign.loader(), {.fraction = 1});
  for (const auto& check : verified.checks) {
    CAPTURE(check.name, check.detail);
    REQUIRE(check.state == engine::CheckState::ok);
  }
  const engine::Inputs reopened = value_or_throw(engine::reopen(files, campaign.loader()));
  const results::Trials rows = trials_of(campaign / "one");
  for (const std::uint64_t trial : {std::uint64_t{0}, rows.trials.back().trial}) {
    REQUIRE(engine::replay_trial(files, reopened, rows, trial)->differences.empty());
  }
  const auto alarmed = std::find_if(rows.trials.begin(), rows.trials.end(),
                                    [](const auto& row) { return row.alarm >= 0; });
  REQUIRE(alarmed != rows.trials.end());
  const auto& guard = rows.campaign.guards.at(static_cast<std::size_t>(alarmed->alarm));
  const auto replayed = engine::replay_trial(files, reopened, rows, alarmed->trial);
  REQUIRE_THAT(engine::replay_text(*replayed, reopened),
               Catch::Contains("\nalarm    first by " + guard.kind + " of " + guard.site + ": "));

  // Other bounds are noticed.
  write_toy_bounds(campaign / "bounds.h5", "5eed");
  REQUIRE(engine::reopen(files, campaign.loader()));
  model::Bounds other = value_or_throw(model::read_bounds(campaign / "bounds.h5"));
  other.sites[0].range.high = 3;
  model::write_bounds(campaign / "bounds.h5", other);
  REQUIRE(engine::reopen(files, campaign.loader()).error().what.find("is not the file") !=
          std::string::npos);
}

TEST_CASE("variants that do not fit are refused with a reason", "[engine]") {
  ToyCampaign campaign(6);
  write_toy_bounds(campaign / "bounds.h5");
  const auto refusal = [&](const Variant& variant) {
    campaign.scenario.variant = variant;
    const auto inputs = campaign.prepare();
    REQUIRE_FALSE(inputs);
    return inputs.error().where + ": " + inputs.error().what;
  };
  Variant variant = bounded(Protection::clamp);
  variant.include = {"fc3"};
  REQUIRE_THAT(refusal(variant), Catch::StartsWith("variant clamp: ") && Catch::Contains("fc3"));
  variant = bounded(Protection::clamp);
  variant.kinds.clear();  // activations, which the toy has not
  REQUIRE_THAT(refusal(variant),
               Catch::StartsWith("variant clamp: variants.kinds 'activation' names no site"));
  variant = bounded(Protection::clamp);
  variant.exclude = {"*"};
  REQUIRE_THAT(refusal(variant), Catch::Contains("variant clamp: there is no site left"));
  variant = bounded(Protection::clamp);
  variant.bounds = "missing.h5";
  REQUIRE_THAT(refusal(variant), Catch::Contains("missing.h5"));
  write_toy_bounds(campaign / "other.h5", "another");
  variant.bounds = "other.h5";
  REQUIRE_THAT(refusal(variant), Catch::Contains("other.h5"));

  model::Bounds few = value_or_throw(model::read_bounds(campaign / "bounds.h5"));
  few.sites.pop_back();
  few.sites[0].channels.clear();
  model::write_bounds(campaign / "few.h5", few);
  variant.bounds = "few.h5";
  REQUIRE_THAT(refusal(variant), Catch::Contains("few.h5 has no bounds of fc2"));
  variant.include = {"fc1"};
  variant.bounds_per = scenario::BoundsScope::channel;
  REQUIRE_THAT(refusal(variant), Catch::Contains("no bounds of the channels of fc1"));
}

TEST_CASE("channels of a variant reach its guards", "[engine]") {
  ToyCampaign campaign(6);
  Variant variant = coded(Protection::duplicate);
  variant.channels = {"5", "0-2", "1"};
  campaign.scenario.variant = variant;
  model::Protection given;
  const auto loader = [&](const scenario::Scenario&, const model::Protection& protection) {
    given = protection;
    return Result<std::shared_ptr<const model::Model>>(make_toy_model());
  };
  REQUIRE(engine::prepare(campaign.scenario, loader));
  REQUIRE(given.guards.size() == 2);  // fc1 and fc2
  for (const auto& guard : given.guards) {
    REQUIRE(guard.kind == model::GuardKind::duplicate);
    REQUIRE(guard.channels == std::vector<std::uint32_t>{0, 1, 2, 5});
  }
}

TEST_CASE("another model file is run under the sites of the original", "[engine]") {
  ToyCampaign campaign(12);
  Variant other;
  other.model = "other.pt";
  campaign.scenario.variant = other;
  campaign.scenario.faults.include = {"fc2"};
  ToySettings theirs;
  theirs.sha256 = "0ther";
  const auto loader = [&](const scenario::Scenario& scenario, const model::Protection&) {
    return Result<std::shared_ptr<const model::Model>>(
        make_toy_model(scenario.model.file == "other.pt" ? theirs : campaign.settings));
  };
  write_bytes(campaign / "other.pt", "other");
  run(value_or_throw(engine::prepare(campaign.scenario, loader)), campaign / "out");
  const results::Trials all = trials_of(campaign / "out");
  REQUIRE(all.campaign.variants[1] == "other");
  const results::Trials ours = part_of(all, 0, 24);
  REQUIRE(first_difference(part_of(all, 1, 24), ours) == "");  // it is the same network

  const auto refusal = [&](std::vector<std::string> map) {
    campaign.scenario.variant.site_map = std::move(map);
    const auto inputs = engine::prepare(campaign.scenario, loader);
    REQUIRE_FALSE(inputs);
    return inputs.error().where + ": " + inputs.error().what;
  };
  REQUIRE_THAT(refusal({"fc2 = fc9"}),
               Catch::Contains("variant other: variants.site_map: its model has no site fc9"));
  REQUIRE_THAT(refusal({"fc9 = fc2"}), Catch::Contains("model.file has no site fc9"));
  REQUIRE_THAT(refusal({"fc2 = fc1"}),
               Catch::Contains("its neurons of fc2 have 8 elements, the original's 6"));
}
