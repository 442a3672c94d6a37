#include "suite/engine/campaign.hpp"
#include "suite/engine/checkpoint.hpp"
#include "tests/engine/oracle.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace bitquake;
using namespace bitquake::test;

namespace fs = std::filesystem;

namespace {

/// 1,500 samples, 4,494 trials in 215 units and 5 segments; some trials fail.
ToyCampaign long_campaign() {
  ToyCampaign campaign(1'500, {{5, kNanOutputPixel}, {1'400, kNanOutputPixel}});
  campaign.scenario.faults.epochs = 3;
  campaign.scenario.unit_samples = 7;
  campaign.settings.before_inference = [](std::span<const faultgen::Fault> faults) {
    if (faults[0].bit_mask <= 4) {
      throw std::runtime_error("mask " + std::to_string(faults[0].bit_mask));
    }
  };
  return campaign;
}

/// What an uninterrupted run of long_campaign() leaves.
const std::map<std::string, std::string>& uninterrupted() {
  static const auto kFiles = [] {
    const ToyCampaign campaign = long_campaign();
    run(campaign.inputs(), campaign / "out");
    return lasting_files(campaign / "out");
  }();
  return kFiles;
}

Error refusal(const ToyCampaign& campaign, const fs::path& directory) {
  const auto before = lasting_files(directory);
  const auto result = try_run(campaign.inputs(), directory);
  REQUIRE_FALSE(result);
  REQUIRE_FALSE(result.error().hint.empty());
  REQUIRE(differences(lasting_files(directory), before).empty());  // nothing was touched
  return result.error();
}

