#pragma once

#include "augment/perturbation.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bitquake::augment {

/// Perturbations applied one after the other; none: the clean image. Between steps the image has
/// the type it came with, as if it had been stored.
struct Pipeline {
  std::vector<Step> steps;
  bool operator==(const Pipeline&) const = default;
};

/// "rotate/2+gaussian_noise/3"; "clean" for no steps.
std::string label(const Pipeline& pipeline);

/// The pipeline that label() writes this text for, or Errc::scenario with what is wrong with it.
Result<Pipeline> parse_pipeline(std::string_view text);

/// Most pipelines that one text stands for.
inline constexpr std::size_t kMaxAlternatives = 4096;

/// The pipelines of a text in which a severity may be a range: "fog/1-3" stands for three. Several
/// ranges stand for all combinations, the last one changing fastest. Errc::scenario with what is
/// wrong.
Result<std::vector<Pipeline>> parse_alternatives(std::string_view text);

/// Some step draws random numbers, so results depend on seed and sample.
bool is_random(const Pipeline& pipeline);

/// Some step changes where objects are.
bool moves_boxes(const Pipeline& pipeline);

/// The step of a pipeline that is one of the 15 corruptions of ImageNet-C at one severity, as it is
/// defined: one step of a built-in kind of the groups noise, blur, weather and digital, and nothing
/// chosen otherwise. `frost_procedural` stands in frost's place. None for other pipelines.
/// Source: Hendrycks, Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and
/// Perturbations, ICLR 2019, section 4.1.
std::optional<Step> common_corruption(const Pipeline& pipeline);

/// The scene under the pipeline; a pure function of its arguments: the k-th step of a kind draws
/// from DrawKey(seed, sample, name of the kind, k). So the same fog lies over a sample at each
/// severity, whatever other kinds come before it. Thread-safe.
/// @return the scene, or Errc::data with what is wrong with its image
Result<Scene> apply(const Pipeline& pipeline, const Scene& scene, std::uint64_t seed,
                    std::uint64_t sample);

}  // namespace bitquake::augment
