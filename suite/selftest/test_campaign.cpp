#include "suite/selftest/test_campaign.hpp"

#include "suite/base/build_info.hpp"
#include "suite/base/durable.hpp"
#include "suite/model/load.hpp"
#include "suite/selftest/integer_net.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace bitquake::selftest {
namespace {

/// Eight work units: an interrupted run has some done and some not.
constexpr std::uint32_t kUnitSamples = kSamples / 8;

/// A MNIST-style idx file of unsigned bytes (format: datasets/dataset.hpp).
std::string idx_file(const std::vector<std::uint64_t>& sizes, const std::string& values) {
  std::string bytes{'\0', '\0', '\x08', static_cast<char>(sizes.size())};
  for (const std::uint64_t size : sizes) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes += static_cast<char>(size >> shift);
  }
  return bytes + values;
}

}  // namespace

TestCampaign::TestCampaign(std::uint32_t padded_batch) : padded_batch_(padded_batch) {
  const auto model_file = directory_ / "model.pt";
  model::save_sequence(integer_net(), model_file);
  const scenario::Scenario plan = scenario();
  model_ = value_or_throw(model::load(
      {.file = model_file, .input_shape = plan.model.input, .padded_batch = plan.padded_batch}));
  expected_ = make_expected(model_->sites());

  std::string images, labels;
  for (const results::GoldenRow& row : expected_.trials.golden) {
    const auto pixels = integer_image(row.sample);
    images.append(pixels.begin(), pixels.end());
    labels += static_cast<char>(row.label);
  }
  write_text_durably(directory_ / plan.data.images,
                     idx_file({kSamples, kImageSide, kImageSide}, images));
  write_text_durably(directory_ / *plan.data.labels, idx_file({kSamples}, labels));
  auto& provenance = expected_.faults.provenance;
  provenance.generator = "bitquake " + std::string(build_info().version) + " selftest";
  provenance.model_sha256 = model_->sha256();
  provenance.input_shape = plan.model.input;
  faultgen::write_fault_set(expected_.faults, directory_ / *plan.faults.file);
}

scenario::Scenario TestCampaign::scenario() const {
  scenario::Scenario plan;
  plan.directory = directory_.path();
  plan.model.file = "model.pt";
  plan.model.input = {1, kImageSide, kImageSide};
  plan.model.output = metrics::OutputKind::probabilities;  // softmax would round
  plan.data.name = "integers";
  plan.data.images = "images";
  plan.data.labels = "labels";
  plan.preprocess.divide_by = 1;
  plan.faults.file = "faults.h5";
  plan.padded_batch = padded_batch_;
  plan.unit_samples = kUnitSamples;
  return plan;
}

engine::Inputs TestCampaign::open(const std::shared_ptr<const model::Model>& model) const {
  using Loaded = Result<std::shared_ptr<const model::Model>>;
  return value_or_throw(engine::prepare(
      scenario(),
      [&](const scenario::Scenario&, const model::Protection&) { return Loaded(model); }));
}

std::filesystem::path TestCampaign::new_directory() {
  return directory_ / ("run" + std::to_string(directories_++));
}

}  // namespace bitquake::selftest
