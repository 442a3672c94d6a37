#include "faultgen/fault_model.hpp"

#include "faultgen/bits.hpp"
#include "faultgen/fault_set.hpp"
#include "faultgen/sampler.hpp"
#include "suite/base/h5.hpp"
#include "suite/scenario/yaml_reader.hpp"
#include "suite/scenario/yaml_writer.hpp"
#include "tests/base/temp_directory.hpp"
#include "tests/faultgen/example_set.hpp"
#include "tests/faultgen/simple_plan.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

using namespace bitquake;
using namespace bitquake::faultgen;

namespace {

std::uint64_t swap_halves(std::uint64_t, std::uint64_t bits) {
  return (bits >> 16) | ((bits & 0xffff) << 16);
}

std::uint64_t flip_adjacent(std::uint64_t bit_mask, std::uint64_t bits) {
  return bits ^ (bit_mask | (bit_mask << 1));
}

FaultModel registered(const std::string& name, BitFunction bits) {
  if (const auto known = value_of(fault_models(), name)) return *known;
  return value_or_throw(register_fault_model(name, "a test's own", bits));
}

// In this order: their numbers are not in the order of their names.
FaultModel swapping() { return registered("swap_halves", swap_halves); }
FaultModel adjacent() {
  swapping();
  return registered("flip_adjacent", flip_adjacent);
}

std::string refusal(const std::string& name, const std::string& doc, BitFunction bits) {
  const std::size_t before = fault_models().size();
  const auto result = register_fault_model(name, doc, bits);
  REQUIRE_FALSE(result);
  REQUIRE(result.error().code == Errc::usage);
  REQUIRE(fault_models().size() == before);
  return to_string(result.error());
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

FaultSet set_with(FaultModel first, FaultModel second) {
  FaultSet set = test::example_set();
  set.faults[0].model = first;
  set.faults[1].model = second;
  return set;
}

/// Runs `work` in another process: what it registers is not registered here.
template <class Work>
void in_another_program(Work work) {
  const pid_t child = fork();
  if (child == 0) {
    work();
    _exit(EXIT_SUCCESS);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(status == EXIT_SUCCESS);
}

}  // namespace

TEST_CASE("a registered fault model is applied and listed after the built-in ones",
          "[faultgen][registry]") {
  const FaultModel model = adjacent();
  REQUIRE(static_cast<std::size_t>(model) >= 3);
  REQUIRE(is_registered_by_program(model));
  REQUIRE_FALSE(is_registered_by_program(FaultModel::stuck_at_1));
  REQUIRE(apply(model, 0b0010, 0b1111) == 0b1001);
  REQUIRE(apply(swapping(), 1, 0x3f800001) == 0x00013f80);
  REQUIRE(apply(FaultModel::bit_flip, 0b0010, 0b1111) == 0b1101);
  REQUIRE(fault_model_info(model).name == "flip_adjacent");
  for (std::size_t i = 0; i < fault_models().size(); ++i) {
    REQUIRE(static_cast<std::size_t>(fault_models()[i].value) == i);
  }
  REQUIRE_THROWS_AS(apply(FaultModel{255}, 1, 1), Exception);
}

TEST_CASE("a taken or malformed registration is refused", "[faultgen][registry]") {
  adjacent();
  REQUIRE(
      contains(refusal("bit_flip", "doc", flip_adjacent), "'bit_flip': error: the name is taken"));
  REQUIRE(contains(refusal("flip_adjacent", "doc", flip_adjacent), "the name is taken"));
  for (const char* name :
       {"", "Flip", "1flip", "_flip", "flip-bit", "flip bit", "a,b", "fl\xC3\xBCp"}) {
    REQUIRE(contains(refusal(name, "doc", flip_adjacent), "the name is malformed"));
  }
  REQUIRE(contains(refusal(std::string(65, 'a'), "doc", flip_adjacent), "at most 64"));
  REQUIRE(contains(refusal("fresh", "", flip_adjacent), "description"));
  REQUIRE(contains(refusal("fresh", "two\nlines", flip_adjacent), "description"));
  REQUIRE(contains(refusal("fresh", "doc", nullptr), "no function"));
}

TEST_CASE("a scenario names a registered fault model", "[faultgen][registry][scenario]") {
  const FaultModel model = adjacent();
  const std::string text =
      "version: 1\nmodel: {file: m.pt, input: [1, 2, 2], output: logits}\n"
      "data: {name: d, images: i}\nfaults: {model: flip_adjacent}\n";
  const auto parsed = scenario::parse_scenario(text, "own.yaml", ".");
  REQUIRE(parsed);
  REQUIRE(parsed->faults.model == scenario::ModelChoice{model});
  REQUIRE(contains(scenario::to_yaml(*parsed), "model: flip_adjacent"));
}

TEST_CASE("the sampler draws a registered fault model at the same places", "[faultgen][registry]") {
  const FaultSpace space(test::example_sites(), Target::neuron);
  test::SimplePlan plan{.epochs = 2, .samples = 10, .seed = 3};
  const FaultSet flips = value_or_throw(test::draw_faults(space, plan));
  plan.model = adjacent();
  FaultSet own = value_or_throw(test::draw_faults(space, plan));
  for (Fault& fault : own.faults) {
    REQUIRE(fault.model == plan.model);
    fault.model = FaultModel::bit_flip;
  }
  REQUIRE(own == flips);
}

TEST_CASE("a fault set keeps the names of registered fault models", "[faultgen][registry][h5]") {
  const test::TempDirectory directory;
  const FaultSet set = set_with(swapping(), adjacent());
  write_fault_set(set, directory / "set.h5");
  REQUIRE(value_or_throw(read_fault_set(directory / "set.h5")) == set);
  const auto file = value_or_throw(h5::File::open(directory / "set.h5", Errc::fault_set));
  REQUIRE(file.column_doc("faults/fault_model").doc ==
          "0 bit_flip, 1 stuck_at_0, 2 stuck_at_1, 3 set_value, 4 zero, 5 sign_flip, "
          "6 random_value, 7 gaussian, 8 nan, 9 inf, 10 flip_adjacent, 11 swap_halves");
  REQUIRE(file.read_column<std::uint8_t>("faults/fault_model") ==
          std::vector<std::uint8_t>{11, 10, 2});
}

TEST_CASE("a fault set does not name registered fault models it has no use for",
          "[faultgen][registry][h5]") {
  const test::TempDirectory directory;
  adjacent();
  write_fault_set(set_with(FaultModel::bit_flip, swapping()), directory / "set.h5");
  const auto file = value_or_throw(h5::File::open(directory / "set.h5", Errc::fault_set));
  REQUIRE(file.column_doc("faults/fault_model").doc ==
          "0 bit_flip, 1 stuck_at_0, 2 stuck_at_1, 3 set_value, 4 zero, 5 sign_flip, "
          "6 random_value, 7 gaussian, 8 nan, 9 inf, 10 swap_halves");
}

TEST_CASE("the order of registration does not matter to a file", "[faultgen][registry][h5]") {
  const test::TempDirectory directory;
  in_another_program([&] {
    // Whatever this process registers already, these two get other numbers there than here.
    const FaultModel unused = registered("zz_unused", flip_adjacent);
    const FaultModel late = registered("late", swap_halves);
    const FaultModel early = registered("early", flip_adjacent);
    write_fault_set(set_with(late, early), directory / "theirs.h5");
    write_fault_set(set_with(early, unused), directory / "unknown.h5");
  });
  const FaultModel early = registered("early", flip_adjacent);
  const FaultModel late = registered("late", swap_halves);
  const FaultSet set = set_with(late, early);
  REQUIRE(value_or_throw(read_fault_set(directory / "theirs.h5")) == set);
  write_fault_set(set, directory / "ours.h5");
  REQUIRE(test::read_bytes(directory / "ours.h5") == test::read_bytes(directory / "theirs.h5"));

  const auto unknown = read_fault_set(directory / "unknown.h5");
  REQUIRE_FALSE(unknown);
  REQUIRE(unknown.error().code == Errc::fault_set);
  REQUIRE(unknown.error().where == (directory / "unknown.h5").string());
  REQUIRE(contains(unknown.error().what,
                   "fault 1: fault model 'zz_unused' is not registered in this program"));
  REQUIRE(contains(unknown.error().hint, "register_fault_model"));
}
