#include "suite/scenario/yaml_reader.hpp"

#include "suite/base/rng.hpp"
#include "suite/scenario/schema.hpp"
#include "suite/scenario/yaml_writer.hpp"
#include "tests/base/temp_directory.hpp"
#include "tests/scenario/example.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace bitquake;
using namespace bitquake::scenario;

namespace {

using Words = std::vector<std::string>;

std::string shipped(const std::string& name) {
  return std::string(BITQUAKE_SOURCE_DIR) + "/suite/scenarios/" + name;
}

/// The one message of a text with one mistake, in the line after the shortest scenario.
std::string mistake(const std::string& line) { return mistakes(kShortest + line + "\n"); }

/// What is wrong in such a text; empty when nothing is.
std::string what(const std::string& line) {
  const auto result = parse(kShortest + line + "\n");
  if (result) return "";
  REQUIRE(result.error().size() == 1);
  return result.error().front().what;
}

}  // namespace

TEST_CASE("every key of a file reaches its member", "[scenario]") {
  const Scenario s = parsed(
      "version: 1\n"
      "seed: 18446744073709551615\n"
      "model:\n"
      "  file: ../net.pt\n"
      "  input: [3, 32, 16]\n"
      "  output: probabilities\n"
      "data:\n"
      "  format: idx\n"
      "  name: tiny set\n"
      "  images: /data/i.gz\n"
      "  labels: l.gz\n"
      "  samples: 12\n"
      "  order: random\n"
      "preprocess:\n"
      "  divide_by: 1.5e2\n"
      "  mean: [-0.5, 0, 0.25]\n"
      "  std: [2]\n"
      "faults:\n"
      "  target: weights\n"
      "  model: stuck_at_1\n"
      "  bits: 23-30\n"
      "  draw: sites\n"
      "  policy: per_image\n"
      "  per_group: 3\n"
      "  epochs: 1000000000\n"
      "execution: reference\n"
      "padded_batch: 4096\n"
      "unit_samples: 7\n"
      "memory_budget_mib: 512\n"
      "audit: off\n"
      "monitor: output\n"
      "deviation: on\n"
      "statistics:\n"
      "  interval: clopper_pearson\n"
      "  confidence: 0.9999\n");
  REQUIRE(s.version == 1);
  REQUIRE(s.seed == 18446744073709551615U);
  REQUIRE(s.model.file == "../net.pt");
  REQUIRE(s.model.input == std::vector<std::int64_t>{3, 32, 16});
  REQUIRE(s.model.output == metrics::OutputKind::probabilities);
  REQUIRE(s.data.format == DataFormat::idx);
  REQUIRE(s.data.name == "tiny set");
  REQUIRE(s.data.images == "/data/i.gz");
  REQUIRE(s.data.labels == "l.gz");
  REQUIRE(s.data.samples == 12);
  REQUIRE(s.data.order == datasets::Order::random);
  REQUIRE(s.preprocess.divide_by == 150.0);
  REQUIRE(s.preprocess.mean == std::vector{-0.5, 0.0, 0.25});
  REQUIRE(s.preprocess.stddev == std::vector{2.0});
  REQUIRE_FALSE(s.faults.file.has_value());
  REQUIRE(s.faults.target == faultgen::Target::weight);
  REQUIRE(s.faults.model == ModelChoice{faultgen::FaultModel::stuck_at_1});
  REQUIRE(s.faults.bits == Words{"23-30"});
  REQUIRE(s.faults.draw == faultgen::Draw::sites);
  REQUIRE(s.faults.policy == faultgen::Policy::per_image);
  REQUIRE(s.faults.per_group == 3);
  REQUIRE(s.faults.epochs == 1'000'000'000);
  REQUIRE(s.execution == Execution::reference);
  REQUIRE(s.padded_batch == 4096);
  REQUIRE(s.unit_samples == 7);
  REQUIRE(s.memory_budget_mib == 512);
  REQUIRE_FALSE(s.audit);
  REQUIRE(s.monitor == MonitorScope::output);
  REQUIRE(s.deviation);
  REQUIRE(s.statistics.interval == metrics::IntervalMethod::clopper_pearson);
  REQUIRE(s.statistics.confidence == 0.9999);
  REQUIRE(s.resolve(s.model.file) == "/home/net.pt");
  REQUIRE(s.resolve(s.data.images) == "/data/i.gz");
}

TEST_CASE("one bit in a list means exactly that bit", "[scenario]") {
  REQUIRE(parsed(kShortest + "faults: {bits: [7]}").faults.bits == Words{"7"});
}

TEST_CASE("two numbers in a list of bits are refused: some read a range in them", "[scenario]") {
  REQUIRE(what("faults: {bits: [0, 31]}") == "faults.bits: [0, 31] can mean a range or two bits");
  REQUIRE(parsed(kShortest + "faults: {bits: [0-0, 31]}").faults.bits == Words{"0-0", "31"});
}

TEST_CASE("further kinds of faults stand in a list", "[scenario]") {
  const Scenario s = parsed(kShortest +
                            "faults:\n"
                            "  - {target: weights, policy: per_epoch, epochs: 3}\n"
                            "  - {bits: exponent, per_group: 2}\n"
                            "  - {model: gaussian, sigma: 0.5, target: biases}\n");
  REQUIRE(s.faults.target == faultgen::Target::weight);
  REQUIRE(s.faults.epochs == 3);
  REQUIRE(s.more_faults.size() == 2);
  REQUIRE(s.more_faults[0].target == faultgen::Target::neuron);
  REQUIRE(s.more_faults[0].bits == Words{"exponent"});
  REQUIRE(s.more_faults[0].per_group == 2U);
  REQUIRE(s.more_faults[1].sigma == 0.5);
  REQUIRE(parsed(to_yaml(s)) == s);
}

TEST_CASE("mistakes in further kinds of faults are reported at their place", "[scenario][golden]") {
  REQUIRE(mistakes(kShortest + "faults:\n"
                               "  - {target: weights}\n"
                               "  - {epochs: 2, bits: 40}\n"
                               "  - {mode: x}\n") ==
          "a.yaml:7:6: error: 'faults.epochs' stands in the first item of the list only\n"
          "  - {epochs: 2, bits: 40}\n"
          "     ^\n"
          "hint: it holds for all kinds of faults: move it there\n"
          "a.yaml:7:23: error: faults.bits: '40': bit 40 is outside the 32 bits of fp32\n"
          "  - {epochs: 2, bits: 40}\n"
          "                      ^\n"
          "hint: bit 0 is the least significant; for a range write 23-30, for two bits 23-23, "
          "30-30\n"
          "a.yaml:8:6: error: unknown key 'faults.mode'\n"
          "  - {mode: x}\n"
          "     ^\n"
          "hint: did you mean 'model'?\n");
}

TEST_CASE("an existing fault set stands alone in its section", "[scenario]") {
  REQUIRE(parsed(kShortest + "faults: {file: set.h5}").faults.file == "set.h5");
  REQUIRE(mistakes(kShortest + "faults:\n"
                               "  epochs: 2\n"
                               "  file: set.h5\n"
                               "  bits: 0-1\n") ==
          "a.yaml:6:3: error: 'faults.epochs' cannot be given together with 'faults.file' "
          "(a.yaml:7:3)\n"
          "  epochs: 2\n"
          "  ^\n"
          "hint: remove one of the two\n"
          "a.yaml:8:3: error: 'faults.bits' cannot be given together with 'faults.file' "
          "(a.yaml:7:3)\n"
          "  bits: 0-1\n"
          "  ^\n"
          "hint: remove one of the two\n");
}

TEST_CASE("messages show the place, the source line, a caret and the remedy",
          "[scenario][golden]") {
  REQUIRE(mistake("faults: {epochs: 0}") ==
          "a.yaml:5:18: error: faults.epochs: must be 1 to 1000000000, got '0'\n"
          "faults: {epochs: 0}\n"
          "                 ^\n");
  REQUIRE(mistake("faults: {target: neuron}") ==
          "a.yaml:5:18: error: faults.target: unknown word 'neuron'\n"
          "faults: {target: neuron}\n"
          "                 ^\n"
          "hint: did you mean 'neurons'? one of: neurons, weights, biases, running_means, "
          "running_vars, site_inputs, network_input\n");
  REQUIRE(mistake("seed: \"5\"") ==
          "a.yaml:5:7: error: seed: expected an integer, got the text '5'\n"
          "seed: \"5\"\n"
          "      ^\n"
          "hint: remove the quotes\n");
  REQUIRE(mistake("seed: 010") ==
          "a.yaml:5:7: error: seed: expected an integer, got '010'\n"
          "seed: 010\n"
          "      ^\n"
          "hint: decimal digits only: no leading zeros, point, exponent or separators\n");
  REQUIRE(mistake("preprocess:\n  std: [1, 1]") ==
          "a.yaml:6:8: error: preprocess.std: 2 numbers for 1 channel of model.input\n"
          "  std: [1, 1]\n"
          "       ^\n"
          "hint: give one number for all channels, or one for each\n");
  REQUIRE(mistake("faults: {bits: 3-32}") ==
          "a.yaml:5:16: error: faults.bits: '3-32': bit 32 is outside the 32 bits of fp32\n"
          "faults: {bits: 3-32}\n"
          "               ^\n"
          "hint: bit 0 is the least significant; for a range write 23-30, for two bits 23-23, "
          "30-30\n");
  REQUIRE(mistake("faults: {epoch: 3}") ==
          "a.yaml:5:10: error: unknown key 'faults.epoch'\n"
          "faults: {epoch: 3}\n"
          "         ^\n"
          "hint: did you mean 'epochs'?\n");
  REQUIRE(mistake("version: 1") ==
          "a.yaml:5:1: error: duplicate key 'version', already given at line 1\n"
          "version: 1\n"
          "^\n"
          "hint: remove one of the two\n");
  REQUIRE(mistakes("version: 1\nmodel: {file: m.pt, input: [1, 28, 28]}\n"
                   "data: {name: d, images: i}\n") ==
          "a.yaml:2:1: error: missing key 'model.output'\n"
          "model: {file: m.pt, input: [1, 28, 28]}\n"
          "^\n"
          "hint: choice: what the model's scores are (logits, probabilities)\n");
  REQUIRE(mistakes("") ==
          "a.yaml:1:1: error: the scenario is empty\n"
          "hint: a scenario starts with 'version: 1'\n");
}

TEST_CASE("all mistakes of a file are reported in file order", "[scenario][golden]") {
  REQUIRE(mistakes("version: 2\n"
                   "sead: 4\n"
                   "model:\n"
                   "  file: \n"
                   "  input: [1, 28]\n"
                   "data:\n"
                   "  images: i.gz\n"
                   "  samples: many\n"
                   "  samples: 3\n"
                   "faults:\n"
                   "  seed: 3\n"
                   "  bits: 9-2\n"
                   "epochs: 3\n") ==
          "a.yaml:1:10: error: version: must be 1, got '2'\n"
          "version: 2\n"
          "         ^\n"
          "a.yaml:2:1: error: unknown key 'sead'\n"
          "sead: 4\n"
          "^\n"
          "hint: did you mean 'seed'?\n"
          "a.yaml:3:1: error: missing key 'model.output'\n"
          "model:\n"
          "^\n"
          "hint: choice: what the model's scores are (logits, probabilities)\n"
          "a.yaml:4:3: error: model.file: no value\n"
          "  file: \n"
          "  ^\n"
          "hint: give a path\n"
          "a.yaml:5:10: error: model.input: expected 3 items, each 1 to 65536, got 2\n"
          "  input: [1, 28]\n"
          "         ^\n"
          "hint: shape of one sample: [channels, height, width]\n"
          "a.yaml:6:1: error: missing key 'data.name'\n"
          "data:\n"
          "^\n"
          "hint: text: name of the data set in tables and reports\n"
          "a.yaml:8:12: error: data.samples: expected an integer, got 'many'\n"
          "  samples: many\n"
          "           ^\n"
          "hint: decimal digits only: no leading zeros, point, exponent or separators\n"
          "a.yaml:9:3: error: duplicate key 'data.samples', already given at line 8\n"
          "  samples: 3\n"
          "  ^\n"
          "hint: remove one of the two\n"
          "a.yaml:11:3: error: unknown key 'faults.seed'\n"
          "  seed: 3\n"
          "  ^\n"
          "hint: did you mean 'seed' at the top level?\n"
          "a.yaml:12:9: error: faults.bits: '9-2': low bit 9 is above high bit 2\n"
          "  bits: 9-2\n"
          "        ^\n"
          "hint: bit 0 is the least significant; for a range write 23-30, for two bits 23-23, "
          "30-30\n"
          "a.yaml:13:1: error: unknown key 'epochs'\n"
          "epochs: 3\n"
          "^\n"
          "hint: did you mean 'epochs' in section 'faults'?\n");
}

TEST_CASE("every key refuses wrong values", "[scenario]") {
  struct Case {
    std::string key;
    std::vector<std::string> values;
  };
  const std::vector<std::string> no_text{"", "~", "[a]", "{a: b}", "''", "\"a\\tb\""};
  const std::vector<std::string> no_word{"", "x", "[idx]", "0", "''"};
  const auto no_integer = [](const std::string& below, const std::string& above) {
    return std::vector<std::string>{"",    "x",   "''",  "1.0",  "1e3", "0x1F", "0b1", "0o7",
                                    "017", "1_0", "+1",  "-1",   "--1", "[1]",  "{}",  "true",
                                    "'1'", "1,0", "1 1", ".inf", below, above};
  };
  const std::vector<Case> cases{
      {"version", no_integer("0", "2")},
      {"seed", no_integer("-0", "18446744073709551616")},
      {"model.file", no_text},
      {"model.input",
       {"", "1", "[]", "[1, 2]", "[1, 2, 3, 4]", "[1, 2, 0]", "[1, 2, 65537]", "[1, 2, -3]",
        "[1, 2, x]", "[1, 2, 3.0]", "[1, 2, [3]]", "[1, 2, '3']"}},
      {"model.output", no_word},
      {"model.device", no_word},
      {"data.format", no_word},
      {"data.name", no_text},
      {"data.images", {"", "~", "{a: b}", "''", "\"a\\tb\"", "[]", "[[a]]", "[a, b]"}},  // idx: one
      {"data.labels", no_text},
      {"data.annotations", {"", "[a]", "''", "a.json"}},  // idx has none of these
      {"data.list", {"", "[a]", "''", "a.txt"}},
      {"data.classes", {"", "[a]", "''"}},
      {"data.label_set", {"", "x", "0", "[fine]", "fine"}},
      {"data.severity", no_integer("0", "6")},
      {"data.images_dataset", {"", "[a]", "''", "images"}},
      {"data.labels_dataset", {"", "[a]", "''", "labels"}},
      {"data.layout", {"", "x", "0", "nhwc"}},
      {"data.perturbation", {"", "[a]", "''", "fog/3"}},
      {"data.samples", no_integer("0", "18446744073709551616")},
      {"data.order", {"", "x", "[first]", "0", "''", "stratified"}},  // there are no labels
      {"data.ids", {"", "1", "[]", "[-1]", "[x]", "['1']", "[18446744073709551616]"}},
      {"data.ids_file", {"", "[a]", "''", "{a: b}"}},
      {"data.on_bad_sample", {"", "x", "0", "[error]", "skip"}},
      {"data.max_pixels", {"", "0", "-1", "1000000001", "x", "1000"}},
      {"preprocess.colour", no_word},
      {"preprocess.resize", {"", "x", "0", "[exact]", "exact"}},  // to what size?
      {"preprocess.resize_to", {"", "1", "[]", "[0]", "[1, 2, 3]", "[65537]", "[x]", "[8, 8]"}},
      {"preprocess.interpolation", {"", "x", "0", "bilinear"}},
      {"preprocess.pad_value", {"", "x", "-1", "65536", "0"}},
      {"preprocess.crop", {"", "1", "[]", "[1]", "[0, 1]", "[1, 65537]", "[1, 2, 3]", "[x, 1]"}},
      {"preprocess.divide_by",
       {"", "x", "0", "-1", "inf", ".inf", "nan", ".nan", "1e999", "0x10", "1,5", "1_0", "+1",
        "010", "'1'", "[1]", "1e-999"}},
      {"preprocess.mean", {"", "0", "[]", "[x]", "[nan]", "[.inf]", "[0, 0]", "['0']", "[[0]]"}},
      {"preprocess.std", {"", "1", "[]", "[x]", "[0]", "[-1]", "[1, 1]"}},
      {"preprocess.channel_order", {"", "x", "0", "[rgb]", "bgr"}},  // of one channel
      {"augment",
       {"",
        "[]",
        "fog",
        "[fog]",
        "5",
        "fogg/3",
        "fog/6",
        "fog/-1",
        "fog/3-1",
        "fog/1-9",
        "'fog/3[amuont=2]'",
        "[clean, clean]",
        "[fog/3, fog/1-5]",
        "[[]]",
        "[[clean, fog/3]]",
        "[[fog/3, [fog/3]]]",
        "[{a: b}]",
        "{a: b}",
        "''",
        "['']",
        "[fog/3, 'fog/3']"}},
      {"faults.file", no_text},
      {"faults.target", no_word},
      {"faults.model", no_word},
      {"faults.bits",
       {"", "[]", "[1, 2]", "32", "[0, 1, 32]", "2-1", "-1", "1-", "-", "a", "3.0", "[all, x]",
        "''", "[[1]]", "{a: b}"}},
      {"faults.bit_weights", {"", "1", "[]", "[1, 2]", "[-1]", "[x]", "[nan]"}},
      {"faults.bits_per_fault", no_integer("0", "33")},
      {"faults.arrangement", no_word},
      {"faults.mask", {"", "0", "0x", "0x1ffffffff", "x", "-1", "[1]", "1.5", "''"}},
      {"faults.value", {"", "x", "nan", ".inf", "[1]", "1", "'1'"}},  // bit_flip needs none
      {"faults.value_range", {"", "1", "[1]", "[1, 2, 3]", "[2, 1]", "[1, x]", "[1, 2]"}},
      {"faults.sigma", {"", "0", "-1", "x", "1"}},
      {"faults.format", {"", "x", "fixed", "0", "[fp16]", "int4"}},
      {"faults.scale", {"", "0", "-1", "x", "1"}},
      {"faults.zero_point", {"", "-129", "128", "0.5", "x", "1"}},
      {"faults.integer_bits", no_integer("-1", "33")},
      {"faults.fraction_bits", no_integer("-1", "33")},
      {"faults.draw", {"", "x", "weighted_sites", "0", "''"}},
      {"faults.kinds", {"", "x", "[]", "[conv2d, x]", "[[conv2d]]", "''"}},
      {"faults.include", {"", "[]", "/(/", "[a, '/[/']", "''", "{a: b}"}},
      {"faults.exclude", {"", "[]", "/(/", "[a, '/[/']", "''"}},
      {"faults.indices", {"", "[]", "a", "3-2", "-1", "1-", "1.0", "''", "4294967296"}},
      {"faults.site_weights", {"", "[]", "a=1", "a", "=1", "a=-1", "a=x", "a=nan"}},
      {"faults.pattern", {"", "x", "consecutive", "strided", "0"}},
      {"faults.pattern_length", {"", "1", "2", "1000001", "x"}},
      {"faults.pattern_stride", {"", "1", "2", "x"}},
      {"faults.fault_rate", {"", "0", "-0.1", "1.1", "x", "nan"}},
      {"faults.bit_error_rate", {"", "0", "-0.1", "1.1", "x", "nan"}},
      {"faults.active_probability", {"", "0", "-0.1", "1.1", "x", "0.5"}},  // per_image
      {"faults.policy", no_word},
      {"faults.batch_size", no_integer("0", "1000000001")},
      {"faults.per_group", no_integer("0", "1000001")},
      {"faults.epochs", no_integer("0", "1000000001")},
      {"sampling.method", {"", "x", "[random]", "0", "''"}},
      {"sampling.margin", {"", "0", "1.1", "x", "0.1"}},  // random has none
      {"sampling.confidence", {"", "0.4", "1", "x", "0.9"}},
      {"sampling.t", {"", "0", "x", "2"}},
      {"sampling.strata", {"", "x", "site"}},
      {"sampling.p", {"", "-1", "1.1", "x", "0.5"}},
      {"sampling.data_aware", {"", "x", "on"}},
      {"sampling.minimum", {"", "0", "1000000001", "x", "5"}},
      {"run_type", no_word},
      {"execution", no_word},
      {"incremental.prefix", no_word},
      {"incremental.masked_stop", no_word},
      {"incremental.noop", no_word},
      {"incremental.region", no_word},
      {"incremental.channel", no_word},
      {"incremental.prepared_weights", no_word},
      {"padded_batch", no_integer("0", "4097")},
      {"unit_samples", no_integer("0", "1000001")},
      {"memory_budget_mib", no_integer("0", "1000000001")},
      {"audit", no_word},
      {"monitor", no_word},
      {"deviation", no_word},
      {"statistics.interval", no_word},
      {"statistics.confidence", {"", "x", "0.49", "1", "0.99991", "95", "'0.9'"}},
      {"statistics.corruption_baseline", {""}},
      {"variants.name", no_text},
      {"variants.protection", no_word},
      {"variants.model", no_text},
      {"variants.site_map", {"", "[]", "''", "{a: b}"}},
      {"variants.bounds", no_text},
      {"variants.bounds_per", no_word},
      {"variants.non_finite", no_word},
      {"variants.tolerance_factor", {"", "x", "0.9", "1000001", "'2'"}},
      {"variants.channels", {"", "[]", "x", "-1", "[3-1]", "[0, 1048576]", "''"}},
      {"variants.kinds", {"", "[]", "x", "[conv2d, x]", "''"}},
      {"variants.include", {"", "[]", "''", "{a: b}"}},
      {"variants.exclude", {"", "[]", "''", "{a: b}"}},
      {"fit.raw_fit_per_mbit", {"", "x", "0", "-1", "1e13", "'9'"}},
      {"fit.derating", {"", "x", "-0.1", "1.1", "'1'"}},
      {"expect.golden_top1", {"", "x", "-0.1", "1.01", "91", "'0.9'"}},
  };
  REQUIRE(cases.size() == keys().size());
  for (const auto& [key, values] : cases) {
    for (const std::string& value : values) {
      INFO(key << "=" << value);
      const auto result = parse(kShortest, {{key, value}});
      if (key == "seed" && value == "-0") continue;  // the smallest seed has nothing below it
      REQUIRE_FALSE(result.ok());
      REQUIRE(result.error().size() == 1);
      REQUIRE(result.error().front().where == "--set " + key + "=" + value);
      REQUIRE(result.error().front().code == Errc::usage);
      REQUIRE(result.error().front().what.starts_with(key + ": "));
    }
  }
}

TEST_CASE("keys of variants and fit that do not go together are told apart", "[scenario][error]") {
  struct Case {
    std::string lines, message;
  };
  const std::string single = "fit.raw_fit_per_mbit: is for campaigns of single-bit faults";
  const std::vector<Case> cases{
      {"variants: {name: a}", "variants.name: neither a protection nor a model"},
      {"variants: {name: original, protection: abft}",
       "variants.name: a variant named original is there already"},
      {"variants: {protection: clamp}", "variants.protection: clamp needs variants.bounds"},
      {"variants: {protection: abft, model: b.pt}",
       "variants.protection: cannot be given with variants.model"},
      {"variants: {protection: abft, bounds: b.h5}", "variants.bounds: does not apply to abft"},
      {"variants: {protection: tmr, bounds_per: site}",
       "variants.bounds_per: does not apply to tmr"},
      {"variants: {protection: tmr, non_finite: sanitise}",
       "variants.non_finite: does not apply to tmr"},
      {"variants: {protection: tmr, tolerance_factor: 2}",
       "variants.tolerance_factor: does not apply to tmr"},
      {"variants: {protection: abft, channels: 1}", "variants.channels: does not apply to abft"},
      {"variants: {protection: duplicate, channels: [0, 5-2]}",
       "variants.channels: '5-2' names no channels"},
      {"variants: {protection: tmr, site_map: a = b}", "variants.site_map: is for variants.model"},
      {"variants: {model: b.pt, site_map: [a = b, c]}", "variants.site_map: 'c' is no pair"},
      {"variants: {model: b.pt, kinds: linear}", "variants.kinds: needs variants.protection"},
      {"variants: {model: b.pt, include: fc}", "variants.include: needs variants.protection"},
      {"variants: {model: b.pt, exclude: fc}", "variants.exclude: needs variants.protection"},
      {"variants: {protection: tmr, include: /(/}",
       "variants.include: '/(/' is no regular expression"},
      {"variants: {protection: tmr, exclude: /(/}",
       "variants.exclude: '/(/' is no regular expression"},
      {"variants:\n  - {protection: tmr}\n  - {protection: clamp}",
       "variants.protection: clamp needs variants.bounds"},
      {"fit: {derating: 0.5}", "fit.derating: needs fit.raw_fit_per_mbit"},
      {"fit: {raw_fit_per_mbit: 9}\nrun_type: accumulate", single},
      {"fit: {raw_fit_per_mbit: 9}\nfaults: {model: zero}", single},
      {"fit: {raw_fit_per_mbit: 9}\nfaults: {fault_rate: 0.1}", single},
      {"fit: {raw_fit_per_mbit: 9}\nfaults: {mask: 0x3}", single},
      {"fit: {raw_fit_per_mbit: 9}\nfaults: {file: a.h5}", single},
      {"fit: {raw_fit_per_mbit: 9}\nfaults: [{}, {target: weights}]", single},
  };
  for (const auto& [lines, message] : cases) {
    INFO(lines);
    const auto result = parse(kShortest + lines + "\n");
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.error().size() == 1);
    REQUIRE(result.error().front().what == message);
    REQUIRE_FALSE(result.error().front().hint.empty());
  }
  const auto twice = parse(kShortest + "variants:\n  - {protection: tmr}\n  - {protection: tmr}\n");
  REQUIRE(twice.error().back().what == "variants.protection: a variant named tmr is there already");
}

