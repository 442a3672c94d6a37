#pragma once

#include "suite/base/result.hpp"

#include <torch/script.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace bitquake::model {

/// A TorchScript module as one flat graph: every call inlined, attributes that are no tensors
/// turned into constants, in-place operators made functional where that is provably the same.
struct LoweredGraph {
  std::shared_ptr<torch::jit::Graph> graph;  ///< inputs: self (unused), then the sample batch
  /// Tensor parameters and buffers by the graph value that stands for them (prim::GetAttr outputs).
  struct Parameter {
    std::string path;  ///< "layer1.conv.weight"
    at::Tensor tensor;
  };
  std::unordered_map<const torch::jit::Value*, Parameter> parameters;
  /// Weight and bias of a quantised layer, as the quantised engine packs them.
  struct Packed {
    std::string path;  ///< of the layer: "layer1.conv"
    c10::IValue value;
  };
  std::unordered_map<const torch::jit::Value*, Packed> packed;
  /// Values that leave a module call, and the name of that call: "layer1.conv", "layer1.conv#1" for
  /// the second call. A value that leaves several modules at once is named by the innermost.
  std::unordered_map<const torch::jit::Value*, std::string> module_outputs;
  /// In-place operators that became functional: their result replaces their first input, so it has
  /// that one's memory layout and type.
  std::unordered_set<const torch::jit::Node*> was_in_place;
  bool writes_input =
      false;  ///< an in-place operator may change the sample batch: clone it at entry
};

/// Containers are built by the interpreter of TorchScript, not by operators.
bool builds_container(const torch::jit::Node& node);

/// @param module  in eval mode; it is not changed, but the graph refers to its parameters
/// Errc::model, naming the operator, when the module does something Bitquake cannot execute.
/// @param where  file name for messages
Result<LoweredGraph> lower(const torch::jit::Module& module, const std::string& where);

}  // namespace bitquake::model
