/// Every executor gives the results of the reference, bit by bit, on networks that nobody designed.
///
///     property_test                                     600 networks, always the same ones
///     BITQUAKE_PROPERTY_SEED=17 property_test           network 17 alone, as a failure names it
///     BITQUAKE_PROPERTY_NETWORKS=5000 property_test     more of them: seeds 0 to 4999
///
/// A failure shows the TorchScript of the smallest network that fails.

#include "faultgen/fault_model.hpp"
#include "suite/model/fingerprint.hpp"
#include "tests/model/loaded.hpp"
#include "tests/property/compare.hpp"
#include "tests/property/random_net.hpp"
#include "tests/property/random_trials.hpp"

#include <c10/core/InferenceMode.h>
#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace {

using namespace bitquake;
using model::Execution;
using model::ExecutionOptions;
using model::IncrementalParts;

/// Networks by default, and failing ones after which it is enough.
constexpr std::uint64_t kNetworks = 600, kEnough = 25;
/// Ids of draws of one seed; the network itself takes others.
constexpr std::uint64_t kTrialDraws = 1ULL << 41, kGuardDraws = 1ULL << 42;

struct NamedOptions {
  std::string name;
  ExecutionOptions options;
};

/// Everything that must give what the reference gives.
std::vector<NamedOptions> executions() {
  IncrementalParts none;
  for (const model::IncrementalPart& part : model::kIncrementalParts) none.*part.member = false;
  std::vector<NamedOptions> all{{"batched", {Execution::batched, {}}},
                                {"incremental", {Execution::incremental, {}}},
                                {"incremental without any part", {Execution::incremental, none}}};
  for (const model::IncrementalPart& part : model::kIncrementalParts) {
    IncrementalParts alone = none;
    alone.*part.member = true;
    all.push_back(
        {fmt::format("incremental, {} alone", part.name), {Execution::incremental, alone}});
  }
  return all;
}

std::optional<std::uint64_t> number(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  return std::stoull(text);
}

/// What the trials of all networks did: a test that compares nothing but equal outputs is none.
struct Seen {
  std::size_t trials = 0, differing = 0, masked = 0, unchanged = 0, nonfinite = 0, met_nan = 0;
  std::size_t refused = 0;  ///< networks
  std::size_t batches = 0;  ///< networks with more than one sample per inference
  std::map<std::string, std::size_t> first_alarms;  ///< by name of the guard
  std::size_t false_alarms = 0;                     ///< golden runs with one
  /// Faults by target, model, format and kind of site, and by target at a kind.
  std::map<std::string, std::size_t> faults;
  std::set<std::string> possible;  ///< targets at kinds that some network has
};

std::string at_kind(const faultgen::Site& site, faultgen::Target target) {
  return fmt::format("{} of {}", name_of(faultgen::kTargets, target),
                     faultgen::to_string(site.kind));
}

void count_faults(Seen& seen, std::span<const faultgen::Site> sites,
                  std::span<const model::Trial> trials) {
  for (const faultgen::Site& site : sites) {
    for (const auto& target : faultgen::kTargets) {
      if (faultgen::site_elements(site, target.value) == 0) continue;
      seen.possible.insert(at_kind(site, target.value));
    }
  }
  for (const model::Trial& trial : trials) {
    for (const faultgen::Fault& fault : trial.faults) {
      const faultgen::Site& site = sites[fault.site];
      ++seen.faults[std::string(name_of(faultgen::kTargets, fault.target))];
      ++seen.faults[std::string(faultgen::fault_model_info(fault.model).name)];
      ++seen.faults[std::string(name_of(faultgen::kNumberFormats, fault.storage.format))];
      ++seen.faults[std::string(faultgen::to_string(site.kind))];
      ++seen.faults[at_kind(site, fault.target)];
    }
  }
}

/// Each target, model, format, kind of site, and target at a kind that has it, was hit often.
void require_all_hit(const Seen& seen) {
  const auto require = [&](std::string_view what, std::size_t least) {
    const auto found = seen.faults.find(std::string(what));
    const std::size_t hits = found == seen.faults.end() ? 0 : found->second;
    INFO(what << " was hit " << hits << " times");
    REQUIRE(hits >= least);
  };
  for (const auto& target : faultgen::kTargets) require(target.name, 1000);
  for (const auto& info : faultgen::kBuiltInFaultModels) require(info.name, 1000);
  for (const auto& format : faultgen::kNumberFormats) require(format.name, 1000);
  for (const auto& kind : faultgen::kSiteKinds) require(kind.name, 100);
  for (const std::string& pair : seen.possible) require(pair, 20);
}

void count(Seen& seen, const model::Trial& trial, const model::GoldenBlock& block,
           const model::TrialResult& result) {
  const std::vector<float>& golden = block.row(trial.golden_row).output;
  bool same = true, active = false;
  for (std::size_t i = 0; i < golden.size(); ++i) {
    same &= golden[i] == result.output[i] || std::isnan(golden[i]);
  }
  for (const model::Injection& injection : result.injections) {
    active |= injection.original_bits != injection.corrupted_bits;
  }
  ++seen.trials;
  seen.differing += !same;
  seen.masked += same && active;
  seen.unchanged += !active;
  seen.nonfinite += result.first_nonfinite.has_value();
  seen.met_nan += test::met_nan(trial, result);
}

