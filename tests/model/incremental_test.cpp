#include "faultgen/fault_model.hpp"
#include "suite/model/execution.hpp"
#include "suite/model/row_kernel.hpp"
#include "tests/model/loaded.hpp"
#include "tests/model/nets.hpp"

#include <catch2/catch.hpp>

#include <cstring>
#include <span>
#include <vector>

using namespace bitquake;
using namespace bitquake::test;
using faultgen::Fault;
using faultgen::FaultModel;
using faultgen::Target;

namespace {

/// conv 3x3 (1 -> 2, 8x8), ReLU, conv 3x3 (2 -> 3), flatten, linear (192 -> 4).
std::shared_ptr<const model::Model> small_net() {
  NetBuilder net;
  net.conv("first", 1, 2, 3, 1, 1);
  net.conv("second", 2, 3, 3, 1, 1);
  net.linear("last", 192, 4);
  return value_or_throw(save_and_load(
      net.finish("  x = torch.relu(self.first.forward(x))\n  x = self.second.forward(x)\n"
                 "  return self.last.forward(torch.flatten(x, 1))\n"),
      {1, 8, 8}));
}

std::vector<float> images(std::size_t count) {
  Draws draws(5, Stream::check_input, 9);
  std::vector<float> values(count * 64);
  for (float& value : values) value = static_cast<float>(draws.uniform());
  return values;
}

model::Work work_of(const std::vector<Fault>& faults) {
  const auto loaded = small_net();
  const auto executor = loaded->make_executor();
  executor->count_work();
  const auto block = executor->golden(images(1));
  executor->trials(*block, std::vector<model::Trial>{{0, faults}});
  return executor->work().value();
}

// The input is site 0, the ReLU site 2.
constexpr std::uint32_t kFirstSite = 1, kSecondSite = 3, kLastSite = 4;

/// Trials of these faults, one each, give by default what the reference executor gives.
void require_like_reference(const model::Model& model, std::size_t input_elements,
                            const std::vector<Fault>& faults) {
  constexpr std::size_t kSamples = 3;
  std::vector<model::Trial> trials;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    trials.push_back({i % kSamples, std::span(faults).subspan(i, 1)});
  }
  Draws draws(6, Stream::check_input, 10);
  std::vector<float> inputs(kSamples * input_elements);
  for (float& value : inputs) value = static_cast<float>(draws.uniform() * 2 - 1);
  const auto run = [&](model::Execution execution) {
    const auto executor = model.make_executor({execution, {}});
    return executor->trials(*executor->golden(inputs), trials);
  };
  const auto ours = run(model::Execution::incremental);
  const auto theirs = run(model::Execution::reference);
  for (std::size_t i = 0; i < trials.size(); ++i) {
    CAPTURE(faultgen::site_name(model.sites()[faults[i].site]), faults[i].element);
    REQUIRE((ours[i].injections == theirs[i].injections));
    REQUIRE(ours[i].output.size() == theirs[i].output.size());
    REQUIRE(std::memcmp(ours[i].output.data(), theirs[i].output.data(),
                        ours[i].output.size() * sizeof(float)) == 0);
    REQUIRE(ours[i].nonfinite == theirs[i].nonfinite);
    REQUIRE((ours[i].deviations == theirs[i].deviations));
  }
}

/// The same for some faults of each site.
void require_like_reference(const model::Model& model, std::size_t input_elements) {
  constexpr std::size_t kFaultsOfSite = 40;
  std::vector<Fault> faults;
  for (std::uint32_t site = 0; site < model.sites().size(); ++site) {
    for (const Target target : {Target::neuron, Target::weight}) {
      const std::uint64_t elements = faultgen::site_elements(model.sites()[site], target);
      for (std::size_t i = 0; i < kFaultsOfSite && elements > 0; ++i) {
        faults.push_back(
            {site, target, FaultModel::bit_flip, i * 7 % elements, 1ULL << (30 - i % 12)});
      }
    }
  }
  require_like_reference(model, input_elements, faults);
}

