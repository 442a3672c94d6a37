#include "faultgen/fault_list.hpp"

#include "tests/faultgen/example_set.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <sstream>

using namespace bitquake;
using namespace bitquake::faultgen;

namespace {

ListContext context(Policy policy = Policy::per_image, std::uint64_t batch_size = 1) {
  ListContext made{test::example_sites(), test::example_set().provenance};
  made.provenance.schedule = {policy, batch_size};
  return made;
}

/// The set of a list that must be right.
FaultSet set_of(const std::string& text, const ListContext& in = context()) {
  const auto set = parse_fault_list(text, "list.csv", in);
  if (!set) FAIL(to_string(set.error()));
  REQUIRE(check_consistent(*set, ""));
  return *set;
}

/// "where what | hint" of a list that is wrong.
std::string refusal(const std::string& text, const ListContext& in = context()) {
  const auto set = parse_fault_list(text, "list.csv", in);
  if (set) return "";
  REQUIRE(set.error().code == Errc::fault_set);
  return set.error().where + " " + set.error().what +
         (set.error().hint.empty() ? "" : " | " + set.error().hint);
}

/// The refusal of a row below a header with the mandatory columns.
std::string row(const std::string& cells) {
  return refusal("site,call,target,element,fault_model,bits\n" + cells + "\n");
}

std::string csv_of(const FaultSet& set) {
  std::ostringstream out;
  write_csv(set, out);
  return out.str();
}

/// Every fault model, target and storage, with values whose text is long.
FaultSet full_set() {
  FaultSet set = test::example_set();
  set.sites[0].path = "odd,\"path\"\nof two lines";
  set.sites[1].path = set.sites[0].path;
  set.sites[1].bias_shape = {4};
  set.sites[2] = {"norm", 0, SiteKind::batch_norm, {4}, {4, 2}, {4}, {4}, {4, 2}};
  set.sites.push_back({"", 0, SiteKind::input, {}, {1, 3, 4}});
  const Storage int8{.format = NumberFormat::int8, .scale = 0.1F, .zero_point = -7};
  const Storage fixed{.format = NumberFormat::fixed, .integer_bits = 3, .fraction_bits = 12};
  const auto bits = [](float value) { return to_bits(value); };
  set.faults = {
      {0, Target::neuron, FaultModel::bit_flip, 4, 0xFFFFFFFF},
      {0, Target::weight, FaultModel::stuck_at_0, 3, 1 << 15, 0, {NumberFormat::fp16}},
      {1, Target::neuron, FaultModel::stuck_at_1, 5, 1 << 7, 0, int8, 0.1F},
      {2, Target::bias, FaultModel::set_value, 3, 0, bits(0.1F), fixed},
      {2, Target::running_mean, FaultModel::random_value, 0, 0, bits(1.17549421e-38F)},
      {2, Target::running_var, FaultModel::gaussian, 1, 0, bits(-3.40282347e38F), {}, 1e-7F},
      {2, Target::site_input, FaultModel::set_value, 7, 0, bits(-0.0F), {NumberFormat::bf16}},
      {3, Target::network_input, FaultModel::zero, 11, 0, 0, {NumberFormat::fp8_e4m3}},
      {0, Target::neuron, FaultModel::sign_flip, 0, 0, 0, {NumberFormat::fp8_e5m2}},
      {0, Target::neuron, FaultModel::nan, 1},
      {0, Target::neuron, FaultModel::inf, 2},
      {0, Target::neuron, FaultModel::set_value, 3, 0,
       bits(std::numeric_limits<float>::infinity())},
      {0, Target::neuron, FaultModel::set_value, 5, 0,
       bits(std::numeric_limits<float>::quiet_NaN())},
  };
  set.sampling_weight = {1, 1.0 / 3, 5e-324, 1.7976931348623157e308, 1, 1, 1, 1, 1, 1, 1, 1, 0.1};
  set.groups = {{0, 0, 0, 3}, {0, 1, 3, 0}, {1, 0, 3, 4}, {1, 1, 7, 6}};
  return set;
}

}  // namespace