/// Runs the trials in two calls: what a trial gives must not depend on the others.
std::vector<model::TrialResult> in_two_calls(model::Executor& executor,
                                             const model::GoldenBlock& block,
                                             std::span<const model::Trial> trials,
                                             std::size_t first) {
  std::vector<model::TrialResult> results = executor.trials(block, trials.first(first));
  for (auto& result : executor.trials(block, trials.subspan(first))) {
    results.push_back(std::move(result));
  }
  return results;
}

bool same_values(const std::vector<float>& a, const std::vector<float>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool nan = std::isnan(a[i]) && std::isnan(b[i]);
    if (!nan && (a[i] != b[i] || std::signbit(a[i]) != std::signbit(b[i]))) return false;
  }
  return a.size() == b.size();
}

/// How the results of an executor differ from the reference; empty: they do not.
std::string differences(const NamedOptions& how, const model::Model& model,
                        const std::vector<float>& samples, const test::RandomTrials& made,
                        std::size_t split, const model::GoldenBlock& golden,
                        const std::vector<model::TrialResult>& expected) {
  const auto executor = model.make_executor(how.options);
  std::unique_ptr<model::GoldenBlock> block;
  std::vector<model::TrialResult> results;
  try {
    block = executor->golden(samples);
    results = in_two_calls(*executor, *block, made.trials, split);
  } catch (const std::exception& error) {
    const std::string_view what = error.what();
    return fmt::format("{} throws: {}\n", how.name, what.substr(0, what.find('\n')));
  }
  for (std::size_t row = 0; row < golden.size(); ++row) {
    if (!same_values(block->row(row).output, golden.row(row).output) ||
        block->row(row).output_finite != golden.row(row).output_finite ||
        block->row(row).alarms != golden.row(row).alarms) {
      return fmt::format("{}: golden run of sample {} differs\n", how.name, row);
    }
  }
  std::string first;
  std::size_t count = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::string differs = test::difference(made.trials[i], expected[i], results[i]);
    if (differs.empty() || ++count > 1) continue;
    first = fmt::format("{} ({})", differs, test::describe(made.trials[i], model.sites()));
  }
  if (count == 0) return "";
  return fmt::format("{}: {} of {} trials differ, the first: {}\n", how.name, count, results.size(),
                     first);
}

/// Kinds of guards that only some operators can have.
bool is_choosy(const model::Guard& guard) { return !model::has_bounds(guard.kind); }

/// The model with guards at some sites. Those that an operator refuses are left out.
Result<std::shared_ptr<const model::Model>> with_guards(const model::Model& plain,
                                                        const test::RandomNet& net,
                                                        std::uint32_t padded,
                                                        model::Monitor monitor, bool deviation,
                                                        Draws& draws) {
  model::Protection protection = test::random_protection(plain.sites(), draws);
  auto loaded =
      test::save_and_load(net.module, net.input_shape, padded, monitor, protection, deviation);
  if (loaded.ok() || loaded.error().code != Errc::scenario) return loaded;
  std::erase_if(protection.guards, is_choosy);
  return test::save_and_load(net.module, net.input_shape, padded, monitor, protection, deviation);
}

/// One network, all executors; every second one protected.
std::string check(std::uint64_t seed, const test::RandomNet& net, Seen& seen) {
  Draws draws(seed, Stream::check_input, kTrialDraws);
  static constexpr std::array<std::uint32_t, 10> kBatches{16, 16, 16, 16, 16, 16, 8, 8, 4, 4};
  const std::uint32_t padded = kBatches[draws.below(kBatches.size())];
  const auto monitor = draws.below(4) == 0 ? model::Monitor::output : model::Monitor::all;
  const bool deviation = seed % 4 < 2;  // more golden values are kept then
  auto loaded = test::save_and_load(net.module, net.input_shape, padded, monitor, {}, deviation);
  if (!loaded.ok()) {
    // An in-place operator made functional may give a tensor of one channel the other layout, and
    // layouts choose kernels: the model is refused, because its bits would not be the module's.
    const bool channels_last = net.source.find("memory_format") != std::string::npos;
    if (!channels_last) return to_string(loaded.error()) + "\n";
    ++seen.refused;
    return "";
  }
  if (seed % 2 == 1) {
    Draws guard_draws(seed, Stream::check_input, kGuardDraws);
    auto guarded = with_guards(**loaded, net, padded, monitor, deviation, guard_draws);
    if (!guarded.ok()) return to_string(guarded.error()) + "\n";
    if ((*guarded)->sites() != (*loaded)->sites() || (*guarded)->points() != (*loaded)->points()) {
      return "the protected model has other sites or points\n";
    }
    loaded = std::move(guarded);
  }
  const model::Model& model = **loaded;
  seen.batches += model.fingerprint().at("rows_per_inference") != "1";

  const std::size_t samples = 1 + draws.below(padded + 5);
  const auto values = test::random_samples(
      samples, static_cast<std::size_t>(faultgen::element_count(net.input_shape)), draws);
  const test::RandomTrials made = test::random_trials(model.sites(), samples, draws);
  const std::size_t split = draws.below(made.trials.size() + 1);
  count_faults(seen, model.sites(), made.trials);

  const auto reference = model.make_executor({Execution::reference, {}});
  const auto golden = reference->golden(values);
  const auto expected = reference->trials(*golden, made.trials);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!expected[i].failure.empty()) return "the reference fails: " + expected[i].failure;
    count(seen, made.trials[i], *golden, expected[i]);
    if (const auto alarm = expected[i].first_alarm)
      ++seen.first_alarms[model.guards()[*alarm].name];
  }
  for (std::size_t i = 0; i < golden->size(); ++i) {
    seen.false_alarms += !golden->row(i).alarms.empty();
  }
  std::string report;
  for (const NamedOptions& how : executions()) {
    report += differences(how, model, values, made, split, *golden, expected);
  }
  if (!report.empty()) report += fmt::format("{} rows per inference\n", padded);
  return report;
}

}  // namespace

