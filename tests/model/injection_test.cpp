#include "faultgen/bits.hpp"
#include "faultgen/fault_model.hpp"
#include "suite/model/fingerprint.hpp"
#include "suite/model/row_check.hpp"
#include "tests/model/loaded.hpp"
#include "tests/model/nets.hpp"

#include <c10/core/InferenceMode.h>
#include <catch2/catch.hpp>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>

namespace {

using namespace bitquake;
using faultgen::Fault;
using faultgen::FaultModel;
using faultgen::Target;

/// LeNet on plain tensors, with something done to the output of each site.
at::Tensor plain_lenet(const torch::jit::Module& net, at::Tensor x,
                       const std::function<void(const std::string&, at::Tensor&)>& touch,
                       const std::string& faulty_weight = "",
                       const at::Tensor& weight_override = {}) {
  const auto parameter = [&](const std::string& site, const char* name) {
    if (site == faulty_weight && std::string(name) == "weight") return weight_override;
    return net.attr(site).toModule().attr(name).toTensor();
  };
  const auto conv = [&](const std::string& site, const at::Tensor& in, std::int64_t padding) {
    at::Tensor y = at::conv2d(in, parameter(site, "weight"), parameter(site, "bias"), {1, 1},
                              {padding, padding});
    touch(site, y);
    return y;
  };
  const auto linear = [&](const std::string& site, const at::Tensor& in) {
    at::Tensor y = at::linear(in, parameter(site, "weight"), parameter(site, "bias"));
    touch(site, y);
    return y;
  };
  x = at::max_pool2d(at::relu(conv("conv1", x, 2)), {2, 2}, {2, 2});
  x = at::max_pool2d(at::relu(conv("conv2", x, 0)), {2, 2}, {2, 2});
  x = at::flatten(x, 1);
  return linear("fc3", at::relu(linear("fc2", at::relu(linear("fc1", x)))));
}

/// The fault by integer tensor arithmetic, as an independent definition of three models.
void apply_by_hand(FaultModel fault, std::uint32_t mask, at::Tensor& tensor, std::int64_t element) {
  at::Tensor bits = tensor.view(at::kInt).flatten();
  const auto m = static_cast<std::int32_t>(mask);
  at::Tensor one = bits[element];
  switch (fault) {
    case FaultModel::bit_flip:
      one.copy_(at::bitwise_xor(one, m));
      break;
    case FaultModel::stuck_at_0:
      one.copy_(at::bitwise_and(one, ~m));
      break;
    case FaultModel::stuck_at_1:
      one.copy_(at::bitwise_or(one, m));
      break;
    default:
      FAIL("no model of bits");
  }
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

std::uint32_t bits_at(const at::Tensor& tensor, std::int64_t element) {
  // Not through item<float>(): that goes through double, which changes signalling NaNs.
  return static_cast<std::uint32_t>(tensor.view(at::kInt).flatten()[element].item<std::int32_t>());
}

}  // namespace

TEST_CASE("a fault gives what the same fault gives on plain tensors, bit by bit", "[model]") {
  const c10::InferenceMode inference;
  model::use_one_inner_thread();
  const torch::jit::Module net = test::lenet();
  // One row per inference: then plain operators run on the very same shapes.
  const auto model = value_or_throw(test::save_and_load(net, {1, 28, 28}, 1));
  const auto executor = model->make_executor();
  const at::Tensor input = model::check_input({1, 28, 28}, 1);
  const auto block = executor->golden(test::values_of(input));
  const auto nothing = [](const std::string&, at::Tensor&) {};
  REQUIRE(same_bits(block->row(0).output, test::values_of(plain_lenet(net, input, nothing))));

  const FaultModel kind =
      GENERATE(FaultModel::bit_flip, FaultModel::stuck_at_0, FaultModel::stuck_at_1);
  const std::string site = GENERATE("conv1", "conv2", "fc1", "fc2", "fc3");
  const std::uint32_t index = test::site_of(*model, site);
  for (const Target target : {Target::neuron, Target::weight}) {
    const faultgen::Site& where = model->sites()[index];
    const auto elements = static_cast<std::int64_t>(faultgen::element_count(
        target == Target::neuron ? where.output_shape : where.weight_shape));
    for (unsigned bit = 0; bit < 32; ++bit) {
      const std::int64_t element = (elements - 1) * bit / 31;  // first, last and some between
      const std::uint32_t mask = 1U << bit;
      const Fault fault{index, target, kind, static_cast<std::uint64_t>(element), mask};
      const std::vector<model::Trial> trials{{0, {&fault, 1}}};
      const model::TrialResult result = executor->trials(*block, trials).front();

      at::Tensor weight = net.attr(site).toModule().attr("weight").toTensor().clone();
      std::uint32_t original = target == Target::weight ? bits_at(weight, element) : 0;
      std::uint32_t corrupted = original;
      at::Tensor expected;
      if (target == Target::weight) {
        apply_by_hand(kind, mask, weight, element);
        corrupted = bits_at(weight, element);
        expected = plain_lenet(net, input, nothing, site, weight);
      } else {
        expected = plain_lenet(net, input, [&](const std::string& name, at::Tensor& y) {
          if (name != site) return;
          original = bits_at(y, element);
          apply_by_hand(kind, mask, y, element);
          corrupted = bits_at(y, element);
        });
      }
      INFO(site << " element " << element << " bit " << bit);
      REQUIRE(result.failure == "");
      REQUIRE(same_bits(result.output, test::values_of(expected)));
      REQUIRE(result.injections.size() == 1);
      REQUIRE(result.injections[0].reached);
      REQUIRE(result.injections[0].original_bits == original);
      REQUIRE(result.injections[0].corrupted_bits == corrupted);
      REQUIRE(((original ^ corrupted) & ~mask) == 0);
      if (kind == FaultModel::bit_flip) REQUIRE((original ^ corrupted) == mask);
      if (kind == FaultModel::stuck_at_0) REQUIRE((corrupted & mask) == 0);
      if (kind == FaultModel::stuck_at_1) REQUIRE((corrupted & mask) == mask);
    }
  }
}

TEST_CASE("a trial leaves no trace: the next one is golden again", "[model]") {
  const c10::InferenceMode inference;
  const torch::jit::Module net = test::lenet();
  const auto model = value_or_throw(test::save_and_load(net, {1, 28, 28}));
  const auto executor = model->make_executor();
  const at::Tensor input = model::check_input({1, 28, 28}, 4);
  const auto block = executor->golden(test::values_of(input));
  const Target target = GENERATE(Target::neuron, Target::weight, Target::bias, Target::site_input,
                                 Target::network_input);
  for (const std::uint32_t site : test::sites_with(*model, target)) {
    const Fault fault{site, target, FaultModel::stuck_at_1, 3, 0x7f800000};
    std::vector<model::Trial> trials;
    for (std::size_t row = 0; row < 4; ++row) {
      trials.push_back({row, {&fault, 1}});
      trials.push_back({row, {}});
    }
    const auto results = executor->trials(*block, trials);
    const auto again = executor->golden(test::values_of(input));
    for (std::size_t row = 0; row < 4; ++row) {
      REQUIRE(results[2 * row].first_nonfinite.has_value());
      REQUIRE_FALSE(results[2 * row + 1].first_nonfinite.has_value());
      REQUIRE(same_bits(results[2 * row + 1].output, block->row(row).output));
      REQUIRE(same_bits(again->row(row).output, block->row(row).output));
    }
  }
}

TEST_CASE("a trial gives the same bits alone and among others of its batch", "[model]") {
  const c10::InferenceMode inference;
  const auto model = value_or_throw(test::save_and_load(test::residual_net(), {3, 16, 16}));
  REQUIRE(model->fingerprint().at("rows_per_inference") == "16");
  const auto executor = model->make_executor();
  const std::size_t samples = 23;
  const at::Tensor input = model::check_input({3, 16, 16}, samples);
  const auto block = executor->golden(test::values_of(input));
  const std::vector<std::uint32_t> weighted = test::sites_with(*model, Target::weight);
  std::vector<Fault> faults;
  for (std::size_t i = 0; i < samples; ++i) {
    const std::uint32_t site = weighted[i % weighted.size()];
    // Every third value becomes NaN or Inf, which must not reach a neighbour.
    faults.push_back({site, i % 5 == 4 ? Target::weight : Target::neuron, FaultModel::stuck_at_1,
                      i % 7, i % 3 == 0 ? 0x7f800000ULL : 0x40000000ULL});
  }
  std::vector<model::Trial> trials;
  for (std::size_t i = 0; i < samples; ++i) trials.push_back({i, {&faults[i], 1}});
  const auto together = executor->trials(*block, trials);
  for (std::size_t i = 0; i < samples; ++i) {
    const auto alone = executor->trials(*block, std::span(trials).subspan(i, 1)).front();
    REQUIRE(same_bits(alone.output, together[i].output));
    REQUIRE((alone.injections == together[i].injections));
    REQUIRE(alone.first_nonfinite == together[i].first_nonfinite);
    const auto one =
        executor->golden(test::values_of(input[static_cast<std::int64_t>(i)].contiguous()));
    REQUIRE(same_bits(one->row(0).output, block->row(i).output));
  }
}

TEST_CASE("faults of a group are all applied, in order, and do not cancel", "[model]") {
  const c10::InferenceMode inference;
  const torch::jit::Module net = test::lenet();
  const auto model = value_or_throw(test::save_and_load(net, {1, 28, 28}, 1));
  const auto executor = model->make_executor();
  const at::Tensor input = model::check_input({1, 28, 28}, 1);
  const auto block = executor->golden(test::values_of(input));
  const std::uint32_t conv2 = test::site_of(*model, "conv2"), fc1 = test::site_of(*model, "fc1");
  // Two faults of one element, one of another, one in another site, one in a weight.
  const std::vector<Fault> group{{conv2, Target::neuron, FaultModel::bit_flip, 40, 1U << 23},
                                 {conv2, Target::neuron, FaultModel::stuck_at_1, 40, 1U << 31},
                                 {conv2, Target::neuron, FaultModel::bit_flip, 41, 1U << 30},
                                 {fc1, Target::weight, FaultModel::bit_flip, 1000, 1U << 27},
                                 {fc1, Target::neuron, FaultModel::bit_flip, 7, 1U << 26}};
  const std::vector<model::Trial> trials{{0, group}};
  const auto result = executor->trials(*block, trials).front();

  at::Tensor weight = net.attr("fc1").toModule().attr("weight").toTensor().clone();
  apply_by_hand(FaultModel::bit_flip, 1U << 27, weight, 1000);
  std::uint32_t between = 0;
  const at::Tensor expected = plain_lenet(
      net, input,
      [&](const std::string& name, at::Tensor& y) {
        if (name == "conv2") {
          apply_by_hand(FaultModel::bit_flip, 1U << 23, y, 40);
          between = bits_at(y, 40);
          apply_by_hand(FaultModel::stuck_at_1, 1U << 31, y, 40);
          apply_by_hand(FaultModel::bit_flip, 1U << 30, y, 41);
        }
        if (name == "fc1") apply_by_hand(FaultModel::bit_flip, 1U << 26, y, 7);
      },
      "fc1", weight);
  REQUIRE(same_bits(result.output, test::values_of(expected)));
  REQUIRE(result.injections[1].original_bits == between);
  for (const model::Injection& injection : result.injections) REQUIRE(injection.reached);
}

TEST_CASE("a neuron fault of a linear site hits one feature of its own sample only", "[model]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.linear("only", 4, 3);
  const auto net = b.finish("  return self.only.forward(torch.flatten(x, 1))\n");
  const auto model = value_or_throw(test::save_and_load(net, {1, 2, 2}));
  const auto executor = model->make_executor();
  const std::size_t samples = 16;
  const auto block = executor->golden(test::values_of(model::check_input({1, 2, 2}, samples)));
  const Fault fault{1, Target::neuron, FaultModel::bit_flip, 2, 1U << 31};
  std::vector<model::Trial> trials;
  for (std::size_t i = 0; i < samples; ++i) trials.push_back({i, {&fault, 1}});
  const auto results = executor->trials(*block, trials);
  for (std::size_t i = 0; i < samples; ++i) {
    const auto& golden = block->row(i).output;
    REQUIRE(results[i].output == std::vector<float>{golden[0], golden[1], -golden[2]});
  }
}

TEST_CASE("the first monitored point that turns non-finite is named", "[model]") {
  const c10::InferenceMode inference;
  const auto monitor = GENERATE(model::Monitor::all, model::Monitor::output);
  const auto model = value_or_throw(test::save_and_load(test::lenet(), {1, 28, 28}, 16, monitor));
  const auto executor = model->make_executor();
  const auto block = executor->golden(test::values_of(model::check_input({1, 28, 28}, 1)));
  const auto first_of = [&](const Fault& fault) {
    const std::vector<model::Trial> trials{{0, {&fault, 1}}};
    const auto result = executor->trials(*block, trials).front();
    REQUIRE(result.first_nonfinite.has_value());
    return model->points()[*result.first_nonfinite];
  };
  const auto neuron = first_of(
      {test::site_of(*model, "conv2"), Target::neuron, FaultModel::stuck_at_1, 5, 0x7f800000});
  REQUIRE(neuron.path == "conv2");
  REQUIRE(neuron.kind == (monitor == model::Monitor::all ? model::PointKind::module_output
                                                         : model::PointKind::site_output));
  const auto weight = first_of(
      {test::site_of(*model, "fc3"), Target::weight, FaultModel::stuck_at_1, 5, 0x7f800000});
  REQUIRE((weight == model::Point{"fc3.weight", model::PointKind::parameter}));
}

TEST_CASE("a finite fault that overflows later is named where it overflows", "[model]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.linear("first", 4, 4);
  b.add("gain", b.layer("Gain", "  return x * 100.0\n"));
  b.add("clip", b.layer("Clip", "  return torch.clamp(x, -1.0, 1.0)\n"));
  const auto net = b.finish(
      "  return self.clip.forward(self.gain.forward(self.first.forward(torch.flatten(x, 1))))\n");
  const auto model = value_or_throw(test::save_and_load(net, {1, 2, 2}));
  const auto executor = model->make_executor();
  const auto block = executor->golden(test::values_of(model::check_input({1, 2, 2}, 1)));
  const Fault fault{1, Target::neuron, FaultModel::bit_flip, 1, 1U << 30};  // times 2^128
  const std::vector<model::Trial> trials{{0, {&fault, 1}}};
  const auto result = executor->trials(*block, trials).front();
  REQUIRE(std::isfinite(
      faultgen::from_bits(static_cast<std::uint32_t>(result.injections[0].corrupted_bits))));
  REQUIRE(model->points().at(result.first_nonfinite.value()).path == "gain");
  REQUIRE(std::abs(result.output[1]) == 1.0F);  // clipped: the output alone shows nothing
}

TEST_CASE("of several faulty weights the one that is used first is named", "[model]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.linear("first", 4, 3);
  b.add("gain", b.layer("Gain", "  return x * 100.0\n"));
  b.add("clip", b.layer("Clip", "  return torch.clamp(x, -1.0, 1.0)\n"));
  b.linear("head", 3, 2);
  const auto net = b.finish(
      "  x = self.gain.forward(self.first.forward(torch.flatten(x, 1)))\n"
      "  return self.head.forward(self.clip.forward(x))\n");
  const auto model = value_or_throw(test::save_and_load(net, {1, 2, 2}));
  const auto executor = model->make_executor();
  const auto block = executor->golden(test::values_of(model::check_input({1, 2, 2}, 1)));
  const auto first_of = [&](const std::vector<Fault>& faults) {
    const std::vector<model::Trial> trials{{0, faults}};
    const auto result = executor->trials(*block, trials).front();
    return model->points().at(result.first_nonfinite.value()).path;
  };
  const Fault nan_in_head{2, Target::weight, FaultModel::stuck_at_1, 0, 0x7f800000};
  const Fault nan_in_first{1, Target::weight, FaultModel::stuck_at_1, 0, 0x7f800000};
  REQUIRE(first_of({nan_in_head, nan_in_first}) == "first.weight");
  REQUIRE(first_of({nan_in_first, nan_in_head}) == "first.weight");
  REQUIRE(first_of({nan_in_head}) == "head.weight");
  // A finite weight whose consequences overflow before the site of the other one.
  const Fault large{1, Target::weight, FaultModel::bit_flip, 1, 1U << 30};
  REQUIRE(first_of({nan_in_head, large}) == "gain");
  REQUIRE(first_of({large, nan_in_head}) == "gain");
}

TEST_CASE("values that are non-finite in the golden run do not make a trial due", "[model]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.conv("conv", 1, 2, 1);
  b.add("log", b.layer("Log", "  return torch.log(torch.relu(x))\n"));
  b.linear("head", 8, 3);
  const auto net = b.finish(
      "  y = torch.clamp(self.log.forward(self.conv.forward(x)), -3.0, 3.0)\n"
      "  return self.head.forward(torch.flatten(y, 1))\n");
  const auto model = value_or_throw(test::save_and_load(net, {1, 2, 2}));
  const auto executor = model->make_executor();
  // conv = w x + b: make the first map negative everywhere (log 0 = -Inf), the second as it comes.
  const auto block = executor->golden(test::values_of(model::check_input({1, 2, 2}, 8)));
  bool harmless_seen = false, new_seen = false;
  for (std::size_t row = 0; row < 8; ++row) {
    for (std::uint64_t element = 0; element < 8; ++element) {
      const Fault small{1, Target::neuron, FaultModel::bit_flip, element, 1};
      const Fault sign{1, Target::neuron, FaultModel::stuck_at_1, element, 1U << 31};
      const std::vector<model::Trial> trials{{row, {&small, 1}}, {row, {&sign, 1}}};
      const auto results = executor->trials(*block, trials);
      REQUIRE(block->row(row).output_finite);
      // The last mantissa bit makes nothing non-finite that was finite.
      REQUIRE_FALSE(results[0].first_nonfinite.has_value());
      harmless_seen |= results[0].any_nonfinite;
      // A positive value made negative gives a new -Inf exactly there; a negative one nothing new.
      const bool was_positive = (results[1].injections[0].original_bits >> 31) == 0;
      REQUIRE(results[1].first_nonfinite.has_value() == was_positive);
      if (was_positive) {
        REQUIRE(model->points()[*results[1].first_nonfinite].path == "log");
        new_seen = true;
      }
    }
  }
  REQUIRE(harmless_seen);
  REQUIRE(new_seen);
}

TEST_CASE("an inference that fails is that trial's failure alone", "[model]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.linear("head", 4, 3);
  const auto net = b.finish(
      "  y = self.head.forward(torch.flatten(x, 1))\n"
      "  assert not bool(torch.any(torch.isnan(y))), \"a NaN was seen\"\n"
      "  return y\n");
  const auto model = value_or_throw(test::save_and_load(net, {1, 2, 2}));
  REQUIRE(model->fingerprint().at("rows_per_inference") == "1");
  const auto executor = model->make_executor();
  const auto block = executor->golden(test::values_of(model::check_input({1, 2, 2}, 2)));
  const Fault nan{1, Target::neuron, FaultModel::stuck_at_1, 0, 0x7fc00000};
  const Fault sign{1, Target::neuron, FaultModel::bit_flip, 0, 1U << 31};
  const std::vector<model::Trial> trials{{0, {&sign, 1}}, {0, {&nan, 1}}, {1, {&sign, 1}}};
  const auto results = executor->trials(*block, trials);
  REQUIRE(results[0].failure == "");
  REQUIRE_THAT(results[1].failure, Catch::Contains("a NaN was seen"));
  REQUIRE(results[1].output.empty());
  REQUIRE(results[1].injections[0].reached);
  REQUIRE(results[2].failure == "");
  REQUIRE(results[2].output[0] == -block->row(1).output[0]);
}

TEST_CASE("a site that control flow does not run is reported as not reached", "[model]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.linear("positive", 1, 2);
  const auto net = b.finish(
      "  y = torch.flatten(x, 1)\n"
      "  if float(torch.max(x)) > -100.0:\n"
      "    return self.positive.forward(y)\n"
      "  return torch.cat([y, y], 1)\n");
  const auto model = value_or_throw(test::save_and_load(net, {1, 1, 1}));
  const auto executor = model->make_executor();
  const auto block = executor->golden(std::vector<float>{1.0F, -200.0F});
  const Fault fault{1, Target::neuron, FaultModel::bit_flip, 1, 1U << 31};
  const std::vector<model::Trial> trials{{0, {&fault, 1}}, {1, {&fault, 1}}};
  const auto results = executor->trials(*block, trials);
  REQUIRE(results[0].injections[0].reached);
  REQUIRE_FALSE(results[1].injections[0].reached);
  REQUIRE(results[1].output == std::vector<float>{-200.0F, -200.0F});
}

TEST_CASE("each call of a module is a neuron site of its own, with one weight", "[model]") {
  const c10::InferenceMode inference;
  const torch::jit::Module net = test::scripted_net();
  const auto model = value_or_throw(test::save_and_load(net, {3, 8, 8}, 1));
  std::vector<std::string> names;
  for (const auto& site : model->sites()) names.push_back(faultgen::site_name(site));
  REQUIRE(names == std::vector<std::string>{"input", "conv", "(activation 0)", "conv#1",
                                            "(activation 0)#1", "conv#2", "(activation 0)#2",
                                            "head"});
  const faultgen::FaultSpace weights(model->sites(), Target::weight);
  REQUIRE(weights.total_elements() == 3 * 3 * 3 * 3 + 6 * 3);

  const auto executor = model->make_executor();
  const at::Tensor input = model::check_input({3, 8, 8}, 1);
  const auto block = executor->golden(test::values_of(input));
  const auto conv = net.attr("conv").toModule(), head = net.attr("head").toModule();
  for (std::uint32_t call = 0; call < 3; ++call) {
    const Fault fault{1 + 2 * call, Target::neuron, FaultModel::bit_flip, 17, 1U << 30};
    const std::vector<model::Trial> trials{{0, {&fault, 1}}};
    at::Tensor x = input;
    for (std::uint32_t i = 0; i < 3; ++i) {
      x = at::conv2d(x, conv.attr("weight").toTensor(), conv.attr("bias").toTensor(), {1, 1},
                     {1, 1});
      if (i == call) apply_by_hand(FaultModel::bit_flip, 1U << 30, x, 17);
      x = at::relu(x) + static_cast<double>(i);
    }
    const at::Tensor expected = at::linear(at::mean(x, {2, 3}), head.attr("weight").toTensor(),
                                           head.attr("bias").toTensor());
    REQUIRE(same_bits(executor->trials(*block, trials).front().output, test::values_of(expected)));
  }
}

TEST_CASE("a fault that changes no bit changes nothing, in any memory layout", "[model]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.conv("conv1", 3, 8, 3, 1, 1);
  b.conv("conv2", 8, 8, 3, 1, 1);
  b.linear("head", 8, 5);
  torch::jit::Module net = b.finish(
      "  x = torch.relu(self.conv1.forward(x.contiguous(memory_format=2)))\n"  // channels last
      "  x = torch.relu(self.conv2.forward(x))\n"
      "  return self.head.forward(torch.mean(x, [2, 3]))\n");
  for (const char* name : {"conv1", "conv2"}) {
    auto conv = net.attr(name).toModule();
    conv.setattr("weight",
                 conv.attr("weight").toTensor().contiguous(at::MemoryFormat::ChannelsLast));
  }
  const auto model = value_or_throw(test::save_and_load(net, {3, 9, 9}));
  const auto executor = model->make_executor();
  const auto block = executor->golden(test::values_of(model::check_input({3, 9, 9}, 16)));
  const FaultModel kind = GENERATE(FaultModel::stuck_at_0, FaultModel::stuck_at_1);
  const std::vector<std::uint32_t> weighted = test::sites_with(*model, Target::weight);
  for (const Target target : {Target::neuron, Target::weight}) {
    std::vector<Fault> faults;
    for (std::uint64_t i = 0; i < 64; ++i) {
      faults.push_back({weighted[i % 3], target, kind, i % 40, 1ULL << (i % 32)});
      if (model->sites()[faults.back().site].path == "head") faults.back().element %= 5;
    }
    std::vector<model::Trial> trials;
    for (std::size_t i = 0; i < faults.size(); ++i) trials.push_back({i % 16, {&faults[i], 1}});
    const auto results = executor->trials(*block, trials);
    std::size_t unchanged = 0;
    for (std::size_t i = 0; i < faults.size(); ++i) {
      const auto& injection = results[i].injections[0];
      if (injection.original_bits != injection.corrupted_bits) continue;
      ++unchanged;
      REQUIRE(same_bits(results[i].output, block->row(trials[i].golden_row).output));
    }
    REQUIRE(unchanged > 10);
  }
}

TEST_CASE("a weight that is used twice is faulty in both uses", "[model]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.linear("twice", 4, 4);
  auto tied = b.make("Tied");
  tied.register_parameter("weight", b.net().attr("twice").toModule().attr("weight").toTensor(),
                          false);
  tied.register_parameter("bias", b.values({4}), false);
  tied.define("def forward(self, x):\n  return torch.linear(x, self.weight, self.bias)\n");
  b.add("tied", tied);
  const auto net = b.finish(
      "  x = torch.flatten(x, 1)\n"
      "  x = self.twice.forward(torch.sigmoid(self.twice.forward(x)))\n"
      "  return self.tied.forward(x)\n");
  const auto model = value_or_throw(test::save_and_load(net, {1, 2, 2}, 1));
  REQUIRE(faultgen::FaultSpace(model->sites(), Target::weight).total_elements() == 16);
  REQUIRE_THAT(model->notices().at(0), Catch::Contains("the weight of tied is that of twice"));
  const auto executor = model->make_executor();
  const at::Tensor input = model::check_input({1, 2, 2}, 1);
  const auto block = executor->golden(test::values_of(input));
  const Fault fault{1, Target::weight, FaultModel::bit_flip, 5, 1U << 30};
  const std::vector<model::Trial> trials{{0, {&fault, 1}}};
  const auto twice = net.attr("twice").toModule();
  at::Tensor weight = twice.attr("weight").toTensor().clone();
  apply_by_hand(FaultModel::bit_flip, 1U << 30, weight, 5);
  const at::Tensor bias = twice.attr("bias").toTensor();
  at::Tensor x = at::sigmoid(at::linear(at::flatten(input, 1), weight, bias));
  x = at::linear(at::linear(x, weight, bias), weight,
                 net.attr("tied").toModule().attr("bias").toTensor());
  REQUIRE(same_bits(executor->trials(*block, trials).front().output, test::values_of(x)));
}

TEST_CASE("tensors in tuples, lists and dictionaries are monitored; large doubles are finite",
          "[model]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.linear("first", 4, 4);
  const std::string body =
      GENERATE(as<std::string>{}, "  return {\"a\": x * 100.0}\n", "  return [(x * 100.0, x)]\n",
               "  return (x, [x * 100.0])\n", "  return x.double() * 1e10\n");
  const bool is_double = body.find("double") != std::string::npos;
  const std::string access = body.find("{") != std::string::npos     ? "y[\"a\"]"
                             : body.find("[(") != std::string::npos  ? "y[0][0]"
                             : body.find("(x,") != std::string::npos ? "y[1][0]"
                                                                     : "y.float()";
  b.add("inner", b.layer("Inner", body));
  const auto net = b.finish(
      "  y = self.inner.forward(self.first.forward(torch.flatten(x, 1)))\n"
      "  return torch.clamp(" +
      access + ", -1.0, 1.0)\n");
  const auto model = value_or_throw(test::save_and_load(net, {1, 2, 2}));
  const auto executor = model->make_executor();
  const auto block = executor->golden(test::values_of(model::check_input({1, 2, 2}, 1)));
  const Fault fault{1, Target::neuron, FaultModel::bit_flip, 1, 1U << 30};
  const std::vector<model::Trial> trials{{0, {&fault, 1}}};
  const auto result = executor->trials(*block, trials).front();
  if (is_double) {
    REQUIRE_FALSE(result.first_nonfinite.has_value());
  } else {
    REQUIRE(model->points().at(result.first_nonfinite.value()).path == "inner");
  }
}

TEST_CASE("batched execution gives the results of the reference, bit by bit", "[model][batched]") {
  const c10::InferenceMode inference;
  const auto [net, shape] =
      GENERATE(std::pair{test::lenet(), std::vector<std::int64_t>{1, 28, 28}},
               std::pair{test::residual_net(), std::vector<std::int64_t>{3, 16, 16}},
               std::pair{test::concat_net(), std::vector<std::int64_t>{4, 12, 12}},
               std::pair{test::scripted_net(), std::vector<std::int64_t>{3, 8, 8}});
  const auto model = value_or_throw(test::save_and_load(net, shape, 4));
  const auto input = model::check_input(shape, 7);
  std::vector<std::vector<Fault>> groups;
  for (const std::uint32_t site : test::sites_with(*model, Target::neuron)) {
    const Fault neuron{site, Target::neuron, FaultModel::bit_flip, 1, 1U << 29};
    groups.push_back({neuron});
    if (faultgen::site_elements(model->sites()[site], Target::weight) == 0) continue;
    for (const std::uint32_t mask : {1U << 20, 1U << 31, 0x7f800000U}) {
      const Fault weight{site, Target::weight, FaultModel::stuck_at_1, 3, mask};
      groups.push_back({weight});
      groups.push_back({weight, neuron});
      groups.push_back({neuron, weight, weight});
    }
  }
  std::vector<model::Trial> trials;
  for (std::size_t row = 0; row < 7; ++row) {
    for (const auto& group : groups) trials.push_back({row, group});
  }
  const auto run = [&](model::Execution execution) {
    const auto executor = model->make_executor({.execution = execution, .parts = {}});
    return executor->trials(*executor->golden(test::values_of(input)), trials);
  };
  const auto expected = run(model::Execution::reference), batched = run(model::Execution::batched);
  bool parameter_named = false;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    INFO("trial " << i);
    REQUIRE(expected[i].failure == "");
    REQUIRE(batched[i].failure == "");
    REQUIRE(same_bits(batched[i].output, expected[i].output));
    REQUIRE((batched[i].injections == expected[i].injections));
    REQUIRE((batched[i].first_nonfinite == expected[i].first_nonfinite));
    REQUIRE(batched[i].any_nonfinite == expected[i].any_nonfinite);
    for (const model::Injection& injection : batched[i].injections) REQUIRE(injection.reached);
    parameter_named |=
        batched[i].first_nonfinite &&
        model->points()[*batched[i].first_nonfinite].kind == model::PointKind::parameter;
  }
  REQUIRE(parameter_named);
}

