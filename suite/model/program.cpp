#include "suite/model/program.hpp"

#include "suite/model/site_operator.hpp"

#include <ATen/quantized/Quantizer.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace bitquake::model {
namespace {

namespace jit = torch::jit;
namespace prim = c10::prim;
namespace aten = c10::aten;

/// Operators that turn a tensor's shape or type, not its values, into a number.
bool asks_shape_only(const jit::Node& node) {
  static const std::set<std::string> kShape{"aten::size",
                                            "aten::dim",
                                            "aten::len",
                                            "aten::numel",
                                            "prim::dtype",
                                            "prim::device",
                                            "prim::layout",
                                            "prim::is_cuda",
                                            "prim::shape",
                                            "aten::stride",
                                            "aten::is_floating_point",
                                            "prim::requires_grad",
                                            "aten::__is__",
                                            "aten::__isnot__",
                                            "prim::isinstance",
                                            "aten::is_complex"};
  return kShape.count(node.kind().toQualString()) > 0;
}

bool holds_tensor(const c10::TypePtr& type) {
  if (type->isSubtypeOf(*c10::TensorType::get())) return true;
  const auto inner = type->containedTypes();
  return std::any_of(inner.begin(), inner.end(), holds_tensor);
}

std::vector<c10::IValue> pop_values(jit::Stack& stack, std::size_t count) {
  const auto first = stack.end() - static_cast<std::ptrdiff_t>(count);
  std::vector<c10::IValue> values(std::make_move_iterator(first),
                                  std::make_move_iterator(stack.end()));
  stack.erase(first, stack.end());
  return values;
}

c10::IValue list_value(const c10::TypePtr& element, std::vector<c10::IValue> values) {
  // Lists of these types have a storage of their own, which operators expect.
  const auto typed = [&](auto list) {
    using List = decltype(list);
    for (const c10::IValue& value : values) {
      list.push_back(value.to<typename List::value_type>());
    }
    return c10::IValue(std::move(list));
  };
  if (element->kind() == c10::TypeKind::IntType) return typed(c10::List<std::int64_t>());
  if (element->kind() == c10::TypeKind::FloatType) return typed(c10::List<double>());
  if (element->kind() == c10::TypeKind::BoolType) return typed(c10::List<bool>());
  if (element->isSubtypeOf(*c10::TensorType::get())) return typed(c10::List<at::Tensor>());
  c10::impl::GenericList list(element);
  for (c10::IValue& value : values) list.push_back(std::move(value));
  return list;
}

c10::IValue dict_value(const c10::DictType& type, const std::vector<c10::IValue>& values) {
  c10::impl::GenericDict dict(type.getKeyType(), type.getValueType());
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
    dict.insert_or_assign(values[i], values[i + 1]);
  }
  return dict;
}

c10::IValue tuple_value(const c10::TupleTypePtr& type, std::vector<c10::IValue> values) {
  return type->name() ? c10::ivalue::Tuple::createNamed(std::move(values), type)
                      : c10::ivalue::Tuple::create(std::move(values));
}

