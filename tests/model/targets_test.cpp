/// Faults of every target at every kind of site, on small networks.

#include "faultgen/bits.hpp"
#include "suite/model/fingerprint.hpp"
#include "suite/model/row_check.hpp"
#include "tests/model/loaded.hpp"
#include "tests/model/nets.hpp"
#include "tests/support/plain_fault.hpp"

#include <c10/core/InferenceMode.h>
#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <tuple>

namespace {

using namespace bitquake;
using faultgen::Fault;
using faultgen::FaultModel;
using faultgen::NumberFormat;
using faultgen::SiteKind;
using faultgen::Target;
using model::Execution;

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

constexpr std::array kExecutions{Execution::reference, Execution::batched, Execution::incremental};

/// Every kind of site, for images of 1 x 5 x 5.
torch::jit::Module all_kinds() {
  test::NetBuilder b;
  b.conv("conv", 1, 4, 3, 1, 1);
  b.add("up", b.layer("Up", "  return torch.conv_transpose2d(x, self.weight, self.bias)\n",
                      {{"weight", {4, 3, 2, 2}}, {"bias", {3}}}));
  b.batch_norm("bn", 3);
  b.add("act", b.layer("Act", "  return torch.leaky_relu(x, 0.5)\n"));
  b.add("norm", b.layer("Norm", "  return torch.layer_norm(x, [3], self.weight, self.bias)\n",
                        {{"weight", {3}}, {"bias", {3}}}));
  b.linear("query", 3, 3);
  const auto recurrent = [&](const std::string& name, std::int64_t gates, std::int64_t in,
                             std::int64_t hidden, const std::string& state) {
    b.add(name, b.layer(name,
                        "  h = torch.zeros([1, x.size(0), " + std::to_string(hidden) +
                            "])\n  return torch." + name + "(x, " + state +
                            ", [self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, "
                            "self.bias_hh_l0], True, 1, 0.0, False, False, True)[0]\n",
                        {{"weight_ih_l0", {gates * hidden, in}},
                         {"weight_hh_l0", {gates * hidden, hidden}},
                         {"bias_ih_l0", {gates * hidden}},
                         {"bias_hh_l0", {gates * hidden}}}));
  };
  recurrent("lstm", 4, 3, 5, "[h, h]");
  recurrent("gru", 3, 5, 4, "h");
  b.add("table",
        b.layer("Table", "  return torch.embedding(self.weight, x)\n", {{"weight", {4, 2}}}));
  b.add("line",
        b.layer("Line", "  return torch.conv1d(x, self.weight)\n", {{"weight", {3, 4, 2}}}));
  b.linear("head", 7, 3);
  return b.finish(
      "  x = self.act.forward(self.bn.forward(self.up.forward(self.conv.forward(x))))\n"
      "  t = self.norm.forward(torch.transpose(torch.flatten(x, 2), 1, 2))\n"
      "  p = torch.softmax(torch.bmm(self.query.forward(t), torch.transpose(t, 1, 2)), -1)\n"
      "  y = self.gru.forward(self.lstm.forward(torch.matmul(p, t)))[:, -2:]\n"
      "  e = self.table.forward(torch.clamp(torch.nan_to_num(y[:, 0]) * 4.0 + 2.0, 0.0, 3.0)"
      ".long())\n"
      "  z = self.line.forward(torch.transpose(y, 1, 2))\n"
      "  e = torch.sum(e, [1])\n"
      "  w = torch.mean(torch.flatten(x, 2), [2])[:, 0:2]\n"
      "  return self.head.forward(torch.cat([torch.flatten(z, 1), e, w], 1))\n");
}

using Touch = std::function<void(const std::string& site, Target, at::Tensor&)>;

/// all_kinds() on plain tensors, with something done to whatever faults can hit.
at::Tensor plain(const torch::jit::Module& net, at::Tensor x, const Touch& touch) {
  touch("input", Target::network_input, x);
  const auto parameter = [&](const std::string& module, const std::string& name) {
    static const std::map<std::string, Target> kTargets{
        {"bias", Target::bias}, {"mean", Target::running_mean}, {"var", Target::running_var}};
    at::Tensor value = net.attr(module).toModule().attr(name).toTensor().clone();
    const bool whole = name.find("_l0") != std::string::npos;
    const auto target = kTargets.find(name);
    touch(whole ? module + "." + name : module,
          target == kTargets.end() ? Target::weight : target->second, value);
    return value;
  };
  const auto site = [&](const std::string& name, const at::Tensor& in, const auto& run) {
    at::Tensor read = in.clone();
    if (in.is_floating_point()) touch(name, Target::site_input, read);
    at::Tensor out = run(read);
    touch(name, Target::neuron, out);
    return out;
  };
  const auto recurrent = [&](const std::string& name) {
    std::vector<at::Tensor> values;
    for (const char* part : {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"}) {
      values.push_back(parameter(name, part));
    }
    return values;
  };
  x = site("conv", x, [&](const at::Tensor& in) {
    return at::conv2d(in, parameter("conv", "weight"), parameter("conv", "bias"), {1, 1}, {1, 1});
  });
  x = site("up", x, [&](const at::Tensor& in) {
    return at::conv_transpose2d(in, parameter("up", "weight"), parameter("up", "bias"));
  });
  x = site("bn", x, [&](const at::Tensor& in) {
    return at::batch_norm(in, parameter("bn", "weight"), parameter("bn", "bias"),
                          parameter("bn", "mean"), parameter("bn", "var"), false, 0.1, 1e-5, true);
  });
  x = site("act", x, [&](const at::Tensor& in) { return at::leaky_relu(in, 0.5); });
  at::Tensor t = at::transpose(at::flatten(x, 2), 1, 2);
  t = site("norm", t, [&](const at::Tensor& in) {
    return at::layer_norm(in, {3}, parameter("norm", "weight"), parameter("norm", "bias"));
  });
  const at::Tensor q = site("query", t, [&](const at::Tensor& in) {
    return at::linear(in, parameter("query", "weight"), parameter("query", "bias"));
  });
  at::Tensor p = site("(matmul 0)", q,
                      [&](const at::Tensor& in) { return at::bmm(in, at::transpose(t, 1, 2)); });
  p = site("(activation 0)", p, [&](const at::Tensor& in) { return at::softmax(in, -1); });
  at::Tensor y = site("(matmul 1)", p, [&](const at::Tensor& in) { return at::matmul(in, t); });
  y = site("lstm", y, [&](const at::Tensor& in) {
    const at::Tensor h = at::zeros({1, in.size(0), 5});
    return std::get<0>(at::lstm(in, {h, h}, recurrent("lstm"), true, 1, 0.0, false, false, true));
  });
  y = site("gru", y, [&](const at::Tensor& in) {
    const at::Tensor h = at::zeros({1, in.size(0), 4});
    return std::get<0>(at::gru(in, h, recurrent("gru"), true, 1, 0.0, false, false, true));
  });
  y = y.slice(1, y.size(1) - 2);
  at::Tensor e = at::clamp(at::nan_to_num(y.select(1, 0)) * 4.0 + 2.0, 0.0, 3.0).to(at::kLong);
  e = site("table", e,
           [&](const at::Tensor& in) { return at::embedding(parameter("table", "weight"), in); });
  const at::Tensor z = site("line", at::transpose(y, 1, 2), [&](const at::Tensor& in) {
    return at::conv1d(in, parameter("line", "weight"));
  });
  const at::Tensor w = at::mean(at::flatten(x, 2), {2}).slice(1, 0, 2);
  return site("head", at::cat({at::flatten(z, 1), at::sum(e, {1}), w}, 1),
              [&](const at::Tensor& in) {
                return at::linear(in, parameter("head", "weight"), parameter("head", "bias"));
              });
}

/// A reference to the element by its row-major position.
at::Tensor element_of(const at::Tensor& tensor, std::uint64_t position) {
  at::Tensor element = tensor;
  std::vector<std::int64_t> index;
  for (const std::int64_t i : faultgen::element_index(tensor.sizes().vec(), position)) {
    element = element.select(0, i);
  }
  return element;
}

}  // namespace

TEST_CASE("every kind of operation is a site with the parameters it has", "[model][targets]") {
  const auto model = value_or_throw(test::save_and_load(all_kinds(), {1, 5, 5}, 1));
  const std::vector<std::int64_t> map{3, 6, 6}, tokens{36, 3}, square{36, 36};
  test::require_sites(*model,
                      {{"input", 0, SiteKind::input, {}, {1, 5, 5}},
                       {"conv", 0, SiteKind::conv2d, {4, 1, 3, 3}, {4, 5, 5}, {4}, {}, {1, 5, 5}},
                       {"up", 0, SiteKind::conv_transpose2d, {4, 3, 2, 2}, map, {3}, {}, {4, 5, 5}},
                       {"bn", 0, SiteKind::batch_norm, {3}, map, {3}, {3}, map},
                       {"act", 0, SiteKind::activation, {}, map, {}, {}, map},
                       {"norm", 0, SiteKind::layer_norm, {3}, tokens, {3}, {}, tokens},
                       {"query", 0, SiteKind::linear, {3, 3}, tokens, {3}, {}, tokens},
                       {"(matmul 0)", 0, SiteKind::matmul, {}, square, {}, {}, tokens},
                       {"(activation 0)", 0, SiteKind::activation, {}, square, {}, {}, square},
                       {"(matmul 1)", 0, SiteKind::matmul, {}, tokens, {}, {}, square},
                       {"lstm.weight_ih_l0", 0, SiteKind::recurrent_weight, {20, 3}, {}},
                       {"lstm.weight_hh_l0", 0, SiteKind::recurrent_weight, {20, 5}, {}},
                       {"lstm.bias_ih_l0", 0, SiteKind::recurrent_weight, {20}, {}},
                       {"lstm.bias_hh_l0", 0, SiteKind::recurrent_weight, {20}, {}},
                       {"lstm", 0, SiteKind::lstm, {}, {36, 5}, {}, {}, tokens},
                       {"gru.weight_ih_l0", 0, SiteKind::recurrent_weight, {12, 5}, {}},
                       {"gru.weight_hh_l0", 0, SiteKind::recurrent_weight, {12, 4}, {}},
                       {"gru.bias_ih_l0", 0, SiteKind::recurrent_weight, {12}, {}},
                       {"gru.bias_hh_l0", 0, SiteKind::recurrent_weight, {12}, {}},
                       {"gru", 0, SiteKind::gru, {}, {36, 4}, {}, {}, {36, 5}},
                       {"table", 0, SiteKind::embedding, {4, 2}, {4, 2}},
                       {"line", 0, SiteKind::conv1d, {3, 4, 2}, {3, 1}, {}, {}, {4, 2}},
                       {"head", 0, SiteKind::linear, {3, 7}, {3}, {3}, {}, {7}}});
  REQUIRE(model->notices().empty());
}

TEST_CASE("a fault of any target gives what it gives on plain tensors, bit by bit",
          "[model][targets]") {
  const c10::InferenceMode inference;
  model::use_one_inner_thread();
  const torch::jit::Module net = all_kinds();
  // One row per inference: then plain operators run on the very same shapes.
  const auto model = value_or_throw(test::save_and_load(net, {1, 5, 5}, 1));
  const at::Tensor input = model::check_input({1, 5, 5}, 1);
  const Execution execution = GENERATE(from_range(kExecutions));
  const auto executor = model->make_executor({execution, {}});
  const auto block = executor->golden(test::values_of(input));
  REQUIRE(same_bits(block->row(0).output,
                    test::values_of(plain(net, input.clone(), [](auto&, auto, auto&) {}))));
  for (const auto& [target, name, doc] : faultgen::kTargets) {
    for (const std::uint32_t site : test::sites_with(*model, target)) {
      const std::uint64_t elements = faultgen::site_elements(model->sites()[site], target);
      for (const std::uint64_t element : {std::uint64_t{0}, elements / 3, elements - 1}) {
        Fault fault{site, target, FaultModel::bit_flip, element, 1U << 31};
        if (element > 0) {
          fault.model = FaultModel::set_value;
          fault.bit_mask = 0;
          fault.value = faultgen::to_bits(0.875F);
        }
        INFO(name << " " << faultgen::site_name(model->sites()[site]) << " " << element);
        std::uint32_t original = 0, corrupted = 0;
        unsigned touched = 0;
        const at::Tensor expected = plain(
            net, input.clone(), [&](const std::string& path, Target what, at::Tensor& tensor) {
              if (what != target || path != model->sites()[site].path) return;
              ++touched;
              at::Tensor value = element_of(tensor, element);
              original = faultgen::to_bits(*value.data_ptr<float>());
              element > 0 ? value.fill_(0.875) : value.neg_();
              corrupted = faultgen::to_bits(*value.data_ptr<float>());
            });
        REQUIRE(touched == 1);
        const std::vector<model::Trial> trials{{0, {&fault, 1}}, {0, {}}};
        const auto results = executor->trials(*block, trials);
        REQUIRE(results[0].failure == "");
        CAPTURE(results[0].injections[0].reached, results[0].injections[0].original_bits, original,
                results[0].injections[0].corrupted_bits, corrupted);
        REQUIRE(
            (results[0].injections == std::vector<model::Injection>{{true, original, corrupted}}));
        REQUIRE(same_bits(results[0].output, test::values_of(expected)));
        REQUIRE(same_bits(results[1].output, block->row(0).output));  // no trace
      }
    }
  }
  const auto again = executor->golden(test::values_of(input));
  REQUIRE(same_bits(again->row(0).output, block->row(0).output));
}

namespace {

/// The same storage for every test of its format.
faultgen::Storage storage_of(NumberFormat format) {
  faultgen::Storage storage;
  storage.format = format;
  if (format == NumberFormat::int8) {
    storage.scale = 0.03125F;  // a power of two: x / scale is exact
    storage.zero_point = -3;
  }
  if (format == NumberFormat::fixed) storage.integer_bits = 2, storage.fraction_bits = 7;
  return storage;
}

/// Runs groups as trials of one sample in every executor, and compares them with plain tensors on
/// which the faults are done one after the other.
void require_as_on_plain_tensors(const std::deque<std::vector<Fault>>& groups) {
  const c10::InferenceMode inference;
  model::use_one_inner_thread();
  const torch::jit::Module net = all_kinds();
  const auto model = value_or_throw(test::save_and_load(net, {1, 5, 5}, 1));
  const at::Tensor input = model::check_input({1, 5, 5}, 1);
  std::vector<model::Trial> trials;
  std::vector<std::vector<float>> outputs;
  std::vector<std::vector<model::Injection>> injections;
  std::vector<bool> met_nan;
  for (const std::vector<Fault>& group : groups) {
    trials.push_back({0, group});
    met_nan.push_back(false);
    std::vector<model::Injection>& done = injections.emplace_back(group.size());
    const at::Tensor expected =
        plain(net, input.clone(), [&](const std::string& path, Target target, at::Tensor& tensor) {
          for (std::size_t i = 0; i < group.size(); ++i) {
            const Fault& fault = group[i];
            if (target != fault.target || path != model->sites()[fault.site].path) continue;
            at::Tensor value = element_of(tensor, fault.element);
            const auto injected = test::plain_inject(fault, *value.data_ptr<float>());
            done[i] = {true, injected.before, injected.after};
            met_nan.back() = met_nan.back() || injected.found_nan;
          }
        });
    const auto values = test::values_of(expected);
    outputs.emplace_back(values.begin(), values.end());
  }
  for (const Execution execution : kExecutions) {
    const auto executor = model->make_executor({execution, {}});
    const auto block = executor->golden(test::values_of(input));
    const auto results = executor->trials(*block, trials);
    std::size_t compared = 0;
    for (std::size_t i = 0; i < results.size(); ++i) {
      std::string what;
      for (std::size_t k = 0; k < groups[i].size(); ++k) {
        const Fault& fault = groups[i][k];
        const auto& [got, want] = std::pair(results[i].injections.at(k), injections[i][k]);
        what += fmt::format("{} of {} {} {} {}: {} {:x} {:x}, expected {} {:x} {:x}\n",
                            name_of(faultgen::kTargets, fault.target),
                            faultgen::site_name(model->sites()[fault.site]), fault.element,
                            name_of(faultgen::kNumberFormats, fault.storage.format),
                            faultgen::fault_model_info(fault.model).name, got.reached,
                            got.original_bits, got.corrupted_bits, want.reached, want.original_bits,
                            want.corrupted_bits);
      }
      INFO(what);
      CAPTURE(static_cast<int>(execution));
      REQUIRE(results[i].failure == "");
      // The sign and payload of a NaN that was computed, here of network input, are nobody's.
      if (met_nan[i] && groups[i].size() > 1) continue;
      ++compared;
      REQUIRE((results[i].injections == injections[i]));
      REQUIRE(results[i].output.size() == outputs[i].size());
      for (std::size_t k = 0; k < outputs[i].size(); ++k) {
        const float got = results[i].output[k], want = outputs[i][k];
        REQUIRE((same_bits({&got, 1}, {&want, 1}) || (std::isnan(got) && std::isnan(want))));
      }
    }
    REQUIRE(compared > groups.size() * 3 / 4);
  }
}

/// A fault of a model, with a mask or value where it needs one.
Fault fault_of(const faultgen::FaultModelInfo& info, NumberFormat format, std::uint32_t site,
               Target target, std::uint64_t element) {
  Fault fault{site, target, info.value, element};
  fault.storage = storage_of(format);
  if (info.bits != nullptr) {
    fault.bit_mask = 0b101ULL << (faultgen::storage_bits(fault.storage) - 4);
  } else if (info.source != faultgen::ValueSource::none) {
    fault.value = faultgen::to_bits(-0.7109375F);
  }
  return fault;
}

}  // namespace

TEST_CASE("every fault model in every format at every target does what its definition says",
          "[model][targets][matrix]") {
  const auto model = value_or_throw(test::save_and_load(all_kinds(), {1, 5, 5}, 1));
  std::deque<std::vector<Fault>> groups;
  for (const auto& [target, name, doc] : faultgen::kTargets) {
    const auto sites = test::sites_with(*model, target);
    REQUIRE_FALSE(sites.empty());
    std::uint64_t number = 0;
    for (const faultgen::FaultModelInfo& info : faultgen::kBuiltInFaultModels) {
      for (const auto& [format, format_name, format_doc] : faultgen::kNumberFormats) {
        for (int i = 0; i < 2; ++i, ++number) {  // one site after the other
          const std::uint32_t site = sites[number % sites.size()];
          const std::uint64_t elements = faultgen::site_elements(model->sites()[site], target);
          groups.push_back({fault_of(info, format, site, target, number * 7 % elements)});
        }
      }
    }
  }
  require_as_on_plain_tensors(groups);
}

TEST_CASE("the faults of a group act one after the other, in every target",
          "[model][targets][matrix]") {
  // The last of four hits the element of the first, in another format, and finds what that left;
  // another one is its neighbour; one more is somewhere else.
  const auto model = value_or_throw(test::save_and_load(all_kinds(), {1, 5, 5}, 1));
  const auto& models = faultgen::kBuiltInFaultModels;
  const auto& formats = faultgen::kNumberFormats;
  std::deque<std::vector<Fault>> groups;
  std::uint64_t number = 0;
  for (const auto& [target, name, doc] : faultgen::kTargets) {
    for (const std::uint32_t site : test::sites_with(*model, target)) {
      for (int i = 0; i < 4; ++i, ++number) {
        const auto fault = [&](std::uint32_t at, Target what, std::uint64_t element,
                               std::uint64_t choice) {
          const std::uint64_t elements = faultgen::site_elements(model->sites()[at], what);
          return fault_of(models[choice % models.size()],
                          formats[choice / 2 % formats.size()].value, at, what, element % elements);
        };
        const Target other = faultgen::kTargets[number % faultgen::kTargets.size()].value;
        const auto others = test::sites_with(*model, other);
        groups.push_back({fault(site, target, number * 5, number),
                          fault(others[number % others.size()], other, number, number + 1),
                          fault(site, target, number * 5 + 1, number + 3),
                          fault(site, target, number * 5, number * 3 + 5)});
      }
    }
  }
  require_as_on_plain_tensors(groups);
}

TEST_CASE("what one site reads wrongly, other readers read right", "[model][targets]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.add("twice", b.layer("Twice", "  return x * 2.0\n"));
  b.relu("relu");
  const auto net = b.finish(
      "  y = self.twice.forward(torch.flatten(x, 1))\n"
      "  return self.relu.forward(y) + y\n");
  const auto model = value_or_throw(test::save_and_load(net, {1, 1, 2}));
  const auto executor = model->make_executor({GENERATE(from_range(kExecutions)), {}});
  const auto block = executor->golden(std::vector<float>{1, 2, 3, 4});
  const std::uint32_t relu = test::site_of(*model, "relu");
  const Fault input{relu, Target::site_input, FaultModel::sign_flip, 1};
  const Fault network{0, Target::network_input, FaultModel::sign_flip, 1};
  const Fault output{relu, Target::neuron, FaultModel::zero, 0};
  const std::vector<Fault> both{input, output, network};
  const std::vector<model::Trial> trials{{0, {&input, 1}},  {1, {&input, 1}}, {1, {&network, 1}},
                                         {0, {&output, 1}}, {1, both},        {0, {}}};
  const auto results = executor->trials(*block, trials);
  using Values = std::vector<float>;
  REQUIRE(block->row(0).output == Values{4, 8});
  REQUIRE(results[0].output == Values{4, 4});    // relu(-4) + 4
  REQUIRE(results[1].output == Values{12, 8});   // relu(-8) + 8
  REQUIRE(results[2].output == Values{12, -8});  // relu(-8) - 8
  REQUIRE(results[3].output == Values{2, 8});
  REQUIRE(results[4].output == Values{6, 0});  // relu(8) - 8
  REQUIRE(results[5].output == Values{4, 8});
}

TEST_CASE("a value that a fault makes non-finite is named by its target", "[model][targets]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.linear("first", 2, 2);
  b.batch_norm("bn", 2);
  b.add("clip", b.layer("Clip", "  return torch.hardtanh(x)\n"));
  const auto net = b.finish(
      "  return self.clip.forward(self.bn.forward(self.first.forward(torch.flatten(x, 1))))\n");
  const auto model = value_or_throw(test::save_and_load(net, {1, 1, 2}));
  const auto executor = model->make_executor({GENERATE(from_range(kExecutions)), {}});
  const auto block = executor->golden(std::vector<float>{1, 2});
  const auto first_of = [&](const std::string& site, Target target) {
    const Fault fault{test::site_of(*model, site), target, FaultModel::nan, 1};
    const std::vector<model::Trial> trials{{0, {&fault, 1}}};
    return model->points().at(executor->trials(*block, trials)[0].first_nonfinite.value());
  };
  using model::PointKind;
  REQUIRE(
      (first_of("input", Target::network_input) == model::Point{"input", PointKind::site_input}));
  REQUIRE(
      (first_of("first", Target::weight) == model::Point{"first.weight", PointKind::parameter}));
  REQUIRE((first_of("first", Target::bias) == model::Point{"first.bias", PointKind::parameter}));
  REQUIRE((first_of("first", Target::site_input) ==
           model::Point{"first.input", PointKind::site_input}));
  REQUIRE((first_of("bn", Target::weight) == model::Point{"bn.weight", PointKind::parameter}));
  REQUIRE((first_of("bn", Target::running_mean) ==
           model::Point{"bn.running_mean", PointKind::parameter}));
  REQUIRE((first_of("bn", Target::running_var) ==
           model::Point{"bn.running_var", PointKind::parameter}));
  REQUIRE((first_of("clip", Target::neuron) == model::Point{"clip", PointKind::module_output}));
}

TEST_CASE("fused attention and transformer layers are sites", "[model][targets]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  b.linear("head", 8, 2);
  const auto net = b.finish(
      "  t = torch.flatten(x, 1, 2)\n"
      "  y = torch._scaled_dot_product_attention(t, t * 0.5, t)[0]\n"
      "  return self.head.forward(torch.flatten(y, 1))\n");
  const auto model = value_or_throw(test::save_and_load(net, {2, 2, 2}, 4));
  const std::uint32_t site = test::site_of(*model, "(attention 0)");
  REQUIRE((model->sites()[site] ==
           faultgen::Site{"(attention 0)", 0, SiteKind::attention, {}, {4, 2}, {}, {}, {4, 2}}));
  const auto executor = model->make_executor({GENERATE(from_range(kExecutions)), {}});
  const at::Tensor input = model::check_input({2, 2, 2}, 1);
  const auto block = executor->golden(test::values_of(input));
  const Fault fault{site, Target::neuron, FaultModel::zero, 3};
  const std::vector<model::Trial> trials{{0, {&fault, 1}}};
  const at::Tensor t = at::flatten(input, 1, 2);
  const at::Tensor scores =
      at::softmax(at::matmul(t, at::transpose(t * 0.5, 1, 2)) / std::sqrt(2.0), -1);
  at::Tensor y = at::flatten(at::matmul(scores, t), 1);
  y[0][3] = 0.0;
  const auto head = net.attr("head").toModule();
  const at::Tensor expected =
      at::linear(y, head.attr("weight").toTensor(), head.attr("bias").toTensor());
  const auto output = executor->trials(*block, trials)[0].output;
  for (std::int64_t i = 0; i < 2; ++i) {
    REQUIRE(output[static_cast<std::size_t>(i)] == Approx(expected[0][i].item<float>()));
  }
}

TEST_CASE("a fused transformer encoder layer is a site at its output", "[model][targets]") {
  const c10::InferenceMode inference;
  constexpr std::int64_t kWidth = 4;
  test::NetBuilder b;
  const test::NetBuilder::Parameters parameters{
      {"in_weight", {3 * kWidth, kWidth}}, {"in_bias", {3 * kWidth}},
      {"out_weight", {kWidth, kWidth}},    {"out_bias", {kWidth}},
      {"norm1_weight", {kWidth}},          {"norm1_bias", {kWidth}},
      {"norm2_weight", {kWidth}},          {"norm2_bias", {kWidth}},
      {"up_weight", {6, kWidth}},          {"up_bias", {6}},
      {"down_weight", {kWidth, 6}},        {"down_bias", {kWidth}}};
  b.add("encoder",
        b.layer("Encoder",
                "  return torch._transformer_encoder_layer_fwd(x, 4, 2, self.in_weight, "
                "self.in_bias, self.out_weight, self.out_bias, False, False, 1e-5, "
                "self.norm1_weight, self.norm1_bias, self.norm2_weight, self.norm2_bias, "
                "self.up_weight, self.up_bias, self.down_weight, self.down_bias)\n",
                parameters));
  b.linear("head", 3 * kWidth, 2);
  const auto net = b.finish(
      "  y = self.encoder.forward(torch.flatten(x, 1, 2))\n"
      "  return self.head.forward(torch.flatten(y, 1))\n");
  const auto model = value_or_throw(test::save_and_load(net, {3, 1, kWidth}, 4));
  test::require_sites(
      *model, {{"input", 0, SiteKind::input, {}, {3, 1, kWidth}},
               {"encoder", 0, SiteKind::transformer_layer, {}, {3, kWidth}, {}, {}, {3, kWidth}},
               {"head", 0, SiteKind::linear, {2, 12}, {2}, {2}, {}, {12}}});
  const auto executor = model->make_executor({GENERATE(from_range(kExecutions)), {}});
  const at::Tensor input = model::check_input({3, 1, kWidth}, 4);
  const auto block = executor->golden(test::values_of(input));
  const Fault fault{1, Target::neuron, FaultModel::set_value, 7, 0, faultgen::to_bits(0.625F)};
  const std::vector<model::Trial> trials{{2, {&fault, 1}}};
  // By hand: attention of two heads, a residual connection and a norm, twice.
  const auto encoder = net.attr("encoder").toModule();
  const auto value = [&](const char* name) { return encoder.attr(name).toTensor(); };
  const at::Tensor x = input.flatten(1, 2);
  std::vector<at::Tensor> heads;
  for (const at::Tensor& part : at::linear(x, value("in_weight"), value("in_bias")).chunk(3, -1)) {
    heads.push_back(part.view({4, 3, 2, 2}).transpose(1, 2));
  }
  const at::Tensor scores =
      at::softmax(at::matmul(heads[0], heads[1].transpose(2, 3)) / std::sqrt(2.0), -1);
  const at::Tensor joined = at::matmul(scores, heads[2]).transpose(1, 2).reshape({4, 3, kWidth});
  at::Tensor y = at::layer_norm(x + at::linear(joined, value("out_weight"), value("out_bias")),
                                {kWidth}, value("norm1_weight"), value("norm1_bias"));
  const at::Tensor inner = at::relu(at::linear(y, value("up_weight"), value("up_bias")));
  y = at::layer_norm(y + at::linear(inner, value("down_weight"), value("down_bias")), {kWidth},
                     value("norm2_weight"), value("norm2_bias"));
  at::Tensor flat = y.flatten(1).clone();
  const float found = flat[2][7].item<float>();
  flat[2][7] = 0.625F;
  const auto head = net.attr("head").toModule();
  const at::Tensor expected =
      at::linear(flat, head.attr("weight").toTensor(), head.attr("bias").toTensor());
  const auto result = executor->trials(*block, trials)[0];
  REQUIRE(result.injections[0].reached);
  REQUIRE(faultgen::from_bits(static_cast<std::uint32_t>(result.injections[0].original_bits)) ==
          Approx(found).epsilon(1e-4));
  REQUIRE(result.injections[0].corrupted_bits == faultgen::to_bits(0.625F));
  for (std::int64_t i = 0; i < 2; ++i) {
    REQUIRE(result.output[static_cast<std::size_t>(i)] ==
            Approx(expected[2][i].item<float>()).epsilon(1e-4));
  }
}

TEST_CASE("an LSTM that keeps its weights in a list has them as sites", "[model][targets]") {
  const c10::InferenceMode inference;
  test::NetBuilder b;
  auto lstm = b.make("LSTM");
  c10::List<at::Tensor> flat;
  for (const auto& [name, shape] : test::NetBuilder::Parameters{{"weight_ih_l0", {8, 3}},
                                                                {"weight_hh_l0", {8, 2}},
                                                                {"bias_ih_l0", {8}},
                                                                {"bias_hh_l0", {8}}}) {
    const at::Tensor values = b.values(shape);
    lstm.register_parameter(name, values, false);
    flat.push_back(values);
  }
  lstm.register_attribute("_flat_weights", c10::ListType::ofTensors(), flat);
  lstm.define(
      "def forward(self, x):\n"
      "  h = torch.zeros([1, x.size(0), 2])\n"
      "  return torch.lstm(x, [h, h], self._flat_weights, True, 1, 0.0, False, False, True)[0]\n");
  b.add("lstm", lstm);
  const auto net = b.finish("  return self.lstm.forward(torch.flatten(x, 1, 2))[:, -1]\n");
  const auto model = value_or_throw(test::save_and_load(net, {2, 2, 3}));
  std::vector<std::string> names;
  for (const auto& site : model->sites()) names.push_back(site.path);
  REQUIRE(names == std::vector<std::string>{"input", "lstm.weight_ih_l0", "lstm.weight_hh_l0",
                                            "lstm.bias_ih_l0", "lstm.bias_hh_l0", "lstm"});
  const auto executor = model->make_executor();
  const at::Tensor input = model::check_input({2, 2, 3}, 1);
  const auto block = executor->golden(test::values_of(input));
  const Fault fault{3, Target::weight, FaultModel::set_value, 5, 0, faultgen::to_bits(2.0F)};
  const std::vector<model::Trial> trials{{0, {&fault, 1}}};
  std::vector<at::Tensor> weights;
  for (const at::Tensor& weight : flat.vec()) weights.push_back(weight.clone());
  weights[2][5] = 2.0;
  const at::Tensor h = at::zeros({1, 1, 2});
  const at::Tensor expected = std::get<0>(
      at::lstm(at::flatten(input, 1, 2), {h, h}, weights, true, 1, 0.0, false, false, true));
  const auto output = executor->trials(*block, trials)[0].output;
  for (std::int64_t i = 0; i < 2; ++i) {
    REQUIRE(output[static_cast<std::size_t>(i)] == Approx(expected[0][3][i].item<float>()));
  }
  REQUIRE_FALSE(same_bits(output, block->row(0).output));
}

TEST_CASE("observing shows each sample what it has at each site", "[model][targets]") {
  test::NetBuilder b;
  b.linear("first", 2, 2);
  b.relu("relu");
  auto net = b.finish("  return self.relu.forward(self.first.forward(torch.flatten(x, 1)))\n");
  auto first = net.attr("first").toModule();
  first.setattr("weight", at::tensor({1.0F, 0.0F, -3.0F, 1.0F}).view({2, 2}));
  first.setattr("bias", at::tensor({0.5F, 0.0F}));
  const auto model = value_or_throw(test::save_and_load(net, {1, 1, 2}, 2));
  // Three samples, two to a batch: the padding of the last one is not shown.
  const std::vector<float> samples{1, 7, -2, 8, 4, 2};
  using Shown = std::vector<std::tuple<std::uint32_t, std::size_t, std::vector<float>>>;
  const auto shown = [&](Target target) {
    Shown all;
    model->observe(target, samples, [&](auto site, auto sample, std::span<const float> values) {
      all.emplace_back(site, sample, std::vector<float>(values.begin(), values.end()));
    });
    return all;
  };
  const bool neurons =
      shown(Target::neuron) == Shown{{1, 0, {1.5F, 4}}, {1, 1, {-1.5F, 14}}, {2, 0, {1.5F, 4}},
                                     {2, 1, {0, 14}},   {1, 2, {4.5F, -10}}, {2, 2, {4.5F, 0}}};
  REQUIRE(neurons);
  const bool inputs =
      shown(Target::network_input) == Shown{{0, 0, {1, 7}}, {0, 1, {-2, 8}}, {0, 2, {4, 2}}};
  REQUIRE(inputs);
  // What the watcher throws is not taken for a failure of the model.
  REQUIRE_THROWS_AS(model->observe(Target::neuron, samples,
                                   [](auto, auto, auto) {
                                     throw Exception({Errc::usage, "", "stop", "", ""});
                                   }),
                    Exception);
}

TEST_CASE("the largest magnitude is that of finite values", "[model][targets]") {
  const c10::InferenceMode inference;
  constexpr float kInf = std::numeric_limits<float>::infinity();
  test::NetBuilder b;
  b.linear("first", 2, 2);
  b.relu("relu");
  auto net = b.finish("  return self.relu.forward(self.first.forward(torch.flatten(x, 1)))\n");
  auto first = net.attr("first").toModule();
  first.setattr("weight", at::tensor({1.0F, 0.0F, -3.0F, 1.0F}).view({2, 2}));
  first.setattr("bias", at::tensor({0.5F, -kInf}));
  const auto model = value_or_throw(test::save_and_load(net, {1, 1, 2}, 2));
  // Three samples: first gives 1.5, 2.5 and 4.5 in feature 0, -Inf in feature 1.
  const std::vector<float> samples{1, 7, 2, -8, 4, 2};
  using Values = std::vector<float>;
  REQUIRE(model->largest_magnitudes(Target::weight, {}) == Values{0, 3, 0});
  REQUIRE(model->largest_magnitudes(Target::bias, {}) == Values{0, 0.5F, 0});
  REQUIRE(model->largest_magnitudes(Target::running_mean, {}) == Values{0, 0, 0});
  REQUIRE(model->largest_magnitudes(Target::network_input, samples) == Values{8, 0, 0});
  REQUIRE(model->largest_magnitudes(Target::neuron, samples) == Values{0, 4.5F, 4.5F});
  REQUIRE(model->largest_magnitudes(Target::site_input, samples) == Values{0, 8, 4.5F});
}