TEST_CASE("batched execution puts a faulty weight in place once for all samples of a batch",
          "[model][batched]") {
  static std::size_t applied;
  const FaultModel counted = value_or_throw(faultgen::register_fault_model(
      "counted_flip", "a bit flip that is counted", [](std::uint64_t mask, std::uint64_t bits) {
        ++applied;
        return bits ^ mask;
      }));
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.linear("head", 4, 3);
  const auto model = value_or_throw(test::save_and_load(
      b.finish("  return self.head.forward(torch.flatten(x, 1))\n"), {1, 2, 2}, 4));
  const auto input = model::check_input({1, 2, 2}, 10);
  const Fault first{1, Target::weight, counted, 0, 1U << 31};
  const Fault second{1, Target::weight, counted, 5, 1U << 31};
  const Fault copy = first;  // what counts is what the faults are, not where they are kept
  std::vector<model::Trial> trials;
  for (std::size_t row = 0; row < 10; ++row) {
    trials.push_back({row, {row % 2 == 0 ? &first : &copy, 1}});
    if (row < 4) trials.push_back({row, {&second, 1}});
  }
  const auto inferences = [&](model::Execution execution) {
    const auto executor = model->make_executor({.execution = execution, .parts = {}});
    const auto block = executor->golden(test::values_of(input));
    applied = 0;
    for (const model::TrialResult& result : executor->trials(*block, trials)) {
      REQUIRE(result.injections.at(0).reached);
    }
    return applied;
  };
  REQUIRE(inferences(model::Execution::reference) == 14);
  REQUIRE(inferences(model::Execution::batched) == 3 + 1);  // 10 and 4 samples, 4 at a time
}

