#include "suite/selftest/checks.hpp"

#include "faultgen/bits.hpp"
#include "suite/base/sha256.hpp"
#include "suite/engine/campaign.hpp"
#include "suite/engine/execution.hpp"
#include "suite/selftest/evidence.hpp"
#include "suite/selftest/integer_net.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <map>
#include <span>
#include <utility>

namespace bitquake::selftest {
namespace {

using Lines = std::vector<std::string>;

CheckResult compare(Check check, const Lines& got, const Lines& wanted, const char* noun) {
  std::size_t equal = 0, first = 0;
  for (std::size_t i = 0; i < std::min(got.size(), wanted.size()); ++i) {
    if (got[i] == wanted[i]) first += equal++ == i ? 1 : 0;
  }
  const bool ok = got == wanted;
  std::string detail = fmt::format("{} of {} {}", equal, wanted.size(), noun);
  if (!ok) {
    const auto line = [&](const Lines& lines) {
      return first < lines.size() ? lines[first] : std::string("nothing");
    };
    detail += fmt::format("; first '{}' instead of '{}'", line(got), line(wanted));
  }
  return {check, ok, std::move(detail)};
}

std::string evidence_hash(const faultgen::FaultSet& faults, const results::Trials& trials,
                          const std::vector<bool>& output_known) {
  std::string text;
  for (const Lines& lines : {fault_lines(faults), golden_lines(trials), injection_lines(trials),
                             trial_lines(trials, output_known)}) {
    for (const std::string& line : lines) text += line + "\n";
  }
  return sha256_hex(text);
}

/// How many trials came to each outcome.
std::array<std::uint64_t, 4> outcomes_of(const results::Trials& trials) {
  std::array<std::uint64_t, 4> counts{};
  for (const results::TrialRow& row : trials.trials) ++counts[row.outcome];
  return counts;
}

std::string outcomes_text(const std::array<std::uint64_t, 4>& counts) {
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", counts[i], metrics::kOutcomeNames[i]);
  }
  return text;
}

/// What the faults of the campaign reach.
std::string coverage_text(const faultgen::FaultSet& faults) {
  const faultgen::FaultSummary counts = faultgen::summarise(faults);
  const auto used = [](const auto& list) {
    return std::count_if(list.begin(), list.end(), [](std::uint64_t n) { return n > 0; });
  };
  const auto layers = std::count_if(faults.sites.begin(), faults.sites.end(), [](const auto& site) {
    return faultgen::is_default_kind(site.kind, faultgen::Target::neuron);
  });
  return fmt::format("{} of {} sites, {} of 32 bits, {} of {} fault models", used(counts.per_site),
                     layers, used(counts.per_bit), used(counts.per_model), counts.per_model.size());
}

/// Stops a campaign after some work units.
class Stopper : public engine::Observer {
 public:
  explicit Stopper(unsigned units) : left_(units) {}
  void progress(const engine::Progress& /*now*/) override {
    if (left_ > 0 && --left_ == 0) stop = true;
  }
  std::atomic<bool> stop = false;

 private:
  unsigned left_;  ///< 0: never
};

engine::CampaignResult run(const engine::Inputs& inputs, const std::filesystem::path& directory,
                           unsigned threads, unsigned stop_after_units = 0) {
  Stopper stopper(stop_after_units);
  return value_or_throw(engine::run_campaign(inputs, {.directory = directory, .threads = threads},
                                             stopper.stop, stopper));
}

/// SHA-256 of each file that must not depend on when and how often a campaign ran.
std::map<std::string, std::string> lasting_files(const std::filesystem::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    const std::string name = std::filesystem::relative(entry.path(), directory).string();
    if (!entry.is_regular_file() || name == "run.json" || name == "timings.csv" ||
        name == ".lock") {
      continue;
    }
    files[name] = value_or_throw(sha256_file(entry.path(), Errc::results));
  }
  return files;
}

CheckResult same_files(Check check, const std::filesystem::path& a, const std::filesystem::path& b,
                       const std::string& how) {
  const auto files = lasting_files(a), others = lasting_files(b);
  std::string differing;
  for (const auto& [name, hash] : files) {
    const auto other = others.find(name);
    if (other == others.end() || other->second != hash) differing += " " + name;
  }
  const bool ok = files == others;
  return {
      check, ok,
      fmt::format("{}, {} files{}", how, files.size(), ok ? "" : "; other bytes in" + differing)};
}

const metrics::Rate* find_rate(const results::Summary& summary, std::string_view metric) {
  for (const metrics::Rate& rate : summary.tables.front().overall) {
    if (rate.metric == metric) return &rate;
  }
  return nullptr;
}

CheckResult check_tables(const results::Summary& summary, const results::Trials& expected) {
  const auto counts = outcomes_of(expected);
  const std::uint64_t trials = expected.trials.size();
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const metrics::Rate* rate = find_rate(summary, metrics::kOutcomeNames[i]);
    if (rate == nullptr || rate->k != counts[i] || rate->n != trials || !rate->interval ||
        *rate->value() < rate->interval->low || *rate->value() > rate->interval->high) {
      return {Check::tables, false,
              fmt::format("{}: {} of {} instead of {} of {}", metrics::kOutcomeNames[i],
                          rate == nullptr ? 0 : rate->k, rate == nullptr ? 0 : rate->n, counts[i],
                          trials)};
    }
    sum += rate->k;
  }
  return {Check::tables, sum == trials, fmt::format("{} of {} trials counted", sum, trials)};
}

