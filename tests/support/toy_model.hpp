#pragma once

#include "suite/model/model.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

/// A two-layer network in plain loops behind the engine's model interface, so that sanitizers see
/// through all of it: 16 inputs -> fc1 (8) -> clamp to [0, 6] -> fc2 (6 classes). Sums run over
/// ascending inputs and start at the bias; one that is NaN is the quiet NaN, because which of two
/// NaNs survives an addition is the compiler's choice. NaN passes the clamp.
namespace bitquake::test {

inline constexpr std::size_t kToyInputs = 16, kToyHidden = 8, kToyClasses = 6;

struct ToyParameters {
  std::array<float, kToyHidden * kToyInputs> weight1;  ///< [8, 16]
  std::array<float, kToyHidden> bias1;
  std::array<float, kToyClasses * kToyHidden> weight2;  ///< [6, 8]
  std::array<float, kToyClasses> bias2;
};

/// Irregular values of magnitude up to about 1; always the same.
ToyParameters toy_parameters();

/// First pixels (of 255) that make a sample's golden run non-finite.
inline constexpr std::uint8_t kInfiniteNeuronPixel = 254;  ///< fc1[0] = +Inf; the output is finite
inline constexpr std::uint8_t kNanOutputPixel = 255;       ///< output[0] = NaN

/// Monitored points of the toy, rows of Model::points(), in execution order.
enum ToyPoint : std::uint32_t {
  kFc1Weight,
  kFc1Output,
  kClampOutput,
  kFc2Weight,
  kFc2Output,
  kFinalOutput
};

/// A mistake that an executor could make. Tests plant one to see that they notice.
enum class Defect {
  none,
  wrong_bit,         ///< the bit above the wanted one
  wrong_element,     ///< the element behind the wanted one
  applied_twice,     ///< so that a flip undoes itself
  left_behind,       ///< a trial's faults are still there in the next one
  wrong_sample,      ///< a trial runs on the sample behind its own
  first_fault_only,  ///< the other faults of a group are dropped
  golden_polluted,   ///< a faulty run writes its output over the golden one
};

struct ToySettings {
  std::string sha256 = "5eed";
  std::map<std::string, std::string> fingerprint{{"arithmetic", "plain loops"}};
  Defect defect = Defect::none;
  /// Called in the worker before each faulty inference: may sleep; what it throws fails the trial.
  std::function<void(std::span<const faultgen::Fault>)> before_inference;
  /// Trials whose output has a wrong last bit in every execution but reference.
  std::function<bool(std::span<const faultgen::Fault>)> wrong_unless_reference;
  /// Called for each executor that is made.
  std::function<void(const model::ExecutionOptions&)> on_executor;
  model::KeptActivations kept;  ///< that golden blocks claim
  std::vector<model::SiteExecution> explanation;
  bool deviation = false;                  ///< trials give their deviations
  std::vector<faultgen::Site> more_sites;  ///< behind its own; none is ever run
  /// Guards clamp, clip, backflip and detector of sites 0 and 1, and codes of their weights.
  model::Protection protection;
};

std::shared_ptr<const model::Model> make_toy_model(ToySettings settings = {});

}  // namespace bitquake::test
