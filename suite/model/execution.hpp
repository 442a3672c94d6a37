#pragma once

#include "suite/base/named.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

/// How trials are computed; every way gives the same bits. Free of Torch.
namespace bitquake::model {

enum class Execution : std::uint8_t {
  incremental,  ///< only what a fault changes is computed
  batched,      ///< the whole network, trials that share a weight fault in one batch
  reference,    ///< the whole network, a weight fault to itself: the oracle
};

/// Parts of the incremental executor. Each saves work and changes no result.
struct IncrementalParts {
  /// A faulty run starts at the fault's site, from the activations of the golden run.
  bool prefix = true;
  /// A trial ends as soon as every live value is bit-equal to the golden run.
  bool masked_stop = true;
  /// A fault that finds its bits as it would leave them is counted, not run.
  bool noop = true;
  /// Only the region of a tensor that differs from the golden run is computed.
  bool region = true;
  /// Of a weight fault only the output channel it reaches is computed.
  bool channel = true;
  /// Weights that oneDNN would reorder at every call are kept in its order.
  bool prepared_weights = true;
  bool operator==(const IncrementalParts&) const = default;
};

/// A part by its name, for scenarios, benchmarks and documents.
struct IncrementalPart {
  std::string_view name, doc;
  bool IncrementalParts::*member;
};
inline constexpr std::array kIncrementalParts{
    IncrementalPart{"prefix", "start at the fault's site, from the activations of the golden run",
                    &IncrementalParts::prefix},
    IncrementalPart{"masked_stop", "end a trial when all its live values equal the golden run",
                    &IncrementalParts::masked_stop},
    IncrementalPart{"noop", "do not run a fault that changes no bit", &IncrementalParts::noop},
    IncrementalPart{"region", "compute only the region that differs from the golden run",
                    &IncrementalParts::region},
    IncrementalPart{"channel", "of a weight fault compute only the output channel it reaches",
                    &IncrementalParts::channel},
    IncrementalPart{"prepared_weights", "keep weights in the order that oneDNN computes with",
                    &IncrementalParts::prepared_weights},
};

struct ExecutionOptions {
  Execution execution = Execution::incremental;
  IncrementalParts parts;
  bool operator==(const ExecutionOptions&) const = default;
};

/// How one site is executed by the incremental executor, for people.
struct SiteExecution {
  std::uint32_t site = 0;
  /// "row", "region" and up to which window size, "dense" or "reference"; empty without neurons.
  std::string neuron_fault;
  std::string weight_fault;  ///< "channel", "layer" or "reference"; empty without a weight
  std::string reason;        ///< why not the fastest way; else empty
};

/// Multiply-adds, counted for a set of trials by an executor that was asked to.
struct Work {
  std::uint64_t golden = 0;       ///< of the golden runs
  std::uint64_t full = 0;         ///< of whole inferences, one for each trial
  std::uint64_t unavoidable = 0;  ///< of output elements that depend on an element that differs
};

}  // namespace bitquake::model
