#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <set>

using namespace bitquake;
using namespace bitquake::test;

TEST_CASE("bench measures every way of execution, and all leave the same rows", "[cli][bench]") {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
    WARN("skipped: the package dataset-fashion-mnist is not installed");
    return;
  }
  const TempDirectory directory;
  const std::string json = (directory / "bench.json").string();
  const std::string markdown = (directory / "bench.md").string();
  const Finished got =
      run_command(directory.path(),
                  {"bench", "--quick", "--network", "lenet5", "--workload", "sweep", "--target",
                   "weights", "-j", "2", "--repetitions", "2", "-o", json, "--markdown", markdown});
  CAPTURE(got.err);
  REQUIRE(got.exit_code == 0);
  REQUIRE(holds(got.out, "| lenet5 | weights | 2 | 16 | 32 (16) | "));
  REQUIRE(!holds(got.out, "neurons"));
  REQUIRE(read_bytes(markdown) == got.out);
  REQUIRE(holds(got.err, "bench: lenet5/weights/sweep: 2 repetitions\n"));

  const auto report = nlohmann::json::parse(read_bytes(json));
  std::multiset<std::string> names;
  for (const auto& entry : report["benchmarks"]) {
    REQUIRE(!entry.contains("error_occurred"));
    REQUIRE(entry["repetitions"] == 2);
    const std::string name = entry["name"];
    names.insert(name.substr(0, name.find("/threads:")));
  }
  for (const char* way :
       {"reference", "batched", "prefix", "masked_stop", "region_channel", "all"}) {
    REQUIRE(names.count(std::string("lenet5/weights/sweep/") + way) == 2);
  }
}

TEST_CASE("bench refuses what it cannot do", "[cli][bench]") {
  const TempDirectory directory;
  const auto bench = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "bench");
    return run_command(directory.path(), words);
  };
  const Finished network = bench({"--network", "resnet5"});
  REQUIRE(network.exit_code == 2);
  REQUIRE(holds(network.err, "unknown name 'resnet5'; did you mean 'resnet50'?"));
  REQUIRE(bench({"--repetitions", "0"}).exit_code == 2);
  REQUIRE(bench({"-j", "0"}).exit_code == 2);
  const Finished output = bench({"--quick", "-o", directory.path().string()});
  REQUIRE(output.exit_code == 2);
  REQUIRE(holds(output.err, "error: is a directory"));
  const Finished data = bench({"--quick", "--data", (directory / "none").string()});
  REQUIRE(data.exit_code == 4);
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) return;
  const Finished models = bench({"--quick", "--models", directory.path().string()});
  REQUIRE(models.exit_code == 4);
  REQUIRE(holds(models.err, "lenet5_fashion_mnist.pt: error: no such model file\nhint: "));
}
