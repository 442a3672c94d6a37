#include "suite/model/load.hpp"

#include "suite/base/sha256.hpp"
#include "suite/model/fingerprint.hpp"
#include "suite/model/incremental_executor.hpp"
#include "suite/model/lowering.hpp"
#include "suite/model/program.hpp"
#include "suite/model/protect.hpp"
#include "suite/model/reference_executor.hpp"
#include "suite/model/row_check.hpp"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/version.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

namespace bitquake::model {
namespace {

using faultgen::Target;

class TorchModel : public Model {
 public:
  TorchModel(std::shared_ptr<const PreparedModel> prepared, std::string sha256,
             std::vector<std::string> notices)
      : prepared_(std::move(prepared)),
        sha256_(std::move(sha256)),
        notices_(std::move(notices)),
        fingerprint_(numeric_fingerprint()) {
    fingerprint_["rows_per_inference"] = std::to_string(prepared_->rows);
    if (prepared_->program.quantised()) {
      std::string& engine = fingerprint_["quantized_engine"] = quantized_engine();
      std::transform(engine.begin(), engine.end(), engine.begin(),
                     [](unsigned char c) { return std::tolower(c); });
    }
  }

  const std::vector<faultgen::Site>& sites() const override { return prepared_->sites; }
  const std::vector<Point>& points() const override { return prepared_->points; }
  std::size_t classes() const override { return prepared_->classes; }
  std::string sha256() const override { return sha256_; }
  const std::vector<std::string>& notices() const override { return notices_; }
  std::map<std::string, std::string> fingerprint() const override { return fingerprint_; }
  std::unique_ptr<Executor> make_executor(const ExecutionOptions& options) const override {
    if (options.execution == Execution::incremental) {
      return std::make_unique<IncrementalExecutor>(plan(), options.parts);
    }
    const bool reference = options.execution == Execution::reference;
    return std::make_unique<ReferenceExecutor>(
        prepared_, reference ? WeightTrials::alone : WeightTrials::same_faults);
  }
  KeptActivations kept_activations(const ExecutionOptions& options) const override {
    // Where there is an obstacle the reference executor runs, which keeps what it compares only.
    if (options.execution != Execution::incremental || !plan()->obstacle().empty()) {
      return {prepared_->deviation ? prepared_->point_bytes : 0, 1};
    }
    return {plan()->kept_bytes(), static_cast<std::uint64_t>(prepared_->rows)};
  }
  std::vector<float> parameter(std::uint32_t site, Target target) const override {
    if (!faultgen::is_parameter(target)) {
      throw Exception({Errc::internal, "", "no parameter: a target that is computed", "", ""});
    }
    const auto spot = prepared_->spots.find({site, target});
    if (spot == prepared_->spots.end()) return {};
    const at::Tensor values =
        prepared_->program.registers()[spot->second.index].toTensor().contiguous();
    const float* data = values.data_ptr<float>();
    return {data, data + values.numel()};
  }
  void observe(Target target, std::span<const float> inputs, const Watcher& watch) const override {
    model::observe(*prepared_, target, inputs, watch);
  }
  std::vector<PlacedGuard> guards() const override { return prepared_->guards; }
  std::vector<float> largest_deviations(std::span<const float> inputs) const override {
    return model::largest_deviations(*prepared_, inputs);
  }
  std::vector<SiteExecution> explain(const ExecutionOptions& options) const override {
    const c10::InferenceMode inference;
    use_one_inner_thread();
    return plan()->explain(options.parts);
  }

 private:
  /// Made when it is first wanted: it runs the network once.
  std::shared_ptr<const IncrementalPlan> plan() const {
    std::call_once(planned_, [&] {
      const c10::InferenceMode inference;
      use_one_inner_thread();
      plan_ = std::make_shared<const IncrementalPlan>(prepared_);
    });
    return plan_;
  }