/// The operation of a node for which builds_container() holds.
std::function<void(jit::Stack&)> container_operation(const jit::Node* node) {
  const std::size_t inputs = node->inputs().size();
  const auto kind = node->kind();
  if (kind == prim::ListConstruct) {
    const auto element = node->output()->type()->expect<c10::ListType>()->getElementType();
    return
        [=](jit::Stack& stack) { stack.push_back(list_value(element, pop_values(stack, inputs))); };
  }
  if (kind == prim::DictConstruct) {
    const auto type = node->output()->type()->expect<c10::DictType>();
    return
        [=](jit::Stack& stack) { stack.push_back(dict_value(*type, pop_values(stack, inputs))); };
  }
  if (kind == prim::TupleConstruct) {
    const auto type = node->output()->type()->expect<c10::TupleType>();
    return
        [=](jit::Stack& stack) { stack.push_back(tuple_value(type, pop_values(stack, inputs))); };
  }
  if (kind == prim::TupleSlice) {
    const auto begin = static_cast<std::size_t>(node->i(c10::attr::beg));
    const auto end = static_cast<std::size_t>(node->i(c10::attr::end));
    return [=](jit::Stack& stack) {
      const auto elements = pop_values(stack, 1)[0].toTupleRef().elements().vec();
      stack.push_back(c10::ivalue::Tuple::create(std::vector<c10::IValue>(
          elements.begin() + static_cast<std::ptrdiff_t>(begin),
          elements.begin() + static_cast<std::ptrdiff_t>(std::min(end, elements.size())))));
    };
  }
  if (kind == prim::isinstance) {
    const auto types = node->tys(c10::attr::types);
    return [=](jit::Stack& stack) {
      const auto type = pop_values(stack, 1)[0].type();
      stack.push_back(std::any_of(types.begin(), types.end(), [&](const c10::TypePtr& candidate) {
        return type->isSubtypeOf(*candidate);
      }));
    };
  }
  if (kind == prim::ListUnpack) {
    const std::size_t outputs = node->outputs().size();
    return [=](jit::Stack& stack) {
      const auto list = pop_values(stack, 1)[0].toList();
      if (list.size() != outputs)
        throw std::runtime_error("a list has not the length it must have");
      for (std::size_t i = 0; i < outputs; ++i) stack.push_back(list.get(i));
    };
  }
  return [](jit::Stack& stack) {  // prim::TupleUnpack
    const auto tuple = pop_values(stack, 1)[0].toTuple();
    for (const c10::IValue& element : tuple->elements()) stack.push_back(element);
  };
}

/// The operation with its result where its first input was: in that one's memory layout and type.
/// The layout decides which kernels later operators choose, and an operator that allocates its
/// result reads another layout from strides that several fit (one channel, one pixel).
std::function<void(jit::Stack&)> in_place_of_first(const jit::Node* node) {
  const std::function<void(jit::Stack&)> operation = node->getOperation();
  return [operation, inputs = node->inputs().size()](jit::Stack& stack) {
    const at::Tensor first = stack[stack.size() - inputs].toTensor();
    operation(stack);
    const at::Tensor result = stack.back().toTensor();
    if (result.strides() == first.strides() && result.scalar_type() == first.scalar_type()) return;
    stack.back() = at::empty_strided(first.sizes(), first.strides(), first.options()).copy_(result);
  };
}

faultgen::SiteKind convolution_kind(faultgen::SiteKind by_name, std::int64_t weight_rank) {
  using faultgen::SiteKind;
  const bool transposed = by_name >= SiteKind::conv_transpose1d;
  const SiteKind first = transposed ? SiteKind::conv_transpose1d : SiteKind::conv1d;
  return static_cast<SiteKind>(static_cast<std::int64_t>(first) + weight_rank - 3);
}

/// The module that holds a parameter: "layer1.conv" of "layer1.conv.weight", empty for the network.
std::string module_of(const std::string& parameter) {
  const auto dot = parameter.rfind('.');
  return dot == std::string::npos ? "" : parameter.substr(0, dot);
}

}  // namespace

/// Translates graph nodes to instructions and fills the first registers.
class ProgramBuilder {
 public:
  ProgramBuilder(LoweredGraph lowered, std::string where)
      : lowered_(std::move(lowered)), where_(std::move(where)) {}

  Result<Program> build() {
    program_.graph_ = lowered_.graph;
    program_.clone_input_ = lowered_.writes_input;
    program_.input_ = register_of(lowered_.graph->inputs()[1]);
    from_data_.insert(lowered_.graph->inputs()[1]);
    try {
      program_.code_ = translate(lowered_.graph->block());
    } catch (const c10::Error& error) {
      return Error{Errc::model, where_,
                   std::string("cannot be executed: ") + error.what_without_backtrace(), "", ""};
    }
    if (program_.code_.outputs.size() != 1) {
      return Error{Errc::model, where_, "forward returns nothing", "return the scores", ""};
    }
    name_sites();
    program_.initial_.resize(registers_.size());
    for (auto& [index, value] : constants_) program_.initial_[index] = std::move(value);
    program_.find_dead();
    for (const auto& [value, path] : lowered_.module_outputs) {
      const auto found = registers_.find(value);
      if (found != registers_.end()) program_.module_outputs_.emplace(found->second, path);
    }
    return std::move(program_);
  }

 private:
  std::uint32_t register_of(const jit::Value* value) {
    return registers_.emplace(value, static_cast<std::uint32_t>(registers_.size())).first->second;
  }

