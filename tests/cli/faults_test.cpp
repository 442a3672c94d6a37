#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <sys/stat.h>

using namespace bitquake::test;

TEST_CASE("a fault set is generated, shown and exported", "[cli]") {
  const Workspace workspace;
  const Finished generated =
      workspace.bitquake({"faults", "generate", "scenario.yaml", "-o", "set.h5"});
  REQUIRE(generated.exit_code == 0);
  REQUIRE(generated.err.empty());
  REQUIRE(generated.out ==
          "set.h5: 200 faults in 200 groups   next: bitquake faults show set.h5\n");

  const Finished shown = workspace.bitquake({"faults", "show", "set.h5"});
  REQUIRE(shown.exit_code == 0);
  REQUIRE(shown.err.empty());
  REQUIRE(holds(shown.out, "faults       200 in 200 groups, 2 epochs, policy per_image\n"));
  REQUIRE(holds(shown.out, "target       neurons 200\n"));
  REQUIRE(holds(shown.out, "fault model  bit_flip 200\n"));
  REQUIRE(holds(shown.out, "\nconv1      conv2d"));
  REQUIRE(holds(shown.out, "\n31       sign"));

  const Finished exported = workspace.bitquake({"faults", "export", "set.h5"});
  REQUIRE(exported.exit_code == 0);
  REQUIRE(exported.err.empty());
  REQUIRE(std::count(exported.out.begin(), exported.out.end(), '\n') == 201);
  REQUIRE_THAT(exported.out, Catch::Matchers::StartsWith(
                                 "fault,epoch,slot,site,call,target,element,index,bits,"
                                 "fault_model,value,storage,active_probability,sampling_weight\n"));
  REQUIRE(workspace.bitquake({"faults", "export", "set.h5", "-o", "set.csv"}).exit_code == 0);
  REQUIRE(workspace.read("set.csv") == exported.out);
}

TEST_CASE("what a campaign reads is replaced with --force only", "[cli]") {
  const Workspace workspace;
  for (const std::string& command : {std::string("faults generate scenario.yaml -o a.h5"),
                                     std::string("bounds scenario.yaml -q -o a.h5"),
                                     std::string("augment scenario.yaml -o a.h5"),
                                     std::string("faults import list.csv scenario.yaml -o a.h5")}) {
    CAPTURE(command);
    workspace.write("a.h5", "precious");
    const auto refused = workspace.bitquake_each({command});
    REQUIRE(refused[0].exit_code == 2);
    REQUIRE(refused[0].err ==
            "a.h5: error: exists already\nhint: choose another file with -o, or "
            "replace it with --force\n");
    REQUIRE(workspace.read("a.h5") == "precious");
    if (command.starts_with("faults generate")) {
      REQUIRE(workspace.bitquake_each({command + " --force"})[0].exit_code == 0);
      REQUIRE(workspace.bitquake({"faults", "export", "a.h5", "-o", "list.csv"}).exit_code == 0);
      continue;
    }
    const auto replaced = workspace.bitquake_each({command + " -f"});
    CAPTURE(replaced[0].err);
    REQUIRE(replaced[0].exit_code == 0);
    REQUIRE(workspace.read("a.h5") != "precious");
  }
}

TEST_CASE("a reused fault set gives the trials of the campaign that drew it", "[cli]") {
  const Workspace workspace;
  REQUIRE(workspace.run("drawn").exit_code == 0);
  REQUIRE(workspace.bitquake({"faults", "generate", "scenario.yaml", "-o", "set.h5"}).exit_code ==
          0);
  workspace.write("reuse.yaml", Workspace::scenario("faults: {file: set.h5}\n"));
  REQUIRE(workspace.bitquake({"run", "reuse.yaml", "-q", "-o", "reused"}).exit_code == 0);
  const Finished drawn = workspace.bitquake({"export", "drawn"});
  REQUIRE(drawn.exit_code == 0);
  REQUIRE(drawn.out == workspace.bitquake({"export", "reused"}).out);

  // The same architecture and the same results, but not the same file.
  workspace.write("other.pt", workspace.read("model.pt") + "x");
  const Finished other = workspace.bitquake(
      {"run", "reuse.yaml", "-q", "-o", "other", "--set", "model.file=other.pt"});
  REQUIRE(other.exit_code == 4);
  REQUIRE(holds(other.err, "set.h5: error: was drawn for another model: SHA-256 "));
  REQUIRE(other.out.empty());

  workspace.write("more.yaml", Workspace::scenario("faults: {file: half.h5}\n"));
  REQUIRE(workspace
              .bitquake({"faults", "generate", "scenario.yaml", "--samples", "50", "-o", "half.h5"})
              .exit_code == 0);
  const Finished more = workspace.bitquake({"run", "more.yaml", "-q", "-o", "more"});
  REQUIRE(more.exit_code == 4);
  REQUIRE(holds(more.err, "half.h5: error: holds faults for 50 samples, but the scenario has 100"));
}

