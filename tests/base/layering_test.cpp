#include "tests/base/temp_directory.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace fs = std::filesystem;

namespace {

/// A library and the libraries it may include besides itself.
struct Layer {
  std::string_view folder;
  std::vector<std::string_view> may_include;
};

/// The architecture: who may include whom. A file outside these folders is refused as well.
const std::vector<Layer>& layers() {
  static const std::vector<Layer> kLayers{
      {"suite/base", {}},
      {"datasets", {"suite/base"}},
      {"augment", {"suite/base"}},
      {"faultgen", {"suite/base"}},
      {"metrics", {"suite/base"}},
      {"results", {"suite/base", "faultgen", "metrics"}},
      {"suite/scenario", {"suite/base", "datasets", "augment", "faultgen", "metrics"}},
      {"suite/model", {"suite/base", "faultgen"}},
      {"suite/engine",
       {"suite/base", "datasets", "augment", "faultgen", "metrics", "results", "suite/scenario",
        "suite/model"}},
      {"suite/selftest",
       {"suite/base", "datasets", "augment", "faultgen", "metrics", "results", "suite/scenario",
        "suite/model", "suite/engine"}},
      {"suite/bench",
       {"suite/base", "datasets", "augment", "faultgen", "metrics", "results", "suite/scenario",
        "suite/model", "suite/engine", "suite/selftest", "suite/models"}},
      {"suite/cli",
       {"suite/base", "datasets", "augment", "faultgen", "metrics", "results", "suite/scenario",
        "suite/model", "suite/engine", "suite/selftest", "suite/bench"}},
      {"suite/models",
       {"suite/base", "datasets", "augment", "faultgen", "metrics", "results", "suite/scenario",
        "suite/model", "suite/engine"}},
      {"tests",
       {"suite/base", "datasets", "augment", "faultgen", "metrics", "results", "suite/scenario",
        "suite/model", "suite/engine", "suite/selftest", "suite/bench", "suite/cli"}},
  };
  return kLayers;
}

/// Folders that may name Torch: its headers cost half a minute per file.
constexpr std::array<std::string_view, 5> kTorchFolders{
    "suite/model", "suite/models", "suite/bench", "tests/model", "tests/property"};

bool inside(std::string_view file, std::string_view folder) {
  return file.size() > folder.size() && file.substr(0, folder.size()) == folder &&
         file[folder.size()] == '/';
}

const Layer* layer_of(std::string_view file) {
  const auto found = std::find_if(layers().begin(), layers().end(),
                                  [&](const Layer& layer) { return inside(file, layer.folder); });
  return found == layers().end() ? nullptr : &*found;
}

bool is_torch(std::string_view header) {
  return inside(header, "torch") || inside(header, "ATen") || inside(header, "c10");
}

/// What is wrong with `file` (path from the root of the repository) including `header`.
std::optional<std::string> complaint(const std::string& file, const std::string& header,
                                     bool quoted) {
  const std::string line = file + " includes " + header;
  if (is_torch(header)) {
    const bool allowed = std::any_of(kTorchFolders.begin(), kTorchFolders.end(),
                                     [&](std::string_view folder) { return inside(file, folder); });
    if (allowed) return std::nullopt;
    return line + ": only suite/model names Torch";
  }
  const Layer* to = layer_of(header);
  if (!quoted) {
    if (to == nullptr) return std::nullopt;
    return line + ": headers of the project are included with quotes";
  }
  const Layer* from = layer_of(file);
  if (from == nullptr) return line + ": the file is in no known folder";
  if (to == nullptr) return line + ": not a path from the root of the repository";
  const auto& allowed = from->may_include;
  if (to == from || std::find(allowed.begin(), allowed.end(), to->folder) != allowed.end()) {
    return std::nullopt;
  }
  return line + ": " + std::string(from->folder) + " may not include " + std::string(to->folder);
}

struct Include {
  std::string header;
  bool quoted;
};

/// The header that a line includes, or nothing.
std::optional<Include> parse_include(std::string_view line) {
  const auto skip = [&](std::string_view word) {
    const std::size_t start = std::min(line.find_first_not_of(" \t"), line.size());
    if (line.substr(start, word.size()) != word) return false;
    line.remove_prefix(start + word.size());
    return true;
  };
  if (!skip("#") || !skip("include")) return std::nullopt;
  const bool quoted = skip("\"");
  if (!quoted && !skip("<")) return std::nullopt;
  return Include{std::string(line.substr(0, line.find(quoted ? '"' : '>'))), quoted};
}

std::vector<std::string> complaints(const std::string& file, const std::string& text) {
  std::vector<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto include = parse_include(line);
    if (!include) continue;
    if (auto wrong = complaint(file, include->header, include->quoted)) found.push_back(*wrong);
  }
  return found;
}