TEST_CASE("variants are a list of modified networks", "[scenario]") {
  const auto scenario =
      parse(kShortest +
            "variants:\n"
            "  - {protection: clamp, bounds: b.h5, bounds_per: channel}\n"
            "  - {name: pruned, model: dir/p.pt, site_map: [conv1 = features.0]}\n"
            "  - {protection: secded_72_64, exclude: fc}\n"
            "fit: {raw_fit_per_mbit: 9, derating: 0.5}\n");
  REQUIRE(scenario.ok());
  const auto variants = scenario->variants();
  REQUIRE(variants.size() == 3);
  REQUIRE(variants[0].label() == "clamp");
  REQUIRE(variants[0].bounds_per == BoundsScope::channel);
  REQUIRE(variants[1].label() == "pruned");
  REQUIRE(split_pair(variants[1].site_map[0]) ==
          std::pair<std::string, std::string>("conv1", "features.0"));
  REQUIRE(variants[2].label() == "secded_72_64");
  REQUIRE(scenario->fit.derating == 0.5);
  // What is written says the same, and no fault set depends on it.
  REQUIRE(*parse_scenario(to_yaml(*scenario), "a.yaml", scenario->directory) == *scenario);
  REQUIRE(faults_yaml(*scenario).find("variants") == std::string::npos);
  REQUIRE(parse(kShortest)->variants().empty());
}