/// What came out of a trial, whatever machine made its NaNs.
bool same_result(const model::TrialResult& a, const model::TrialResult& b) {
  const auto same_value = [](float x, float y) {
    return faultgen::to_bits(x) == faultgen::to_bits(y) || (std::isnan(x) && std::isnan(y));
  };
  return a.injections == b.injections && a.first_nonfinite == b.first_nonfinite &&
         a.nonfinite == b.nonfinite && a.any_nonfinite == b.any_nonfinite &&
         a.failure == b.failure &&
         std::equal(a.output.begin(), a.output.end(), b.output.begin(), b.output.end(), same_value);
}

std::vector<std::vector<float>> outputs_of(const model::GoldenBlock& block) {
  std::vector<std::vector<float>> outputs;
  for (std::size_t i = 0; i < block.size(); ++i) outputs.push_back(block.row(i).output);
  return outputs;
}

/// Uses one executor directly: all trials in order, all in reverse, golden runs before and after.
std::vector<CheckResult> check_state(const engine::Inputs& inputs) {
  std::vector<float> images;
  for (std::uint64_t sample = 0; sample < kSamples; ++sample) {
    const auto pixels = integer_image(sample);
    images.insert(images.end(), pixels.begin(), pixels.end());
  }
  std::vector<model::Trial> trials;
  for (const faultgen::FaultGroup& group : inputs.faults.groups) {
    trials.push_back({static_cast<std::size_t>(group.slot), inputs.faults.faults_of(group)});
  }
  const auto executor = inputs.model->make_executor(engine::execution_options(inputs.scenario));
  const auto block = executor->golden(images);
  const auto before = outputs_of(*block);
  const auto forwards = executor->trials(*block, trials);

  constexpr std::size_t kBatch = 7;  // not that of the first time
  std::reverse(trials.begin(), trials.end());
  std::size_t same = 0, done = 0;
  while (done < trials.size()) {
    const auto some = std::span(trials).subspan(done, std::min(kBatch, trials.size() - done));
    for (const model::TrialResult& result : executor->trials(*block, some)) {
      same += same_result(result, forwards[trials.size() - ++done]) ? 1 : 0;
    }
  }
  const auto again = executor->golden(images);
  const bool restored = outputs_of(*block) == before && outputs_of(*again) == before;
  return {
      {Check::order, same == trials.size(), fmt::format("{} of {} trials", same, trials.size())},
      {Check::restored, restored,
       fmt::format("{} samples, {} trials between", before.size(), 2 * trials.size())}};
}

CheckResult check_hash(const engine::Inputs& inputs, const results::Trials& got,
                       const Expected& expected) {
  const std::string hash = evidence_hash(inputs.faults, got, expected.output_known);
  return {Check::hash, hash == kEvidenceSha256,
          hash == kEvidenceSha256 ? hash : fmt::format("{} instead of {}", hash, kEvidenceSha256)};
}

}  // namespace

std::vector<CheckResult> check_injector(TestCampaign& campaign,
                                        const std::shared_ptr<const model::Model>& model) {
  const engine::Inputs inputs = campaign.open(model);
  const Expected& expected = campaign.expected();
  const auto directory = campaign.new_directory();
  const results::Summary summary = run(inputs, directory, 1).summary;
  const auto got = value_or_throw(results::read_trials(directory / "trials.h5"));

  std::vector<CheckResult> results{
      compare(Check::golden, golden_lines(got), golden_lines(expected.trials), "samples"),
      compare(Check::injections, injection_lines(got), injection_lines(expected.trials), "faults"),
      compare(Check::rows, trial_lines(got, expected.output_known),
              trial_lines(expected.trials, expected.output_known), "trials"),
      check_tables(summary, expected.trials), check_hash(inputs, got, expected)};
  results[1].detail += "; " + coverage_text(inputs.faults);
  results[2].detail += "; " + outcomes_text(outcomes_of(got));
  for (CheckResult& result : check_state(inputs)) results.push_back(std::move(result));
  return results;
}

std::vector<CheckResult> check_engine(TestCampaign& campaign,
                                      const std::shared_ptr<const model::Model>& model,
                                      unsigned threads) {
  const engine::Inputs inputs = campaign.open(model);
  const auto whole = campaign.new_directory(), parallel = campaign.new_directory(),
             stopped = campaign.new_directory();
  const unsigned several = std::max(2U, threads);
  run(inputs, whole, 1);
  run(inputs, parallel, several);
  const engine::CampaignResult part = run(inputs, stopped, 1, 1);
  run(inputs, stopped, 1);
  std::vector<CheckResult> results{
      same_files(Check::threads, whole, parallel, fmt::format("1 and {} threads", several)),
      same_files(Check::resume, whole, stopped,
                 fmt::format("stopped after {} of {} trials", part.progress.trials_done,
                             part.progress.trials_total))};
  results[1].ok = results[1].ok && part.interrupted;
  return results;
}

}  // namespace bitquake::selftest
