#include "suite/model/load.hpp"

#include "suite/base/sha256.hpp"
#include "suite/model/fingerprint.hpp"
#include "suite/model/lowering.hpp"
#include "suite/model/program.hpp"
#include "suite/model/reference_executor.hpp"
#include "suite/model/row_check.hpp"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <map>
#include <optional>
#include <system_error>
#include <utility>

namespace bitquake::model {
namespace {

class TorchModel : public Model {
 public:
  TorchModel(std::shared_ptr<const PreparedModel> prepared, std::string sha256,
             std::vector<std::string> notices)
      : prepared_(std::move(prepared)),
        sha256_(std::move(sha256)),
        notices_(std::move(notices)),
        fingerprint_(numeric_fingerprint()) {
    fingerprint_["rows_per_inference"] = std::to_string(prepared_->rows);
  }

  const std::vector<faultgen::Site>& sites() const override { return prepared_->sites; }
  const std::vector<Point>& points() const override { return prepared_->points; }
  std::size_t classes() const override { return prepared_->classes; }
  std::string sha256() const override { return sha256_; }
  const std::vector<std::string>& notices() const override { return notices_; }
  std::map<std::string, std::string> fingerprint() const override { return fingerprint_; }
  std::unique_ptr<Executor> make_executor() const override {
    return std::make_unique<ReferenceExecutor>(prepared_);
  }

