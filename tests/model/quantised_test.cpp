#include "faultgen/bits.hpp"
#include "metrics/outcome.hpp"
#include "results/manifest.hpp"
#include "results/trials.hpp"
#include "suite/engine/torch_loader.hpp"
#include "suite/engine/verify.hpp"
#include "suite/model/fingerprint.hpp"
#include "suite/model/program.hpp"
#include "suite/model/row_check.hpp"
#include "tests/model/loaded.hpp"
#include "tests/model/nets.hpp"
#include "tests/support/plain_fault.hpp"
#include "tests/support/toy_campaign.hpp"

#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/InferenceMode.h>
#include <catch2/catch.hpp>

#include <cmath>
#include <functional>
#include <limits>

namespace {

using namespace bitquake;
using faultgen::Fault;
using faultgen::Target;
namespace jit = torch::jit;

constexpr int kQUInt8 = 13;

c10::IValue call(const char* op, jit::Stack stack) {
  c10::Dispatcher::singleton().findSchemaOrThrow(op, "").callBoxed(&stack);
  return stack.at(0);
}

/// A layer as the quantised engine computes it.
struct Layer {
  std::string name, op;
  c10::IValue packed;
  double scale = 1;
  std::int64_t zero_point = 0;

  at::Tensor operator()(const at::Tensor& x) const {
    const char* overload = op.starts_with("quantized::conv2d") ? "new" : "";
    jit::Stack stack{x, packed, scale, zero_point};
    c10::Dispatcher::singleton().findSchemaOrThrow(op.c_str(), overload).callBoxed(&stack);
    return stack.at(0).toTensor();
  }
};

/// A classifier of 1x4x4 images, six classes, in fp32 and quantised, with the same module paths:
/// two convolutions and two linear layers. ReLU is fused into conv1 and fc1.
struct Net {
  static constexpr double kInputScale = 0.03;
  static constexpr std::int64_t kInputZero = 120;
  std::vector<Layer> layers;
  jit::Module fp32{"fp32"}, quantised{"quantised"};

  Net() {
    test::NetBuilder plain("Toy", 5);
    plain.conv("conv1", 1, 4, 3, 1, 1);
    plain.conv("conv2", 4, 6, 3);
    plain.linear("fc1", 24, 16);
    plain.linear("fc2", 16, 6);
    for (const char* relu : {"relu1", "relu2", "relu3"}) plain.relu(relu);
    fp32 = plain.finish(
        "  x = self.relu1.forward(self.conv1.forward(x))\n"
        "  x = self.relu2.forward(self.conv2.forward(x))\n"
        "  x = torch.flatten(x, 1)\n"
        "  x = self.relu3.forward(self.fc1.forward(x))\n"
        "  return self.fc2.forward(x)\n");
    layers = {layer("conv1", "quantized::conv2d_relu", 1, 0.02, 0),
              layer("conv2", "quantized::conv2d", 0, 0.03, 131),
              layer("fc1", "quantized::linear_relu", -1, 0.02, 3),
              layer("fc2", "quantized::linear", -1, 0.025, 100)};
    test::NetBuilder builder("QuantisedToy");
    for (const Layer& layer : layers) builder.add(layer.name, module(builder, layer));
    builder.relu("relu2");
    // Modules of their own, which the fp32 network does not have, as PyTorch's eager mode makes
    // them.
    jit::Module quant = builder.make("Quantize");
    quant.register_buffer("scale", at::full({1}, kInputScale));
    quant.register_buffer("zero_point", at::full({1}, kInputZero, at::kLong));
    quant.define(
        "def forward(self, x):\n"
        "  return torch.quantize_per_tensor(x, self.scale, self.zero_point, 13)\n");
    builder.add("quant", quant);
    builder.add("dequant", builder.layer("DeQuantize", "  return torch.dequantize(x)\n"));
    quantised = builder.finish(
        "  x = self.quant.forward(x)\n"
        "  x = self.conv1.forward(x)\n"
        "  x = self.relu2.forward(self.conv2.forward(x))\n"
        "  x = torch.flatten(x, 1)\n"
        "  return self.dequant.forward(self.fc2.forward(self.fc1.forward(x)))\n");
  }

