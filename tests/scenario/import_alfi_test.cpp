#include "suite/scenario/import_alfi.hpp"

#include "tests/scenario/example.hpp"
#include "tests/scenario/fill_placeholders.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <sstream>

using namespace bitquake;
using namespace bitquake::scenario;
using Catch::Matchers::Contains;
using faultgen::FaultModel;
using faultgen::SiteKind;
using faultgen::Target;

namespace {

using Words = std::vector<std::string>;

/// The keys that PyTorchALFI does not do without, on lines 1 to 9; `more` follows.
std::string alfi(const std::string& more = "") {
  return "rnd_batch: change\n"
         "rnd_layer: change\n"
         "rnd_location: change\n"
         "rnd_value: change\n"
         "inj_policy: per_image\n"
         "rnd_value_type: bitflip\n"
         "rnd_value_bits: 32\n"
         "ptf_H: 28\n"
         "ptf_W: 28\n" +
         more;
}

/// As above with a line in place of another.
std::string changed(const std::string& line, const std::string& by, const std::string& more = "") {
  std::string text = alfi(more);
  const auto at = text.find(line + "\n");
  REQUIRE(at != std::string::npos);
  return text.replace(at, line.size(), by);
}

AlfiScenario imported(const std::string& text) {
  const auto made = import_alfi(text, "default.yml");
  if (!made) FAIL(to_string(made.error().front()));
  return *made;
}

/// The scenario once its placeholders are filled in.
Scenario scenario_of(const std::string& text) {
  const std::string yaml =
      fill_placeholders(imported(text).yaml, {{"model.file", "net.pt"},
                                              {"model.input", "[1, 8, 8]"},
                                              {"model.output", "probabilities"},
                                              {"data.name", "digits"},
                                              {"data.images", "i.gz"},
                                              {"data.labels", "l.gz"}});
  CAPTURE(yaml);
  const Scenario s = parsed(yaml);
  REQUIRE(s.model.file == "net.pt");
  REQUIRE(s.model.output == metrics::OutputKind::probabilities);
  REQUIRE(s.data.name == "digits");
  REQUIRE(s.data.images == "i.gz");
  REQUIRE(s.data.labels == "l.gz");
  return s;
}

/// All messages of a text that is refused.
std::string refusal(const std::string& text) {
  const auto made = import_alfi(text, "a.yml");
  std::string all;
  if (made) return all;
  for (const Error& error : made.error()) {
    REQUIRE(error.code == Errc::scenario);
    all += error.where + " " + error.what + (error.hint.empty() ? "" : " | " + error.hint) + "\n";
  }
  return all;
}

bool notes(const std::string& text, const std::string& part) {
  const auto made = imported(text);
  return std::any_of(made.notes.begin(), made.notes.end(),
                     [&](const std::string& note) { return note.find(part) != std::string::npos; });
}

/// Words of comments and keys without line breaks, to look for a remark that may be wrapped.
std::string flat(const std::string& text) {
  std::string yaml = imported(text).yaml;
  for (auto at = yaml.find("\n# "); at != std::string::npos; at = yaml.find("\n# ", at)) {
    yaml.replace(at, 3, " ");
  }
  return yaml;
}

/// The keys and values of scenarios/default.yml, as last published.
const std::string kDefault =
    "print: False\n"
    "sourcedev: cuda\n"
    "modelname: lenet\n"
    "state: state/lenet_teststate2.pth\n"
    "run_type: single\n"
    "num_runs: 2\n"
    "max_faults_per_image: 1\n"
    "value_type: random\n"
    "layer_types: [conv2d]\n"
    "rnd_mode: neurons\n"
    "rnd_batch: change\n"
    "rnd_layer: change\n"
    "rnd_layer_weighted: True\n"
    "rnd_location: change\n"
    "rnd_value: change\n"
    "inj_policy: per_batch\n"
    "inj_policy: per_epoch\n"
    "rnd_value_type: bitflip\n"
    "rnd_value_bits: 32\n"
    "rnd_bit_range: [1]\n"
    "rnd_bit_range_exclude: [1]\n"
    "st_data_location: inline\n"
    "st_mode: weights\n"
    "st_value_type: number\n"
    "st_batches: [-1,-1,-1]\n"
    "st_layers: [1,1,2]\n"
    "st_H: [3,3,4]\n"
    "st_W: [0,2,4]\n"
    "st_C: [0,1,0]\n"
    "st_K: [1,1,1]\n"
    "st_value: [1200,30,2000]\n"
    "ptf_H: 100\n"
    "ptf_W: 100\n"
    "ptf_D: -1\n"
    "ptf_C: 3\n"
    "ptf_batch_size: 50\n"
    "ds_location: data/cifar-10-batches-py\n"
    "ds_batch_size: 1\n"
    "ds_loader_class: imagenet\n"
    "ds_test_size: 10\n"
    "save_fault_file_dir: 'result_files/VPU_test/'\n";

}  // namespace

