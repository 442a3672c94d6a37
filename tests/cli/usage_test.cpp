#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>

using namespace bitquake::test;

namespace {

Finished run_line(const std::string& line) { return run_command(BITQUAKE_SOURCE_DIR, words(line)); }

template <class Case>
std::vector<Finished> run_cases(const std::vector<Case>& cases) {
  std::vector<std::vector<std::string>> lists;
  for (const Case& item : cases) lists.push_back(words(item.line));
  return run_commands(BITQUAKE_SOURCE_DIR, lists);
}

}  // namespace

TEST_CASE("help goes to stdout, says how to call and gives an example", "[cli]") {
  struct Case {
    const char* line;
    const char* usage;
    const char* example;
  };
  const std::vector<Case> cases{
      Case{"", "Usage: bitquake [OPTIONS] SUBCOMMAND", "bitquake run suite/"},
      Case{"--help", "Usage: bitquake [OPTIONS] SUBCOMMAND", "bitquake run suite/"},
      Case{"init --help", "Usage: bitquake init [OPTIONS] MODEL", "bitquake init suite/models/"},
      Case{"run --help", "Usage: bitquake run [OPTIONS] SCENARIO", "bitquake run suite/"},
      Case{"check -h", "Usage: bitquake check [OPTIONS] SCENARIO", "bitquake check suite/"},
      Case{"faults --help", "Usage: bitquake faults [OPTIONS] SUBCOMMAND",
           "faults generate suite/"},
      Case{"faults generate --help", "Usage: bitquake faults generate [OPTIONS] SCENARIO",
           "faults generate suite/"},
      Case{"faults show --help", "Usage: bitquake faults show [OPTIONS] FILE", "faults show f"},
      Case{"faults export --help", "Usage: bitquake faults export [OPTIONS] FILE",
           "faults export f"},
      Case{"augment --help", "Usage: bitquake augment [OPTIONS] SCENARIO",
           "bitquake augment suite/"},
      Case{"bounds --help", "Usage: bitquake bounds [OPTIONS] SCENARIO", "bitquake bounds suite/"},
      Case{"model --help", "Usage: bitquake model [OPTIONS] SUBCOMMAND", "bitquake model info"},
      Case{"model info --help", "Usage: bitquake model info [OPTIONS] MODEL",
           "bitquake model info"},
      Case{"scenario --help", "Usage: bitquake scenario [OPTIONS] SUBCOMMAND", "scenario schema >"},
      Case{"scenario schema --help", "Usage: bitquake scenario schema [OPTIONS]",
           "$schema=scenario.schema.json"},
      Case{"export --help", "Usage: bitquake export [OPTIONS] DIR", "bitquake export out/"},
      Case{"replay --help", "Usage: bitquake replay [OPTIONS] DIR TRIAL",
           "replay out/quickstart 17"},
      Case{"verify --help", "Usage: bitquake verify [OPTIONS] DIR", "verify out/quickstart --frac"},
      Case{"selftest --help", "Usage: bitquake selftest [OPTIONS]", "bitquake selftest -o"},
      Case{"bench --help", "Usage: bitquake bench [OPTIONS]", "bitquake bench --quick"},
      Case{"list --help", "Usage: bitquake list [OPTIONS] [WHAT]", "bitquake list keys"}};
  const std::vector<Finished> results = run_cases(cases);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Finished& got = results[i];
    CAPTURE(cases[i].line, got.out, got.err);
    REQUIRE(got.exit_code == 0);
    REQUIRE(got.err.empty());
    REQUIRE(holds(got.out, cases[i].usage));
    REQUIRE(holds(got.out, "Example"));
    REQUIRE(holds(got.out, cases[i].example));
  }
}

TEST_CASE("help of everything names all commands and documents each option", "[cli]") {
  const Finished got = run_line("--help-all");
  REQUIRE(got.exit_code == 0);
  for (const char* text : {"generate", "show", "export", "info", "list", "--samples", "--set",
                           "BITQUAKE_THREADS", "--json"}) {
    CAPTURE(text);
    REQUIRE(holds(got.out, text));
  }
}

TEST_CASE("the version is one line with version, commit and compiler", "[cli]") {
  const Finished got = run_line("--version");
  REQUIRE(got.exit_code == 0);
  REQUIRE(got.err.empty());
  REQUIRE_THAT(got.out, Catch::Matchers::Matches(R"(bitquake \d+\.\d+\.\d+ \([^,]+, [^,]+\)\n)"));
}