  /// @param padding  of a convolution; -1: a linear layer
  Layer layer(const std::string& name, const std::string& op, std::int64_t padding, double scale,
              std::int64_t zero_point) const {
    const jit::Module module = fp32.attr(name).toModule();
    const at::Tensor weight =
        at::quantize_per_tensor(module.attr("weight").toTensor(), 0.008, 0, at::kQInt8);
    const c10::IValue bias = module.attr("bias").toTensor();
    const c10::List<std::int64_t> ones({1, 1}), around({padding, padding});
    const c10::IValue packed = padding < 0
                                   ? call("quantized::linear_prepack", {weight, bias})
                                   : call("quantized::conv2d_prepack",
                                          {weight, bias, ones, around, ones, std::int64_t{1}});
    return {name, op, packed, scale, zero_point};
  }

  /// One graph node, in a module that holds the packed parameters where PyTorch has them: those of
  /// linear layers in a module of their own.
  static jit::Module module(test::NetBuilder& builder, const Layer& layer) {
    jit::Module module = builder.make("Layer"), holder = module;
    const bool nested = layer.op.starts_with("quantized::linear");
    if (nested) holder = builder.make("Packed");
    holder.register_attribute("_packed_params", layer.packed.type(), layer.packed);
    if (nested) module.register_module("_packed_params", holder);
    add_forward(module, [&](jit::Graph& graph, jit::Value* self, jit::Value* x) {
      jit::Value* packed = graph.insertGetAttr(self, "_packed_params");
      if (nested) packed = graph.insertGetAttr(packed, "_packed_params");
      return graph.insert(at::Symbol::fromQualString(layer.op),
                          {x, packed, layer.scale, layer.zero_point});
    });
    return module;
  }

  static void add_forward(
      jit::Module& module,
      const std::function<jit::Value*(jit::Graph&, jit::Value* self, jit::Value* x)>& body) {
    const auto graph = std::make_shared<jit::Graph>();
    jit::Value* self = graph->addInput("self");
    self->setType(module.type());
    jit::Value* x = graph->addInput("x");
    graph->registerOutput(body(*graph, self, x));
    module.type()->addMethod(module._ivalue()->compilation_unit()->create_function(
        c10::QualifiedName(*module.type()->name(), "forward"), graph));
  }

  /// The quantised network by its operators, with something done to the output of each site.
  at::Tensor plain(at::Tensor x,
                   const std::function<void(const std::string&, at::Tensor&)>& touch) const {
    x = at::quantize_per_tensor(x, kInputScale, kInputZero, at::kQUInt8);
    for (const Layer& layer : layers) {
      if (layer.name == "fc1") x = at::flatten(x, 1);
      x = layer(x);
      touch(layer.name, x);
      if (layer.name != "conv2") continue;
      x = at::relu(x);
      touch("relu2", x);
    }
    return x.dequantize();
  }
};

const Net& net() {
  static const Net made;
  return made;
}

std::shared_ptr<const model::Model> load(std::uint32_t batch = 16) {
  return value_or_throw(test::save_and_load(net().quantised, {1, 4, 4}, batch));
}

/// Scales are fp32.
float value_of_step(const at::Tensor& like, int step) {
  return static_cast<float>(step - like.q_zero_point()) * static_cast<float>(like.q_scale());
}

/// The step whose value is nearest, found among all there are; of two the even multiple of the
/// scale.
int nearest_step(const at::Tensor& like, float value) {
  const int zero = static_cast<int>(like.q_zero_point());
  if (std::isnan(value)) return zero;
  if (value > value_of_step(like, 255)) return 255;
  if (value < value_of_step(like, 0)) return 0;
  int best = 0;
  const auto distance = [&](int step) {
    return std::abs((step - zero) * double{static_cast<float>(like.q_scale())} - double{value});
  };
  for (int step = 1; step < 256; ++step) {
    const bool closer = distance(step) < distance(best);
    const bool even = distance(step) == distance(best) && (step - zero) % 2 == 0;
    if (closer || even) best = step;
  }
  return best;
}

/// Does a fault to an element of a quint8 tensor [1, …] by the definitions alone.
test::PlainInjection touch_by_hand(const Fault& fault, at::Tensor& tensor) {
  // The engine lays its maps out channels last; elements are counted row by row.
  tensor = tensor.contiguous();
  auto& step = static_cast<std::uint8_t*>(tensor.data_ptr())[fault.element];
  float value = value_of_step(tensor, step);
  const test::PlainInjection done = test::plain_inject(fault, value);
  if (done.before != done.after) step = static_cast<std::uint8_t>(nearest_step(tensor, value));
  return done;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](float x, float y) { return faultgen::to_bits(x) == faultgen::to_bits(y); });
}

