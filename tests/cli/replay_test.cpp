#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>
#include <opencv2/imgcodecs.hpp>

using namespace bitquake::test;

TEST_CASE("replay shows a trial, reproduces its row and saves its input", "[cli]") {
  const Workspace workspace;
  REQUIRE(workspace.run("out").exit_code == 0);
  const Finished got = workspace.bitquake({"replay", "out", "117", "--image", "input.png"});
  CAPTURE(got.out, got.err);
  REQUIRE(got.exit_code == 0);
  REQUIRE(got.err.empty());
  REQUIRE_THAT(got.out,
               Catch::Matchers::StartsWith("trial    117 of 200: epoch 1, sample 17, group "
                                           "117 (per_image)\n"
                                           "sample   noise, index 17, label 7, 28x28 "
                                           "pixels\n"));
  for (const char* part : {"\nfaults   1 present\n  fault 117: bit_flip in neurons of ",
                           ": before 0x", "\noutcome  ", "rank  golden class",
                           "Deviation from golden at each site", "\nfc3        linear        10 ",
                           "\nREPRODUCED  all 48 columns of the trial's rows are as stored\n"}) {
    CAPTURE(part);
    REQUIRE(holds(got.out, part));
  }
  // 28 pixels are enlarged eightfold; the network sees the image as it is stored.
  const cv::Mat image = cv::imread((workspace / "input.png").string(), cv::IMREAD_UNCHANGED);
  REQUIRE(image.type() == CV_8UC1);
  REQUIRE(image.rows == 8 * 28);
  REQUIRE(image.cols == 8 * 28);
  const std::string stored = workspace.read("images").substr(16 + 17 * 28 * 28, 28 * 28);
  bool same = true;
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) {
      const auto pixel =
          static_cast<unsigned char>(stored[static_cast<std::size_t>(y / 8 * 28 + x / 8)]);
      same = same && image.at<unsigned char>(y, x) == pixel;
    }
  }
  REQUIRE(same);

  const auto others = workspace.bitquake_each(
      {"replay out 200", "replay images 1", "replay out 1 --image model.pt/x.png"});
  REQUIRE(others[0].exit_code == 2);
  REQUIRE(others[0].err ==
          "trial 200: error: is not one of the campaign\nhint: name a trial from 0 to 199\n");
  REQUIRE(others[1].exit_code == 4);
  REQUIRE(holds(others[1].err, "images: error: is no run directory"));
  REQUIRE(others[2].exit_code == 2);

  std::string images = workspace.read("images");
  images.back() = static_cast<char>(images.back() ^ 1);
  workspace.write("images", images);
  const Finished changed = workspace.bitquake({"replay", "out", "117"});
  REQUIRE(changed.exit_code == 4);
  REQUIRE(holds(changed.err, "images: error: is not the file that the campaign was run with"));
}

TEST_CASE("verify passes a sound run, from anywhere, and exits with 8 for a changed one", "[cli]") {
  const Workspace workspace;
  REQUIRE(workspace.run("out").exit_code == 0);
  const Finished got = run_command(
      "/", {"verify", (workspace / "out").string(), "--seed", "5", "--fraction", "0.5", "-j", "2"});
  CAPTURE(got.out, got.err);
  REQUIRE(got.exit_code == 0);
  REQUIRE(got.err.empty());
  REQUIRE_THAT(got.out, Catch::Matchers::StartsWith("scenario    ok           campaign "));
  REQUIRE(holds(got.out, "replays     ok           100 of 200 trials, chosen by seed 5"));
  REQUIRE(holds(got.out, "\nVERIFIED  11 of 11 checks\n"));

  workspace.write("out/kpi/bit.csv", "");
  const auto others = workspace.bitquake_each(
      {"verify out", "verify nowhere", "verify out --base /nowhere", "verify out --fraction nan"});
  REQUIRE(others[0].exit_code == 8);
  REQUIRE(
      holds(others[0].out, "tables      FAILED       missing or not what the rows give: kpi/bit"));
  REQUIRE(holds(others[0].out, "\nFAILED  1 of 11 checks\n"));
  REQUIRE(others[1].exit_code == 4);
  REQUIRE(others[1].err ==
          "nowhere: error: is no run directory: it holds no run.json\n"
          "hint: name the directory given to bitquake run -o\n");
  REQUIRE(others[2].exit_code == 8);
  REQUIRE(holds(others[2].out, "data        FAILED       /nowhere/images: "));
  REQUIRE(others[3].exit_code == 2);
  REQUIRE(holds(others[3].err, "--fraction: expected a number from 0 to 1, got 'nan'"));
}