  std::vector<std::uint32_t> registers_of(at::ArrayRef<const jit::Value*> values) {
    std::vector<std::uint32_t> indices;
    for (const jit::Value* value : values) indices.push_back(register_of(value));
    return indices;
  }

  CodeBlock translate(const jit::Block* block) {
    CodeBlock result;
    result.inputs = registers_of(block->inputs());
    for (const jit::Node* node : block->nodes()) {
      if (node->kind() == prim::Constant) {
        constants_[register_of(node->output())] = jit::toIValue(node->output()).value();
      } else if (node->kind() == prim::GetAttr) {
        const auto parameter = lowered_.parameters.find(node->output());
        if (parameter != lowered_.parameters.end()) add_parameter(node, parameter->second);
        const auto packed = lowered_.packed.find(node->output());
        if (packed != lowered_.packed.end()) add_packed(node, packed->second);
      } else {
        result.code.push_back(instruction(node));
      }
    }
    result.outputs = registers_of(block->outputs());
    return result;
  }

  /// One register per tensor in memory, however often and under whatever names it is read: a fault
  /// in it reaches every use.
  void add_parameter(const jit::Node* node, const LoweredGraph::Parameter& parameter) {
    const at::Tensor& tensor = parameter.tensor;
    const auto identity =
        std::make_tuple(tensor.data_ptr(), tensor.sizes().vec(), tensor.strides().vec());
    const auto known = parameter_registers_.find(identity);
    if (known != parameter_registers_.end()) {
      registers_[node->output()] = known->second;
    } else {
      const std::uint32_t index = register_of(node->output());
      parameter_registers_.emplace(identity, index);
      constants_[index] = tensor;
      program_.parameters_.emplace_back(parameter.path, tensor);
    }
    // Matrices and kernels in operators that are no sites cannot be hit: the user should know.
    if (tensor.dim() < 2) return;
    for (const jit::Use& use : node->output()->uses()) note_use(use);
  }

  void add_packed(const jit::Node* node, const LoweredGraph::Packed& packed) {
    constants_[register_of(node->output())] = packed.value;
    for (const jit::Use& use : node->output()->uses()) {
      if (!site_of(use.user)) {
        program_.operators_without_site_.insert(use.user->kind().toQualString());
      }
    }
  }

  void note_use(const jit::Use& use) {
    if (builds_container(*use.user) || transposes(use.user)) {
      for (const jit::Use& next : use.user->output()->uses()) note_use(next);
      return;
    }
    const auto site = site_of(use.user);
    const std::string name = use.user->kind().toQualString();
    if (!site) {
      program_.operators_without_site_.insert(name);
    } else if (use.offset != site->weight && use.offset != site->bias &&
               use.offset != site->recurrent_weights) {
      program_.sites_without_weight_.insert(name);
    }
  }

  Instruction instruction(const jit::Node* node) {
    Instruction step;
    step.node = node;
    for (const jit::Value* input : node->inputs()) {
      step.data_inputs.push_back(from_data_.count(input) > 0);
      step.from_data |= step.data_inputs.back();
    }
    step.inputs = registers_of(node->inputs());
    if (node->kind() == prim::If || node->kind() == prim::Loop) {
      control_flow(node, step);
    } else if (node->kind() == prim::RaiseException) {
      step.kind = Instruction::Kind::raise;
    } else if (node->kind() == prim::unchecked_cast || node->kind() == prim::Uninitialized) {
      step.kind = Instruction::Kind::copy;
      if (node->kind() == prim::Uninitialized) step.inputs.clear();
    } else if (builds_container(*node)) {
      step.operation = container_operation(node);
    } else {
      step.operation = node->getOperation();
      const std::string name = node->kind().toQualString();
      program_.quantised_ |=
          name.starts_with("quantized::") || name.starts_with("aten::quantize_per_");
      if (lowered_.was_in_place.count(node) > 0) step.operation = in_place_of_first(node);
    }
    track_data(node, step);
    step.outputs = registers_of(node->outputs());
    if (auto site = find_site(node, step)) program_.sites_.push_back(std::move(*site));
    return step;
  }