const std::vector<std::string> kSites{"conv1", "conv2", "relu2", "fc1", "fc2"};

/// What a scenario says when a value is outside what the file allows.
std::string refusal(const jit::Module& module, const std::vector<std::int64_t>& shape = {1, 4, 4}) {
  const auto model = test::save_and_load(module, shape);
  REQUIRE_FALSE(model);
  return model.error().what + " | " + model.error().hint;
}

}  // namespace

TEST_CASE("outputs of quantised layers are sites, by module path", "[model][quantised]") {
  const c10::InferenceMode inference;
  const auto model = load();
  using faultgen::SiteKind;
  test::require_sites(*model, {{"input", 0, SiteKind::input, {}, {1, 4, 4}},
                               {"conv1", 0, SiteKind::conv2d, {}, {4, 4, 4}},
                               {"conv2", 0, SiteKind::conv2d, {}, {6, 2, 2}},
                               {"relu2", 0, SiteKind::activation, {}, {6, 2, 2}},
                               {"fc1", 0, SiteKind::linear, {}, {16}},
                               {"fc2", 0, SiteKind::linear, {}, {6}}});
  for (const auto target : {Target::weight, Target::bias, Target::site_input}) {
    REQUIRE(test::sites_with(*model, target).empty());
  }
  REQUIRE(model->classes() == 6);
  INFO(model->notices()[0]);
  REQUIRE(model->fingerprint().at("rows_per_inference") == "16");
  REQUIRE_THAT(model::quantized_engine(), Catch::Equals(model->fingerprint().at("quantized_engine"),
                                                        Catch::CaseSensitive::No));
  REQUIRE(model->notices().size() == 1);
  REQUIRE_THAT(model->notices()[0],
               Catch::StartsWith("quantised, engine " + model::quantized_engine() +
                                 ", output sites only: "));
  // What is fp32 stays without.
  const auto fp32 = value_or_throw(test::save_and_load(net().fp32, {1, 4, 4}));
  REQUIRE_FALSE(fp32->fingerprint().contains("quantized_engine"));
  REQUIRE(fp32->notices().empty());

  // Golden outputs are those of the module, and near those of the network it was made from.
  const at::Tensor input = model::check_input({1, 4, 4}, 16);
  const auto block = model->make_executor()->golden(test::values_of(input));
  const at::Tensor whole = jit::Module(net().quantised).forward({input}).toTensor();
  const at::Tensor exact = jit::Module(net().fp32).forward({input}).toTensor();
  REQUIRE(at::allclose(whole, exact, 0, 0.06));
  REQUIRE_FALSE(at::allclose(exact, at::zeros_like(exact), 0, 0.2));
  for (std::int64_t row = 0; row < 16; ++row) {
    const auto i = static_cast<std::size_t>(row);
    REQUIRE(same_bits(block->row(i).output, test::values_of(whole.select(0, row).contiguous())));
    REQUIRE(block->row(i).output_finite);
  }
}

