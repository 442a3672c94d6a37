#include "suite/model/lowering.hpp"

#include "suite/model/fingerprint.hpp"

#include <fmt/format.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/remove_mutation.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace bitquake::model {
namespace {

namespace jit = torch::jit;
namespace prim = c10::prim;

/// Start of the names given to values that leave module calls, so that they can be found again
/// after the removal of in-place operators, which replaces values but hands their names on.
constexpr const char* kPointPrefix = "bitquake_point_";

/// The number in the name of a value that leaves a module call.
std::optional<std::size_t> point_number(const jit::Value& value) {
  const std::string name = value.debugName(), prefix = kPointPrefix;
  if (name.rfind(prefix, 0) != 0) return std::nullopt;
  return std::stoul(name.substr(prefix.size()));
}

bool is_mutable(const jit::Node& node) {
  const auto* schema = node.maybeSchema();
  return schema != nullptr && schema->is_mutable();
}

/// Operators that have an Operation but no place in a comparison of runs, or none at all.
bool is_refused(const jit::Node& node) {
  static const std::set<std::string> kRefused{
      "prim::SetAttr",   "prim::PythonOp", "prim::fork",       "aten::wait",
      "prim::rpc_async", "prim::rpc_sync", "prim::rpc_remote", "prim::CreateObject"};
  return kRefused.count(node.kind().toQualString()) > 0;
}

/// Value of an operator's train flag, when it has one and it is a constant.
std::optional<bool> train_flag(const jit::Node& node) {
  const auto* schema = node.maybeSchema();
  if (schema == nullptr) return std::nullopt;
  for (const char* name : {"train", "training"}) {
    const auto index = schema->argumentIndexWithName(name);
    if (!index) continue;
    const auto value = jit::toIValue(node.input(static_cast<std::size_t>(*index)));
    if (value && value->isBool()) return value->toBool();
  }
  return std::nullopt;
}

/// The device an operator is bound to, when that is a constant and not the CPU.
std::optional<std::string> foreign_device(const jit::Node& node) {
  if (node.kind() == c10::Symbol::fromQualString("aten::cuda")) return "cuda";
  const auto* schema = node.maybeSchema();
  if (schema == nullptr) return std::nullopt;
  const auto index = schema->argumentIndexWithName("device");
  if (!index) return std::nullopt;
  const auto value = jit::toIValue(node.input(static_cast<std::size_t>(*index)));
  if (!value || !value->isDevice() || value->toDevice().is_cpu()) return std::nullopt;
  return value->toDevice().str();
}

/// Whether an operator chooses scale and zero point by the values of the batch.
bool is_dynamic(const std::string& name) {
  return (name.starts_with("quantized::") || name.starts_with("aten::quantize")) &&
         name.find("_dynamic") != std::string::npos;
}

/// Whether an attribute holds what a quantised engine makes of a layer's weight and bias.
bool is_packed(const c10::IValue& value) {
  static const std::set<std::string> kTypes{"LinearPackedParamsBase", "Conv2dPackedParamsBase",
                                            "Conv3dPackedParamsBase"};
  const std::string space = "__torch__.torch.classes.quantized.";
  if (!value.isCustomClass()) return false;
  const std::string name = value.type()->str();
  return name.starts_with(space) && kTypes.count(name.substr(space.size())) > 0;
}

/// The layer that packed parameters are of: "conv" of "conv._packed_params",
/// "fc" of "fc._packed_params._packed_params".
std::string layer_of(std::string path) {
  do {
    const auto dot = path.rfind('.');
    path.resize(dot == std::string::npos ? 0 : dot);
  } while (path.ends_with("._packed_params"));
  return path;
}

/// Control flow and bookkeeping that Program runs itself, as TorchScript's interpreter does.
bool is_builtin(const jit::Node& node) {
  const auto kind = node.kind();
  return kind == prim::Constant || kind == prim::GetAttr || kind == prim::If ||
         kind == prim::Loop || kind == prim::RaiseException || kind == prim::Uninitialized ||
         kind == prim::unchecked_cast || builds_container(node);
}

class Lowering {
 public:
  Lowering(const jit::Module& module, std::string where)
      : module_(module), where_(std::move(where)) {}