  void control_flow(const jit::Node* node, Instruction& step) {
    const bool loop = node->kind() == prim::Loop;
    step.kind = loop ? Instruction::Kind::loop : Instruction::Kind::branch;
    for (const jit::Block* block : node->blocks()) {
      for (std::size_t i = 1; loop && i < block->inputs().size(); ++i) {
        // A carried value may come from the data in a later iteration only: assume it does.
        from_data_.insert(block->inputs()[i]);
      }
      step.blocks.push_back(translate(block));
      for (const jit::Value* value : block->outputs()) {
        step.from_data |= from_data_.count(value) > 0;
      }
    }
  }

  /// Marks what depends on the batch, and notices when values (not shapes) become numbers: from
  /// there on one row can change what happens to another.
  void track_data(const jit::Node* node, const Instruction& step) {
    if (!step.from_data || asks_shape_only(*node)) return;
    for (const jit::Value* output : node->outputs()) {
      if (holds_tensor(output->type())) {
        from_data_.insert(output);
      } else if (step.kind == Instruction::Kind::operation && has_tensor_from_data(node)) {
        program_.values_steer_ = true;
      }
    }
  }

  bool has_tensor_from_data(const jit::Node* node) const {
    return std::any_of(node->inputs().begin(), node->inputs().end(), [&](const jit::Value* v) {
      return from_data_.count(v) > 0 && holds_tensor(v->type());
    });
  }

  const LoweredGraph::Parameter* parameter(const jit::Value* value) const {
    const auto found = lowered_.parameters.find(value);
    return found == lowered_.parameters.end() ? nullptr : &found->second;
  }

  static bool transposes(const jit::Node* node) {
    return node->kind() == aten::t || node->kind() == aten::transpose ||
           node->kind() == aten::numpy_T;
  }

  /// The parameter that a value is, as it stands or transposed; nullptr: it is none.
  const jit::Value* stored(const jit::Value* value) const {
    if (transposes(value->node())) value = value->node()->input(0);
    return parameter(value) != nullptr ? value : nullptr;
  }

  /// A product with a parameter is a linear layer, whichever way exporters write it.
  std::optional<SiteOperator> site_of(const jit::Node* node) const {
    auto site = site_operator(*node);
    if (!site || !site->weight) return site;
    const bool product = site->kind == faultgen::SiteKind::matmul;
    if (product && stored(node->input(site->input)) != nullptr) {
      std::swap(site->input, *site->weight);
    }
    const jit::Value* weight = stored(node->input(*site->weight));
    if (weight == nullptr) return site;
    if (product) site->kind = faultgen::SiteKind::linear;
    if (site->kind < faultgen::SiteKind::linear) {
      site->kind = convolution_kind(site->kind, parameter(weight)->tensor.dim());
    }
    return site;
  }

  std::optional<SiteInstruction> find_site(const jit::Node* node, const Instruction& step) {
    const auto found = site_of(node);
    if (!found || !step.from_data) return std::nullopt;
    SiteInstruction site;
    site.node = node;
    site.kind = found->kind;
    site.output = register_of(node->outputs()[0]);
    // What writes to its input has no copy of its own to be wrong.
    const bool writes = node->maybeSchema() != nullptr && node->schema().is_mutable();
    if (step.data_inputs[found->input] && !writes) site.input = step.inputs[found->input];
    using faultgen::Target;
    for (const auto& [target, place] :
         {std::pair{Target::weight, found->weight}, std::pair{Target::bias, found->bias},
          std::pair{Target::running_mean, found->running_mean},
          std::pair{Target::running_var, found->running_var}}) {
      const jit::Value* value = place ? stored(node->input(*place)) : nullptr;
      if (value != nullptr) site.parameters[target] = register_of(value);
    }
    if (found->recurrent_weights) {
      const jit::Node* list = node->input(*found->recurrent_weights)->node();
      if (list->kind() == prim::ListConstruct) {
        for (const jit::Value* value : list->inputs()) {
          const auto* weight = parameter(value);
          if (weight != nullptr) site.recurrent.push_back({weight->path, register_of(value)});
        }
      }
    }
    site.path = path_of(node, *found, site);
    return site;
  }