TEST_CASE("every executor gives the results of the reference on random networks",
          "[property][executors]") {
  const c10::InferenceMode inference;
  model::use_one_inner_thread();
  const auto only = number("BITQUAKE_PROPERTY_SEED");
  const std::uint64_t first = only.value_or(0);
  const std::uint64_t networks =
      only ? 1 : number("BITQUAKE_PROPERTY_NETWORKS").value_or(kNetworks);
  Seen seen;
  std::vector<std::uint64_t> failed;
  std::string smallest, report, sources;
  for (std::uint64_t seed = first; seed < first + networks && failed.size() < kEnough; ++seed) {
    const test::RandomNet net = test::random_net(seed);
    sources += net.source;
    const std::string wrong = check(seed, net, seen);
    if (wrong.empty()) continue;
    failed.push_back(seed);
    if (!smallest.empty() && smallest.size() <= net.source.size()) continue;
    smallest = net.source;
    report = fmt::format("{}BITQUAKE_PROPERTY_SEED={}\n{}", wrong, seed, net.source);
  }
  INFO("failing seeds: " << fmt::format("{}", fmt::join(failed, ", ")));
  INFO(report);
  REQUIRE(failed.empty());
  if (networks < kNetworks) return;

  // The networks and trials were what they should be.
  INFO(
      fmt::format("{} trials: {} differ, {} masked, {} without a changed bit, {} non-finite, {} "
                  "met a NaN; {} networks with batches",
                  seen.trials, seen.differing, seen.masked, seen.unchanged, seen.nonfinite,
                  seen.met_nan, seen.batches));
  require_all_hit(seen);
  for (const auto& kind : model::kGuardKinds) {
    INFO(kind.name);
    REQUIRE(seen.first_alarms[std::string(kind.name)] > 100);
  }
  REQUIRE(seen.first_alarms["code"] > 100);
  REQUIRE(seen.false_alarms > 100);
  REQUIRE(seen.differing > seen.trials / 3);
  REQUIRE(seen.masked > seen.trials / 25);
  REQUIRE(seen.unchanged > seen.trials / 50);
  REQUIRE(seen.nonfinite > seen.trials / 25);
  REQUIRE(seen.met_nan < seen.trials / 10);
  REQUIRE(seen.batches > networks * 9 / 10);
  REQUIRE(seen.refused <= networks / 100);
  for (const char* used : {"torch.conv2d",
                           "torch._convolution",
                           "\"same\"",
                           "torch.linear",
                           "torch.addmm",
                           "torch.relu(",
                           "torch.relu_(",
                           "torch.relu6",
                           "torch.hardtanh",
                           "torch.leaky_relu",
                           "torch.sigmoid",
                           "torch.tanh",
                           "torch.silu",
                           "torch.gelu",
                           "torch.hardswish",
                           " += ",
                           "torch.max_pool2d",
                           "torch.avg_pool2d",
                           "[1, 1])",
                           "[2, 2])",
                           "torch.constant_pad_nd",
                           "torch.dropout",
                           "torch.upsample_nearest2d",
                           "torch.cat",
                           "torch.chunk",
                           "torch.copysign",
                           "torch.softmax",
                           "torch.log_softmax",
                           "torch.flatten",
                           "torch.layer_norm",
                           "torch.bmm",
                           "torch._scaled_dot_product_attention",
                           "torch.lstm",
                           "torch.gru",
                           "torch.embedding",
                           "torch.conv1d",
                           "torch.conv3d",
                           "torch.conv_transpose1d",
                           "torch.conv_transpose2d",
                           "torch.conv_transpose3d",
                           "torch._transformer_encoder_layer_fwd",
                           "torch.prelu",
                           ".view(",
                           "BatchNorm2d"}) {
    INFO(used);
    REQUIRE(sources.find(used) != std::string::npos);
  }
}