TEST_CASE("a fault at a quantised site gives what it gives by hand", "[model][quantised]") {
  const c10::InferenceMode inference;
  model::use_one_inner_thread();
  const auto model = load(1);
  const at::Tensor input = model::check_input({1, 4, 4}, 1);
  const auto nothing = [](const std::string&, at::Tensor&) {};
  faultgen::Storage bf16, int8;
  bf16.format = faultgen::NumberFormat::bf16;
  int8.format = faultgen::NumberFormat::int8;
  int8.scale = 0.05F;
  std::size_t changed = 0, saturated = 0, nan = 0;
  for (const model::Execution execution :
       {model::Execution::reference, model::Execution::batched, model::Execution::incremental}) {
    const auto executor = model->make_executor({execution, {}});
    const auto block = executor->golden(test::values_of(input));
    const auto golden = net().plain(input, nothing);
    REQUIRE(same_bits(block->row(0).output, test::values_of(golden)));
    for (const std::string& name : kSites) {
      const std::uint32_t site = test::site_of(*model, name);
      const std::uint64_t elements = faultgen::site_elements(model->sites()[site], Target::neuron);
      std::vector<Fault> faults;
      for (std::uint64_t bit = 0; bit < 32; ++bit) {
        faults.push_back({site, Target::neuron, faultgen::FaultModel::bit_flip,
                          (elements - 1) * bit / 31, 1ULL << bit});
      }
      faults.push_back({site, Target::neuron, faultgen::FaultModel::stuck_at_1, 1, 0x7fc00000});
      faults.push_back({site, Target::neuron, faultgen::FaultModel::stuck_at_0, 2, 0xffffffff});
      for (const auto& storage : {bf16, int8}) {
        Fault stored{site, Target::neuron, faultgen::FaultModel::bit_flip, 3, 64};
        stored.storage = storage;
        faults.push_back(stored);
      }
      for (const Fault& fault : faults) {
        INFO(name << " element " << fault.element << " mask " << fault.bit_mask);
        const model::TrialResult result =
            executor->trials(*block, std::vector<model::Trial>{{0, {&fault, 1}}}).front();
        test::PlainInjection done;
        const at::Tensor expected = net().plain(input, [&](const std::string& at, at::Tensor& y) {
          if (at != name) return;
          done = touch_by_hand(fault, y);
          const float left = faultgen::decode(fault.storage, done.after);
          saturated += std::abs(left) > 1e6F ? 1 : 0;
          nan += std::isnan(left) ? 1 : 0;
        });
        REQUIRE(result.failure == "");
        REQUIRE(same_bits(result.output, test::values_of(expected)));
        REQUIRE(result.injections[0].reached);
        REQUIRE(result.injections[0].original_bits == done.before);
        REQUIRE(result.injections[0].corrupted_bits == done.after);
        // Whatever the fault left behind, what is put back is finite.
        REQUIRE_FALSE(result.first_nonfinite);
        REQUIRE_FALSE(result.any_nonfinite);
        changed += same_bits(result.output, test::values_of(golden)) ? 0 : 1;
      }
    }
  }
  REQUIRE(changed > 60);
  REQUIRE(saturated > 10);
  REQUIRE(nan > 10);
}

TEST_CASE("values stored as int8 of the tensor's own scale are its bits", "[model][quantised]") {
  const c10::InferenceMode inference;
  const auto model = load(1);
  const at::Tensor input = model::check_input({1, 4, 4}, 1);
  const auto executor = model->make_executor();
  const auto block = executor->golden(test::values_of(input));
  // The last layer: steps are quint8, int8 counts from -128.
  Fault fault{test::site_of(*model, "fc2"), Target::neuron, faultgen::FaultModel::bit_flip, 0, 0};
  fault.storage.format = faultgen::NumberFormat::int8;
  fault.storage.scale = static_cast<float>(net().layers[3].scale);
  fault.storage.zero_point = static_cast<std::int32_t>(net().layers[3].zero_point - 128);
  for (fault.element = 0; fault.element < 6; ++fault.element) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      fault.bit_mask = 1U << bit;
      const at::Tensor expected = net().plain(input, [&](const std::string& name, at::Tensor& y) {
        if (name == "fc2") y.data_ptr<c10::quint8>()[fault.element].val_ ^= 1U << bit;
      });
      const auto result =
          executor->trials(*block, std::vector<model::Trial>{{0, {&fault, 1}}}).front();
      REQUIRE(same_bits(result.output, test::values_of(expected)));
    }
  }
}

