#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace bitquake::test;

TEST_CASE("export writes a row for each trial, to stdout or a file", "[cli]") {
  const Workspace workspace;
  REQUIRE(workspace.run("out").exit_code == 0);
  const Finished got = workspace.bitquake({"export", "out"});
  REQUIRE(got.exit_code == 0);
  REQUIRE(got.err.empty());
  REQUIRE_THAT(got.out, Catch::Matchers::StartsWith("trial,variant,perturbation,epoch,sample,"));
  REQUIRE(std::count(got.out.begin(), got.out.end(), '\n') == 1 + 2 * Workspace::kSamples);

  REQUIRE(workspace.bitquake({"export", "out", "-o", "new/trials.csv"}).exit_code == 0);
  REQUIRE(workspace.read("new/trials.csv") == got.out);

  SECTION("a link is followed, not replaced") {
    workspace.write("real.csv", "");
    std::filesystem::create_symlink("real.csv", workspace / "link.csv");
    REQUIRE(workspace.bitquake({"export", "out", "-o", "link.csv"}).exit_code == 0);
    REQUIRE(std::filesystem::is_symlink(workspace / "link.csv"));
    REQUIRE(workspace.read("real.csv") == got.out);
  }
  SECTION("a pipe is written to, not replaced") {
    const std::string pipe = (workspace / "pipe").string();
    REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
    const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
    REQUIRE(reader >= 0);
    REQUIRE(got.out.size() < 65536);  // fits into the pipe: nobody reads meanwhile
    REQUIRE(workspace.bitquake({"export", "out", "-o", "pipe"}).exit_code == 0);
    std::string text(65536, '\0');
    const ssize_t length = read(reader, text.data(), text.size());
    close(reader);
    REQUIRE(length >= 0);
    text.resize(static_cast<std::size_t>(length));
    REQUIRE(text == got.out);
    REQUIRE(std::filesystem::is_fifo(pipe));
  }
  SECTION("what cannot be written exits with 2") {
    for (const char* file : {".", "model.pt/trials.csv", "/proc/trials.csv"}) {
      const Finished failed = workspace.bitquake({"export", "out", "-o", file});
      CAPTURE(file, failed.err);
      REQUIRE(failed.exit_code == 2);
      REQUIRE(holds(failed.err, ": error: "));
      REQUIRE(failed.out.empty());
    }
  }
  SECTION("damaged trials exit with 4") {
    const std::string bytes = workspace.read("out/trials.h5");
    workspace.write("out/trials.h5", bytes.substr(0, bytes.size() / 2));
    const Finished failed = workspace.bitquake({"export", "out"});
    REQUIRE(failed.exit_code == 4);
    REQUIRE(holds(failed.err, "out/trials.h5: error: "));
    REQUIRE(failed.out.empty());
  }
}

TEST_CASE("outputs do not fall on files of another kind", "[cli][error]") {
  const Workspace workspace;
  REQUIRE(workspace.bitquake({"run", "scenario.yaml", "-o", "out", "-q"}).exit_code == 0);
  for (const std::string file : {"scenario.yaml", "out/trials.h5", "images"}) {
    const std::string before = workspace.read(file);
    const Finished got = workspace.bitquake({"export", "out", "-o", file});
    REQUIRE(got.exit_code == 2);
    REQUIRE(holds(got.err, file + ": error: exists, and is not such a file\nhint: "));
    const bool same = workspace.read(file) == before;
    REQUIRE(same);
  }
  for (int time = 0; time < 2; ++time) {
    REQUIRE(workspace.bitquake({"export", "out", "-o", "trials.csv"}).exit_code == 0);
  }
  const Finished both = workspace.bitquake(
      {"augment", "scenario.yaml", "--sheet", "sheet.png", "-o", "sheet.png", "-q"});
  REQUIRE(both.exit_code == 2);
  REQUIRE_FALSE(workspace.has("sheet.png"));

  std::filesystem::create_directory(workspace / "mine");
  workspace.write("mine/skipped.csv", "mine");
  const Finished taken = workspace.bitquake({"run", "scenario.yaml", "-o", "mine"});
  REQUIRE(taken.exit_code == 2);
  REQUIRE(holds(taken.err, "mine: error: cannot be used as output directory: it is no run"));
  REQUIRE(workspace.read("mine/skipped.csv") == "mine");
  REQUIRE_FALSE(workspace.has("mine/segments"));
}