TEST_CASE("a set written as CSV is read back as the same set", "[faultgen][list]") {
  const FaultSet set = full_set();
  REQUIRE(check_consistent(set, ""));
  REQUIRE(set_of(csv_of(set), {set.sites, set.provenance, 2}) == set);
  // Without samples the last slot of the list says how many groups an epoch has.
  REQUIRE(set_of(csv_of(set), {set.sites, set.provenance}) == set);
}

TEST_CASE("groups without faults are those of the samples", "[faultgen][list]") {
  FaultSet set = test::example_set();
  set.groups = {{0, 0, 0, 2}, {0, 1, 2, 0}, {0, 2, 2, 0}, {1, 0, 2, 1}, {1, 1, 3, 0}, {1, 2, 3, 0}};
  REQUIRE(set_of(csv_of(set), {set.sites, set.provenance, 3}) == set);
  REQUIRE(set_of(csv_of(set), {set.sites, set.provenance}).groups.size() == 2);

  set.provenance.schedule = {Policy::per_batch, 4};
  REQUIRE(set_of(csv_of(set), {set.sites, set.provenance, 9}) == set);
}

TEST_CASE("columns stand in any order and lines end either way", "[faultgen][list]") {
  const FaultSet set = set_of(
      "bits,fault_model,target,site,index\r\n"
      "0;31,bit_flip,neurons,conv,0;1;2\r\n"
      "exponent,stuck_at_1,weights,head.fc,3;1\r\n");
  REQUIRE(set.faults ==
          std::vector<Fault>{{0, Target::neuron, FaultModel::bit_flip, 5, 0x80000001},
                             {2, Target::weight, FaultModel::stuck_at_1, 7, 0x7F800000}});
  REQUIRE(set.groups == std::vector<FaultGroup>{{0, 0, 0, 1}, {0, 1, 1, 1}});
  REQUIRE(set.sampling_weight == std::vector<double>{1, 1});
}

TEST_CASE("without epoch and slot a row is a group of its own", "[faultgen][list]") {
  const std::string list =
      "site,target,element,bits,fault_model\n"
      "conv,neurons,0,0,bit_flip\nconv,neurons,0,0,bit_flip\n"
      "conv,neurons,0,0,bit_flip\nconv,neurons,0,0,bit_flip\n";
  ListContext in = context();
  in.samples = 2;
  REQUIRE(set_of(list, in).groups ==
          std::vector<FaultGroup>{{0, 0, 0, 1}, {0, 1, 1, 1}, {1, 0, 2, 1}, {1, 1, 3, 1}});
  REQUIRE(set_of(list).groups.back() == FaultGroup{0, 3, 3, 1});
  in = context(Policy::per_epoch);
  in.samples = 100;
  REQUIRE(set_of(list, in).groups.back() == FaultGroup{3, 0, 3, 1});
  in = context(Policy::per_batch, 5);
  in.samples = 6;
  REQUIRE(set_of(list, in).groups.back() == FaultGroup{1, 1, 3, 1});
  in.samples = 11;
  REQUIRE(refusal(list, in) ==
          "list.csv 4 rows do not fill epochs of 3 groups | give columns 'epoch' and 'slot', or as "
          "many samples as the list has groups for");
}

TEST_CASE("rows are grouped by epoch and slot, in the order of their numbers", "[faultgen][list]") {
  const FaultSet set = set_of(
      "fault,epoch,slot,site,target,element,bits,fault_model\n"
      "7,1,0,conv,neurons,1,0,bit_flip\n"
      "9,0,1,conv,neurons,2,0,bit_flip\n"
      "5,0,1,conv,neurons,3,0,bit_flip\n"
      "8,0,1,conv,neurons,4,0,bit_flip\n");
  REQUIRE(set.groups ==
          std::vector<FaultGroup>{{0, 0, 0, 0}, {0, 1, 0, 3}, {1, 0, 3, 1}, {1, 1, 4, 0}});
  std::vector<std::uint64_t> elements;
  for (const Fault& fault : set.faults) elements.push_back(fault.element);
  REQUIRE(elements == std::vector<std::uint64_t>{3, 4, 2, 1});

  REQUIRE(refusal("fault,site,target,element,bits,fault_model\n"
                  "1,conv,neurons,1,0,bit_flip\n1,conv,neurons,2,0,bit_flip\n") ==
          "list.csv line 2 and line 3 are both fault 1 | number them differently, or remove the "
          "column 'fault'");
}

