#include "suite/model/site_operator.hpp"

#include <array>
#include <map>
#include <set>
#include <string>

namespace bitquake::model {
namespace {

using faultgen::SiteKind;

const std::map<std::string, SiteOperator>& operators() {
  static const std::map<std::string, SiteOperator> kOperators{
      {"aten::conv1d", {.kind = SiteKind::conv1d, .weight = 1, .bias = 2}},
      {"aten::conv2d", {.kind = SiteKind::conv2d, .weight = 1, .bias = 2}},
      {"aten::conv3d", {.kind = SiteKind::conv3d, .weight = 1, .bias = 2}},
      {"aten::conv_transpose1d", {.kind = SiteKind::conv_transpose1d, .weight = 1, .bias = 2}},
      {"aten::conv_transpose2d", {.kind = SiteKind::conv_transpose2d, .weight = 1, .bias = 2}},
      {"aten::conv_transpose3d", {.kind = SiteKind::conv_transpose3d, .weight = 1, .bias = 2}},
      {"aten::linear", {.kind = SiteKind::linear, .weight = 1, .bias = 2}},
      {"aten::addmm", {.kind = SiteKind::matmul, .input = 1, .weight = 2, .bias = 0}},
      {"aten::matmul", {.kind = SiteKind::matmul, .weight = 1}},
      {"aten::mm", {.kind = SiteKind::matmul, .weight = 1}},
      {"aten::bmm", {.kind = SiteKind::matmul, .weight = 1}},
      {"aten::baddbmm", {.kind = SiteKind::matmul, .input = 1, .weight = 2, .bias = 0}},
      {"aten::embedding", {.kind = SiteKind::embedding, .input = 1, .weight = 0}},
      {"aten::batch_norm",
       {.kind = SiteKind::batch_norm, .weight = 1, .bias = 2, .running_mean = 3, .running_var = 4}},
      {"aten::layer_norm", {.kind = SiteKind::layer_norm, .weight = 2, .bias = 3}},
      {"aten::prelu", {.kind = SiteKind::activation, .weight = 1}},
      {"quantized::conv1d", {.kind = SiteKind::conv1d, .packed = 1}},
      {"quantized::conv1d_relu", {.kind = SiteKind::conv1d, .packed = 1}},
      {"quantized::conv2d", {.kind = SiteKind::conv2d, .packed = 1}},
      {"quantized::conv2d_relu", {.kind = SiteKind::conv2d, .packed = 1}},
      {"quantized::conv3d", {.kind = SiteKind::conv3d, .packed = 1}},
      {"quantized::conv3d_relu", {.kind = SiteKind::conv3d, .packed = 1}},
      {"quantized::linear", {.kind = SiteKind::linear, .packed = 1}},
      {"quantized::linear_relu", {.kind = SiteKind::linear, .packed = 1}},
      {"aten::_scaled_dot_product_attention", {.kind = SiteKind::attention}},
      {"aten::scaled_dot_product_attention", {.kind = SiteKind::attention}},
      {"aten::_transformer_encoder_layer_fwd", {.kind = SiteKind::transformer_layer}}};
  return kOperators;
}

/// Besides prelu, which has a weight.
bool is_activation(std::string name) {
  static const std::set<std::string> kNames{
      "aten::relu",      "aten::relu6",       "aten::hardtanh",    "aten::leaky_relu",
      "aten::elu",       "aten::selu",        "aten::celu",        "aten::gelu",
      "aten::silu",      "aten::mish",        "aten::sigmoid",     "aten::log_sigmoid",
      "aten::tanh",      "aten::hardswish",   "aten::hardsigmoid", "aten::softplus",
      "aten::softmax",   "aten::log_softmax", "aten::hardshrink",  "aten::softshrink",
      "aten::threshold", "aten::rrelu",       "aten::glu"};
  if (name.ends_with('_')) name.pop_back();  // in place
  return kNames.count(name) > 0;
}

std::optional<SiteOperator> convolution(const torch::jit::Node& node) {
  static constexpr std::array kPlain{SiteKind::conv1d, SiteKind::conv2d, SiteKind::conv3d};
  static constexpr std::array kTransposed{SiteKind::conv_transpose1d, SiteKind::conv_transpose2d,
                                          SiteKind::conv_transpose3d};
  const auto stride = torch::jit::toIValue(node.input(3));
  const auto transposed = torch::jit::toIValue(node.input(6));
  const std::size_t dimensions = stride ? stride->toIntVector().size() : 2;
  if (!transposed || dimensions < 1 || dimensions > kPlain.size()) return std::nullopt;
  const auto& kinds = transposed->toBool() ? kTransposed : kPlain;
  return SiteOperator{.kind = kinds[dimensions - 1], .weight = 1, .bias = 2};
}

}  // namespace

std::optional<SiteOperator> site_operator(const torch::jit::Node& node) {
  if (node.outputs().empty() || !node.outputs()[0]->type()->isSubtypeOf(*c10::TensorType::get())) {
    return std::nullopt;
  }
  const std::string name = node.kind().toQualString();
  if (name == "aten::_convolution" || name == "aten::convolution") return convolution(node);
  if (name == "aten::lstm" || name == "aten::gru") {
    const auto weights = node.schema().argumentIndexWithName("params");
    SiteOperator found{.kind = name == "aten::lstm" ? SiteKind::lstm : SiteKind::gru};
    if (weights) found.recurrent_weights = static_cast<std::size_t>(*weights);
    return found;
  }
  if (is_activation(name)) return SiteOperator{.kind = SiteKind::activation};
  const auto found = operators().find(name);
  return found == operators().end() ? std::nullopt : std::optional(found->second);
}

}  // namespace bitquake::model
