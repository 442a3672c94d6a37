#include "suite/scenario/starter.hpp"

#include "tests/scenario/example.hpp"

#include <catch2/catch.hpp>

#include <sstream>

using namespace bitquake::scenario;

namespace {

/// All members that a starter file holds, none at its default.
Scenario example() {
  return parsed(
      "version: 1\n"
      "seed: 7\n"
      "model: {file: 'a # b.pt', input: [3, 32, 16], output: probabilities}\n"
      "data: {name: 'yes', images: ../i.gz, labels: l.gz, samples: 12, order: random}\n"
      "preprocess: {divide_by: 1.5, mean: [-0.5, 0, 0.25], std: [2]}\n"
      "faults: {target: weights, model: stuck_at_1, bits: 23-30, draw: sites, epochs: 3}\n");
}

}  // namespace

TEST_CASE("a starter file reads back as the scenario it was made of", "[scenario][starter]") {
  Scenario s = example();
  REQUIRE(parsed(to_starter_yaml(s, {"heading", ""}, {})) == s);
  s.data.labels.reset();
  REQUIRE(parsed(to_starter_yaml(s, {}, {{"model.output", "detected: or not # \" '"}})) == s);
}

TEST_CASE("a starter file explains each key in the words of the key table", "[scenario][starter]") {
  Scenario s = parsed(kShortest);
  s.data.samples = 1000;
  s.data.images = "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz";
  REQUIRE(
      to_starter_yaml(s, {"Faults in m.pt.", "", "  bitquake run m.yaml"},
                      {{"data.samples", "there are 10,000"}})
          .starts_with(
              "# Faults in m.pt.\n"
              "#\n"
              "#   bitquake run m.yaml\n"
              "version: 1                       # version of the scenario language\n"
              "seed: 1                          # decides every random draw of the campaign\n"
              "\n"
              "model:\n"
              "  file: \"m.pt\"                   # TorchScript model\n"
              "  input: [1, 28, 28]             # shape of one sample: [channels, height, width]\n"
              "  output: logits                 # what the model's scores are; or probabilities\n"
              "\n"
              "data:\n"
              "  # file format of the data set; or cifar10, cifar100, npy, image_folder, coco, "
              "voc, "
              "hdf5\n"
              "  format: idx\n"
              "  name: \"digits\"                 # name of the data set in tables and reports\n"
              "  # file of images (cifar10, cifar100: one or several), or their folder "
              "(image_folder, "
              "coco, voc)\n"
              "  images: \"/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz\"\n"
              "  labels: none                   # file of labels, of idx and npy; without it there "
              "is no accuracy\n"
              "  samples: 1000                  # number of samples to use; all when not given; "
              "there "
              "are 10,000\n"
              "  order: first                   # which samples are used; or random, stratified\n"
              "\n"
              "preprocess:\n"
              "  divide_by: 255                 # input = (pixel / divide_by - mean) / std\n"
              "  mean: [0]                      # one for all channels, or one for each\n"
              "  std: [1]                       # one for all channels, or one for each\n"));
}

TEST_CASE("long comments stand above their key, in lines of 100 columns", "[scenario][starter]") {
  std::string remark;
  for (int i = 0; i < 60; ++i) remark += "word ";
  std::istringstream lines(to_starter_yaml(example(), {}, {{"faults.bits", remark}}));
  std::size_t longest = 0;
  for (std::string line; std::getline(lines, line);) longest = std::max(longest, line.size());
  REQUIRE(longest <= 100);
  REQUIRE(longest > 90);
}
