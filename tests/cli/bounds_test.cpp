#include "suite/base/h5.hpp"
#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>

#include <cstdio>

using namespace bitquake;
using namespace bitquake::test;

TEST_CASE("bounds measures every site of the model, whatever the number of threads",
          "[cli][bounds]") {
  const Workspace workspace;
  const auto got = workspace.bitquake_each({"bounds scenario.yaml -o a.h5 --csv a.csv -j 1",
                                            "bounds scenario.yaml -o b.h5 -j 3 -q",
                                            "bounds scenario.yaml --samples 10 -q"});
  for (const Finished& finished : got) REQUIRE(finished.exit_code == 0);
  REQUIRE(holds(got[0].err, "samples 16/100  10 %\n"));
  REQUIRE(holds(got[0].err, "samples 100/100  100 %\n"));
  REQUIRE(got[1].err.empty());
  REQUIRE(got[1].out == got[0].out);
  REQUIRE(holds(got[0].out, "of 100 samples without faults\n"));
  REQUIRE(holds(got[2].out, "of 10 samples without faults\n"));
  const bool same = workspace.read("a.h5") == workspace.read("b.h5");
  REQUIRE(same);

  const h5::File file = value_or_throw(h5::File::open(workspace / "a.h5", Errc::model));
  const auto names = file.read_strings("sites/name");
  const auto kinds = file.read_strings("sites/kind");
  const auto low = file.read_column<float>("sites/low"),
             high = file.read_column<float>("sites/high");
  REQUIRE(names.size() > 5);
  for (std::size_t i = 0; i < names.size(); ++i) {
    CAPTURE(names[i], low[i], high[i]);
    REQUIRE(holds(workspace.read("a.csv"), "\n" + names[i] + "," + kinds[i] + ","));
    REQUIRE(low[i] < high[i]);
    if (kinds[i] == "activation") REQUIRE(low[i] == 0);  // ReLU
  }

  // What was measured can be shown again.
  const auto again =
      workspace.bitquake_each({"bounds scenario.yaml --from a.h5 -o c.h5 --csv c.csv"});
  REQUIRE(again[0].err.empty());
  REQUIRE(again[0].out == got[0].out);
  const bool converted = workspace.read("c.h5") == workspace.read("a.h5");
  REQUIRE(converted);
  REQUIRE(workspace.read("c.csv") == workspace.read("a.csv"));
  // A pipe behind /dev/stdout is written to like a file.
  const Finished piped =
      workspace.limited("\"$0\" \"$@\" | cat >piped; exit",
                        {"bounds", "scenario.yaml", "--from", "a.h5", "--csv", "/dev/stdout"});
  REQUIRE(piped.err.empty());
  const bool both = workspace.read("piped") == workspace.read("a.csv") + got[0].out;
  REQUIRE(both);
}