TEST_CASE("policy per_epoch needs no slots", "[faultgen][list]") {
  const std::string list =
      "epoch,site,target,element,bits,fault_model\n"
      "0,conv,neurons,0,0,bit_flip\n0,conv,neurons,1,0,bit_flip\n";
  REQUIRE(set_of(list, context(Policy::per_epoch)).groups == std::vector<FaultGroup>{{0, 0, 0, 2}});
  REQUIRE(
      refusal(list) ==
      "list.csv:1:1 column 'slot', which goes with 'epoch', is missing | columns: fault, epoch, "
      "slot, site, call, target, element, index, bits, fault_model, value, storage, "
      "active_probability, sampling_weight");
  REQUIRE(
      refusal("epoch,slot,site,target,element,bits,fault_model\n0,1,conv,neurons,0,0,bit_flip\n",
              context(Policy::per_epoch)) ==
      "list.csv:2:3 slot: 1, but policy per_epoch has only slot 0 | use another policy, or give "
      "the group an epoch of its own");
}

TEST_CASE("a header that is wrong is refused by name", "[faultgen][list]") {
  REQUIRE(refusal("") ==
          "list.csv is empty | start with a header such as site,target,element,bits,fault_model");
  REQUIRE(refusal("site,tagret\n") ==
          "list.csv:1:6 unknown column 'tagret' | did you mean 'target'?");
  REQUIRE_THAT(
      refusal("site,comment\n"),
      Catch::StartsWith("list.csv:1:6 unknown column 'comment' | columns: fault, epoch, "));
  REQUIRE(refusal("site,site\n") == "list.csv:1:6 column 'site' twice");
  REQUIRE_THAT(refusal("target,element,fault_model\n"),
               Catch::StartsWith("list.csv:1:1 column 'site' is missing"));
  REQUIRE_THAT(refusal("site,target,fault_model\n"),
               Catch::StartsWith("list.csv:1:1 column 'element' or 'index' is missing"));
  REQUIRE_THAT(
      refusal("slot,site,target,fault_model,element\n"),
      Catch::StartsWith("list.csv:1:1 column 'epoch', which goes with 'slot', is missing"));
  REQUIRE(refusal("site,target,element,bits,fault_model\n") ==
          "list.csv holds no fault | list at least one");
}