TEST_CASE("keys of faults that do not go together are told apart", "[scenario][error]") {
  struct Case {
    std::string faults, message;  ///< in section `faults`
    std::string more{};           ///< lines of their own
  };
  const std::string twice =
      "faults.mask: cannot be given together with faults.bits or "
      "faults.bits_per_fault";
  const std::string one_bit = "faults.bit_weights: are for faults of one drawn bit";
  const std::string whole =
      "faults.bits_per_fault: does not apply to models of whole values and bit-error rates";
  const std::string amount = ": cannot be given together with another number of faults";
  const std::string alike = ": a rate is the same for all elements";
  const std::string drawn = "faults.bit_error_rate: is for drawn bits of a model of bits";
  const std::string aware = "sampling.data_aware: does not apply to these faults";
  const std::string follows = " faults.epochs follows from the number of faults";
  const std::vector<Case> cases{
      {"model: zero, bits: sign", "faults.bits: does not apply to model zero"},
      {"format: int8, bits: exponent", "faults.bits: int8 has no exponent"},
      {"model: nan, mask: 0x1", "faults.mask: does not apply to model nan"},
      {"mask: 0x1, bits: sign", twice},
      {"mask: 0x1, bits_per_fault: 2", twice},
      {"format: fp16, mask: 0x10000", "faults.mask: '0x10000' is no mask of the 16 bits of fp16"},
      {"bits: 0-1, bit_weights: [1, 2], bits_per_fault: 2", one_bit},
      {"bits: 0-1, bit_weights: [1, 2], bit_error_rate: 0.1", one_bit},
      {"bits: 0-1, bit_weights: [1, 2, 3]", "faults.bit_weights: 3 numbers for 2 bits"},
      {"bits: 0-1, bit_weights: [0, 0]", "faults.bit_weights: all are 0"},
      {"model: inf, bits_per_fault: 2", whole},
      {"bit_error_rate: 0.1, bits_per_fault: 2", whole},
      {"bits: sign, bits_per_fault: 2", "faults.bits_per_fault: 2 of 1 bits"},
      {"model: set_value", "faults.model: set_value needs faults.value"},
      {"model: random_value", "faults.model: random_value needs faults.value_range"},
      {"model: gaussian", "faults.model: gaussian needs faults.sigma"},
      {"model: stuck_at, value: 1", "faults.value: does not apply to model stuck_at"},
      {"model: zero, sigma: 1", "faults.sigma: does not apply to model zero"},
      {"value_range: [1, 2]", "faults.value_range: does not apply to model bit_flip"},
      {"model: random_value, value_range: [2, 1]", "faults.value_range: low is above high"},
      {"format: fixed, integer_bits: 3",
       "faults.format: fixed needs faults.integer_bits and faults.fraction_bits"},
      {"format: fixed, integer_bits: 16, fraction_bits: 16",
       "faults.format: a fixed-point number of 16 integer and 16 fraction bits has 33 bits with "
       "its "
       "sign"},
      {"format: bf16, scale: 1", "faults.scale: does not apply to format bf16"},
      {"zero_point: 1", "faults.zero_point: does not apply to format fp32"},
      {"format: int8, zero_point: 0.5", "faults.zero_point: must be a whole number"},
      {"integer_bits: 1", "faults.integer_bits: does not apply to format fp32"},
      {"fraction_bits: 1", "faults.fraction_bits: does not apply to format fp32"},
      {"include: /(/", "faults.include: '/(/' is no regular expression"},
      {"exclude: [fc, /(/]", "faults.exclude: '/(/' is no regular expression"},
      {"indices: 3-1", "faults.indices: expected numbers and ranges"},
      {"draw: sites, site_weights: fc=1", "faults.site_weights: does not apply to draw sites"},
      {"draw: weighted_sites, site_weights: /(/=1",
       "faults.site_weights: '/(/' is no regular expression"},
      {"draw: weighted_sites", "faults.draw: weighted_sites without faults.site_weights"},
      {"pattern: consecutive", "faults.pattern: consecutive needs faults.pattern_length"},
      {"pattern: strided, pattern_length: 2",
       "faults.pattern: strided needs faults.pattern_stride"},
      {"pattern: row, pattern_length: 2", "faults.pattern_length: does not apply to pattern row"},
      {"pattern: consecutive, pattern_length: 2, pattern_stride: 2",
       "faults.pattern_stride: does not apply to pattern consecutive"},
      {"fault_rate: 0.1, per_group: 1", "faults.fault_rate" + amount},
      {"bit_error_rate: 0.1, per_group: 1", "faults.bit_error_rate" + amount},
      {"fault_rate: 0.1, draw: sites", "faults.fault_rate" + alike},
      {"bit_error_rate: 0.1, pattern: row", "faults.bit_error_rate" + alike},
      {"bit_error_rate: 0.1, model: zero", drawn},
      {"bit_error_rate: 0.1, mask: 0x1", drawn},
      {"active_probability: 0.5",
       "faults.active_probability: does not go with policy per_image, where each fault meets one "
       "inference"},
      {"policy: per_epoch", "sampling.margin: does not apply to sampling.method random",
       "sampling: {margin: 0.1}"},
      {"epochs: 2", "sampling.method: with exhaustive" + follows, "sampling: {method: exhaustive}"},
      {"epochs: 2", "sampling.method: with statistical" + follows,
       "sampling: {method: statistical}"},
      {"policy: per_epoch", "sampling.method: exhaustive does not go with run_type accumulate",
       "run_type: accumulate\nsampling: {method: exhaustive}"},
      {"policy: per_epoch", "sampling.t: cannot be given together with sampling.confidence",
       "sampling: {method: statistical, t: 2.58, confidence: 0.99}"},
      {"target: neurons", aware,
       "sampling: {method: statistical, strata: site_bit, data_aware: on}"},
      {"target: weights", aware, "sampling: {method: statistical, strata: site, data_aware: on}"},
  };
  for (const auto& [faults, message, more] : cases) {
    INFO(faults << "\n" << more);
    const auto result = parse(kShortest + "faults: {" + faults + "}\n" + more + "\n");
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.error().size() == 1);
    REQUIRE(result.error().front().what == message);
    REQUIRE_FALSE(result.error().front().hint.empty());
  }
}