// Multiply-adds by hand.
constexpr std::uint64_t kFirst = 2 * 64 * 9, kSecond = 3 * 64 * 2 * 9, kLast = 192 * 4;
constexpr std::uint64_t kWhole = kFirst + kSecond + kLast;

}  // namespace

TEST_CASE("work is counted as one counts it by hand", "[model]") {
  SECTION("a neuron of the last convolution leaves the linear layer to do") {
    const auto work = work_of({{kSecondSite, Target::neuron, FaultModel::bit_flip, 70, 1U << 30}});
    REQUIRE(work.golden == kWhole);
    REQUIRE(work.full == kWhole);
    REQUIRE(work.unavoidable == kLast);
  }
  SECTION("a neuron of the first one reaches nine positions of the second, in a corner four") {
    // Bit 30 of a small value makes it huge and keeps its sign: a positive one passes the ReLU, a
    // negative one does not.
    std::uint64_t seen = 0;
    for (std::uint64_t element = 9; element < 15; ++element) {  // inside, second line
      const auto work =
          work_of({{kFirstSite, Target::neuron, FaultModel::bit_flip, element, 1U << 30}});
      if (work.unavoidable == 0) continue;  // masked by the ReLU
      REQUIRE(work.unavoidable == 3 * 9 * 2 * 9 + kLast);
      ++seen;
    }
    REQUIRE(seen > 0);
    const auto corner =
        work_of({{kFirstSite, Target::neuron, FaultModel::stuck_at_0, 0, 0xffffffff}});
    REQUIRE((corner.unavoidable == 0 || corner.unavoidable == 3 * 4 * 2 * 9 + kLast));
  }
  SECTION("a weight of the second one costs its channel") {
    const auto work = work_of({{kSecondSite, Target::weight, FaultModel::bit_flip, 0, 1U << 30}});
    REQUIRE(work.unavoidable == kSecond / 3 + kLast);
  }
  SECTION("so does its bias") {
    const auto work =
        work_of({{kSecondSite, Target::bias, FaultModel::set_value, 0, 0, 0x41000000}});
    REQUIRE(work.full == kWhole);
    REQUIRE(work.unavoidable == kSecond / 3 + kLast);
  }
  SECTION("what the second one reads reaches nine positions of it") {
    const auto work =
        work_of({{kSecondSite, Target::site_input, FaultModel::set_value, 9, 0, 0x41000000}});
    REQUIRE(work.full == kWhole);
    REQUIRE(work.unavoidable == 3 * 9 * 2 * 9 + kLast);
  }
  SECTION("a pixel reaches nine positions of the first, and twenty-five of the second") {
    const auto work =
        work_of({{0, Target::network_input, FaultModel::set_value, 27, 0, 0x7149f2ca}});
    REQUIRE(work.full == kWhole);  // 1e30 changes some of both channels everywhere
    REQUIRE(work.unavoidable == 2 * 9 * 9 + 3 * 25 * 2 * 9 + kLast);
  }
  SECTION("an output of the ReLU does the same") {
    const auto work = work_of({{2, Target::neuron, FaultModel::set_value, 9, 0, 0x41000000}});
    REQUIRE(work.unavoidable == 3 * 9 * 2 * 9 + kLast);
  }
  SECTION("a fault that changes nothing costs nothing") {
    const auto work = work_of({{kSecondSite, Target::weight, FaultModel::stuck_at_0, 0, 0}});
    REQUIRE(work.unavoidable == 0);
  }
}

TEST_CASE("windows of a narrow layer are tried on values enough", "[model]") {
  // Kernels for 1x1 windows without padding may round otherwise than that of the whole map, in a
  // third of the values; with some weights the few values in the middle of the map hide it.
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    NetBuilder net("Net", seed);
    net.conv("only", 3, 3, 1, 1, 1);
    const auto model = value_or_throw(
        save_and_load(net.finish("  return torch.flatten(self.only.forward(x), 1)\n"), {3, 8, 14}));
    std::vector<Fault> faults;
    for (std::uint64_t element = 0; element < 3 * 8 * 14; element += 5) {
      faults.push_back(
          {0, Target::network_input, FaultModel::bit_flip, element, 1U << (20 + element % 4)});
    }
    CAPTURE(seed);
    require_like_reference(*model, 3 * 8 * 14, faults);
  }
}