TEST_CASE("a cell that is wrong is refused at its place", "[faultgen][list]") {
  REQUIRE(row("conv,0,neurons,0,bit_flip,0").empty());
  REQUIRE(row("conv,0,neurons,0,bit_flip") == "list.csv:2:1 5 cells, the header has 6");
  REQUIRE(row("cnov,0,neurons,0,bit_flip,0") ==
          "list.csv:2:1 site: the model has no site 'cnov' | did you mean 'conv'?");
  REQUIRE(
      row("layer9,0,neurons,0,bit_flip,0") ==
      "list.csv:2:1 site: the model has no site 'layer9' | `bitquake model info` shows the sites");
  REQUIRE(row("conv,2,neurons,0,bit_flip,0") == "list.csv:2:6 call: 'conv' has no call 2 | 0 to 1");
  REQUIRE(row("head.fc,1,neurons,0,bit_flip,0") ==
          "list.csv:2:9 call: 'head.fc' has no call 1 | it is called once: 0");
  REQUIRE(row("conv,-1,neurons,0,bit_flip,0") ==
          "list.csv:2:6 call: expected a whole number from 0 to 4294967295, got '-1'");
  REQUIRE(row("conv,0,neuron,0,bit_flip,0") ==
          "list.csv:2:8 target: unknown target 'neuron' | did you mean 'neurons'?");
  REQUIRE(row("conv,0,biases,0,bit_flip,0") == "list.csv:2:8 target: conv has no biases");
  REQUIRE(
      row("conv,1,weights,0,bit_flip,0") ==
      "list.csv:2:8 target: conv#1 has no weights | parameters belong to the first call: call 0");
  REQUIRE(row("conv,0,neurons,6,bit_flip,0") ==
          "list.csv:2:16 element: 6 is outside the neurons of conv, which has 6");
  REQUIRE(row("conv,0,neurons,,bit_flip,0") == "list.csv:2:16 element: is empty");
  REQUIRE(
      row("conv,0,neurons,1.5,bit_flip,0") ==
      "list.csv:2:16 element: expected a whole number from 0 to 18446744073709551615, got '1.5'");
  REQUIRE(row("conv,0,neurons,0,bitflip,0") ==
          "list.csv:2:18 fault_model: unknown fault model 'bitflip' | did you mean 'bit_flip'?");
  REQUIRE(row("conv,0,neurons,0,bit_flip,") ==
          "list.csv:2:27 bits: bit_flip needs bits | write them in column `bits`: 3;7, 23-30 or "
          "exponent");
  REQUIRE_THAT(
      row("conv,0,neurons,0,bit_flip,32"),
      Catch::StartsWith("list.csv:2:27 bits: '32': bit 32 is outside the 32 bits of fp32"));
  REQUIRE(row("conv,0,neurons,0,zero,3") ==
          "list.csv:2:23 bits: zero acts on values, not on bits | leave the cell empty");
  REQUIRE(row("conv,0,neurons,0,set_value,") == "list.csv:2:1 value: set_value needs a value");
  REQUIRE(row("conv,0,neurons,\"0,bit_flip,0") ==
          "list.csv:2:16 a quoted cell without an end | close it with a quote");
}

TEST_CASE("an index is a place in the tensor", "[faultgen][list]") {
  const auto index = [](const std::string& cells) {
    return refusal("site,target,element,index,fault_model\n" + cells + ",zero\n");
  };
  REQUIRE(index("conv,neurons,4,0;1;1").empty());
  REQUIRE(index("conv,neurons,,0;1;1").empty());
  REQUIRE(index("conv,neurons,4,").empty());
  REQUIRE(index("conv,neurons,3,0;1;1") ==
          "list.csv:2:16 index: names element 4, column element 3 | correct or remove one of them");
  REQUIRE(index("conv,neurons,,0;1") ==
          "list.csv:2:15 index: 2 numbers for the 3 dimensions of 1x2x3 | separate them with ';'");
  REQUIRE(index("conv,neurons,,0;2;0") == "list.csv:2:15 index: '0;2;0' is outside 1x2x3");
  REQUIRE(index("conv,neurons,,0;-1;0") == "list.csv:2:15 index: '0;-1;0' is outside 1x2x3");
  REQUIRE(index("conv,neurons,,") == "list.csv:2:14 element: is empty");
}

TEST_CASE("values, storages, probabilities and weights are checked", "[faultgen][list]") {
  const auto cells = [](const std::string& text) {
    return refusal(
        "value,storage,active_probability,sampling_weight,site,target,element,bits,fault_model\n" +
        text + "\n");
  };
  REQUIRE(cells("1.5,,,,conv,neurons,0,,set_value").empty());
  REQUIRE(cells("x,,,,conv,neurons,0,,set_value") ==
          "list.csv:2:1 value: expected a number, got 'x'");
  REQUIRE(cells("1e39,,,,conv,neurons,0,,set_value") ==
          "list.csv:2:1 value: expected a number, got '1e39'");
  REQUIRE(cells("1,,,,conv,neurons,0,3,bit_flip") ==
          "list.csv:2:1 value: bit_flip needs no value | leave the cell empty");
  REQUIRE_THAT(cells(",int9,,,conv,neurons,0,3,bit_flip"),
               Catch::StartsWith("list.csv:2:2 storage: 'int9' is no storage | "));
  REQUIRE_THAT(cells(",fp16,,,conv,neurons,0,16,bit_flip"),
               Catch::Contains("bit 16 is outside the 16 bits of fp16"));
  REQUIRE(cells(",,0,,conv,neurons,0,3,bit_flip") ==
          "list.csv:2:3 active_probability: 0, expected a number above 0, at most 1");
  REQUIRE_THAT(cells(",,1.5,,conv,neurons,0,3,bit_flip"),
               Catch::Contains("active_probability: 1.5"));
  REQUIRE_THAT(cells(",,nan,,conv,neurons,0,3,bit_flip"),
               Catch::Contains("active_probability: nan"));
  REQUIRE(cells(",,,inf,conv,neurons,0,3,bit_flip") ==
          "list.csv:2:4 sampling_weight: inf, expected a finite number above 0");
}

