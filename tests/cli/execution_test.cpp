// How trials are computed, within which memory, and the audit of what came out.
#include "results/segment.hpp"
#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace bitquake;
using namespace bitquake::test;

namespace {

const std::vector<std::string> kInfo{"model", "info", "model.pt", "--input", "1x28x28"};

std::vector<std::string> with(std::vector<std::string> arguments,
                              const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace

TEST_CASE("run says what the audit found, on stdout and in the log", "[cli][audit]") {
  const Workspace workspace;
  const std::string line =
      "audit: 16 of 200 trials run again with the whole network: no difference";
  const Finished got = workspace.run("out");
  REQUIRE(got.exit_code == 0);
  REQUIRE(got.err.empty());
  REQUIRE(holds(got.out, "\n\n" + line + "\nVALID  "));
  REQUIRE(holds(workspace.read("out/log.txt"), " " + line + "\n"));
  const auto json = nlohmann::json::parse(workspace.read("out/run.json"));
  REQUIRE(json.at("audit") ==
          nlohmann::json({{"state", "passed"}, {"trials", 16}, {"differing", 0}}));
  REQUIRE(json.at("peak_memory_bytes") > 1'000'000);
}

TEST_CASE("execution, audit and memory change neither tables nor rows", "[cli][audit]") {
  const Workspace workspace;
  REQUIRE(workspace.run("out").exit_code == 0);
  const std::vector<std::vector<std::string>> ways{
      {"--execution", "batched"},
      {"--execution", "reference"},
      {"--set", "incremental.region=off", "--set", "incremental.channel=off"},
      {"--set", "audit=off", "--set", "memory_budget_mib=64"}};
  const std::vector<std::string> audits{"audit: 16 of 200 trials run again",
                                        "audit: skipped, as execution: reference",
                                        "audit: 16 of 200 trials run again", "audit: off\n"};
  for (std::size_t i = 0; i < ways.size(); ++i) {
    const std::string directory = "out" + std::to_string(i);
    const Finished got = workspace.run(directory, ways[i]);
    CAPTURE(ways[i], got.out, got.err);
    REQUIRE(got.exit_code == 0);
    REQUIRE(holds(got.out, "\n" + audits[i]));
    for (const std::string file : {"trials.h5", "faults.h5", "summary.json", "kpi/overall.csv"}) {
      const bool same = workspace.read(directory + "/" + file) == workspace.read("out/" + file);
      REQUIRE(same);
    }
  }
}

TEST_CASE("rows that the whole network does not give are INVALID and exit with 8", "[cli][audit]") {
  const Workspace workspace;
  REQUIRE(workspace.run("out").exit_code == 0);
  // As if the campaign had computed other outputs: its segments say so, and are sealed.
  const auto path = workspace / "out/segments/00000000.h5";
  results::Segment segment = value_or_throw(results::read_segment(path));
  for (results::TrialRow& row : segment.trials) row.output_hash ^= 1U;
  results::write_segment(path, segment);

  const Finished got = workspace.run("out");
  CAPTURE(got.out, got.err);
  REQUIRE(got.exit_code == 8);
  REQUIRE_THAT(got.err, Catch::StartsWith("out: error: audit: 16 of 200 trials run again with the "
                                          "whole network: 16 came out otherwise\n  trial "));
  REQUIRE(holds(got.err, ": trials/output_hash is "));
  REQUIRE(holds(got.err, ", with the whole network "));
  REQUIRE(holds(got.err, "\n  and 11 more\nhint: bitquake replay out "));
  REQUIRE(holds(got.err, "execution: reference"));
  REQUIRE(holds(got.out, "\nINVALID  16 of 16 trials came out otherwise in the audit   "));
  REQUIRE(!holds(got.out, "\nVALID"));
  REQUIRE(holds(workspace.read("out/log.txt"), "and 11 more"));
  REQUIRE(workspace.has("out/trials.h5"));
  REQUIRE(holds(workspace.read("out/run.json"), "\"state\": \"failed\""));

  const Finished json = workspace.run("out", {"--json"});
  REQUIRE(json.exit_code == 8);
  REQUIRE(json.out == workspace.read("out/summary.json"));
}

TEST_CASE("a memory budget that no unit fits exits with 3, idle threads are noted", "[cli]") {
  const Workspace workspace;
  // 7,056 bytes for each sample: 784 pixels and twice as many floats.
  workspace.write("many", idx_file({300, 28, 28}, Workspace::noise(std::size_t{300} * 28 * 28)));
  workspace.write("scenario.yaml",
                  "version: 1\n"
                  "model: {file: model.pt, input: [1, 28, 28], output: logits}\n"
                  "data: {name: noise, images: many}\n"
                  "execution: reference\n"
                  "memory_budget_mib: 1\n");
  for (const std::string command : {"run", "check"}) {
    const Finished large =
        workspace.bitquake({command, "scenario.yaml", "--set", "unit_samples=1000", "-j", "2"});
    REQUIRE(large.exit_code == 3);
    REQUIRE(large.out.empty());
    REQUIRE(large.err ==
            "scenario.yaml: error: a work unit of 300 samples takes 3 MiB, the memory budget is "
            "1 MiB\n"
            "hint: set unit_samples: 148 or less, or memory_budget_mib: 3 or more\n");
    REQUIRE(!workspace.has("out"));
  }
  for (const std::string command : {"run", "check"}) {
    const Finished half =
        workspace.bitquake({command, "scenario.yaml", "--set", "unit_samples=100", "-j", "2"});
    CAPTURE(half.err);
    REQUIRE(half.exit_code == 0);
    REQUIRE(holds(half.err,
                  "note: the memory budget of 1 MiB holds 1 work unit of 100 samples at once: 1 of "
                  "2 threads idle; to use all, set unit_samples: 74 or less, or "
                  "memory_budget_mib: 2 or more\n"));
  }
}

TEST_CASE("--execution takes the words of the key and is repeated in the next command", "[cli]") {
  const Workspace workspace;
  const Finished check =
      workspace.bitquake({"check", "scenario.yaml", "--execution", "batched", "-j", "1"});
  REQUIRE(check.exit_code == 0);
  REQUIRE(holds(check.out, "OK  next: bitquake run scenario.yaml --execution batched\n"));
  REQUIRE(
      holds(check.out, "\nmemory      2 work units of 64 samples at once, 1 MiB each; budget "));
  const Finished wrong = workspace.run("out", {"--execution", "fast"});
  REQUIRE(wrong.exit_code == 2);
  REQUIRE(wrong.err ==
          "bitquake run: error: --execution: expected one of incremental, batched, reference, got "
          "'fast'\nhint: see bitquake run --help\n");
  const Finished part =
      workspace.run("out", {"--execution", "reference", "--set", "incremental.noop=off"});
  REQUIRE(part.exit_code == 2);
  REQUIRE(holds(part.err, "incremental.noop: off does not apply to execution reference\n"));
}

TEST_CASE("model info --execution says how faults of each site are computed", "[cli]") {
  const Workspace workspace;
  const Finished got = workspace.bitquake(with(kInfo, {"--execution"}));
  REQUIRE(got.exit_code == 0);
  REQUIRE(got.err.empty());
  const bool by_site = holds(got.out, "\nsite ") && holds(got.out, "neuron fault");
  const bool by_reference =
      holds(got.out, "\nevery inference runs the whole network (execution: reference)\n");
  REQUIRE((by_site || by_reference));
  const auto json =
      nlohmann::json::parse(workspace.bitquake(with(kInfo, {"--execution", "--json"})).out);
  REQUIRE(json.at("execution").is_array());
  for (const auto& site : json.at("execution")) {
    REQUIRE(site.at("site").is_string());
    REQUIRE(site.at("neuron_fault").is_string());
    REQUIRE(site.at("weight_fault").is_string());
    REQUIRE(site.at("reason").is_string());
  }
  const auto plain = nlohmann::json::parse(workspace.bitquake(with(kInfo, {"--json"})).out);
  REQUIRE(!plain.contains("execution"));
}