TEST_CASE("a fault that has nothing to hit is refused by every executor", "[model][error]") {
  const auto model = small_net();
  const auto execution = GENERATE(model::Execution::reference, model::Execution::batched,
                                  model::Execution::incremental);
  const auto executor = model->make_executor({execution, {}});
  const auto block = executor->golden(images(1));
  const auto refused = [&](const Fault& fault) -> std::string {
    const model::Trial trial{0, {&fault, 1}};
    std::string trials, trace;
    try {
      executor->trials(*block, {&trial, 1});
    } catch (const Exception& error) {
      trials = to_string(error.error());
    }
    try {
      executor->trace(*block, trial);
    } catch (const Exception& error) {
      trace = to_string(error.error());
    }
    REQUIRE(trials == trace);
    return trials.substr(0, trials.find('\n'));
  };
  const auto fault = [](std::uint32_t site, Target target, std::uint64_t element) {
    return Fault{site, target, FaultModel::bit_flip, element, 1};
  };
  REQUIRE(refused(fault(2, Target::weight, 0)) ==
          "fault at (activation 0): error: element 0 of its weights does not exist, there are 0");
  REQUIRE(refused(fault(kFirstSite, Target::running_var, 3)) ==
          "fault at first: error: element 3 of its running_vars does not exist, there are 0");
  REQUIRE(refused(fault(kFirstSite, Target::network_input, 0)) ==
          "fault at first: error: element 0 of its network_input does not exist, there are 0");
  REQUIRE(refused(fault(0, Target::neuron, 0)) ==
          "fault at input: error: element 0 of its neurons does not exist, there are 0");
  REQUIRE(refused(fault(kFirstSite, Target::neuron, 128)) ==
          "fault at first: error: element 128 of its neurons does not exist, there are 128");
  REQUIRE(refused(fault(5, Target::neuron, 0)) ==
          "fault at site 5: error: element 0 of its neurons does not exist, there are 0");
  // Whatever the space of a checked fault set has can be hit.
  for (const auto& [target, name, doc] : faultgen::kTargets) {
    for (const std::uint32_t site : sites_with(*model, target)) {
      const std::uint64_t elements = faultgen::site_elements(model->sites()[site], target);
      REQUIRE(refused(fault(site, target, elements - 1)).empty());
    }
  }
}

TEST_CASE("every site of a plain network is computed by regions or channels", "[model]") {
  const auto explained = small_net()->explain();
  REQUIRE(explained.size() == 5);
  REQUIRE_THAT(explained[kSecondSite].neuron_fault, Catch::StartsWith("region to"));
  REQUIRE(explained[kLastSite].neuron_fault == "dense");
  REQUIRE(explained[kLastSite].weight_fault == "layer");
  REQUIRE(explained[0].neuron_fault.empty());
  REQUIRE(explained[2].neuron_fault == "row");
  REQUIRE(explained[kLastSite].reason == "no rule for windows of aten::linear");
}

TEST_CASE("what a golden block keeps is stated", "[model]") {
  // Input 64, conv 128, ReLU 128, conv 192 and flattened 192 (one memory, counted twice), output 4.
  REQUIRE((small_net()->kept_activations() ==
           model::KeptActivations{4 * (64 + 128 + 128 + 192 + 192 + 4), 16}));
  const model::KeptActivations none;
  REQUIRE((small_net()->kept_activations({model::Execution::reference, {}}) == none));
  REQUIRE((small_net()->kept_activations({model::Execution::batched, {}}) == none));
  // Loops that compute values are left to the reference executor.
  const auto scripted = value_or_throw(save_and_load(scripted_net(), {3, 8, 8}));
  REQUIRE((scripted->kept_activations() == none));
}