TEST_CASE("executors agree on quantised networks, rows do not influence each other",
          "[model][quantised]") {
  const c10::InferenceMode inference;
  const auto model = load();
  const at::Tensor input = model::check_input({1, 4, 4}, 16);
  const faultgen::FaultSpace space(model->sites(), Target::neuron);
  std::vector<std::vector<Fault>> groups;
  Draws draws(3, Stream::check_input, 99);
  for (std::uint64_t i = 0; i < 400; ++i) {
    std::vector<Fault>& group = groups.emplace_back();
    for (std::uint64_t n = 0; n <= i % 3; ++n) {
      const auto place = space.locate(static_cast<std::uint64_t>(
          draws.uniform() * static_cast<double>(space.total_elements())));
      group.push_back({place.site, Target::neuron, faultgen::FaultModel::bit_flip, place.element,
                       1ULL << static_cast<unsigned>(draws.uniform() * 32)});
    }
  }
  std::vector<model::Trial> trials;
  for (std::size_t i = 0; i < groups.size(); ++i) trials.push_back({i % 16, groups[i]});
  const auto results_of = [&](model::Execution execution, std::span<const model::Trial> some) {
    const auto executor = model->make_executor({execution, {}});
    return executor->trials(*executor->golden(test::values_of(input)), some);
  };
  const auto expected = results_of(model::Execution::reference, trials);
  std::size_t differ = 0;
  for (const auto execution : {model::Execution::batched, model::Execution::incremental}) {
    const auto got = results_of(execution, trials);
    for (std::size_t i = 0; i < trials.size(); ++i) {
      REQUIRE(same_bits(got[i].output, expected[i].output));
      REQUIRE((got[i].injections == expected[i].injections));
      REQUIRE_FALSE(got[i].any_nonfinite);
    }
  }
  const auto executor = model->make_executor();
  const auto block = executor->golden(test::values_of(input));
  for (std::size_t i = 0; i < trials.size(); i += 7) {
    const auto alone = results_of(model::Execution::reference, std::span(trials).subspan(i, 1));
    REQUIRE(same_bits(alone[0].output, expected[i].output));
    const model::Trace trace = executor->trace(*block, trials[i]);
    REQUIRE(same_bits(trace.result.output, expected[i].output));
    REQUIRE(trace.sites.size() == model->sites().size());
    const bool masked = same_bits(alone[0].output, block->row(trials[i].golden_row).output);
    REQUIRE(trace.sites.back().elements == 6);
    REQUIRE((trace.sites.back().differing == 0) == masked);
    differ += masked ? 0 : 1;
  }
  REQUIRE(differ > 10);
  for (const model::SiteExecution& how : model->explain()) {
    if (model->sites()[how.site].kind == faultgen::SiteKind::input) continue;
    REQUIRE(how.neuron_fault == "reference");
    REQUIRE(how.reason == "values are quantised");
  }
}