TEST_CASE("PyTorchALFI's default.yml is a scenario once the placeholders are filled in",
          "[scenario][alfi]") {
  const Scenario s = scenario_of(kDefault);
  REQUIRE(s.model.input == std::vector<std::int64_t>{3, 100, 100});
  REQUIRE(s.run_type == faultgen::RunType::single);
  Scenario::Faults expected;
  expected.target = Target::neuron;
  expected.model = FaultModel::bit_flip;
  expected.bits = {"30"};
  expected.draw = faultgen::Draw::elements;
  expected.kinds = {SiteKind::conv2d};
  expected.per_group = 1;
  expected.policy = faultgen::Policy::per_epoch;
  expected.epochs = 2;
  REQUIRE(s.faults == expected);
  REQUIRE(imported(kDefault).notes ==
          Words{"inj_policy: given more than once; the last value holds, as there"});
}

TEST_CASE("the text of an imported scenario says what stands for what", "[scenario][alfi]") {
  const std::string yaml = imported(kDefault).yaml;
  REQUIRE_THAT(yaml, Catch::StartsWith("# Made from default.yml, a scenario of PyTorchALFI.\n"));
  REQUIRE_THAT(yaml, Contains("\nmodel:\n"
                              "  # file: model.pt               # fill in: TorchScript file of the "
                              "model\n"));
  REQUIRE_THAT(yaml,
               Contains("\n  epochs: 2                      # num_runs: passes over the data\n"));
  REQUIRE_THAT(yaml, Contains("\n# - sourcedev: cuda; PyTorchALFI never uses it\n"));
  REQUIRE_THAT(yaml,
               Contains("\n# - st_H: [3, 3, 4]; static faults were never implemented there; "));
  std::string line;
  std::istringstream lines(yaml);
  while (std::getline(lines, line)) REQUIRE(line.size() <= 100);
  // As it is, the mandatory keys are missing and nothing else is wrong.
  const std::string missing = mistakes(yaml);
  for (const char* key : {"model.file", "model.output", "data.name", "data.images"}) {
    REQUIRE_THAT(missing, Contains(key));
  }
  REQUIRE(parse(yaml).error().size() == 4);
}