bool is_source(const fs::path& path) {
  return path.extension() == ".hpp" || path.extension() == ".cpp";
}

}  // namespace

TEST_CASE("the layering check sees forbidden arrows", "[base][layering]") {
  REQUIRE(complaints("faultgen/a.cpp", "#include \"metrics/kpi.hpp\"\n").size() == 1);
  REQUIRE(complaints("suite/base/a.hpp", "#pragma once\n#include \"faultgen/bits.hpp\"\n").size() ==
          1);
  REQUIRE(complaints("results/a.cpp", "\n  #  include \"datasets/sample.hpp\"").size() == 1);
  REQUIRE(complaints("suite/model/a.cpp", "#include \"results/row.hpp\"\n").size() == 1);
  REQUIRE(complaints("suite/engine/a.cpp", "#include \"suite/cli/exit_code.hpp\"\n").size() == 1);
  REQUIRE(complaints("suite/engine/a.cpp", "#include \"suite/selftest/a.hpp\"\n").size() == 1);
  REQUIRE(complaints("metrics/a.cpp", "#include \"tests/support/a.hpp\"\n").size() == 1);
  REQUIRE(complaints("metrics/a.cpp", "#include \"kpi.hpp\"\n").size() == 1);
  REQUIRE(complaints("metrics/a.cpp", "#include <metrics/kpi.hpp>\n").size() == 1);
  REQUIRE(complaints("suite/engine/a.cpp", "#include <torch/torch.h>\n").size() == 1);
  REQUIRE(complaints("suite/engine/a.cpp", "#include \"ATen/ATen.h\"\n").size() == 1);
  REQUIRE(complaints("tests/engine/a.cpp", "#include <c10/util/Half.h>\n").size() == 1);
  REQUIRE(complaints("suite/engine/a.cpp", "#include \"suite/bench/ablation.hpp\"\n").size() == 1);
}

TEST_CASE("the layering check lets allowed arrows pass", "[base][layering]") {
  REQUIRE(
      complaints(
          "faultgen/a.cpp",
          "#include \"faultgen/bits.hpp\"\n#include \"suite/base/rng.hpp\"\n#include <vector>\n")
          .empty());
  REQUIRE(complaints("results/a.cpp", "#include \"metrics/kpi.hpp\"\n").empty());
  REQUIRE(complaints("suite/model/a.cpp", "#include <torch/script.h>\n").empty());
  REQUIRE(complaints("suite/models/a.cpp", "#include <torch/torch.h>\n").empty());
  REQUIRE(complaints("tests/model/a.cpp", "#include <torch/torch.h>\n").empty());
  REQUIRE(complaints("suite/cli/a.cpp", "#include \"suite/engine/plan.hpp\"\n").empty());
  REQUIRE(complaints("suite/cli/a.cpp", "#include \"suite/bench/ablation.hpp\"\n").empty());
  REQUIRE(complaints("suite/bench/a.cpp", "#include <torch/script.h>\n").empty());
}

TEST_CASE("no file of the repository includes what its folder may not", "[base][layering]") {
  const fs::path root = BITQUAKE_SOURCE_DIR;
  std::size_t files = 0;
  std::string found;
  for (const std::string_view folder :
       {"datasets", "augment", "faultgen", "metrics", "results", "suite", "tests"}) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file() || !is_source(entry.path())) continue;
      ++files;
      const std::string name = fs::relative(entry.path(), root).generic_string();
      for (const auto& line : complaints(name, bitquake::test::read_bytes(entry.path()))) {
        found += line + "\n";
      }
    }
  }
  INFO(found);
  REQUIRE(found.empty());
  REQUIRE(files >= 30);  // the test looked at the repository at all
}
