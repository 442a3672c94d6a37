#pragma once

#include "suite/model/load.hpp"
#include "tests/base/temp_directory.hpp"

#include <catch2/catch.hpp>
#include <torch/script.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::test {

/// Saves a module and loads it as a user's file would be.
inline Result<std::shared_ptr<const model::Model>> save_and_load(
    const torch::jit::Module& module, const std::vector<std::int64_t>& input_shape,
    std::uint32_t padded_batch = 16, model::Monitor monitor = model::Monitor::all,
    model::Protection protection = {}, bool deviation = false) {
  const TempDirectory directory;
  const auto file = directory / "model.pt";
  module.save(file.string());
  return model::load({.file = file,
                      .input_shape = input_shape,
                      .padded_batch = padded_batch,
                      .monitor = monitor,
                      .deviation = deviation,
                      .protection = std::move(protection)});
}

inline std::uint32_t site_of(const model::Model& model, const std::string& name) {
  for (std::uint32_t i = 0; i < model.sites().size(); ++i) {
    if (faultgen::site_name(model.sites()[i]) == name) return i;
  }
  throw std::runtime_error("no site " + name);
}

inline void require_sites(const model::Model& model, const std::vector<faultgen::Site>& expected) {
  for (std::size_t i = 0; i < std::min(model.sites().size(), expected.size()); ++i) {
    INFO(faultgen::site_name(model.sites()[i]));
    REQUIRE((model.sites()[i] == expected[i]));
  }
  REQUIRE(model.sites().size() == expected.size());
}

/// Sites with elements that faults of `target` can hit.
inline std::vector<std::uint32_t> sites_with(const model::Model& model, faultgen::Target target) {
  return faultgen::FaultSpace(model.sites(), target).active_sites();
}

inline std::span<const float> values_of(const at::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

}  // namespace bitquake::test