TEST_CASE("perturbations are alternatives, lists in the list their steps", "[scenario]") {
  const auto labels = [](const std::string& value) {
    std::vector<std::string> found;
    for (const auto& p : parsed(kShortest + "augment: " + value + "\n").perturbations) {
      found.push_back(augment::label(p));
    }
    return found;
  };
  using Labels = std::vector<std::string>;
  REQUIRE(labels("fog/3") == Labels{"fog/3"});
  REQUIRE(labels("[clean, rotate/2+fog/3]") == Labels{"clean", "rotate/2+fog/3"});
  REQUIRE(labels("[rotate/2, fog/3]") == Labels{"rotate/2", "fog/3"});
  REQUIRE(labels("[[rotate/2, fog/3]]") == Labels{"rotate/2+fog/3"});
  REQUIRE(labels("[[rotate/2, fog/2-3], clean]") ==
          Labels{"rotate/2+fog/2", "rotate/2+fog/3", "clean"});
  REQUIRE(labels("\n- fog/3[amount=2.5]\n- fog/1-2\n- [rotate/1]") ==
          Labels{"fog/3[amount=2.5]", "fog/1", "fog/2", "rotate/1"});
}

TEST_CASE("a wrong perturbation is pointed at", "[scenario]") {
  REQUIRE(mistakes(kShortest + "augment:\n  - clean\n  - fgo/3\n") ==
          "a.yaml:7:5: error: augment: unknown perturbation 'fgo'\n"
          "  - fgo/3\n"
          "    ^\n"
          "hint: did you mean 'fog'?\n");
}

