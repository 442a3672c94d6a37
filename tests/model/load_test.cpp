#include "suite/model/fingerprint.hpp"
#include "tests/model/loaded.hpp"
#include "tests/model/nets.hpp"

#include <catch2/catch.hpp>
#include <torch/serialize.h>
#include <zlib.h>

#include <fstream>
#include <thread>

namespace {

using namespace bitquake;

std::string load_error(const std::filesystem::path& file) {
  const auto loaded = model::load({.file = file, .input_shape = {1, 2, 2}});
  REQUIRE_FALSE(loaded.ok());
  REQUIRE(loaded.error().code == Errc::model);
  return to_string(loaded.error());
}

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// Replaces text in the (stored, not compressed) members of an archive.
std::string replaced(std::string bytes, const std::string& from, const std::string& to) {
  REQUIRE(from.size() == to.size());
  const auto at = bytes.find(from);
  REQUIRE(at != std::string::npos);
  return bytes.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("sites list path, kind and shapes in execution order", "[model]") {
  const auto model = value_or_throw(test::save_and_load(test::residual_net(), {3, 16, 16}));
  REQUIRE(model->classes() == 10);
  using faultgen::SiteKind;
  const std::vector<std::int64_t> in{3, 16, 16}, wide{8, 16, 16}, narrow{16, 8, 8};
  const std::vector<faultgen::Site> expected{
      {"input", 0, SiteKind::input, {}, in},
      {"stem", 0, SiteKind::conv2d, {8, 3, 3, 3}, wide, {8}, {}, in},
      {"bn0", 0, SiteKind::batch_norm, {8}, wide, {8}, {8}, wide},
      {"(activation 0)", 0, SiteKind::activation, {}, wide, {}, {}, wide},
      {"conv1", 0, SiteKind::conv2d, {8, 8, 3, 3}, wide, {8}, {}, wide},
      {"bn1", 0, SiteKind::batch_norm, {8}, wide, {8}, {8}, wide},
      {"(activation 1)", 0, SiteKind::activation, {}, wide, {}, {}, wide},
      {"conv2", 0, SiteKind::conv2d, {16, 8, 3, 3}, narrow, {16}, {}, wide},
      {"bn2", 0, SiteKind::batch_norm, {16}, narrow, {16}, {16}, narrow},
      {"shortcut", 0, SiteKind::conv2d, {16, 8, 1, 1}, narrow, {16}, {}, wide},
      {"(activation 2)", 0, SiteKind::activation, {}, narrow, {}, {}, narrow},
      {"head", 0, SiteKind::linear, {10, 16}, {10}, {10}, {}, {16}}};
  test::require_sites(*model, expected);
}

TEST_CASE("sites are found in every form that exporters write", "[model]") {
  test::NetBuilder b;
  const auto weighted = [&](const std::string& name, const std::string& body,
                            const std::vector<std::int64_t>& weight, std::int64_t bias) {
    b.add(name, b.layer(name, "  return " + body + "\n", {{"weight", weight}, {"bias", {bias}}}));
  };
  const std::string flags = ", False, False, True, True)";
  weighted(
      "traced_conv",
      "torch._convolution(x, self.weight, self.bias, [1, 1], [0, 0], [1, 1], False, [0, 0], 1" +
          flags,
      {2, 1, 1, 1}, 2);
  weighted("transposed",
           "torch._convolution(x, self.weight, self.bias, [1, 1], [0, 0], [1, 1], True, [0, 0], 1" +
               flags,
           {2, 3, 1, 1}, 3);
  weighted("conv1", "torch.conv1d(x, self.weight, self.bias)", {2, 3, 2}, 2);
  weighted("conv3", "torch.conv3d(x, self.weight, self.bias)", {4, 1, 1, 1, 1}, 4);
  weighted("addmm", "torch.addmm(self.bias, x, torch.t(self.weight))", {5, 24}, 5);
  weighted("tokens", "torch.linear(x, self.weight, self.bias)", {2, 1}, 2);
  weighted("product", "torch.matmul(x, torch.t(self.weight)) + self.bias", {10, 10}, 10);
  const auto net = b.finish(
      "  x = self.transposed.forward(self.traced_conv.forward(x))\n"    // 3x2x2
      "  x = self.conv1.forward(torch.flatten(x, 2))\n"                 // 2x3
      "  x = self.conv3.forward(torch.reshape(x, [-1, 1, 1, 2, 3]))\n"  // 4x1x2x3
      "  x = self.addmm.forward(torch.flatten(x, 1))\n"                 // 5
      "  x = self.tokens.forward(torch.unsqueeze(x, 2))\n"              // 5x2
      "  x = self.product.forward(torch.flatten(x, 1))\n"               // 10
      "  x = torch.linear(x, torch.ones([3, 10]))\n"                    // no parameter
      "  return x\n");
  const auto model = value_or_throw(test::save_and_load(net, {1, 2, 2}));
  using faultgen::SiteKind;
  test::require_sites(
      *model,
      {{"input", 0, SiteKind::input, {}, {1, 2, 2}},
       {"traced_conv", 0, SiteKind::conv2d, {2, 1, 1, 1}, {2, 2, 2}, {2}, {}, {1, 2, 2}},
       {"transposed", 0, SiteKind::conv_transpose2d, {2, 3, 1, 1}, {3, 2, 2}, {3}, {}, {2, 2, 2}},
       {"conv1", 0, SiteKind::conv1d, {2, 3, 2}, {2, 3}, {2}, {}, {3, 4}},
       {"conv3", 0, SiteKind::conv3d, {4, 1, 1, 1, 1}, {4, 1, 2, 3}, {4}, {}, {1, 1, 2, 3}},
       {"addmm", 0, SiteKind::linear, {5, 24}, {5}, {5}, {}, {24}},
       {"tokens", 0, SiteKind::linear, {2, 1}, {5, 2}, {2}, {}, {5, 1}},
       {"product", 0, SiteKind::linear, {10, 10}, {10}, {}, {}, {10}},
       {"(linear 0)", 0, SiteKind::linear, {}, {3}, {}, {}, {10}}});
  const faultgen::FaultSpace weights(model->sites(), faultgen::Target::weight);
  REQUIRE(weights.total_elements() == 2 + 6 + 12 + 4 + 120 + 2 + 100);
}

TEST_CASE("outputs of all module calls and the final output are monitored", "[model]") {
  const auto model = value_or_throw(test::save_and_load(test::residual_net(), {3, 16, 16}));
  std::vector<std::string> watched;
  for (const model::Point& point : model->points()) {
    if (point.kind == model::PointKind::module_output || point.kind == model::PointKind::output) {
      watched.push_back(point.path);
    }
  }
  REQUIRE(watched == std::vector<std::string>{"stem", "bn0", "conv1", "bn1", "conv2", "bn2",
                                              "shortcut", "head", "output"});
}

TEST_CASE("a model saved in train mode runs in eval mode, with a notice", "[model]") {
  test::NetBuilder b;
  b.linear("head", 4, 2);
  b.net().train();
  auto net = b.finish(
      "  x = torch.dropout(torch.flatten(x, 1), 0.5, self.training)\n"
      "  return self.head.forward(x)\n");
  net.train();
  const auto model = value_or_throw(test::save_and_load(net, {1, 2, 2}));
  REQUIRE_THAT(model->notices().at(0), Catch::Contains("train mode"));
  const auto executor = model->make_executor();
  const std::vector<float> input{1, 2, 3, 4};
  REQUIRE(executor->golden(input)->row(0).output == executor->golden(input)->row(0).output);
}

TEST_CASE("files that are no TorchScript model are refused with the remedy", "[model][error]") {
  const test::TempDirectory directory;
  const auto file = directory / "model.pt";
  SECTION("missing") { REQUIRE_THAT(load_error(file), Catch::Contains("no such model file")); }
  SECTION("a directory") {
    REQUIRE_THAT(load_error(directory.path()), Catch::Contains("no such model file"));
  }
  SECTION("text") {
    write(file, "not a model\n");
    REQUIRE_THAT(load_error(file), Catch::Contains("is not a TorchScript file"));
  }
  SECTION("empty") {
    write(file, "");
    REQUIRE_THAT(load_error(file), Catch::Contains("is not a TorchScript file"));
  }
  SECTION("truncated") {
    test::lenet().save(file.string());
    const std::string bytes = test::read_bytes(file);
    write(file, bytes.substr(0, bytes.size() / 2));
    REQUIRE_THAT(load_error(file), Catch::Contains("is not a TorchScript file"));
  }
  SECTION("weights only") {
    const auto pickled = torch::pickle_save(c10::IValue(at::ones({3})));
    write(file, std::string(pickled.begin(), pickled.end()));
    const std::string error = load_error(file);
    REQUIRE_THAT(error, Catch::Contains("holds no TorchScript module") &&
                            Catch::Contains("torch.jit.trace"));
  }
  SECTION("an operator of a newer LibTorch") {
    test::NetBuilder b;
    b.finish("  return torch.flatten(torch.sigmoid(x), 1)\n").save(file.string());
    write(file, replaced(test::read_bytes(file), "torch.sigmoid(", "torch.sigmoix("));
    const std::string error = load_error(file);
    REQUIRE_THAT(error, Catch::Contains("uses operator aten::sigmoix, which this LibTorch") &&
                            Catch::Contains("newer PyTorch"));
  }
}

TEST_CASE("a model that writes to its parameters is refused", "[model][error]") {
  test::NetBuilder b;
  b.net().register_parameter("count", at::zeros({1}), true);
  const auto net = b.finish("  self.count.add_(1.0)\n  return torch.flatten(x + self.count, 1)\n");
  const auto loaded = test::save_and_load(net, {1, 2, 2});
  REQUIRE_FALSE(loaded.ok());
  REQUIRE_THAT(to_string(loaded.error()), Catch::Contains("writes to its own parameter 'count'"));
}

TEST_CASE("a model that gives two results for one input is refused", "[model][error]") {
  test::NetBuilder b;
  b.net().register_attribute("seen", c10::ListType::ofInts(), c10::List<std::int64_t>());
  const auto net = b.finish(
      "  self.seen.append(1)\n"
      "  return torch.flatten(x, 1) * float(len(self.seen))\n");
  const auto loaded = test::save_and_load(net, {1, 2, 2});
  REQUIRE_FALSE(loaded.ok());
}

TEST_CASE("operators fixed in train mode are refused, random ones in eval mode are not",
          "[model][error]") {
  test::NetBuilder b;
  SECTION("dropout traced in train mode") {
    const auto loaded = test::save_and_load(
        b.finish("  return torch.flatten(torch.dropout(x, 0.5, True), 1)\n"), {1, 2, 2});
    REQUIRE_FALSE(loaded.ok());
    REQUIRE_THAT(to_string(loaded.error()), Catch::Contains("runs aten::dropout in train mode"));
  }
  SECTION("two-dimensional dropout in eval mode") {
    const auto loaded = test::save_and_load(
        b.finish("  return torch.flatten(torch.feature_dropout(x, 0.5, False), 1)\n"), {1, 2, 2});
    REQUIRE(loaded.ok());
  }
}

TEST_CASE("parameters saved on another device are loaded onto the CPU", "[model]") {
  const test::TempDirectory directory;
  test::lenet().save((directory / "cpu.pt").string());
  // The device of a tensor is a pickled word of three letters.
  write(directory / "xpu.pt",
        replaced(test::read_bytes(directory / "cpu.pt"), std::string("\x03\0\0\0cpu", 7),
                 std::string("\x03\0\0\0xpu", 7)));
  const auto load = [&](const char* name) {
    return value_or_throw(model::load({.file = directory / name, .input_shape = {1, 28, 28}}));
  };
  const std::vector<float> input(784, 0.5F);
  const auto output = [&](const char* name) {
    return load(name)->make_executor()->golden(input)->row(0).output;
  };
  REQUIRE(output("xpu.pt") == output("cpu.pt"));
}

TEST_CASE("an operator bound to another device is refused by name", "[model][error]") {
  const auto error_of = [](const std::string& body) {
    test::NetBuilder b;
    const auto loaded = test::save_and_load(b.finish(body), {1, 2, 2});
    return loaded.ok() ? std::string() : to_string(loaded.error());
  };
  SECTION("a tensor made there") {
    const std::string error = error_of(
        "  y = torch.zeros([4], device=torch.device(\"cuda:0\"))\n"
        "  return torch.flatten(x, 1) + y\n");
    REQUIRE_THAT(error, Catch::Contains("runs aten::zeros on device 'cuda:0'") &&
                            Catch::Contains("hint: the device is fixed in the graph"));
  }
  SECTION("a tensor moved there") {
    REQUIRE_THAT(error_of("  return torch.flatten(x, 1).to(torch.device(\"cuda\"))\n"),
                 Catch::Contains("runs aten::to on device 'cuda'"));
    REQUIRE_THAT(error_of("  return torch.flatten(x, 1).cuda()\n"),
                 Catch::Contains("runs aten::cuda on device 'cuda'"));
  }
  SECTION("the CPU, or the device of a tensor, is fine") {
    REQUIRE(error_of("  y = torch.zeros([4], device=torch.device(\"cpu\"))\n"
                     "  return torch.flatten(x, 1) + y\n") == "");
    REQUIRE(error_of("  y = torch.zeros([4], device=x.device)\n"
                     "  return torch.flatten(x, 1) + y\n") == "");
  }
}

TEST_CASE("what has no site is said", "[model]") {
  test::NetBuilder b;
  b.net().register_parameter("table", b.values({4, 3}), false);
  const auto loaded = value_or_throw(test::save_and_load(
      b.finish("  return torch.einsum(\"bi,ij->bj\", [torch.flatten(x, 1), self.table])\n"),
      {1, 2, 2}));
  REQUIRE(loaded->sites().size() == 1);
  REQUIRE_THAT(loaded->notices().back(), Catch::Contains("weights and outputs of: aten::einsum"));
}

TEST_CASE("an output that is no batch of scores is refused with its shape", "[model][error]") {
  test::NetBuilder b;
  const auto error_of = [&](const std::string& body) {
    const auto loaded = test::save_and_load(b.finish(body), {1, 2, 2});
    REQUIRE_FALSE(loaded.ok());
    return to_string(loaded.error());
  };
  SECTION("an image") {
    REQUIRE_THAT(error_of("  return torch.relu(x)\n"), Catch::Contains("[16, 1, 2, 2]"));
  }
  SECTION("a tuple") { REQUIRE_THAT(error_of("  return (x, x)\n"), Catch::Contains("a Tuple")); }
  SECTION("a single score") {
    REQUIRE_THAT(error_of("  return torch.sum(torch.flatten(x, 1), [1], True)\n"),
                 Catch::Contains("two classes or more"));
  }
  SECTION("double precision") {
    REQUIRE_THAT(error_of("  return torch.flatten(x, 1).double()\n"), Catch::Contains("Double"));
  }
}

TEST_CASE("the numeric fingerprint names what decides the last bits", "[model]") {
  const auto print = model::numeric_fingerprint();
  for (const char* key : {"libtorch", "aten_isa", "onednn", "onednn_isa", "blas"}) {
    REQUIRE(print.at(key) != "");
  }
  std::thread([] {
    model::use_one_inner_thread();
    if (model::inner_threads() != 1) std::abort();
  }).join();
}