  mutable std::once_flag planned_;
  mutable std::shared_ptr<const IncrementalPlan> plan_;
  std::shared_ptr<const PreparedModel> prepared_;
  std::string sha256_;
  std::vector<std::string> notices_;
  std::map<std::string, std::string> fingerprint_;
};

/// Turns what LibTorch says about a file it cannot load into what the user can do.
Error load_error(const std::string& file, const std::string& said) {
  const auto mentions = [&](const char* text) { return said.find(text) != std::string::npos; };
  const std::string unknown = "Unknown builtin op: ";
  if (const auto at = said.find(unknown); at != std::string::npos) {
    const auto from = at + unknown.size();
    std::string name = said.substr(from, said.find_first_of(" \n", from) - from);
    while (!name.empty() && name.back() == '.') name.pop_back();
    return {Errc::model, file,
            fmt::format("uses operator {}, which this LibTorch ({}) does not have", name,
                        TORCH_VERSION),
            "it was exported by a newer PyTorch: export it again with an older one or with the "
            "operation written out, or build Bitquake against LibTorch 2 (CMAKE_PREFIX_PATH)",
            ""};
  }
  if (mentions("quantized::") || mentions("PackedParams")) {
    return {Errc::model, file,
            fmt::format("cannot be unpacked by quantised engine {}: {}", quantized_engine(),
                        said.substr(0, said.find('\n'))),
            "engines available: " + quantized_engines() +
                "; quantise weights symmetrically (zero point 0), which every engine takes",
            ""};
  }
  if (mentions("maximum supported version for reading")) {
    return {Errc::model, file,
            fmt::format("has an archive format newer than this LibTorch ({}) reads", TORCH_VERSION),
            "export it with an older PyTorch, or build Bitquake against a newer LibTorch "
            "(CMAKE_PREFIX_PATH)",
            ""};
  }
  if (mentions("constants.pkl") || mentions("locating file")) {
    return {Errc::model, file, "is a PyTorch file, but holds no TorchScript module",
            "torch.save keeps weights or Python objects only: export with "
            "torch.jit.trace(model, example).save(file)",
            ""};
  }
  return {Errc::model, file, "is not a TorchScript file",
          "export the model with torch.jit.trace(model, example).save(file)", ""};
}

Result<torch::jit::Module> load_module(const std::filesystem::path& file) {
  const std::string name = file.string();
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) {
    return Error{Errc::model, name, "no such model file", "check the path", ""};
  }
  try {
    // Tensors made in inference mode do not count their versions, which written_parameter() reads.
    const c10::InferenceMode normal(false);
    return torch::jit::load(name, torch::kCPU);
  } catch (const std::exception& error) {
    return load_error(name, error_text(error));
  }
}

/// Watches whether running the model changes its parameters or buffers.
class ParameterGuard {
 public:
  explicit ParameterGuard(const Program& program) : program_(program) {
    for (const auto& [path, tensor] : program.parameters()) versions_.push_back(tensor._version());
  }
  /// Path of a parameter that was written since, if any.
  std::optional<std::string> written() const {
    for (std::size_t i = 0; i < versions_.size(); ++i) {
      const auto& [path, tensor] = program_.parameters()[i];
      if (tensor._version() != versions_[i]) return path;
    }
    return std::nullopt;
  }

 private:
  const Program& program_;
  std::vector<std::int64_t> versions_;
};

/// Finds sites by running one batch, lists the points, and marks the instructions that hooks must
/// see.
class Discovery {
 public:
  explicit Discovery(PreparedModel& model) : model_(model) {}

  std::optional<Error> run(const std::string& where) {
    for (const SiteInstruction& site : model_.program.site_instructions()) {
      site_of_node_[site.node] = &site;
    }
    watch(model_.program.code());
    add_input();
    Registers registers = model_.program.registers();
    const c10::IValue output =
        model_.program.run(registers, check_input(model_.input_shape, model_.rows), model_.rows,
                           [&](const Instruction& step, Registers& r) { visit(step, r); });
    if (!output.isTensor() || output.toTensor().dim() != 2 ||
        output.toTensor().size(0) != model_.rows || output.toTensor().size(1) < 2 ||
        output.toTensor().scalar_type() != at::kFloat) {
      return Error{
          Errc::model, where,
          fmt::format("gives {} for a batch of {}", describe(output), model_.rows),
          "a classifier that returns one fp32 tensor [batch, classes], two classes or more, "
          "is expected",
          ""};
    }
    model_.classes = static_cast<std::size_t>(output.toTensor().size(1));
    model_.point_bytes += model_.classes * sizeof(float);
    list_points(model_.program.code());
    model_.output_point = add_point("output", PointKind::output);
    return std::nullopt;
  }

