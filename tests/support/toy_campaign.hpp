#pragma once

#include "suite/engine/campaign.hpp"
#include "tests/base/temp_directory.hpp"
#include "tests/support/toy_model.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace bitquake::test {

/// Images of 4x4 pixels below 250 and labels i % 6, written as idx files into a temporary
/// directory, with a scenario that runs the toy model on them. Change `scenario` and `settings`
/// before inputs().
class ToyCampaign {
 public:
  /// @param first_pixels  by sample: instead of the usual first pixel
  explicit ToyCampaign(std::uint64_t samples = 40,
                       const std::map<std::uint64_t, std::uint8_t>& first_pixels = {}) {
    for (std::uint64_t sample = 0; sample < samples; ++sample) {
      for (std::uint64_t pixel = 0; pixel < kToyInputs; ++pixel) {
        const std::uint64_t mixed = (sample + 3) * (sample + 11 * pixel + 1) * 2'654'435'761U;
        images.push_back(static_cast<std::uint8_t>((mixed >> 8U) % 250));
      }
      labels.push_back(static_cast<std::uint8_t>(sample % kToyClasses));
    }
    for (const auto& [sample, value] : first_pixels) images[sample * kToyInputs] = value;
    write_data();
    scenario.seed = 7;
    scenario.model.file = "toy.pt";
    scenario.model.input = {1, 4, 4};
    scenario.data.name = "toy";
    scenario.data.images = "images";
    scenario.data.labels = "labels";
    scenario.faults.epochs = 2;
    scenario.unit_samples = 3;
    scenario.directory = directory_->path();
  }

  /// Call after changing `images` or `labels`.
  void write_data() const {
    const auto count = static_cast<std::uint32_t>(labels.size());
    write_bytes(*directory_ / "images",
                header({count, 4, 4}) + std::string(images.begin(), images.end()));
    write_bytes(*directory_ / "labels",
                header({count}) + std::string(labels.begin(), labels.end()));
  }

  Result<engine::Inputs> prepare() const { return engine::prepare(scenario, loader()); }
  engine::ModelLoader loader() const {
    return [this](const scenario::Scenario& given, const model::Protection& protection) {
      ToySettings wanted = settings;
      wanted.deviation = given.deviation;
      if (!protection.guards.empty() || !protection.weights.empty()) wanted.protection = protection;
      return Loaded(make_toy_model(wanted));
    };
  }
  engine::Inputs inputs() const { return value_or_throw(prepare()); }

  std::filesystem::path operator/(const std::string& name) const { return *directory_ / name; }

  scenario::Scenario scenario;
  ToySettings settings;
  std::vector<std::uint8_t> images;  ///< [samples, 16]
  std::vector<std::uint8_t> labels;

 private:
  using Loaded = Result<std::shared_ptr<const model::Model>>;

  static std::string header(const std::vector<std::uint32_t>& dimensions) {
    std::string bytes{'\0', '\0', '\x08', static_cast<char>(dimensions.size())};
    for (const std::uint32_t size : dimensions) {
      for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes += static_cast<char>(size >> shift);
    }
    return bytes;
  }

  std::unique_ptr<TempDirectory> directory_ = std::make_unique<TempDirectory>();
};

/// Sets the stop flag after some trials and remembers what it hears.
class StoppingObserver : public engine::Observer {
 public:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  explicit StoppingObserver(std::uint64_t stop_after = kNever) : stop_after_(stop_after) {}

  void notice(const std::string& text) override { notices.push_back(text); }
  void progress(const engine::Progress& now) override {
    seen.push_back(now);
    if (now.trials_done - now.trials_resumed >= stop_after_) stop = true;
  }

  std::atomic<bool> stop = false;
  std::vector<std::string> notices;
  std::vector<engine::Progress> seen;

 private:
  std::uint64_t stop_after_;
};

inline Result<engine::CampaignResult> try_run(const engine::Inputs& inputs,
                                              const std::filesystem::path& directory,
                                              unsigned threads = 2) {
  StoppingObserver observer;
  return engine::run_campaign(inputs, {.directory = directory, .threads = threads}, observer.stop,
                              observer);
}

/// Runs to the end.
inline engine::CampaignResult run(const engine::Inputs& inputs,
                                  const std::filesystem::path& directory, unsigned threads = 2) {
  return value_or_throw(try_run(inputs, directory, threads));
}

/// Runs until `trials` more are done, or to the end.
inline engine::CampaignResult run_some(const engine::Inputs& inputs,
                                       const std::filesystem::path& directory, std::uint64_t trials,
                                       unsigned threads = 2) {
  StoppingObserver observer(trials);
  return value_or_throw(engine::run_campaign(inputs, {.directory = directory, .threads = threads},
                                             observer.stop, observer));
}

/// Bytes of each file of a run directory that must not depend on when, where and how often the
/// campaign ran, by path in the directory. Leftovers of interrupted writing are among them.
inline std::map<std::string, std::string> lasting_files(const std::filesystem::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = std::filesystem::relative(entry.path(), directory).string();
    if (name == "run.json" || name == "timings.csv" || name == ".lock") continue;
    files[name] = read_bytes(entry.path());
  }
  return files;
}

/// Names of files that differ or that only one has: empty when `a` and `b` are the same. Shorter in
/// a failed test than the bytes.
inline std::vector<std::string> differences(const std::map<std::string, std::string>& a,
                                            const std::map<std::string, std::string>& b) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : a) {
    const auto other = b.find(name);
    if (other == b.end() || other->second != bytes) names.push_back(name);
  }
  for (const auto& [name, bytes] : b) {
    if (!a.contains(name)) names.push_back(name);
  }
  return names;
}

}  // namespace bitquake::test