TEST_CASE("bounds --search-clip gives thresholds that protection clip takes", "[cli][bounds]") {
  const Workspace workspace;
  workspace.write("weights.yaml", Workspace::scenario("faults: {target: weights, bits: 30}\n"));
  const std::string search =
      "bounds weights.yaml --samples 20 --search-clip --rates 1e-5,1e-4,1e-3 --steps 2 "
      "--repetitions 2 ";
  const auto got =
      workspace.bitquake_each({search + "-o a.h5 --csv a.csv -j 1", search + "-o b.h5 -j 3 -q",
                               "bounds weights.yaml --from a.h5 -o c.h5"});
  for (const Finished& finished : got) {
    CAPTURE(finished.err);
    REQUIRE(finished.exit_code == 0);
    REQUIRE(finished.out == got[0].out);
  }
  REQUIRE(holds(got[0].err, "  step 1/2  threshold "));
  REQUIRE(got[1].err.empty());
  REQUIRE(holds(got[0].out, "\nsearched: top-1 accuracies of 40 trials each, 2 for each sample\n"));
  REQUIRE(holds(workspace.read("a.csv"), ",searched,"));
  const bool same = workspace.read("a.h5") == workspace.read("b.h5") &&
                    workspace.read("a.h5") == workspace.read("c.h5");
  REQUIRE(same);

  const h5::File file = value_or_throw(h5::File::open(workspace / "a.h5", Errc::model));
  REQUIRE(file.string_attribute("origin") == "searched");
  const auto kinds = file.read_strings("sites/kind");
  const auto high = file.read_column<float>("sites/high"),
             act_max = file.read_column<float>("sites/act_max");
  REQUIRE(kinds == std::vector<std::string>(4, "activation"));
  for (std::size_t i = 0; i < high.size(); ++i) {
    REQUIRE(high[i] > 0);
    REQUIRE(high[i] <= act_max[i]);
  }
  // The rates are a decade apart: the area is that of a trapezium for each decade.
  const auto area = [&](const char* name) {
    const auto accuracy = file.read_column<double>(name);
    REQUIRE(accuracy.size() == 3);
    return accuracy[0] / 4 + accuracy[1] / 2 + accuracy[2] / 4;
  };
  REQUIRE(area("search/found") >= area("search/at_act_max"));
  char auc[16];
  std::snprintf(auc, sizeof(auc), "  %.5f\n", area("search/found"));
  REQUIRE(holds(got[0].out, auc));

  workspace.write("clip.yaml", Workspace::scenario("faults: {target: weights, bits: 30}\n"
                                                   "variants:\n"
                                                   "  - {protection: abft}\n"
                                                   "  - {protection: clip, bounds: a.h5}\n"));
  const auto runs = workspace.bitquake_each(
      {"run clip.yaml -q --samples 20 -o out", "check clip.yaml --set data.samples=20"});
  CAPTURE(runs[0].err, runs[1].err);
  REQUIRE(runs[0].exit_code == 0);
  REQUIRE(runs[1].exit_code == 0);
  // Without the file the message says which key names it.
  std::filesystem::remove(workspace / "a.h5");
  const Finished missing = workspace.bitquake({"check", "clip.yaml"});
  REQUIRE(missing.exit_code == 4);
  REQUIRE(holds(missing.err, "clip.yaml:8:32: error: variants.bounds: "));
  REQUIRE(holds(missing.err, "a.h5 cannot be read: No such file or directory\n"));
  REQUIRE(
      holds(missing.err, "  - {protection: clip, bounds: a.h5}\n" + std::string(31, ' ') + "^"));
  const Finished baseline =
      workspace.bitquake({"check", "scenario.yaml", "--set", "augment=[clean, fog/1]", "--set",
                          "statistics.corruption_baseline=none.csv"});
  REQUIRE(baseline.exit_code == 4);
  REQUIRE(holds(baseline.err,
                "--set statistics.corruption_baseline=none.csv: error: "
                "statistics.corruption_baseline: "));
}

TEST_CASE("bounds takes those of PyTorchALFI", "[cli][bounds]") {
  const Workspace workspace;
  std::string text;
  const std::string info =
      workspace.bitquake({"model", "info", "model.pt", "--input", "1x28x28"}).out;
  for (std::size_t at = info.find(" activation "); at != std::string::npos;
       at = info.find(" activation ", at + 1)) {
    text += "0.0 , 10.5\n";
  }
  workspace.write("alfi.txt", text);
  workspace.write("fewer.txt", text.substr(text.find('\n') + 1));
  workspace.write("words.txt", "0.0 , high\n");
  const auto got = workspace.bitquake_each({"bounds scenario.yaml --from alfi.txt -o a.h5",
                                            "bounds scenario.yaml --from fewer.txt -o b.h5",
                                            "bounds scenario.yaml --from words.txt -o b.h5"});
  REQUIRE(got[0].err.empty());
  REQUIRE(got[0].exit_code == 0);
  REQUIRE(holds(got[0].out, "10.5"));
  REQUIRE(workspace.has("a.h5"));
  REQUIRE(got[1].exit_code == 4);
  REQUIRE(holds(got[1].err, "fewer.txt: error: holds bounds of "));
  REQUIRE(holds(got[1].err, "bitquake model info"));
  REQUIRE(got[2].exit_code == 4);
  REQUIRE(holds(got[2].err, "words.txt:1:6: error: expected a finite number, got 'high'\n"));
  REQUIRE_FALSE(workspace.has("b.h5"));
}