TEST_CASE("convolutions of one and of three dimensions are sites", "[model][quantised]") {
  const c10::InferenceMode inference;
  const std::int64_t dimensions = GENERATE(1, 3);
  const std::string suffix = GENERATE("", "_relu");
  const std::string name = "quantized::conv" + std::to_string(dimensions) + "d";
  const auto count = static_cast<std::size_t>(dimensions);
  std::vector<std::int64_t> weight_shape(count + 2, 2), input_shape(count + 1, 3);
  input_shape[0] = 2;
  const std::vector<std::int64_t> output_shape(count + 1, 2), ones(count, 1), zeros(count, 0);
  test::NetBuilder builder("Conv");
  const at::Tensor weight =
      at::quantize_per_tensor(builder.values(weight_shape), 0.01, 0, at::kQInt8);
  const c10::IValue packed = call((name + "_prepack").c_str(), {weight, builder.values({2}), ones,
                                                                zeros, ones, std::int64_t{1}});
  builder.add("conv", Net::module(builder, {"conv", name + suffix, packed, 0.03, 128}));
  const jit::Module module = builder.finish(
      "  x = torch.quantize_per_tensor(x, 0.03, 120, 13)\n"
      "  return torch.flatten(torch.dequantize(self.conv.forward(x)), 1)\n");
  const auto model = value_or_throw(test::save_and_load(module, input_shape, 8));
  REQUIRE(model->fingerprint().at("rows_per_inference") == "8");
  const std::uint32_t number = test::site_of(*model, "conv");
  const faultgen::Site& site = model->sites()[number];
  REQUIRE(faultgen::to_string(site.kind) == "conv" + std::to_string(dimensions) + "d");
  REQUIRE(site.output_shape == output_shape);

  const at::Tensor input = model::check_input(input_shape, 8);
  const auto executor = model->make_executor();
  const auto block = executor->golden(test::values_of(input));
  const at::Tensor whole = jit::Module(module).forward({input}).toTensor();
  // The sign of one value: a step as far on the other side of the zero point.
  Fault fault{number, Target::neuron, faultgen::FaultModel::bit_flip, 0, 1U << 31U};
  const std::uint64_t elements = faultgen::site_elements(site, Target::neuron);
  std::size_t flipped = 0;
  for (std::size_t row = 0; row < 8; ++row) {
    const at::Tensor golden = whole.select(0, static_cast<std::int64_t>(row));
    REQUIRE(same_bits(block->row(row).output, test::values_of(golden)));
    for (fault.element = 0; fault.element < elements; ++fault.element) {
      const at::Tensor expected = golden.clone();
      float& value = expected.data_ptr<float>()[fault.element];
      flipped += value != 0;
      if (value != 0) value = -value;
      const auto result =
          executor->trials(*block, std::vector<model::Trial>{{row, {&fault, 1}}}).front();
      REQUIRE(same_bits(result.output, test::values_of(expected)));
    }
  }
  REQUIRE(flipped > 8);
}

TEST_CASE("values of quantised sites are watched dequantised", "[model][quantised]") {
  const c10::InferenceMode inference;
  const auto model = load(1);
  const at::Tensor input = model::check_input({1, 4, 4}, 1);
  std::map<std::string, at::Tensor> expected;
  net().plain(input, [&](const std::string& name, at::Tensor& y) {
    expected[name] = y.dequantize().contiguous();
  });
  std::size_t seen = 0;
  model->observe(Target::neuron, test::values_of(input),
                 [&](std::uint32_t site, std::size_t, std::span<const float> values) {
                   const std::string name = faultgen::site_name(model->sites()[site]);
                   REQUIRE(same_bits(values, test::values_of(expected.at(name))));
                   ++seen;
                 });
  REQUIRE(seen == kSites.size());
}

TEST_CASE("what cannot be run quantised is refused with the reason", "[model][quantised]") {
  const c10::InferenceMode inference;
  test::NetBuilder dynamic("Dynamic");
  Net::add_forward(dynamic.net(), [&](jit::Graph& graph, jit::Value* self, jit::Value* x) {
    dynamic.net().register_attribute("packed", net().layers[2].packed.type(),
                                     net().layers[2].packed);
    return graph.insert(at::Symbol::fromQualString("quantized::linear_dynamic"),
                        {x, graph.insertGetAttr(self, "packed")});
  });
  REQUIRE_THAT(refusal(dynamic.net(), {24}),
               Catch::Contains("uses operator quantized::linear_dynamic: dynamic quantisation") &&
                   Catch::Contains("statically"));

  test::NetBuilder embedding("Embedding");
  const at::Tensor table = at::quantize_per_channel(at::ones({4, 6}), at::ones({4}) * 0.1,
                                                    at::zeros({4}), 0, at::kQUInt8);
  const c10::IValue packed = call("quantized::embedding_bag_prepack", {table});
  Net::add_forward(embedding.net(), [&](jit::Graph& graph, jit::Value* self, jit::Value* x) {
    embedding.net().register_attribute("packed", packed.type(), packed);
    return graph.insert(
        at::Symbol::fromQualString("quantized::embedding_byte"),
        {graph.insertGetAttr(self, "packed"),
         graph.insert(at::Symbol::fromQualString("aten::to"), {x, 4, false, false})});
  });
  REQUIRE_THAT(refusal(embedding.net(), {1}),
               Catch::Contains("attribute 'packed'") &&
                   Catch::Contains("torch.classes.quantized.EmbeddingPackedParamsBase") &&
                   Catch::Contains("quantised engine " + model::quantized_engine()) &&
                   Catch::Contains("fp32"));

  model::Protection protection;
  protection.guards = {{.site = 1, .kind = model::GuardKind::clamp, .low = {0}, .high = {1}}};
  const auto guarded =
      test::save_and_load(net().quantised, {1, 4, 4}, 16, model::Monitor::all, protection);
  REQUIRE_FALSE(guarded);
  REQUIRE(guarded.error().what ==
          "clamp at conv1: its output holds quantised values, guards are "
          "for fp32");
}