  Result<LoweredGraph> run() {
    const jit::Method forward = module_.get_method("forward");
    graph_ = jit::toGraphFunction(forward.function()).graph()->copy();
    if (graph_->inputs().size() != 2) {
      return error(
          fmt::format("forward takes {} arguments besides self", graph_->inputs().size() - 1),
          "export a module whose forward takes the sample batch alone");
    }
    if (auto failed = inline_calls(graph_->block())) return *failed;
    mark_points();
    if (auto failed = fold_attributes(graph_->block())) return *failed;
    jit::ConstantPropagation(graph_);
    name_points(graph_->block());
    remove_mutation();
    jit::EliminateDeadCode(graph_);
    if (auto failed = check_nodes(graph_->block())) return *failed;
    return collect();
  }

 private:
  Error error(const std::string& what, const std::string& hint) const {
    return {Errc::model, where_, what, hint, ""};
  }

  struct Attribute {
    std::string path;
    c10::IValue value;
  };

  /// What a chain of prim::GetAttr that starts at self stands for; none when it starts elsewhere.
  std::optional<Attribute> resolve(const jit::Value* value) const {
    if (value == graph_->inputs()[0]) return Attribute{"", module_._ivalue()};
    const jit::Node* node = value->node();
    if (node->kind() != prim::GetAttr) return std::nullopt;
    const auto parent = resolve(node->input(0));
    if (!parent || !parent->value.isObject()) return std::nullopt;
    const std::string& name = node->s(c10::attr::name);
    return Attribute{parent->path.empty() ? name : parent->path + "." + name,
                     parent->value.toObjectRef().getAttr(name)};
  }

  /// Replaces every call by the callee's body, outermost first, and remembers what leaves modules.
  std::optional<Error> inline_calls(jit::Block* block) {
    for (auto it = block->nodes().begin(); it != block->nodes().end();) {
      jit::Node* node = *it;
      if (node->kind() == prim::CallMethod || node->kind() == prim::CallFunction) {
        // Go on at the first inlined node: callees call others.
        const bool first = it == block->nodes().begin();
        auto before = it;
        if (!first) --before;
        if (auto failed = inline_call(node)) return failed;
        it = first ? block->nodes().begin() : ++before;
        continue;
      }
      for (jit::Block* inner : node->blocks()) {
        if (auto failed = inline_calls(inner)) return failed;
      }
      ++it;
    }
    return std::nullopt;
  }

  std::optional<Error> inline_call(jit::Node* node) {
    jit::GraphFunction* callee = nullptr;
    std::optional<std::string> path;
    if (node->kind() == prim::CallMethod) {
      const auto object = resolve(node->input(0));
      const std::string& method = node->s(c10::attr::name);
      if (!object || !object->value.isObject()) {
        return error(fmt::format("calls '{}' of a module chosen at run time", method),
                     "index module lists with constants, or trace the model");
      }
      const auto type = object->value.type()->expect<c10::ClassType>();
      if (!type->getForwardHooks().empty() || !type->getForwardPreHooks().empty()) {
        return error(fmt::format("module '{}' has TorchScript hooks", object->path),
                     "export the model without hooks");
      }
      if (type->is_module() && method == "forward") path = object->path;
      callee = jit::tryToGraphFunction(type->getMethod(method));
    } else {
      const auto type = node->input(0)->type()->cast<c10::FunctionType>();
      callee = type ? jit::tryToGraphFunction(*type->function()) : nullptr;
      // The function itself is an input of prim::CallFunction; the callee does not take it.
      if (callee != nullptr) node->removeInput(0);
    }
    if (callee == nullptr) {
      return error("calls a function that has no TorchScript graph",
                   "export the model without Python or C++ extension functions");
    }
    // Tags of the call's own outputs move to the values that replace them.
    std::vector<std::vector<std::size_t>> inherited;
    for (jit::Value* output : node->outputs()) inherited.push_back(take_tags(output));
    const std::vector<jit::Value*> outputs = jit::inlineCallTo(node, callee, callee->graph().get());
    std::optional<std::size_t> tag;
    if (path) {
      tag = calls_.size();
      calls_.push_back(*path);
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      auto& tags = tags_[outputs[i]];
      tags.insert(tags.end(), inherited[i].begin(), inherited[i].end());
      if (tag) tags.push_back(*tag);
    }
    return std::nullopt;
  }

