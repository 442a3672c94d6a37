#pragma once

#include "faultgen/fault.hpp"
#include "suite/base/named.hpp"
#include "suite/base/result.hpp"
#include "suite/bench/networks.hpp"
#include "suite/engine/prepare.hpp"

#include <array>
#include <cstdint>
#include <memory>

namespace bitquake::bench {

enum class Workload : std::uint8_t { sweep, quickstart };

inline constexpr std::array kWorkloads{
    Named<Workload>{Workload::sweep, "sweep",
                    "many faults on few images; one weight fault meets all of them"},
    Named<Workload>{Workload::quickstart, "quickstart", "one fault for each image"},
};

/// Size of a campaign.
struct Size {
  std::uint64_t samples = 0;
  std::uint32_t epochs = 0;
  std::uint64_t trials() const { return samples * epochs; }
  bool operator==(const Size&) const = default;
};

/// What is run on a network: large ones get smaller campaigns, so that all of it ends in minutes.
struct Effort {
  Size sweep, quickstart;
  std::uint64_t reference_trials = 0;  ///< most that the reference executor runs
  std::uint32_t padded_batch = 16;
  unsigned repetitions = 3;

  const Size& size(Workload workload) const {
    return workload == Workload::sweep ? sweep : quickstart;
  }
};

/// @param quick  a glance: one repetition of a few trials
Effort effort_of(const Network& network, bool quick);

/// The beginning of a campaign, of at most `most` > 0 trials (at least one): whole epochs, else the
/// first samples of the first. Its trials have the numbers and faults that they have in the whole.
Size beginning(const Size& whole, std::uint64_t most);

/// A campaign to measure.
struct Case {
  faultgen::Target target = faultgen::Target::neuron;
  Workload workload = Workload::sweep;
};

/// @param whole   size of the whole campaign
/// @param part    `whole` or a beginning() of it
/// @param images  of the network's input size, at least whole.samples
/// @param audit   whether the campaign audits its rows, where the scenario language has that
Result<engine::Inputs> make_inputs(const Network& network, const Case& chosen, const Size& whole,
                                   const Size& part, std::uint32_t padded_batch, bool audit,
                                   std::shared_ptr<const datasets::Dataset> images,
                                   std::shared_ptr<const model::Model> model);

/// Whether the scenario language can turn the audit on and off.
bool has_audit();

}  // namespace bitquake::bench