  /// The path of the module whose weight it is; empty where there is none.
  std::string path_of(const jit::Node* node, const SiteOperator& found,
                      const SiteInstruction& site) const {
    if (!site.recurrent.empty()) return module_of(site.recurrent.front().path);
    if (found.packed) {
      const auto packed = lowered_.packed.find(node->input(*found.packed));
      return packed == lowered_.packed.end() ? "" : packed->second.path;
    }
    const jit::Value* weight = found.weight ? stored(node->input(*found.weight)) : nullptr;
    if (weight == nullptr) return "";
    const std::string& path = parameter(weight)->path;
    return path.ends_with(".weight") ? module_of(path) : path;
  }

  /// Sites without a weight get the path of the module call whose result they are, unless a site
  /// with a weight has it; else a number.
  void name_sites() {
    std::set<std::string> taken;
    for (const SiteInstruction& site : program_.sites_) taken.insert(site.path);
    std::map<faultgen::SiteKind, unsigned> numbers;
    for (SiteInstruction& site : program_.sites_) {
      if (!site.path.empty()) continue;
      const auto module = lowered_.module_outputs.find(site.node->outputs()[0]);
      if (module != lowered_.module_outputs.end()) {
        const std::string path = module->second.substr(0, module->second.rfind('#'));
        if (taken.count(path) == 0) site.path = path;
      }
      if (site.path.empty()) {
        site.path = fmt::format("({} {})", faultgen::to_string(site.kind), numbers[site.kind]++);
      }
    }
  }

  LoweredGraph lowered_;
  std::string where_;
  Program program_;
  std::unordered_map<const jit::Value*, std::uint32_t> registers_;
  std::map<std::uint32_t, c10::IValue> constants_;
  std::map<std::tuple<void*, std::vector<std::int64_t>, std::vector<std::int64_t>>, std::uint32_t>
      parameter_registers_;
  std::set<const jit::Value*> from_data_;
};

namespace {

void note_uses(const Instruction& step, std::size_t at,
               std::map<std::uint32_t, std::size_t>& last_use) {
  for (const std::uint32_t index : step.inputs) last_use[index] = at;
  for (const std::uint32_t index : step.outputs) last_use[index] = at;
  for (const CodeBlock& block : step.blocks) {
    for (const std::uint32_t index : block.inputs) last_use[index] = at;
    for (const std::uint32_t index : block.outputs) last_use[index] = at;
    for (const Instruction& inner : block.code) note_uses(inner, at, last_use);
  }
}

/// The block that holds the instruction of a node, and its place there.
std::optional<std::pair<CodeBlock*, std::size_t>> find(CodeBlock& block, const jit::Node* node) {
  for (std::size_t i = 0; i < block.code.size(); ++i) {
    if (block.code[i].node == node) return std::pair(&block, i);
    for (CodeBlock& inner : block.code[i].blocks) {
      if (const auto found = find(inner, node)) return found;
    }
  }
  return std::nullopt;
}

void replace_uses(CodeBlock& block, std::uint32_t from, std::uint32_t to) {
  for (Instruction& step : block.code) {
    std::replace(step.inputs.begin(), step.inputs.end(), from, to);
    for (CodeBlock& inner : step.blocks) replace_uses(inner, from, to);
  }
  std::replace(block.outputs.begin(), block.outputs.end(), from, to);
}

}  // namespace

/// Registers whose last use is at a top-level instruction are released there.
void Program::find_dead() {
  std::map<std::uint32_t, std::size_t> last_use;
  for (std::size_t i = 0; i < code_.code.size(); ++i) {
    code_.code[i].dead.clear();
    note_uses(code_.code[i], i, last_use);
  }
  for (const std::uint32_t output : code_.outputs) last_use.erase(output);
  for (const auto& [index, step] : last_use) {
    if (initial_[index].isNone()) code_.code[step].dead.push_back(index);
  }
}

const Instruction& Program::instruction_of(const jit::Node* node) const {
  const auto [block, place] = find(const_cast<CodeBlock&>(code_), node).value();
  return block->code[place];
}

std::uint32_t Program::add_register() {
  initial_.emplace_back();
  return static_cast<std::uint32_t>(initial_.size() - 1);
}

jit::Node* Program::make_node(const std::string& kind) {
  return graph_->create(c10::Symbol::fromQualString(kind));
}

jit::Node* Program::clone_node(const jit::Node* node) {
  return graph_->createClone(const_cast<jit::Node*>(node), [](jit::Value* value) { return value; });
}