TEST_CASE("faults that differ in anything share no faulty weight", "[model][batched]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.linear("only", 4, 3);
  const auto model = value_or_throw(test::save_and_load(
      b.finish("  return self.only.forward(torch.flatten(x, 1))\n"), {1, 2, 2}, 16));
  using faultgen::NumberFormat;
  const auto fault = [](const std::function<void(Fault&)>& change) {
    Fault made{1, Target::weight, FaultModel::gaussian, 5, 0, faultgen::to_bits(0.75F)};
    made.storage = {NumberFormat::int8, 0.03125F, 1};
    change(made);
    return std::vector<Fault>{made};
  };
  // The first as it is; each of the others with one thing changed.
  const std::vector<std::vector<Fault>> groups{
      fault([](Fault&) {}),
      fault([](Fault& f) { f.target = Target::bias, f.element = 2; }),
      fault([](Fault& f) { f.element = 6; }),
      fault([](Fault& f) { f.model = FaultModel::set_value; }),
      fault([](Fault& f) { f.model = FaultModel::bit_flip, f.bit_mask = 2; }),
      fault([](Fault& f) { f.model = FaultModel::bit_flip, f.bit_mask = 4; }),
      fault([](Fault& f) { f.value = faultgen::to_bits(2.25F); }),
      fault([](Fault& f) { f.storage.scale = 0.0625F; }),
      fault([](Fault& f) { f.storage.zero_point = 2, f.value = faultgen::to_bits(1e9F); }),
      fault([](Fault& f) { f.storage.zero_point = 3, f.value = faultgen::to_bits(1e9F); }),
      fault([](Fault& f) { f.storage = {.format = NumberFormat::fp16}; }),
      fault([](Fault& f) { f.storage = {.format = NumberFormat::bf16}; }),
      fault([](Fault& f) {
        f.storage = {NumberFormat::fixed, 1, 0, 2, 1};
      }),
      fault([](Fault& f) {
        f.storage = {NumberFormat::fixed, 1, 0, 2, 3};
      }),
      fault([](Fault& f) {
        f.storage = {NumberFormat::fixed, 1, 0, 1, 3}, f.value = faultgen::to_bits(3.5F);
      }),
      fault([](Fault& f) {
        f.storage = {NumberFormat::fixed, 1, 0, 2, 3}, f.value = faultgen::to_bits(3.5F);
      })};
  std::vector<model::Trial> trials;
  for (const auto& group : groups) trials.push_back({0, group});
  const at::Tensor input = model::check_input({1, 2, 2}, 1);
  const auto run = [&](const model::ExecutionOptions& options, bool together) {
    const auto executor = model->make_executor(options);
    const auto block = executor->golden(test::values_of(input));
    if (together) return executor->trials(*block, trials);
    std::vector<model::TrialResult> results;
    for (const model::Trial& trial : trials) {
      results.push_back(executor->trials(*block, {&trial, 1}).front());
    }
    return results;
  };
  const auto alone = run({model::Execution::reference, {}}, false);
  for (std::size_t i = 0; i < alone.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      CAPTURE(i, j);
      REQUIRE((alone[i].injections != alone[j].injections || alone[i].output != alone[j].output));
    }
  }
  for (const auto execution : {model::Execution::batched, model::Execution::incremental}) {
    const auto together = run({execution, {}}, true);
    for (std::size_t i = 0; i < alone.size(); ++i) {
      CAPTURE(static_cast<int>(execution), i);
      REQUIRE((together[i].injections == alone[i].injections));
      REQUIRE(same_bits(together[i].output, alone[i].output));
    }
  }
}