  std::vector<std::size_t> take_tags(jit::Value* value) {
    const auto found = tags_.find(value);
    if (found == tags_.end()) return {};
    auto tags = std::move(found->second);
    tags_.erase(found);
    return tags;
  }

  /// Puts an identity node behind every value that leaves a module call, so that it can be found
  /// again after passes that replace values (folded branches).
  void mark_points() {
    const c10::Symbol call_id = c10::Symbol::attr("call");
    for (const auto& [value, tags] : tags_) {
      if (tags.empty() || value->node()->kind() == prim::Param) continue;
      // Inlining goes from outer to inner calls; an identity module that merely passes a value on
      // later does not rename it.
      std::size_t innermost = tags.front();
      for (const std::size_t call : tags) {
        const std::string& outer = calls_[innermost];
        if (outer.empty() || calls_[call].rfind(outer + ".", 0) == 0) innermost = call;
      }
      jit::Node* marker = graph_->create(prim::unchecked_cast, {value});
      marker->i_(call_id, static_cast<std::int64_t>(innermost));
      marker->output()->setType(value->type());
      marker->insertAfter(value->node());
      value->replaceAllUsesAfterNodeWith(marker, marker->output());
    }
    tags_.clear();
  }

  /// Replaces the markers by names of the values themselves, numbering the calls of each module in
  /// graph order.
  void name_points(jit::Block* block) {
    const c10::Symbol call_id = c10::Symbol::attr("call");
    for (auto it = block->nodes().begin(); it != block->nodes().end();) {
      jit::Node* node = *it;
      ++it;
      for (jit::Block* inner : node->blocks()) name_points(inner);
      if (node->kind() != prim::unchecked_cast || !node->hasAttribute(call_id)) continue;
      const auto call = static_cast<std::size_t>(node->i(call_id));
      jit::Value* value = node->input();
      const std::string& path = calls_[call];
      // The model's own output is the point "output". A value named by an inner module stays so.
      if (!path.empty() && value->debugName().rfind(kPointPrefix, 0) != 0) {
        const auto number = numbers_.emplace(call, calls_of_path_[path]);
        if (number.second) ++calls_of_path_[path];
        const unsigned n = number.first->second;
        value->setDebugName(kPointPrefix + std::to_string(names_.size()));
        names_.push_back(n == 0 ? path : path + "#" + std::to_string(n));
      }
      node->output()->replaceAllUsesWith(value);
      node->destroy();
    }
  }

  /// An LSTM keeps a list of its weights beside them: the weights themselves, as a new list.
  std::optional<jit::Value*> list_of_parameters(jit::Node* node, const c10::IValue& value) {
    if (!value.isTensorList()) return std::nullopt;
    const auto owner = resolve(node->input(0));
    const auto& object = owner->value.toObjectRef();
    std::vector<jit::Value*> values;
    for (const at::Tensor& tensor : value.toTensorVector()) {
      for (const auto& attribute : object.type()->getAttributes()) {
        const c10::IValue candidate = object.getAttr(attribute.getName());
        if (!candidate.isTensor() || !is_same(candidate.toTensor(), tensor)) continue;
        jit::Node* get =
            graph_->insertNode(graph_->createGetAttr(node->input(0), attribute.getName()));
        values.push_back(get->output());
        break;
      }
    }
    if (values.size() != value.toTensorVector().size()) return std::nullopt;
    return graph_->insertNode(graph_->createList(c10::TensorType::get(), values))->output();
  }

