#include "suite/model/row_check.hpp"

#include "suite/model/fingerprint.hpp"
#include "tests/model/nets.hpp"

#include <c10/core/InferenceMode.h>
#include <catch2/catch.hpp>

#include <cstring>

namespace {

using namespace bitquake;
using model::Batching;
using model::Program;

Program build(torch::jit::Module module) {
  module.eval();
  return value_or_throw(Program::build(value_or_throw(model::lower(module, "test.pt")), "test.pt"));
}

Batching batching_of(Program& program, const std::vector<std::int64_t>& shape) {
  const c10::InferenceMode inference;
  model::use_one_inner_thread();
  return value_or_throw(model::choose_batching(program, shape, 16, "test.pt"));
}

}  // namespace

TEST_CASE("ordinary networks share a batch, and no row depends on its place or neighbours",
          "[model]") {
  const auto [module, shape] =
      GENERATE(std::pair{test::lenet(), std::vector<std::int64_t>{1, 28, 28}},
               std::pair{test::residual_net(), std::vector<std::int64_t>{3, 16, 16}},
               std::pair{test::concat_net(), std::vector<std::int64_t>{4, 12, 12}},
               std::pair{test::scripted_net(), std::vector<std::int64_t>{3, 8, 8}});
  Program program = build(module);
  const Batching batching = batching_of(program, shape);
  REQUIRE(batching.reason == "");
  REQUIRE(batching.rows == 16);

  const c10::InferenceMode inference;
  const at::Tensor input = model::check_input(shape, 16);
  model::Registers registers = program.registers();
  const at::Tensor whole = program.run(registers, input, 16, nullptr).toTensor().contiguous();
  // Row 3, moved to every other place among neighbours that are not finite.
  for (std::int64_t place = 0; place < 16; ++place) {
    at::Tensor moved = at::full_like(input, std::numeric_limits<float>::infinity());
    moved[place] = input[3];
    registers = program.registers();
    const at::Tensor output = program.run(registers, moved, 16, nullptr).toTensor().contiguous();
    REQUIRE(std::memcmp(output[place].data_ptr(), whole[3].data_ptr(), whole[3].nbytes()) == 0);
  }
}

TEST_CASE("elements that a vector leaves over are computed alike in every row", "[model]") {
  // The scalar sigmoid of the last few elements differs from the vector one in few values.
  for (std::int64_t side = 2; side <= 33; ++side) {
    test::NetBuilder b;
    Program program = build(b.finish("  return torch.sigmoid(torch.flatten(x, 1))\n"));
    const c10::InferenceMode inference;
    model::use_one_inner_thread();
    const auto batching = value_or_throw(model::choose_batching(program, {side}, 4, "test.pt"));
    REQUIRE(batching.rows == 4);
    for (int values = 0; values < 100; ++values) {
      const at::Tensor row = model::check_input({side}, 1) * (0.5 + values / 50.0);
      model::Registers registers = program.registers();
      const at::Tensor output =
          program.run(registers, at::cat({row, row, row, row}), 4, nullptr).toTensor();
      for (std::int64_t i = 1; i < 4; ++i) {
        INFO("side " << side << " values " << values << " row " << i);
        REQUIRE(model::same_bits(output[i], output[0]));
      }
    }
  }
}

TEST_CASE("a row's dependence on its place is seen behind a dead activation", "[model]") {
  // Some BLAS kernels take the rows at the end of a batch in another order of additions. Here the
  // factor is another in each row, and what the check's own input gives is zero everywhere.
  test::NetBuilder b;
  at::Tensor factors = at::ones({16, 1});
  factors[13] += 1e-6F;
  b.net().register_buffer("factors", factors);
  Program program = build(b.finish("  return torch.relu(x - 5.0) * self.factors\n"));
  const Batching batching = batching_of(program, {3});
  REQUIRE(batching.rows == 1);
  REQUIRE(batching.reason == "rows of a batch are mixed or laid out differently by aten::mul");
}

TEST_CASE("equal rows behind a dead layer give equal bits in every place", "[model]") {
  test::NetBuilder b;
  b.linear("head", 27, 10);
  Program program =
      build(b.finish("  return self.head.forward(torch.relu(torch.flatten(x, 1) - 5.0))\n"));
  const Batching batching = batching_of(program, {27});
  REQUIRE(batching.rows == 16);
  const c10::InferenceMode inference;
  const at::Tensor row = model::check_input({27}, 1) * 1e28 + 1e28;
  model::Registers registers = program.registers();
  const at::Tensor output =
      program.run(registers, row.expand({16, 27}).contiguous(), 16, nullptr).toTensor();
  for (std::int64_t i = 1; i < 16; ++i) {
    INFO("row " << i);
    REQUIRE(model::same_bits(output[i], output[0]));
  }
}

TEST_CASE("networks whose rows influence each other run one sample per inference", "[model]") {
  test::NetBuilder b;
  b.linear("head", 4, 3);
  const std::vector<std::int64_t> shape{1, 2, 2};
  const auto reason = [&](const std::string& body) {
    Program program = build(b.finish(body));
    const Batching batching = batching_of(program, shape);
    REQUIRE(batching.rows == 1);
    return batching.reason;
  };
  SECTION("mean over the batch") {
    REQUIRE(reason("  x = torch.flatten(x, 1)\n"
                   "  return self.head.forward(x - torch.mean(x, [0], True))\n") ==
            "rows of a batch are mixed or laid out differently by aten::mean");
  }
  SECTION("softmax over the batch") {
    REQUIRE(reason("  return torch.softmax(self.head.forward(torch.flatten(x, 1)), 0)\n") ==
            "rows of a batch are mixed or laid out differently by aten::softmax");
  }
  SECTION("order of rows") {
    REQUIRE(reason("  return torch.flip(self.head.forward(torch.flatten(x, 1)), [0])\n") ==
            "rows of a batch are mixed or laid out differently by aten::flip");
  }
  SECTION("batch dimension baked in by a trace") {
    REQUIRE_THAT(reason("  return self.head.forward(torch.reshape(x, [1, 4]))\n"),
                 Catch::StartsWith("the batch dimension is baked into the model"));
  }
  SECTION("a decision by value") {
    REQUIRE_THAT(reason("  if float(torch.max(x)) > 100.0:\n"
                        "    x = x * 0.5\n"
                        "  return self.head.forward(torch.flatten(x, 1))\n"),
                 Catch::Contains("decides by values"));
  }
}

TEST_CASE("an input shape the model does not take is refused with the operator's words",
          "[model][error]") {
  Program program = build(test::lenet());
  const c10::InferenceMode inference;
  const auto batching = model::choose_batching(program, {3, 28, 28}, 16, "test.pt");
  REQUIRE_FALSE(batching.ok());
  REQUIRE_THAT(to_string(batching.error()), Catch::Contains("does not run on an input of shape "
                                                            "1x3x28x28") &&
                                                Catch::Contains("channels"));
}
