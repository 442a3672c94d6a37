#pragma once

#include "suite/model/load.hpp"
#include "tests/base/temp_directory.hpp"

#include <torch/script.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bitquake::test {

/// Saves a module and loads it as a user's file would be.
inline Result<std::shared_ptr<const model::Model>> save_and_load(
    const torch::jit::Module& module, const std::vector<std::int64_t>& input_shape,
    std::uint32_t padded_batch = 16, model::Monitor monitor = model::Monitor::all) {
  const TempDirectory directory;
  const auto file = directory / "model.pt";
  module.save(file.string());
  return model::load(
      {.file = file, .input_shape = input_shape, .padded_batch = padded_batch, .monitor = monitor});
}

inline std::uint32_t site_of(const model::Model& model, const std::string& name) {
  for (std::uint32_t i = 0; i < model.sites().size(); ++i) {
    if (faultgen::site_name(model.sites()[i]) == name) return i;
  }
  throw std::runtime_error("no site " + name);
}

inline std::span<const float> values_of(const at::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

}  // namespace bitquake::test