  static bool is_same(const at::Tensor& a, const at::Tensor& b) {
    return a.defined() && b.defined() && a.data_ptr() == b.data_ptr() && a.sizes() == b.sizes() &&
           a.strides() == b.strides();
  }

  template <class Function>
  static void visit(jit::Block* block, const Function& function) {
    for (jit::Node* node : block->nodes()) {
      for (jit::Block* inner : node->blocks()) visit(inner, function);
      for (jit::Value* value : node->outputs()) function(value);
    }
  }

  /// Attributes that are neither tensors nor modules become constants, so that branches on them
  /// (such as `if self.training`) fold away.
  std::optional<Error> fold_attributes(jit::Block* block) {
    for (auto it = block->nodes().begin(); it != block->nodes().end();) {
      jit::Node* node = *it;
      ++it;
      for (jit::Block* inner : node->blocks()) {
        if (auto failed = fold_attributes(inner)) return failed;
      }
      if (node->kind() != prim::GetAttr) continue;
      const auto attribute = resolve(node->output());
      if (!attribute || attribute->value.isTensor() || attribute->value.isObject()) continue;
      const jit::WithInsertPoint here(node);
      if (const auto list = list_of_parameters(node, attribute->value)) {
        node->output()->replaceAllUsesWith(*list);
        continue;
      }
      const auto constant = jit::tryInsertConstant(*graph_, attribute->value);
      if (constant) node->output()->replaceAllUsesWith(*constant);
    }
    return std::nullopt;
  }

  /// The pass proves equivalence before it changes anything; names of values that leave modules
  /// must survive it, else the graph stays as it was. A new operator has the scope of the one it
  /// replaces, but not the name of its value.
  void remove_mutation() {
    const auto count_names = [](jit::Block* block) {
      std::size_t count = 0;
      visit(block, [&](const jit::Value* value) { count += point_number(*value) ? 1 : 0; });
      return count;
    };
    const auto scopes = c10::make_intrusive<jit::Scope>();
    std::map<jit::Scope*, std::string> names;
    visit(graph_->block(), [&](jit::Value* value) {
      if (!is_mutable(*value->node())) return;
      const auto scope = scopes->push(c10::Symbol::scope(std::to_string(names.size())));
      names[scope.get()] = value->hasDebugName() ? value->debugName() : "";
      value->node()->setScope(scope);
    });
    const auto copy = graph_->copy();
    const std::size_t before = count_names(graph_->block());
    jit::RemoveTensorMutation(graph_);
    visit(graph_->block(), [&](jit::Value* value) {
      const auto name = names.find(value->node()->scope().get());
      if (name == names.end() || is_mutable(*value->node())) return;
      was_in_place_.insert(value->node());
      if (!name->second.empty()) value->setDebugName(name->second);
    });
    if (count_names(graph_->block()) != before) {
      graph_ = copy;
      was_in_place_.clear();
    }
  }

  std::optional<Error> check_nodes(jit::Block* block) const {
    for (jit::Node* node : block->nodes()) {
      const std::string name = node->kind().toQualString();
      if (is_refused(*node) || (!is_builtin(*node) && node->maybeOperator() == nullptr)) {
        return error(fmt::format("uses operator {}, which cannot be executed", name),
                     "export the model without it, for example by tracing");
      }
      if (is_dynamic(name)) {
        return error(
            fmt::format("uses operator {}: dynamic quantisation, in which values of the batch "
                        "choose the scale, so that one row changes another",
                        name),
            "quantise the model statically: calibrate it, then convert it");
      }
      if (const auto device = foreign_device(*node)) {
        return error(
            fmt::format("runs {} on device '{}', and Bitquake runs on the CPU only", name, *device),
            "the device is fixed in the graph: move the model and the example to the CPU "
            "before the export, and take devices from tensors (device=x.device)");
      }
      const auto training = train_flag(*node);
      if (training == true) {
        return error(fmt::format("runs {} in train mode", name),
                     "golden and faulty runs must be comparable: export the model in eval mode "
                     "(model.eval() before tracing)");
      }
      if (!is_builtin(*node) && !training && node->isNondeterministic()) {
        return error(fmt::format("uses random operator {}", name),
                     "golden and faulty runs must be comparable: export the model in eval mode");
      }
      for (jit::Block* inner : node->blocks()) {
        if (auto failed = check_nodes(inner)) return failed;
      }
    }
    return std::nullopt;
  }