  /// What the user should know of where faults cannot go.
  std::vector<std::string> notices() const {
    std::vector<std::string> texts = shared_;
    if (model_.program.quantised()) {
      texts.push_back(fmt::format(
          "quantised, engine {}, output sites only: faults of quantised layers hit what they give, "
          "dequantised, and every inference runs the whole network",
          quantized_engine()));
    }
    std::vector<std::string> unreached;
    for (const SiteInstruction& site : model_.program.site_instructions()) {
      if (model_.sites_of.count(site.node) == 0) unreached.push_back(site.path);
    }
    if (!unreached.empty()) {
      texts.push_back(
          fmt::format("no site, because control flow did not reach it on the input of "
                      "the check: {}",
                      fmt::join(unreached, ", ")));
    }
    const auto name = [&](const char* what, const std::set<std::string>& operators) {
      if (operators.empty()) return;
      texts.push_back(fmt::format("no faults can be injected in the {} of: {}", what,
                                  fmt::join(operators, ", ")));
    };
    name("weights", model_.program.sites_without_weight());
    name("weights and outputs", model_.program.operators_without_site());
    return texts;
  }

 private:
  static std::string describe(const c10::IValue& value) {
    if (!value.isTensor()) return "a " + value.tagKind();
    return fmt::format("a {} tensor of shape [{}]", c10::toString(value.toTensor().scalar_type()),
                       fmt::join(value.toTensor().sizes(), ", "));
  }

  bool is_module_output(std::uint32_t index) const {
    return model_.monitor == Monitor::all && model_.program.module_outputs().count(index) > 0;
  }

  void watch(CodeBlock& block) {
    for (Instruction& step : block.code) {
      step.watched = site_of_node_.count(step.node) > 0;
      for (const std::uint32_t index : step.outputs) {
        step.watched |= step.from_data && is_module_output(index);
      }
      for (CodeBlock& inner : step.blocks) watch(inner);
    }
  }

  std::uint32_t add_point(const std::string& path, PointKind kind) {
    model_.points.push_back({path, kind});
    return static_cast<std::uint32_t>(model_.points.size() - 1);
  }

  /// The network's input is the first site.
  void add_input() {
    faultgen::Site site;
    site.path = "input";
    site.kind = faultgen::SiteKind::input;
    site.output_shape = model_.input_shape;
    push_site(std::move(site), {{Target::network_input, model_.program.input_register()}});
    model_.spots.at({kInputSite, Target::network_input}).point =
        add_point("input", PointKind::site_input);
  }

  void visit(const Instruction& step, Registers& registers) {
    for (const std::uint32_t index : step.outputs) {
      const bool always_finite =
          step.node->kind() == c10::aten::dequantize ||
          (registers[index].isTensor() && registers[index].toTensor().is_quantized());
      if (always_finite) finite_.insert(index);
      if (always_finite || !step.from_data || !is_module_output(index)) continue;
      map_tensors(registers[index], [&](const at::Tensor& tensor) {
        model_.point_bytes += tensor.nbytes() / static_cast<std::uint64_t>(model_.rows);
        return tensor;
      });
    }
    const auto found = site_of_node_.find(step.node);
    if (found == site_of_node_.end()) return;
    const SiteInstruction& site = *found->second;
    auto& executions = model_.sites_of[site.node];
    const at::Tensor output = registers[site.output].toTensor();
    // Only fp32 values have the bits that faults name; those of 8-bit steps can be had as such.
    const at::ScalarType type = output.scalar_type();
    const bool steps =
        (type == at::kQUInt8 || type == at::kQInt8) && output.qscheme() == at::kPerTensorAffine;
    if ((type != at::kFloat && !steps) || !has_rows(output, model_.rows)) {
      executions.push_back(kNoSite);
      return;
    }
    add_site(site, output, registers);
    if (steps) model_.quantised.insert(static_cast<std::uint32_t>(model_.sites.size() - 1));
    executions.push_back(static_cast<std::uint32_t>(model_.sites.size() - 1));
  }