TEST_CASE("the ends of a range are in it", "[scenario]") {
  const auto [key, value] =
      GENERATE(table<std::string, std::string>({{"seed", "0"},
                                                {"data.samples", "1"},
                                                {"faults.per_group", "1000000"},
                                                {"faults.epochs", "1"},
                                                {"padded_batch", "1"},
                                                {"padded_batch", "4096"},
                                                {"unit_samples", "1000000"},
                                                {"memory_budget_mib", "1"},
                                                {"memory_budget_mib", "1000000000"},
                                                {"statistics.confidence", "0.5"},
                                                {"statistics.confidence", "0.9999"},
                                                {"faults.bits", "0-31"},
                                                {"faults.bits", "[5-5, sign]"},
                                                {"model.input", "[1, 65536, 1]"},
                                                {"preprocess.divide_by", "1e-300"}}));
  REQUIRE(mistakes(kShortest, {{key, value}}).empty());
}

TEST_CASE("each part of incremental execution is switched on its own", "[scenario]") {
  using Incremental = Scenario::Incremental;
  for (const IncrementalPart& part : kIncrementalParts) {
    CAPTURE(part.key);
    Incremental expected;
    expected.*part.member = false;
    const std::string word(part.key.substr(part.key.find('.') + 1));
    REQUIRE(parsed(kShortest + "incremental: {" + word + ": off}").incremental == expected);
    REQUIRE(parsed(kShortest + "incremental: {" + word + ": on}").incremental == Incremental{});
  }
}

TEST_CASE("a part of incremental execution cannot be left out of another execution",
          "[scenario][golden]") {
  REQUIRE(mistake("execution: batched\nincremental: {noop: off}") ==
          "a.yaml:6:21: error: incremental.noop: off does not apply to execution batched\n"
          "incremental: {noop: off}\n"
          "                    ^\n"
          "hint: remove it, or set execution: incremental\n");
  for (const IncrementalPart& part : kIncrementalParts) {
    const std::string key(part.key);
    REQUIRE(mistakes(kShortest, {{"execution", "reference"}, {key, "off"}})
                .starts_with("--set " + key + "=off: error: " + key +
                             ": off does not apply to execution reference\n"));
    REQUIRE(mistakes(kShortest, {{"execution", "reference"}, {key, "on"}}).empty());
    REQUIRE(mistakes(kShortest, {{"execution", "incremental"}, {key, "off"}}).empty());
  }
}