  Result<LoweredGraph> collect() {
    LoweredGraph lowered;
    lowered.graph = graph_;
    lowered.was_in_place = was_in_place_;
    const jit::AliasDb aliases(graph_);
    std::vector<jit::Node*> nodes;
    collect_nodes(graph_->block(), nodes);
    for (jit::Node* node : nodes) {
      if (node->kind() == prim::GetAttr) {
        auto attribute = resolve(node->output());
        if (attribute && attribute->value.isTensor()) {
          lowered.parameters.emplace(
              node->output(),
              LoweredGraph::Parameter{attribute->path, attribute->value.toTensor()});
        } else if (attribute && is_packed(attribute->value)) {
          lowered.packed.emplace(node->output(),
                                 LoweredGraph::Packed{layer_of(attribute->path), attribute->value});
        } else if (attribute && !attribute->value.isModule() && node->hasUses()) {
          const std::string type = node->output()->type()->str();
          const bool quantised = type.find(".quantized.") != std::string::npos ||
                                 type.find(".rnn.") != std::string::npos;
          return error(
              fmt::format("attribute '{}' has a type that cannot be executed: {}", attribute->path,
                          type),
              quantised ? fmt::format("quantised engine {} (of {}) runs static quantisation of "
                                      "convolutions and linear layers: leave other layers in fp32",
                                      quantized_engine(), quantized_engines())
                        : "export the model without it");
        }
      }
      for (const jit::Value* output : node->outputs()) {
        if (const auto point = point_number(*output)) {
          lowered.module_outputs.emplace(output, names_[*point]);
        }
      }
    }
    // Conservative: TorchScript cannot tell the batch from other tensors that come from outside.
    for (jit::Node* node : nodes) {
      lowered.writes_input |= aliases.writesToAlias(node, {graph_->inputs()[1]});
    }
    return lowered;
  }

  static void collect_nodes(jit::Block* block, std::vector<jit::Node*>& nodes) {
    for (jit::Node* node : block->nodes()) {
      nodes.push_back(node);
      for (jit::Block* inner : node->blocks()) collect_nodes(inner, nodes);
    }
  }

  const jit::Module& module_;
  std::string where_;
  std::shared_ptr<jit::Graph> graph_;
  std::vector<std::string> calls_;  ///< module path of each inlined call, in order of inlining
  std::unordered_map<jit::Value*, std::vector<std::size_t>> tags_;
  std::unordered_set<const jit::Node*> was_in_place_;
  std::map<std::string, unsigned> calls_of_path_;
  std::map<std::size_t, unsigned> numbers_;  ///< number of each call among those of its module
  std::vector<std::string> names_;           ///< by the number in the debug name
};

}  // namespace

bool builds_container(const torch::jit::Node& node) {
  const auto kind = node.kind();
  return kind == prim::ListConstruct || kind == prim::ListUnpack || kind == prim::TupleConstruct ||
         kind == prim::TupleUnpack || kind == prim::TupleSlice || kind == prim::DictConstruct ||
         kind == prim::isinstance;
}

Result<LoweredGraph> lower(const torch::jit::Module& module, const std::string& where) {
  return Lowering(module, where).run();
}

}  // namespace bitquake::model