TEST_CASE("the other shipped scenarios of PyTorchALFI are imported", "[scenario][alfi]") {
  // default_lenet.yml: what differs from default.yml.
  const Scenario lenet = scenario_of(
      "num_runs: 1\ndataset_size: 1\nmax_faults_per_image: 1\nlayer_types: [conv2d]\n"
      "rnd_mode: neurons\nrnd_batch: change\nrnd_layer: change\nrnd_layer_weighted: True\n"
      "rnd_location: change\nrnd_value: change\ninj_policy: per_batch\nrnd_value_type: bitflip\n"
      "rnd_value_bits: 32\nrnd_bit_range: [0,8]\nptf_H: 100\nptf_W: 100\nptf_D: -1\nptf_C: 1\n"
      "ptf_batch_size: 50\nsave_fault_file_dir: 'result_files/'\n");
  REQUIRE(lenet.faults.bits == Words{"23-31"});
  REQUIRE(lenet.faults.batch_size == 50U);
  REQUIRE(lenet.faults.epochs == 1);
  REQUIRE(lenet.model.input == std::vector<std::int64_t>{1, 100, 100});

  // default_weights.yml; inj_policy, which it lacks, was added.
  const Scenario weights = scenario_of(
      "print: False\nsourcedev: cuda\nfi_logfile: fault_rates_alexnet_10\nmodelname: yolov3\n"
      "state: state/lenet_teststate2.pth\nrun_type: single\ndataset_size: 1\nnum_runs: 1000\n"
      "max_faults_per_image: 1\nvalue_type: random\nlayer_types: [conv2d, fcc]\n"
      "rnd_mode: weights\nrnd_batch: change\nrnd_layer: change\nrnd_layer_weighted: True\n"
      "rnd_location: change\nrnd_value: change\ninj_policy: per_epoch\nrnd_value_type: bitflip\n"
      "rnd_value_bits: 32\nrnd_bit_range: [0,8]\nptf_H: 370\nptf_W: 1224\nptf_D: -1\nptf_C: 3\n"
      "ptf_batch_size: 24\n");
  REQUIRE(weights.faults.target == Target::weight);
  REQUIRE(weights.faults.kinds == std::vector<SiteKind>{SiteKind::conv2d, SiteKind::linear});
  REQUIRE(weights.faults.epochs == 1000);
  REQUIRE(weights.faults.policy == faultgen::Policy::per_epoch);
  REQUIRE(weights.model.input == std::vector<std::int64_t>{3, 370, 1224});

  // default_neurons.yml: keys given several times, the last ones hold.
  const std::string neurons_text =
      "print: False\nfi_logfile: fault_rates_alexnet_1\nlayer_boundsfile: -1\nrun_type: single\n"
      "dataset_size: 1\nnum_runs: 2\nmax_faults_per_image: 1\nlayer_types: [conv2d]\n"
      "rnd_mode: neurons\nrnd_mode: weights\ninj_policy: per_batch\nrnd_batch: change\n"
      "rnd_layer: change\nrnd_layer_weighted: True\nrnd_location: change\nrnd_value: change\n"
      "rnd_value_type: bitflip\nrnd_value_bits: 32\nrnd_bit_range: [1]\nrnd_bit_range: [0,8]\n"
      "rnd_bit_range: [0,31]\nptf_H: 384\nptf_W: 640\nptf_D: -1\nptf_C: 3\nptf_batch_size: 1\n"
      "save_fault_file_dir: 'result_files/result_files_paper'\n";
  const Scenario neurons = scenario_of(neurons_text);
  REQUIRE(neurons.faults.target == Target::weight);
  REQUIRE(neurons.faults.bits == Words{"all"});
  REQUIRE(neurons.faults.batch_size == 1U);
  REQUIRE(imported(neurons_text).notes.size() == 4);  // 3 keys given again, the batch size

  // default_yolo.yml: weights of single images, which PyTorchALFI refuses.
  const Scenario yolo = scenario_of(
      "sourcedev: cuda\nmodelname: lenet\nrun_type: single\nnum_runs: 1\nmax_faults_per_image: 1\n"
      "inj_policy: per_image\nvalue_type: random\nlayer_types: [conv2d]\nrnd_mode: weights\n"
      "rnd_batch: change\nrnd_layer: change\nrnd_layer_weighted: True\nrnd_location: change\n"
      "rnd_value: change\nrnd_value_type: bitflip\nrnd_value_bits: 32\nrnd_bit_range: [1]\n"
      "ptf_H: 416\nptf_W: 416\nptf_D: -1\nptf_C: 3\nptf_batch_size: 1\n");
  REQUIRE(yolo.faults.target == Target::weight);
  REQUIRE(yolo.faults.policy == faultgen::Policy::per_image);
  REQUIRE(yolo.faults.bits == Words{"30"});
}

