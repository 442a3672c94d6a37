#pragma once

#include "suite/base/temp_directory.hpp"
#include "suite/engine/prepare.hpp"
#include "suite/selftest/expected.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>

namespace bitquake::selftest {

/// The campaign of the self-test as files in a temporary directory: model, images, labels and fault
/// set, which go through the readers that a user's files go through.
class TestCampaign {
 public:
  /// Writes the files and loads the model. Throws Exception when one of them cannot be written, or
  /// read back.
  /// @param padded_batch  rows of every inference; no result depends on it. Few are quick.
  explicit TestCampaign(std::uint32_t padded_batch = 4);

  const Expected& expected() const { return expected_; }
  const std::shared_ptr<const model::Model>& model() const { return model_; }
  /// Opens the campaign with `model` in place of the one that was loaded.
  engine::Inputs open(const std::shared_ptr<const model::Model>& model) const;
  /// A directory that no run has had yet.
  std::filesystem::path new_directory();

 private:
  scenario::Scenario scenario() const;

  std::uint32_t padded_batch_;
  TempDirectory directory_;
  std::shared_ptr<const model::Model> model_;
  Expected expected_;
  unsigned directories_ = 0;
};

}  // namespace bitquake::selftest
