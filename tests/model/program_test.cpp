#include "suite/model/program.hpp"

#include "suite/model/fingerprint.hpp"
#include "suite/model/lowering.hpp"
#include "suite/model/row_check.hpp"
#include "tests/model/nets.hpp"

#include <c10/core/InferenceMode.h>
#include <catch2/catch.hpp>

#include <cstring>
#include <filesystem>

namespace {

using namespace bitquake;
using model::Program;

Program build(torch::jit::Module module) {
  module.eval();
  auto lowered = model::lower(module, "test.pt");
  if (!lowered) FAIL(to_string(lowered.error()));
  auto program = Program::build(std::move(*lowered), "test.pt");
  if (!program) FAIL(to_string(program.error()));
  return std::move(*program);
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.contiguous(), y = b.contiguous();
  return x.sizes() == y.sizes() && x.scalar_type() == y.scalar_type() &&
         std::memcmp(x.data_ptr(), y.data_ptr(), x.nbytes()) == 0;
}

void require_equal_to_module(const torch::jit::Module& module,
                             const std::vector<std::int64_t>& shape) {
  const c10::InferenceMode inference;
  model::use_one_inner_thread();
  const Program program = build(module);
  for (const std::int64_t batch : {1, 2, 16}) {
    const at::Tensor input = model::check_input(shape, batch);
    const at::Tensor untouched = input.clone();
    model::Registers registers = program.registers();
    const at::Tensor ours = program.run(registers, input, batch, nullptr).toTensor();
    REQUIRE(same_bits(input, untouched));
    torch::jit::Module copy = module.copy();
    const at::Tensor theirs = copy.forward({input.clone()}).toTensor();
    REQUIRE(same_bits(ours, theirs));
  }
}

std::string lowering_error(torch::jit::Module module) {
  auto lowered = model::lower(module, "test.pt");
  if (lowered) {
    auto program = Program::build(std::move(*lowered), "test.pt");
    REQUIRE_FALSE(program.ok());
    return to_string(program.error());
  }
  REQUIRE(lowered.error().code == Errc::model);
  return to_string(lowered.error());
}

}  // namespace

TEST_CASE("a program gives the bits of Module::forward", "[model]") {
  SECTION("LeNet") { require_equal_to_module(test::lenet(), {1, 28, 28}); }
  SECTION("residual net with batch norm and in-place operators") {
    require_equal_to_module(test::residual_net(), {3, 16, 16});
  }
  SECTION("depthwise convolution and concatenation") {
    require_equal_to_module(test::concat_net(), {4, 12, 12});
  }
  SECTION("scripted control flow") { require_equal_to_module(test::scripted_net(), {3, 8, 8}); }
}

TEST_CASE("a program gives the bits of Module::forward for real networks", "[model][data]") {
  const std::filesystem::path models =
      std::filesystem::path(BITQUAKE_SOURCE_DIR) / "../shared/data/models";
  if (!std::filesystem::exists(models)) {
    WARN("skipped: no real models beside this checkout (../shared/data/models)");
    return;
  }
  const auto check = [&](const char* file, const std::vector<std::int64_t>& shape) {
    require_equal_to_module(torch::jit::load((models / file).string()), shape);
  };
  SECTION("LeNet-5") { check("mnist_lenet5_alfi.pt", {1, 32, 32}); }
  SECTION("ResNet-20") { check("cifar10_resnet20.pt", {3, 32, 32}); }
  SECTION("MobileNetV2") { check("imagenet_mobilenet_v2.pt", {3, 64, 64}); }
}

TEST_CASE("data-dependent branches and loops run as scripted", "[model]") {
  test::NetBuilder b;
  const auto net = b.finish(
      "  n = int(torch.sum(x).item())\n"
      "  y = x\n"
      "  i = 0\n"
      "  while i < n:\n"
      "    y = y * 2.0\n"
      "    i += 1\n"
      "  if n > 2:\n"
      "    return torch.flatten(y, 1)\n"
      "  return torch.flatten(y - 1.0, 1)\n");
  const Program program = build(net);
  REQUIRE(program.values_steer());
  const c10::InferenceMode inference;
  for (const double value : {0.0, 1.0, 4.0}) {
    const at::Tensor input = at::full({1, 1, 1, 1}, value);
    model::Registers registers = program.registers();
    const double expected = value > 2 ? value * 16 : value == 1 ? 1.0 : -1.0;
    REQUIRE(program.run(registers, input, 1, nullptr).toTensor().item<double>() == expected);
  }
}