TEST_CASE("bits are counted from the least significant", "[scenario][alfi]") {
  const auto bits = [](const std::string& more) { return scenario_of(alfi(more)).faults.bits; };
  REQUIRE(bits("") == Words{"all"});
  REQUIRE(bits("rnd_bit_range: [0]\n") == Words{"31"});
  REQUIRE(bits("rnd_bit_range: [31]\n") == Words{"0"});
  REQUIRE(bits("rnd_bit_range: [1, 8]\n") == Words{"23-30"});  // the exponent
  REQUIRE(bits("rnd_bit_range: [8, 1]\n") == Words{"23-30"});  // turned round, as there
  REQUIRE(bits("rnd_bit_range: [5, 5]\n") == Words{"26"});
  REQUIRE(bits("rnd_bit_range: []\n") == Words{"all"});
  // Both ends are included; excluded bits are left out; two single bits are written as ranges.
  REQUIRE(bits("rnd_bit_range: [0, 8]\nrnd_bit_range_exclude: [1]\n") == Words{"23-29", "31-31"});
  REQUIRE(bits("rnd_bit_range: [0, 2]\nrnd_bit_range_exclude: [1]\n") == Words{"29-29", "31-31"});
  REQUIRE(bits("rnd_bit_range: [1]\nrnd_bit_range_exclude: [1]\n") == Words{"30"});
  REQUIRE(scenario_of(changed("rnd_value_bits: 32", "rnd_value_bits: 16")).faults.bits ==
          Words{"16-31"});
  REQUIRE(
      refusal(changed("rnd_value_bits: 32", "rnd_value_bits: 8", "rnd_bit_range: [2, 8]\n")) ==
      "a.yml:10:1 rnd_bit_range: bit 8 is outside rnd_value_bits 8 | PyTorchALFI refuses it too\n");
  REQUIRE(refusal(alfi("rnd_bit_range: [32]\n")) ==
          "a.yml:10:1 rnd_bit_range: expected a list of bits from 0 to 31, got [32]\n");
  REQUIRE(refusal(alfi("rnd_bit_range: [1, 2, 3]\n")) ==
          "a.yml:10:1 rnd_bit_range: expected one or two bits, got 3\n");
  REQUIRE(refusal(alfi("rnd_bit_range: [1, 2]\nrnd_bit_range_exclude: [1, 2]\n")) ==
          "a.yml:11:1 rnd_bit_range_exclude: leaves no bit\n");
}

TEST_CASE("numbers are drawn from their range", "[scenario][alfi]") {
  const std::string number = "rnd_value_type: number";
  const Scenario s = scenario_of(
      changed("rnd_value_type: bitflip", number, "rnd_value_min: 100\nrnd_value_max: 1000\n"));
  REQUIRE(s.faults.model == ModelChoice(FaultModel::random_value));
  REQUIRE(s.faults.value_range == std::vector<double>{100, 1000});
  REQUIRE(s.faults.bits == Words{"all"});
  REQUIRE(refusal(changed("rnd_value_type: bitflip", number, "rnd_value_min: 1\n")) ==
          "a.yml:6:1 rnd_value_type: number needs rnd_value_min and rnd_value_max\n");
  REQUIRE(
      refusal(changed("rnd_value_type: bitflip", number, "rnd_value_min: 2\nrnd_value_max: 1\n")) ==
      "a.yml:10:1 rnd_value_min: is above rnd_value_max\n");
  REQUIRE(
      refusal(changed("rnd_value_type: bitflip", number, "rnd_value_min: x\nrnd_value_max: 1\n")) ==
      "a.yml:10:1 rnd_value_min: expected a number, got x\n"
      "a.yml:6:1 rnd_value_type: number needs rnd_value_min and rnd_value_max\n");
  REQUIRE_THAT(flat(alfi("rnd_value_min: 5\n")),
               Contains("rnd_value_min: applies to numbers only"));
}

TEST_CASE("stuck-at faults mean what is documented", "[scenario][alfi]") {
  const std::string text = changed("rnd_value_type: bitflip", "rnd_value_type: stuckat_1",
                                   "rnd_bit_range: [1, 8]\nrnd_mode: weights\n");
  REQUIRE(scenario_of(text).faults.model == ModelChoice(FaultModel::stuck_at_1));
  REQUIRE(scenario_of(text).faults.bits == Words{"23-30"});
  REQUIRE_THAT(flat(text), Contains("the bit reads 1, as documented; there a bit is flipped"));
  REQUIRE(
      scenario_of(changed("rnd_value_type: bitflip", "rnd_value_type: stuckat_0")).faults.model ==
      ModelChoice(FaultModel::stuck_at_0));
}

TEST_CASE("fault types that depend on the value are noted", "[scenario][alfi]") {
  const std::string weighted =
      changed("rnd_value_type: bitflip", "rnd_value_type: bitflip_weighted");
  REQUIRE(scenario_of(weighted).faults.model == ModelChoice(FaultModel::bit_flip));
  REQUIRE(notes(weighted, "give faults.bit_weights"));
  REQUIRE(notes(changed("rnd_value_type: bitflip", "rnd_value_type: bitflip_bounds"),
                "keep the value within bounds"));
}