TEST_CASE("faulty biases alone, and known changes beside a faulty filter, are kept apart",
          "[model][incremental]") {
  const c10::InferenceMode inference;
  // More output channels than a block of filters, so that filters of several trials run together.
  test::NetBuilder b;
  b.conv("only", 2, 40, 3, 1, 1);
  const auto model = value_or_throw(test::save_and_load(
      b.finish("  return torch.flatten(self.only.forward(x), 1)\n"), {2, 4, 4}, 16));
  std::vector<std::vector<Fault>> groups;
  for (std::uint64_t i = 0; i < 20; ++i) {
    // The same channel with other biases, and two channels at once.
    groups.push_back({{1, Target::bias, FaultModel::set_value, 7, 0,
                       faultgen::to_bits(0.5F + static_cast<float>(i))}});
    groups.push_back({{1, Target::bias, FaultModel::set_value, i, 0, faultgen::to_bits(2.0F)},
                      {1, Target::weight, FaultModel::sign_flip, (39 - i) * 18 + 3}});
  }
  std::vector<model::Trial> trials;
  for (std::size_t i = 0; i < groups.size(); ++i) trials.push_back({i % 3, groups[i]});
  const at::Tensor input = model::check_input({2, 4, 4}, 3);
  const auto run = [&](model::Execution execution) {
    const auto executor = model->make_executor({execution, {}});
    return executor->trials(*executor->golden(test::values_of(input)), trials);
  };
  const auto expected = run(model::Execution::reference);
  const auto got = run(model::Execution::incremental);
  for (std::size_t i = 0; i < trials.size(); ++i) {
    CAPTURE(i);
    REQUIRE((got[i].injections == expected[i].injections));
    REQUIRE(same_bits(got[i].output, expected[i].output));
  }
}