TEST_CASE("two faults of a group that share a bit are named by their lines", "[faultgen][list]") {
  const std::string header = "epoch,slot,site,target,element,bits,fault_model\n";
  REQUIRE(refusal(header + "0,0,conv,neurons,4,1;3,bit_flip\n0,0,conv,neurons,5,1,bit_flip\n"
                           "0,1,conv,neurons,4,3,bit_flip\n0,0,conv,neurons,4,2;3,stuck_at_1\n") ==
          "list.csv line 2 and line 5 hit the same bit of element 4 of the neurons of conv in one "
          "group (epoch 0, slot 0) | leave one of them out, or put them into different groups");
  REQUIRE_THAT(refusal(header + "0,0,conv,neurons,4,1,bit_flip\n0,0,conv,neurons,4,,zero\n"),
               Catch::Contains("line 2 and line 3"));
  REQUIRE(
      refusal(header + "0,0,conv,neurons,4,1,bit_flip\n0,0,conv,neurons,4,2,bit_flip\n").empty());
}

TEST_CASE("slots beyond the samples and endless gaps are refused", "[faultgen][list]") {
  const auto at = [](const std::string& epoch, const std::string& slot) {
    ListContext in = context();
    in.samples = 10;
    return refusal("epoch,slot,site,target,element,bits,fault_model\n" + epoch + "," + slot +
                       ",conv,neurons,0,0,bit_flip\n",
                   in);
  };
  REQUIRE(at("0", "9").empty());
  REQUIRE(at("0", "10") ==
          "list.csv line 2: slot 10 does not exist: 10 samples have the slots 0 to 9 | correct the "
          "slot, or use more samples");
  REQUIRE(at("4294967295", "0") ==
          "list.csv 4294967296 epochs of 10 groups for 1 faults are too many | count epochs and "
          "slots from 0, without gaps");
  REQUIRE_THAT(refusal("epoch,slot,site,target,element,bits,fault_model\n"
                       "0,18446744073709551615,conv,neurons,0,0,bit_flip\n"),
               Catch::Contains("is too large"));
}

TEST_CASE("storages are read as they are written", "[faultgen][list]") {
  for (const Storage& storage :
       {Storage{}, Storage{.format = NumberFormat::fp8_e4m3},
        Storage{.format = NumberFormat::int8, .scale = 0.1F, .zero_point = -128},
        Storage{.format = NumberFormat::fixed, .integer_bits = 0, .fraction_bits = 31}}) {
    const auto read = parse_storage(storage_text(storage));
    REQUIRE(read.ok());
    REQUIRE(*read == storage);
  }
  for (const char* bad :
       {"", "fp64", "fp32 ", "int8", "int8 scale 1", "int8 scale x zero_point 0",
        "int8 scale 1 zero_point 0.5", "int8 scale 1 zero_point 128", "int8 scale 0 zero_point 0",
        "fixed", "fixed 3.12", "fixed Q3", "fixed Q3.12.1", "fixed Q20.20", "fixed Q256.0"}) {
    CAPTURE(bad);
    REQUIRE_FALSE(parse_storage(bad));
  }
}