TEST_CASE("bounds of PyTorchALFI's LeNet-5 are those that its own data gives",
          "[cli][bounds][data]") {
  const std::filesystem::path data = std::filesystem::path(BITQUAKE_SOURCE_DIR) / "../shared/data";
  if (!std::filesystem::exists(data)) {
    WARN("skipped: no real models beside this checkout (../shared/data)");
    return;
  }
  const Workspace workspace;
  workspace.write("lenet.yaml",
                  "version: 1\nmodel: {file: lenet.pt, input: [1, 32, 32], output: logits}\n"
                  "data: {name: mnist, images: images.gz}\n"
                  "preprocess: {resize: exact, resize_to: [32, 32], interpolation: "
                  "bilinear_antialias, mean: [0.1307], std: [0.3081]}\n");
  const auto link = [&](const char* file, const char* name) {
    std::filesystem::create_symlink(data / file, workspace / name);
  };
  link("models/mnist_lenet5_alfi.pt", "lenet.pt");
  link("models/mnist_lenet5_alfi_bounds.txt", "bounds.txt");
  link("mnist/t10k-images-idx3-ubyte.gz", "images.gz");
  const auto got = workspace.bitquake_each({"bounds lenet.yaml -q --set data.labels=none",
                                            "bounds lenet.yaml --set data.labels=none --from "
                                            "bounds.txt"});
  CAPTURE(got[0].err, got[1].err);
  // Maxima of the activation functions over all test images.
  for (const char* maximum : {" 11.79", " 37.63", " 98.69", " 91.94"}) {
    REQUIRE(holds(got[0].out, maximum));
  }
  for (const char* line :
       {"\nrelu1  activation    0  10.8199", "\nrelu2  activation    0  28.6185",
        "\nrelu3  activation    0  63.9957", "\nrelu4  activation    0  50.8003"}) {
    REQUIRE(holds(got[1].out, line));
  }
}

TEST_CASE("bounds says why it cannot do what was asked", "[cli][bounds]") {
  const Workspace workspace;
  std::filesystem::create_directory(workspace / "dir");
  workspace.write("damaged.h5", "\x89HDF\r\n\x1a\n and nothing of it");
  const auto got =
      workspace.bitquake_each({"bounds scenario.yaml -o dir", "bounds scenario.yaml --from none.h5",
                               "bounds scenario.yaml --from damaged.h5", "bounds none.yaml -o a.h5",
                               "bounds scenario.yaml --samples 101 -o a.h5",
                               "bounds scenario.yaml -j 0", "bounds scenario.yaml --csv dir -q"});
  REQUIRE(got[0].exit_code == 2);
  REQUIRE(holds(got[0].err, "dir: error: is a directory"));
  REQUIRE(got[1].exit_code == 4);
  REQUIRE(holds(got[1].err, "none.h5: error: "));
  REQUIRE(got[2].exit_code == 4);
  REQUIRE(holds(got[2].err, "damaged.h5: error: is damaged or truncated"));
  REQUIRE(got[3].exit_code == 3);
  REQUIRE(got[4].exit_code == 4);
  REQUIRE(holds(got[4].err, "a subset of 101 samples was asked for"));
  REQUIRE(got[5].exit_code == 2);
  REQUIRE(got[6].exit_code == 2);
  REQUIRE_FALSE(workspace.has("a.h5"));
}
