#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>

#include <filesystem>

using namespace bitquake::test;

TEST_CASE("init writes a scenario that runs at once, from elsewhere too", "[cli][init]") {
  const Workspace workspace;
  std::filesystem::create_directory(workspace / "new");
  const Finished init = workspace.bitquake(
      words("init model.pt --data images labels --mean 0.2860 --std 0.3530 -o new/my.yaml"));
  CAPTURE(init.err);
  REQUIRE(init.exit_code == 0);
  REQUIRE(holds(init.out, "model        ../model.pt: 10 classes, 10 sites\n"));
  REQUIRE(holds(init.out, "input        1x28x28\n"));
  REQUIRE(holds(init.out, "output       logits\n"));
  REQUIRE(holds(init.out, "OK  next: bitquake check new/my.yaml, then bitquake run new/my.yaml\n"));
  // The labels of this data set are as good as random.
  REQUIRE(holds(init.err, "warning: golden_top1 is no better than chance (10 % for 10 classes)"));
  REQUIRE(holds(workspace.read("new/my.yaml"), "\n  images: \"../images\""));

  const Finished run = workspace.bitquake(words("run new/my.yaml -q -o out"));
  CAPTURE(run.err);
  REQUIRE(run.exit_code == 0);
  // What init said of the golden runs is what the campaign finds.
  const auto at = init.out.find("golden_top1  ");
  const std::string k_of_n = init.out.substr(at, init.out.find(" / 100", at) - at);
  REQUIRE(holds(run.out, k_of_n.substr(k_of_n.rfind(' ') + 1) + " / 100"));

  const std::vector<Finished> again = workspace.bitquake_each(
      {"init model.pt --data images -o new/my.yaml", "init model.pt --data images --force",
       "init model.pt --data . --labels none -o -"});
  REQUIRE(again[0].exit_code == 2);
  REQUIRE(again[0].err ==
          "new/my.yaml: error: exists already\n"
          "hint: choose another file with -o, or replace it with --force\n");
  REQUIRE(again[1].exit_code == 0);
  REQUIRE(workspace.has("model.yaml"));
  REQUIRE(holds(again[1].err, "note: no normalisation was given"));
  REQUIRE(holds(again[2].out, "\n  labels: none "));
  REQUIRE(again[2].exit_code == 0);
  REQUIRE(holds(again[2].err, "golden_top1  not known without labels"));
}

TEST_CASE("init refuses what a scenario would refuse, and writes nothing", "[cli][init][error]") {
  const Workspace workspace;
  struct Case {
    const char* line;
    int exit_code;
    const char* err;
  };
  const std::vector<Case> cases{
      Case{"--data images --mean 0.1,x", 2, "--mean 0.1,x: error: preprocess.mean: expected a num"},
      Case{"--data images --std 0", 2, "--std 0: error: preprocess.std: must be greater than 0"},
      Case{"--data images --output-kind score", 2,
           "--output-kind score: error: model.output: unknown word 'score'"},
      Case{"--data images --mean 1,2,3", 3, "preprocess: mean has 3 values for 1 channels"},
      Case{"--data images --input 3x28x28", 4, "model.pt: error: does not run on an input of sha"},
      Case{"--data nowhere", 4, "nowhere: error: no such file or directory\n"},
      Case{"--data labels", 4,
           "labels: error: expected images of format idx, cifar10, cifar100, npy, voc, coco, "
           "image_folder, hdf5, found none\n"},
      Case{"--data images --labels images", 4, "images: error: expected an idx file of labels"}};
  std::vector<std::string> lines;
  for (const Case& item : cases) lines.push_back("init model.pt " + std::string(item.line));
  const std::vector<Finished> results = workspace.bitquake_each(lines);
  for (std::size_t i = 0; i < results.size(); ++i) {
    CAPTURE(lines[i], results[i].err);
    REQUIRE(holds(results[i].err, cases[i].err));
    REQUIRE(results[i].out.empty());
    REQUIRE(results[i].exit_code == cases[i].exit_code);
  }
  REQUIRE(!workspace.has("model.yaml"));
}

TEST_CASE("labels: none leaves accuracies out, from the check to the export", "[cli][labels]") {
  const Workspace workspace;
  const std::string set = " --set data.labels=none";
  const Finished check = workspace.bitquake(words("check scenario.yaml" + set));
  REQUIRE(check.exit_code == 0);
  const Finished run = workspace.bitquake(words("run scenario.yaml -q -o out" + set));
  CAPTURE(run.err);
  REQUIRE(run.exit_code == 0);
  REQUIRE(holds(run.out, "\nsde "));
  for (const char* absent : {"golden_top1", "faulty_top5", "acc_orig", "sdc_rate"}) {
    CAPTURE(absent);
    REQUIRE(!holds(run.out, absent));
    REQUIRE(!holds(workspace.read("out/summary.json"), absent));
    REQUIRE(!holds(workspace.read("out/kpi/overall.csv"), absent));
  }
  REQUIRE(!holds(workspace.read("out/scenario.yaml"), "labels"));
  REQUIRE(workspace.bitquake(words("export out -o trials.csv")).exit_code == 0);
  REQUIRE(holds(workspace.read("trials.csv"), "label"));
}
