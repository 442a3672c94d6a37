#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>

using namespace bitquake::test;

TEST_CASE("all mistakes of a scenario are shown at once, each with a caret", "[cli]") {
  const Workspace workspace;
  workspace.write("wrong.yaml",
                  "version: 1\n"
                  "model:\n"
                  "  file: model.pt\n"
                  "  input: [1, 28, 28]\n"
                  "  output: logit\n"
                  "data: {name: noise, images: images}\n"
                  "faults:\n"
                  "  bits: 5-99\n"
                  "  model: bitflp\n");
  const Finished got = workspace.bitquake({"check", "wrong.yaml"});
  REQUIRE(got.exit_code == 3);
  REQUIRE(got.out.empty());
  REQUIRE(holds(got.err,
                "wrong.yaml:5:11: error: model.output: unknown word 'logit'\n"
                "  output: logit\n"
                "          ^\n"
                "hint: did you mean 'logits'?"));
  REQUIRE(holds(got.err,
                "wrong.yaml:8:9: error: faults.bits: '5-99': bit 99 is outside the 32 bits of "
                "fp32\n"
                "  bits: 5-99\n"
                "        ^\n"));
  REQUIRE(holds(got.err,
                "wrong.yaml:9:10: error: faults.model: unknown word 'bitflp'\n"
                "  model: bitflp\n"
                "         ^\n"
                "hint: did you mean 'bit_flip'?"));
}

TEST_CASE("a scenario that cannot be read or is no YAML exits with 3", "[cli]") {
  const Workspace workspace;
  workspace.write("broken.yaml", "version: [1\n");
  workspace.write("empty.yaml", "");
  struct Case {
    const char* file;
    const char* err;
  };
  const auto [file, err] =
      GENERATE(Case{"none.yaml",
                    "none.yaml: error: cannot read the scenario: No such file or directory\nhint: "
                    "name a scenario file; `bitquake init MODEL` writes one\n"},
               Case{".", ".: error: cannot read the scenario: it is a directory\n"},
               Case{"empty.yaml", "empty.yaml:1:1: error: the scenario is empty\n"},
               Case{"broken.yaml", "broken.yaml:2:1: error: not valid YAML: "});
  const Finished got = workspace.bitquake({"run", file, "-o", "out"});
  REQUIRE_THAT(got.err, Catch::Matchers::StartsWith(err));
  REQUIRE(got.exit_code == 3);
  REQUIRE(got.out.empty());
  REQUIRE(!workspace.has("out"));
}

TEST_CASE("mistakes in --set exit with 2 and are all shown", "[cli]") {
  const Workspace workspace;
  const Finished got =
      workspace.bitquake({"check", "scenario.yaml", "--set", "faults.taget=weights", "--set",
                          "faults.bits=[40]", "--set", "data.samples=0"});
  REQUIRE(got.exit_code == 2);
  REQUIRE(got.out.empty());
  REQUIRE(holds(got.err,
                "--set faults.taget=weights: error: unknown key 'faults.taget'\n"
                "hint: did you mean 'faults.target'?\n"));
  REQUIRE(holds(got.err, "--set faults.bits=[40]: error: faults.bits: '40': bit 40 is outside"));
  REQUIRE(holds(got.err, "--set data.samples=0: error: data.samples: must be at least 1"));
}

TEST_CASE("a key is set once: --samples and --set data.samples exclude each other", "[cli]") {
  const Workspace workspace;
  const Finished got =
      workspace.bitquake({"check", "scenario.yaml", "--samples", "5", "--set", "data.samples=6"});
  REQUIRE(got.exit_code == 2);
  REQUIRE(holds(got.err, "'data.samples' is set more than once"));
}

TEST_CASE("check says what would be run and gives the command for it", "[cli]") {
  const Workspace workspace;
  const Finished got = workspace.bitquake(
      {"check", "scenario.yaml", "--samples", "7", "-j", "2", "--set", "faults.bits=30-31"});
  REQUIRE(got.exit_code == 0);
  REQUIRE(holds(got.out, "model       model.pt: 10 classes, 10 sites\n"));
  REQUIRE(holds(got.out, "data        noise: 7 samples\n"));
  // 4,704 + 1,600 + 120 + 84 + 10 outputs of LeNet-5's layers.
  REQUIRE(holds(got.out, "population  6,518 neurons in 5 sites x 2 bits = 13,036 single faults\n"));
  REQUIRE(holds(got.out, "fault set   14 faults in 14 groups\n"));
  REQUIRE(holds(got.out, "trials      14 (2 epochs)\n"));
  REQUIRE(holds(got.out, " on 2 threads\n"));
  REQUIRE(holds(got.out,
                "OK  next: bitquake run scenario.yaml --samples 7 "
                "--set faults.bits=30-31\n"));
  REQUIRE(!workspace.has("out"));
}

TEST_CASE("a scenario of PyTorchALFI is printed as one of ours", "[cli]") {
  const Workspace workspace;
  workspace.write("default.yml",
                  "rnd_mode: weights\ninj_policy: per_batch\ninj_policy: per_epoch\n"
                  "rnd_value_type: bitflip\nrnd_value_bits: 32\nrnd_bit_range: [1, 8]\n");
  const Finished got = workspace.bitquake({"scenario", "import-alfi", "default.yml"});
  REQUIRE(got.exit_code == 0);
  REQUIRE(got.err == "note: inj_policy: given more than once; the last value holds, as there\n");
  REQUIRE(holds(got.out, "\n  bits: 23-30 "));
  REQUIRE(holds(got.out, "\n  # file: model.pt "));

  workspace.write("wrong.yml", "inj_policy: foo\nrnd_value_type: bitflip\n");
  const Finished wrong = workspace.bitquake({"scenario", "import-alfi", "wrong.yml"});
  REQUIRE(wrong.exit_code == 3);
  REQUIRE(wrong.out.empty());
  REQUIRE(holds(wrong.err, "wrong.yml:1:1: error: inj_policy: unknown word 'foo'"));
}