TEST_CASE("layers are chosen by type, name and number", "[scenario][alfi]") {
  const Scenario s =
      scenario_of(alfi("layer_types: [conv3d, fcc, attn_fcc, batchnorm]\n"
                       "layer_types_named: [head, \"blocks.1\"]\n"
                       "layer_types_exclude: aux\n"
                       "rnd_layer_weighted: no\n"));
  REQUIRE(s.faults.kinds ==
          std::vector<SiteKind>{SiteKind::conv3d, SiteKind::linear, SiteKind::batch_norm});
  REQUIRE(s.faults.include == Words{"*head*", "*blocks.1*"});
  REQUIRE(s.faults.exclude == Words{"*aux*"});
  REQUIRE(s.faults.draw == faultgen::Draw::sites);
  REQUIRE(scenario_of(alfi("rnd_layer_weighted: True\n")).faults.draw == faultgen::Draw::elements);

  const std::string third = changed("rnd_layer: change", "rnd_layer: 2");
  REQUIRE(scenario_of(third).faults.indices == Words{"2"});
  REQUIRE(notes(third, "check faults.indices"));
  REQUIRE(notes(changed("rnd_layer: change", "rnd_layer: same"), "choose one with faults.indices"));
  REQUIRE(
      notes(alfi("rnd_layer_selected: True\nrnd_layer_selected_num: 3\n"), "rnd_layer_selected"));
  REQUIRE(notes(alfi("layer_types: [leakyRelu]\n"), "here all activation functions"));

  const std::string weights = "rnd_mode: weights\n";
  REQUIRE(scenario_of(alfi(weights + "layer_types: [fcc, leakyRelu]\n")).faults.kinds ==
          std::vector<SiteKind>{SiteKind::linear});
  REQUIRE(refusal(alfi(weights + "layer_types: [leakyRelu]\n")) ==
          "a.yml:11:1 layer_types: no type with weights is left\n");
  REQUIRE_THAT(
      refusal(alfi("layer_types: [conv2]\n")),
      Contains("a.yml:10:1 layer_types: unknown word 'conv2' | one of: conv2d, conv3d, fcc, "));
  REQUIRE(refusal(changed("rnd_layer: change", "rnd_layer: sometimes")) ==
          "a.yml:2:1 rnd_layer: expected a whole number from 0 to 65535, got sometimes\n");
}

TEST_CASE("policies take their batch size from the dummy batch", "[scenario][alfi]") {
  const std::string batch = "inj_policy: per_batch";
  const auto size = [&](const std::string& more) {
    return scenario_of(changed("inj_policy: per_image", batch, more)).faults.batch_size;
  };
  REQUIRE(size("ptf_batch_size: 50\nds_batch_size: 8\n") == 50U);
  REQUIRE(size("ds_batch_size: 8\n") == 8U);
  REQUIRE(size("") == 1U);
  REQUIRE(notes(changed("inj_policy: per_image", batch), "the batch size of its data loader"));
  REQUIRE_FALSE(scenario_of(alfi("ptf_batch_size: 50\n")).faults.batch_size);
  REQUIRE(notes(changed("rnd_batch: change", "rnd_batch: each", "ptf_batch_size: 4\n"),
                "policy per_batch with batch_size 4"));
  REQUIRE(notes(changed("rnd_batch: change", "rnd_batch: same"), "hit one image of it"));
  REQUIRE(refusal(changed("inj_policy: per_image", "inj_policy: foo")) ==
          "a.yml:5:1 inj_policy: unknown word 'foo' | one of: per_image, per_batch, per_epoch\n");
}

