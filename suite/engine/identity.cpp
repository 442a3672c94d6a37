#include "suite/engine/identity.hpp"

#include "augment/cpu_dispatch.hpp"
#include "augment/pipeline.hpp"
#include "faultgen/schedule.hpp"
#include "suite/base/sha256.hpp"
#include "suite/engine/variants.hpp"
#include "suite/scenario/yaml_writer.hpp"

#include <fmt/format.h>

namespace bitquake::engine {

std::vector<results::Manifest::Input> input_hashes(const Inputs& inputs,
                                                   const std::string& faults_sha256) {
  std::vector<results::Manifest::Input> hashes;
  hashes.push_back({"model", inputs.scenario.model.file, inputs.model->sha256()});
  for (const auto& [name, sha256] : inputs.data->checksums()) {
    hashes.push_back({"data", name, sha256});
  }
  hashes.push_back({"faults", "faults.h5", faults_sha256});
  for (const auto& [role, file] : variant_files(inputs.scenario)) {
    const auto path = inputs.scenario.resolve(file);
    hashes.push_back({role, file, value_or_throw(sha256_file(path, Errc::model))});
  }
  return hashes;
}

std::string campaign_identity(const scenario::Scenario& scenario,
                              const std::vector<results::Manifest::Input>& inputs) {
  std::string text = scenario::results_yaml(scenario);
  for (const auto& input : inputs) text += input.role + " " + input.sha256 + "\n";
  return sha256_hex(text);
}

std::map<std::string, std::string> numeric_fingerprint(const model::Model& model,
                                                       const std::vector<Modified>& modified) {
  auto fingerprint = model.fingerprint();
  // A quantised network names its engine besides.
  for (const Modified& variant : modified) fingerprint.merge(variant.model->fingerprint());
  fingerprint["opencv"] = augment::cpu_dispatch();
  return fingerprint;
}

bool packs_parameters(const model::Model& model, faultgen::Target target) {
  return faultgen::is_parameter(target) && model.fingerprint().contains("quantized_engine");
}

std::string fingerprint_text(const std::map<std::string, std::string>& fingerprint) {
  std::string text;
  for (const auto& [name, value] : fingerprint) text += fmt::format("{}={}\n", name, value);
  return text;
}

std::vector<std::string> perturbation_labels(const scenario::Scenario& scenario) {
  std::vector<std::string> labels;
  for (const auto& pipeline : scenario.perturbations) labels.push_back(augment::label(pipeline));
  return labels;
}

std::vector<std::string> variant_names(const scenario::Scenario& scenario) {
  std::vector<std::string> names{std::string(scenario::kOriginal)};
  for (const auto& variant : scenario.variants()) names.push_back(variant.label());
  return names;
}

results::Campaign describe_rows(const scenario::Scenario& scenario, const model::Model& model,
                                const std::vector<Modified>& modified,
                                const datasets::Dataset& data, const std::string& identity) {
  results::Campaign campaign;
  campaign.identity = identity;
  campaign.fingerprint = fingerprint_text(numeric_fingerprint(model, modified));
  campaign.classes = model.classes();
  campaign.run_type = name_of(faultgen::kRunTypes, scenario.run_type);
  campaign.perturbations = perturbation_labels(scenario);
  campaign.variants = variant_names(scenario);
  for (std::uint32_t variant = 0; variant <= modified.size(); ++variant) {
    const model::Model& network = variant == 0 ? model : *modified[variant - 1].model;
    for (const model::PlacedGuard& guard : network.guards()) {
      campaign.guards.push_back(
          {variant, faultgen::site_name(model.sites()[guard.site]), guard.name});
    }
  }
  for (const auto& point : model.points()) {
    campaign.points.push_back({point.path, std::string(name_of(model::kPointKinds, point.kind))});
  }
  for (const auto& site : model.sites()) {
    campaign.sites.push_back(
        {faultgen::site_name(site), std::string(faultgen::to_string(site.kind))});
  }
  campaign.files = data.files();
  return campaign;
}

Result<std::monostate> check_content(const datasets::Dataset& data,
                                     std::span<const results::GoldenRow> golden) {
  for (const results::GoldenRow& row : golden) {
    const bool unreadable =
        static_cast<results::SkipReason>(row.skipped) == results::SkipReason::unreadable;
    // Each sample has a row for each condition.
    if (unreadable || row.condition() != results::Condition{} || row.sample >= data.size())
      continue;
    const auto hash = data.content_hash(row.sample);
    if (!hash) return hash.error();
    if (*hash == row.content_hash) continue;
    return Error{Errc::data, data.files()[data.entry(row.sample).file_number],
                 fmt::format("has changed since sample {} was read from it", row.sample),
                 "restore the file, or begin anew in another directory", ""};
  }
  return std::monostate{};
}

}  // namespace bitquake::engine