void Program::insert_behind(const jit::Node* node, std::vector<Instruction> steps,
                            std::uint32_t from, std::uint32_t to) {
  replace_uses(code_, from, to);
  const auto [block, place] = find(code_, node).value();
  block->code.insert(block->code.begin() + static_cast<std::ptrdiff_t>(place) + 1,
                     std::make_move_iterator(steps.begin()), std::make_move_iterator(steps.end()));
  find_dead();
}

Result<Program> Program::build(LoweredGraph lowered, const std::string& where) {
  return ProgramBuilder(std::move(lowered), where).build();
}

bool has_rows(const at::Tensor& tensor, std::int64_t rows) {
  return tensor.dim() > 0 && tensor.size(0) > 0 && tensor.size(0) % rows == 0;
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return false;
  if (a.is_quantized() && !a.quantizer()->equalTo(b.quantizer())) return false;
  const at::Tensor x = a.contiguous(), y = b.contiguous();
  return x.numel() == 0 || std::memcmp(x.data_ptr(), y.data_ptr(), x.nbytes()) == 0;
}

namespace {

/// Whether every element has memory of its own, unlike in expanded tensors and sliding views.
bool elements_apart(const at::Tensor& tensor) {
  std::vector<std::pair<std::int64_t, std::int64_t>> dimensions;  // stride, size
  for (std::int64_t d = 0; d < tensor.dim(); ++d) {
    if (tensor.size(d) > 1) dimensions.emplace_back(tensor.stride(d), tensor.size(d));
  }
  std::sort(dimensions.begin(), dimensions.end());
  std::int64_t reach = 0;
  for (const auto& [stride, size] : dimensions) {
    if (stride <= reach) return false;
    reach += stride * (size - 1);
  }
  return true;
}

}  // namespace

at::Tensor copy_of(const at::Tensor& tensor) {
  if (!elements_apart(tensor)) return tensor.clone(at::MemoryFormat::Contiguous);
  if (tensor.is_quantized()) return tensor.clone();
  return at::empty_strided(tensor.sizes(), tensor.strides(), tensor.options()).copy_(tensor);
}

std::string error_text(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  return torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
}

at::Tensor one_row(const at::Tensor& batch, std::int64_t rows, std::int64_t row) {
  const std::int64_t length = batch.size(0) / rows;
  return batch.narrow(0, row * length, length);
}

at::Tensor join_rows(const std::vector<at::Tensor>& blocks) {
  if (!blocks[0].is_quantized()) return at::cat(blocks, 0);
  std::vector<std::int64_t> shape = blocks[0].sizes().vec();
  shape[0] = 0;
  for (const at::Tensor& block : blocks) {
    if (!block.quantizer()->equalTo(blocks[0].quantizer())) {
      throw std::runtime_error("rows of a batch have several scales");
    }
    shape[0] += block.size(0);
  }
  const at::Tensor joined =
      at::_empty_affine_quantized(shape, blocks[0].options(), blocks[0].q_scale(),
                                  blocks[0].q_zero_point(), blocks[0].suggest_memory_format());
  std::int64_t start = 0;
  for (const at::Tensor& block : blocks) {
    joined.narrow(0, start, block.size(0)).copy_(block);
    start += block.size(0);
  }
  return joined;
}

c10::IValue map_tensors(const c10::IValue& value,
                        const std::function<at::Tensor(const at::Tensor&)>& function) {
  if (value.isTensor()) {
    return value.toTensor().defined() ? c10::IValue(function(value.toTensor())) : value;
  }
  const auto mapped = [&](const c10::IValue& element) { return map_tensors(element, function); };
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(function(tensor));
    return list;
  }
  if (value.isTuple()) {
    std::vector<c10::IValue> elements;
    for (const c10::IValue& element : value.toTupleRef().elements()) {
      elements.push_back(mapped(element));
    }
    return tuple_value(value.type()->expect<c10::TupleType>(), std::move(elements));
  }
  if (value.isGenericDict()) {
    const auto dict = value.toGenericDict();
    c10::impl::GenericDict result(dict.keyType(), dict.valueType());
    for (const auto& entry : dict) result.insert(entry.key(), mapped(entry.value()));
    return result;
  }
  if (value.isList() && holds_tensor(value.type())) {
    const auto list = value.toList();
    c10::impl::GenericList result(list.elementType());
    for (const c10::IValue& element : list.vec()) result.push_back(mapped(element));
    return result;
  }
  return value;
}