TEST_CASE("a faulty weight does not hide that an earlier neuron turned non-finite", "[model]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.linear("first", 4, 3);
  b.linear("head", 3, 2);
  const auto model = value_or_throw(test::save_and_load(
      b.finish("  x = torch.clamp(self.first.forward(torch.flatten(x, 1)), -1.0, 1.0)\n"
               "  return self.head.forward(x)\n"),
      {1, 2, 2}, 16, model::Monitor::output));
  const auto executor =
      model->make_executor({.execution = model::Execution::reference, .parts = {}});
  const auto block = executor->golden(test::values_of(model::check_input({1, 2, 2}, 1)));
  const std::vector<Fault> group{{2, Target::weight, FaultModel::stuck_at_1, 0, 0x7f800000},
                                 {1, Target::neuron, FaultModel::stuck_at_1, 0, 0x7f800000}};
  const std::vector<model::Trial> trials{{0, group}};
  const auto result = executor->trials(*block, trials).front();
  REQUIRE((model->points().at(result.first_nonfinite.value()) ==
           model::Point{"first", model::PointKind::site_output}));
}

TEST_CASE("a sample that fails without any fault is named", "[model][error]") {
  test::NetBuilder b;
  b.linear("head", 1, 2);
  const auto net = b.finish(
      "  assert float(torch.max(x)) < 100.0, \"too bright\"\n"
      "  return self.head.forward(torch.flatten(x, 1))\n");
  const auto model = value_or_throw(test::save_and_load(net, {1, 1, 1}));
  const auto executor = model->make_executor();
  const std::vector<float> samples{1.0F, 2.0F, 300.0F};
  const auto require_named = [](const auto& run) {
    try {
      run();
      FAIL("nothing was thrown");
    } catch (const model::GoldenFailure& failure) {
      REQUIRE(failure.row() == 2);
      REQUIRE_THAT(failure.what(), Catch::Contains("too bright"));
    }
  };
  require_named([&] { executor->golden(samples); });
  require_named([&] { model->observe(Target::neuron, samples, [](auto, auto, auto) {}); });
}

