#include "results/row_difference.hpp"
#include "tests/support/toy_campaign.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace bitquake;
using namespace bitquake::test;

namespace {

std::string pgm(const std::string& pixels) { return "P5\n4 4\n255\n" + pixels; }

/// The samples of a toy campaign as image files in class folders, named so that they keep their
/// order.
struct ImageFiles {
  ToyCampaign campaign{12};

  ImageFiles() {
    for (std::uint64_t i = 0; i < campaign.labels.size(); ++i) {
      campaign.labels[i] = static_cast<std::uint8_t>(i / 2);
      std::filesystem::create_directories(file(i).parent_path());
      const auto* first = campaign.images.data() + 16 * i;
      write_bytes(file(i), pgm({first, first + 16}));
    }
    campaign.write_data();
    campaign.scenario.unit_samples = 2;
  }
  std::filesystem::path file(std::uint64_t i) const {
    const std::string number = std::to_string(100 + i);
    return campaign / ("set/c" + std::to_string(campaign.labels[i]) + "/" + number + ".pgm");
  }
  void use_files() {
    campaign.scenario.data.format = scenario::DataFormat::image_folder;
    campaign.scenario.data.images = "set";
    campaign.scenario.data.labels.reset();
  }
};

/// NaN equals NaN.
bool same_trials(const results::Trials& a, const results::Trials& b) {
  return std::equal(a.trials.begin(), a.trials.end(), b.trials.begin(), b.trials.end(),
                    [](const results::TrialRow& x, const results::TrialRow& y) {
                      return results::differences(x, y).empty();
                    });
}

}  // namespace

TEST_CASE("image files give the trials that the same pixels give", "[engine][image_files]") {
  ImageFiles files;
  run(files.campaign.inputs(), files.campaign / "idx");
  files.use_files();
  run(files.campaign.inputs(), files.campaign / "files");
  const auto idx = value_or_throw(results::read_trials(files.campaign / "idx/trials.h5"));
  const auto own = value_or_throw(results::read_trials(files.campaign / "files/trials.h5"));
  REQUIRE(same_trials(own, idx));
  REQUIRE(own.campaign.files.size() == 12);
  REQUIRE(own.campaign.files[3] == "c1/103.pgm");
  REQUIRE(own.golden[3].file == 3);
  REQUIRE(own.golden[3].height == 4);
  REQUIRE(idx.campaign.files == std::vector<std::string>{"images"});
}

TEST_CASE("an unreadable image ends the campaign or is skipped, as the scenario says",
          "[engine][image_files]") {
  ImageFiles files;
  files.use_files();
  run(files.campaign.inputs(), files.campaign / "whole");
  write_bytes(files.file(5), pgm("short"));
  REQUIRE_THROWS_WITH(
      run(files.campaign.inputs(), files.campaign / "error"),
      Catch::Matchers::Contains("105.pgm") && Catch::Matchers::Contains("is truncated"));

  files.campaign.scenario.data.on_bad_sample = scenario::OnBadSample::skip;
  const auto inputs = files.campaign.inputs();
  StoppingObserver observer;
  const auto result = value_or_throw(engine::run_campaign(
      inputs, {.directory = files.campaign / "skip", .threads = 2}, observer.stop, observer));
  REQUIRE(result.summary.skipped == 1);
  const std::string notice = "sample 5 is skipped: " + files.file(5).string() + ": is truncated";
  REQUIRE(std::count(observer.notices.begin(), observer.notices.end(), notice) == 1);
  REQUIRE(read_bytes(files.campaign / "skip/skipped.csv") ==
          "variant,perturbation,sample,sample_index,id,file,reason\n"
          "original,clean,5,5,5,c2/105.pgm,image cannot be read\n");
  auto whole = value_or_throw(results::read_trials(files.campaign / "whole/trials.h5"));
  const auto part = value_or_throw(results::read_trials(files.campaign / "skip/trials.h5"));
  erase_if(whole.trials, [](const results::TrialRow& row) { return row.sample == 5; });
  REQUIRE(same_trials(part, whole));  // the others are as they were
}

TEST_CASE("a file that changed before the campaign continues is named", "[engine][image_files]") {
  ImageFiles files;
  files.use_files();
  const auto inputs = files.campaign.inputs();
  run_some(inputs, files.campaign / "out", 4, 1);
  const std::string before = read_bytes(files.file(0));
  write_bytes(files.file(0), pgm(std::string(16, '\x01')));
  const auto refused = try_run(inputs, files.campaign / "out");
  REQUIRE_FALSE(refused);
  REQUIRE(refused.error().code == Errc::data);
  REQUIRE(refused.error().where == "c0/100.pgm");
  REQUIRE(refused.error().what == "has changed since sample 0 was read from it");
  write_bytes(files.file(0), before);
  run(inputs, files.campaign / "out");
  run(inputs, files.campaign / "uninterrupted");
  REQUIRE(differences(lasting_files(files.campaign / "out"),
                      lasting_files(files.campaign / "uninterrupted"))
              .empty());
}
