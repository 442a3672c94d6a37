#pragma once

#include "results/manifest.hpp"
#include "results/trials.hpp"
#include "suite/engine/prepare.hpp"

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What ties the files of a run directory to each other and to the files they were made from.
namespace bitquake::engine {

/// SHA-256 of model, data and fault set, as run.json lists them.
std::vector<results::Manifest::Input> input_hashes(const Inputs& inputs,
                                                   const std::string& faults_sha256);

/// Hash of all that decides a campaign's rows besides the numeric fingerprint: the keys of the
/// scenario that decide results, and inputs.
std::string campaign_identity(const scenario::Scenario& scenario,
                              const std::vector<results::Manifest::Input>& inputs);

/// What decides the last bits of a campaign on this machine: what its networks say of it, and the
/// code paths of OpenCV, which perturbs.
std::map<std::string, std::string> numeric_fingerprint(const model::Model& model,
                                                       const std::vector<Modified>& modified);

/// Whether parameters of a model may be none that a fault can hit because a quantised engine packs
/// them.
bool packs_parameters(const model::Model& model, faultgen::Target target);

inline constexpr std::string_view kPackedHint =
    "quantised layers keep weight and bias packed in a form of their engine, in which no bit is "
    "that of a value: choose faults.target neurons, or leave quantised sites out with "
    "faults.exclude";

/// A numeric fingerprint as lines of "name=value".
std::string fingerprint_text(const std::map<std::string, std::string>& fingerprint);

/// Names of the perturbations, in their order.
std::vector<std::string> perturbation_labels(const scenario::Scenario& scenario);

/// Names of the networks, the original first.
std::vector<std::string> variant_names(const scenario::Scenario& scenario);

/// What all rows of a campaign share when they are computed here: the head of its trials.h5.
results::Campaign describe_rows(const scenario::Scenario& scenario, const model::Model& model,
                                const std::vector<Modified>& modified,
                                const datasets::Dataset& data, const std::string& identity);

/// Nothing when the samples of finished rows are still what they were read from; otherwise
/// Errc::data, naming the first file that has changed or gone. Reads those files once.
Result<std::monostate> check_content(const datasets::Dataset& data,
                                     std::span<const results::GoldenRow> golden);

}  // namespace bitquake::engine