TEST_CASE("a batch has plain rows only where its strides are those of a new tensor", "[model]") {
  const at::Tensor plain = at::zeros({16, 1, 4, 5});
  REQUIRE((model::row_shape(plain, 16) == model::RowShape{1, 4, 5}));
  // With one channel this is contiguous too, but a kernel for channels last may be chosen for it.
  const at::Tensor last = at::empty_strided({16, 1, 4, 5}, {20, 1, 5, 1});
  REQUIRE(last.is_contiguous());
  REQUIRE_FALSE(model::row_shape(last, 16));
  REQUIRE_FALSE(model::row_shape(at::zeros({16, 2, 4, 5}).transpose(2, 3), 16));
}

TEST_CASE("maps in channels-last layout are concatenated as whole rows", "[model]") {
  NetBuilder net;
  net.conv("first", 1, 2, 3, 1, 1);
  net.linear("last", 4, 4);
  const auto loaded = value_or_throw(
      save_and_load(net.finish("  x = self.first.forward(x)\n"
                               "  y = torch.relu(x.contiguous(memory_format=2))\n"
                               "  x = torch.cat([y, torch.tanh(y)], 1)\n"
                               "  return self.last.forward(torch.mean(x.contiguous(), [2, 3]))\n"),
                    {1, 8, 8}));
  REQUIRE_THAT(loaded->explain()[1].neuron_fault, Catch::StartsWith("region to"));
  require_like_reference(*loaded, 64);
}

TEST_CASE("in-place activations that are modules do not keep a network from windows", "[model]") {
  NetBuilder net;
  net.conv("first", 1, 2, 3, 1, 1);
  net.add("relu", net.layer("ReLU", "  return torch.relu_(x)\n"));
  net.conv("second", 2, 3, 3, 1, 1);
  net.linear("last", 192, 4);
  const auto loaded = value_or_throw(save_and_load(
      net.finish("  x = self.second.forward(self.relu.forward(self.first.forward(x)))\n"
                 "  x = self.relu.forward(x)\n"
                 "  return self.last.forward(torch.flatten(x, 1))\n"),
      {1, 8, 8}));
  std::vector<std::string> watched;
  for (const model::Point& point : loaded->points()) {
    if (point.kind == model::PointKind::module_output) watched.push_back(point.path);
  }
  REQUIRE(watched == std::vector<std::string>{"first", "relu", "second", "relu#1", "last"});
  REQUIRE_THAT(loaded->explain()[1].neuron_fault, Catch::StartsWith("region to"));
  require_like_reference(*loaded, 64);
}

TEST_CASE("a faulty weight gives the layer's bits where some of its channels have others alone",
          "[model]") {
  // Products of matrices add in an order that depends on the number of columns: on common CPUs 16
  // of them have other bits than in layers of these sizes.
  struct Size {
    std::int64_t in, out;
    std::uint32_t batch;
  };
  bool differs = false;
  for (const auto& [in, out, batch] :
       {Size{40, 17, 1}, Size{64, 17, 2}, Size{400, 17, 1}, Size{400, 120, 16}, Size{512, 100, 16},
        Size{400, 300, 16}}) {
    NetBuilder net;
    net.linear("last", in, out);
    const auto loaded = value_or_throw(save_and_load(
        net.finish("  return self.last.forward(torch.flatten(x, 1))\n"), {in, 1, 1}, batch));
    differs |= loaded->explain()[1].weight_fault != "channel, 16 at once";
    std::vector<Fault> faults;
    for (std::int64_t channel = 0; channel < out; ++channel) {
      faults.push_back({1, Target::weight, FaultModel::bit_flip,
                        static_cast<std::uint64_t>(channel * in + channel % in), 1U << 20});
    }
    CAPTURE(in, out, batch);
    require_like_reference(*loaded, static_cast<std::size_t>(in), faults);
  }
  if (!differs) WARN("every product of 16 columns has the bits of the layer on this machine");
}
