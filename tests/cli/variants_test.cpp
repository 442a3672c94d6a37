#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

using namespace bitquake::test;

namespace {

constexpr auto kFaults = "faults: {epochs: 2, bits: exponent}\n";

std::string with_variants(const std::string& variants) {
  return Workspace::scenario(kFaults + ("variants: " + variants + "\n"));
}

}  // namespace

TEST_CASE("run compares modified networks with the original", "[cli][variants]") {
  const Workspace workspace;
  workspace.write("variants.yaml",
                  with_variants("[{protection: clamp, bounds: b.h5}, {protection: duplicate}]"));
  REQUIRE(workspace.bitquake({"bounds", "scenario.yaml", "-o", "b.h5", "-q"}).exit_code == 0);
  const Finished got = workspace.bitquake({"run", "variants.yaml", "-o", "out"});
  REQUIRE(got.exit_code == 0);
  REQUIRE(holds(got.out, "600 trials (0 failed)"));
  REQUIRE(holds(got.out, "\nModified networks on the trials of the original, in %"));

  // Of the data that bounds come from, no alarm is false.
  const std::string card = workspace.read("out/kpi/protection.csv");
  for (const std::string variant : {"clamp", "duplicate"}) {
    REQUIRE(holds(card, "\n" + variant + ",clean,false_alarm,0,100,0,"));
  }
  // A fault in an activation is in one of two computations, and so seen whenever it changes a bit.
  const auto summary = nlohmann::json::parse(workspace.read("out/summary.json"));
  REQUIRE(summary.at("conditions").size() == 3);
  REQUIRE(holds(card, "\nduplicate,clean,residual_sde,0,200,0,"));
  REQUIRE(holds(workspace.read("out/timings.csv"), "\ngolden of clamp,"));

  const auto after = workspace.bitquake_each({"verify out", "replay out 405"});
  REQUIRE(after[0].exit_code == 0);
  REQUIRE(holds(after[0].out, "2 modified networks, files with the SHA-256 of run.json"));
  REQUIRE(after[1].exit_code == 0);
  REQUIRE(holds(after[1].out, "trial    405 of 600: duplicate, "));
  REQUIRE(holds(after[1].out, "REPRODUCED"));

  // Bounds that changed are noticed.
  workspace.bitquake({"bounds", "scenario.yaml", "-o", "other.h5", "-q", "--samples", "10"});
  std::filesystem::rename(workspace / "other.h5", workspace / "b.h5");
  const Finished changed = workspace.bitquake({"verify", "out"});
  REQUIRE(changed.exit_code != 0);
  REQUIRE(holds(changed.out + changed.err, "b.h5"));
}

TEST_CASE("wrong variants are refused where they stand", "[cli][variants][error]") {
  struct Wrong {
    std::string variants;
    int exit_code;
    std::string message;
  };
  const std::vector<Wrong> all{
      {"[{protection: clam, bounds: b.h5}]", 3, ":6:25: error: variants.protection: unknown word"},
      {"[{protection: clamp}]", 3,
       ":6:25: error: variants.protection: clamp needs variants.bounds"},
      {"[{protection: duplicate}, {protection: duplicate}]", 3,
       "a variant named duplicate is there"},
      {"[{protection: duplicate, bounds: b.h5}]", 3,
       ":6:44: error: variants.bounds: does not apply"},
      {"[{protection: abft, tolerance_factor: 0.5}]", 3, ":6:49: error: variants.tolerance_factor"},
      {"[{protection: tmr, include: conv9}]", 3, "variants.include 'conv9' names no site"},
      {"[{protection: parity_32, kinds: activation}]", 3, "names no site with weights"},
      {"[{model: model.pt, site_map: [conv1 -> conv2]}]", 3, ":6:40: error: variants.site_map"},
      {"[{model: images}]", 4, "variant images: "},
      {"[]", 3, ":6:11: error: variants: expected a mapping of keys or a list of them"},
  };
  const Workspace workspace;
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string name = std::to_string(i) + ".yaml";
    workspace.write(name, with_variants(all[i].variants));
    lines.push_back("run " + name + " -o out" + std::to_string(i));
  }
  const auto got = workspace.bitquake_each(lines);
  for (std::size_t i = 0; i < all.size(); ++i) {
    CAPTURE(all[i].variants, got[i].err);
    REQUIRE(got[i].exit_code == all[i].exit_code);
    REQUIRE(holds(got[i].err, all[i].message));
    REQUIRE(holds(got[i].err, "\nhint: ") ==
            (all[i].message.find("tolerance") == std::string::npos));
    REQUIRE_FALSE(workspace.has("out" + std::to_string(i)));
  }
}