TEST_CASE("a value of the wrong form is described", "[scenario]") {
  REQUIRE(what("seed: [1]") == "seed: expected an integer, got a list");
  REQUIRE(what("seed: {a: 1}") == "seed: expected an integer, got a mapping");
  REQUIRE(what("faults: 3") == "faults: expected a mapping of keys or a list of them, got '3'");
  REQUIRE(what("faults: [epochs]") ==
          "faults: expected a mapping of keys as an item, got 'epochs'");
  REQUIRE(what("faults: []") ==
          "faults: expected a mapping of keys or a list of them, got an empty list");
  REQUIRE(what("variants: [{}]") ==
          "variants: expected a mapping of keys as an item, got an empty one");
  REQUIRE(what("preprocess: [{mean: a}]") == "preprocess: expected a mapping of keys, got a list");
  REQUIRE(what("preprocess: {mean: 3}") == "preprocess.mean: expected a list of numbers, got '3'");
  REQUIRE(what("preprocess: {mean: [~]}") ==
          "preprocess.mean: expected a list of numbers, got nothing as an item");
  REQUIRE(what("faults: {bits: {a: 1}}") ==
          "faults.bits: expected a word or a list of words, got a mapping");
  REQUIRE(what("[a, b]: 1") == "a key must be a word, got a list");
  REQUIRE(what("seed: !!int 5") == "seed: the tag 'tag:yaml.org,2002:int' is not supported");
  REQUIRE(what("faults: {<<: {epochs: 2}}") == "unknown key 'faults.<<'");
}

TEST_CASE("a text may look like anything", "[scenario]") {
  const auto [yaml, text] = GENERATE(table<std::string, std::string>(
      {{"5", "5"}, {"true", "true"}, {"'~'", "~"}, {"a b", "a b"}, {"\"\\u00e9\"", "\xC3\xA9"}}));
  REQUIRE(parsed(kShortest, {{"data.name", yaml}}).data.name == text);
}

TEST_CASE("a section whose keys are all commented out is empty", "[scenario]") {
  REQUIRE(parsed(kShortest + "faults:\n#  epochs: 2\nseed: 4\n").seed == 4);
}

TEST_CASE("suggestions for unknown keys", "[scenario]") {
  const auto hint = [](const std::string& line) {
    const auto result = parse(kShortest + line + "\n");
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.error().size() == 1);
    return result.error().front().hint;
  };
  REQUIRE(hint("falts: {epochs: 1}") == "did you mean 'faults'?");
  REQUIRE(hint("faults.epochs: 1") == "did you mean 'epochs' in section 'faults'?");
  REQUIRE(hint("faults: {model.output: 1}") == "did you mean 'output' in section 'model'?");
  REQUIRE(hint("faults: {padded_batch: 1}") == "did you mean 'padded_batch' at the top level?");
  REQUIRE(hint("faults: {intervall: 1}") == "did you mean 'interval' in section 'statistics'?");
  REQUIRE(hint("file: 1") ==
          "did you mean 'file' in section 'model' or 'file' in section 'faults'?");
  REQUIRE(hint("statistics: {zzz: 1}") == "keys here: interval, confidence, corruption_baseline");
  REQUIRE(
      hint(std::string(1000, 'x') + ": 1").starts_with("keys here: version, seed, model, data"));
}

TEST_CASE("a misspelt mandatory key is not reported as missing as well", "[scenario]") {
  REQUIRE(mistakes("version: 1\n"
                   "model: {fil: m.pt, input: [1, 28, 28], output: logits}\n"
                   "data: {name: d, images: i}\n") ==
          "a.yaml:2:9: error: unknown key 'model.fil'\n"
          "model: {fil: m.pt, input: [1, 28, 28], output: logits}\n"
          "        ^\n"
          "hint: did you mean 'file'?\n");
}

TEST_CASE("overrides replace what the file says", "[scenario]") {
  const Scenario s =
      parsed(kShortest + "seed: 3\nfaults: {epochs: 0}\n",
             {{"seed", "9"}, {"faults.epochs", "5"}, {"faults.bits", "[1-2, sign]"}});
  REQUIRE(s.seed == 9);
  REQUIRE(s.faults.epochs == 5);
  REQUIRE(s.faults.bits == Words{"1-2", "sign"});
}

TEST_CASE("overrides give mandatory keys", "[scenario]") {
  REQUIRE(parsed("version: 1\n"
                 "model: {file: m.pt, input: [1, 28, 28]}\n"
                 "data: {name: d, images: i}\n",
                 {{"model.output", "logits"}})
              .model.output == metrics::OutputKind::logits);
}

TEST_CASE("mistakes of overrides come last, in their order", "[scenario][golden]") {
  REQUIRE(mistakes(kShortest + "sede: 1\nfaults: {epochs: 3}\n", {{"seed", "x"},
                                                                  {"faults.epoch", "2"},
                                                                  {"epochs", "2"},
                                                                  {"zzz", "2"},
                                                                  {"seed", "3"},
                                                                  {"monitor", "[all"},
                                                                  {"data.name", "a\xFF"},
                                                                  {"faults.file", "f.h5"}}) ==
          "a.yaml:5:1: error: unknown key 'sede'\n"
          "sede: 1\n"
          "^\n"
          "hint: did you mean 'seed'?\n"
          "a.yaml:6:10: error: 'faults.epochs' cannot be given together with 'faults.file' "
          "(--set faults.file=f.h5)\n"
          "faults: {epochs: 3}\n"
          "         ^\n"
          "hint: remove one of the two\n"
          "--set seed=x: error: seed: expected an integer, got 'x'\n"
          "hint: decimal digits only: no leading zeros, point, exponent or separators\n"
          "--set faults.epoch=2: error: unknown key 'faults.epoch'\n"
          "hint: did you mean 'faults.epochs'?\n"
          "--set epochs=2: error: unknown key 'epochs'\n"
          "hint: did you mean 'faults.epochs'?\n"
          "--set zzz=2: error: unknown key 'zzz'\n"
          "hint: 'bitquake list keys' shows all keys\n"
          "--set seed=3: error: 'seed' is set more than once\n"
          "hint: remove one of the two\n"
          "--set monitor=[all: error: not valid YAML: end of sequence flow not found\n"
          "--set data.name=a?: error: byte 0xFF is not UTF-8 text\n"
          "hint: save the file as UTF-8\n");
}

TEST_CASE("aliases are values like others", "[scenario]") {
  REQUIRE(parsed(kShortest + "preprocess: {mean: &m [0.5], std: *m}\n").preprocess.stddev ==
          std::vector{0.5});
}

TEST_CASE("aliases that contain themselves or many others do no harm", "[scenario]") {
  REQUIRE(what("faults: {bits: &b [*b]}") ==
          "faults.bits: expected a word or a list of words, got a list as an item");
  std::string bomb = "a: &a [1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (char name = 'b'; name <= 'm'; ++name) {
    const std::string alias = std::string("*") + static_cast<char>(name - 1);
    bomb += std::string(1, name) + ": &" + name + " [" + alias;
    for (int i = 0; i < 9; ++i) bomb += ", " + alias;
    bomb += "]\n";
  }
  const auto result = parse(kShortest + bomb + "faults: {bits: *m}\n");
  REQUIRE_FALSE(result.ok());
  REQUIRE(result.error().size() == 14);  // a to m are unknown, bits has lists as items
}