TEST_CASE("a trace compares each site with golden as plain tensors do", "[model][trace]") {
  const c10::InferenceMode inference;
  model::use_one_inner_thread();
  const torch::jit::Module net = test::lenet();
  const auto model = value_or_throw(test::save_and_load(net, {1, 28, 28}, 1));
  const auto executor = model->make_executor();
  const at::Tensor input = model::check_input({1, 28, 28}, 1);
  const auto block = executor->golden(test::values_of(input));
  const std::uint32_t conv2 = test::site_of(*model, "conv2"), fc1 = test::site_of(*model, "fc1");
  const std::vector<Fault> group{{conv2, Target::neuron, FaultModel::bit_flip, 40, 1U << 23},
                                 {fc1, Target::weight, FaultModel::stuck_at_1, 1000, 1U << 30}};
  const model::Trace trace = executor->trace(*block, {0, group});
  const std::vector<model::Trial> trials{{0, group}};
  REQUIRE(same_bits(trace.result.output, executor->trials(*block, trials).front().output));

  std::vector<at::Tensor> golden, faulty;
  plain_lenet(net, input, [&](const std::string&, at::Tensor& y) { golden.push_back(y.clone()); });
  at::Tensor weight = net.attr("fc1").toModule().attr("weight").toTensor().clone();
  apply_by_hand(FaultModel::stuck_at_1, 1U << 30, weight, 1000);
  plain_lenet(
      net, input,
      [&](const std::string& name, at::Tensor& y) {
        if (name == "conv2") apply_by_hand(FaultModel::bit_flip, 1U << 23, y, 40);
        faulty.push_back(y.clone());
      },
      "fc1", weight);
  REQUIRE(trace.sites.size() == model->sites().size());
  const std::vector<std::uint32_t> layers = test::sites_with(*model, Target::weight);
  REQUIRE(layers.size() == 5);
  for (std::size_t layer = 0; layer < 5; ++layer) {
    const std::uint32_t site = layers[layer];
    const at::Tensor a = golden[layer].flatten(), b = faulty[layer].flatten();
    const at::Tensor finite = at::isfinite(b);
    const at::Tensor distance =
        at::abs(b.to(at::kDouble) - a.to(at::kDouble)).masked_select(finite);
    const model::SiteDeviation& seen = trace.sites[site];
    INFO("site " << site);
    REQUIRE(seen.site == site);
    REQUIRE(seen.elements == static_cast<std::uint64_t>(a.numel()));
    REQUIRE(seen.differing ==
            static_cast<std::uint64_t>(
                at::ne(a.view(at::kInt), b.view(at::kInt)).sum().item<std::int64_t>()));
    REQUIRE(seen.nan == static_cast<std::uint64_t>(at::isnan(b).sum().item<std::int64_t>()));
    REQUIRE(seen.inf == static_cast<std::uint64_t>(at::isinf(b).sum().item<std::int64_t>()));
    REQUIRE(seen.max_abs.value_or(0) ==
            (distance.numel() == 0 ? 0.0 : distance.max().item<double>()));
  }
  REQUIRE(trace.sites[0].elements == 28 * 28);  // the input
  REQUIRE(trace.sites[0].differing == 0);
  REQUIRE(trace.sites[layers[0]].differing == 0);
  REQUIRE(trace.sites[layers[1]].differing == 1);
  REQUIRE(trace.sites[layers[4]].differing == 10);
}