TEST_CASE("weights that the engine does not take are refused by name", "[model][quantised]") {
  const auto used = at::globalContext().qEngine();
  const auto& engines = at::globalContext().supportedQEngines();
  if (used != at::QEngine::ONEDNN ||
      std::find(engines.begin(), engines.end(), at::QEngine::QNNPACK) == engines.end()) {
    WARN("skipped: this LibTorch does not have both ONEDNN and QNNPACK");
    return;
  }
  // oneDNN wants the zero point of weights to be 0.
  at::globalContext().setQEngine(at::QEngine::QNNPACK);
  const Layer asymmetric{
      "fc", "quantized::linear",
      call("quantized::linear_prepack",
           {at::quantize_per_tensor(at::ones({4, 4}), 0.1, 3, at::kQInt8), at::zeros({4})}),
      0.1, 0};
  test::NetBuilder builder("Asymmetric");
  builder.add("fc", Net::module(builder, asymmetric));
  const jit::Module module = builder.finish(
      "  x = torch.quantize_per_tensor(x, 0.03, 120, 13)\n"
      "  return torch.dequantize(self.fc.forward(x))\n");
  const test::TempDirectory directory;
  module.save((directory / "model.pt").string());
  at::globalContext().setQEngine(used);
  const auto model = model::load({.file = directory / "model.pt", .input_shape = {4}});
  REQUIRE_FALSE(model);
  REQUIRE_THAT(model.error().what,
               Catch::StartsWith("cannot be unpacked by quantised engine ONEDNN: "));
  REQUIRE_THAT(model.error().hint,
               Catch::StartsWith("engines available: ") && Catch::Contains("QNNPACK"));
}

TEST_CASE("rows of quantised batches are joined as they are stored", "[model][quantised]") {
  const at::Tensor batch =
      at::quantize_per_tensor(model::check_input({3, 2, 2}, 4), 0.013, 77, at::kQUInt8)
          .contiguous(at::MemoryFormat::ChannelsLast);
  std::vector<at::Tensor> rows;
  for (std::int64_t row = 0; row < 4; ++row) rows.push_back(model::one_row(batch, 4, row));
  const at::Tensor joined = model::join_rows(rows);
  REQUIRE(model::same_bits(joined, batch));
  REQUIRE(joined.strides() == batch.strides());
  std::swap(rows[0], rows[1]);
  REQUIRE_FALSE(model::same_bits(model::join_rows(rows), batch));
  // Equal steps of another scale are other values.
  const at::Tensor other = at::_make_per_tensor_quantized_tensor(batch.int_repr(), 0.014, 77);
  REQUIRE_FALSE(model::same_bits(other, batch));
  rows[2] = model::one_row(other, 4, 2);
  REQUIRE_THROWS_WITH(model::join_rows(rows), "rows of a batch have several scales");
}