TEST_CASE("the number of faults is fixed or a rate", "[scenario][alfi]") {
  REQUIRE(scenario_of(alfi("max_faults_per_image: 3\n")).faults.per_group == 3U);
  const Scenario s = scenario_of(alfi("max_fault_rate: 0.01\nmax_faults_per_image: -1\n"));
  REQUIRE(s.faults.fault_rate == 0.01);
  REQUIRE_FALSE(s.faults.per_group);
  REQUIRE(s.faults.draw == faultgen::Draw::elements);
  REQUIRE(
      refusal(alfi("max_fault_rate: 0.01\nmax_faults_per_image: 1\n")) ==
      "a.yml:10:1 max_fault_rate: cannot be given together with max_faults_per_image | keep one of "
      "them: PyTorchALFI refuses both\n");
  REQUIRE(refusal(alfi("max_fault_rate: 2\n")) ==
          "a.yml:10:1 max_fault_rate: expected a number above 0, at most 1, got 2\n");
  REQUIRE(refusal(alfi("num_runs: 0\n")) ==
          "a.yml:10:1 num_runs: expected a whole number from 1 to 1000000000, got 0\n");
  REQUIRE(scenario_of(alfi("run_type: accumulate\n")).run_type == faultgen::RunType::accumulate);
}

TEST_CASE("faults of layer inputs are those of site inputs", "[scenario][alfi]") {
  REQUIRE(scenario_of(alfi("fault_injec_hook_type: input\n")).faults.target == Target::site_input);
  REQUIRE(scenario_of(alfi("fault_injec_hook_type: output\n")).faults.target == Target::neuron);
  REQUIRE_THAT(refusal(alfi("rnd_mode: weights\nfault_injec_hook_type: input\n")),
               Contains("input does not go with rnd_mode weights"));
}

TEST_CASE("without the size of the input its key is a placeholder", "[scenario][alfi]") {
  const std::string text = changed("ptf_H: 28", "ptf_C: 1");
  REQUIRE_THAT(imported(text).yaml, Contains("\n  # input: [3, 224, 224]"));
  REQUIRE(scenario_of(text).model.input == std::vector<std::int64_t>{1, 8, 8});
  REQUIRE(scenario_of(alfi()).model.input == std::vector<std::int64_t>{3, 28, 28});
  REQUIRE(notes(alfi("ptf_D: 16\n"), "three dimensions"));
}

TEST_CASE("keys that are not understood are named, in a comment and as a note",
          "[scenario][alfi]") {
  const std::string text =
      alfi("rnd_leyer_weighted: True\nvalue_type: static\nread_from_file: a.bin\n");
  REQUIRE(
      imported(text).notes ==
      Words{"read_from_file: a.bin; convert it with `bitquake faults import`, then give "
            "faults.file",
            "value_type: static; static faults were never implemented there; list them in a CSV "
            "file for `bitquake faults import`",
            "rnd_leyer_weighted: True; not understood: no key of PyTorchALFI"});
  REQUIRE_THAT(flat(text), Contains("- rnd_leyer_weighted: True; not understood"));
  // What is in the file cannot get out of its comment.
  REQUIRE_NOTHROW(scenario_of(alfi("\"a\\nseed: 7\": \"b\\nseed: 8\"\n? \"\"\n: {x: [1]}\n")));
  REQUIRE(scenario_of(alfi("\"a\\nseed: 7\": \"b\\nseed: 8\"\n")).seed == 1);
}

TEST_CASE("what is the same for all faults there is noted", "[scenario][alfi]") {
  REQUIRE(notes(changed("rnd_value: change", "rnd_value: same"), "rnd_value: same"));
  REQUIRE(notes(changed("rnd_location: change", "rnd_location: same"), "rnd_location: same"));
  REQUIRE(imported(alfi()).notes.empty());
}

TEST_CASE("all mistakes of a file are told, and what is no scenario", "[scenario][alfi]") {
  REQUIRE(refusal("num_runs: [1]\nprint: 3\n") ==
          "a.yml:1:1 num_runs: expected a whole number from 1 to 1000000000, got [1]\n"
          "a.yml:1:1 rnd_value_type: is missing | PyTorchALFI refuses that too\n"
          "a.yml:1:1 inj_policy: is missing | PyTorchALFI refuses that too\n");
  REQUIRE(refusal("- 1\n") ==
          "a.yml:1:1 expected a mapping of keys, as scenarios of PyTorchALFI are\n");
  REQUIRE_THAT(refusal("a: [\n"), Contains("not valid YAML"));
  REQUIRE_THAT(refusal("a: \x01\n"), Contains("control character 0x01"));
  REQUIRE_THAT(refusal("a: 1\n---\nb: 2\n"), Contains("a second YAML document"));
  REQUIRE_THAT(refusal(alfi("? [1]\n: 2\n")), Contains("a key must be a word"));
}
