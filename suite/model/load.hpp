#pragma once

#include "suite/model/model.hpp"

#include <filesystem>

namespace bitquake::model {

/// Which tensors are watched for NaN and Inf.
enum class Monitor : std::uint8_t {
  all,     ///< outputs of all module calls and the final output
  output,  ///< the final output only
};

struct LoadOptions {
  std::filesystem::path file;             ///< TorchScript archive
  std::vector<std::int64_t> input_shape;  ///< one sample, without the batch dimension
  std::uint32_t padded_batch = 16;        ///< rows of every inference
  Monitor monitor = Monitor::all;
  bool deviation = false;  ///< TrialResult::deviations are wanted
  /// Sites, their numbers, points and the file's hash are those of the model without it.
  Protection protection{};
};

/// Loads a TorchScript model, turns it into a Program, runs the row-independence check and returns
/// it ready for executors. Errc::model when the file is not TorchScript, cannot be executed (the
/// operator is named), or does not accept the input shape; Errc::scenario when a guard does not fit
/// its site.
Result<std::shared_ptr<const Model>> load(const LoadOptions& options);

}  // namespace bitquake::model