bool mentions(const Error& error, const std::string& text) {
  return error.what.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("an interrupted campaign goes on and ends with the same bytes", "[engine][resume]") {
  const ToyCampaign campaign = long_campaign();
  const engine::Inputs inputs = campaign.inputs();
  const std::uint64_t stop_after = GENERATE(1U, 1'020U, 1'030U, 3'000U);
  const unsigned threads = GENERATE(1U, 4U);
  const engine::CampaignResult first = run_some(inputs, campaign / "out", stop_after, threads);
  REQUIRE(first.interrupted);
  REQUIRE(first.summary.tables.empty());
  REQUIRE(first.progress.trials_done >= stop_after);
  REQUIRE_FALSE(fs::exists(campaign / "out/trials.h5"));

  StoppingObserver observer;
  const engine::CampaignResult second = value_or_throw(engine::run_campaign(
      inputs, {.directory = campaign / "out", .threads = 3}, observer.stop, observer));
  REQUIRE_FALSE(second.interrupted);
  REQUIRE(second.progress.trials_resumed == first.progress.trials_done);
  REQUIRE(second.progress.trials_done == 1'498 * 3);
  REQUIRE(observer.notices.back().find("continues: ") == 0);
  REQUIRE(differences(lasting_files(campaign / "out"), uninterrupted()).empty());
}

TEST_CASE("a campaign interrupted many times ends with the same bytes", "[engine][resume]") {
  const ToyCampaign campaign = long_campaign();
  const engine::Inputs inputs = campaign.inputs();
  int runs = 1;
  while (run_some(inputs, campaign / "out", 250).interrupted) REQUIRE(++runs < 30);
  REQUIRE(runs > 10);
  REQUIRE(differences(lasting_files(campaign / "out"), uninterrupted()).empty());
}

TEST_CASE("a stop before the first unit keeps the directory ready", "[engine][resume]") {
  const ToyCampaign campaign = long_campaign();
  StoppingObserver observer;
  observer.stop = true;
  const auto result = value_or_throw(engine::run_campaign(
      campaign.inputs(), {.directory = campaign / "out", .threads = 2}, observer.stop, observer));
  REQUIRE(result.interrupted);
  REQUIRE(result.progress.trials_done == 0);
  run(campaign.inputs(), campaign / "out");
  REQUIRE(differences(lasting_files(campaign / "out"), uninterrupted()).empty());
}

TEST_CASE("a stop after the last unit is no interruption", "[engine][resume]") {
  ToyCampaign campaign(20, {{1, kNanOutputPixel}});
  campaign.scenario.audit = false;  // or it would be the audit that is interrupted
  const engine::Inputs inputs = campaign.inputs();
  const std::uint64_t trials = 19 * 2;
  REQUIRE_FALSE(run_some(inputs, campaign / "at once", trials, 1).interrupted);
  // The skipped sample is in the first part.
  const engine::CampaignResult first = run_some(inputs, campaign / "in two parts", 1, 1);
  REQUIRE(first.interrupted);
  const std::uint64_t left = trials - first.progress.trials_done;
  REQUIRE_FALSE(run_some(inputs, campaign / "in two parts", left, 1).interrupted);
}

TEST_CASE("a finished campaign run again computes nothing and keeps its bytes",
          "[engine][resume]") {
  ToyCampaign campaign(20);
  campaign.scenario.audit = false;
  run(campaign.inputs(), campaign / "out");
  const auto files = lasting_files(campaign / "out");
  std::atomic<int> inferences = 0;
  campaign.settings.before_inference = [&](std::span<const faultgen::Fault>) { ++inferences; };
  const engine::CampaignResult result = run(campaign.inputs(), campaign / "out");
  REQUIRE(inferences == 0);
  REQUIRE(result.summary.trials == 40);
  REQUIRE(differences(lasting_files(campaign / "out"), files).empty());
}

namespace {

constexpr auto kChildDirectory = "BITQUAKE_TEST_CHILD_DIRECTORY";
constexpr auto kChildTest = "child that is killed";

/// A process of its own that runs long_campaign(), slowed down, in a directory.
class Child {
 public:
  /// @param scratch  where it may leave temporary files when it is killed
  Child(const fs::path& directory, const fs::path& scratch) {
    fs::create_directories(scratch);
    std::vector<std::string> variables{kChildDirectory + ("=" + directory.string()),
                                       "TMPDIR=" + scratch.string()};
    std::vector<char*> environment;
    for (std::string& variable : variables) environment.push_back(variable.data());
    for (char** variable = environ; *variable != nullptr; ++variable) {
      if (std::string(*variable).rfind("TMPDIR=", 0) != 0) environment.push_back(*variable);
    }
    environment.push_back(nullptr);
    std::string program = fs::read_symlink("/proc/self/exe").string();
    std::string test = kChildTest;
    char* arguments[]{program.data(), test.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    const int failed =
        posix_spawn(&id_, program.c_str(), &actions, nullptr, arguments, environment.data());
    posix_spawn_file_actions_destroy(&actions);
    REQUIRE(failed == 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (!status_) kill();
  }

  bool running() {
    int status = 0;
    if (!status_ && waitpid(id_, &status, WNOHANG) == id_) status_ = status;
    return !status_;
  }
  void kill() {
    int status = 0;
    ::kill(id_, SIGKILL);
    waitpid(id_, &status, 0);
    status_ = status;
  }
  bool was_killed() const { return status_ && WIFSIGNALED(*status_); }
  bool succeeded() const { return status_ && WIFEXITED(*status_) && WEXITSTATUS(*status_) == 0; }

 private:
  pid_t id_ = -1;
  std::optional<int> status_;
};

std::size_t finished_segments(const fs::path& directory) {
  std::size_t count = 0;
  if (!fs::exists(directory / "segments")) return count;
  for (const auto& entry : fs::directory_iterator(directory / "segments")) {
    if (entry.path().extension() == ".h5") ++count;
  }
  return count;
}

std::string manifest_of(const fs::path& directory) {
  return fs::exists(directory / "run.json") ? read_bytes(directory / "run.json") : "";
}

/// Waits for `condition`, as long as the child runs.
void wait_for(Child& child, const std::function<bool()>& condition) {
  while (child.running() && !condition()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

TEST_CASE(kChildTest, "[.][engine]") {
  const char* directory = std::getenv(kChildDirectory);
  if (directory == nullptr) return;
  ToyCampaign campaign = long_campaign();
  campaign.settings.before_inference =
      [fails = campaign.settings.before_inference](std::span<const faultgen::Fault> faults) {
        std::this_thread::sleep_for(std::chrono::microseconds(100));
        fails(faults);
      };
  run(campaign.inputs(), directory);
}

TEST_CASE("a campaign whose process is killed at any moment goes on with the same bytes",
          "[engine][resume]") {
  const ToyCampaign campaign = long_campaign();
  const fs::path out = campaign / "out";
  int killed = 0;
  // Killed at once, at the start of the run, some time later, and right after a segment appeared.
  const std::vector<std::pair<bool, int>> moments{{false, 1},  {false, 20}, {true, 0},
                                                  {false, 60}, {true, 3},   {true, 7}};
  for (const auto& [after_segment, milliseconds] : moments) {
    const std::size_t segments = finished_segments(out);
    const std::string manifest = manifest_of(out);
    Child child(out, campaign / "scratch");
    wait_for(child, [&, after = after_segment] {
      return after ? finished_segments(out) > segments : manifest_of(out) != manifest;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    child.kill();
    REQUIRE((child.was_killed() || child.succeeded()));
    killed += child.was_killed() ? 1 : 0;
  }
  REQUIRE(killed >= 3);
  REQUIRE(finished_segments(out) > 0);
  run(campaign.inputs(), out);
  REQUIRE(differences(lasting_files(out), uninterrupted()).empty());
}

TEST_CASE("files that a killed run left half-written are replaced", "[engine][resume]") {
  const ToyCampaign campaign = long_campaign();
  run_some(campaign.inputs(), campaign / "out", 1'500);
  for (const std::string name :
       {"segments/00000049.h5.tmp", "trials.h5.tmp", "summary.json.tmp", "kpi/site.csv.tmp"}) {
    fs::create_directories((campaign / "out" / name).parent_path());
    write_bytes(campaign / "out" / name, "half");
  }
  run(campaign.inputs(), campaign / "out");
  REQUIRE(differences(lasting_files(campaign / "out"), uninterrupted()).empty());
}

TEST_CASE("another scenario in the same directory is refused", "[engine][resume]") {
  ToyCampaign campaign(20);
  run(campaign.inputs(), campaign / "out");
  campaign.scenario.seed = 8;
  const Error error = refusal(campaign, campaign / "out");
  REQUIRE(error.code == Errc::usage);
  REQUIRE(error.where == (campaign / "out").string());
  REQUIRE(mentions(error, "another scenario"));
}

TEST_CASE("two runs at once in one directory are refused", "[engine][resume]") {
  ToyCampaign campaign(20);
  const engine::Inputs inputs = campaign.inputs();
  std::optional<Error> second;
  class Intruder : public engine::Observer {
   public:
    explicit Intruder(std::function<void()> intrude) : intrude_(std::move(intrude)) {}
    void notice(const std::string&) override { intrude_(); }

   private:
    std::function<void()> intrude_;
  };
  Intruder intruder([&] { second = try_run(inputs, campaign / "out").error(); });
  const std::atomic<bool> stop = false;
  REQUIRE(engine::run_campaign(inputs, {.directory = campaign / "out"}, stop, intruder));
  REQUIRE(second.has_value());
  REQUIRE(second->code == Errc::usage);
  REQUIRE(mentions(*second, "in use by another run"));
  run(inputs, campaign / "out");  // free again
}

TEST_CASE("a damaged segment is refused by name and the others are kept", "[engine][resume]") {
  const ToyCampaign campaign = long_campaign();
  run_some(campaign.inputs(), campaign / "out", 3'000);
  const fs::path damaged = campaign / "out/segments/00000049.h5";
  std::string bytes = read_bytes(damaged);
  SECTION("one bit") { bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1); }
  SECTION("cut short") { bytes.resize(bytes.size() / 2); }
  SECTION("emptied") { bytes.clear(); }
  write_bytes(damaged, bytes);
  const Error error = refusal(campaign, campaign / "out");
  REQUIRE(error.code == Errc::results);
  REQUIRE(error.where == damaged.string());

  fs::remove(damaged);
  const engine::CampaignResult result = run(campaign.inputs(), campaign / "out");
  REQUIRE(result.progress.trials_resumed > 1'500);
  REQUIRE(differences(lasting_files(campaign / "out"), uninterrupted()).empty());
}

TEST_CASE("a segment under another segment's name is refused", "[engine][resume]") {
  const ToyCampaign campaign = long_campaign();
  run_some(campaign.inputs(), campaign / "out", 3'000);
  const fs::path copy = campaign / "out/segments" / GENERATE("00000049.h5", "00000999.h5", "x.h5");
  fs::copy_file(campaign / "out/segments/00000000.h5", copy, fs::copy_options::overwrite_existing);
  const Error error = refusal(campaign, campaign / "out");
  REQUIRE(error.code == Errc::results);
  REQUIRE(error.where == copy.string());
}

TEST_CASE("segments computed with other numerics are refused", "[engine][resume]") {
  ToyCampaign campaign = long_campaign();
  run_some(campaign.inputs(), campaign / "out", 1'500);
  campaign.settings.fingerprint["arithmetic"] = "vectors";
  const Error error = refusal(campaign, campaign / "out");
  REQUIRE(error.code == Errc::results);
  REQUIRE(error.where == (campaign / "out/segments/00000000.h5").string());
  REQUIRE(mentions(error, "plain loops"));
  REQUIRE(mentions(error, "vectors"));
}

TEST_CASE("a changed model is refused", "[engine][resume]") {
  ToyCampaign campaign = long_campaign();
  run_some(campaign.inputs(), campaign / "out", 1'500);
  campaign.settings.sha256 = "0dd";
  const Error error = refusal(campaign, campaign / "out");
  REQUIRE(error.code == Errc::results);
  REQUIRE(error.where == (campaign / "out/faults.h5").string());
  REQUIRE(mentions(error, "the model has changed"));
}

TEST_CASE("changed data is refused", "[engine][resume]") {
  ToyCampaign campaign = long_campaign();
  run_some(campaign.inputs(), campaign / "out", 1'500);
  campaign.images[1'499 * kToyInputs] ^= 1U;
  campaign.write_data();
  const Error error = refusal(campaign, campaign / "out");
  REQUIRE(error.code == Errc::results);
  REQUIRE(error.where == (campaign / "out/segments/00000000.h5").string());
  REQUIRE(mentions(error, "other data"));
}

TEST_CASE("a directory that cannot be made or written is refused", "[engine][resume]") {
  const ToyCampaign campaign(4);
  write_bytes(campaign / "file", "");
  const fs::path out = campaign / GENERATE("file", "file/below", "/proc/x");
  const auto result = try_run(campaign.inputs(), out);
  REQUIRE_FALSE(result);
  REQUIRE(result.error().code == Errc::usage);
  REQUIRE(result.error().where == out.string());
}

TEST_CASE("a segment whose beginning is nowhere is not completed", "[engine][resume]") {
  const TempDirectory scratch;
  const auto directory =
      value_or_throw(engine::RunDirectory::claim(scratch / "out", "version: 1\n"));
  results::Campaign campaign;
  engine::SegmentWriter writer(directory, campaign, 4, {results::Gathering(campaign), {}, {}});
  try {
    writer.add(5, {}, {}, {}, {}, {""});
    FAIL("units 4 to 7 began with 5");
  } catch (const Exception& exception) {
    REQUIRE(exception.error().code == Errc::results);
    REQUIRE(exception.error().where == directory.segment_path(4).string());
    REQUIRE(exception.error().what == "is missing: other segments end inside it");
  }
}
