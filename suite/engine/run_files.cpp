#include "suite/engine/run_files.hpp"

#include "results/merge.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/sha256.hpp"
#include "suite/engine/identity.hpp"
#include "suite/engine/variants.hpp"
#include "suite/scenario/yaml_reader.hpp"

#include <algorithm>
#include <map>
#include <system_error>

namespace bitquake::engine {

namespace fs = std::filesystem;

Result<RunFiles> open_run(const fs::path& directory, const std::optional<fs::path>& base) {
  std::error_code missing;
  if (!fs::exists(directory / "run.json", missing)) {
    return Error{Errc::results, directory.string(), "is no run directory: it holds no run.json",
                 "name the directory given to bitquake run -o", ""};
  }
  auto manifest = results::read_manifest(directory / "run.json");
  if (!manifest) return manifest.error();
  const fs::path paths = base.value_or(fs::path(manifest->scenario_file).parent_path());
  const fs::path file = directory / "scenario.yaml";
  const auto text = read_text(file, Errc::results);
  if (!text) return text.error();
  auto scenario = scenario::parse_scenario(*text, file.string(), fs::current_path() / paths);
  if (!scenario) {
    Error error = scenario.error().front();
    error.code = Errc::results;
    return error;
  }
  return RunFiles{directory, std::move(*manifest), std::move(*scenario)};
}

Result<std::monostate> check_unchanged(
    const results::Manifest& manifest, const std::string& role, Errc code,
    const std::vector<std::pair<std::string, std::string>>& now) {
  std::vector<std::string> recorded;
  for (const auto& input : manifest.inputs) {
    if (input.role == role) recorded.push_back(input.sha256);
  }
  for (std::size_t i = 0; i < now.size(); ++i) {
    const std::string was = i < recorded.size() ? recorded[i] : "no such file";
    if (now[i].second == was) continue;
    return Error{code, now[i].first,
                 "is not the file that the campaign was run with: SHA-256 " + now[i].second +
                     ", run.json has " + was,
                 "restore the file, or say where the scenario's files are with --base", ""};
  }
  if (recorded.size() == now.size()) return std::monostate{};
  return Error{code, "run.json", "has more files of " + role + " than the scenario",
               "the run directory is damaged", ""};
}

Result<std::monostate> check_variants(const RunFiles& run) {
  std::map<std::string, std::vector<std::pair<std::string, std::string>>> now;
  for (const auto& [role, written] : variant_files(run.scenario)) {
    const std::string path = run.scenario.resolve(written).string();
    const auto hash = sha256_file(path, Errc::model);
    if (!hash) return hash.error();
    now[role].emplace_back(path, *hash);
  }
  for (const auto& [role, files] : now) {
    auto same = check_unchanged(run.manifest, role, Errc::model, files);
    if (!same) return same;
  }
  return std::monostate{};
}

Result<Inputs> reopen(const RunFiles& run, const ModelLoader& load_model) {
  auto data = open_data(run.scenario);
  if (!data) return data.error();
  auto same = check_unchanged(run.manifest, "data", Errc::data, (*data)->checksums());
  if (!same) return same.error();
  auto model = load_model(run.scenario, {});
  if (!model) return model.error();
  const std::string model_file = run.scenario.resolve(run.scenario.model.file).string();
  same = check_unchanged(run.manifest, "model", Errc::model, {{model_file, (*model)->sha256()}});
  if (!same) return same.error();

  const fs::path path = run / "faults.h5";
  const auto hash = sha256_file(path, Errc::results);
  if (!hash) return hash.error();
  same = check_unchanged(run.manifest, "faults", Errc::results, {{path.string(), *hash}});
  if (!same) return same.error();
  auto faults = faultgen::read_fault_set(path);
  if (!faults) return faults.error();
  same = faultgen::check_fits(*faults, (*model)->sha256(), run.scenario.model.input,
                              (*model)->sites(), path.string());
  if (!same) return same.error();
  auto plan = plan_of(run.scenario, *faults, (*data)->size(), path.string());
  if (!plan) return plan.error();
  same = check_variants(run);
  if (!same) return same.error();
  auto modified = load_variants(run.scenario, *model, **data, *faults, load_model);
  if (!modified) return modified.error();
  return Inputs{run.scenario, std::move(*data),    std::move(*model), std::move(*faults),
                *plan,        std::move(*modified)};
}

std::vector<fs::path> segment_files(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(directory / "segments", missing)) {
    if (entry.path().extension() == ".h5") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<results::Trials> read_rows(const RunFiles& run) {
  if (run.finished()) return results::read_trials(run / "trials.h5");
  results::Campaign campaign;
  campaign.identity = run.manifest.campaign;
  campaign.fingerprint = fingerprint_text(run.manifest.fingerprint);
  campaign.run_type = name_of(faultgen::kRunTypes, run.scenario.run_type);
  campaign.perturbations = perturbation_labels(run.scenario);
  campaign.variants = variant_names(run.scenario);
  return results::gather_segments(segment_files(run.directory), campaign);
}

const results::GoldenRow* find_golden(const results::Trials& rows,
                                      const results::Condition& condition, std::uint64_t sample) {
  const auto key = [](const results::GoldenRow& row) {
    return std::pair(row.condition(), row.sample);
  };
  const std::pair wanted(condition, sample);
  const auto row = std::lower_bound(
      rows.golden.begin(), rows.golden.end(), wanted,
      [&](const results::GoldenRow& golden, const auto& value) { return key(golden) < value; });
  return row != rows.golden.end() && key(*row) == wanted ? &*row : nullptr;
}

const results::TrialRow* find_trial(const results::Trials& rows, std::uint64_t trial) {
  const auto* const row =
      std::lower_bound(rows.trials.begin(), rows.trials.end(), trial,
                       [](const results::TrialRow& candidate, std::uint64_t wanted) {
                         return candidate.trial < wanted;
                       });
  return row != rows.trials.end() && row->trial == trial ? &*row : nullptr;
}

}  // namespace bitquake::engine
