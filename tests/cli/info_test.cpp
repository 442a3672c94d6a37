#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <sstream>

using namespace bitquake::test;

// Counts of LeNet-5 by hand: neurons 6*28*28 + 16*10*10 + 120 + 84 + 10 of the layers and as many
// but the last ten of the activations; weights 6*1*5*5 + 16*6*5*5 + 120*400 + 84*120 + 10*84;
// inputs 28*28 + 6*14*14 + 400 + 120 + 84 of the layers and what the activations give.
TEST_CASE("model info lists the sites of LeNet-5 with shapes and counts", "[cli]") {
  const Workspace workspace;
  const Finished got = workspace.bitquake({"model", "info", "model.pt", "--input", "1x28x28"});
  REQUIRE(got.exit_code == 0);
  REQUIRE(got.err.empty());
  REQUIRE_THAT(got.out,
               Catch::Matchers::StartsWith(
                   "site         kind    weight    output  neurons  weights  biases  site_inputs  "
                   "network_input\n"
                   "-------------------------------------------------------------------------------"
                   "------------\n"
                   "input       input             1x28x28                                          "
                   "         784\n"
                   "conv1      conv2d   6x1x5x5   6x28x28    4,704      150       6          784\n"
                   "relu1  activation             6x28x28    4,704                         4,704\n"
                   "conv2      conv2d  16x6x5x5  16x10x10    1,600    2,400      16        1,176\n"
                   "relu2  activation            16x10x10    1,600                         1,600\n"
                   "fc1        linear   120x400       120      120   48,000     120          400\n"
                   "relu3  activation                 120      120                           120\n"
                   "fc2        linear    84x120        84       84   10,080      84          120\n"
                   "relu4  activation                  84       84                            84\n"
                   "fc3        linear     10x84        10       10      840      10           84\n"
                   "total                                   13,026   61,470     236        9,072   "
                   "         784\n"));
  REQUIRE(holds(got.out, "input 1x28x28, 10 classes, 16 samples per inference\n"));
}

TEST_CASE("model info --json says the same to programs", "[cli]") {
  const Workspace workspace;
  const Finished got =
      workspace.bitquake({"model", "info", "model.pt", "--input", "1x28x28", "--json"});
  REQUIRE(got.exit_code == 0);
  REQUIRE(got.err.empty());
  const auto json = nlohmann::json::parse(got.out);
  REQUIRE(json.at("classes") == 10);
  REQUIRE(json.at("sites").size() == 10);
  REQUIRE(json.at("sites")[0].at("network_input") == 784);
  REQUIRE(json.at("sites")[3].at("path") == "conv2");
  REQUIRE(json.at("sites")[3].at("weight_shape") == nlohmann::json({16, 6, 5, 5}));
  REQUIRE(json.at("sites")[3].at("output_shape") == nlohmann::json({16, 10, 10}));
  REQUIRE(json.at("sites")[3].at("input_shape") == nlohmann::json({6, 14, 14}));
  REQUIRE(json.at("sites")[3].at("biases") == 16);
  REQUIRE(json.at("totals").at("neurons") == 13026);
  REQUIRE(json.at("totals").at("weights") == 61470);
  REQUIRE(json.at("totals").at("running_means") == 0);
  REQUIRE(json.at("sha256").get<std::string>().size() == 64);
}

TEST_CASE("scenario schema prints the schema that is shipped", "[cli]") {
  const Workspace workspace;
  const Finished got = workspace.bitquake({"scenario", "schema"});
  REQUIRE(got.exit_code == 0);
  REQUIRE(got.err.empty());
  const bool same =
      got.out == read_bytes(BITQUAKE_SOURCE_DIR "/suite/scenarios/scenario.schema.json");
  REQUIRE(same);
}

TEST_CASE("each list that is offered exists and is not empty", "[cli]") {
  const Workspace workspace;
  const Finished lists = workspace.bitquake({"list"});
  REQUIRE(lists.exit_code == 0);
  REQUIRE(lists.err.empty());
  std::istringstream lines(lists.out);
  std::string line;
  std::getline(lines, line);
  std::vector<std::string> commands;
  while (std::getline(lines, line)) commands.push_back("list " + line.substr(0, line.find(' ')));
  REQUIRE(commands.size() == 11);
  for (const Finished& got : workspace.bitquake_each(commands)) {
    CAPTURE(got.out);
    REQUIRE(got.exit_code == 0);
    REQUIRE(got.err.empty());
    REQUIRE(!got.out.empty());
  }
}

// The values are those of Hendrycks and Dietterich's ImageNet-C and CIFAR-10-C.
TEST_CASE("list perturbations says what each severity means", "[cli]") {
  const Workspace workspace;
  const Finished got = workspace.bitquake({"list", "perturbations"});
  REQUIRE(got.exit_code == 0);
  REQUIRE(holds(got.out, "\nnoise: random values; ImageNet-C\n  gaussian_noise  "));
  REQUIRE(holds(got.out,
                " [random]\n"
                "      sigma: standard deviation; 0 to 10 of the range\n"
                "        severity 1-5, small: 0.04 0.06 0.08 0.09 0.1\n"
                "        severity 1-5, large: 0.08 0.12 0.18 0.26 0.38\n"));
  for (const char* kind : {"motion_blur", "fog", "jpeg_compression", "spatter", "dead_pixels"}) {
    CAPTURE(kind);
    REQUIRE(holds(got.out, "\n  " + std::string(kind) + "  "));
  }
  REQUIRE_THAT(got.out, Catch::Matchers::Contains("\n  rotate  ") &&
                            Catch::Matchers::Contains("moves boxes]\n"));
}