  void add_site(const SiteInstruction& found, const at::Tensor& output,
                const Registers& registers) {
    for (const SiteInstruction::Recurrent& weight : found.recurrent) {
      add_recurrent_weight(weight, registers);
    }
    faultgen::Site site;
    site.path = found.path;
    site.call = calls_[found.path]++;
    site.kind = found.kind;
    site.output_shape = shape_of_row(output);
    if (found.input && registers[*found.input].isTensor()) {
      const at::Tensor input = registers[*found.input].toTensor();
      const bool has_bits = input.defined() && input.scalar_type() == at::kFloat;
      if (has_bits && has_rows(input, model_.rows)) site.input_shape = shape_of_row(input);
    }
    const auto shape = [&](Target target) {
      const auto index = found.parameters.find(target);
      return index == found.parameters.end()
                 ? std::vector<std::int64_t>()
                 : owned_shape(index->second, found.path, target, registers);
    };
    site.weight_shape = shape(Target::weight);
    site.bias_shape = shape(Target::bias);
    site.stats_shape = shape(Target::running_mean);
    if (shape(Target::running_var) != site.stats_shape) site.stats_shape.clear();
    std::map<Target, std::uint32_t> indices = found.parameters;
    indices[Target::neuron] = found.output;
    if (found.input) indices[Target::site_input] = *found.input;
    push_site(std::move(site), indices);
  }

  /// A weight that an earlier call has read is known.
  void add_recurrent_weight(const SiteInstruction::Recurrent& weight, const Registers& registers) {
    if (calls_[weight.path]++ > 0) return;
    faultgen::Site site;
    site.path = weight.path;
    site.kind = faultgen::SiteKind::recurrent_weight;
    site.weight_shape = owned_shape(weight.weight, weight.path, Target::weight, registers);
    push_site(std::move(site), {{Target::weight, weight.weight}});
  }

  /// @param indices  registers of what the site may have
  void push_site(faultgen::Site site, const std::map<Target, std::uint32_t>& indices) {
    const auto number = static_cast<std::uint32_t>(model_.sites.size());
    for (const auto& [target, index] : indices) {
      if (faultgen::site_elements(site, target) > 0) {
        model_.spots[{number, target}] = {.index = index, .point = 0};
      }
    }
    model_.sites.push_back(std::move(site));
  }

  /// Without the batch dimension; where that holds several blocks for each sample, with their
  /// number in its place.
  std::vector<std::int64_t> shape_of_row(const at::Tensor& batch) const {
    std::vector<std::int64_t> shape = batch.sizes().slice(1).vec();
    if (batch.size(0) != model_.rows) shape.insert(shape.begin(), batch.size(0) / model_.rows);
    return shape;
  }

  /// Shape of a parameter, empty where its bits are no fp32 or another site has it: a tensor that
  /// two modules share is one parameter, that of the first.
  std::vector<std::int64_t> owned_shape(std::uint32_t index, const std::string& path, Target target,
                                        const Registers& registers) {
    const std::string name = parameter_name(target);
    const auto& [owner, owned] = owners_.emplace(index, std::pair(path, target)).first->second;
    if (owner != path || owned != target) {
      const std::string text =
          fmt::format("the {} of {} is that of {}: faults in it hit both", name, path, owner);
      if (std::find(shared_.begin(), shared_.end(), text) == shared_.end()) shared_.push_back(text);
      return {};
    }
    const at::Tensor tensor = registers[index].toTensor();
    if (tensor.scalar_type() != at::kFloat) return {};
    return tensor.sizes().vec();
  }