TEST_CASE("what is not one YAML document is one error with a position", "[scenario]") {
  const auto [text, first_line] = GENERATE(table<std::string, std::string>({
      {"# nothing\n", "a.yaml:1:1: error: the scenario is empty"},
      {"---\n", "a.yaml:2:1: error: the scenario is empty"},
      {"abc\n", "a.yaml:1:1: error: expected a mapping of keys, got 'abc'"},
      {"- 1\n", "a.yaml:1:1: error: expected a mapping of keys, got a list"},
      {kShortest + "---\nseed: 1\n", "a.yaml:5:1: error: a second YAML document starts here"},
      {kShortest + "]\n", "a.yaml:5:1: error: not valid YAML: illegal flow end"},
      {",\n", "a.yaml:1:1: error: not valid YAML: unexpected character"},
      {"version: 1\nmodel: {file: [\n",
       "a.yaml:3:1: error: not valid YAML: end of sequence flow not found"},
      {"version: 1\n  seed: 2\n", "a.yaml:2:7: error: not valid YAML: illegal map value"},
      {"seed: *none\n", "a.yaml:1:7: error: not valid YAML: the referenced anchor is not defined"},
      {"model:\n\tfile: m\n", "a.yaml:2:1: error: a tab indents this line"},
      {"version: \xFF\n", "a.yaml:1:10: error: byte 0xFF is not UTF-8 text"},
      {"seed: \"\\\xC3\xA9\"\n", "a.yaml:1:10: error: not valid YAML: unknown escape character: ?"},
      {"seed: \"\\", "a.yaml:1:9: error: not valid YAML: unknown escape character: ?"},
      {std::string(100'000, '['), "a.yaml:1:1: error: nested too deeply"},
      {std::string(100'000, '{'), "a.yaml:1:1: error: nested too deeply"},
  }));
  const auto result = parse(text);
  REQUIRE_FALSE(result.ok());
  REQUIRE(result.error().size() == 1);
  const std::string message = to_string(result.error().front());
  REQUIRE(message.substr(0, message.find('\n')) == first_line);
  REQUIRE(result.error().front().code == Errc::scenario);
}

TEST_CASE("a document end mark is not a second document", "[scenario]") {
  REQUIRE(mistakes("%YAML 1.2\n---\n" + kShortest + "...\n").empty());
}

TEST_CASE("CRLF line ends and a byte order mark change nothing", "[scenario]") {
  std::string text = "\xEF\xBB\xBF";
  for (const char c : kShortest + "preprocess:\n  mean: [0.5]\n") {
    text += c == '\n' ? "\r\n" : std::string(1, c);
  }
  REQUIRE(parsed(text).preprocess.mean == std::vector{0.5});
  REQUIRE(mistakes(text + "sed: 1\r\n") ==
          "a.yaml:7:1: error: unknown key 'sed'\n"
          "sed: 1\n"
          "^\n"
          "hint: did you mean 'seed'?\n");
}

TEST_CASE("files that cannot be scenarios are refused", "[scenario]") {
  const auto message = [](const std::string& path) {
    const auto result = read_scenario(path);
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.error().size() == 1);
    return to_string(result.error().front());
  };
  const std::string error = ": error: cannot read the scenario: ";
  const std::string hint = "\nhint: name a scenario file; `bitquake init MODEL` writes one";
  REQUIRE(message("/no/such.yaml") == "/no/such.yaml" + error + "No such file or directory" + hint);
  REQUIRE(message("/") == "/" + error + "it is a directory" + hint);
  REQUIRE(message("/dev/zero") == "/dev/zero" + error + "longer than 262144 bytes" + hint);
}

TEST_CASE("the shipped scenarios are valid and read back the same", "[scenario]") {
  const auto [name, target] = GENERATE(table<std::string, faultgen::Target>(
      {{"quickstart.yaml", faultgen::Target::neuron}, {"weights.yaml", faultgen::Target::weight}}));
  const auto s = read_scenario(shipped(name));
  REQUIRE(s.ok());
  Scenario expected;
  expected.model.file = "../models/lenet5_fashion_mnist.pt";
  expected.model.input = {1, 28, 28};
  expected.data.name = "fashion-mnist-test";
  expected.data.images = "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz";
  expected.data.labels = "/usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz";
  expected.data.samples = 10'000;
  expected.preprocess.mean = {0.2860};
  expected.preprocess.stddev = {0.3530};
  expected.faults.target = target;
  expected.directory = std::string(BITQUAKE_SOURCE_DIR) + "/suite/scenarios";
  REQUIRE(*s == expected);
  REQUIRE(s->resolve(s->model.file) ==
          std::string(BITQUAKE_SOURCE_DIR) + "/suite/models/lenet5_fashion_mnist.pt");
}

TEST_CASE("a damaged scenario is read or refused, never more", "[scenario][property]") {
  const std::string original =
      test::read_bytes(shipped("quickstart.yaml")) +
      "unit_samples: &n 64\npadded_batch: *n\nstatistics: {interval: \"\\x77ilson\"}\n";
  const std::string alphabet = "\n\t\r :-[]{},#&*!|>'\"%@`?0a.~\\\x01\x80\xC3\xA9\xFF";
  const std::uint64_t runs = 4000;
  std::uint64_t refused = 0;
  for (std::uint64_t run = 0; run < runs; ++run) {
    Draws draws(2024, Stream::check_input, run);
    std::string text = original;
    const std::uint64_t changes = 1 + draws.below(4);
    for (std::uint64_t i = 0; i < changes && !text.empty(); ++i) {
      const std::size_t at = draws.below(text.size());
      const std::size_t line = text.rfind('\n', at) + 1;
      const std::size_t length = std::min(text.find('\n', at), text.size() - 1) - line + 1;
      const char letter = alphabet[draws.below(alphabet.size())];
      switch (draws.below(6)) {
        case 0:
          text[at] = letter;
          break;
        case 1:
          text.insert(at, 1, letter);
          break;
        case 2:
          text.erase(at, 1);
          break;
        case 3:
          text.erase(line, length);
          break;
        case 4:
          text.insert(line, text.substr(line, length));
          break;
        default:
          text.resize(at);
      }
    }
    const auto result = parse(text);
    if (result) {
      REQUIRE(parsed(to_yaml(*result)) == *result);
      continue;
    }
    ++refused;
    REQUIRE_FALSE(result.error().empty());
    for (const Error& error : result.error()) {
      REQUIRE(error.where.starts_with("a.yaml:"));
      REQUIRE_FALSE(error.what.empty());
    }
  }
  // Both branches were taken often: the mutations are neither harmless nor hopeless.
  REQUIRE(refused > runs / 4);
  REQUIRE(refused < runs * 3 / 4);
}

TEST_CASE("a corruption baseline needs labels and corruptions", "[scenario]") {
  const std::string text = kShortest + "statistics: {corruption_baseline: b.csv}\n";
  const Override labels{"data.labels", "l.gz"};
  REQUIRE(parsed(text + "augment: [clean, fog/2]\n", {labels}).statistics.corruption_baseline ==
          "b.csv");
  REQUIRE_THAT(mistakes(text, {labels}),
               Catch::Contains("augment has no corruption of ImageNet-C"));
  REQUIRE_THAT(mistakes(text + "augment: [rotate/1, fog/1+snow/1]\n", {labels}),
               Catch::Contains("augment has no corruption of ImageNet-C"));
  REQUIRE_THAT(mistakes(text + "augment: [fog/1]\n"), Catch::Contains("the data has no labels"));
}

TEST_CASE("the word none stands for no labels, a file of that name is quoted", "[scenario]") {
  const std::string head =
      "version: 1\n"
      "model: {file: m.pt, input: [1, 28, 28], output: logits}\n"
      "data: {name: digits, images: images.gz, labels: ";
  REQUIRE(parsed(head + "none}\n") == parsed(kShortest));
  REQUIRE(parsed(head + "\"none\"}\n").data.labels == "none");
  REQUIRE(parsed(head + "l.gz}\n", {{"data.labels", "none"}}) == parsed(kShortest));
}

TEST_CASE("a device other than the CPU is refused with the reason", "[scenario][error]") {
  const std::string head =
      "version: 1\n"
      "data: {name: digits, images: images.gz}\n"
      "model: {file: m.pt, input: [1, 28, 28], output: logits, device: ";
  const std::string reason =
      " is refused: trials are compared bit by bit, and only CPU kernels are checked to repeat "
      "their bits\n";
  const std::string hint = "hint: remove the key, or write cpu\n";
  REQUIRE(parsed(head + "cpu}\n") == parsed(kShortest));
  REQUIRE(
      mistakes(head + "cuda}\n").starts_with("a.yaml:3:65: error: model.device: 'cuda'" + reason));
  for (const std::string device : {"cuda:0", "gpu", "mps"}) {
    REQUIRE(mistakes(kShortest, {{"model.device", device}}) == "--set model.device=" + device +
                                                                   ": error: model.device: '" +
                                                                   device + "'" + reason + hint);
  }
}

namespace {

/// Messages for the shortest scenario with these lines in section `data`.
std::string data_mistakes(const std::string& lines, const std::string& preprocess = "") {
  return mistakes(
      "version: 1\nmodel: {file: m.pt, input: [3, 8, 8], output: logits}\n"
      "data: {name: d, images: i, " +
      lines + "}\npreprocess: {" + preprocess + "}\n");
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("each format takes its keys and refuses those of others", "[scenario]") {
  struct Format {
    std::string name, needs;
    std::vector<std::string> takes;
  };
  const std::vector<Format> formats{
      {"idx", "", {"labels: l", "classes: c"}},
      {"cifar10", "", {"classes: c"}},
      {"cifar100", "label_set: fine, ", {"classes: c"}},
      {"npy", "", {"labels: l", "severity: 3", "classes: c"}},
      {"image_folder", "", {"list: l", "classes: c", "on_bad_sample: skip", "max_pixels: 9"}},
      {"coco", "annotations: a, ", {"on_bad_sample: skip", "max_pixels: 9"}},
      {"voc", "", {"list: l", "classes: c", "on_bad_sample: skip", "max_pixels: 9"}},
      {"hdf5", "", {"images_dataset: x, layout: nchw", "classes: c", "perturbation: fog/3"}},
  };
  REQUIRE(formats.size() == kDataFormats.size());
  for (const Format& format : formats) {
    for (const Format& other : formats) {
      for (const std::string& key : other.takes) {
        const bool taken =
            std::find(format.takes.begin(), format.takes.end(), key) != format.takes.end();
        const std::string got = data_mistakes("format: " + format.name + ", " + format.needs + key);
        INFO(format.name << ": " << key << "\n" << got);
        REQUIRE(got.empty() == taken);
        REQUIRE((taken || says(got, "does not apply to format " + format.name)));
        REQUIRE((taken || says(got, "hint: remove it")));
      }
    }
  }
}

TEST_CASE("what a format needs is asked for", "[scenario]") {
  REQUIRE(says(data_mistakes("format: coco"), "data.format: coco needs data.annotations"));
  REQUIRE(says(data_mistakes("format: cifar100"), "data.format: cifar100 needs data.label_set"));
  REQUIRE(says(data_mistakes("format: hdf5, images_dataset: x"), "hdf5 needs data.layout"));
  REQUIRE(says(data_mistakes("format: hdf5, layout: nhwc"), "there is no data.images_dataset"));
  REQUIRE(
      says(data_mistakes("format: hdf5, labels_dataset: x"), "there is no data.images_dataset"));
  REQUIRE(data_mistakes("format: hdf5, perturbation: fog/3").empty());
  REQUIRE(says(data_mistakes("format: hdf5, images_dataset: x, layout: nhwc, perturbation: fog/3"),
               "data.perturbation: given together with data.images_dataset"));
  REQUIRE(says(data_mistakes("format: cifar_10"), "did you mean 'cifar10'?"));
  REQUIRE(says(data_mistakes("anotations: a"), "did you mean 'annotations'?"));
}

TEST_CASE("several files of images are for CIFAR", "[scenario]") {
  const auto with = [](const std::string& format) {
    return parse(
        "version: 1\nmodel: {file: m.pt, input: [3, 8, 8], output: logits}\n"
        "data: {name: d, images: [a, b, c], format: " +
        format + "}\n");
  };
  const auto several = with("cifar10");
  REQUIRE(several.ok());
  REQUIRE(several->data.images == "a");
  REQUIRE(several->data.more_images == std::vector<std::string>{"b", "c"});
  REQUIRE(to_yaml(*several).find("  images: [\"a\", \"b\", \"c\"]\n") != std::string::npos);
  REQUIRE(parsed(to_yaml(*several)).data == several->data);
  REQUIRE(with("npy").error().front().what == "data.images: format npy has one");
}

TEST_CASE("samples are chosen in one way", "[scenario]") {
  REQUIRE(data_mistakes("ids: [5, 3]").empty());
  REQUIRE(data_mistakes("ids_file: f").empty());
  REQUIRE(says(data_mistakes("ids: [5], samples: 3"), "data.ids: cannot be given together with"));
  REQUIRE(says(data_mistakes("ids_file: f, order: random"), "data.ids_file: cannot be given"));
  REQUIRE(says(data_mistakes("ids: [5], ids_file: f"), "another list of ids"));
  REQUIRE(says(data_mistakes("order: stratified"), "data.order: stratified needs labels"));
  REQUIRE(data_mistakes("order: stratified, labels: l").empty());
  REQUIRE(data_mistakes("order: stratified, format: cifar10").empty());
}

TEST_CASE("resizing says how, to what, and from what pixels", "[scenario]") {
  const auto of = [](const std::string& keys) { return data_mistakes("labels: l", keys); };
  REQUIRE(of("resize: short_side, resize_to: [256], interpolation: area, crop: [8, 8]").empty());
  REQUIRE(of("resize: exact, resize_to: [8, 8], interpolation: bilinear").empty());
  REQUIRE(
      of("resize: letterbox, resize_to: [8, 8], interpolation: bicubic, pad_value: 114").empty());
  REQUIRE(says(of("resize: exact"), "exact needs preprocess.resize_to"));
  REQUIRE(says(of("resize: exact, resize_to: [8, 8]"), "exact needs preprocess.interpolation"));
  REQUIRE(says(of("resize: letterbox, resize_to: [8, 8], interpolation: area"),
               "letterbox needs preprocess.pad_value"));
  REQUIRE(says(of("resize: exact, resize_to: [8], interpolation: area"),
               "preprocess.resize_to: 1 numbers, resize exact needs two: [height, width]"));
  REQUIRE(says(of("resize: short_side, resize_to: [8, 8], interpolation: area"), "needs one"));
  REQUIRE(says(of("interpolation: area"), "there is no preprocess.resize"));
  REQUIRE(says(of("resize_to: [8]"), "there is no preprocess.resize"));
  REQUIRE(says(of("pad_value: 0"), "is for preprocess.resize letterbox"));
  REQUIRE(says(of("color: rgb"), "did you mean 'colour'?"));
  REQUIRE(says(of("resize: letter_box"), "did you mean 'letterbox'?"));
  const Scenario s = parsed(kShortest +
                            "preprocess: {colour: grey, resize: short_side, resize_to: [30], "
                            "interpolation: area, crop: [28, 27]}\n");
  datasets::Geometry wanted;
  wanted.colour = datasets::Colour::grey;
  wanted.resize = datasets::Resize::short_side;
  wanted.resize_to = {30, 30};
  wanted.interpolation = datasets::Interpolation::area;
  wanted.crop = datasets::Extent{28, 27};
  REQUIRE(s.geometry() == wanted);
}

TEST_CASE("a batch size goes with per_batch and with nothing else", "[scenario]") {
  REQUIRE(
      mistakes(kShortest, {{"faults.policy", "per_batch"}, {"faults.batch_size", "8"}}).empty());
  REQUIRE(what("faults: {policy: per_batch}") ==
          "faults.policy: per_batch without faults.batch_size");
  REQUIRE(what("faults: {batch_size: 8}") ==
          "faults.batch_size: does not apply to policy per_image");
  REQUIRE(what("faults: {policy: per_epoch, batch_size: 8}") ==
          "faults.batch_size: does not apply to policy per_epoch");
  REQUIRE(
      mistakes(kShortest, {{"run_type", "accumulate"}, {"faults.policy", "per_epoch"}}).empty());
}
