#pragma once

#include "faultgen/fault_space.hpp"

#include <torch/script.h>

#include <cstddef>
#include <optional>

namespace bitquake::model {

/// What faults can hit at an operator: its first output, and these of its inputs, by position.
struct SiteOperator {
  faultgen::SiteKind kind = faultgen::SiteKind::activation;
  std::size_t input = 0;  ///< the first operand that is no parameter
  /// Sites where the model holds them as parameters.
  std::optional<std::size_t> weight{}, bias{}, running_mean{}, running_var{};
  std::optional<std::size_t> recurrent_weights{};  ///< a list
  /// Weight and bias in the form of the quantised engine, which no fault can hit.
  std::optional<std::size_t> packed{};
};

/// How an operator is a site, in all the forms exporters write it; nullopt: it is none.
/// @param node  of a lowered graph
std::optional<SiteOperator> site_operator(const torch::jit::Node& node);

}  // namespace bitquake::model