  static std::string parameter_name(Target target) {
    switch (target) {
      case Target::bias:
        return "bias";
      case Target::running_mean:
        return "running_mean";
      case Target::running_var:
        return "running_var";
      default:
        return "weight";
    }
  }

  /// Points in code order, those of branches that the check did not take included.
  void list_points(const CodeBlock& block) {
    for (const Instruction& step : block.code) {
      for (const CodeBlock& inner : step.blocks) list_points(inner);
      const auto executions = model_.sites_of.find(step.node);
      if (executions != model_.sites_of.end()) list_site_points(step, executions->second);
      if (!step.from_data) continue;
      for (const std::uint32_t index : step.outputs) {
        if (is_module_output(index) && finite_.count(index) == 0) module_point(index);
      }
    }
  }

  std::uint32_t module_point(std::uint32_t index) {
    const auto known = model_.point_of.find(index);
    if (known != model_.point_of.end()) return known->second;
    const std::string& path = model_.program.module_outputs().at(index);
    return model_.point_of[index] = add_point(path, PointKind::module_output);
  }

  /// Points of the sites of an instruction, where faults are injected: its parameters, what it
  /// reads, and its output. Executions in a loop share the parameters, and the point of their
  /// module's output.
  void list_site_points(const Instruction& step, const std::vector<std::uint32_t>& executions) {
    for (const std::uint32_t number : executions) {
      if (number == kNoSite) continue;
      // The weights of an LSTM stand before it.
      std::uint32_t first = number;
      while (model_.sites[first - 1].kind == faultgen::SiteKind::recurrent_weight) --first;
      for (; first < number; ++first) list_parameter_points(first);
      list_parameter_points(number);
      const std::string name = faultgen::site_name(model_.sites[number]);
      if (Spot* spot = find_spot(number, Target::site_input)) {
        spot->point = add_point(name + ".input", PointKind::site_input);
      }
      const std::uint32_t output = step.outputs[0];
      if (Spot* spot = find_spot(number, Target::neuron)) {
        spot->point = is_module_output(output) ? module_point(output)
                                               : add_point(name, PointKind::site_output);
      }
    }
  }

  void list_parameter_points(std::uint32_t number) {
    const faultgen::Site& site = model_.sites[number];
    const bool is_weight = site.kind == faultgen::SiteKind::recurrent_weight;
    for (const Target target :
         {Target::weight, Target::bias, Target::running_mean, Target::running_var}) {
      if (Spot* spot = find_spot(number, target)) {
        spot->point = add_point(is_weight ? site.path : site.path + "." + parameter_name(target),
                                PointKind::parameter);
      }
    }
  }

  Spot* find_spot(std::uint32_t site, Target target) {
    const auto found = model_.spots.find({site, target});
    return found == model_.spots.end() ? nullptr : &found->second;
  }

  PreparedModel& model_;
  std::unordered_map<const torch::jit::Node*, const SiteInstruction*> site_of_node_;
  std::map<std::string, std::uint32_t> calls_;
  /// Path and target of the first site that has a parameter, by register.
  std::map<std::uint32_t, std::pair<std::string, Target>> owners_;
  std::vector<std::string> shared_;
  std::set<std::uint32_t> finite_;  ///< registers of values that cannot be NaN or Inf
};

bool same_result(const c10::IValue& a, const c10::IValue& b) {
  if (!a.isTensor() || !b.isTensor()) return !a.isTensor() && !b.isTensor();
  return same_bits(a.toTensor(), b.toTensor());
}

/// The program must give what the module gives, and the same again: a model with hidden state or
/// random numbers cannot be compared with its golden run. To be called before rows are run one by
/// one.
std::optional<Error> check_against_module(const Program& program, torch::jit::Module module,
                                          const std::vector<std::int64_t>& input_shape,
                                          std::int64_t batch, const std::string& where) {
  const auto run = [&] {
    Registers registers = program.registers();
    return program.run(registers, check_input(input_shape, batch), batch, nullptr);
  };
  const torch::jit::GraphOptimizerEnabledGuard plain(false);
  c10::IValue first, again, expected;
  try {
    first = run();
    again = run();
    expected = module.forward({check_input(input_shape, batch)});
  } catch (const std::exception&) {
    return std::nullopt;  // this batch size does not run; choose_batching says what does
  }
  if (!same_result(first, again)) {
    return Error{Errc::model, where, "gives two results for one input",
                 "a model with state or random numbers cannot be compared with its golden run: "
                 "export it in eval mode, without state",
                 ""};
  }
  if (same_result(first, expected)) return std::nullopt;
  return Error{Errc::model, where,
               "gives another result when it is run step by step than by its forward method",
               "it may hold state, or write in place to tensors that share memory: export it in "
               "eval mode, without state, with out-of-place operators (inplace=False)",
               ""};
}

}  // namespace