TEST_CASE("files that are no fault set are refused with 4", "[cli]") {
  const Workspace workspace;
  const std::string file = GENERATE("none.h5", "model.pt", "images", ".");
  const Finished got = workspace.bitquake({"faults", "show", file});
  REQUIRE(got.exit_code == 4);
  REQUIRE_THAT(got.err, Catch::Matchers::StartsWith(file + ": error: "));
  REQUIRE(got.out.empty());
}

TEST_CASE("a fault set is not written over a directory, a device or below a file", "[cli]") {
  const Workspace workspace;
  REQUIRE(mkfifo((workspace / "pipe").c_str(), 0600) == 0);
  const std::string file = GENERATE(".", "pipe", "model.pt/set.h5", "/proc/set.h5");
  const Finished got = workspace.bitquake({"faults", "generate", "scenario.yaml", "-o", file});
  CAPTURE(file, got.err);
  REQUIRE(got.exit_code == 2);
  REQUIRE(holds(got.err, file));
  REQUIRE(holds(got.err, ": error: "));
  REQUIRE(got.out.empty());
  REQUIRE(std::filesystem::is_fifo(workspace / "pipe"));
}

TEST_CASE("a scenario that names a fault set has nothing to generate", "[cli]") {
  const Workspace workspace;
  workspace.write("reuse.yaml", Workspace::scenario("faults: {file: set.h5}\n"));
  const Finished got = workspace.bitquake({"faults", "generate", "reuse.yaml", "-o", "new.h5"});
  REQUIRE(got.exit_code == 2);
  REQUIRE(holds(got.err, "faults.file: error: names an existing fault set"));
}

TEST_CASE("an exported list is imported as the same faults", "[cli]") {
  const Workspace workspace;
  REQUIRE(workspace.bitquake({"faults", "generate", "scenario.yaml", "-o", "set.h5"}).exit_code ==
          0);
  const Finished exported = workspace.bitquake({"faults", "export", "set.h5"});
  workspace.write("list.csv", exported.out);
  const Finished imported =
      workspace.bitquake({"faults", "import", "list.csv", "scenario.yaml", "-o", "again.h5"});
  REQUIRE(imported.exit_code == 0);
  REQUIRE(imported.out ==
          "again.h5: 200 faults in 200 groups   next: bitquake faults verify again.h5 "
          "scenario.yaml\n");
  REQUIRE(workspace.bitquake({"faults", "export", "again.h5"}).out == exported.out);

  const Finished verified = workspace.bitquake({"faults", "verify", "again.h5", "scenario.yaml"});
  REQUIRE(verified.exit_code == 0);
  REQUIRE(verified.out ==
          "faults       200 in 200 groups fit the model, its input and 100 samples\n"
          "undecided    200 faults: what the value is, a run shows\n");
  const Finished other = workspace.bitquake(
      {"faults", "verify", "again.h5", "scenario.yaml", "--set", "model.input=[1, 32, 32]"});
  REQUIRE(other.exit_code == 4);
}

TEST_CASE("a matrix of PyTorchALFI is imported with its layer types", "[cli]") {
  const Workspace workspace;
  workspace.write("matrix.csv", "0,2\n0,-1\n0,-1\n-1,-1\n0,1\n1,2\n0,31\n");
  const std::vector<std::string> command{
      "faults", "import", "matrix.csv", "scenario.yaml", "--set",  "faults.policy=per_epoch",
      "-o",     "set.h5", "--force",    "--alfi",        "weights"};
  auto with_layers = command;
  with_layers.insert(with_layers.end(), {"--layers", "conv2d,fcc"});
  const Finished imported = workspace.bitquake(with_layers);
  REQUIRE(imported.exit_code == 0);
  REQUIRE(holds(imported.err, "note: layers are counted in the order of calls"));
  const Finished exported = workspace.bitquake({"faults", "export", "set.h5"});
  REQUIRE(holds(exported.out, "0,0,0,conv1,0,weights,1,0;0;0;1,31,bit_flip,"));
  REQUIRE(holds(exported.out, "1,1,0,fc1,0,weights,"));

  const Finished refused = workspace.bitquake(command);
  REQUIRE(refused.exit_code == 4);
  REQUIRE(holds(refused.err,
                "matrix.csv: error: column 1, row 0 (layer): 2 does not exist: the model "
                "has 2 conv2d layers\nhint: name the layer_types"));
  const Finished misplaced = workspace.bitquake(
      {"faults", "import", "matrix.csv", "scenario.yaml", "-o", "set.h5", "--layers", "fcc"});
  REQUIRE(misplaced.exit_code == 2);
  REQUIRE(holds(misplaced.err, "--layers: error: is for matrices of PyTorchALFI only"));
}