namespace {

/// The operation applied to each row alone, results joined again. Inputs that are not batched
/// (weights, numbers) are the same for every row.
void run_rows(const Instruction& step, Registers& registers, std::int64_t rows) {
  std::vector<std::vector<at::Tensor>> results(step.outputs.size());
  for (std::int64_t row = 0; row < rows; ++row) {
    jit::Stack stack;
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      const c10::IValue& value = registers[step.inputs[i]];
      stack.push_back(!step.batched[i] ? value : map_tensors(value, [&](const at::Tensor& batch) {
        return one_row(batch, rows, row);
      }));
    }
    step.operation(stack);
    for (std::size_t i = 0; i < results.size(); ++i) results[i].push_back(stack[i].toTensor());
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    registers[step.outputs[i]] = join_rows(results[i]);
  }
}

}  // namespace

void Program::execute(const Instruction& step, Registers& registers, std::int64_t rows,
                      const Hook& hook, const Hook& before) const {
  if (step.watched && before) before(step, registers);
  switch (step.kind) {
    case Instruction::Kind::operation: {
      if (step.row_by_row) {
        run_rows(step, registers, rows);
        break;
      }
      jit::Stack stack;
      stack.reserve(step.inputs.size());
      for (const std::uint32_t index : step.inputs) stack.push_back(registers[index]);
      step.operation(stack);
      for (std::size_t i = 0; i < step.outputs.size(); ++i) {
        registers[step.outputs[i]] = std::move(stack[i]);
      }
      break;
    }
    case Instruction::Kind::branch: {
      const CodeBlock& taken = step.blocks[registers[step.inputs[0]].toBool() ? 0 : 1];
      run_block(taken, registers, rows, hook, before);
      for (std::size_t i = 0; i < step.outputs.size(); ++i) {
        registers[step.outputs[i]] = registers[taken.outputs[i]];
      }
      break;
    }
    case Instruction::Kind::loop: {
      // prim::Loop(max_trips, condition, carried…): body takes (trip, carried…), gives (condition,
      // carried…).
      const CodeBlock& body = step.blocks[0];
      const std::int64_t trips = registers[step.inputs[0]].toInt();
      bool condition = registers[step.inputs[1]].toBool();
      std::vector<c10::IValue> carried;
      for (std::size_t i = 2; i < step.inputs.size(); ++i) {
        carried.push_back(registers[step.inputs[i]]);
      }
      for (std::int64_t trip = 0; trip < trips && condition; ++trip) {
        registers[body.inputs[0]] = trip;
        for (std::size_t i = 0; i < carried.size(); ++i) {
          registers[body.inputs[i + 1]] = carried[i];
        }
        run_block(body, registers, rows, hook, before);
        condition = registers[body.outputs[0]].toBool();
        for (std::size_t i = 0; i < carried.size(); ++i) {
          carried[i] = registers[body.outputs[i + 1]];
        }
      }
      for (std::size_t i = 0; i < carried.size(); ++i) {
        registers[step.outputs[i]] = std::move(carried[i]);
      }
      break;
    }
    case Instruction::Kind::raise:
      throw std::runtime_error("the model raised: " + registers[step.inputs[0]].toStringRef());
    case Instruction::Kind::copy:
      registers[step.outputs[0]] = step.inputs.empty() ? c10::IValue() : registers[step.inputs[0]];
      break;
  }
  if (step.watched) hook(step, registers);
}

void Program::run_block(const CodeBlock& block, Registers& registers, std::int64_t rows,
                        const Hook& hook, const Hook& before) const {
  for (const Instruction& step : block.code) execute(step, registers, rows, hook, before);
}

c10::IValue Program::run(Registers& registers, const at::Tensor& input, std::int64_t rows,
                         const Hook& hook, const Hook& before) const {
  registers[input_] = clone_input_ ? input.clone() : input;
  for (const Instruction& step : code_.code) {
    execute(step, registers, rows, hook, before);
    for (const std::uint32_t index : step.dead) registers[index] = c10::IValue();
  }
  return registers[output_register()];
}

}  // namespace bitquake::model
