#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <random>
#include <thread>

using namespace bitquake::test;

namespace {

/// Files of a run directory whose bytes the scenario decides.
constexpr std::array kLastingFiles{
    "scenario.yaml", "faults.h5",       "trials.h5",         "summary.json",        "skipped.csv",
    "kpi/site.csv",  "kpi/overall.csv", "kpi/bit_field.csv", "kpi/pytorchalfi.csv", "kpi/bit.csv"};

void require_same_files(const Workspace& workspace, const std::string& a, const std::string& b) {
  for (const std::string file : kLastingFiles) {
    CAPTURE(file);
    REQUIRE(workspace.read(a + "/" + file) == workspace.read(b + "/" + file));
  }
}

/// 100 samples x 200 epochs in 100 work units: seconds of work that can be interrupted anywhere.
void write_long_scenario(const Workspace& workspace) {
  workspace.write("scenario.yaml", Workspace::scenario("faults: {epochs: 200}\nunit_samples: 1\n"));
}

/// Waits until the process reports progress; false when it ended or a minute passed first.
bool wait_for_progress(const Process& process) {
  for (int i = 0; i < 6000; ++i) {
    if (holds(process.err_so_far(), "trials ")) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace

TEST_CASE("run prints tables and a verdict on stdout and progress on stderr", "[cli]") {
  const Workspace workspace;
  const Finished got = workspace.bitquake({"run", "scenario.yaml", "-o", "out"});
  REQUIRE(got.exit_code == 0);
  REQUIRE_THAT(got.out, Catch::Matchers::StartsWith("200 trials (0 failed) on 100 of 100 samples"));
  REQUIRE(holds(got.out, "\nVALID  SDE "));
  REQUIRE(holds(got.out, " of 200 trials   tables: out/kpi   trials: bitquake export out\n"));
  REQUIRE(!holds(got.out, "note: "));
  REQUIRE(holds(got.err, "trials 200/200  100 %"));
  REQUIRE(!holds(got.err, "VALID"));
  REQUIRE(!holds(got.err, "\033"));  // no terminal, no escape sequences
  REQUIRE(holds(workspace.read("out/log.txt"), " VALID  SDE "));
}

TEST_CASE("the default run directory is named after the scenario", "[cli]") {
  const Workspace workspace;
  const Finished got =
      workspace.bitquake({"run", "scenario.yaml", "--samples", "5", "--seed", "7"});
  REQUIRE(got.exit_code == 0);
  const std::string effective = workspace.read("out/scenario/scenario.yaml");
  REQUIRE(holds(effective, "\nseed: 7\n"));
  REQUIRE(holds(effective, "\n  samples: 5\n"));
  REQUIRE(holds(effective, "\n  epochs: 2\n"));
}

TEST_CASE("--quiet leaves stderr empty and --json prints summary.json", "[cli]") {
  const Workspace workspace;
  const Finished got = workspace.run("out", {"--json"});
  REQUIRE(got.exit_code == 0);
  REQUIRE(got.err.empty());
  REQUIRE(got.out == workspace.read("out/summary.json"));
  const auto json = nlohmann::json::parse(got.out);
  REQUIRE(json.at("trials") == 200);
  const auto& overall = json.at("conditions").at(0).at("overall");
  std::uint64_t sum = 0;
  for (const char* outcome : {"due", "masked", "benign", "sde"}) {
    REQUIRE(overall.at(outcome).at("n") == 200);
    sum += overall.at(outcome).at("k").get<std::uint64_t>();
  }
  REQUIRE(sum == 200);
}

TEST_CASE("results do not depend on the number of threads", "[cli][determinism]") {
  const Workspace workspace;
  for (const std::string target : {"neurons", "weights"}) {
    const std::vector<std::string> set{"--set", "faults.target=" + target, "--set",
                                       "unit_samples=3"};
    for (const std::string threads : {"1", "2", "5"}) {
      std::vector<std::string> more = set;
      more.insert(more.end(), {"-j", threads});
      REQUIRE(workspace.run(target + threads, more).exit_code == 0);
    }
    require_same_files(workspace, target + "1", target + "2");
    require_same_files(workspace, target + "1", target + "5");
  }
  REQUIRE(workspace.read("neurons1/trials.h5") != workspace.read("weights1/trials.h5"));
}

TEST_CASE("the same command again computes nothing and keeps every byte", "[cli]") {
  const Workspace workspace;
  REQUIRE(workspace.run("out").exit_code == 0);
  REQUIRE(workspace.run("copy").exit_code == 0);
  const Finished again = workspace.bitquake({"run", "scenario.yaml", "-o", "out"});
  REQUIRE(again.exit_code == 0);
  REQUIRE(holds(again.err, "note: continues: 2 of 2 work units are finished\n"));
  REQUIRE(holds(workspace.read("out/timings.csv"), "\ntrials,0,1,"));
  require_same_files(workspace, "out", "copy");
}

TEST_CASE("another scenario is refused and the directory stays as it is", "[cli]") {
  const Workspace workspace;
  REQUIRE(workspace.run("out").exit_code == 0);
  REQUIRE(workspace.run("copy").exit_code == 0);
  const std::string log = workspace.read("out/log.txt");
  const Finished other = workspace.run("out", {"--seed", "2"});
  REQUIRE(other.exit_code == 2);
  REQUIRE(other.err ==
          "out: error: holds the results of another scenario\n"
          "hint: compare it with out/scenario.yaml, or choose another directory "
          "with -o\n");
  REQUIRE(other.out.empty());
  require_same_files(workspace, "out", "copy");
  REQUIRE(workspace.read("out/log.txt") == log);
}

TEST_CASE("an output directory that cannot be made exits with 2", "[cli]") {
  const Workspace workspace;
  const std::string directory = GENERATE("model.pt", "model.pt/out", "/proc/out");
  const Finished got = workspace.run(directory);
  CAPTURE(got.err);
  REQUIRE(got.exit_code == 2);
  REQUIRE_THAT(got.err, Catch::Matchers::StartsWith(
                            directory + ": error: cannot be used as output directory: "));
  REQUIRE(got.out.empty());
}

TEST_CASE("an interrupted run keeps its trials, says how to go on and ends with the same bytes",
          "[cli][determinism]") {
  const Workspace workspace;
  write_long_scenario(workspace);
  REQUIRE(workspace.run("whole").exit_code == 0);
  for (const int number : {SIGINT, SIGTERM}) {
    const std::string directory = "out" + std::to_string(number);
    Process process(workspace.path(), {"run", "scenario.yaml", "-o", directory});
    REQUIRE(wait_for_progress(process));
    process.signal(number);
    const Finished stopped = process.wait();
    CAPTURE(stopped.err);
    REQUIRE(stopped.exit_code == 130);
    REQUIRE(stopped.out.empty());
    REQUIRE(holds(stopped.err, "\ninterrupted: "));
    REQUIRE(holds(stopped.err, " of 20,000 trials are done and kept in " + directory +
                                   "\nthe same command continues from there: "
                                   "bitquake run scenario.yaml -o " +
                                   directory + "\n"));
    REQUIRE(!workspace.has(directory + "/trials.h5"));

    const Finished resumed = workspace.bitquake({"run", "scenario.yaml", "-o", directory});
    REQUIRE(resumed.exit_code == 0);
    REQUIRE(holds(resumed.err, "note: continues: "));
    REQUIRE(holds(resumed.out, "\nVALID  "));
    require_same_files(workspace, directory, "whole");
  }
}

TEST_CASE("a run killed twenty times at random moments ends with the same bytes",
          "[cli][determinism]") {
  const Workspace workspace;
  write_long_scenario(workspace);
  REQUIRE(workspace.run("whole").exit_code == 0);
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  // From the start of the process to some time after the first segments of an unhindered run.
  std::uniform_int_distribution<int> milliseconds(1, 1'500);
  int killed = 0, finished = 0;
  while (killed < 20) {
    Process process(workspace.path(), {"run", "scenario.yaml", "-q", "-o", "out"});
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds(random)));
    process.signal(SIGKILL);
    const Finished got = process.wait();
    CAPTURE(got.err);
    REQUIRE(got.err.empty());
    if (got.exit_code < 0) {
      ++killed;
      continue;
    }
    // It was done before the blow fell: right, and once more from the start.
    REQUIRE(got.exit_code == 0);
    require_same_files(workspace, "out", "whole");
    std::filesystem::remove_all(workspace / "out");
    REQUIRE(++finished < 100);
  }
  REQUIRE(workspace.run("out").exit_code == 0);
  require_same_files(workspace, "out", "whole");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(workspace / "out")) {
    REQUIRE(entry.path().extension() != ".tmp");
  }
}

TEST_CASE("a run that cannot write names the file, keeps finished work and goes on later",
          "[cli][determinism]") {
  const Workspace workspace;
  write_long_scenario(workspace);
  REQUIRE(workspace.run("whole").exit_code == 0);
  // Files may not grow larger than this: segments and faults.h5 fit, trials.h5 does not, as on a
  // full disk.
  const auto largest =
      std::max(std::filesystem::file_size(workspace / "whole/segments/00000000.h5"),
               std::filesystem::file_size(workspace / "whole/faults.h5"));
  REQUIRE(std::filesystem::file_size(workspace / "whole/trials.h5") > largest + 8 * 512);
  const std::string blocks = std::to_string(largest / 512 + 4);
  const Finished full =
      workspace.limited("ulimit -f " + blocks, {"run", "scenario.yaml", "-q", "-o", "out"});
  CAPTURE(full.err);
  REQUIRE(full.exit_code == 4);
  REQUIRE(holds(full.err, "out/trials.h5"));
  REQUIRE(holds(full.err, "File too large"));
  REQUIRE(
      holds(full.err, "finished work is kept in out; once the cause is mended, the same command"));
  REQUIRE(!workspace.has("out/trials.h5"));
  REQUIRE(workspace.has("out/segments/00000000.h5"));

  const Finished resumed = workspace.bitquake({"run", "scenario.yaml", "-o", "out"});
  REQUIRE(resumed.exit_code == 0);
  REQUIRE(holds(resumed.err, "note: continues: 100 of 100 work units are finished\n"));
  require_same_files(workspace, "out", "whole");
}

TEST_CASE("golden accuracy below the scenario's expectation exits with 5 before the first trial",
          "[cli]") {
  const Workspace workspace;
  for (const std::string command : {"run", "check"}) {
    const Finished got =
        workspace.bitquake({command, "scenario.yaml", "--set", "expect.golden_top1=0.9"});
    CAPTURE(got.err);
    REQUIRE(got.exit_code == 5);
    REQUIRE(holds(got.err, "expect.golden_top1: error: golden top-1 is 0."));
    REQUIRE(holds(got.err, " of 100 samples), expected at least 0.9; no trial was run\n"));
    REQUIRE(!holds(got.out, "OK"));
  }
  REQUIRE(!workspace.has("out"));
  REQUIRE(workspace.run("out", {"--set", "expect.golden_top1=0.01"}).exit_code == 0);
}

TEST_CASE("permanent and accumulating faults run from the command line", "[cli]") {
  const Workspace workspace;
  workspace.write("scenario.yaml", Workspace::scenario("faults: {policy: per_epoch, epochs: 4}\n"
                                                       "run_type: accumulate\n"));
  const Finished few = workspace.bitquake({"run", "scenario.yaml", "-o", "out"});
  REQUIRE(few.exit_code == 0);
  REQUIRE(holds(few.out, "too few faults for an interval"));
  REQUIRE_THAT(workspace.read("out/kpi/epoch.csv"),
               Catch::StartsWith("variant,perturbation,epoch,"));

  const Finished missing = workspace.run("b", {"--set", "faults.policy=per_batch"});
  REQUIRE(missing.exit_code == 2);
  REQUIRE(holds(missing.err, "faults.policy: per_batch without faults.batch_size"));
}