TEST_CASE("in-place operators leave the input and the parameters alone", "[model]") {
  test::NetBuilder b;
  b.linear("head", 4, 3);
  const auto net = b.finish(
      "  x.add_(1.0)\n"
      "  x[:, 0] = 5.0\n"
      "  y = self.head.forward(torch.flatten(x, 1))\n"
      "  y.relu_()\n"
      "  return y\n");
  const c10::InferenceMode inference;
  const Program program = build(net);
  const at::Tensor input = model::check_input({1, 2, 2}, 2);
  const at::Tensor untouched = input.clone();
  model::Registers first = program.registers();
  const at::Tensor once = program.run(first, input, 2, nullptr).toTensor();
  REQUIRE(same_bits(input, untouched));
  model::Registers second = program.registers();
  REQUIRE(same_bits(program.run(second, input, 2, nullptr).toTensor(), once));
  torch::jit::Module copy = net.copy();
  REQUIRE(same_bits(copy.forward({untouched.clone()}).toTensor(), once));
}

TEST_CASE("what an in-place operator gives has the layout and type of what it writes to",
          "[model]") {
  test::NetBuilder b;
  b.conv("single", 2, 1, 3, 1, 1);
  b.conv("spread", 1, 3, 3, 1, 1);
  // One channel: its channels-last strides are contiguous too, and an operator that allocates its
  // result takes it for that. The sums of the average are then added in another order.
  const std::string end =
      "  x = self.spread.forward(x)\n"
      "  return torch.flatten(torch.adaptive_avg_pool2d(x, [1, 1]), 1)\n";
  const std::string start = "  x = self.single.forward(x.contiguous(memory_format=2))\n";
  SECTION("an activation") {
    require_equal_to_module(b.finish(start + "  x = torch.relu_(x)\n" + end), {2, 19, 17});
  }
  SECTION("a module's activation") {
    b.add("relu", b.layer("ReLU", "  return torch.relu_(x)\n"));
    require_equal_to_module(b.finish(start + "  x = self.relu.forward(x)\n" + end), {2, 19, 17});
  }
  SECTION("a sum with another layout") {
    require_equal_to_module(
        b.finish(start + "  x += torch.relu(x).contiguous()\n  x.add_(x)\n" + end), {2, 19, 17});
  }
  SECTION("a product with doubles") {
    require_equal_to_module(
        b.finish(start + "  x *= torch.full([1, 1, 1, 1], 1.1, dtype=7)\n" + end), {2, 19, 17});
  }
}

TEST_CASE("what cannot be executed is refused by name", "[model][error]") {
  SECTION("random operators") {
    test::NetBuilder b;
    const auto net = b.finish("  return torch.flatten(x + torch.rand_like(x), 1)\n");
    REQUIRE_THAT(lowering_error(net), Catch::Contains("random operator aten::rand_like"));
  }
  SECTION("attributes that are written") {
    test::NetBuilder b;
    b.net().register_attribute("state", c10::IntType::get(), std::int64_t{0});
    const auto net = b.finish("  self.state = 1\n  return torch.flatten(x, 1)\n");
    REQUIRE_THAT(lowering_error(net), Catch::Contains("prim::SetAttr"));
  }
  SECTION("more than one argument") {
    test::NetBuilder b;
    b.net().define("def forward(self, x, y):\n  return x\n");
    REQUIRE_THAT(lowering_error(b.net()), Catch::Contains("takes 2 arguments"));
  }
}

TEST_CASE("values that leave module calls are named by path and call", "[model]") {
  test::NetBuilder b;
  b.conv("conv", 1, 1, 1);
  auto block = b.make("Block");
  {
    test::NetBuilder inner("Inner");
    block.register_module("relu", inner.layer("ReLU", "  return torch.relu(x)\n"));
  }
  block.define("def forward(self, x):\n  return self.relu.forward(x)\n");
  b.add("block", block);
  b.add("identity", b.layer("Identity", "  return x\n"));
  b.linear("head", 4, 2);
  auto net = b.finish(
      "  x = self.conv.forward(x)\n"
      "  x = self.conv.forward(x)\n"
      "  x = self.identity.forward(self.block.forward(x))\n"
      "  return self.head.forward(torch.flatten(x, 1))\n");
  net.eval();
  const auto lowered = model::lower(net, "test.pt");
  REQUIRE(lowered.ok());
  std::vector<std::string> names;
  for (const auto& [value, name] : lowered->module_outputs) names.push_back(name);
  std::sort(names.begin(), names.end());
  // `block` and `identity` pass on what `block.relu` made.
  REQUIRE(names == std::vector<std::string>{"block.relu", "conv", "conv#1", "head"});
}