 private:
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
    return Error{Errc::model, name, "no such model file", "check model.file", ""};
  }
  try {
    // Tensors made in inference mode do not count their versions, which written_parameter() reads.
    const c10::InferenceMode normal(false);
    return torch::jit::load(name, torch::kCPU);
  } catch (const c10::Error& error) {
    return load_error(name, error.what_without_backtrace());
  } catch (const std::exception& error) {
    return load_error(name, error.what());
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

/// Finds sites and points by running one batch, and marks the instructions that hooks must see.
class Discovery {
 public:
  explicit Discovery(PreparedModel& model) : model_(model) {}

  std::optional<Error> run(const std::string& where) {
    for (const SiteInstruction& site : model_.program.site_instructions()) {
      site_of_node_[site.node] = &site;
    }
    watch(model_.program.code());
    Registers registers = model_.program.registers();
    const c10::IValue output =
        model_.program.run(registers, check_input(model_.input_shape, model_.rows), model_.rows,
                           [&](const Instruction& step, Registers& r) { visit(step, r); });
    if (!output.isTensor() || output.toTensor().dim() != 2 ||
        output.toTensor().size(0) != model_.rows ||
        output.toTensor().scalar_type() != at::kFloat) {
      return Error{Errc::model, where,
                   fmt::format("gives {} for a batch of {}", describe(output), model_.rows),
                   "a classifier that returns one fp32 tensor [batch, classes] is expected", ""};
    }
    model_.classes = static_cast<std::size_t>(output.toTensor().size(1));
    model_.output_point = add_point("output", PointKind::output);
    return std::nullopt;
  }

 private:
  static std::string describe(const c10::IValue& value) {
    if (!value.isTensor()) return "a " + value.tagKind();
    return fmt::format("a {} tensor of shape [{}]", c10::toString(value.toTensor().scalar_type()),
                       fmt::join(value.toTensor().sizes(), ", "));
  }

  void watch(CodeBlock& block) {
    for (Instruction& step : block.code) {
      step.watched = site_of_node_.count(step.node) > 0;
      for (const std::uint32_t index : step.outputs) {
        step.watched |= model_.program.module_outputs().count(index) > 0;
      }
      for (CodeBlock& inner : step.blocks) watch(inner);
    }
  }

  std::uint32_t add_point(const std::string& path, PointKind kind) {
    model_.points.push_back({path, kind});
    return static_cast<std::uint32_t>(model_.points.size() - 1);
  }

  void visit(const Instruction& step, Registers& registers) {
    if (const auto site = site_of_node_.find(step.node); site != site_of_node_.end()) {
      add_site(*site->second, registers);
    }
    for (const std::uint32_t index : step.outputs) {
      const auto name = model_.program.module_outputs().find(index);
      if (name == model_.program.module_outputs().end() || model_.monitor != Monitor::all ||
          !step.from_data || model_.point_of.count(index) > 0) {
        continue;
      }
      const auto known = site_output_point_.find(index);
      if (known != site_output_point_.end()) {
        model_.point_of[index] = known->second;
      } else {
        model_.point_of[index] = add_point(name->second, PointKind::module_output);
      }
    }
  }

  void add_site(const SiteInstruction& found, const Registers& registers) {
    auto& executions = model_.sites_of[found.node];
    const at::Tensor output = registers[found.output].toTensor();
    const bool has_weight =
        found.weight && registers[*found.weight].toTensor().scalar_type() == at::kFloat;
    // Only fp32 values have the bits that faults name.
    if (output.scalar_type() != at::kFloat || !has_rows(output, model_.rows)) return;
    faultgen::Site site;
    site.path = found.path;
    site.call = calls_[found.path]++;
    site.kind = found.kind;
    if (has_weight) site.weight_shape = registers[*found.weight].toTensor().sizes().vec();
    site.output_shape = output.sizes().slice(1).vec();
    if (output.size(0) != model_.rows) {
      site.output_shape.insert(site.output_shape.begin(), output.size(0) / model_.rows);
    }
    const std::string name = faultgen::site_name(site);
    executions.push_back(static_cast<std::uint32_t>(model_.sites.size()));
    model_.sites.push_back(site);
    model_.weight_register.push_back(found.weight.value_or(0));
    model_.parameter_point.push_back(
        has_weight ? add_point(name + ".weight", PointKind::parameter) : 0);
    const bool is_module_output = model_.monitor == Monitor::all &&
                                  model_.program.module_outputs().count(found.output) > 0;
    const auto known = site_output_point_.find(found.output);
    if (known != site_output_point_.end()) {
      model_.site_point.push_back(known->second);
      return;
    }
    const std::uint32_t point = add_point(
        is_module_output ? model_.program.module_outputs().at(found.output) : name,
        is_module_output ? PointKind::module_output : PointKind::site_output);
    site_output_point_[found.output] = point;
    model_.site_point.push_back(point);
  }

  PreparedModel& model_;
  std::unordered_map<const torch::jit::Node*, const SiteInstruction*> site_of_node_;
  std::map<std::string, std::uint32_t> calls_;
  std::map<std::uint32_t, std::uint32_t> site_output_point_;  ///< register -> point
};

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
  if (module->is_training()) {
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
    const ParameterGuard guard(prepared->program);
    auto batching =
        choose_batching(prepared->program, options.input_shape, options.padded_batch, where);
    if (!batching) return batching.error();
    prepared->rows = batching->rows;
    if (!batching->reason.empty()) {
      notices.push_back("one sample per inference: " + batching->reason);
    }
    if (!batching->row_by_row.empty()) {
      std::map<std::string, unsigned> counts;
      for (const std::string& name : batching->row_by_row) ++counts[name];
      std::vector<std::string> texts;
      for (const auto& [name, count] : counts) texts.push_back(fmt::format("{} {}", count, name));
      notices.push_back(fmt::format(
          "row by row, because their bits depend on the place in a batch of {}: {}", batching->rows,
          fmt::join(texts, ", ")));
    }
    if (auto failed = Discovery(*prepared).run(where)) return *failed;
    if (const auto path = guard.written()) {
      return Error{Errc::model, where, "writes to its own parameter '" + *path + "'",
                   "a model that changes itself cannot be compared with its golden run", ""};
    }
    return std::shared_ptr<const Model>(
        std::make_shared<TorchModel>(std::move(prepared), std::move(*sha256), std::move(notices)));
  } catch (const c10::Error& error) {
    return Error{Errc::model, where,
                 std::string("cannot be executed: ") + error.what_without_backtrace(), "", ""};
  }
}

}  // namespace bitquake::model
