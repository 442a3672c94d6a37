#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

using namespace bitquake::test;

TEST_CASE("augment --sheet draws the first samples under each perturbation", "[cli][augment]") {
  const Workspace workspace;
  const Finished got =
      workspace.bitquake({"augment", "scenario.yaml", "--set", "augment=[clean, fog/3, rotate/2]",
                          "--sheet", "new/sheet.png"});
  REQUIRE(got.err.empty());
  REQUIRE(got.exit_code == 0);
  REQUIRE(got.out == "new/sheet.png: 4 samples under 3 perturbations\n");
  const cv::Mat sheet = cv::imread((workspace / "new/sheet.png").string(), cv::IMREAD_UNCHANGED);
  REQUIRE(sheet.type() == CV_8UC3);
  // 28 pixels are enlarged fourfold; the clean image of sample 3 is in the last row, with labels
  // to its left and two more columns to its right.
  const int left = sheet.cols - 3 * (112 + 4), top = sheet.rows - (112 + 4);
  REQUIRE(left > 0);
  REQUIRE(top > 3 * 112);
  const std::string stored = workspace.read("images").substr(16 + 3 * 28 * 28, 28 * 28);
  bool same = true;
  for (int y = 0; y < 112; ++y) {
    for (int x = 0; x < 112; ++x) {
      const auto value = static_cast<unsigned char>(
          stored[static_cast<std::size_t>(28 * (y / 4)) + static_cast<std::size_t>(x / 4)]);
      const auto& pixel = sheet.at<cv::Vec3b>(top + y, left + x);
      same = same && pixel == cv::Vec3b(value, value, value);
    }
  }
  REQUIRE(same);

  const std::string line = "augment scenario.yaml --sheet small.png --samples ";
  const auto others = workspace.bitquake_each({line + "2", line + "101"});
  REQUIRE(others[0].out == "small.png: 2 samples under 1 perturbation\n");
  REQUIRE(others[1].exit_code == 4);
  REQUIRE(holds(others[1].err, "a subset of 101 samples was asked for"));
}

TEST_CASE("augment -o writes a data set that campaigns run on", "[cli][augment]") {
  const Workspace workspace;
  const auto write = [&](const std::string& file, const std::string& threads) {
    return workspace.bitquake({"augment", "scenario.yaml", "--set",
                               "augment=[clean, gaussian_noise/1-2]", "-o", file, "-j", threads});
  };
  const Finished got = write("e.h5", "1");
  REQUIRE(got.err.empty());
  REQUIRE(got.exit_code == 0);
  REQUIRE(got.out ==
          "e.h5: 300 images (100 under 3 perturbations)   "
          "read it with data: {format: hdf5, images: e.h5}\n");
  const Finished threaded = write("f.h5", "3");
  REQUIRE(threaded.exit_code == 0);
  REQUIRE(threaded.err.empty());
  const bool same = workspace.read("e.h5") == workspace.read("f.h5");
  REQUIRE(same);

  // The clean images come first: they are those of the original data.
  workspace.write("stored.yaml",
                  "version: 1\n"
                  "model: {file: model.pt, input: [1, 28, 28], output: logits}\n"
                  "data: {format: hdf5, name: noise, images: e.h5, samples: 100}\n"
                  "preprocess: {mean: [0.2860], std: [0.3530]}\n"
                  "faults: {epochs: 2}\n");
  REQUIRE(workspace.run("plain").exit_code == 0);
  const Finished run = workspace.bitquake({"run", "stored.yaml", "-q", "-o", "stored"});
  REQUIRE(run.err.empty());
  REQUIRE(run.exit_code == 0);
  REQUIRE(workspace.bitquake({"export", "stored"}).out ==
          workspace.bitquake({"export", "plain"}).out);

  const auto others = workspace.bitquake_each(
      {"check stored.yaml --set data.samples=101 --set data.perturbation=gaussian_noise/1",
       "check stored.yaml --set data.perturbation=gaussian_noise/3",
       "check stored.yaml --set preprocess.crop=[28,28]",
       "check stored.yaml --set data.perturbation=gaussian_noise/2"});
  REQUIRE(others[0].exit_code == 4);
  REQUIRE(holds(others[0].err, "a subset of 101 samples was asked for, the data set has 100\n"));
  REQUIRE(others[1].exit_code == 4);
  REQUIRE(holds(others[1].err,
                "has no samples of the perturbation 'gaussian_noise/3'\nhint: it "
                "has: clean, gaussian_noise/1, gaussian_noise/2\n"));
  REQUIRE(others[2].exit_code == 4);
  REQUIRE(holds(others[2].err, "e.h5: error: holds images that are prepared and perturbed"));
  REQUIRE(others[3].exit_code == 0);
}

TEST_CASE("augment -o refuses what would not fit into memory", "[cli][augment]") {
  const Workspace workspace;
  // 100 images of 4096 x 4096 pixels under 625 perturbations: a terabyte.
  const Finished got = workspace.bitquake(
      {"augment", "scenario.yaml", "--set", "preprocess.resize=exact", "--set",
       "preprocess.resize_to=[4096, 4096]", "--set", "preprocess.interpolation=nearest", "--set",
       "augment=[[fog/1-5, snow/1-5, contrast/1-5, pixelate/1-5]]", "-o", "a.h5"});
  REQUIRE(got.exit_code == 2);
  REQUIRE(holds(got.err, "100 samples under 625 perturbations take more than "));
  REQUIRE(holds(got.err, " MiB, a quarter of the machine's memory\nhint: write several files"));
  REQUIRE(got.out.empty());
  REQUIRE_FALSE(workspace.has("a.h5"));
}

TEST_CASE("augment says why it cannot write", "[cli][augment]") {
  const Workspace workspace;
  std::filesystem::create_directory(workspace / "dir");
  const auto got =
      workspace.bitquake_each({"augment scenario.yaml -o dir", "augment scenario.yaml --sheet dir",
                               "augment scenario.yaml --set augment=fogg/3 -o a.h5",
                               "augment scenario.yaml --set augment=saturate/1 -o a.h5",
                               "augment scenario.yaml --set augment=saturate/1 --sheet a.png"});
  REQUIRE(got[0].exit_code == 2);
  REQUIRE(holds(got[0].err, "dir: error: is a directory"));
  REQUIRE(got[1].exit_code == 2);
  REQUIRE(holds(got[1].err, "dir: error: is a directory"));
  REQUIRE(got[2].exit_code == 2);  // a mistake of --set, not of the file
  REQUIRE(holds(got[2].err, "did you mean 'fog'"));
  REQUIRE(got[3].exit_code == 4);
  REQUIRE(holds(got[3].err, "sample 0 cannot be perturbed by saturate/1: "));
  REQUIRE(got[4].exit_code == 4);
  REQUIRE(holds(got[4].err, "sample 0, class 0: error: "));
  REQUIRE_FALSE(workspace.has("a.h5"));
  REQUIRE_FALSE(workspace.has("a.png"));
}