TEST_CASE("a mistake on the command line is named with its remedy and exits with 2", "[cli]") {
  struct Case {
    const char* line;
    const char* err;
  };
  const std::vector<Case> cases{
      Case{"runn",
           "bitquake: error: unknown command 'runn'\n"
           "hint: did you mean 'run'? see bitquake --help\n"},
      Case{"zzz",
           "bitquake: error: unknown command 'zzz'\n"
           "hint: one of: init, run, check, faults, augment, bounds, model, scenario, "
           "export, replay, verify, selftest, bench, list\n"},
      Case{"--verison",
           "bitquake: error: unknown option '--verison'\n"
           "hint: did you mean '--version'? see bitquake --help\n"},
      Case{"faults",
           "bitquake faults: error: a command is required\n"
           "hint: one of: generate, import, verify, show, export\n"},
      Case{"faults shw",
           "bitquake faults: error: unknown command 'shw'\n"
           "hint: did you mean 'show'? see bitquake faults --help\n"},
      Case{"run",
           "bitquake run: error: SCENARIO is required\n"
           "hint: see bitquake run --help\n"},
      Case{"run a.yaml b.yaml",
           "bitquake run: error: unexpected argument 'b.yaml'\n"
           "hint: see bitquake run --help\n"},
      Case{"run a.yaml --sampels=10000",
           "bitquake run: error: unknown option '--sampels=10000'\n"
           "hint: did you mean '--samples'? see bitquake run --help\n"},
      Case{"run a.yaml --samples -1",
           "bitquake run: error: --samples: expected a whole number of "
           "at least 1, got '-1'\nhint: see bitquake run --help\n"},
      Case{"run a.yaml --seed 1.5",
           "bitquake run: error: --seed: expected a whole number of at "
           "least 0, got '1.5'\nhint: see bitquake run --help\n"},
      Case{"run a.yaml --seed 18446744073709551616",
           "bitquake run: error: --seed: expected a whole number of at least 0, got "
           "'18446744073709551616'\nhint: see bitquake run --help\n"},
      Case{"run a.yaml --samples 5 --samples 6",
           "bitquake run: error: --samples: expected exactly one value\n"
           "hint: see bitquake run --help\n"},
      Case{"faults verify a.h5 a.yaml --strict=maybe",
           "bitquake faults verify: error: --strict: takes no value\n"
           "hint: see bitquake faults verify --help\n"},
      Case{"check a.yaml -j 0",
           "bitquake check: error: --threads: expected a whole number from 1 "
           "to 1024, got '0'\nhint: see bitquake check --help\n"},
      Case{"run a.yaml --set seed", "--set seed: error: has no '='\nhint: write --set KEY=VALUE\n"},
      Case{"run a.yaml --set seed=2 faults.epochs=4",
           "bitquake run: error: unexpected argument 'faults.epochs=4'\n"
           "hint: each key needs an option of its own: --set faults.epochs=4\n"},
      Case{"bounds a.yaml --from b.h5 --samples 5",
           "--samples: error: means nothing with --from: no sample is run\n"
           "hint: leave out one of the two\n"},
      Case{"bounds a.yaml --steps 2",
           "--steps: error: is of a search for thresholds only\nhint: give --search-clip too\n"},
      Case{"bounds a.yaml --search-clip --rates 1e-5,1e-6",
           "--rates 1e-5,1e-6: error: is no list of fault rates: two or more, ascending, above 0 "
           "and at most 1\nhint: write --rates 1e-7,1e-6,1e-5\n"},
      Case{"faults generate a.yaml",
           "bitquake faults generate: error: --output is required\n"
           "hint: see bitquake faults generate --help\n"},
      Case{"augment a.yaml",
           "bitquake augment: error: nothing to write was named\n"
           "hint: give --sheet FILE to look at the images, -o FILE to keep them\n"},
      Case{"list pertubations",
           "list pertubations: error: there is no such list\n"
           "hint: did you mean 'perturbations'?\n"},
      Case{"model info m.pt",
           "bitquake model info: error: --input is required\n"
           "hint: see bitquake model info --help\n"},
      Case{"model info m.pt --input 1x28",
           "--input 1x28: error: is not a shape\nhint: write channels, height and width, each 1 "
           "to 65536, such as --input 1x28x28\n"},
      Case{"model info m.pt --input 1x28x99999999999",
           "--input 1x28x99999999999: error: is not a shape\nhint: write channels, height and "
           "width, each 1 to 65536, such as --input 1x28x28\n"},
      Case{"export nowhere",
           "nowhere: error: holds no finished campaign (trials.h5)\n"
           "hint: name the directory given to bitquake run -o\n"},
      Case{"replay out minus",
           "bitquake replay: error: TRIAL: expected a whole number of at least 0, got 'minus'\n"
           "hint: see bitquake replay --help\n"},
      Case{"list colums",
           "list colums: error: there is no such list\n"
           "hint: did you mean 'columns'?\n"}};
  const std::vector<Finished> results = run_cases(cases);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(cases[i].line);
    REQUIRE(results[i].err == cases[i].err);
    REQUIRE(results[i].out.empty());
    REQUIRE(results[i].exit_code == 2);
  }
}

TEST_CASE("an empty output directory is refused instead of being taken for the default", "[cli]") {
  const Finished got =
      run_command(BITQUAKE_SOURCE_DIR, {"run", "suite/scenarios/quickstart.yaml", "-o", ""});
  REQUIRE(got.exit_code == 2);
  REQUIRE(holds(got.err, "--output: is empty"));
}

TEST_CASE("BITQUAKE_THREADS is checked where threads are used, and only there", "[cli]") {
  const Workspace workspace;
  const auto with = [&](const std::string& value, const std::vector<std::string>& arguments) {
    return Process(workspace.path(), arguments, {}, {"BITQUAKE_THREADS=" + value}).wait();
  };
  const Finished wrong = with("many", {"check", "scenario.yaml"});
  REQUIRE(wrong.exit_code == 2);
  REQUIRE(holds(wrong.err, "BITQUAKE_THREADS=many: error: is not a number of threads, 1 to 1024"));
  REQUIRE(with("many", {"list", "exit-codes"}).exit_code == 0);
  REQUIRE(holds(with("3", {"check", "scenario.yaml"}).out, "on 3 threads\n"));
  REQUIRE(holds(with("3", {"check", "scenario.yaml", "-j", "1"}).out, "on 1 thread\n"));
}

TEST_CASE("results that cannot be written to stdout are no success", "[cli]") {
  const Workspace workspace;
  const Finished got = Process(workspace.path(), {"list", "keys"}, "/dev/full").wait();
  REQUIRE(got.exit_code == 2);
  REQUIRE(holds(got.err, "stdout: error: cannot be written"));
}