TEST_CASE("a trace gives the result of the trial, whatever else is in the batch",
          "[model][trace]") {
  const c10::InferenceMode inference;
  const torch::jit::Module net = test::residual_net();
  const auto model = value_or_throw(test::save_and_load(net, {3, 16, 16}));
  const auto executor = model->make_executor();
  const at::Tensor input = model::check_input({3, 16, 16}, 5);
  const auto block = executor->golden(test::values_of(input));
  std::vector<Fault> faults;
  for (const std::uint32_t site : test::sites_with(*model, Target::neuron)) {
    for (const unsigned bit : {3U, 22U, 30U}) {
      faults.push_back({site, Target::neuron, FaultModel::bit_flip, 5U * site % 7U, 1U << bit});
    }
  }
  std::vector<model::Trial> trials;
  for (std::size_t i = 0; i < faults.size(); ++i) trials.push_back({i % 5, {&faults[i], 1}});
  const auto results = executor->trials(*block, trials);
  for (std::size_t i = 0; i < trials.size(); ++i) {
    const model::Trace trace = executor->trace(*block, trials[i]);
    REQUIRE(same_bits(trace.result.output, results[i].output));
    REQUIRE((trace.result.injections == results[i].injections));
    REQUIRE((trace.result.first_nonfinite == results[i].first_nonfinite));
    REQUIRE(trace.sites[faults[i].site].differing == 1);
  }
}