Result<std::shared_ptr<const Model>> load(const LoadOptions& options) {
  const std::string where = options.file.string();
  auto module = load_module(options.file);
  if (!module) return module.error();
  auto sha256 = sha256_file(options.file, Errc::model);
  if (!sha256) return sha256.error();

  const c10::InferenceMode inference;
  use_one_inner_thread();
  std::vector<std::string> notices;
  // Modules without the flag (frozen ones) count as training in LibTorch.
  if (module->hasattr("training") && module->is_training()) {
    notices.emplace_back("the model was saved in train mode; it runs in eval mode");
    module->eval();
  }
  try {
    auto lowered = lower(*module, where);
    if (!lowered) return lowered.error();
    auto program = Program::build(std::move(*lowered), where);
    if (!program) return program.error();
    auto prepared = std::make_shared<PreparedModel>(std::move(*program));
    prepared->input_shape = options.input_shape;
    prepared->input_elements = faultgen::element_count(options.input_shape);
    prepared->monitor = options.monitor;
    prepared->deviation = options.deviation;
    const ParameterGuard guard(prepared->program);
    for (const std::int64_t batch : {std::int64_t{1}, std::int64_t{options.padded_batch}}) {
      const auto differs =
          check_against_module(prepared->program, *module, options.input_shape, batch, where);
      if (guard.written()) break;  // explains the difference better
      if (differs) return *differs;
    }
    auto batching =
        choose_batching(prepared->program, options.input_shape, options.padded_batch, where);
    if (!batching) {
      Error error = batching.error();
      if (prepared->program.quantised()) {
        error.hint += fmt::format(
            "; quantised operators run on engine {} of {}: one that it does "
            "not have must stay in fp32",
            quantized_engine(), quantized_engines());
      }
      return error;
    }
    prepared->rows = batching->rows;
    if (!batching->reason.empty()) {
      notices.push_back("one sample per inference: " + batching->reason);
    }
    if (!batching->row_by_row.empty()) {
      std::map<std::string, unsigned> counts;
      for (const std::string& name : batching->row_by_row) ++counts[name];
      std::vector<std::string> texts;
      for (const auto& [name, count] : counts) texts.push_back(fmt::format("{} {}", count, name));
      notices.push_back(
          fmt::format("row by row, because their bits depend on the place in a batch of {}: {}",
                      batching->rows, fmt::join(texts, ", ")));
    }
    Discovery discovery(*prepared);
    if (auto failed = discovery.run(where)) return *failed;
    const auto more = discovery.notices();
    notices.insert(notices.end(), more.begin(), more.end());
    if (const auto path = guard.written()) {
      return Error{Errc::model, where, "writes to its own parameter '" + *path + "'",
                   "a model that changes itself cannot be compared with its golden run", ""};
    }
    if (auto failed = protect(*prepared, options.protection, where)) return *failed;
    return std::shared_ptr<const Model>(
        std::make_shared<TorchModel>(std::move(prepared), std::move(*sha256), std::move(notices)));
  } catch (const c10::Error& error) {
    return Error{Errc::model, where,
                 std::string("cannot be executed: ") + error.what_without_backtrace(), "", ""};
  }
}

}  // namespace bitquake::model
