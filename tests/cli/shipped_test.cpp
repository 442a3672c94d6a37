// What ships beside the code keeps its word: scenarios, model cards, README.
#include "suite/base/sha256.hpp"
#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <regex>
#include <sstream>

using namespace bitquake;
using namespace bitquake::test;

namespace {

const std::filesystem::path kSource = BITQUAKE_SOURCE_DIR;

std::vector<std::filesystem::path> files_of(const std::string& folder, const char* extension) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(kSource / folder)) {
    if (entry.path().extension() == extension) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// The text between two marks, without them.
std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t from = text.find(begin);
  if (from == std::string::npos) return "";
  const std::size_t to = text.find(end, from + begin.size());
  return text.substr(from + begin.size(), to - from - begin.size());
}

}  // namespace

TEST_CASE("every shipped scenario runs on a small sample", "[cli][scenarios]") {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
    WARN("skipped: the package dataset-fashion-mnist is not installed");
    return;
  }
  const TempDirectory directory;
  const auto scenarios = files_of("suite/scenarios", ".yaml");
  REQUIRE(scenarios.size() >= 2);
  for (const auto& scenario : scenarios) {
    const std::string output = (directory / scenario.stem().string()).string();
    const Finished got =
        run_command(kSource, {"run", "suite/scenarios/" + scenario.filename().string(), "--samples",
                              "64", "-q", "-o", output});
    CAPTURE(scenario, got.err);
    REQUIRE(got.exit_code == 0);
    REQUIRE(got.err.empty());
    REQUIRE(holds(got.out, "\nVALID  SDE "));
  }
}

TEST_CASE("the shipped ResNet-8 meets its expectation, in eval mode, and not a higher one",
          "[cli][models]") {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
    WARN("skipped: the package dataset-fashion-mnist is not installed");
    return;
  }
  const TempDirectory directory;
  const auto run = [&](const std::string& top1, const std::string& output) {
    return run_command(kSource,
                       {"run", "suite/scenarios/resnet8.yaml", "--samples", "500", "--set",
                        "expect.golden_top1=" + top1, "-q", "-o", (directory / output).string()});
  };
  const Finished met = run("0.9", "met");
  CAPTURE(met.err);
  REQUIRE(met.exit_code == 0);
  REQUIRE(met.err.empty());  // a model saved in train mode would be a notice
  const Finished missed = run("0.99", "missed");
  REQUIRE(missed.exit_code == 5);
  REQUIRE(holds(missed.err, "expect.golden_top1: error: golden top-1 is 0.9"));
}

TEST_CASE("a model card states the size and SHA-256 of its file", "[cli][models]") {
  const auto models = files_of("suite/models", ".pt");
  REQUIRE(!models.empty());
  const std::regex row("\\| SHA-256 \\| `([0-9a-f]{64})` \\(([0-9,]+) bytes\\)");
  for (auto model : models) {
    CAPTURE(model);
    const std::string sha256 = value_or_throw(sha256_file(model, Errc::model));
    const std::uintmax_t size = std::filesystem::file_size(model);
    const std::string card = read_bytes(model.replace_extension(".md"));
    std::smatch found;
    REQUIRE(std::regex_search(card, found, row));
    REQUIRE(found[1] == sha256);
    std::string bytes = found[2];
    bytes.erase(std::remove(bytes.begin(), bytes.end(), ','), bytes.end());
    REQUIRE(bytes == std::to_string(size));
  }
}

TEST_CASE("the guide shows what its commands print", "[cli][readme]") {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
    WARN("skipped: the package dataset-fashion-mnist is not installed");
    return;
  }
  const std::string guide = read_bytes(kSource / "suite/your-model.md");
  const std::string section = between(guide, "## 2. ", "## 3. ");
  const Workspace workspace;
  const std::string command = between(section, "    bitquake ", "\n");
  const Finished init = workspace.bitquake(words(command));
  CAPTURE(init.err);
  REQUIRE(init.exit_code == 0);
  REQUIRE(init.out == between(section, "```text\n", "```"));
  const Finished run = workspace.bitquake(words("run my.yaml -q"));
  REQUIRE(holds(run.out, between(guide, "ends with\n\n```text\n", "```")));
}

TEST_CASE("README's exit codes are those of the command", "[cli][readme]") {
  std::ostringstream rows;
  std::istringstream table(
      between(read_bytes(kSource / "README.md"), "| exit code | meaning |\n|---|---|\n", "\n\n"));
  const std::regex row(R"(\| (\d+) \| (.*) \|)");
  for (std::string line; std::getline(table, line);) {
    std::smatch found;
    REQUIRE(std::regex_match(line, found, row));
    rows << std::string(3 - found[1].length(), ' ') << found[1] << "  " << found[2] << "\n";
  }
  REQUIRE(run_command(kSource, {"list", "exit-codes"}).out == rows.str());
}

TEST_CASE("README's example scenario is accepted", "[cli][readme]") {
  const Workspace workspace;
  workspace.write("my.yaml", between(read_bytes(kSource / "README.md"), "```yaml\n", "```\n"));
  const Finished got = workspace.bitquake(
      {"check", "my.yaml", "--set", "data.images=images", "--set", "data.labels=labels"});
  CAPTURE(got.err);
  REQUIRE(got.exit_code == 0);
  REQUIRE(holds(got.out, "\nOK  next: bitquake run my.yaml"));
}

TEST_CASE("README names every command, and only commands that exist", "[cli][readme]") {
  const std::string table =
      between(read_bytes(kSource / "README.md"), "| command | what it does |\n|---|---|\n", "\n\n");
  std::vector<std::string> named;
  const std::regex word("\\| `bitquake ([a-z]+)");
  for (std::sregex_iterator match(table.begin(), table.end(), word), end; match != end; ++match) {
    named.push_back((*match)[1]);
  }
  const std::string offered = between(run_command(kSource, {"zzz"}).err, "one of: ", "\n");
  std::ostringstream list;
  for (std::size_t i = 0; i < named.size(); ++i) list << (i == 0 ? "" : ", ") << named[i];
  REQUIRE(list.str() == offered);
}