TEST_CASE("a campaign compares a network with itself quantised", "[model][engine][quantised]") {
  test::ToyCampaign campaign(24);
  net().fp32.save((campaign / "toy.pt").string());
  net().quantised.save((campaign / "quantised.pt").string());
  campaign.scenario.variant.model = "quantised.pt";
  campaign.scenario.variant.name = "int8";
  const engine::ModelLoader loader = engine::torch_loader();
  const engine::Inputs inputs = value_or_throw(engine::prepare(campaign.scenario, loader));
  const engine::CampaignResult done = test::run(inputs, campaign / "out");
  REQUIRE(done.audit.state == engine::AuditState::passed);
  const auto rows = value_or_throw(results::read_trials(campaign / "out" / "trials.h5"));
  REQUIRE(rows.trials.size() == std::size_t{2} * 24 * 2);

  // What becomes of the quantised network is what becomes of it by hand.
  const std::vector<float> images = engine::first_inputs(campaign.scenario, *inputs.data);
  std::size_t of_variant = 0, changed = 0;
  for (const results::TrialRow& row : rows.trials) {
    if (row.variant == 0) continue;
    const at::Tensor input =
        at::tensor(at::ArrayRef<float>(images.data() + row.sample * 16, 16)).view({1, 1, 4, 4});
    const Fault& fault = inputs.faults.faults[row.first_fault];
    const std::string site = faultgen::site_name(inputs.model->sites()[fault.site]);
    const at::Tensor golden = net().plain(input, [](const std::string&, at::Tensor&) {});
    const at::Tensor faulty = net().plain(input, [&](const std::string& name, at::Tensor& y) {
      if (name == site) touch_by_hand(fault, y);
    });
    const bool masked = same_bits(test::values_of(golden), test::values_of(faulty));
    REQUIRE(row.faulty_top1 == faulty.argmax(1).item<std::int64_t>());
    REQUIRE((row.outcome == static_cast<std::uint8_t>(metrics::Outcome::masked)) == masked);
    REQUIRE(row.any_nonfinite == 0);
    changed += masked ? 0 : 1;
    ++of_variant;
  }
  REQUIRE(of_variant == 48);
  REQUIRE(changed > 5);

  // The engine is named, and the run can be verified.
  const auto manifest = value_or_throw(results::read_manifest(campaign / "out" / "run.json"));
  REQUIRE(manifest.fingerprint.contains("quantized_engine"));
  REQUIRE_THAT(test::read_bytes(campaign / "out" / "run.json"),
               Catch::Contains("variant int8: quantised, engine " + model::quantized_engine() +
                               ", output sites only"));
  const auto files =
      value_or_throw(engine::open_run(campaign / "out", campaign.scenario.directory));
  const auto verified = engine::verify_run(files, loader, {.fraction = 1, .threads = 2});
  INFO(engine::verification_text(verified));
  REQUIRE(verified.count(engine::CheckState::failed) == 0);
  REQUIRE(verified.count(engine::CheckState::not_checked) == 0);

  // Its parameters cannot be hit, as a variant and as the original.
  campaign.scenario.faults.target = GENERATE(Target::weight, Target::bias);
  const auto variant = engine::prepare(campaign.scenario, loader);
  REQUIRE_FALSE(variant);
  REQUIRE(variant.error().where == "variant int8");
  REQUIRE_THAT(
      variant.error().what,
      Catch::Matches("its model has no (weights|biases) of (conv.|fc.), which faults hit"));
  REQUIRE_THAT(variant.error().hint,
               Catch::StartsWith("quantised layers keep weight and bias packed"));
  campaign.scenario.model.file = "quantised.pt";
  campaign.scenario.variant = {};
  const auto original = engine::prepare(campaign.scenario, loader);
  REQUIRE_FALSE(original);
  campaign.scenario.faults.target = Target::neuron;
  campaign.scenario.variant.protection = scenario::Protection::secded_39_32;
  REQUIRE_THAT(engine::prepare(campaign.scenario, loader).error().what,
               Catch::StartsWith("no site that it is for has a parameter"));
  REQUIRE_THAT(original.error().hint,
               Catch::Contains("quantised layers keep weight and bias packed"));
}
